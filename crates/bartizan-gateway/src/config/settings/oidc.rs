//! What does `auth.oidc` mean? Identity providers, and how far they are believed.

use std::collections::BTreeSet;
use std::time::Duration;

use bartizan_core::authenticate::algorithm::Algorithm;
use bartizan_core::authenticate::claims::{ClaimPaths, Grants};
use bartizan_core::authenticate::jwt::Issuer;
use http::Uri;

use super::super::decode::Located;
use super::super::file::auth as file;
use super::super::file::leaf::{OneOrMany, Word};
use super::super::tree::Place;
use super::AccessRules;
use super::auth::Tokens;
use super::resolver::Resolver;

pub(super) fn issuers(
    resolver: &mut Resolver<'_>,
    files: &[Located<file::Oidc>],
    own: Option<&Tokens>,
    access: &AccessRules,
) -> Vec<Issuer> {
    let mut issuers: Vec<Issuer> = Vec::new();
    let from_env = file::Oidc::default();
    let written = files.iter().map(|file| (&file.value, file.key.clone()));
    let implied = (files.is_empty() && resolver.outside.variable("OIDC_ISSUER").is_ok())
        .then(|| (&from_env, Place::start()));
    for (file, place) in written.chain(implied) {
        let Some(issuer) = issuer(resolver, file, &place, access) else { continue };
        let clash = issuers
            .iter()
            .any(|other| other.url() == issuer.url() || other.name() == issuer.name());
        if clash || own.is_some_and(|own| own.issuer == *issuer.url()) {
            let help = "every issuer needs an address and a `name` of its own";
            resolver.error(
                &place,
                format!("the issuer `{}` stands here twice", issuer.name()),
                help,
            );
            continue;
        }
        issuers.push(issuer);
    }
    issuers
}

fn issuer(
    resolver: &mut Resolver<'_>,
    file: &file::Oidc,
    place: &Place,
    access: &AccessRules,
) -> Option<Issuer> {
    let url = issuer_url(resolver, file, place);
    let audiences = audiences(resolver, file, place);
    let claims = claims(file.claims.as_ref());
    let grants = grants_at_most(resolver, file.grants_at_most.as_ref(), access);
    let algorithms = algorithms(resolver, file.algorithms.as_ref());
    let leeway = resolver.span(file.leeway.as_ref(), Duration::from_secs(30));
    if let Some(text) = file.leeway.as_ref().filter(|_| leeway > Duration::from_mins(5)) {
        resolver.error(
            &text.place,
            "`leeway` is more than 5 minutes",
            "let the clocks be set by NTP",
        );
    }
    let (url, audiences) = (url?, audiences?);
    let host =
        url.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned)).unwrap_or_default();
    let name = file.name.as_ref().map_or(host.as_str(), |name| &name.value.0);
    let name_place = file.name.as_ref().map_or(place, |name| &name.place);
    let mut issuer = Issuer::new(name, &url, audiences)
        .map_err(|error| resolver.wrong(name_place, error.to_string()))
        .ok()?;
    issuer.claims = claims;
    issuer.grants_at_most = grants;
    issuer.algorithms = algorithms;
    issuer.leeway = leeway;
    if let Some(typ) = &file.typ {
        issuer.types =
            BTreeSet::from([typ.to_lowercase().trim_start_matches("application/").to_owned()]);
    }
    Some(issuer)
}

fn issuer_url(resolver: &mut Resolver<'_>, file: &file::Oidc, place: &Place) -> Option<String> {
    let (url, place) = match &file.issuer {
        Some(source) => (resolver.text(source)?, source.place.clone()),
        None => match resolver.outside.variable("OIDC_ISSUER") {
            Ok(url) => (url, place.clone()),
            Err(_) => {
                resolver.error(
                    place,
                    "`issuer` is missing",
                    "write it, or set the environment variable `OIDC_ISSUER`",
                );
                return None;
            }
        },
    };
    secure_url(resolver, &place, "issuer", &url).then_some(url)
}

/// An https address, or a plain one on loopback, without query and user.
pub(super) fn secure_url(
    resolver: &mut Resolver<'_>,
    place: &Place,
    name: &str,
    url: &str,
) -> bool {
    let Some(uri) = url.parse::<Uri>().ok().filter(|uri| uri.host().is_some()) else {
        resolver.error(
            place,
            format!("`{name}` is no address"),
            "write one such as `https://auth.example.com`",
        );
        return false;
    };
    let hidden = uri.query().is_some()
        || url.contains('#')
        || uri.authority().is_some_and(|a| a.as_str().contains('@'));
    if hidden {
        resolver.wrong(place, format!("`{name}` must have no query, fragment or user name"));
        return false;
    }
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") if uri.host().is_some_and(is_loopback) => true,
        Some("http") => {
            let help = "use https: whoever stands between could hand out keys of their own";
            resolver.error(place, format!("`{name}` speaks plain http off loopback"), help);
            false
        }
        _ => {
            resolver.error(
                place,
                format!("`{name}` is no address"),
                "write one such as `https://auth.example.com`",
            );
            false
        }
    }
}

/// Whether a host is this machine whatever the name service says.
pub(in super::super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn audiences(resolver: &mut Resolver<'_>, file: &file::Oidc, place: &Place) -> Option<Vec<String>> {
    let written: Option<Vec<String>> = file.audience.as_ref().map(|audience| {
        let OneOrMany(texts) = &audience.value;
        texts.iter().map(|text| text.value.0.clone()).filter(|text| !text.is_empty()).collect()
    });
    let audiences =
        written.unwrap_or_else(|| resolver.outside.variable("OIDC_AUDIENCE").into_iter().collect());
    if audiences.is_empty() {
        let place = file.audience.as_ref().map_or(place, |audience| &audience.place);
        let help = "write for whom its tokens are meant, or set the environment variable `OIDC_AUDIENCE`; without it a \
                    token for any other service would pass";
        resolver.error(place, "`audience` is missing", help);
        return None;
    }
    Some(audiences)
}

fn claims(file: Option<&Located<file::Claims>>) -> ClaimPaths {
    let base = ClaimPaths::default();
    let Some(file) = file else { return base };
    let path = |text: &Option<Located<Word>>, default: String| {
        text.as_ref().map_or(default, |text| text.value.0.clone())
    };
    ClaimPaths {
        subject: path(&file.subject, base.subject),
        tenant: file.tenant.as_ref().map(|text| text.value.0.clone()),
        roles: path(&file.roles, base.roles),
        scopes: path(&file.scopes, base.scopes),
    }
}

fn grants_at_most(
    resolver: &mut Resolver<'_>,
    file: Option<&Located<file::GrantsAtMost>>,
    access: &AccessRules,
) -> Grants {
    let mut grants = Grants::default();
    let Some(file) = file else { return grants };
    for role in file.roles.iter().flatten() {
        // A pattern names roles that need not be listed one by one.
        if !role.ends_with('*') {
            resolver.role(&role.place, role, access);
        }
        grants.roles.push(role.value.0.clone());
    }
    if let Some(scopes) = &file.scopes {
        grants.scopes = resolver.scopes(scopes).iter().map(ToString::to_string).collect();
    }
    grants
}

fn algorithms(
    resolver: &mut Resolver<'_>,
    file: Option<&Located<Vec<Located<Word>>>>,
) -> Vec<Algorithm> {
    let Some(texts) = file else { return Algorithm::ALL.to_vec() };
    let mut algorithms = Vec::new();
    for text in &texts.value {
        match Algorithm::parse(text) {
            Some(algorithm) => algorithms.push(algorithm),
            None if text.starts_with("HS") || text.eq_ignore_ascii_case("none") => {
                let help = "use one with a public key, such as `ES256`";
                resolver.error(
                    &text.place,
                    format!(
                        "`{}` would let everybody with the secret, or anybody, sign",
                        text.value.0
                    ),
                    help,
                );
            }
            None => {
                let known: Vec<_> =
                    Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
                resolver.error(
                    &text.place,
                    "this algorithm is not known",
                    format!("known are {}", known.join(", ")),
                );
            }
        }
    }
    if texts.value.is_empty() {
        resolver.error(
            &texts.place,
            "`algorithms` is empty: no token could pass",
            "name some, or remove the key",
        );
    }
    algorithms
}
