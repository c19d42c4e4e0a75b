//! Approvals in a database.

use std::sync::Arc;

use bartizan_core::authorize::approval::{
    Answer, Approval, ApprovalId, Approvals, Asked, CallDigest, Decision, KEPT, Lapse, MAX_OPEN,
    MAX_OPEN_EACH, MAX_PAGE, Redeemed, Unreachable,
};
use bartizan_core::time::Timestamp;

use super::engine::{Change, Dialect, Engine, Statement, answer};
use super::record::{add, all, first, put};

/// A book of approvals that outlives the process, and that all gateways on a database share.
#[derive(Clone, Debug)]
pub struct DurableApprovals(Arc<dyn Engine>);

impl DurableApprovals {
    pub(crate) fn new(engine: Arc<dyn Engine>) -> Self {
        Self(engine)
    }
}

const OPEN: &str = "SELECT * FROM approvals WHERE requester = $1 AND digest = $2 \
    AND state IN ('pending', 'approved') AND expires > $3";
const COUNT: &str = "SELECT count(*) FILTER (WHERE requester = $1) AS theirs, count(*) AS every \
    FROM approvals WHERE state IN ('pending', 'approved') AND expires > $2";
const FORGET: &str = "DELETE FROM approvals WHERE expires <= $1";
const ONE: &str = "SELECT * FROM approvals WHERE id = $1";
const WAITING: &str = "SELECT * FROM approvals WHERE id > $1 AND state = 'pending' \
    AND expires > $2 ORDER BY id LIMIT $3";

impl Approvals for DurableApprovals {
    fn ask(&self, approval: Approval, now: Timestamp) -> Answer<'_, Asked> {
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            // One at a time: two gateways that ask at once do not write the same call down twice.
            change.hold("approvals").await?;
            let asked = asked(&mut *change, approval, now).await?;
            change.commit().await?;
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
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            let redeemed = match held(&mut *change, self.0.dialect(), id).await? {
                Some(known) => known.redeemed(requester, digest, now),
                None => Redeemed::Lapsed(Lapse::Foreign),
            };
            if let Redeemed::Taken(used) = &redeemed {
                change.run(put(used)).await?;
            }
            change.commit().await?;
            Ok(redeemed)
        })
    }

    fn approval(&self, id: ApprovalId, now: Timestamp) -> Answer<'_, Option<Approval>> {
        answer(&*self.0, Unreachable::new, async move {
            let rows = self.0.ask(Statement::new(ONE).bind(id.to_string())).await?;
            Ok(first(&rows)?.map(|approval: Approval| approval.at(now)))
        })
    }

    fn waiting(&self, after: Option<ApprovalId>, now: Timestamp) -> Answer<'_, Vec<Approval>> {
        answer(&*self.0, Unreachable::new, async move {
            let after = after.map(|after| after.to_string()).unwrap_or_default();
            let question = Statement::new(WAITING).bind(after).bind(now).bind(MAX_PAGE);
            all(&self.0.ask(question).await?)
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
        answer(&*self.0, Unreachable::new, async move {
            let mut change = self.0.begin().await?;
            let Some(known) = held(&mut *change, self.0.dialect(), id).await? else {
                return Ok(None);
            };
            let (known, done) = match known.clone().decided(decision, by, until, now) {
                None => (known.at(now), false),
                Some(decided) => {
                    change.run(put(&decided)).await?;
                    (decided.at(now), true)
                }
            };
            change.commit().await?;
            Ok(Some((known, done)))
        })
    }
}

/// Writes a call down, unless it is there or there are too many.
async fn asked(change: &mut dyn Change, approval: Approval, now: Timestamp) -> sqlx::Result<Asked> {
    change.run(Statement::new(FORGET).bind(now.minus(KEPT))).await?;
    let open = Statement::new(OPEN)
        .bind(&*approval.requester)
        .bind(approval.digest.0.as_slice())
        .bind(now);
    if let Some(known) = first(&change.ask(open).await?)? {
        return Ok(Asked::Known(known));
    }
    let count = Statement::new(COUNT).bind(&*approval.requester).bind(now);
    let counts = change.ask(count).await?;
    let counts = counts.first().ok_or(sqlx::Error::RowNotFound)?;
    if over(counts.integer("theirs")?, MAX_OPEN_EACH) || over(counts.integer("every")?, MAX_OPEN) {
        return Ok(Asked::Full);
    }
    change.run(add(&approval)).await?;
    Ok(Asked::New(approval))
}

/// An approval that nobody else changes until the change ends.
async fn held(
    change: &mut dyn Change,
    dialect: Dialect,
    id: ApprovalId,
) -> sqlx::Result<Option<Approval>> {
    let question = Statement::assembled(format!("{ONE}{}", dialect.held()));
    first(&change.ask(question.bind(id.to_string())).await?)
}

fn over(count: i64, most: usize) -> bool {
    usize::try_from(count).unwrap_or(usize::MAX) >= most
}
