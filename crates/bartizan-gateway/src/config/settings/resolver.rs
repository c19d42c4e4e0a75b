//! What every section needs while text becomes meaning: sizes, secrets, a place to complain.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bartizan_pii::Entity;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::decode::Located;
use super::super::file::leaf::{Count, Fraction, Size, Source, Span, Word};
use super::super::findings::{Finding, Findings, Severity};
use super::super::substitute::{self, Missing, Outside};
use super::super::tree::{self, Place, member};
use super::super::{shape, units, unsupported};

/// What the command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--host`.
    pub host: Option<IpAddr>,
    /// `--port`.
    pub port: Option<u16>,
    /// `--admin-port`.
    pub admin_port: Option<u16>,
    /// `--ssl-certfile` and `--ssl-keyfile`, which only count together.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A walk through the file form.
pub(super) struct Resolver<'a> {
    pub(super) outside: Outside<'a>,
    pub(super) overrides: &'a Overrides,
    lost: &'a BTreeSet<String>,
    /// What hooks may find besides the recognizers.
    pub(super) hooked: Vec<Entity>,
    findings: Findings,
    /// What is wrong whatever was taken out.
    sure: Findings,
    /// Whether the file has no endpoints at all: that is told once.
    pub(super) no_endpoints: bool,
}

impl<'a> Resolver<'a> {
    /// `lost` are the pointers of what was told and taken out before.
    pub(super) fn new(
        outside: Outside<'a>,
        overrides: &'a Overrides,
        lost: &'a BTreeSet<String>,
    ) -> Self {
        let (findings, sure) = Default::default();
        let (hooked, no_endpoints) = (Vec::new(), false);
        Resolver { outside, overrides, lost, hooked, findings, sure, no_endpoints }
    }

    /// Whether something at or below a pointer was taken out: then what seems to be missing there
    /// is no mistake.
    pub(super) fn lost(&self, pointer: &str) -> bool {
        let below = format!("{pointer}/");
        self.lost.iter().any(|lost| {
            lost == pointer || lost.starts_with(&below) || pointer.starts_with(&format!("{lost}/"))
        })
    }

    /// Whether so much of the endpoints is missing that what is said about all of them may be wrong.
    pub(super) fn endpoints_lost(&self) -> bool {
        const SERVED: &[&str] = &[
            "action", "aliases", "category", "handler", "models", "path", "protocol", "resource",
            "tools", "verbs",
        ];
        self.no_endpoints
            || self.lost.iter().any(|lost| {
                let tokens = tree::tokens(lost);
                let served = |key: &String| SERVED.contains(&&**key);
                tokens.first().is_some_and(|key| key == "endpoints")
                    && tokens.get(2).is_none_or(served)
            })
    }

    /// An error about a section that lacks all of `keys`, unless one of them was taken out.
    pub(super) fn lacking(
        &mut self,
        section: &Place,
        keys: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !keys.iter().any(|key| self.lost(&tree::member(&section.pointer, key))) {
            self.sure.error_help(section, message, help);
        }
    }

    /// What a section is called: `what` and its name, unless that is missing and something stands in.
    pub(super) fn called(&self, what: &str, name: &Located<Word>) -> String {
        match self.lost(&name.place.pointer) {
            true => what.to_owned(),
            false => format!("{what} `{}`", name.value.0),
        }
    }

    /// What was found. A section of which something was taken out is not blamed for lacking it, and of
    /// what stands in for something nothing is said.
    pub(super) fn into_findings(mut self) -> Findings {
        let lost = self.lost;
        let lacks =
            |pointer: &str| lost.iter().any(|lost| lost.starts_with(&format!("{pointer}/")));
        let stands_in = |pointer: &str| {
            let within = |lost: &String| pointer.starts_with(&format!("{lost}/"));
            lost.contains(pointer) || lost.iter().any(within)
        };
        self.findings.retain(|finding| {
            let at = &*finding.pointer;
            let silent = !at.is_empty() && (lacks(at) || stands_in(at));
            !silent && !finding.message.contains(shape::STAND_IN)
        });
        self.findings.extend(self.sure);
        self.findings
    }

    pub(super) fn error(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.error_help(place, message, help);
    }

    pub(super) fn wrong(&mut self, place: &Place, message: impl Into<String>) {
        self.findings.error(place, message);
    }

    pub(super) fn warn(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.warn(place, message, help);
    }

    /// What is worth knowing, and no mistake.
    pub(super) fn note(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.findings.push(Finding::new(Severity::Note, place, message).help(help));
    }

    /// The value, or a finding `` `key` why``.
    pub(super) fn take<T, E: Display>(&mut self, place: &Place, result: Result<T, E>) -> Option<T> {
        result
            .map_err(|error| self.findings.error(place, format!("`{}` {error}", name_of(place))))
            .ok()
    }

    /// A size in bytes, above 0.
    pub(super) fn size(&mut self, text: Option<&Located<Size>>, default: u64) -> u64 {
        let Some(text) = text else { return default };
        let size = units::size(text)
            .and_then(|size| if size == 0 { Err(units::BadUnit::Zero) } else { Ok(size) });
        self.take(&text.place, size).unwrap_or(default)
    }

    /// A length of time, above zero.
    pub(super) fn span(&mut self, text: Option<&Located<Span>>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        let span = units::duration(text);
        let span =
            span.and_then(|span| if span.is_zero() { Err(units::BadUnit::Zero) } else { Ok(span) });
        self.take(&text.place, span).unwrap_or(default)
    }

    /// A whole number within bounds.
    pub(super) fn count(
        &mut self,
        text: Option<&Located<Count>>,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> u64 {
        let Some(text) = text else { return default };
        let Some(count) = self.take(&text.place, units::whole(text)) else { return default };
        if bounds.contains(&count) {
            return count;
        }
        let (low, high) = bounds.into_inner();
        let bounds = if high == u64::MAX {
            format!("at least {low}")
        } else {
            format!("from {low} to {high}")
        };
        self.wrong(&text.place, format!("`{}` must be {bounds}", name_of(&text.place)));
        default
    }

    /// A number from 0 to 1.
    pub(super) fn fraction(&mut self, text: &Located<Fraction>) -> Option<f32> {
        self.take(&text.place, units::fraction(text))
    }

    /// A value that may be secret.
    pub(super) fn secret(&mut self, source: &Located<Source>) -> Option<SecretString> {
        let value = match &source.value {
            Source::Inline(value) if value.expose_secret().is_empty() => {
                self.wrong(&source.place, format!("`{}` is empty", name_of(&source.place)));
                return None;
            }
            Source::Inline(value) => Ok(value.clone()),
            Source::Env(name) => self.outside.variable(name).map(SecretString::from),
            Source::File(path) => self.outside.file(path),
            Source::Mounted(name) => self.outside.mounted(name),
        };
        value.map_err(|missing: Missing| self.missing(&source.place, &missing)).ok()
    }

    /// A value that may have come from elsewhere and is no secret, as an address.
    pub(super) fn text(&mut self, source: &Located<Source>) -> Option<String> {
        self.secret(source).map(|value| value.expose_secret().to_owned())
    }

    /// The file's value, else the environment's, else the default; and where it stands.
    pub(super) fn source_or_env(
        &mut self,
        source: Option<&Located<Source>>,
        variable: &str,
        at: &str,
        default: &str,
    ) -> Option<(String, Place)> {
        if let Some(source) = source {
            return self.text(source).map(|text| (text, source.place.clone()));
        }
        let Ok(text) = self.outside.variable(variable) else {
            return Some((default.to_owned(), Place::start()));
        };
        match unsupported::from_environment(at, &text) {
            None => Some((text, Place::start())),
            Some((message, help)) => {
                let message =
                    format!("{message} (it comes from the environment variable `{variable}`)");
                self.error(&Place::start(), message, format!("{help}, or unset `{variable}`"));
                None
            }
        }
    }

    pub(super) fn missing(&mut self, place: &Place, missing: &Missing) {
        // A default can stand in a text, and not here.
        let help = match missing {
            Missing::Unset(_) | Missing::Empty(_) => "set it where the gateway is started",
            other => substitute::help(other),
        };
        self.error(place, missing.to_string(), help);
    }

    /// Scopes by RFC 6749, section 3.3: printable ASCII without space, `"` and `\`.
    pub(super) fn scopes(&mut self, scopes: &[Located<Word>]) -> Vec<Arc<str>> {
        for scope in scopes {
            self.scope(&scope.place, scope);
        }
        words(scopes)
    }

    /// One scope; see [`Resolver::scopes`].
    pub(super) fn scope(&mut self, place: &Place, scope: &str) {
        if !is_scope(scope) {
            self.error(
                place,
                format!("`{scope}` is no scope"),
                "write letters, digits and signs without spaces, as `data:read`",
            );
        }
    }

    /// Roles that must be defined.
    pub(super) fn roles(
        &mut self,
        roles: &[Located<Word>],
        known: &super::AccessRules,
    ) -> Vec<Arc<str>> {
        for role in roles {
            self.role(&role.place, role, known);
        }
        words(roles)
    }

    /// One role that must be defined.
    pub(super) fn role(&mut self, place: &Place, role: &str, known: &super::AccessRules) {
        // What is wrong inside a role that is defined takes no name away.
        if known.names.contains(role) || self.lost(&member("/access/roles", role)) {
            return;
        }
        let help = match shape::meant(role, known.names.iter().map(|name| &**name)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "define it under `access: {{ roles: {{ {role}: {{ permissions: [] }} }} }}`"
            ),
        };
        self.error(place, format!("the role `{role}` is not defined"), help);
    }
}

/// The texts, shared.
pub(super) fn words(texts: &[Located<Word>]) -> Vec<Arc<str>> {
    texts.iter().map(|text| Arc::from(&***text)).collect()
}

/// The text, shared.
pub(super) fn shared(text: Option<&Located<Word>>) -> Option<Arc<str>> {
    text.map(|text| Arc::from(&***text))
}

/// The last key of a pointer: what a message calls the value.
pub(super) fn name_of(place: &Place) -> String {
    let tokens = tree::tokens(&place.pointer);
    tokens.into_iter().rev().find(|token| token.parse::<usize>().is_err()).unwrap_or_default()
}
/// Whether it is one scope (RFC 6749 section 3.3).
pub(crate) fn is_scope(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    !text.is_empty() && text.bytes().all(sound)
}
