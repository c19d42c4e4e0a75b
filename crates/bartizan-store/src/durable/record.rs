//! What stands in a row? Each kind of thing says it once, for writing and for reading, whatever
//! the database.

use bartizan_core::authenticate::api_key::{Record as Key, Retiring};
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::authorize::approval::{Approval, ApprovalId, CallDigest, State};
use bartizan_core::issue::account::Proof;
use bartizan_core::issue::{Client, GrantType, Refresh, StoredKey, User};

use super::engine::{Cell, Row, Statement, unreadable};

/// Something that is a row of a table.
pub(crate) trait Record: Sized {
    /// Which table.
    const TABLE: &'static str;

    /// Its columns; the first is the key.
    fn columns(&self) -> Vec<(&'static str, Cell)>;

    /// What those columns say.
    fn read(row: &Row) -> sqlx::Result<Self>;
}

/// Adds a row that is new.
pub(crate) fn add<R: Record>(record: &R) -> Statement {
    let (names, cells) = parted(record);
    bound(insert::<R>(&names), cells)
}

/// Adds a row, or changes the one that has its key.
pub(crate) fn put<R: Record>(record: &R) -> Statement {
    let (names, cells) = parted(record);
    let mut sql = insert::<R>(&names);
    if let [key, others @ ..] = names.as_slice() {
        let taken: Vec<String> =
            others.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        sql = format!("{sql} ON CONFLICT ({key}) DO UPDATE SET {}", taken.join(", "));
    }
    bound(sql, cells)
}

/// What rows say.
pub(crate) fn all<R: Record>(rows: &[Row]) -> sqlx::Result<Vec<R>> {
    rows.iter().map(R::read).collect()
}

/// What the row says, if there is one.
pub(crate) fn first<R: Record>(rows: &[Row]) -> sqlx::Result<Option<R>> {
    rows.first().map(R::read).transpose()
}

fn parted<R: Record>(record: &R) -> (Vec<&'static str>, Vec<Cell>) {
    record.columns().into_iter().unzip()
}

fn insert<R: Record>(names: &[&str]) -> String {
    let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", R::TABLE, names.join(", "), places.join(", "))
}

fn bound(sql: String, cells: Vec<Cell>) -> Statement {
    cells.into_iter().fold(Statement::assembled(sql), Statement::bind)
}

impl Record for User {
    const TABLE: &'static str = "users";

    fn columns(&self) -> Vec<(&'static str, Cell)> {
        vec![
            ("name", self.name.as_ref().into()),
            ("password", self.password.to_phc().into()),
            ("scopes", Cell::list(&self.scopes)),
            ("roles", Cell::list(&self.roles)),
            ("tenant", self.tenant.as_deref().into()),
            ("disabled", self.disabled.into()),
        ]
    }

    fn read(row: &Row) -> sqlx::Result<Self> {
        Ok(Self {
            name: row.text("name")?,
            password: row.parsed("password")?,
            scopes: row.texts("scopes")?,
            roles: row.texts("roles")?,
            tenant: row.maybe_text("tenant")?,
            disabled: row.flag("disabled")?,
        })
    }
}

impl Record for Client {
    const TABLE: &'static str = "clients";

    fn columns(&self) -> Vec<(&'static str, Cell)> {
        let grants: Vec<_> = self.grants.iter().map(|grant| grant.as_str()).collect();
        let (secret, keys) = match &self.proof {
            Proof::Secret(hash) => (hash.to_string(), None),
            Proof::Keys(keys) => (String::new(), Some(keys.as_str())),
            // No digest of a secret begins so.
            Proof::Certificate(name) => (name.to_string(), None),
            Proof::Public => (String::new(), None),
        };
        vec![
            ("id", self.id.as_ref().into()),
            ("secret", secret.into()),
            ("scopes", Cell::list(&self.scopes)),
            ("roles", Cell::list(&self.roles)),
            ("tenant", self.tenant.as_deref().into()),
            ("grants", Cell::list(&grants)),
            ("disabled", self.disabled.into()),
            ("keys", keys.into()),
            ("acts_scopes", Cell::list(&self.acts_at_most.scopes)),
            ("acts_roles", Cell::list(&self.acts_at_most.roles)),
        ]
    }

    fn read(row: &Row) -> sqlx::Result<Self> {
        let grants = row.texts("grants")?;
        let grants = grants.iter().map(|grant| grant.parse::<GrantType>().map_err(unreadable));
        let proof = match (row.maybe_text("keys")?, &*row.text("secret")?) {
            (Some(keys), _) => Proof::Keys(keys.parse().map_err(unreadable)?),
            (None, "") => Proof::Public,
            (None, name) if name.starts_with("san_") => {
                Proof::Certificate(name.parse().map_err(unreadable)?)
            }
            (None, secret) => Proof::Secret(secret.parse().map_err(unreadable)?),
        };
        Ok(Self {
            id: row.text("id")?,
            proof,
            scopes: row.texts("scopes")?,
            roles: row.texts("roles")?,
            tenant: row.maybe_text("tenant")?,
            grants: grants.collect::<sqlx::Result<_>>()?,
            acts_at_most: Grants {
                roles: row.strings("acts_roles")?,
                scopes: row.strings("acts_scopes")?,
            },
            disabled: row.flag("disabled")?,
        })
    }
}

impl Record for Key {
    const TABLE: &'static str = "api_keys";

    fn columns(&self) -> Vec<(&'static str, Cell)> {
        let previous = self.previous.as_ref();
        vec![
            ("id", self.id.as_ref().into()),
            ("hash", self.hash.to_string().into()),
            ("previous_hash", previous.map(|old| old.hash.to_string()).into()),
            ("previous_until", previous.map(|old| old.until).into()),
            ("subject", self.subject.as_ref().into()),
            ("scopes", Cell::list(&self.scopes)),
            ("roles", Cell::list(&self.roles)),
            ("tenant", self.tenant.as_deref().into()),
            ("environment", self.environment.as_deref().into()),
            ("expires", self.expires.into()),
            ("revoked", self.revoked.into()),
            ("last_used", self.last_used.into()),
        ]
    }

    fn read(row: &Row) -> sqlx::Result<Self> {
        let previous = match row.maybe_instant("previous_until")? {
            Some(until) => Some(Retiring { hash: row.parsed("previous_hash")?, until }),
            None => None,
        };
        Ok(Self {
            id: row.text("id")?,
            hash: row.parsed("hash")?,
            previous,
            subject: row.text("subject")?,
            scopes: row.texts("scopes")?,
            roles: row.texts("roles")?,
            tenant: row.maybe_text("tenant")?,
            environment: row.maybe_text("environment")?,
            expires: row.maybe_instant("expires")?,
            revoked: row.maybe_instant("revoked")?,
            last_used: row.maybe_instant("last_used")?,
        })
    }
}

impl Record for Refresh {
    const TABLE: &'static str = "refresh_tokens";

    fn columns(&self) -> Vec<(&'static str, Cell)> {
        vec![
            ("hash", self.hash.to_string().into()),
            ("session", self.session.as_ref().into()),
            ("account", self.user.as_ref().into()),
            ("client", self.client.as_deref().into()),
            ("scopes", Cell::list(&self.scopes)),
            ("resource", self.resource.as_deref().into()),
            ("expires", self.expires.into()),
            ("used", self.used.into()),
        ]
    }

    fn read(row: &Row) -> sqlx::Result<Self> {
        Ok(Self {
            hash: row.parsed("hash")?,
            session: row.text("session")?,
            user: row.text("account")?,
            client: row.maybe_text("client")?,
            scopes: row.texts("scopes")?,
            resource: row.maybe_text("resource")?,
            expires: row.instant("expires")?,
            used: row.flag("used")?,
        })
    }
}

impl Record for StoredKey {
    const TABLE: &'static str = "signing_keys";

    // The database numbers them.
    fn columns(&self) -> Vec<(&'static str, Cell)> {
        vec![("pkcs8", self.pkcs8.as_slice().into()), ("signs_from", self.signs_from.into())]
    }

    fn read(row: &Row) -> sqlx::Result<Self> {
        Ok(Self { pkcs8: row.bytes("pkcs8")?, signs_from: row.instant("signs_from")? })
    }
}

impl Record for Approval {
    const TABLE: &'static str = "approvals";

    fn columns(&self) -> Vec<(&'static str, Cell)> {
        vec![
            ("id", self.id.to_string().into()),
            ("requester", self.requester.as_ref().into()),
            ("tenant", self.tenant.as_deref().into()),
            ("verb", self.verb.as_ref().into()),
            ("endpoint", self.endpoint.as_ref().into()),
            ("path", self.path.as_ref().into()),
            ("query", self.query.as_deref().into()),
            ("media", self.media.as_deref().into()),
            ("length", self.length.map(|length| i64::try_from(length).unwrap_or(i64::MAX)).into()),
            ("digest", self.digest.0.as_slice().into()),
            ("because", self.because.as_ref().into()),
            ("shown", self.shown.as_deref().into()),
            ("asked", self.asked.into()),
            ("expires", self.expires.into()),
            ("state", self.state.as_str().into()),
            ("decided_by", self.decided_by.as_deref().into()),
        ]
    }

    fn read(row: &Row) -> sqlx::Result<Self> {
        let bad = |what: &str| unreadable(format!("`{what}` cannot be read"));
        let digest = row.bytes("digest")?.as_slice().try_into().map_err(|_| bad("digest"))?;
        Ok(Self {
            id: ApprovalId::parse(&row.text("id")?).ok_or_else(|| bad("id"))?,
            requester: row.text("requester")?,
            tenant: row.maybe_text("tenant")?,
            verb: row.text("verb")?,
            endpoint: row.text("endpoint")?,
            path: row.text("path")?,
            query: row.maybe_text("query")?,
            media: row.maybe_text("media")?,
            length: row.maybe_integer("length")?.and_then(|length| length.try_into().ok()),
            digest: CallDigest(digest),
            because: row.text("because")?,
            shown: row.maybe_text("shown")?,
            asked: row.instant("asked")?,
            expires: row.instant("expires")?,
            state: State::parse(&row.text("state")?).ok_or_else(|| bad("state"))?,
            decided_by: row.maybe_text("decided_by")?,
        })
    }
}
