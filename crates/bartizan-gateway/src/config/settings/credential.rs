//! What is shown to an upstream, as it is meant: a secret, or how a token is asked for.

use std::sync::Arc;
use std::time::Duration;

use bartizan::core::issue::signing::SigningKey;
use bartizan::core::obtain::{Proof, Wish};
use bartizan::upstream::TokenSettings;
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::decode::Located;
use super::super::file::auth::SecretMethod;
use super::super::file::credential::{self as file, TokenRequest};
use super::super::file::leaf::{OneOrMany, Source};
use super::super::tree::Place;
use super::oidc::secure_url;
use super::resolver::Resolver;

/// What the gateway itself shows to an upstream.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A secret.
    Stored(SecretString),
    /// A token that is asked for.
    Obtained(Box<TokenSettings>),
}

impl Credential {
    /// Whether it is got in exchange for the caller's token.
    pub fn exchanges(&self) -> bool {
        matches!(self, Self::Obtained(settings) if settings.exchange)
    }
}

pub(super) fn credential(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Credential>,
) -> Option<Credential> {
    match &file.value {
        file::Credential::Stored(source) => {
            let (place, key, value) = (file.place.clone(), file.key.clone(), source.clone());
            let secret = resolver.secret(&Located { place, key, value })?;
            stored(resolver, secret, &file.place)
        }
        file::Credential::ClientCredentials(request) => {
            asked(resolver, request, false).map(Box::new).map(Credential::Obtained)
        }
        file::Credential::TokenExchange(request) => {
            asked(resolver, request, true).map(Box::new).map(Credential::Obtained)
        }
    }
}

/// A secret that a header field can carry.
pub(super) fn stored(
    resolver: &mut Resolver<'_>,
    secret: SecretString,
    place: &Place,
) -> Option<Credential> {
    if HeaderValue::from_str(secret.expose_secret()).is_err() {
        resolver.wrong(place, "the credential holds characters that no header can carry");
        return None;
    }
    Some(Credential::Stored(secret))
}

fn asked(
    resolver: &mut Resolver<'_>,
    file: &Located<TokenRequest>,
    exchange: bool,
) -> Option<TokenSettings> {
    if file.issuer.is_none() && file.token_url.is_none() {
        let help = "write `issuer`, whose metadata says where to ask, or `token_url`";
        let message = "nobody is named who issues the token";
        resolver.lacking(&file.key, &["issuer", "token_url"], message, help);
        return None;
    }
    let issuer = address(resolver, file.issuer.as_ref(), "issuer");
    let endpoint = address(resolver, file.token_url.as_ref(), "token_url");
    let proof = proof(resolver, file);
    let client = resolver.text(&file.client_id);
    let resources = many(file.resource.as_ref());
    for resource in file.resource.iter().flat_map(|resource| &resource.value.0) {
        let whole = resource.value.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some());
        if !whole || resource.value.contains('#') {
            let help =
                "write one such as `https://api.example.com/v1`; a name belongs into `audience`";
            resolver.error(&resource.place, "`resource` is no address", help);
        }
    }
    Some(TokenSettings {
        issuer: issuer?,
        endpoint: endpoint?,
        wish: Wish {
            client: client?,
            proof: proof?,
            scopes: resolver.scopes(&file.scopes),
            resources,
            audiences: many(file.audience.as_ref()),
        },
        exchange,
        patience: resolver.span(file.timeout.as_ref(), Duration::from_secs(5)),
    })
}

/// Where it is written, a secure address; `None` for one that is not.
fn address(
    resolver: &mut Resolver<'_>,
    source: Option<&Located<Source>>,
    name: &str,
) -> Option<Option<String>> {
    let Some(source) = source else { return Some(None) };
    let url = resolver.text(source)?;
    secure_url(resolver, &source.place, name, &url).then_some(Some(url))
}

fn proof(resolver: &mut Resolver<'_>, file: &Located<TokenRequest>) -> Option<Proof> {
    match (&file.client_secret, &file.client_key) {
        (Some(secret), None) => {
            let in_form = file.method.as_ref().is_some_and(|m| m.value == SecretMethod::Post);
            let secret = resolver.secret(secret)?;
            Some(if in_form { Proof::Form(secret) } else { Proof::Basic(secret) })
        }
        (None, Some(source)) => {
            if let Some(method) = &file.method {
                let help = "remove it: a key signs, and is never sent";
                resolver.error(&method.key, "`method` is for `client_secret`", help);
            }
            let pem = resolver.secret(source)?;
            match SigningKey::from_pem(pem.expose_secret()) {
                Ok(key) => Some(Proof::Signed(Arc::new(key))),
                Err(error) => {
                    let help = "make one with `openssl ecparam -name prime256v1 -genkey -noout`";
                    resolver.error(&source.place, error.to_string(), help);
                    None
                }
            }
        }
        (Some(_), Some(key)) => {
            let help = "keep the one that the issuer knows";
            resolver.error(&key.key, "`client_secret` and `client_key` exclude one another", help);
            None
        }
        (None, None) => {
            let help = "write `client_secret: { env: NAME }`, or `client_key: { file: PATH }`";
            let message = "nothing proves that the gateway is `client_id`";
            resolver.lacking(&file.key, &["client_secret", "client_key"], message, help);
            None
        }
    }
}

fn many(texts: Option<&Located<OneOrMany>>) -> Vec<Arc<str>> {
    let texts = texts.iter().flat_map(|texts| &texts.value.0);
    texts.map(|text| Arc::from(text.value.0.as_str())).collect()
}
