//! Identities in a database.

use std::sync::Arc;

use bartizan_core::authenticate::api_key::{Hash, Record as Key};
use bartizan_core::authenticate::password::PasswordHash;
use bartizan_core::issue::identities::{Accounts, Answer, Keys, MAX_PAGE, Secrets, Sessions};
use bartizan_core::issue::{Client, Refresh, Rotation, StoredKey, Unreachable, User};
use bartizan_core::time::Timestamp;
use zeroize::Zeroizing;

use super::engine::{Cell, Change, Dialect, Engine, Statement, answer, unreadable};
use super::record::{Record, add, all, first, put};
use super::rows::integer;

/// Users, clients, keys and sessions that outlive the process, and that all gateways on a database
/// share.
#[derive(Clone, Debug)]
pub struct DurableIdentities(Arc<dyn Engine>);

impl DurableIdentities {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self(engine)
    }

    fn one<'a, R: Record + Send + 'a>(
        &'a self,
        sql: &'static str,
        key: &str,
    ) -> Answer<'a, Option<R>> {
        // No name holds it, and a server would refuse the whole statement.
        let question = (!key.contains('\0')).then(|| Statement::new(sql).bind(key));
        answer(&*self.0, Unreachable::new, async move {
            let Some(question) = question else { return Ok(None) };
            first(&self.0.ask(question).await?)
        })
    }

    fn page<'a, R: Record + Send + 'a>(
        &'a self,
        sql: &'static str,
        after: &str,
    ) -> Answer<'a, Vec<R>> {
        let question = Statement::new(sql).bind(after).bind(MAX_PAGE);
        answer(&*self.0, Unreachable::new, async move { all(&self.0.ask(question).await?) })
    }

    fn put<R: Record>(&self, record: &R) -> Answer<'_, ()> {
        let statement = put(record);
        answer(&*self.0, Unreachable::new, async move { self.0.change(statement).await.map(drop) })
    }

    /// Whether the statement changed something.
    fn change(&self, statement: Statement) -> Answer<'_, bool> {
        answer(&*self.0, Unreachable::new, async move { Ok(self.0.change(statement).await? > 0) })
    }
}

impl Accounts for DurableIdentities {
    fn user<'a>(&'a self, name: &'a str) -> Answer<'a, Option<User>> {
        self.one("SELECT * FROM users WHERE name = $1", name)
    }

    fn put_user(&self, user: User) -> Answer<'_, ()> {
        self.put(&user)
    }

    fn rehash<'a>(
        &'a self,
        name: &'a str,
        old: &'a PasswordHash,
        new: PasswordHash,
    ) -> Answer<'a, bool> {
        const SQL: &str = "UPDATE users SET password = $3 WHERE name = $1 AND password = $2";
        self.change(Statement::new(SQL).bind(name).bind(old.to_phc()).bind(new.to_phc()))
    }

    fn remove_user<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        const SQL: &str = "DELETE FROM users WHERE name = $1";
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            change.hold(name).await?;
            end_all_of(&mut *change, name).await?;
            let removed = change.run(Statement::new(SQL).bind(name)).await?;
            change.commit().await?;
            Ok(removed > 0)
        })
    }

    fn users<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<User>> {
        self.page("SELECT * FROM users WHERE name > $1 ORDER BY name LIMIT $2", after)
    }

    fn client<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Client>> {
        self.one("SELECT * FROM clients WHERE id = $1", id)
    }

    fn put_client(&self, client: Client) -> Answer<'_, ()> {
        self.put(&client)
    }

    fn remove_client<'a>(&'a self, id: &'a str) -> Answer<'a, bool> {
        self.change(Statement::new("DELETE FROM clients WHERE id = $1").bind(id))
    }

    fn clients<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Client>> {
        self.page("SELECT * FROM clients WHERE id > $1 ORDER BY id LIMIT $2", after)
    }
}

impl Keys for DurableIdentities {
    fn key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<Key>> {
        self.one("SELECT * FROM api_keys WHERE id = $1", id)
    }

    fn put_key(&self, record: Key) -> Answer<'_, ()> {
        self.put(&record)
    }

    fn revoke_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, bool> {
        const SQL: &str = "UPDATE api_keys SET revoked = $2 WHERE id = $1 AND revoked IS NULL";
        self.change(Statement::new(SQL).bind(id).bind(now))
    }

    fn touch_key<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, ()> {
        const SQL: &str =
            "UPDATE api_keys SET last_used = $2 WHERE id = $1 AND coalesce(last_used, 0) < $2";
        let statement = Statement::new(SQL).bind(id).bind(now);
        answer(&*self.0, Unreachable::new, async move { self.0.change(statement).await.map(drop) })
    }

    fn touch_keys<'a>(&'a self, uses: &'a [(Arc<str>, Timestamp)]) -> Answer<'a, ()> {
        // In the order of the ids: two gateways at once do not wait for each other in a circle.
        const POSTGRES: &str = "WITH used AS (SELECT one->>0 AS id, max((one->>1)::bigint) AS at \
            FROM jsonb_array_elements($1::jsonb) AS uses(one) GROUP BY 1), \
            held AS (SELECT id FROM api_keys WHERE id IN (SELECT id FROM used) ORDER BY id \
            FOR UPDATE) UPDATE api_keys SET last_used = used.at FROM used, held \
            WHERE api_keys.id = used.id AND held.id = used.id \
            AND coalesce(api_keys.last_used, 0) < used.at";
        const SQLITE: &str = "UPDATE api_keys SET last_used = used.at FROM \
            (SELECT json_extract(value, '$[0]') AS id, max(json_extract(value, '$[1]')) AS at \
            FROM json_each($1) GROUP BY 1) AS used \
            WHERE api_keys.id = used.id AND coalesce(api_keys.last_used, 0) < used.at";
        let sql = self.0.dialect().of(POSTGRES, SQLITE);
        answer(&*self.0, Unreachable::new, async move {
            // Others who write get their turn in between.
            for uses in uses.chunks(256) {
                let one =
                    |(id, at): &(Arc<str>, Timestamp)| serde_json::json!([&**id, integer(*at)]);
                let uses = serde_json::Value::from_iter(uses.iter().map(one)).to_string();
                self.0.change(Statement::new(sql).bind(uses)).await?;
            }
            Ok(())
        })
    }

    fn keys<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Key>> {
        self.page("SELECT * FROM api_keys WHERE id > $1 ORDER BY id LIMIT $2", after)
    }
}

const FIND_REFRESH: &str = "SELECT * FROM refresh_tokens WHERE hash = $1";

// Whoever changes the sessions of a user holds that user: a session that is being ended cannot be
// carried on by a rotation at the same moment.
impl Sessions for DurableIdentities {
    fn refresh<'a>(&'a self, hash: &'a Hash) -> Answer<'a, Option<Refresh>> {
        self.one(FIND_REFRESH, &hash.to_string())
    }

    fn begin_session(&self, refresh: Refresh, now: Timestamp) -> Answer<'_, ()> {
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            forget_ended(&mut *change, self.0.dialect(), now).await?;
            change.hold(&refresh.user).await?;
            change.run(add(&refresh)).await?;
            change.commit().await
        })
    }

    fn rotate<'a>(&'a self, old: &'a Hash, next: Refresh, now: Timestamp) -> Answer<'a, Rotation> {
        const USE: &str = "UPDATE refresh_tokens SET used = true WHERE hash = $1";
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            let old = old.to_string();
            let find = || Statement::new(FIND_REFRESH).bind(&*old);
            if let Some(seen) = first::<Refresh>(&change.ask(find()).await?)? {
                change.hold(&seen.user).await?;
            }
            // Of two copies of a token the second sees here what the first has done.
            let found: Option<Refresh> = first(&change.ask(find()).await?)?;
            let outcome = match found.filter(|found| found.expires > now) {
                None => Rotation::Gone,
                Some(found) if found.used => {
                    end(&mut *change, &found.session).await?;
                    Rotation::Reused
                }
                Some(_) => {
                    change.run(Statement::new(USE).bind(&*old)).await?;
                    change.run(add(&next)).await?;
                    Rotation::Done
                }
            };
            change.commit().await?;
            Ok(outcome)
        })
    }

    fn end_session<'a>(&'a self, session: &'a str) -> Answer<'a, bool> {
        const OF: &str = "SELECT * FROM refresh_tokens WHERE session = $1 LIMIT 1";
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            let of = change.ask(Statement::new(OF).bind(session)).await?;
            if let Some(refresh) = first::<Refresh>(&of)? {
                change.hold(&refresh.user).await?;
            }
            let ended = end(&mut *change, session).await?;
            change.commit().await?;
            Ok(ended)
        })
    }

    fn end_sessions_of<'a>(&'a self, user: &'a str) -> Answer<'a, usize> {
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            change.hold(user).await?;
            let ended = end_all_of(&mut *change, user).await?;
            change.commit().await?;
            Ok(ended)
        })
    }

    fn revoke_token<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, ()> {
        const SQL: &str = "INSERT INTO revocations (id, until) VALUES ($1, $2) ON CONFLICT (id) \
            DO UPDATE SET until = excluded.until WHERE revocations.until < excluded.until";
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            forget_ended(&mut *change, self.0.dialect(), now).await?;
            change.run(Statement::new(SQL).bind(id).bind(until)).await?;
            change.commit().await
        })
    }

    fn is_revoked<'a>(&'a self, ids: &'a [&'a str]) -> Answer<'a, bool> {
        // Nothing that was revoked holds a zero, and a server would refuse the statement.
        let ids: Vec<&str> = ids.iter().copied().filter(|id| !id.contains('\0')).collect();
        let listed = self.0.dialect().listed();
        let sql = format!("SELECT id FROM revocations WHERE id IN {listed} LIMIT 1");
        let question = Statement::assembled(sql).bind(Cell::list(&ids));
        answer(
            &*self.0,
            Unreachable::new,
            async move { Ok(!self.0.ask(question).await?.is_empty()) },
        )
    }

    fn changes(&self) -> Answer<'_, Option<u64>> {
        answer(&*self.0, Unreachable::new, async move {
            let rows = self.0.ask(Statement::new("SELECT count FROM changes")).await?;
            let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
            Ok(Some(row.integer("count")?.cast_unsigned()))
        })
    }

    fn use_once<'a>(&'a self, id: &'a str, until: Timestamp, now: Timestamp) -> Answer<'a, bool> {
        // What was used and has ended may be gone, or not yet.
        const SQL: &str = "INSERT INTO used_once (id, until) VALUES ($1, $2) ON CONFLICT (id) \
            DO UPDATE SET until = excluded.until WHERE used_once.until <= $3";
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            forget_ended(&mut *change, self.0.dialect(), now).await?;
            let done = change.run(Statement::new(SQL).bind(id).bind(until).bind(now)).await?;
            change.commit().await?;
            Ok(done > 0)
        })
    }
}

/// Forgets what ended before `now`, a little at a time: nobody waits for a long clean-up, nor for
/// another gateway that is at it.
async fn forget_ended(
    change: &mut dyn Change,
    dialect: Dialect,
    now: Timestamp,
) -> sqlx::Result<()> {
    let skipped = dialect.held_or_skipped();
    let tables = [
        ("refresh_tokens", "hash", "expires"),
        ("revocations", "id", "until"),
        ("used_once", "id", "until"),
    ];
    for (table, key, end) in tables {
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN \
             (SELECT {key} FROM {table} WHERE {end} <= $1 LIMIT 100{skipped})"
        );
        change.run(Statement::assembled(sql).bind(now)).await?;
    }
    Ok(())
}

/// Ends one session; whether there was one.
async fn end(change: &mut dyn Change, session: &str) -> sqlx::Result<bool> {
    const REVOKE: &str = "INSERT INTO revocations (id, until) \
        SELECT session, max(expires) FROM refresh_tokens WHERE session = $1 GROUP BY session \
        ON CONFLICT (id) DO UPDATE SET until = excluded.until";
    const FORGET: &str = "DELETE FROM refresh_tokens WHERE session = $1";
    change.run(Statement::new(REVOKE).bind(session)).await?;
    Ok(change.run(Statement::new(FORGET).bind(session)).await? > 0)
}

/// Ends the sessions of a user; how many there were.
async fn end_all_of(change: &mut dyn Change, user: &str) -> sqlx::Result<usize> {
    const REVOKE: &str = "INSERT INTO revocations (id, until) \
        SELECT session, max(expires) FROM refresh_tokens WHERE account = $1 GROUP BY session \
        ON CONFLICT (id) DO UPDATE SET until = excluded.until";
    const FORGET: &str = "DELETE FROM refresh_tokens WHERE account = $1";
    let ended = change.run(Statement::new(REVOKE).bind(user)).await?;
    change.run(Statement::new(FORGET).bind(user)).await?;
    Ok(usize::try_from(ended).unwrap_or(usize::MAX))
}

const KEYRING: &str = "SELECT * FROM signing_keys ORDER BY number DESC LIMIT 16";
/// Two gateways that start at once make one key: both hold this.
const SIGNING: &str = "signing keys";

impl Secrets for DurableIdentities {
    fn signing_keys<'a>(&'a self, fresh: &'a [u8]) -> Answer<'a, Vec<StoredKey>> {
        const FIRST: &str = "INSERT INTO signing_keys (pkcs8, signs_from) \
            SELECT $1, 0 WHERE NOT EXISTS (SELECT 1 FROM signing_keys)";
        answer(&*self.0, Unreachable::new, async move {
            if fresh.is_empty() {
                return all(&self.0.ask(Statement::new(KEYRING)).await?);
            }
            let mut change = self.0.begin().await?;
            change.hold(SIGNING).await?;
            change.run(Statement::new(FIRST).bind(fresh)).await?;
            let keys = all(&change.ask(Statement::new(KEYRING)).await?)?;
            change.commit().await?;
            Ok(keys)
        })
    }

    fn add_signing_key(&self, key: StoredKey, only: bool) -> Answer<'_, ()> {
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            change.hold(SIGNING).await?;
            if only {
                change.run(Statement::new("DELETE FROM signing_keys")).await?;
            }
            change.run(add(&key)).await?;
            change.commit().await
        })
    }

    fn pepper<'a>(&'a self, fresh: &'a [u8; 32]) -> Answer<'a, Zeroizing<[u8; 32]>> {
        const FIRST: &str = "INSERT INTO peppers (number, pepper) VALUES (1, $1) \
            ON CONFLICT (number) DO NOTHING";
        answer(&*self.0, Unreachable::new, async move {
            self.0.change(Statement::new(FIRST).bind(fresh.as_slice())).await?;
            let rows = self.0.ask(Statement::new("SELECT pepper FROM peppers")).await?;
            let pepper = rows.first().ok_or(sqlx::Error::RowNotFound)?.bytes("pepper")?;
            pepper.as_slice().try_into().map(Zeroizing::new).map_err(unreadable)
        })
    }
}
