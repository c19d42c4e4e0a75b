//! What does `auth.oidc` mean? Identity providers, and how far they are believed.

use std::collections::BTreeSet;
use std::time::Duration;

use bartizan::authenticate::{IntrospectionSettings, Pace};
use bartizan_core::authenticate::algorithm::Algorithm;
use bartizan_core::authenticate::claims::{ClaimPaths, Grants};
use bartizan_core::authenticate::jwks::{KeySet, KeySetError};
use bartizan_core::authenticate::jwt::Issuer;
use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::decode::Located;
use super::super::file::auth as file;
use super::super::file::leaf::{OneOrMany, Word};
use super::super::tree::Place;
use super::AccessRules;
use super::auth::Tokens;
use super::resolver::Resolver;

/// An identity provider: how far it is believed, and how its tokens are checked.
#[derive(Clone, Debug)]
pub struct Trusted {
    /// How far it is believed.
    pub issuer: Issuer,
    /// By what its signatures are checked.
    pub keys: Keys,
    /// How it is asked about opaque tokens.
    pub introspection: Option<IntrospectionSettings>,
}

/// By what signatures are checked.
#[derive(Clone, Debug)]
pub enum Keys {
    /// By public keys, at this address or where its metadata says, fetched at this pace.
    Published(Option<String>, Pace),
    /// By a secret that both sides know.
    Shared(SecretString),
}

impl Trusted {
    /// The addresses that the operator wrote down: they may lie in a private network.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let keys = match &self.keys {
            Keys::Published(url, _) => url.as_deref(),
            Keys::Shared(_) => None,
        };
        let asked = self.introspection.as_ref().and_then(|asked| asked.endpoint.as_deref());
        [Some(&**self.issuer.url()), keys, asked].into_iter().flatten()
    }
}

pub(super) fn issuers(
    resolver: &mut Resolver<'_>,
    files: &[Located<file::Oidc>],
    own: Option<&Tokens>,
    access: &AccessRules,
) -> Vec<Trusted> {
    let mut issuers: Vec<Trusted> = Vec::new();
    let from_env = file::Oidc::default();
    let written = files.iter().map(|file| (&file.value, file.key.clone()));
    let implied = (files.is_empty() && resolver.outside.variable("OIDC_ISSUER").is_ok())
        .then(|| (&from_env, Place::start()));
    for (file, place) in written.chain(implied) {
        let Some(issuer) = issuer(resolver, file, &place, access) else { continue };
        let same = |other: &Issuer| other.url() == issuer.url() || other.name() == issuer.name();
        let clash = issuers.iter().any(|other| same(&other.issuer));
        if clash || own.is_some_and(|own| own.issuer == *issuer.url()) {
            let help = "every issuer needs an address and a `name` of its own";
            resolver.error(
                &place,
                format!("the issuer `{}` stands here twice", issuer.name()),
                help,
            );
            continue;
        }
        let introspection = file.introspection.as_ref();
        let introspection = introspection.and_then(|asked| self::introspection(resolver, asked));
        let Some(keys) = keys(resolver, file, &issuer.algorithms) else { continue };
        issuers.push(Trusted { issuer, keys, introspection });
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
    let algorithms = algorithms(resolver, file);
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
    issuer.max_lifetime =
        file.max_lifetime.as_ref().map(|text| resolver.span(Some(text), Duration::from_hours(1)));
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
    let subject = file.subject.as_ref().map(|paths| {
        let OneOrMany(paths) = &paths.value;
        paths.iter().map(|path| path.value.0.clone()).collect::<Vec<_>>()
    });
    ClaimPaths {
        subject: subject.filter(|paths| !paths.is_empty()).unwrap_or(base.subject),
        tenant: file.tenant.as_ref().map(|text| text.value.0.clone()),
        roles: path(&file.roles, base.roles),
        scopes: path(&file.scopes, base.scopes),
    }
}

pub(super) fn grants_at_most(
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

fn algorithms(resolver: &mut Resolver<'_>, file: &file::Oidc) -> Vec<Algorithm> {
    let secret = file.secret.is_some();
    let all = if secret { Algorithm::SYMMETRIC } else { Algorithm::ASYMMETRIC };
    let Some(texts) = &file.algorithms else {
        // The longer digests need longer secrets: who has one, names them.
        return if secret { vec![Algorithm::Hs256] } else { all.to_vec() };
    };
    let mut algorithms = Vec::new();
    for text in &texts.value {
        match Algorithm::parse(text) {
            Some(algorithm) if algorithm.is_symmetric() == secret => algorithms.push(algorithm),
            Some(algorithm) if secret => {
                let help = "with `secret` name HS256, HS384 or HS512; or remove the secret";
                let message = format!("`{algorithm}` needs a public key, and this issuer has none");
                resolver.error(&text.place, message, help);
            }
            Some(_) => symmetric(resolver, text),
            None if text.eq_ignore_ascii_case("none") => symmetric(resolver, text),
            None => {
                let known: Vec<_> = all.iter().map(|algorithm| algorithm.as_str()).collect();
                let help = format!("known are {}", known.join(", "));
                resolver.error(&text.place, "this algorithm is not known", help);
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

fn symmetric(resolver: &mut Resolver<'_>, text: &Located<Word>) {
    let message =
        format!("`{}` would let everybody with the secret, or anybody, sign", text.value.0);
    resolver.error(&text.place, message, "use one with a public key, such as `ES256`");
}

fn keys(resolver: &mut Resolver<'_>, file: &file::Oidc, algorithms: &[Algorithm]) -> Option<Keys> {
    if let Some(source) = &file.secret {
        let secret = resolver.secret(source)?;
        let written =
            [file.jwks_uri.as_ref().map(|uri| &uri.place), file.refresh.as_ref().map(|r| &r.place)];
        for place in written.into_iter().flatten() {
            resolver.error(place, "a secret is never fetched", "remove either this or `secret`");
        }
        return match KeySet::secret(secret.expose_secret().as_bytes(), algorithms) {
            Ok(_) => Some(Keys::Shared(secret)),
            // The algorithms were told already.
            Err(KeySetError::Unusable) => None,
            Err(error) => {
                let help = "let the provider make a new one, as `openssl rand -base64 48` does";
                resolver.error(&source.place, error.to_string(), help);
                None
            }
        };
    }
    let url = match &file.jwks_uri {
        None => None,
        Some(source) => {
            let url = resolver.text(source)?;
            Some(secure_url(resolver, &source.place, "jwks_uri", &url).then_some(url)?)
        }
    };
    let written = file.refresh.as_ref();
    let mut pace = match written.map(|text| resolver.span(Some(text), Duration::from_mins(5))) {
        Some(refresh) => Pace::every(refresh),
        None => Pace::default(),
    };
    pace.keep = resolver.span(file.keep.as_ref(), pace.keep);
    if let Some(text) = file.keep.as_ref().filter(|_| pace.keep < pace.refresh) {
        let help = "let the last keys count for longer than it takes to fetch new ones";
        resolver.error(&text.place, "`keep` is shorter than `refresh`", help);
    }
    Some(Keys::Published(url, pace))
}

fn introspection(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Introspection>,
) -> Option<IntrospectionSettings> {
    let endpoint = match &file.endpoint {
        None => None,
        Some(source) => {
            let url = resolver.text(source)?;
            Some(secure_url(resolver, &source.place, "endpoint", &url).then_some(url)?)
        }
    };
    let (Some(client), Some(secret)) = (&file.client_id, &file.client_secret) else {
        let help = "a provider answers only those whom it knows: register the gateway there";
        let keys = ["client_id", "client_secret"];
        let message = "`introspection` needs `client_id` and `client_secret`";
        resolver.lacking(&file.key, &keys, message, help);
        return None;
    };
    let cache = resolver.span(file.cache.as_ref(), Duration::from_secs(10));
    if let Some(text) = file.cache.as_ref().filter(|_| cache > Duration::from_mins(5)) {
        let help = "a token that is taken back at the provider counts here for as long";
        resolver.error(&text.place, "`cache` is more than 5 minutes", help);
    }
    Some(IntrospectionSettings {
        endpoint,
        client: resolver.text(client)?,
        secret: resolver.secret(secret)?,
        in_form: file.method.as_ref().is_some_and(|m| m.value == file::SecretMethod::Post),
        cache,
        patience: resolver.span(file.timeout.as_ref(), Duration::from_secs(5)),
        any_audience: file.any_audience.as_ref().is_some_and(|any| any.value),
    })
}
