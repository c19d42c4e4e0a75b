//! `bartizan keys`: what a program shows to come in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bartizan_core::authenticate::api_key::{self, Hash, Record};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::{Desk, Rights, later, random, shown, span};

/// API keys.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Keys {
    /// Makes a key, and prints it once.
    Create(Create),
    /// Lists the keys; never what they are.
    List,
    /// Replaces a key; the old one counts a while longer.
    Rotate(Rotate),
    /// Takes a key back, at once.
    Revoke {
        /// By what it is called.
        id: String,
    },
}

/// Arguments of `keys create`.
#[derive(clap::Args, Clone, Debug)]
pub struct Create {
    /// By what it is called: letters, digits and hyphens.
    pub id: String,
    /// For whom it is. Default: its id.
    #[arg(long)]
    pub subject: Option<Arc<str>>,
    /// Where it may be used, such as `live` or `test`.
    #[arg(long, default_value = "live")]
    pub environment: String,
    /// When it ends: an instant of RFC 3339, or a span such as `90d`. Default: never.
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// What it may do.
    #[command(flatten)]
    pub rights: Rights,
}

/// Arguments of `keys rotate`.
#[derive(clap::Args, Clone, Debug)]
pub struct Rotate {
    /// By what it is called.
    pub id: String,
    /// How long the old key still counts.
    #[arg(long, value_parser = span, default_value = "24h", value_name = "SPAN")]
    pub overlap: Duration,
}

pub(super) async fn run(command: &Keys, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    match command {
        Keys::Create(create) => self::create(create, desk).await,
        Keys::List => list(desk).await,
        Keys::Rotate(rotate) => self::rotate(rotate, desk).await,
        Keys::Revoke { id } => {
            desk.record("keys.revoke", json!({ "id": id })).await?;
            if !desk.store.revoke_key(id, desk.now).await? {
                bail!("there is no key `{id}` that counts");
            }
            desk.tell(&format!("revoked `{id}`"), &json!({ "id": id, "state": "revoked" }))
        }
    }
}

async fn create(create: &Create, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let Create { id, subject, environment, expires, rights } = create;
    desk.check(rights)?;
    match desk.store.key(id).await? {
        None => {}
        Some(record) if record.revoked.is_some() => bail!(
            "the key `{id}` was revoked, and its name stays with it in the log: choose another one"
        ),
        Some(_) => bail!("there is a key `{id}`; `keys rotate {id}` replaces it"),
    }
    let expires = expires.as_deref().map(|text| later(text, desk.now)).transpose()?;
    let key = api_key::generate(environment, id, &random()?)?;
    let record = Record {
        id: id.as_str().into(),
        hash: Hash::of(key.expose_secret(), Some(&desk.pepper().await?)),
        previous: None,
        subject: subject.clone().unwrap_or_else(|| id.as_str().into()),
        scopes: rights.scopes.clone(),
        roles: rights.roles.clone(),
        tenant: rights.tenant.clone(),
        environment: Some(environment.as_str().into()),
        expires,
        revoked: None,
        last_used: None,
    };
    let (_, details) = shown::key(&record, desk.now);
    desk.record("keys.create", details).await?;
    desk.store.put_key(record).await?;
    print(desk, id, key.expose_secret())
}

async fn rotate(Rotate { id, overlap }: &Rotate, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let record = desk.store.key(id).await?.filter(|record| record.revoked.is_none());
    let mut record = record.with_context(|| format!("there is no key `{id}` that counts"))?;
    let environment = record.environment.as_deref().unwrap_or("live");
    let key = api_key::generate(environment, id, &random()?)?;
    let hash = Hash::of(key.expose_secret(), Some(&desk.pepper().await?));
    record.rotate(hash, desk.now.plus(*overlap));
    let (_, details) = shown::key(&record, desk.now);
    desk.record("keys.rotate", details).await?;
    desk.store.put_key(record).await?;
    print(desk, id, key.expose_secret())
}

async fn list(desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = desk.store.keys(&after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id.to_string();
        for record in &page {
            let (text, json) = shown::key(record, desk.now);
            desk.tell(&text, &json)?;
        }
    }
}

/// The only time that the key is seen.
fn print(desk: &mut Desk<'_>, id: &str, key: &str) -> anyhow::Result<()> {
    desk.hint(&format!("This is the key `{id}`. It is shown once: keep it now."));
    desk.tell(key, &json!({ "id": id, "key": key }))
}
