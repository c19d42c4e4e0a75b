//! `bartizan tokens`: what the token endpoint gave, and with which key it signs.

use std::time::Duration;

use anyhow::{Context as _, bail};
use bartizan_core::issue::{SigningKey, StoredKey};
use bartizan_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::identities::{Desk, span};

/// Tokens of the token endpoint.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Tokens {
    /// Takes an access token back before its time; gateways on the same store notice at once.
    Revoke {
        /// The token, or `-` to read it from standard input.
        token: String,
    },
    /// Makes a new signing key. Gateways on the same store publish it at once and sign with it
    /// later, without a restart; the old key verifies until its last token has ended.
    RotateKey(RotateKey),
}

/// Arguments of `tokens rotate-key`.
#[derive(clap::Args, Clone, Debug)]
pub struct RotateKey {
    /// How long the key is published before it signs. Those who check tokens elsewhere may keep
    /// the key set for five minutes.
    #[arg(long, value_parser = span, default_value = "5m", value_name = "SPAN")]
    pub sign_after: Duration,
    /// Forgets every other key at once: a key was stolen, and no token that it signed shall count.
    /// Everybody must get a new token.
    #[arg(long, conflicts_with = "sign_after")]
    pub revoke_others: bool,
}

/// What was done: a line for people, an object for programs.
pub(super) type Done = (String, Value);

pub(super) async fn run(command: &Tokens, desk: &mut Desk<'_>) -> anyhow::Result<Done> {
    match command {
        Tokens::Revoke { token } => revoke(token, desk).await,
        Tokens::RotateKey(rotation) => rotate(rotation, desk).await,
    }
}

async fn rotate(rotation: &RotateKey, desk: &mut Desk<'_>) -> anyhow::Result<Done> {
    let RotateKey { sign_after, revoke_others } = rotation;
    let pkcs8 = SigningKey::generate_pkcs8()?;
    let id = SigningKey::from_pkcs8(&pkcs8)?.id().to_string();
    let signs_from = if *revoke_others { desk.now } else { desk.now.plus(*sign_after) };
    let done = json!({
        "kid": id, "signs_from": signs_from.to_string(), "others": if *revoke_others { "revoked" } else { "kept" },
    });
    desk.record("tokens.rotate-key", done.clone()).await?;
    desk.store.add_signing_key(StoredKey { pkcs8, signs_from }, *revoke_others).await?;
    let others = if *revoke_others { "; every other key was forgotten" } else { "" };
    Ok((format!("made the signing key `{id}`; it signs from {signs_from} on{others}"), done))
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
