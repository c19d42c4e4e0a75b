//! What does the endpoint say about itself? RFC 8414, RFC 7517 and RFC 9728.

use serde_json::{Value, json};

use super::request::GrantType;
use super::signing::SigningKey;
use crate::authenticate::algorithm::Algorithm;

/// Where things are, as paths of the issuer's origin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths {
    /// The token endpoint.
    pub token: String,
    /// Revocation (RFC 7009).
    pub revoke: String,
    /// Introspection (RFC 7662).
    pub introspect: String,
    /// Where clients would send people to log in; nobody does here (see [`metadata`]).
    pub authorize: String,
}

impl Default for Paths {
    fn default() -> Self {
        let [token, revoke, introspect, authorize] =
            ["/token", "/revoke", "/introspect", "/token/authorize"].map(String::from);
        Self { token, revoke, introspect, authorize }
    }
}

/// Where the keys are.
pub const JWKS_PATH: &str = "/.well-known/jwks.json";
/// Where the metadata of the authorization server is.
pub const METADATA_PATH: &str = "/.well-known/oauth-authorization-server";
/// Where clients look that know OpenID Connect alone; the same document.
pub const OPENID_PATH: &str = "/.well-known/openid-configuration";
/// Where the metadata of the protected resource is.
pub const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";

/// The metadata of the authorization server (RFC 8414 section 2). `issuer` is its URL without a
/// slash at the end.
///
/// An `authorization_endpoint` is named though nothing is authorized there: the standard lets it
/// be left out, and clients that demand it (the SDKs of MCP among them) would read nothing of the
/// rest. `certificates` says whether connections are asked for one (RFC 8705 section 2.1.1).
#[must_use]
pub fn metadata(issuer: &str, paths: &Paths, grants: &[GrantType], certificates: bool) -> Value {
    let origin = origin(issuer);
    let grants: Vec<_> = grants.iter().map(|grant| grant.as_str()).collect();
    let mut proved = vec!["client_secret_basic", "client_secret_post", "private_key_jwt"];
    proved.extend(certificates.then_some("tls_client_auth"));
    let any = [&proved[..], &["none"]].concat();
    let algorithms: Vec<_> = Algorithm::ASYMMETRIC.iter().map(|one| one.as_str()).collect();
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{origin}{}", paths.authorize),
        "token_endpoint": format!("{origin}{}", paths.token),
        "jwks_uri": format!("{origin}{JWKS_PATH}"),
        "revocation_endpoint": format!("{origin}{}", paths.revoke),
        "introspection_endpoint": format!("{origin}{}", paths.introspect),
        "grant_types_supported": grants,
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": any,
        "revocation_endpoint_auth_methods_supported": any,
        "introspection_endpoint_auth_methods_supported": proved,
    });
    if let Some(members) = document.as_object_mut() {
        for endpoint in ["token", "revocation", "introspection"] {
            let name = format!("{endpoint}_endpoint_auth_signing_alg_values_supported");
            members.insert(name, algorithms.clone().into());
        }
    }
    document
}

/// Where the metadata of `issuer` is to be found: RFC 8414 section 3.1 puts the well-known part
/// before the path of the issuer, OpenID Connect Discovery behind it, and some clients ask at the
/// root.
#[must_use]
pub fn metadata_paths(issuer: &str) -> Vec<String> {
    let path = issuer.get(origin(issuer).len()..).unwrap_or_default().trim_end_matches('/');
    let mut paths = vec![METADATA_PATH.to_owned(), OPENID_PATH.to_owned()];
    if !path.is_empty() {
        paths.push(format!("{METADATA_PATH}{path}"));
        paths.push(format!("{OPENID_PATH}{path}"));
        paths.push(format!("{path}{OPENID_PATH}"));
    }
    paths
}

/// What clients may call us in a statement that they sign for us (RFC 7523 section 3): the issuer,
/// or the endpoint to which they send it.
#[must_use]
pub fn names(issuer: &str, paths: &Paths) -> Vec<String> {
    let origin = origin(issuer);
    let endpoints = [&paths.token, &paths.revoke, &paths.introspect];
    let endpoints = endpoints.map(|path| format!("{origin}{path}"));
    std::iter::once(issuer.to_owned()).chain(endpoints).collect()
}

/// Scheme and host of a URL: what stands before its path.
pub(crate) fn origin(url: &str) -> &str {
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
        "bearer_methods_supported": ["header"],
    });
    // Lists that are empty are left out (section 3.2).
    for (name, list) in [("authorization_servers", issuers), ("scopes_supported", scopes)] {
        if let (false, Some(members)) = (list.is_empty(), document.as_object_mut()) {
            members.insert(name.into(), list.into());
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_issuers_origin() {
        let issuer = "https://gate.example/tenant";
        let document = metadata(issuer, &Paths::default(), &GrantType::ALL, false);
        assert_eq!(document["issuer"], "https://gate.example/tenant");
        assert_eq!(document["token_endpoint"], "https://gate.example/token");
        assert_eq!(document["jwks_uri"], "https://gate.example/.well-known/jwks.json");
        assert_eq!(origin("http://127.0.0.1:8000"), "http://127.0.0.1:8000");
        let paths = metadata_paths(issuer);
        assert!(paths.contains(&"/.well-known/oauth-authorization-server/tenant".to_owned()));
        assert!(paths.contains(&"/tenant/.well-known/openid-configuration".to_owned()));
        assert_eq!(metadata_paths("https://gate.example").len(), 2);
    }

    #[test]
    fn nobody_proves_themselves_to_an_introspection_by_nothing() {
        let document = metadata("https://gate.example", &Paths::default(), &GrantType::ALL, false);
        let methods = document["introspection_endpoint_auth_methods_supported"].to_string();
        assert!(!methods.contains("none"));
        assert!(document["token_endpoint_auth_methods_supported"].to_string().contains("none"));
    }

    #[test]
    fn no_key_set_holds_a_private_half() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
        let set = key_set([&key]);
        assert!(set["keys"][0].get("d").is_none());
        assert_eq!(set["keys"][0]["kid"], &**key.id());
    }
}
