//! `bartizan clients`: which programs may ask the token endpoint for themselves.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use bartizan_core::authenticate::api_key::Hash;
use bartizan_core::authenticate::certificate::Name;
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::issue::account::{Proof, PublicKeys};
use bartizan_core::issue::{Client, GrantType, account};
use serde_json::json;

use super::{Desk, Rights, secret, shown};

/// Clients of the token endpoint.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Clients {
    /// Adds a client, and prints its secret once, if it has one.
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
    /// Instead of a secret: the file with the public keys (JWK Set) by which it signs.
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// Instead of a secret: the name that the certificate of its connection must hold, as
    /// `san_uri:URI` or `san_dns:HOST`.
    #[arg(long, value_name = "NAME", conflicts_with = "jwks")]
    pub certificate: Option<Name>,
    /// Instead of a secret: nothing. Anybody may say that they are this client.
    #[arg(long, conflicts_with_all = ["jwks", "certificate"])]
    pub public: bool,
    /// The most scopes that it may have when it acts for somebody, such as `data:*`.
    #[arg(long, value_delimiter = ',', value_name = "SCOPES", default_value = "*")]
    pub acts_with_scopes: Vec<String>,
    /// The most roles that it may have when it acts for somebody.
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    pub acts_with_roles: Vec<String>,
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

async fn add(add: &Add, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let Add { id, rights, .. } = add;
    desk.check(rights)?;
    if !account::is_name(id) {
        bail!("a client_id has 1 to {} bytes and no control characters", account::MAX_NAME);
    }
    if desk.store.client(id).await?.is_some() {
        bail!("there is a client `{id}`; remove it first");
    }
    let (proof, secret) = proof(add, desk).await?;
    let most = Grants { scopes: add.acts_with_scopes.clone(), roles: add.acts_with_roles.clone() };
    let client = Client {
        id: id.as_str().into(),
        proof,
        scopes: rights.scopes.clone(),
        roles: rights.roles.clone(),
        tenant: rights.tenant.clone(),
        grants: add.grants.clone(),
        acts_at_most: most,
        disabled: false,
    };
    if let Some(grant) = client.grants.iter().find(|grant| !client.may_use(**grant)) {
        bail!("anybody may say that they are `{id}`: it cannot use the grant `{grant}`");
    }
    let (_, details) = shown::client(&client);
    desk.record("clients.add", details).await?;
    desk.store.put_client(client).await?;
    let text = match &secret {
        Some(secret) => {
            desk.hint(&format!("This is the secret of `{id}`. It is shown once: keep it now."));
            secret.clone()
        }
        None => format!("added `{id}`"),
    };
    desk.tell(&text, &json!({ "client_id": id, "client_secret": secret }))
}

/// How it proves who it is, and the secret that was made for that.
async fn proof(add: &Add, desk: &Desk<'_>) -> anyhow::Result<(Proof, Option<String>)> {
    if add.public {
        return Ok((Proof::Public, None));
    }
    if let Some(name) = &add.certificate {
        return Ok((Proof::Certificate(name.clone()), None));
    }
    if let Some(file) = &add.jwks {
        let what = || format!("the keys in `{}`", file.display());
        let text = std::fs::read_to_string(file).with_context(what)?;
        return Ok((Proof::Keys(text.parse::<PublicKeys>().with_context(what)?), None));
    }
    let secret = secret()?;
    Ok((Proof::Secret(Hash::of(&secret, Some(&desk.pepper().await?))), Some(secret)))
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
