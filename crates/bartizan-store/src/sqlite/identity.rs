//! Identities in a file of SQLite.

use std::sync::Arc;

use bartizan_core::authenticate::api_key::{Hash, Record, Retiring};
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::authenticate::password::PasswordHash;
use bartizan_core::issue::account::Proof;
use bartizan_core::issue::identities::{Accounts, Answer, Keys, MAX_PAGE, Secrets, Sessions};
use bartizan_core::issue::{Client, GrantType, Refresh, Rotation, StoredKey, Unreachable, User};
use bartizan_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow, Row as _};
use zeroize::Zeroizing;

use super::Sqlite;

/// Users, clients, keys and sessions that outlive the process.
#[derive(Clone, Debug)]
pub struct SqliteIdentities(Sqlite);

impl SqliteIdentities {
    pub(super) fn new(sqlite: Sqlite) -> Self {
        Self(sqlite)
    }
}

/// The store cannot answer, for a reason of the database's.
fn broken(error: sqlx::Error) -> Unreachable {
    Unreachable::new(error)
}

impl SqliteIdentities {
    async fn one<T>(&self, sql: &'static str, key: &str) -> Result<Option<T>, Unreachable>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let query = sqlx::query_as::<_, T>(sql).bind(key);
        query.fetch_optional(self.0.readers()).await.map_err(broken)
    }

    async fn page<T>(&self, sql: &'static str, after: &str) -> Result<Vec<T>, Unreachable>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let most = i64::try_from(MAX_PAGE).unwrap_or(i64::MAX);
        let query = sqlx::query_as::<_, T>(sql).bind(after).bind(most);
        query.fetch_all(self.0.readers()).await.map_err(broken)
    }
}

impl Accounts for SqliteIdentities {
    fn user<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        Box::pin(async move {
            let row = self.one("SELECT * FROM users WHERE name = $1", name).await?;
            Ok(row.map(|UserRow(user)| user))
        })
    }

    fn put_user(&self, user: User) -> Answer<'_, ()> {
        const SQL: &str = "INSERT OR REPLACE INTO users VALUES ($1, $2, $3, $4, $5, $6)";
        Box::pin(async move {
            let query = sqlx::query(SQL)
                .bind(&*user.name)
                .bind(user.password.to_phc())
                .bind(list(&user.scopes))
                .bind(list(&user.roles))
                .bind(user.tenant.as_deref())
                .bind(user.disabled);
            query.execute(self.0.writer()).await.map(drop).map_err(broken)
        })
    }

    fn rehash<'a>(
        &'a self,
        name: &'a str,
        old: &'a PasswordHash,
        new: PasswordHash,
    ) -> Answer<'a, bool> {
        const SQL: &str = "UPDATE users SET password = $3 WHERE name = $1 AND password = $2";
        Box::pin(async move {
            let query = sqlx::query(SQL).bind(name).bind(old.to_phc()).bind(new.to_phc());
            let done = query.execute(self.0.writer()).await.map_err(broken)?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn remove_user<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            end_all_of(&mut change, name).await.map_err(broken)?;
            let removed = sqlx::query("DELETE FROM users WHERE name = $1").bind(name);
            let removed = removed.execute(&mut *change).await.map_err(broken)?;
            change.commit().await.map_err(broken)?;
            Ok(removed.rows_affected() > 0)
        })
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        Box::pin(async move {
            let sql = "SELECT * FROM users WHERE name > $1 ORDER BY name LIMIT $2";
            let rows = self.page(sql, after).await?;
            Ok(rows.into_iter().map(|UserRow(user)| user).collect())
        })
    }

    fn client<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Client>> {
        Box::pin(async move {
            let row = self.one("SELECT * FROM clients WHERE id = $1", id).await?;
            Ok(row.map(|ClientRow(client)| client))
        })
    }

    fn put_client(&self, client: Client) -> Answer<'_, ()> {
        const SQL: &str = "INSERT OR REPLACE INTO clients (id, secret, scopes, roles, tenant, \
            grants, disabled, keys, acts_scopes, acts_roles) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        Box::pin(async move {
            let grants: Vec<_> = client.grants.iter().map(|grant| grant.as_str()).collect();
            let (secret, keys) = match &client.proof {
                Proof::Secret(hash) => (hash.to_string(), None),
                Proof::Keys(keys) => (String::new(), Some(keys.as_str())),
                // No digest of a secret begins so.
                Proof::Certificate(name) => (name.to_string(), None),
                Proof::Public => (String::new(), None),
            };
            let query = sqlx::query(SQL)
                .bind(&*client.id)
                .bind(secret)
                .bind(list(&client.scopes))
                .bind(list(&client.roles))
                .bind(client.tenant.as_deref())
                .bind(list(&grants))
                .bind(client.disabled)
                .bind(keys)
                .bind(list(&client.acts_at_most.scopes))
                .bind(list(&client.acts_at_most.roles));
            query.execute(self.0.writer()).await.map(drop).map_err(broken)
        })
    }

    fn remove_client<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query("DELETE FROM clients WHERE id = $1").bind(id);
            let done = query.execute(self.0.writer()).await.map_err(broken)?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn clients<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Client>> {
        Box::pin(async move {
            let sql = "SELECT * FROM clients WHERE id > $1 ORDER BY id LIMIT $2";
            let rows = self.page(sql, after).await?;
            Ok(rows.into_iter().map(|ClientRow(client)| client).collect())
        })
    }
}

impl Keys for SqliteIdentities {
    fn key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Record>> {
        Box::pin(async move {
            let row = self.one("SELECT * FROM api_keys WHERE id = $1", id).await?;
            Ok(row.map(|KeyRow(record)| record))
        })
    }

    fn put_key(&self, record: Record) -> Answer<'_, ()> {
        const SQL: &str = "INSERT OR REPLACE INTO api_keys \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        Box::pin(async move {
            let previous = record.previous.as_ref();
            let query = sqlx::query(SQL)
                .bind(&*record.id)
                .bind(record.hash.to_string())
                .bind(previous.map(|old| old.hash.to_string()))
                .bind(previous.map(|old| micros(old.until)))
                .bind(&*record.subject)
                .bind(list(&record.scopes))
                .bind(list(&record.roles))
                .bind(record.tenant.as_deref())
                .bind(record.environment.as_deref())
                .bind(record.expires.map(micros))
                .bind(record.revoked.map(micros))
                .bind(record.last_used.map(micros));
            query.execute(self.0.writer()).await.map(drop).map_err(broken)
        })
    }

    fn revoke_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, bool> {
        const SQL: &str = "UPDATE api_keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
        Box::pin(async move {
            let query = sqlx::query(SQL).bind(id).bind(micros(now));
            let done = query.execute(self.0.writer()).await.map_err(broken)?;
            Ok(done.rows_affected() > 0)
        })
    }

    fn touch_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let query = sqlx::query(TOUCH).bind(id).bind(micros(now));
            query.execute(self.0.writer()).await.map(drop).map_err(broken)
        })
    }

    fn touch_keys<'a>(&'a self, uses: &'a [(Arc<str>, Timestamp)]) -> Answer<'a, ()> {
        Box::pin(async move {
            // Others who write get their turn in between.
            for uses in uses.chunks(256) {
                let mut change = self.0.write().await.map_err(broken)?;
                for (id, now) in uses {
                    let query = sqlx::query(TOUCH).bind(&**id).bind(micros(*now));
                    query.execute(&mut *change).await.map_err(broken)?;
                }
                change.commit().await.map_err(broken)?;
            }
            Ok(())
        })
    }

    fn keys<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Record>> {
        Box::pin(async move {
            let sql = "SELECT * FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2";
            let rows = self.page(sql, after).await?;
            Ok(rows.into_iter().map(|KeyRow(record)| record).collect())
        })
    }
}

const TOUCH: &str = "UPDATE api_keys SET last_used = max(coalesce(last_used, 0), $2) WHERE id = $1";

const FIND_REFRESH: &str = "SELECT * FROM refresh_tokens WHERE hash = $1";

impl Sessions for SqliteIdentities {
    fn refresh<'a>(&'a self, hash: &'a Hash) -> Answer<'a, Option<Refresh>> {
        Box::pin(async move {
            let row = self.one(FIND_REFRESH, &hash.to_string()).await?;
            Ok(row.map(|RefreshRow(refresh)| refresh))
        })
    }

    fn begin_session(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            forget_ended(&mut change, now).await.map_err(broken)?;
            hold(&mut change, &refresh).await.map_err(broken)?;
            change.commit().await.map_err(broken)
        })
    }

    fn rotate<'a>(&'a self, old: &'a Hash, next: Refresh, now: Timestamp) -> Answer<'a, Rotation> {
        const USE: &str = "UPDATE refresh_tokens SET used = 1 WHERE hash = $1";
        Box::pin(async move {
            // The transaction holds the right to write from its beginning: of two copies of a
            // token the second sees what the first has done.
            let mut change = self.0.write().await.map_err(broken)?;
            let old = old.to_string();
            let found = sqlx::query_as(FIND_REFRESH).bind(&old).fetch_optional(&mut *change);
            let found = found.await.map_err(broken)?.map(|RefreshRow(refresh)| refresh);
            let Some(found) = found.filter(|found| found.expires > now) else {
                return Ok(Rotation::Gone);
            };
            let outcome = if found.used {
                end(&mut change, &found.session).await.map_err(broken)?;
                Rotation::Reused
            } else {
                sqlx::query(USE).bind(&old).execute(&mut *change).await.map_err(broken)?;
                hold(&mut change, &next).await.map_err(broken)?;
                Rotation::Done
            };
            change.commit().await.map_err(broken)?;
            Ok(outcome)
        })
    }

    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, bool> {
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            let ended = end(&mut change, session).await.map_err(broken)?;
            change.commit().await.map_err(broken)?;
            Ok(ended)
        })
    }

    fn end_sessions_of<'a>(&'a self, user: &'a str) -> Answer<'a, usize> {
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            let ended = end_all_of(&mut change, user).await.map_err(broken)?;
            change.commit().await.map_err(broken)?;
            Ok(ended)
        })
    }

    fn revoke_token<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, ()> {
        const SQL: &str = "INSERT INTO revocations VALUES ($1, $2) \
            ON CONFLICT (id) DO UPDATE SET until = max(until, excluded.until)";
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            forget_ended(&mut change, now).await.map_err(broken)?;
            let query = sqlx::query(SQL).bind(id).bind(micros(until));
            query.execute(&mut *change).await.map_err(broken)?;
            change.commit().await.map_err(broken)
        })
    }

    fn is_revoked<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, bool> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM revocations \
            WHERE id IN (SELECT value FROM json_each($1)))";
        Box::pin(async move {
            let query = sqlx::query_scalar::<_, bool>(SQL).bind(list(ids));
            query.fetch_one(self.0.readers()).await.map_err(broken)
        })
    }

    fn changes(&self) -> Answer<'_, Option<u64>> {
        Box::pin(async move {
            let count = sqlx::query_scalar::<_, i64>("SELECT count FROM changes");
            let count = count.fetch_one(self.0.readers()).await.map_err(broken)?;
            Ok(Some(count.cast_unsigned()))
        })
    }

    fn use_once<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, bool> {
        // What was used and has ended may be gone, or not yet.
        const SQL: &str = "INSERT INTO used_once VALUES ($1, $2) ON CONFLICT (id) \
            DO UPDATE SET until = excluded.until WHERE until <= $3";
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            forget_ended(&mut change, now).await.map_err(broken)?;
            let query = sqlx::query(SQL).bind(id).bind(micros(until)).bind(micros(now));
            let done = query.execute(&mut *change).await.map_err(broken)?;
            change.commit().await.map_err(broken)?;
            Ok(done.rows_affected() > 0)
        })
    }
}

/// Forgets what ended before `now`, a little at a time: nobody waits for a long clean-up.
async fn forget_ended(change: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    const TOKENS: &str = "DELETE FROM refresh_tokens WHERE hash IN \
        (SELECT hash FROM refresh_tokens WHERE expires <= $1 LIMIT 100)";
    const REVOCATIONS: &str = "DELETE FROM revocations WHERE id IN \
        (SELECT id FROM revocations WHERE until <= $1 LIMIT 100)";
    const USED: &str = "DELETE FROM used_once WHERE id IN \
        (SELECT id FROM used_once WHERE until <= $1 LIMIT 100)";
    for sql in [TOKENS, REVOCATIONS, USED] {
        sqlx::query(sql).bind(micros(now)).execute(&mut *change).await?;
    }
    Ok(())
}

async fn hold(change: &mut SqliteConnection, refresh: &Refresh) -> Result<(), sqlx::Error> {
    let query = sqlx::query("INSERT INTO refresh_tokens VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(refresh.hash.to_string())
        .bind(&*refresh.session)
        .bind(&*refresh.user)
        .bind(refresh.client.as_deref())
        .bind(list(&refresh.scopes))
        .bind(micros(refresh.expires))
        .bind(refresh.used)
        .bind(refresh.resource.as_deref());
    query.execute(change).await.map(drop)
}

async fn end(change: &mut SqliteConnection, session: &str) -> Result<bool, sqlx::Error> {
    const REVOKE: &str = "INSERT OR REPLACE INTO revocations \
        SELECT session, max(expires) FROM refresh_tokens WHERE session = $1 GROUP BY session";
    sqlx::query(REVOKE).bind(session).execute(&mut *change).await?;
    let tokens = sqlx::query("DELETE FROM refresh_tokens WHERE session = $1").bind(session);
    Ok(tokens.execute(change).await?.rows_affected() > 0)
}

/// Ends the sessions of a user; how many there were.
async fn end_all_of(change: &mut SqliteConnection, user: &str) -> Result<usize, sqlx::Error> {
    const REVOKE: &str = "INSERT OR REPLACE INTO revocations \
        SELECT session, max(expires) FROM refresh_tokens WHERE user = $1 GROUP BY session";
    let ended = sqlx::query(REVOKE).bind(user).execute(&mut *change).await?.rows_affected();
    let tokens = sqlx::query("DELETE FROM refresh_tokens WHERE user = $1").bind(user);
    tokens.execute(change).await?;
    Ok(usize::try_from(ended).unwrap_or(usize::MAX))
}

impl Secrets for SqliteIdentities {
    fn signing_keys<'a>(&'a self, fresh: &'a [u8]) -> Answer<'a, Vec<StoredKey>> {
        const FIRST: &str = "INSERT INTO signing_keys (pkcs8) \
            SELECT $1 WHERE length($1) > 0 AND NOT EXISTS (SELECT 1 FROM signing_keys)";
        const ALL: &str = "SELECT * FROM signing_keys ORDER BY number DESC LIMIT 16";
        Box::pin(async move {
            if fresh.is_empty() {
                let keys = sqlx::query_as(ALL).fetch_all(self.0.readers()).await;
                return Ok(keys.map_err(broken)?.into_iter().map(|KeyringRow(key)| key).collect());
            }
            let first = sqlx::query(FIRST).bind(fresh);
            first.execute(self.0.writer()).await.map_err(broken)?;
            let keys = sqlx::query_as(ALL).fetch_all(self.0.writer()).await.map_err(broken)?;
            Ok(keys.into_iter().map(|KeyringRow(key)| key).collect())
        })
    }

    fn add_signing_key(&self, key: StoredKey, only: bool) -> Answer<'_, ()> {
        const ADD: &str = "INSERT INTO signing_keys (pkcs8, signs_from) VALUES ($1, $2)";
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            if only {
                let others = sqlx::query("DELETE FROM signing_keys");
                others.execute(&mut *change).await.map_err(broken)?;
            }
            let add = sqlx::query(ADD).bind(key.pkcs8.as_slice()).bind(micros(key.signs_from));
            add.execute(&mut *change).await.map_err(broken)?;
            change.commit().await.map_err(broken)
        })
    }

    fn pepper<'a>(&'a self, fresh: &'a [u8; 32]) -> Answer<'a, Zeroizing<[u8; 32]>> {
        Box::pin(async move {
            let first = sqlx::query("INSERT OR IGNORE INTO peppers VALUES (1, $1)");
            let first = first.bind(fresh.as_slice());
            first.execute(self.0.writer()).await.map_err(broken)?;
            let pepper = sqlx::query_scalar::<_, Vec<u8>>("SELECT pepper FROM peppers");
            let pepper = Zeroizing::new(pepper.fetch_one(self.0.writer()).await.map_err(broken)?);
            let pepper = pepper.as_slice().try_into();
            pepper.map(Zeroizing::new).map_err(|_| Unreachable::new("the pepper is not 32 bytes"))
        })
    }
}

/// An instant as SQLite has it: 292 thousand years are enough.
fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    serde_json::Value::from(texts).to_string()
}

/// Reads of a row what a column cannot hold as it is. A row that cannot be read is an error and
/// never somebody with fewer, or more, rights.
struct Reading<'r>(&'r SqliteRow);

impl Reading<'_> {
    fn text(&self, column: &str) -> sqlx::Result<Arc<str>> {
        self.0.try_get::<String, _>(column).map(Arc::from)
    }

    fn maybe_text(&self, column: &str) -> sqlx::Result<Option<Arc<str>>> {
        Ok(self.0.try_get::<Option<String>, _>(column)?.map(Arc::from))
    }

    fn instant(&self, column: &str) -> sqlx::Result<Option<Timestamp>> {
        let micros: Option<i64> = self.0.try_get(column)?;
        micros.map(|micros| u64::try_from(micros).map(Timestamp).map_err(unreadable)).transpose()
    }

    fn flag(&self, column: &str) -> sqlx::Result<bool> {
        self.0.try_get(column)
    }

    fn parsed<T>(&self, column: &str) -> sqlx::Result<T>
    where
        T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.0.try_get::<String, _>(column)?.parse().map_err(unreadable)
    }

    fn strings(&self, column: &str) -> sqlx::Result<Vec<String>> {
        serde_json::from_str(&self.0.try_get::<String, _>(column)?).map_err(unreadable)
    }

    fn texts(&self, column: &str) -> sqlx::Result<Vec<Arc<str>>> {
        Ok(self.strings(column)?.into_iter().map(Arc::from).collect())
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

struct UserRow(User);
struct ClientRow(Client);
struct KeyRow(Record);
struct RefreshRow(Refresh);
struct KeyringRow(StoredKey);

impl FromRow<'_, SqliteRow> for UserRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let row = Reading(row);
        Ok(Self(User {
            name: row.text("name")?,
            password: row.parsed("password")?,
            scopes: row.texts("scopes")?,
            roles: row.texts("roles")?,
            tenant: row.maybe_text("tenant")?,
            disabled: row.flag("disabled")?,
        }))
    }
}

impl FromRow<'_, SqliteRow> for ClientRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let row = Reading(row);
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
        Ok(Self(Client {
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
        }))
    }
}

impl FromRow<'_, SqliteRow> for KeyRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let row = Reading(row);
        let previous = match row.instant("previous_until")? {
            Some(until) => Some(Retiring { hash: row.parsed("previous_hash")?, until }),
            None => None,
        };
        Ok(Self(Record {
            id: row.text("id")?,
            hash: row.parsed("hash")?,
            previous,
            subject: row.text("subject")?,
            scopes: row.texts("scopes")?,
            roles: row.texts("roles")?,
            tenant: row.maybe_text("tenant")?,
            environment: row.maybe_text("environment")?,
            expires: row.instant("expires")?,
            revoked: row.instant("revoked")?,
            last_used: row.instant("last_used")?,
        }))
    }
}

impl FromRow<'_, SqliteRow> for RefreshRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let row = Reading(row);
        Ok(Self(Refresh {
            hash: row.parsed("hash")?,
            session: row.text("session")?,
            user: row.text("user")?,
            client: row.maybe_text("client")?,
            scopes: row.texts("scopes")?,
            resource: row.maybe_text("resource")?,
            expires: row.instant("expires")?.unwrap_or_default(),
            used: row.flag("used")?,
        }))
    }
}

impl FromRow<'_, SqliteRow> for KeyringRow {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let pkcs8 = Zeroizing::new(row.try_get("pkcs8")?);
        let signs_from = Reading(row).instant("signs_from")?.unwrap_or_default();
        Ok(Self(StoredKey { pkcs8, signs_from }))
    }
}
