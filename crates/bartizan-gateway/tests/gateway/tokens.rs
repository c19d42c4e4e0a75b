//! Do two gateways on one store agree about tokens: what was taken back, and which key signs?

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::program::{PATIENCE, Program, command};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, status};

const SECRET: &str = "robot-secret-with-256-random-bits-in-it";

fn with_tokens(configuration: &str) -> String {
    use sha2::Digest as _;
    let hash: String = sha2::Sha256::digest(SECRET).iter().map(|b| format!("{b:02x}")).collect();
    let tokens = format!(
        "auth:\n  tokens:\n    issuer: http://127.0.0.1:8000\n    \
         clients: [{{ id: robot, secret_hash: \"sha256:{hash}\", scopes: [\"data:read\"] }}]\n"
    );
    configuration.replacen("auth:\n", &tokens, 1)
}

/// Two gateways on the store of the first.
async fn pair() -> (Program, Program, Upstream) {
    let upstream = Upstream::start().await;
    let first = Program::with(upstream.address, &[], |text| with_tokens(&text));
    let store = first.folder.path().join("bartizan.db").display().to_string();
    let second = Program::with(upstream.address, &[], |text| {
        let own = text.lines().find(|line| line.starts_with("store:")).unwrap();
        let shared = format!("store: {{ durable: \"sqlite:{store}\", shared: memory }}");
        with_tokens(&text.replace(own, &shared))
    });
    (first, second, upstream)
}

async fn post(program: &Program, path: &str, form: &str) -> String {
    let (address, length) = (program.address, form.len());
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}"
    );
    raw(address, request).await
}

async fn token(program: &Program) -> String {
    let form = format!("grant_type=client_credentials&client_id=robot&client_secret={SECRET}");
    let answer = post(program, "/token", &form).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    body["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn call(program: &Program, token: &str) -> u16 {
    let field = format!("Authorization: Bearer {token}");
    status(&ask(program.address, "GET /guarded", &[&field]).await)
}

fn signer(token: &str) -> String {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_one_gateway_takes_back_counts_at_no_other_a_second_later() {
    let (first, second, _upstream) = pair().await;
    let token = token(&first).await;
    assert_eq!(call(&first, &token).await, 200);
    assert_eq!(call(&second, &token).await, 200, "and it remembers that");
    let form = format!("token={token}&client_id=robot&client_secret={SECRET}");
    assert_eq!(status(&post(&first, "/revoke", &form).await), 200);
    let revoked = Instant::now();
    assert_eq!(call(&first, &token).await, 401, "here at once");
    loop {
        // What began a second after must be refused, however slow the machine is.
        let began = revoked.elapsed();
        if call(&second, &token).await == 401 {
            break;
        }
        assert!(began < Duration::from_secs(1), "still taken after {began:?}");
    }
}

#[tokio::test]
async fn a_new_key_signs_everywhere_without_a_restart_and_no_good_token_is_refused() {
    let (first, second, _upstream) = pair().await;
    let old = token(&first).await;
    let file = first.file();
    let file = file.to_str().unwrap();
    let rotate =
        ["tokens", "rotate-key", "--sign-after", "3s", "--format", "json", "--config", file];
    let (code, out, error) = command(&rotate, "");
    assert_eq!(code, 0, "{error}");
    let made: Value = serde_json::from_str(&out).unwrap();
    let new = made["kid"].as_str().unwrap();
    let began = Instant::now();
    let mut signed = [false, false];
    while signed != [true, true] {
        assert!(began.elapsed() < PATIENCE, "the new key does not sign: {signed:?}");
        for (index, issuer) in [&first, &second].into_iter().enumerate() {
            let fresh = token(issuer).await;
            signed[index] |= signer(&fresh) == new;
            for taker in [&first, &second] {
                assert_eq!(call(taker, &fresh).await, 200, "a good token was refused");
                assert_eq!(call(taker, &old).await, 200, "the old key's token was refused");
            }
        }
    }
    let keys = ask(second.address, "GET /.well-known/jwks.json", &[]).await;
    assert!(keys.contains(new) && keys.contains(&signer(&old)), "{keys}");
    assert!(keys.to_lowercase().contains("cache-control: public, max-age=300"), "{keys}");
}

#[tokio::test]
async fn a_stolen_key_is_forgotten_by_running_gateways() {
    let (first, second, _upstream) = pair().await;
    let old = token(&first).await;
    assert_eq!(call(&second, &old).await, 200);
    let file = first.file();
    let revoke = ["tokens", "rotate-key", "--revoke-others", "--config", file.to_str().unwrap()];
    let (code, out, error) = command(&revoke, "");
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("every other key was forgotten"), "{out}");
    let began = Instant::now();
    while call(&first, &old).await != 401 || call(&second, &old).await != 401 {
        assert!(began.elapsed() < PATIENCE, "what the stolen key signed still counts");
    }
    assert_eq!(call(&second, &token(&first).await).await, 200);
}
