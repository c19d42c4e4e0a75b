//! The keys below `auth`: who may be believed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::leaf::{Instant, OneOrMany, Source, Span, Word};

/// Who may be believed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Identity providers whose tokens are accepted. Environment: `OIDC_ISSUER` and `OIDC_AUDIENCE`
    /// make one.
    #[serde(default)]
    pub oidc: Vec<Located<Oidc>>,
    /// API keys.
    pub api_keys: Option<Located<ApiKeys>>,
    /// The token endpoint. Absent: there is none.
    pub tokens: Option<Located<Tokens>>,
    /// Client certificates as identities.
    pub mtls: Option<Located<Mtls>>,
    /// Tokens bound to a key of the client (RFC 9449).
    pub dpop: Option<serde_json::Value>,
}

/// An identity provider (OpenID Connect).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Its short name in principals, as `corp` in `corp:sub`. Default: its host.
    pub name: Option<Located<Word>>,
    /// Its address, exactly as in `iss`. Plain http only on loopback. Environment: `OIDC_ISSUER`.
    pub issuer: Option<Located<Source>>,
    /// The audiences that a token may be meant for, one of which must be in `aud`. Environment:
    /// `OIDC_AUDIENCE`.
    pub audience: Option<Located<OneOrMany>>,
    /// Where its tokens say what.
    pub claims: Option<Located<Claims>>,
    /// The most that it may assert. Default: no roles, all scopes.
    pub grants_at_most: Option<Located<GrantsAtMost>>,
    /// The signature algorithms that are accepted. Default: `[RS256, PS256, ES256, EdDSA]`.
    pub algorithms: Option<Located<Vec<Located<Word>>>>,
    /// How far its clock may be off. Default: `30s`.
    pub leeway: Option<Located<Span>>,
    /// The `typ` that a token must have, as `at+jwt`. Default: any of an access token.
    pub typ: Option<Located<Word>>,
    /// Asking the provider about opaque tokens (RFC 7662).
    pub introspection: Option<serde_json::Value>,
}

/// Which claim of a token says what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who. Default: `sub`.
    pub subject: Option<Located<Word>>,
    /// Of which organisation. Default: none.
    pub tenant: Option<Located<Word>>,
    /// In which roles: a list, or words in one text; `a.b` looks inside. Default: `roles`.
    pub roles: Option<Located<Word>>,
    /// With which scopes: a list, or words in one text. Default: `scope`.
    pub scopes: Option<Located<Word>>,
}

/// The most that an issuer may assert.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantsAtMost {
    /// The roles that count. Default: none.
    pub roles: Option<Vec<Located<Word>>>,
    /// The scopes that count; `*` for all. Default: all.
    pub scopes: Option<Vec<Located<Word>>>,
}

/// API keys.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeys {
    /// The headers that may carry one. Default: `[Authorization, X-API-Key]`.
    pub headers: Option<Located<Vec<Located<Word>>>>,
    /// Where this gateway runs, as `live` or `test`: generated keys of another environment are
    /// refused. Default: keys of every environment are taken.
    pub environment: Option<Located<Word>>,
    /// Keys, beside those in the durable store (`bartizan keys create`).
    #[serde(default)]
    pub keys: Vec<Located<Key>>,
}

/// An API key. The key itself stands nowhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its name in the audit log and in principals, as `ci` in `key:ci`.
    pub id: Located<Word>,
    /// `sha256:` and 64 hexadecimal digits, for a generated key of at least 128 bits; or what `keys
    /// create` wrote.
    pub hash: Located<Source>,
    /// Whom it stands for. Default: its `id`.
    pub subject: Option<Located<Word>>,
    /// The organisation.
    pub tenant: Option<Located<Word>>,
    /// What it may ask for.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// In which roles it acts.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
    /// When it ends. Default: never.
    pub expires: Option<Located<Instant>>,
}

/// The token endpoint (RFC 6749).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Its path. Default: `/token`.
    pub path: Option<Located<Word>>,
    /// The `iss` of its tokens: the address of the gateway as its callers see it.
    pub issuer: Option<Located<Source>>,
    /// The `aud` of its tokens. Default: the issuer.
    pub audience: Option<Located<Word>>,
    /// What may be exchanged for a token. Default: `[password, refresh_token]`.
    pub grants: Option<Located<Vec<Located<GrantType>>>>,
    /// How long an access token is good for. Default: `15m`.
    pub access_ttl: Option<Located<Span>>,
    /// How long a refresh token is good for. Default: `30d`.
    pub refresh_ttl: Option<Located<Span>>,
    /// The private key that signs, PEM (ECDSA on P-256). Default: made once and kept in the durable
    /// store.
    pub signing_key: Option<Located<Source>>,
    /// People, beside those in the durable store (`bartizan users add`).
    #[serde(default)]
    pub users: Vec<Located<User>>,
    /// Programs, beside those in the durable store (`bartizan clients add`).
    #[serde(default)]
    pub clients: Vec<Located<Client>>,
}

/// What may be exchanged for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A name and a password.
    Password,
    /// The secret of a program.
    ClientCredentials,
    /// A refresh token.
    RefreshToken,
    /// Another token (RFC 8693).
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// Somebody with a password.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name, as `agent1` in `local:agent1`.
    pub username: Located<Word>,
    /// The Argon2id hash of the password, as `$argon2id$v=19$m=19456,t=2,p=1$…`.
    pub password_hash: Located<Source>,
    /// The organisation.
    pub tenant: Option<Located<Word>>,
    /// What they may ask for.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// In which roles they act.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
}

/// A program with a secret.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The `client_id`.
    pub id: Located<Word>,
    /// `sha256:` and 64 hexadecimal digits, for a generated secret of at least 128 bits; or what
    /// `clients add` wrote.
    pub secret_hash: Located<Source>,
    /// What it may exchange for a token. Default: `[client_credentials]`.
    pub grants: Option<Vec<Located<GrantType>>>,
    /// The organisation.
    pub tenant: Option<Located<Word>>,
    /// What it may ask for.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// In which roles it acts.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
}

/// Client certificates as identities.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mtls {
    /// Which part of the certificate names the caller.
    pub subject: Option<Located<Word>>,
}
