//! Which paths may be served, and by whom? Templates, clashes, and the gateway's own.

use std::sync::Arc;

use bartizan_core::admit::envoy::CHECK;
use bartizan_core::admit::inquiry::VERIFY;
use bartizan_core::issue::documents::{JWKS_PATH, metadata_paths};
use http::Method;

use super::super::tree::Place;
use super::auth::Tokens;
use super::resolver::Resolver;

/// Paths that the gateway serves itself, whatever is configured: limits may name them.
pub(super) const GATEWAY_PATHS: &[&str] = &[
    "/token",
    "/revoke",
    "/introspect",
    "/actions",
    "/action",
    "/chain",
    "/openapi.json",
    "/approvals",
];

/// The methods of HTTP (RFC 9110, and PATCH of RFC 5789).
const STANDARD: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// The longest verb, in bytes; longer ones are refused at the door.
const MAX_VERB: usize = 32;

/// What is taken by whom.
pub(super) struct Table {
    router: matchit::Router<usize>,
    templates: Vec<Arc<str>>,
    taken: Vec<(usize, Method, Place)>,
    reserved: Vec<(Arc<str>, &'static str)>,
}

impl Table {
    pub(super) fn new(
        tokens: Option<&Tokens>,
        actions: bool,
        openapi: bool,
        approvals: bool,
    ) -> Self {
        let mut reserved: Vec<(Arc<str>, &'static str)> = vec![(
            "/.well-known/oauth-protected-resource".into(),
            "it describes this service to clients",
        )];
        if let Some(tokens) = tokens {
            reserved.push((
                Arc::clone(&tokens.path),
                "it is the token endpoint; `auth.tokens.path` moves it",
            ));
            for path in ["/revoke", "/introspect"] {
                reserved.push((path.into(), "it belongs to the token endpoint"));
            }
            let authorize = format!("{}/authorize", tokens.path);
            reserved.push((authorize.into(), "it belongs to the token endpoint"));
            let documents = metadata_paths(&tokens.issuer);
            for path in documents.into_iter().chain([JWKS_PATH.to_owned()]) {
                reserved.push((path.into(), "it describes the token endpoint to clients"));
            }
        }
        if actions {
            for path in ["/actions", "/action", "/chain", "/request"] {
                reserved.push((
                    path.into(),
                    "it is an action endpoint; `actions: { enabled: false }` frees it",
                ));
            }
        }
        if approvals {
            for path in ["/approvals", "/approvals/{id}"] {
                reserved.push((path.into(), "calls that wait are decided there"));
            }
        }
        if openapi {
            reserved.push((
                "/openapi.json".into(),
                "it describes the service; `openapi: { access: off }` frees it",
            ));
        }
        Table { router: matchit::Router::new(), templates: Vec::new(), taken: Vec::new(), reserved }
    }

    /// Keeps the paths at which proxies ask.
    pub(super) fn keep_for_proxies(&mut self) {
        for path in [VERIFY, CHECK] {
            self.reserved.push((path.into(), "proxies ask there whether calls may pass"));
        }
    }

    /// Takes the verbs at a path, or tells who has them.
    pub(super) fn take(
        &mut self,
        resolver: &mut Resolver<'_>,
        path: &Arc<str>,
        place: &Place,
        verbs: &[(Method, Place)],
    ) {
        if !sound(resolver, path, place) {
            return;
        }
        if let Some((_, why)) = self.reserved.iter().find(|(reserved, _)| reserved == path) {
            resolver.error(place, format!("the path `{path}` is the gateway's own"), *why);
            return;
        }
        let index = match self.templates.iter().position(|template| template == path) {
            Some(index) => index,
            None => {
                if let Err(error) = self.router.insert(path.to_string(), self.templates.len()) {
                    let help = "segments are `name`, `{name}`, or `{*rest}` as the last; two templates may not differ in names only";
                    resolver.error(
                        place,
                        format!("the path `{path}` cannot be served: {}", brief(&error)),
                        help,
                    );
                    return;
                }
                self.templates.push(Arc::clone(path));
                self.templates.len() - 1
            }
        };
        for (verb, place) in verbs {
            match self.taken.iter().find(|(taken, other, _)| *taken == index && other == verb) {
                Some((_, _, first)) => {
                    let message =
                        format!("`{verb} {path}` is served twice, first in line {}", first.line);
                    resolver.error(place, message, "keep one of the two");
                }
                None => self.taken.push((index, verb.clone(), place.clone())),
            }
        }
    }
}

fn brief(error: &matchit::InsertError) -> String {
    match error {
        matchit::InsertError::Conflict { with } => format!("it clashes with `{with}`"),
        other => other.to_string().to_lowercase(),
    }
}

/// Whether a path can be the canonical form of a request's.
fn sound(resolver: &mut Resolver<'_>, path: &str, place: &Place) -> bool {
    let wrong = if !path.starts_with('/') {
        Some("it must begin with `/`")
    } else if path.contains(['?', '#', '\\', '%'])
        || path.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        Some("it must have no query, fragment, backslash, per cent sign or space")
    } else if path.split('/').any(|segment| segment == "." || segment == "..")
        || path.contains("//")
    {
        Some("it must have no empty or dot segments: no request's path has them here")
    } else {
        None
    };
    if let Some(why) = wrong {
        resolver.wrong(place, format!("the path `{path}` cannot be served: {why}"));
    }
    wrong.is_none()
}

/// A verb: any token of HTTP that the door lets in.
pub(super) fn verb(resolver: &mut Resolver<'_>, place: &Place, word: &str) -> Option<Method> {
    let standard = STANDARD.iter().find(|standard| standard.eq_ignore_ascii_case(word));
    match (Method::from_bytes(word.as_bytes()), standard) {
        (_, Some(standard)) if *standard != word => {
            resolver.error(
                place,
                format!("`{word}` is not `{standard}`: verbs are told apart by case"),
                format!("write `{standard}`"),
            );
            None
        }
        (_, Some(&refused @ ("TRACE" | "CONNECT"))) => {
            resolver.wrong(place, format!("`{refused}` is never served"));
            None
        }
        (Ok(method), _) if word.len() <= MAX_VERB => Some(method),
        _ => {
            let help = "write letters, digits and `-`, at most 32, as `SUMMARIZE`";
            resolver.error(place, format!("`{word}` is no verb"), help);
            None
        }
    }
}
