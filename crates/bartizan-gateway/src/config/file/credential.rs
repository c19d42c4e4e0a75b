//! What the gateway shows to an upstream: a secret, or a token that it asks for.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::super::decode::Located;
use super::auth::SecretMethod;
use super::leaf::{OneOrMany, Source, Span, Word};

/// What is shown to an upstream.
#[derive(Debug)]
pub enum Credential {
    /// This secret.
    Stored(Source),
    /// A token that the gateway asks for as itself (RFC 6749 section 4.4).
    ClientCredentials(Box<Located<TokenRequest>>),
    /// A token that the gateway gets in exchange for that of the caller (RFC 8693).
    TokenExchange(Box<Located<TokenRequest>>),
}

/// How the gateway asks for a token that it shows to an upstream.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Who issues the token; its metadata says where to ask. Needed where `token_url` is not written.
    pub issuer: Option<Located<Source>>,
    /// Where to ask. Default: where the metadata of `issuer` says.
    pub token_url: Option<Located<Source>>,
    /// As whom the gateway asks.
    pub client_id: Located<Source>,
    /// What proves that; or `client_key`.
    pub client_secret: Option<Located<Source>>,
    /// How the secret is sent: `basic` or `post`. Default: `basic`.
    pub method: Option<Located<SecretMethod>>,
    /// A private key in PEM form (ECDSA on P-256) by which the gateway proves who it is, in place of a
    /// secret (`private_key_jwt`, RFC 7523).
    pub client_key: Option<Located<Source>>,
    /// The scopes to ask for. Default: what the issuer thinks right.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// The address of the service that the token is for (RFC 8707), or several.
    pub resource: Option<Located<OneOrMany>>,
    /// The name of the service that the token is for, or several.
    pub audience: Option<Located<OneOrMany>>,
    /// How long an answer may take; then the call is refused. Default: `5s`.
    pub timeout: Option<Located<Span>>,
}

const EXPECTED: &str = "text, `{ env: NAME }`, `{ file: PATH }`, `{ secret: NAME }`, `{ client_credentials: … }` or `{ token_exchange: … }`";

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CredentialVisitor)
    }
}

struct CredentialVisitor;

impl<'de> Visitor<'de> for CredentialVisitor {
    type Value = Credential;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Credential, E> {
        Ok(Credential::Stored(Source::Inline(SecretString::from(text))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Credential, A::Error> {
        let key: Option<String> = map.next_key()?;
        Ok(match key.as_deref() {
            Some("env") => Credential::Stored(Source::Env(map.next_value()?)),
            Some("file") => Credential::Stored(Source::File(map.next_value()?)),
            Some("secret") => Credential::Stored(Source::Mounted(map.next_value()?)),
            Some("client_credentials") => Credential::ClientCredentials(map.next_value()?),
            Some("token_exchange") => Credential::TokenExchange(map.next_value()?),
            _ => return Err(de::Error::custom(format_args!("expected {EXPECTED}"))),
        })
    }
}

impl JsonSchema for Credential {
    fn schema_name() -> Cow<'static, str> {
        "Credential".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let source = generator.subschema_for::<Source>();
        let mut request = |description: &str| {
            let mut schema = generator.subschema_for::<TokenRequest>();
            schema.insert("description".to_owned(), description.into());
            schema
        };
        let own = request("A token that the gateway asks for as itself (RFC 6749, section 4.4).");
        let exchanged = request(
            "A token that the gateway gets in exchange for that of its caller (RFC 8693), whom it \
             asks for one.",
        );
        // Not `anyOf`: mistakes inside of a request would lose their place.
        json_schema!({
            "description": "What the gateway shows to an upstream: a secret, or a token that it asks for.",
            "x-expects": EXPECTED,
            "if": { "type": "object", "anyOf": [
                { "required": ["client_credentials"] }, { "required": ["token_exchange"] },
            ] },
            "then": {
                "type": "object",
                "properties": { "client_credentials": own, "token_exchange": exchanged },
                "additionalProperties": false,
                "maxProperties": 1,
                "x-expects": "either `client_credentials` or `token_exchange`",
            },
            "else": source,
        })
    }
}
