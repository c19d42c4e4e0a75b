//! Approvals on a PostgreSQL server.

use std::sync::Arc;

use bartizan_core::authorize::approval::{
    Answer, Approval, ApprovalId, Approvals, Asked, CallDigest, Decision, KEPT, Lapse, MAX_OPEN,
    MAX_OPEN_EACH, MAX_PAGE, Redeemed, State, Unreachable,
};
use bartizan_core::time::Timestamp;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection as _, FromRow, Row as _};

use super::{Postgres, hold};

/// A book of approvals that all gateways on a database share.
#[derive(Clone, Debug)]
pub struct PostgresApprovals(Postgres);

impl PostgresApprovals {
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
}

const OPEN: &str = "SELECT * FROM approvals WHERE requester = $1 AND digest = $2 \
    AND state IN ('pending', 'approved') AND expires > $3";
const COUNT: &str = "SELECT count(*) FILTER (WHERE requester = $1), count(*) FROM approvals \
    WHERE state IN ('pending', 'approved') AND expires > $2";
const INSERT: &str = "INSERT INTO approvals (id, requester, tenant, verb, endpoint, path, digest, \
    because, shown, asked, expires, state, decided_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const ONE: &str = "SELECT * FROM approvals WHERE id = $1";
/// And nobody else changes it until the transaction ends.
const ONE_HELD: &str = "SELECT * FROM approvals WHERE id = $1 FOR UPDATE";
const WAITING: &str = "SELECT * FROM approvals WHERE id > $1 AND state = 'pending' \
    AND expires > $2 ORDER BY id LIMIT $3";
const CHANGE: &str = "UPDATE approvals SET state = $2, expires = $3, decided_by = $4 WHERE id = $1";

impl Approvals for PostgresApprovals {
    fn ask(&self, approval: Approval, now: Timestamp) -> Answer<'_, Asked> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut change = link.connection()?.begin().await?;
            // One at a time: two gateways that ask at once do not write the same call down twice.
            hold(&mut change, "approvals").await?;
            let asked = asked(&mut change, approval, now).await?;
            change.commit().await?;
            link.done();
            Ok(asked)
        })
    }

    fn redeem<'a>(
        &'a self,
        id: ApprovalId,
        requester: &'a str,
        digest: &'a CallDigest,
        now: Timestamp,
    ) -> Answer<'a, Redeemed> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut writing = link.connection()?.begin().await?;
            let redeemed = match one(&mut writing, ONE_HELD, id).await? {
                Some(known) => known.redeemed(requester, digest, now),
                None => Redeemed::Lapsed(Lapse::Foreign),
            };
            if let Redeemed::Taken(used) = &redeemed {
                change(&mut writing, used).await?;
            }
            writing.commit().await?;
            link.done();
            Ok(redeemed)
        })
    }

    fn approval(&self, id: ApprovalId, now: Timestamp) -> Answer<'_, Option<Approval>> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let known = one(link.connection()?, ONE, id).await?;
            link.done();
            Ok(known.map(|approval| approval.at(now)))
        })
    }

    fn waiting(&self, after: Option<ApprovalId>, now: Timestamp) -> Answer<'_, Vec<Approval>> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let query = sqlx::query_as::<_, Row>(WAITING)
                .bind(after.map(|after| after.to_string()).unwrap_or_default())
                .bind(instant(now))
                .bind(i64::try_from(MAX_PAGE).unwrap_or(i64::MAX));
            let rows = query.fetch_all(link.connection()?).await?;
            link.done();
            Ok(rows.into_iter().map(|Row(approval)| approval).collect())
        })
    }

    fn decide<'a>(
        &'a self,
        id: ApprovalId,
        decision: Decision,
        by: &'a str,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'a, Option<(Approval, bool)>> {
        self.answer(async move {
            let mut link = self.0.link().await?;
            let mut writing = link.connection()?.begin().await?;
            let Some(known) = one(&mut writing, ONE_HELD, id).await? else { return Ok(None) };
            let (known, done) = match known.clone().decided(decision, by, until, now) {
                None => (known.at(now), false),
                Some(decided) => {
                    change(&mut writing, &decided).await?;
                    (decided.at(now), true)
                }
            };
            writing.commit().await?;
            link.done();
            Ok(Some((known, done)))
        })
    }
}

/// Writes a call down, unless it is there or there are too many.
async fn asked(
    change: &mut PgConnection,
    approval: Approval,
    now: Timestamp,
) -> sqlx::Result<Asked> {
    let forget = sqlx::query("DELETE FROM approvals WHERE expires <= $1");
    forget.bind(instant(now.minus(KEPT))).execute(&mut *change).await?;
    let known = sqlx::query_as::<_, Row>(OPEN)
        .bind(&*approval.requester)
        .bind(&approval.digest.0[..])
        .bind(instant(now))
        .fetch_optional(&mut *change)
        .await?;
    if let Some(Row(known)) = known {
        return Ok(Asked::Known(known));
    }
    let (theirs, all): (i64, i64) = sqlx::query_as(COUNT)
        .bind(&*approval.requester)
        .bind(instant(now))
        .fetch_one(&mut *change)
        .await?;
    if over(theirs, MAX_OPEN_EACH) || over(all, MAX_OPEN) {
        return Ok(Asked::Full);
    }
    insert(change, &approval).await?;
    Ok(Asked::New(approval))
}

async fn one(
    connection: &mut PgConnection,
    sql: &'static str,
    id: ApprovalId,
) -> sqlx::Result<Option<Approval>> {
    let query = sqlx::query_as::<_, Row>(sql).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    Ok(row.map(|Row(approval)| approval))
}

async fn change(connection: &mut PgConnection, approval: &Approval) -> sqlx::Result<()> {
    let query = sqlx::query(CHANGE)
        .bind(approval.id.to_string())
        .bind(approval.state.as_str())
        .bind(instant(approval.expires))
        .bind(approval.decided_by.as_deref());
    query.execute(connection).await.map(drop)
}

async fn insert(connection: &mut PgConnection, approval: &Approval) -> sqlx::Result<()> {
    let query = sqlx::query(INSERT)
        .bind(approval.id.to_string())
        .bind(&*approval.requester)
        .bind(approval.tenant.as_deref())
        .bind(&*approval.verb)
        .bind(&*approval.endpoint)
        .bind(&*approval.path)
        .bind(&approval.digest.0[..])
        .bind(&*approval.because)
        .bind(approval.shown.as_deref())
        .bind(instant(approval.asked))
        .bind(instant(approval.expires))
        .bind(approval.state.as_str())
        .bind(approval.decided_by.as_deref());
    query.execute(connection).await.map(drop)
}

fn over(count: i64, most: usize) -> bool {
    usize::try_from(count).unwrap_or(usize::MAX) >= most
}

fn instant(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A row that does not read as an approval is an error, and never an approval of less.
struct Row(Approval);

impl<'r> FromRow<'r, PgRow> for Row {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        let text = |name| row.try_get::<String, _>(name).map(Arc::<str>::from);
        let perhaps =
            |name| row.try_get::<Option<String>, _>(name).map(|text| text.map(Arc::<str>::from));
        let at = |name| {
            row.try_get::<i64, _>(name).map(|at| Timestamp(u64::try_from(at).unwrap_or_default()))
        };
        let bad = |what: &str| sqlx::Error::Decode(format!("`{what}` cannot be read").into());
        let digest: Vec<u8> = row.try_get("digest")?;
        Ok(Self(Approval {
            id: ApprovalId::parse(&text("id")?).ok_or_else(|| bad("id"))?,
            requester: text("requester")?,
            tenant: perhaps("tenant")?,
            verb: text("verb")?,
            endpoint: text("endpoint")?,
            path: text("path")?,
            digest: CallDigest(digest.try_into().map_err(|_| bad("digest"))?),
            because: text("because")?,
            shown: perhaps("shown")?,
            asked: at("asked")?,
            expires: at("expires")?,
            state: State::parse(&text("state")?).ok_or_else(|| bad("state"))?,
            decided_by: perhaps("decided_by")?,
        }))
    }
}
