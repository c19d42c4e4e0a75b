//! Identities on a PostgreSQL server.

use std::sync::Arc;

use bartizan_core::authenticate::api_key::{Hash, Record, Retiring};
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::authenticate::password::PasswordHash;
use bartizan_core::issue::account::Proof;
use bartizan_core::issue::identities::{Accounts, Answer, Keys, MAX_PAGE, Secrets, Sessions};
use bartizan_core::issue::{Client, GrantType, Refresh, Rotation, StoredKey, Unreachable, User};
use bartizan_core::time::Timestamp;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, FromRow, Row as _};
use zeroize::Zeroizing;

use super::{Postgres, hold};

/// Users, clients, keys and sessions that all gateways on a database share.
#[derive(Clone, Debug)]
pub struct PostgresIdentities(Postgres);

impl PostgresIdentities {
    pub(super) fn new(postgres: Postgres) -> Self {
        Self(postgres)
    }

    /// Does `work` in its time; what the database says against it is why it cannot answer.
    fn answer<'a, T: 'a>(
        &'a self,
        work: impl Future<Output = sqlx::Result<T>> + Send + 'a,
    ) -> Answer<'a, T> {
        Box::pin(async move { self.0.within(work).await.map_err(Unreachable::new) })
    }

    async fn one<T>(&self, sql: &'static str, key: &str) -> sqlx::Result<Option<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        // No name holds it, and the server would refuse the whole statement.
        if key.contains('\0') {
            return Ok(None);
        }
        let mut link = self.0.link().await?;
        let row = sqlx::query_as::<_, T>(sql).bind(key).fetch_optional(link.connection()?).await?;
        link.done();
        Ok(row)
    }

    async fn page<T>(&self, sql: &'static str, after: &str) -> sqlx::Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let most = i64::try_from(MAX_PAGE).unwrap_or(i64::MAX);
        let mut link = self.0.link().await?;
        let query = sqlx::query_as::<_, T>(sql).bind(after).bind(most);
        let rows = query.fetch_all(link.connection()?).await?;
        link.done();
        Ok(rows)
    }

    /// One statement that changes something; how many rows it changed.
    async fn change(&self, query: Query<'_, sqlx::Postgres, PgArguments>) -> sqlx::Result<u64> {
        let mut link = self.0.link().await?;
        let done = query.execute(link.connection()?).await?;
        link.done();
        Ok(done.rows_affected())
    }
}

const PUT_USER: &str = "INSERT INTO users (name, password, scopes, roles, tenant, disabled) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET \
    password = excluded.password, scopes = excluded.scopes, roles = excluded.roles, \
    tenant = excluded.tenant, disabled = excluded.disabled";
const PUT_CLIENT: &str = "INSERT INTO clients (id, secret, scopes, roles, tenant, grants, \
    disabled, keys, acts_scopes, acts_roles) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
    ON CONFLICT (id) DO UPDATE SET secret = excluded.secret, scopes = excluded.scopes, \
    roles = excluded.roles, tenant = excluded.tenant, grants = excluded.grants, \
    disabled = excluded.disabled, keys = excluded.keys, acts_scopes = excluded.acts_scopes, \
    acts_roles = excluded.acts_roles";
const PUT_KEY: &str = "INSERT INTO api_keys (id, hash, previous_hash, previous_until, subject, \
    scopes, roles, tenant, environment, expires, revoked, last_used) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
    ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, previous_hash = excluded.previous_hash, \
    previous_until = excluded.previous_until, subject = excluded.subject, \
    scopes = excluded.scopes, roles = excluded.roles, tenant = excluded.tenant, \
    environment = excluded.environment, expires = excluded.expires, revoked = excluded.revoked, \
    last_used = excluded.last_used";

impl Accounts for PostgresIdentities {
    fn user<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        self.answer(async move {
            let row = self.one("SELECT * FROM users WHERE name = $1", name).await?;
            Ok(row.map(|UserRow(user)| user))
        })
    }

    fn put_user(&self, user: User) -> Answer<'_, ()> {
        self.answer(async move {
            let query = sqlx::query(PUT_USER)
                .bind(&*user.name)
                .bind(user.password.to_phc())
                .bind(list(&user.scopes))
                .bind(list(&user.roles))
                .bind(user.tenant.as_deref())
                .bind(user.disabled);
            self.change(query).await.map(drop)
        })
    }

    fn rehash<'a>(
        &'a self,
        name: &'a str,
        old: &'a PasswordHash,
        new: PasswordHash,
    ) -> Answer<'a, bool> {
        const SQL: &str = "UPDATE users SET password = $3 WHERE name = $1 AND password = $2";
        self.answer(async move {
            let query = sqlx::query(SQL).bind(name).bind(old.to_phc()).bind(new.to_phc());
            Ok(self.change(query).await? > 0)
        })
    }

    fn remove_user<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            hold(&mut change, name).await?;
            end_all_of(&mut change, name).await?;
            let removed = sqlx::query("DELETE FROM users WHERE name = $1").bind(name);
            let removed = removed.execute(&mut *change).await?.rows_affected();
            change.commit().await?;
            link.done();
            Ok(removed > 0)
        })
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        self.answer(async move {
            let sql = "SELECT * FROM users WHERE name > $1 ORDER BY name LIMIT $2";
            let rows = self.page(sql, after).await?;
            Ok(rows.into_iter().map(|UserRow(user)| user).collect())
        })
    }

    fn client<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Client>> {
        self.answer(async move {
            let row = self.one("SELECT * FROM clients WHERE id = $1", id).await?;
            Ok(row.map(|ClientRow(client)| client))
        })
    }

    fn put_client(&self, client: Client) -> Answer<'_, ()> {
        self.answer(async move {
            let grants: Vec<_> = client.grants.iter().map(|grant| grant.as_str()).collect();
            let (secret, keys) = match &client.proof {
                Proof::Secret(hash) => (hash.to_string(), None),
                Proof::Keys(keys) => (String::new(), Some(keys.as_str())),
                // No digest of a secret begins so.
                Proof::Certificate(name) => (name.to_string(), None),
                Proof::Public => (String::new(), None),
            };
            let query = sqlx::query(PUT_CLIENT)
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
            self.change(query).await.map(drop)
        })
    }

    fn remove_client<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        self.answer(async move {
            let query = sqlx::query("DELETE FROM clients WHERE id = $1").bind(id);
            Ok(self.change(query).await? > 0)
        })
    }

    fn clients<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Client>> {
        self.answer(async move {
            let sql = "SELECT * FROM clients WHERE id > $1 ORDER BY id LIMIT $2";
            let rows = self.page(sql, after).await?;
            Ok(rows.into_iter().map(|ClientRow(client)| client).collect())
        })
    }
}

impl Keys for PostgresIdentities {
    fn key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Record>> {
        self.answer(async move {
            let row = self.one("SELECT * FROM api_keys WHERE id = $1", id).await?;
            Ok(row.map(|KeyRow(record)| record))
        })
    }

    fn put_key(&self, record: Record) -> Answer<'_, ()> {
        self.answer(async move {
            let previous = record.previous.as_ref();
            let query = sqlx::query(PUT_KEY)
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
            self.change(query).await.map(drop)
        })
    }

    fn revoke_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, bool> {
        const SQL: &str = "UPDATE api_keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
        self.answer(async move {
            Ok(self.change(sqlx::query(SQL).bind(id).bind(micros(now))).await? > 0)
        })
    }

    fn touch_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        const SQL: &str = "UPDATE api_keys SET last_used = greatest(coalesce(last_used, 0), $2) \
            WHERE id = $1";
        self.answer(async move {
            self.change(sqlx::query(SQL).bind(id).bind(micros(now))).await.map(drop)
        })
    }

    fn touch_keys<'a>(&'a self, uses: &'a [(Arc<str>, Timestamp)]) -> Answer<'a, ()> {
        // In the order of the ids: two gateways at once do not wait for each other in a circle.
        const SQL: &str = "WITH used AS (SELECT id, max(at) AS at FROM unnest($1::text[], \
            $2::bigint[]) AS uses(id, at) GROUP BY id), held AS (SELECT id FROM api_keys WHERE id \
            = ANY($1) ORDER BY id FOR UPDATE) UPDATE api_keys SET last_used = \
            greatest(coalesce(last_used, 0), used.at) FROM used, held \
            WHERE api_keys.id = used.id AND held.id = used.id";
        self.answer(async move {
            for uses in uses.chunks(256) {
                let ids: Vec<&str> = uses.iter().map(|(id, _)| &**id).collect();
                let at: Vec<i64> = uses.iter().map(|(_, at)| micros(*at)).collect();
                self.change(sqlx::query(SQL).bind(ids).bind(at)).await?;
            }
            Ok(())
        })
    }

    fn keys<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Record>> {
        self.answer(async move {
            let sql = "SELECT * FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2";
            let rows = self.page(sql, after).await?;
            Ok(rows.into_iter().map(|KeyRow(record)| record).collect())
        })
    }
}

const FIND_REFRESH: &str = "SELECT * FROM refresh_tokens WHERE hash = $1";

// Whoever changes the sessions of a user holds that user: a session that is being ended cannot be
// carried on by a rotation at the same moment.
impl Sessions for PostgresIdentities {
    fn refresh<'a>(&'a self, hash: &'a Hash) -> Answer<'a, Option<Refresh>> {
        self.answer(async move {
            let row = self.one(FIND_REFRESH, &hash.to_string()).await?;
            Ok(row.map(|RefreshRow(refresh)| refresh))
        })
    }

    fn begin_session(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, ()> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            forget_ended(&mut change, now).await?;
            hold(&mut change, &refresh.user).await?;
            add(&mut change, &refresh).await?;
            change.commit().await?;
            link.done();
            Ok(())
        })
    }

    fn rotate<'a>(&'a self, old: &'a Hash, next: Refresh, now: Timestamp) -> Answer<'a, Rotation> {
        const USE: &str = "UPDATE refresh_tokens SET used = true WHERE hash = $1";
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            let old = old.to_string();
            let seen = sqlx::query_as(FIND_REFRESH).bind(&old).fetch_optional(&mut *change).await?;
            if let Some(RefreshRow(seen)) = seen {
                hold(&mut change, &seen.user).await?;
            }
            // Of two copies of a token the second sees here what the first has done.
            let found = sqlx::query_as(FIND_REFRESH).bind(&old).fetch_optional(&mut *change);
            let found = found.await?.map(|RefreshRow(refresh)| refresh);
            let outcome = match found.filter(|found| found.expires > now) {
                None => Rotation::Gone,
                Some(found) if found.used => {
                    end(&mut change, &found.session).await?;
                    Rotation::Reused
                }
                Some(_) => {
                    sqlx::query(USE).bind(&old).execute(&mut *change).await?;
                    add(&mut change, &next).await?;
                    Rotation::Done
                }
            };
            change.commit().await?;
            link.done();
            Ok(outcome)
        })
    }

    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, bool> {
        const OWNER: &str = "SELECT account FROM refresh_tokens WHERE session = $1 LIMIT 1";
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            let owner = sqlx::query_scalar::<_, String>(OWNER).bind(session);
            if let Some(owner) = owner.fetch_optional(&mut *change).await? {
                hold(&mut change, &owner).await?;
            }
            let ended = end(&mut change, session).await?;
            change.commit().await?;
            link.done();
            Ok(ended)
        })
    }

    fn end_sessions_of<'a>(&'a self, user: &'a str) -> Answer<'a, usize> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            hold(&mut change, user).await?;
            let ended = end_all_of(&mut change, user).await?;
            change.commit().await?;
            link.done();
            Ok(ended)
        })
    }

    fn revoke_token<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, ()> {
        const SQL: &str = "INSERT INTO revocations (id, until) VALUES ($1, $2) \
            ON CONFLICT (id) DO UPDATE SET until = greatest(revocations.until, excluded.until)";
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            forget_ended(&mut change, now).await?;
            sqlx::query(SQL).bind(id).bind(micros(until)).execute(&mut *change).await?;
            change.commit().await?;
            link.done();
            Ok(())
        })
    }

    fn is_revoked<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, bool> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM revocations WHERE id = ANY($1))";
        self.answer(async move {
            // Nothing that was revoked holds it, and the server would refuse the statement.
            let ids: Vec<&str> = ids.iter().copied().filter(|id| !id.contains('\0')).collect();
            let mut link = self.0.link().await?;
            let query = sqlx::query_scalar::<_, bool>(SQL).bind(ids);
            let revoked = query.fetch_one(link.connection()?).await?;
            link.done();
            Ok(revoked)
        })
    }

    fn changes(&self) -> Answer<'_, Option<u64>> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let count = sqlx::query_scalar::<_, i64>("SELECT count FROM changes");
            let count = count.fetch_one(link.connection()?).await?;
            link.done();
            Ok(Some(count.cast_unsigned()))
        })
    }

    fn use_once<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, bool> {
        // What was used and has ended may be gone, or not yet.
        const SQL: &str = "INSERT INTO used_once (id, until) VALUES ($1, $2) ON CONFLICT (id) \
            DO UPDATE SET until = excluded.until WHERE used_once.until <= $3";
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            forget_ended(&mut change, now).await?;
            let query = sqlx::query(SQL).bind(id).bind(micros(until)).bind(micros(now));
            let done = query.execute(&mut *change).await?.rows_affected();
            change.commit().await?;
            link.done();
            Ok(done > 0)
        })
    }
}

/// Forgets what ended before `now`, a little at a time: nobody waits for a long clean-up, nor for
/// another gateway that is at it.
async fn forget_ended(change: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    const TOKENS: &str = "DELETE FROM refresh_tokens WHERE hash IN \
        (SELECT hash FROM refresh_tokens WHERE expires <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED)";
    const REVOCATIONS: &str = "DELETE FROM revocations WHERE id IN \
        (SELECT id FROM revocations WHERE until <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED)";
    const USED: &str = "DELETE FROM used_once WHERE id IN \
        (SELECT id FROM used_once WHERE until <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED)";
    for sql in [TOKENS, REVOCATIONS, USED] {
        sqlx::query(sql).bind(micros(now)).execute(&mut *change).await?;
    }
    Ok(())
}

async fn add(change: &mut PgConnection, refresh: &Refresh) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO refresh_tokens (hash, session, account, client, scopes, \
        expires, used, resource) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let query = sqlx::query(SQL)
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

async fn end(change: &mut PgConnection, session: &str) -> sqlx::Result<bool> {
    const REVOKE: &str = "INSERT INTO revocations (id, until) \
        SELECT session, max(expires) FROM refresh_tokens WHERE session = $1 GROUP BY session \
        ON CONFLICT (id) DO UPDATE SET until = excluded.until";
    sqlx::query(REVOKE).bind(session).execute(&mut *change).await?;
    let tokens = sqlx::query("DELETE FROM refresh_tokens WHERE session = $1").bind(session);
    Ok(tokens.execute(change).await?.rows_affected() > 0)
}

/// Ends the sessions of a user; how many there were.
async fn end_all_of(change: &mut PgConnection, user: &str) -> sqlx::Result<usize> {
    const REVOKE: &str = "INSERT INTO revocations (id, until) \
        SELECT session, max(expires) FROM refresh_tokens WHERE account = $1 GROUP BY session \
        ON CONFLICT (id) DO UPDATE SET until = excluded.until";
    let ended = sqlx::query(REVOKE).bind(user).execute(&mut *change).await?.rows_affected();
    let tokens = sqlx::query("DELETE FROM refresh_tokens WHERE account = $1").bind(user);
    tokens.execute(change).await?;
    Ok(usize::try_from(ended).unwrap_or(usize::MAX))
}

impl Secrets for PostgresIdentities {
    fn signing_keys<'a>(&'a self, fresh: &'a [u8]) -> Answer<'a, Vec<StoredKey>> {
        const FIRST: &str = "INSERT INTO signing_keys (pkcs8, signs_from) \
            SELECT $1, 0 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)";
        const ALL: &str = "SELECT * FROM signing_keys ORDER BY number DESC LIMIT 16";
        self.answer(async move {
            let mut link = self.0.link().await?;
            if !fresh.is_empty() {
                let mut change = link.connection()?.begin().await?;
                // Two gateways that start at once make one key.
                hold(&mut change, "signing keys").await?;
                sqlx::query(FIRST).bind(fresh).execute(&mut *change).await?;
                change.commit().await?;
            }
            let keys = sqlx::query_as(ALL).fetch_all(link.connection()?).await?;
            link.done();
            Ok(keys.into_iter().map(|KeyringRow(key)| key).collect())
        })
    }

    fn add_signing_key(&self, key: StoredKey, only: bool) -> Answer<'_, ()> {
        const ADD: &str = "INSERT INTO signing_keys (pkcs8, signs_from) VALUES ($1, $2)";
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            hold(&mut change, "signing keys").await?;
            if only {
                sqlx::query("DELETE FROM signing_keys").execute(&mut *change).await?;
            }
            let add = sqlx::query(ADD).bind(key.pkcs8.as_slice()).bind(micros(key.signs_from));
            add.execute(&mut *change).await?;
            change.commit().await?;
            link.done();
            Ok(())
        })
    }

    fn pepper<'a>(&'a self, fresh: &'a [u8; 32]) -> Answer<'a, Zeroizing<[u8; 32]>> {
        const FIRST: &str = "INSERT INTO peppers (number, pepper) VALUES (1, $1) \
            ON CONFLICT (number) DO NOTHING";
        self.answer(async move {
            let mut link = self.0.link().await?;
            sqlx::query(FIRST).bind(fresh.as_slice()).execute(link.connection()?).await?;
            let pepper = sqlx::query_scalar::<_, Vec<u8>>("SELECT pepper FROM peppers");
            let pepper = Zeroizing::new(pepper.fetch_one(link.connection()?).await?);
            link.done();
            let pepper = pepper.as_slice().try_into();
            pepper.map(Zeroizing::new).map_err(unreadable)
        })
    }
}

/// An instant as PostgreSQL has it: 292 thousand years are enough.
fn micros(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    serde_json::Value::from(texts).to_string()
}

/// Reads of a row what a column cannot hold as it is. A row that cannot be read is an error and
/// never somebody with fewer, or more, rights.
struct Reading<'r>(&'r PgRow);

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

impl FromRow<'_, PgRow> for UserRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
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

impl FromRow<'_, PgRow> for ClientRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
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

impl FromRow<'_, PgRow> for KeyRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
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

impl FromRow<'_, PgRow> for RefreshRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let row = Reading(row);
        Ok(Self(Refresh {
            hash: row.parsed("hash")?,
            session: row.text("session")?,
            user: row.text("account")?,
            client: row.maybe_text("client")?,
            scopes: row.texts("scopes")?,
            resource: row.maybe_text("resource")?,
            expires: row.instant("expires")?.unwrap_or_default(),
            used: row.flag("used")?,
        }))
    }
}

impl FromRow<'_, PgRow> for KeyringRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let pkcs8 = Zeroizing::new(row.try_get("pkcs8")?);
        let signs_from = Reading(row).instant("signs_from")?.unwrap_or_default();
        Ok(Self(StoredKey { pkcs8, signs_from }))
    }
}
