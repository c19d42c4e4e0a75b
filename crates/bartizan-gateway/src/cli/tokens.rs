//! `bartizan tokens`: what the token endpoint gave, and with which key it signs.

use anyhow::{Context as _, bail};
use bartizan_core::issue::SigningKey;
use bartizan_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::identities::Desk;

/// Tokens of the token endpoint.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Tokens {
    /// Takes an access token back before its time; gateways on the same store notice at once.
    Revoke {
        /// The token, or `-` to read it from standard input.
        token: String,
    },
    /// Makes a new signing key. It signs after the next start or reload; the old ones still verify.
    RotateKey,
}

/// What was done: a line for people, an object for programs.
pub(super) type Done = (String, Value);

pub(super) async fn run(command: &Tokens, desk: &mut Desk<'_>) -> anyhow::Result<Done> {
    match command {
        Tokens::Revoke { token } => revoke(token, desk).await,
        Tokens::RotateKey => {
            let pkcs8 = SigningKey::generate_pkcs8()?;
            let id = SigningKey::from_pkcs8(&pkcs8)?.id().to_string();
            desk.record("tokens.rotate-key", json!({ "kid": id })).await?;
            desk.store.add_signing_key(&pkcs8).await?;
            Ok((format!("made the signing key `{id}`"), json!({ "kid": id })))
        }
    }
}

async fn revoke(token: &str, desk: &mut Desk<'_>) -> anyhow::Result<Done> {
    let typed;
    let token = if token == "-" {
        typed = std::io::read_to_string(std::io::stdin().lock())?;
        typed.trim()
    } else {
        token
    };
    let claims = claims(token).context("this is no token that can be read")?;
    let id = claims.get("jti").and_then(Value::as_str);
    let (Some(id), Some(end)) = (id, claims.get("exp").and_then(Value::as_u64)) else {
        bail!("the token has no `jti` or no `exp`: it is none of ours");
    };
    let until = Timestamp::from_secs(end);
    if until <= desk.now {
        bail!("the token ended {until}");
    }
    desk.record("tokens.revoke", json!({ "jti": id, "until": until.to_string() })).await?;
    desk.store.revoke_token(id, until, desk.now).await?;
    Ok((format!("revoked `{id}`"), json!({ "jti": id, "until": until.to_string() })))
}

/// What the token says. Its signature does not matter: to revoke a forged one does no harm.
fn claims(token: &str) -> Option<Value> {
    let body = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}
