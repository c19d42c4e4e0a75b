//! What does `auth` mean? Issuers, keys, and the token endpoint.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bartizan::authenticate::REMEMBERED;
use bartizan_core::authenticate::Places;
use bartizan_core::authenticate::api_key::{self, Pepper, Record, SHORTEST_PEPPER};
use bartizan_core::authenticate::certificate::Certificates;
use bartizan_core::authenticate::guessing::Patience;
use bartizan_core::authenticate::password::PasswordHash;
use bartizan_core::issue::account::{Proof, PublicKeys};
use bartizan_core::issue::{Client, GrantType, SigningKey, User, account};
use bartizan_core::time::Timestamp;
use http::HeaderName;
use secrecy::ExposeSecret as _;

use super::super::decode::Located;
use super::super::file::auth as file;
use super::super::file::leaf::{Source, Word};
use super::super::tree::Place;
use super::oidc::Trusted;
use super::possession::Dpop;
use super::resolver::{Resolver, shared};
use super::{AccessRules, oidc, possession};

/// Who may be believed.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Identity providers.
    pub issuers: Vec<Trusted>,
    /// Where a request may carry its credential.
    pub places: Places,
    /// API keys of the file.
    pub keys: Vec<Record>,
    /// The environment whose generated keys are taken; `None`: of every one.
    pub environment: Option<Arc<str>>,
    /// The token endpoint.
    pub tokens: Option<Tokens>,
    /// What digests are keyed with; `None`: kept in the durable store.
    pub pepper: Option<Pepper>,
    /// How client certificates become callers.
    pub certificates: Option<Certificates>,
    /// Tokens that are bound to a key of the client.
    pub dpop: Option<Dpop>,
    /// How many verified credentials are remembered.
    pub remembered: usize,
    /// How many bad credentials an address may show.
    pub patience: Patience,
}

/// The token endpoint.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Its path.
    pub path: Arc<str>,
    /// The `iss` of its tokens.
    pub issuer: Arc<str>,
    /// The `aud` of its tokens.
    pub audience: Arc<str>,
    /// What may be exchanged for a token.
    pub grants: Vec<GrantType>,
    /// How long an access token is good for.
    pub access_ttl: Duration,
    /// How long a refresh token is good for.
    pub refresh_ttl: Duration,
    /// The keys of the operator, the one that signs first; none: made once and kept in the
    /// durable store.
    pub signing_keys: Vec<Arc<SigningKey>>,
    /// People of the file.
    pub users: Vec<User>,
    /// Programs of the file.
    pub clients: Vec<Client>,
}

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    auth: Option<&Located<file::Auth>>,
    access: &AccessRules,
    client_ca: bool,
) -> Auth {
    let empty = file::Auth::default();
    let auth = auth.map_or(&empty, |auth| &auth.value);
    let tokens = auth.tokens.as_ref();
    let tokens = tokens.and_then(|tokens| self::tokens(resolver, tokens, access, client_ca));
    let issuers = oidc::issuers(resolver, &auth.oidc, tokens.as_ref(), access);
    let keys = auth.api_keys.as_ref();
    let certificates = possession::certificates(resolver, auth.mtls.as_ref(), client_ca);
    let dpop = possession::dpop(resolver, auth.dpop.as_ref(), tokens.as_ref());
    let base = Patience::default();
    let failures = auth.bad_credentials_per_minute.as_ref();
    let failures = resolver.count(failures, base.failures.into(), 1..=1_000_000);
    let places = places(resolver, keys.and_then(|keys| keys.headers.as_ref()));
    let remembered = resolver.count(auth.remembered.as_ref(), REMEMBERED as u64, 100..=10_000_000);
    Auth {
        issuers,
        places: Places { dpop: dpop.is_some(), ..places },
        certificates,
        dpop,
        remembered: usize::try_from(remembered).unwrap_or(REMEMBERED),
        patience: Patience { failures: u32::try_from(failures).unwrap_or(u32::MAX), ..base },
        environment: keys.and_then(|keys| environment(resolver, keys.environment.as_ref())),
        keys: keys.map(|keys| self::keys(resolver, &keys.keys, access)).unwrap_or_default(),
        pepper: auth.pepper.as_ref().and_then(|source| pepper(resolver, source)),
        tokens,
    }
}

fn places(resolver: &mut Resolver<'_>, headers: Option<&Located<Vec<Located<Word>>>>) -> Places {
    let Some(headers) = headers else { return Places::default() };
    let mut places = Places { key_as_bearer: false, key_headers: Vec::new(), dpop: false };
    for text in &headers.value {
        match HeaderName::try_from(&*text.value) {
            Ok(name) if name == http::header::AUTHORIZATION => places.key_as_bearer = true,
            Ok(name) if is_transport(&name) => {
                resolver.wrong(
                    &text.place,
                    format!("`{name}` cannot carry a key: it has another meaning"),
                );
            }
            Ok(name) => places.key_headers.push(name),
            Err(_) => {
                resolver.wrong(&text.place, format!("`{}` is no name of a header", text.value.0))
            }
        }
    }
    places
}

fn is_transport(name: &HeaderName) -> bool {
    let taken =
        ["host", "connection", "cookie", "transfer-encoding", "te", "trailer", "upgrade", "expect"];
    taken.contains(&name.as_str())
        || name.as_str().starts_with("content-")
        || name.as_str().starts_with("x-forwarded")
}

pub(super) fn keys(
    resolver: &mut Resolver<'_>,
    files: &[Located<file::Key>],
    access: &AccessRules,
) -> Vec<Record> {
    let mut seen = BTreeSet::new();
    let mut records = Vec::new();
    for file in files {
        name(resolver, &file.id, &mut seen);
        if file.id.value.contains(char::is_whitespace) {
            let help = "write letters, digits and hyphens, as `bartizan keys create` does";
            resolver.error(&file.id.place, "the id of a key has no blanks", help);
        }
        let hash = key_hash(
            resolver,
            &file.hash,
            "make a key with `bartizan keys create`; only its hash belongs here",
        );
        let expires = file.expires.as_ref().and_then(|text| instant(resolver, &text.place, text));
        let (scopes, roles) = (resolver.scopes(&file.scopes), resolver.roles(&file.roles, access));
        let Some(hash) = hash else { continue };
        records.push(Record {
            id: Arc::from(&*file.id.value),
            hash,
            previous: None,
            subject: Arc::from(&*file.subject.as_ref().unwrap_or(&file.id).value),
            scopes,
            roles,
            tenant: shared(file.tenant.as_ref()),
            environment: None,
            expires,
            revoked: None,
            last_used: None,
        });
    }
    records
}

fn environment(resolver: &mut Resolver<'_>, text: Option<&Located<Word>>) -> Option<Arc<str>> {
    let text = text?;
    if !api_key::is_environment(text) {
        let help = "write what `keys create --environment` is given, as `live` or `test`";
        resolver.error(&text.place, format!("`{}` is no environment", text.value.0), help);
    }
    shared(Some(text))
}

fn instant(resolver: &mut Resolver<'_>, place: &Place, text: &str) -> Option<Timestamp> {
    let instant =
        text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_microsecond()).ok());
    if instant.is_none() {
        resolver.error(
            place,
            "this is no instant of RFC 3339",
            "write it as `2027-01-01T00:00:00Z`",
        );
    }
    instant.map(Timestamp)
}

fn tokens(
    resolver: &mut Resolver<'_>,
    tokens: &Located<file::Tokens>,
    access: &AccessRules,
    client_ca: bool,
) -> Option<Tokens> {
    let issuer = match &tokens.issuer {
        Some(source) => resolver
            .text(source)
            .filter(|url| oidc::secure_url(resolver, &source.place, "issuer", url)),
        None => {
            let help = "write the address of the gateway as its callers see it, as `https://gate.example.com`";
            resolver.lacking(&tokens.key, &["issuer"], "`tokens` lacks the key `issuer`", help);
            None
        }
    };
    let path: Arc<str> =
        tokens.path.as_ref().map_or_else(|| "/token".into(), |path| Arc::from(&*path.value));
    if let Some(text) =
        tokens.path.as_ref().filter(|path| !path.starts_with('/') || path.contains(['{', '?', '#']))
    {
        resolver.error(&text.place, "`path` is no fixed path", "write it as `/token`");
    }
    let access_ttl = resolver.span(tokens.access_ttl.as_ref(), Duration::from_mins(15));
    let refresh_ttl = resolver.span(tokens.refresh_ttl.as_ref(), Duration::from_hours(30 * 24));
    if let Some(text) = tokens.refresh_ttl.as_ref().filter(|_| refresh_ttl < access_ttl) {
        resolver.error(
            &text.place,
            "`refresh_ttl` is shorter than `access_ttl`",
            "let the refresh token live longer",
        );
    }
    let signing_keys = tokens.signing_key.as_ref();
    let signing_keys = signing_keys.map(|source| self::signing_keys(resolver, source));
    let grants = grants(resolver, tokens);
    let users = users(resolver, &tokens.users, access);
    let clients = clients(resolver, &tokens.clients, access, client_ca);
    let issuer: Arc<str> = Arc::from(issuer?);
    let audience = tokens
        .audience
        .as_ref()
        .map_or_else(|| Arc::clone(&issuer), |audience| Arc::from(&*audience.value));
    Some(Tokens {
        path,
        issuer,
        audience,
        grants,
        access_ttl,
        refresh_ttl,
        signing_keys: signing_keys.unwrap_or_default(),
        users,
        clients,
    })
}

fn grants(resolver: &mut Resolver<'_>, tokens: &Located<file::Tokens>) -> Vec<GrantType> {
    let Some(grants) = &tokens.grants else {
        if let Some(user) = tokens.users.first() {
            resolver.error(
                &user.place,
                "users log in by a password, and `grants` does not name `password`",
                "write `grants: [password, refresh_token]`",
            );
        }
        return vec![GrantType::ClientCredentials, GrantType::RefreshToken];
    };
    if grants.value.is_empty() {
        resolver.error(
            &grants.place,
            "`grants` is empty: nobody could get a token",
            "name some, or remove `tokens`",
        );
    }
    grants.value.iter().map(|grant| grant_type(grant.value)).collect()
}

fn grant_type(grant: file::GrantType) -> GrantType {
    match grant {
        file::GrantType::Password => GrantType::Password,
        file::GrantType::ClientCredentials => GrantType::ClientCredentials,
        file::GrantType::RefreshToken => GrantType::RefreshToken,
        file::GrantType::TokenExchange => GrantType::TokenExchange,
    }
}

/// What digests are keyed with, of the operator's own.
pub(super) fn pepper(resolver: &mut Resolver<'_>, source: &Located<Source>) -> Option<Pepper> {
    let text = resolver.secret(source)?;
    let pepper = Pepper::of_text(&text);
    if pepper.is_none() {
        resolver.error(
            &source.place,
            format!("the pepper is shorter than {SHORTEST_PEPPER} characters"),
            "make one with `openssl rand -hex 32`, and keep it elsewhere than the store",
        );
    }
    pepper
}

fn signing_keys(resolver: &mut Resolver<'_>, source: &Located<Source>) -> Vec<Arc<SigningKey>> {
    let Some(pem) = resolver.secret(source) else { return Vec::new() };
    match SigningKey::all_from_pem(pem.expose_secret()) {
        Ok(keys) => keys.into_iter().map(Arc::new).collect(),
        Err(error) => {
            let help = "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem`";
            resolver.error(&source.place, error.to_string(), help);
            Vec::new()
        }
    }
}

fn users(
    resolver: &mut Resolver<'_>,
    files: &[Located<file::User>],
    access: &AccessRules,
) -> Vec<User> {
    let mut seen = BTreeSet::new();
    let mut users = Vec::new();
    for file in files {
        name(resolver, &file.username, &mut seen);
        let hash = resolver.secret(&file.password_hash);
        let hash = hash.map(|text| text.expose_secret().parse::<PasswordHash>());
        let hash = hash.and_then(|hash| {
            hash.map_err(|error| resolver.wrong(&file.password_hash.place, error.to_string())).ok()
        });
        let (scopes, roles) = (resolver.scopes(&file.scopes), resolver.roles(&file.roles, access));
        let Some(password) = hash else { continue };
        let name = Arc::from(&*file.username.value);
        users.push(User {
            name,
            password,
            scopes,
            roles,
            tenant: shared(file.tenant.as_ref()),
            disabled: false,
        });
    }
    users
}

fn clients(
    resolver: &mut Resolver<'_>,
    files: &[Located<file::Client>],
    access: &AccessRules,
    client_ca: bool,
) -> Vec<Client> {
    let mut seen = BTreeSet::new();
    let mut clients = Vec::new();
    for file in files {
        name(resolver, &file.id, &mut seen);
        let proof = proof(resolver, file, client_ca);
        let (scopes, roles) = (resolver.scopes(&file.scopes), resolver.roles(&file.roles, access));
        let most = file.acts_at_most.as_ref();
        let acts_at_most = oidc::grants_at_most(resolver, most, access);
        let grants = file.grants.as_ref().map_or_else(
            || vec![GrantType::ClientCredentials],
            |grants| grants.iter().map(|grant| grant_type(grant.value)).collect(),
        );
        let Some(proof) = proof else { continue };
        let client = Client {
            id: Arc::from(&*file.id.value),
            proof,
            scopes,
            roles,
            tenant: shared(file.tenant.as_ref()),
            grants,
            acts_at_most,
            disabled: false,
        };
        if let Some(grant) = client.grants.iter().find(|grant| !client.may_use(**grant)) {
            let message = format!(
                "anybody may say that they are `{}`: it cannot use the grant `{grant}`",
                client.id
            );
            let help = "give it a `secret_hash` or `jwks`, or the grants of people: `password` and `refresh_token`";
            resolver.error(&file.id.place, message, help);
        }
        clients.push(client);
    }
    clients
}

/// How a client proves who it is: in one way.
fn proof(resolver: &mut Resolver<'_>, file: &file::Client, client_ca: bool) -> Option<Proof> {
    let public = file.public == Some(true);
    match (&file.secret_hash, &file.jwks, &file.certificate, public) {
        (Some(hash), None, None, false) => {
            let help = "make a client with `bartizan clients add`; only the hash of its secret belongs here";
            key_hash(resolver, hash, help).map(Proof::Secret)
        }
        (None, Some(source), None, false) => {
            let text = resolver.secret(source)?;
            match text.expose_secret().parse::<PublicKeys>() {
                Ok(keys) => Some(Proof::Keys(keys)),
                Err(error) => {
                    let help = "give the public keys as a JWK Set: `{ \"keys\": [ … ] }`; private ones stay with the client";
                    resolver.error(&source.place, error.to_string(), help);
                    None
                }
            }
        }
        (None, None, Some(certificate), false) => {
            possession::name(resolver, certificate, client_ca).map(Proof::Certificate)
        }
        (None, None, None, true) => Some(Proof::Public),
        (None, None, None, false) => {
            let help = "`bartizan clients add` makes a secret and its hash";
            let lacks =
                "the client lacks one of `secret_hash`, `jwks`, `certificate` and `public: true`";
            resolver.error(&file.id.place, lacks, help);
            None
        }
        (_, _, _, _) => {
            let both = "a client proves who it is in one way: by `secret_hash`, by `jwks`, by `certificate`, or not at all (`public: true`)";
            resolver.error(&file.id.place, both, "keep one of them");
            None
        }
    }
}

fn key_hash(
    resolver: &mut Resolver<'_>,
    source: &Located<Source>,
    help: &str,
) -> Option<api_key::Hash> {
    let text = resolver.secret(source)?;
    match text.expose_secret().parse() {
        Ok(hash) => Some(hash),
        Err(error) => {
            let error: api_key::HashError = error;
            resolver.error(&source.place, error.to_string(), help);
            None
        }
    }
}

/// A name that stands once, and can be written in `issuer:subject`.
fn name<'f>(resolver: &mut Resolver<'_>, text: &'f Located<Word>, seen: &mut BTreeSet<&'f str>) {
    let name: &str = &text.value;
    if !account::is_name(name) || name.contains(':') {
        let most = account::MAX_NAME;
        resolver.wrong(
            &text.place,
            format!("a name has 1 to {most} bytes, no colon and no control characters"),
        );
    }
    if !seen.insert(name) {
        resolver.error(&text.place, format!("`{name}` stands here twice"), "keep one of the two");
    }
}
