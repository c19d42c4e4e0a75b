//! Approvals that are forgotten when the process ends.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use bartizan_core::authorize::approval::{
    Answer, Approval, ApprovalId, Approvals, Asked, CallDigest, Decision, KEPT, MAX_OPEN,
    MAX_OPEN_EACH, MAX_PAGE, Redeemed, State,
};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;

/// A book of approvals in memory.
#[derive(Debug, Default)]
pub struct MemoryApprovals(Mutex<BTreeMap<ApprovalId, Approval>>);

impl MemoryApprovals {
    /// Nothing here waits: the answer is there at once.
    fn answer<'a, T: Send + 'a>(
        &self,
        ask: impl FnOnce(&mut BTreeMap<ApprovalId, Approval>) -> T,
    ) -> Answer<'a, T> {
        let answer = ask(&mut self.0.lock());
        Box::pin(std::future::ready(Ok(answer)))
    }
}

impl Approvals for MemoryApprovals {
    fn ask(&self, approval: Approval, now: Timestamp) -> Answer<'_, Asked> {
        self.answer(|book| {
            book.retain(|_, known| known.expires.plus(KEPT) > now);
            let open = || book.values().filter(|known| known.is_open() && known.expires > now);
            let theirs = || open().filter(|known| known.requester == approval.requester);
            if let Some(known) = theirs().find(|known| known.digest == approval.digest) {
                return Asked::Known(known.clone());
            }
            // What is over is kept for a while, and must not fill the memory either.
            if theirs().count() >= MAX_OPEN_EACH
                || open().count() >= MAX_OPEN
                || book.len() >= 2 * MAX_OPEN
            {
                return Asked::Full;
            }
            book.insert(approval.id, approval.clone());
            Asked::New(approval)
        })
    }

    fn redeem<'a>(
        &'a self,
        id: ApprovalId,
        requester: &'a str,
        digest: &'a CallDigest,
        now: Timestamp,
    ) -> Answer<'a, Redeemed> {
        self.answer(|book| {
            use bartizan_core::authorize::approval::Lapse;
            let Some(known) = book.get_mut(&id) else { return Redeemed::Lapsed(Lapse::Foreign) };
            let redeemed = known.clone().redeemed(requester, digest, now);
            if let Redeemed::Taken(used) = &redeemed {
                *known = used.clone();
            }
            redeemed
        })
    }

    fn approval(&self, id: ApprovalId, now: Timestamp) -> Answer<'_, Option<Approval>> {
        self.answer(|book| book.get(&id).map(|known| known.clone().at(now)))
    }

    fn waiting(&self, after: Option<ApprovalId>, now: Timestamp) -> Answer<'_, Vec<Approval>> {
        self.answer(|book| {
            let behind = book.range((after.map_or(Unbounded, Excluded), Unbounded));
            let standing = behind.map(|(_, known)| known.clone().at(now));
            standing.filter(|known| known.state == State::Pending).take(MAX_PAGE).collect()
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
        self.answer(|book| {
            let known = book.get_mut(&id)?;
            let decided = known.clone().decided(decision, by, until, now);
            let new = decided.is_some();
            if let Some(decided) = decided {
                *known = decided;
            }
            Some((known.clone().at(now), new))
        })
    }
}
