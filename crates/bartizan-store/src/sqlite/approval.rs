//! Approvals in a file of SQLite.

use std::sync::Arc;

use bartizan_core::authorize::approval::{
    Answer, Approval, ApprovalId, Approvals, Asked, CallDigest, Decision, KEPT, Lapse, MAX_OPEN,
    MAX_OPEN_EACH, MAX_PAGE, Redeemed, State, Unreachable,
};
use bartizan_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{FromRow, Row as _};

use super::Sqlite;

/// A book of approvals that outlives the process.
#[derive(Clone, Debug)]
pub struct SqliteApprovals(Sqlite);

impl SqliteApprovals {
    pub(super) fn new(sqlite: Sqlite) -> Self {
        Self(sqlite)
    }
}

/// The book cannot be asked, for a reason of the database's.
fn broken(error: sqlx::Error) -> Unreachable {
    Unreachable::new(error)
}

const OPEN: &str = "SELECT * FROM approvals WHERE requester = $1 AND digest = $2 \
    AND state IN ('pending', 'approved') AND expires > $3";
const COUNT: &str = "SELECT count(*) FILTER (WHERE requester = $1), count(*) FROM approvals \
    WHERE state IN ('pending', 'approved') AND expires > $2";
const INSERT: &str =
    "INSERT INTO approvals VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const ONE: &str = "SELECT * FROM approvals WHERE id = $1";
const WAITING: &str = "SELECT * FROM approvals WHERE id > $1 AND state = 'pending' \
    AND expires > $2 ORDER BY id LIMIT $3";
const CHANGE: &str = "UPDATE approvals SET state = $2, expires = $3, decided_by = $4 WHERE id = $1";

impl Approvals for SqliteApprovals {
    fn ask(&self, approval: Approval, now: Timestamp) -> Answer<'_, Asked> {
        Box::pin(async move {
            let mut change = self.0.write().await.map_err(broken)?;
            let forgotten = instant(now.minus(KEPT));
            let forget = sqlx::query("DELETE FROM approvals WHERE expires <= $1").bind(forgotten);
            forget.execute(&mut *change).await.map_err(broken)?;
            let known = sqlx::query_as::<_, Row>(OPEN)
                .bind(&*approval.requester)
                .bind(&approval.digest.0[..])
                .bind(instant(now))
                .fetch_optional(&mut *change)
                .await
                .map_err(broken)?;
            if let Some(Row(known)) = known {
                return Ok(Asked::Known(known));
            }
            let (theirs, all): (i64, i64) = sqlx::query_as(COUNT)
                .bind(&*approval.requester)
                .bind(instant(now))
                .fetch_one(&mut *change)
                .await
                .map_err(broken)?;
            if over(theirs, MAX_OPEN_EACH) || over(all, MAX_OPEN) {
                return Ok(Asked::Full);
            }
            insert(&mut change, &approval).await?;
            change.commit().await.map_err(broken)?;
            Ok(Asked::New(approval))
        })
    }

    fn redeem<'a>(
        &'a self,
        id: ApprovalId,
        requester: &'a str,
        digest: &'a CallDigest,
        now: Timestamp,
    ) -> Answer<'a, Redeemed> {
        Box::pin(async move {
            let mut writing = self.0.write().await.map_err(broken)?;
            let Some(known) = one(&mut writing, id).await? else {
                return Ok(Redeemed::Lapsed(Lapse::Foreign));
            };
            let redeemed = known.redeemed(requester, digest, now);
            if let Redeemed::Taken(used) = &redeemed {
                change(&mut writing, used).await?;
                writing.commit().await.map_err(broken)?;
            }
            Ok(redeemed)
        })
    }

    fn approval(&self, id: ApprovalId, now: Timestamp) -> Answer<'_, Option<Approval>> {
        Box::pin(async move {
            let query = sqlx::query_as::<_, Row>(ONE).bind(id.to_string());
            let row = query.fetch_optional(self.0.readers()).await.map_err(broken)?;
            Ok(row.map(|Row(approval)| approval.at(now)))
        })
    }

    fn waiting(&self, after: Option<ApprovalId>, now: Timestamp) -> Answer<'_, Vec<Approval>> {
        Box::pin(async move {
            let query = sqlx::query_as::<_, Row>(WAITING)
                .bind(after.map(|after| after.to_string()).unwrap_or_default())
                .bind(instant(now))
                .bind(i64::try_from(MAX_PAGE).unwrap_or(i64::MAX));
            let rows = query.fetch_all(self.0.readers()).await.map_err(broken)?;
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
        Box::pin(async move {
            let mut writing = self.0.write().await.map_err(broken)?;
            let Some(known) = one(&mut writing, id).await? else { return Ok(None) };
            let Some(decided) = known.clone().decided(decision, by, until, now) else {
                return Ok(Some((known.at(now), false)));
            };
            change(&mut writing, &decided).await?;
            writing.commit().await.map_err(broken)?;
            Ok(Some((decided.at(now), true)))
        })
    }
}

async fn one(
    connection: &mut SqliteConnection,
    id: ApprovalId,
) -> Result<Option<Approval>, Unreachable> {
    let query = sqlx::query_as::<_, Row>(ONE).bind(id.to_string());
    let row = query.fetch_optional(connection).await.map_err(broken)?;
    Ok(row.map(|Row(approval)| approval))
}

async fn change(connection: &mut SqliteConnection, approval: &Approval) -> Result<(), Unreachable> {
    let query = sqlx::query(CHANGE)
        .bind(approval.id.to_string())
        .bind(approval.state.as_str())
        .bind(instant(approval.expires))
        .bind(approval.decided_by.as_deref());
    query.execute(connection).await.map(drop).map_err(broken)
}

async fn insert(connection: &mut SqliteConnection, approval: &Approval) -> Result<(), Unreachable> {
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
    query.execute(connection).await.map(drop).map_err(broken)
}

fn over(count: i64, most: usize) -> bool {
    usize::try_from(count).unwrap_or(usize::MAX) >= most
}

fn instant(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A row that does not read as an approval is an error, and never an approval of less.
struct Row(Approval);

impl<'r> FromRow<'r, SqliteRow> for Row {
    fn from_row(row: &'r SqliteRow) -> sqlx::Result<Self> {
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
