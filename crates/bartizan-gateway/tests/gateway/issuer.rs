//! Are the tokens of an identity provider believed? Its keys are found by discovery.

use std::net::SocketAddr;

use bartizan_core::issue::SigningKey;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::program::Program;
use crate::upstream::Upstream;
use crate::wire::{ask, status};

/// A provider on loopback: its metadata, and one key. It ends with the test's runtime.
pub(crate) async fn provider(key: &SigningKey) -> SocketAddr {
    publish(json!({ "keys": [Value::Object(key.public_jwk().clone())] })).await
}

/// The same with any keys.
pub(crate) async fn publish(keys: Value) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("http://{address}");
    let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string();
    let keys = keys.to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (metadata, keys) = (metadata.clone(), keys.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await?);
                }
                let body = if head.starts_with(b"GET /keys ") { keys } else { metadata };
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                     content-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                socket.write_all(answer.as_bytes()).await
            });
        }
    });
    address
}

#[tokio::test]
async fn a_providers_token_is_believed_as_far_as_it_is_configured_and_no_further() {
    let own = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let strange = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let provider = provider(&own).await;
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        let oidc = format!(
            "auth:\n  oidc: [{{ name: corp, issuer: \"http://{provider}\", audience: gate }}]\n"
        );
        configuration.replacen("auth:\n", &oidc, 1)
    });
    let now = bartizan::clock::now().as_secs();
    let claims = |audience: &str, scope: &str| {
        json!({
            "iss": format!("http://{provider}"), "aud": audience, "sub": "ann",
            "iat": now, "exp": now + 300, "scope": scope,
        })
    };
    let call = async |key: &SigningKey, claims: &Value| {
        let token = key.sign("at+jwt", claims).unwrap();
        let field = format!("Authorization: Bearer {token}");
        status(&ask(program.address, "GET /guarded", &[&field]).await)
    };
    assert_eq!(call(&own, &claims("gate", "data:read")).await, 200);
    assert_eq!(call(&own, &claims("gate", "other")).await, 403, "a scope it does not have");
    assert_eq!(call(&own, &claims("elsewhere", "data:read")).await, 401, "meant for another");
    assert_eq!(call(&strange, &claims("gate", "data:read")).await, 401, "signed by another");
    let seen = upstream.only();
    assert_eq!(seen.headers["x-bartizan-subject"], "corp:ann");
    assert!(!seen.headers.contains_key("authorization"));
}
