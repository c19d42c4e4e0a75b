//! `bartizan users`: who may log in at the token endpoint.

use std::io::{Read as _, Write};

use anyhow::{Context as _, bail};
use bartizan_core::authenticate::password::{self, PasswordHash};
use bartizan_core::issue::{User, account};
use secrecy::SecretString;
use serde_json::json;

use super::{Desk, Format, Rights, random, shown};

/// Users of the token endpoint.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum Users {
    /// Adds a user.
    Add(Add),
    /// Gives a user another password, and ends their sessions.
    Passwd(Passwd),
    /// Prints the hash of a password, for `auth.tokens.users[].password_hash` of the configuration.
    /// Needs no configuration and changes nothing.
    Hash(Secret),
    /// Lists the users.
    List,
    /// Removes a user, and ends their sessions.
    Remove {
        /// By what they log in.
        name: String,
    },
}

/// Arguments of `users add`.
#[derive(clap::Args, Clone, Debug)]
pub struct Add {
    /// Who it is.
    #[command(flatten)]
    pub who: Passwd,
    /// What it may do.
    #[command(flatten)]
    pub rights: Rights,
}

/// Arguments of `users passwd`.
#[derive(clap::Args, Clone, Debug)]
pub struct Passwd {
    /// By what they log in.
    pub name: String,
    /// The password.
    #[command(flatten)]
    pub secret: Secret,
}

/// From where a password comes.
#[derive(clap::Args, Clone, Debug)]
pub struct Secret {
    /// Reads the password from standard input. Without this one is made, and printed once: an
    /// argument would be seen by everybody on the machine.
    #[arg(long)]
    pub password_stdin: bool,
}

/// The shortest password that is taken, in characters.
const SHORTEST: usize = 8;

pub(super) async fn run(command: &Users, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    match command {
        Users::Add(add) => self::add(add, desk).await,
        Users::Passwd(passwd) => self::passwd(passwd, desk).await,
        Users::Hash(secret) => self::hash(secret, desk.format, desk.out),
        Users::List => list(desk).await,
        Users::Remove { name } => {
            desk.record("users.remove", json!({ "username": name })).await?;
            if !desk.store.remove_user(name).await? {
                bail!("there is no user `{name}`");
            }
            desk.tell(
                &format!("removed `{name}`"),
                &json!({ "username": name, "state": "removed" }),
            )
        }
    }
}

async fn add(Add { who, rights }: &Add, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    desk.check(rights)?;
    if !account::is_name(&who.name) {
        bail!("a name has 1 to {} bytes and no control characters", account::MAX_NAME);
    }
    if desk.store.user(&who.name).await?.is_some() {
        bail!("there is a user `{0}`; `users passwd {0}` gives them another password", who.name);
    }
    let chosen = Chosen::read(&who.secret)?;
    let user = User {
        name: who.name.as_str().into(),
        password: chosen.hash,
        scopes: rights.scopes.clone(),
        roles: rights.roles.clone(),
        tenant: rights.tenant.clone(),
        disabled: false,
    };
    let (_, details) = shown::user(&user);
    desk.record("users.add", details).await?;
    desk.store.put_user(user).await?;
    print(desk, &who.name, chosen.made.as_deref())
}

async fn passwd(who: &Passwd, desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let user = desk.store.user(&who.name).await?;
    let user = user.with_context(|| format!("there is no user `{}`", who.name))?;
    let chosen = Chosen::read(&who.secret)?;
    desk.record("users.passwd", json!({ "username": who.name })).await?;
    desk.store.put_user(User { password: chosen.hash, ..user }).await?;
    // Whoever knew the old one may have a session by it.
    desk.store.end_sessions_of(&who.name).await?;
    print(desk, &who.name, chosen.made.as_deref())
}

/// Prints the hash, and beside it the password if it was made here.
pub(super) fn hash(secret: &Secret, format: Format, out: &mut dyn Write) -> anyhow::Result<()> {
    let Chosen { hash, made } = Chosen::read(secret)?;
    let hash = hash.to_phc();
    if format == Format::Json {
        writeln!(out, "{}", json!({ "password_hash": hash, "password": made }))?;
        return Ok(());
    }
    if let Some(made) = made {
        let mut beside = std::io::stderr().lock();
        let _ = writeln!(beside, "The password is {made}. It is shown once: keep it now.");
    }
    writeln!(out, "{hash}")?;
    Ok(())
}

async fn list(desk: &mut Desk<'_>) -> anyhow::Result<()> {
    let mut after = String::new();
    loop {
        let page = desk.store.users(&after).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.name.to_string();
        for user in &page {
            let (text, json) = shown::user(user);
            desk.tell(&text, &json)?;
        }
    }
}

/// A password, hashed.
struct Chosen {
    hash: PasswordHash,
    /// In the clear, if it was made here.
    made: Option<String>,
}

impl Chosen {
    fn read(secret: &Secret) -> anyhow::Result<Self> {
        let (password, made) = if secret.password_stdin {
            (from_stdin()?, None)
        } else {
            let made = super::secret()?;
            (SecretString::from(made.clone()), Some(made))
        };
        let mut salt = [0; 16];
        salt.copy_from_slice(random()?.first_chunk::<16>().context("too little chance")?);
        Ok(Self { hash: password::hash(&password, &salt)?, made })
    }
}

/// The first line, at most as long as a password may be.
fn from_stdin() -> anyhow::Result<SecretString> {
    let mut text = String::new();
    let most = password::MAX_PASSWORD as u64 + 2;
    std::io::stdin().lock().take(most).read_to_string(&mut text)?;
    let password = text.lines().next().unwrap_or_default();
    if password.chars().count() < SHORTEST {
        bail!("the password is shorter than {SHORTEST} characters");
    }
    Ok(SecretString::from(password))
}

fn print(desk: &mut Desk<'_>, name: &str, made: Option<&str>) -> anyhow::Result<()> {
    let text = match made {
        Some(made) => {
            desk.hint(&format!("This is the password of `{name}`. It is shown once: keep it now."));
            made.to_owned()
        }
        None => format!("`{name}` logs in with the password given"),
    };
    desk.tell(&text, &json!({ "username": name, "password": made }))
}
