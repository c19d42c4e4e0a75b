//! What does the endpoint say about itself? RFC 8414, RFC 7517 and RFC 9728.

use serde_json::{Value, json};

use super::request::GrantType;
use super::signing::SigningKey;

/// Where things are, as paths of the issuer's origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths {
    /// The token endpoint.
    pub token: String,
    /// Revocation (RFC 7009).
    pub revoke: String,
    /// Introspection (RFC 7662).
    pub introspect: String,
}

impl Default for Paths {
    fn default() -> Self {
        let [token, revoke, introspect] = ["/token", "/revoke", "/introspect"].map(String::from);
        Self { token, revoke, introspect }
    }
}

/// Where the keys are.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";
/// Where the metadata of the authorization server is.
pub const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// Where the metadata of the protected resource is.
pub const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";

/// The metadata of the authorization server (RFC 8414 section 2). `issuer` is its URL without a
/// slash at the end.
#[must_use]
pub fn metadata(issuer: &str, paths: &Paths, grants: &[GrantType]) -> Value {
    let origin = origin(issuer);
    let grants: Vec<_> = grants.iter().map(|grant| grant.as_str()).collect();
    let authentication = ["client_secret_basic", "client_secret_post"];
    json!({
        "issuer": issuer,
        "token_endpoint": format!("{origin}{}", paths.token),
        "jwks_uri": format!("{origin}{JWKS_PATH}"),
        "revocation_endpoint": format!("{origin}{}", paths.revoke),
        "introspection_endpoint": format!("{origin}{}", paths.introspect),
        "grant_types_supported": grants,
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": authentication,
        "introspection_endpoint_auth_methods_supported": authentication,
    })
}

/// Scheme and host of a URL: what stands before its path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(host..).and_then(|rest| rest.find('/'));
    path.and_then(|path| url.get(..host + path)).unwrap_or(url)
}

/// The public keys (RFC 7517 section 5), the one that signs first.
#[must_use]
pub fn key_set<'k>(keys: impl IntoIterator<Item = &'k SigningKey>) -> Value {
    let keys: Vec<_> = keys.into_iter().map(SigningKey::public_jwk).collect();
    json!({ "keys": keys })
}

/// The metadata of the protected resource (RFC 9728 section 2).
#[must_use]
pub fn resource(resource: &str, issuers: &[&str], scopes: &[&str]) -> Value {
    let mut document = json!({
        "resource": resource,
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    if let (false, Some(members)) = (scopes.is_empty(), document.as_object_mut()) {
        members.insert("scopes_supported".into(), scopes.into());
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_issuers_origin() {
        let document = metadata("https://gate.example/tenant", &Paths::default(), &GrantType::ALL);
        assert_eq!(document["issuer"], "https://gate.example/tenant");
        assert_eq!(document["token_endpoint"], "https://gate.example/token");
        assert_eq!(document["jwks_uri"], "https://gate.example/.well-known/jwks.json");
        assert_eq!(origin("http://127.0.0.1:8000"), "http://127.0.0.1:8000");
    }

    #[test]
    fn no_key_set_holds_a_private_half() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
        let set = key_set([&key]);
        assert!(set["keys"][0].get("d").is_none());
        assert_eq!(set["keys"][0]["kid"], &**key.id());
    }
}
