//! `bartizan clients`: which programs may ask the token endpoint for themselves.

use anyhow::bail;
use bartizan_core::authenticate::api_key::{Hash, Pepper};
use bartizan_core::issue::{Client, GrantType, account};
use serde_json::json;

use super::{Desk, Rights, random, secret, shown};

/// Clients of the token endpoint.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Clients {
    /// Adds a client, and prints its secret once.
    Add(Add),
    /// Lists the clients; never their secrets.
    List,
    /// Removes a client.
    Remove {
        /// Its `client_id`.
        id: String,
    },
}

/// Arguments of `clients add`.
#[derive(clap::Args, Clone, Debug)]
pub struct Add {
    /// Its `client_id`.
    pub id: String,
    /// The grants that it may use, by their `grant_type`.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "GRANTS",
        default_value = "client_credentials"
    )]
    pub grants: Vec<GrantType>,
    /// What it may do.
    #[command(flatten)]
    pub rights: Rights,
}

pub(super) async fn run(command: &Clients, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    match command {
        Clients::Add(add) => self::add(add, desk).await,
        Clients::List => list(desk).await,
        Clients::Remove { id } => {
            desk.record("clients.remove", json!({ "client_id": id })).await?;
            if !desk.store.remove_client(id).await? {
                bail!("there is no client `{id}`");
            }
            desk.tell(&format!("removed `{id}`"), &json!({ "client_id": id, "state": "removed" }))
        }
    }
}

async fn add(Add { id, grants, rights }: &Add, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    desk.check(rights)?;
    if !account::is_name(id) {
        bail!("a client_id has 1 to {} bytes and no control characters", account::MAX_NAME);
    }
    if desk.store.client(id).await?.is_some() {
        bail!("there is a client `{id}`; remove it first");
    }
    let (secret, fresh) = (secret()?, random()?);
    let pepper = Pepper::new(&*desk.store.pepper(&fresh).await?);
    let client = Client {
        id: id.as_str().into(),
        secret: Hash::of(&secret, Some(&pepper)),
        scopes: rights.scopes.clone(),
        roles: rights.roles.clone(),
        tenant: rights.tenant.clone(),
        grants: grants.clone(),
        disabled: false,
    };
    let (_, details) = shown::client(&client);
    desk.record("clients.add", details).await?;
    desk.store.put_client(client).await?;
    let text = format!("{secret}\nThis is the secret of `{id}`. It is shown once: keep it now.");
    desk.tell(&text, &json!({ "client_id": id, "client_secret": secret }))
}

async fn list(desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = desk.store.clients(&after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.id.to_string();
        for client in &page {
            let (text, json) = shown::client(client);
            desk.tell(&text, &json)?;
        }
    }
}
