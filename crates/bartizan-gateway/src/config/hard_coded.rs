//! Does a secret stand in the file itself? By the key that it stands under, or by its own form.
//!
//! Looked for in the tree as it was written: what came from a variable or from another file does
//! not stand here. Digests (`hash`, `password_hash`) are no secrets.

use bartizan_pii::{Config, Entity, Scanner};

use super::tree::{Kind, Node, Place, tokens};

/// Keys under which a secret stands.
const NAMES: &[&str] = &[
    "credential",
    "signing_key",
    "secret",
    "client_secret",
    "client_key",
    "password",
    "api_key",
    "token",
];

/// Where secrets stand: pointers, in the order of the file.
pub(super) fn find(tree: &mut Node) -> Vec<String> {
    let secrets = vec![Entity::API_KEY, Entity::JWT, Entity::PRIVATE_KEY];
    let scanner = Scanner::new(&Config { entities: Some(secrets), ..Config::default() }).ok();
    let mut found = Vec::new();
    tree.walk_mut(&mut |node| {
        let Kind::Scalar(scalar) = &node.kind else { return };
        let text = &*scalar.written;
        if !scalar.value.is_string() || text.is_empty() || text.contains("${") {
            return;
        }
        let by_form = || scanner.as_ref().is_some_and(|scanner| !scanner.scan(text).is_empty());
        if is_under_a_secret_name(&node.place) || holds_a_password(text) || by_form() {
            found.push(node.place.pointer.clone());
        }
    });
    found
}

/// `{ env: … }`, `{ file: … }` and `{ secret: … }` are names of secrets, and stand one deeper.
fn is_under_a_secret_name(place: &Place) -> bool {
    let tokens = tokens(&place.pointer);
    let names = |token: &String| NAMES.contains(&token.as_str()) || token.ends_with("_secret");
    match tokens.as_slice() {
        // The file's own keys: an environment named `secret` is the name of a folder's file.
        [.., outer, last] if last == "secret" && names(outer) => false,
        // A `key` elsewhere is a file.
        [.., outer, last] if outer == "pii" && last == "key" => true,
        [outer, ..] if outer == "access" || outer == "prices" || outer == "limits" => false,
        [.., last] => names(last) && tokens.len() > 1,
        [] => false,
    }
}

/// `scheme://user:password@host`.
fn holds_a_password(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, rest)| rest.split(['/', '?']).next());
    let Some(Some(authority)) = authority else { return false };
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn found(text: &str) -> Vec<String> {
        find(&mut parse(text).unwrap().0)
    }

    #[test]
    fn a_secret_in_the_file_is_found_by_its_key_or_its_form() {
        let text = "endpoints:\n\
            - upstream: { url: x, credential: hunter2 }\n\
            - upstream: { credential: { env: NAME } }\n\
            - upstream: { credential: { secret: api-key } }\n\
            - upstream: { credential: '${KEY}' }\n\
            - description: 'try ghp_16C7e42F292c6912E7710c838347Ae178B4a'\n\
            store: { durable: 'postgres://me:pw@host/db', shared: 'redis://host' }\n\
            auth: { oidc: [{ introspection: { client_id: a, client_secret: b } }] }\n";
        assert_eq!(
            found(text),
            [
                "/endpoints/0/upstream/credential",
                "/endpoints/4/description",
                "/store/durable",
                "/auth/oidc/0/introspection/client_secret",
            ]
        );
    }

    #[test]
    fn digests_and_names_are_no_secrets() {
        let text = "auth:\n\
            \x20 api_keys: { keys: [{ id: ci, hash: 'sha256:3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550' }] }\n\
            \x20 tokens: { issuer: 'https://gate.example.com', signing_key: { file: signing.pem } }\n\
            access: { roles: { token: { permissions: [] } } }\n\
            secrets: /run/secrets\n";
        assert_eq!(found(text), Vec::<String>::new());
    }
}
