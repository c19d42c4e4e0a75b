//! The keys below `auth`: who may be believed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::leaf::{Count, Instant, OneOrMany, Source, Span, Word};

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
    /// What the digests of keys and secrets are keyed with: at least 32 random characters, kept
    /// elsewhere than the store. Digests that were made before still count. Default: made once and
    /// kept in the durable store, beside them.
    pub pepper: Option<Located<Source>>,
    /// Client certificates as identities.
    pub mtls: Option<Located<Mtls>>,
    /// Tokens bound to a key of the client (RFC 9449). Absent: such tokens are refused.
    pub dpop: Option<Located<Dpop>>,
    /// How many verified credentials are remembered, so that they need not be looked up again: about
    /// 1 KB each, and twice as many at most. As many as are in use at a time are well spent. Default:
    /// 50000.
    pub remembered: Option<Located<Count>>,
    /// How many credentials that are none an address may show in a minute; further ones are
    /// answered 429. Good ones pass. Default: 20.
    pub bad_credentials_per_minute: Option<Located<Count>>,
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
    /// The signature algorithms that are accepted. Default: all with a public key (RS, PS and ES
    /// 256 to 512, EdDSA); with `secret` those of HMAC.
    pub algorithms: Option<Located<Vec<Located<Word>>>>,
    /// How far its clock may be off. Default: `30s`.
    pub leeway: Option<Located<Span>>,
    /// The `typ` that a token must have, as `at+jwt`. Default: any of an access token.
    pub typ: Option<Located<Word>>,
    /// The longest that a token may live. Default: as long as the provider lets it.
    pub max_lifetime: Option<Located<Span>>,
    /// Where its keys are. Default: where its metadata says (OpenID Connect Discovery, RFC 8414).
    pub jwks_uri: Option<Located<Source>>,
    /// How often its keys are fetched again. Default: as its Cache-Control or Expires says, from
    /// `1m` to `1h`; `5m` where it says nothing.
    pub refresh: Option<Located<Span>>,
    /// For how long the last keys count when it cannot be reached. Default: `24h`.
    pub keep: Option<Located<Span>>,
    /// The secret by which it signs, where it has no public keys: at least 32 bytes for HS256.
    pub secret: Option<Located<Source>>,
    /// Asking the provider about opaque tokens (RFC 7662).
    pub introspection: Option<Located<Introspection>>,
}

/// Asking an identity provider about tokens that say nothing by themselves (RFC 7662).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Introspection {
    /// Where to ask. Default: where its metadata says.
    pub endpoint: Option<Located<Source>>,
    /// As whom.
    pub client_id: Option<Located<Source>>,
    /// What proves it.
    pub client_secret: Option<Located<Source>>,
    /// How the secret is sent: `basic` or `post`. Default: `basic`.
    pub method: Option<Located<SecretMethod>>,
    /// How long an answer counts; never longer than the token. Default: `10s`.
    pub cache: Option<Located<Span>>,
    /// How long an answer may take; then the request is refused. Default: `5s`.
    pub timeout: Option<Located<Span>>,
    /// `true` accepts tokens of which the provider does not say for whom they are meant. Default:
    /// `false`.
    pub any_audience: Option<Located<bool>>,
}

/// How a client's secret is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretMethod {
    /// `Authorization: Basic`.
    #[default]
    Basic,
    /// In the form.
    Post,
}

/// Which claim of a token says what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who; of several the first that stands there, as `[sub, client_id]` for a provider that
    /// names programs by the latter alone. Default: `sub`.
    pub subject: Option<Located<OneOrMany>>,
    /// Of which organisation. Default: none.
    pub tenant: Option<Located<Word>>,
    /// In which roles: a list, or words in one text; `a.b` looks inside. Default: `roles`.
    pub roles: Option<Located<Word>>,
    /// With which scopes: a list, or words in one text. Default: `scope`.
    pub scopes: Option<Located<Word>>,
}

/// The most that an issuer may assert, or that a client may have of another's.
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
    /// What may be exchanged for a token. Passwords are taken only where this names `password`.
    /// Default: `[client_credentials, refresh_token]`.
    pub grants: Option<Located<Vec<Located<GrantType>>>>,
    /// How long an access token is good for. Default: `15m`.
    pub access_ttl: Option<Located<Span>>,
    /// How long a session may be continued by refresh tokens, from its login on. Default: `30d`.
    pub refresh_ttl: Option<Located<Span>>,
    /// The private key that signs, PEM (ECDSA on P-256); keys below it in the file were before it
    /// and still verify. Default: made once and kept in the durable store, where `bartizan tokens
    /// rotate-key` replaces it.
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

/// A program, which has a secret, a key of its own, or neither.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The `client_id`.
    pub id: Located<Word>,
    /// `sha256:` and 64 hexadecimal digits, for a generated secret of at least 128 bits; or what
    /// `clients add` wrote.
    pub secret_hash: Option<Located<Source>>,
    /// Instead of a secret: the public keys by which it signs that it is it (`private_key_jwt`, RFC
    /// 7523), as a JWK Set or a JWK.
    pub jwks: Option<Located<Source>>,
    /// Instead of a secret: a name that the certificate of its connection must hold
    /// (`tls_client_auth`, RFC 8705). Needs `server.tls.client_ca`.
    pub certificate: Option<Located<ClientCertificate>>,
    /// Instead of a secret: nothing. Anybody may say that they are it; it continues sessions of
    /// people, and gets nothing for itself. Default: `false`.
    pub public: Option<bool>,
    /// The most that it may have when it acts for somebody (RFC 8693), of what their token has.
    /// Default: all scopes, no roles.
    pub acts_at_most: Option<Located<GrantsAtMost>>,
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

/// The name that a client's certificate must hold, one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// A URI among its subject alternative names, as `spiffe://example.org/worker`.
    pub san_uri: Option<Located<Word>>,
    /// A DNS name among them.
    pub san_dns: Option<Located<Word>>,
}

/// Client certificates as identities: `mtls:NAME`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mtls {
    /// Which part of the certificate names the caller; there must be exactly one of the kind.
    /// Default: `san_uri`.
    pub subject: Option<Located<CertificateName>>,
    /// What everybody with a certificate may ask for. Roles are assigned by name, under
    /// `access.assign`.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
}

/// Which part of a certificate names the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CertificateName {
    /// The URI among its alternative names.
    #[default]
    SanUri,
    /// The DNS name among its alternative names.
    SanDns,
    /// The URI among its alternative names, which must be a SPIFFE ID.
    Spiffe,
}

/// Tokens bound to a key of the client (RFC 9449).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dpop {
    /// The addresses of the gateway as clients see them, without a path, as
    /// `https://gate.example.com`. Default: that of `auth.tokens.issuer`.
    #[serde(default)]
    pub origins: Vec<Located<Word>>,
    /// How old a proof may be. Default: `60s`.
    pub window: Option<Located<Span>>,
    /// `true` asks for a nonce of the gateway in every proof. Default: `false`.
    pub nonce: Option<Located<bool>>,
    /// How many proofs are remembered, so that none is shown twice. Default: 100000.
    pub remembered: Option<Located<Count>>,
}
