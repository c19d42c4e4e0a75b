//! Has somebody agreed, where somebody must? Asks the book of approvals.

use std::sync::Arc;

use bartizan_core::authorize::approval::{
    Approval, ApprovalId, Approvals, Approvers, Asked, MAX_SHOWN, Petition, Redeemed, Ruling,
    Unreachable,
};
use bartizan_core::exchange::{Agreed, Exchange, Masked, Refused};

use crate::clock;
use crate::stage::Stage;

/// The seventh stage: a call that somebody must agree to waits here.
///
/// It comes last before a call departs, so that an approval is only asked for a call that is
/// sound and within its limits, and only used for one that goes out.
#[derive(Clone, Debug)]
pub struct Approve {
    pub(crate) book: Arc<dyn Approvals>,
    pub(crate) approvers: Arc<Approvers>,
}

impl<B: Send> Stage<Exchange<Masked<B>>> for Approve {
    type Out = Exchange<Agreed<B>>;

    async fn pass(&self, exchange: Exchange<Masked<B>>) -> Result<Self::Out, Refused> {
        let Some(petition) = exchange.petition() else { return exchange.agree(None) };
        let shown = self.approvers.show_body.then(|| shown(&exchange.bytes())).flatten();
        let petition = if self.approvers.show_body { petition } else { without_query(petition) };
        // Boxed, because this way is rare, and every request would carry room for it.
        let ruling = Box::pin(self.rule(petition, shown)).await;
        exchange.agree(Some(ruling))
    }
}

impl Approve {
    async fn rule(
        &self,
        petition: Petition,
        shown: Option<Arc<str>>,
    ) -> Result<Ruling, Unreachable> {
        let Petition { approval, shown: id } = petition;
        let now = clock::now();
        match id {
            None => {
                let expires = now.plus(self.approvers.patience);
                let id = ApprovalId(clock::chance());
                let approval = Approval { id, expires, shown, asked: now, ..approval };
                Ok(match self.book.ask(approval, now).await? {
                    Asked::Full => Ruling::Full,
                    Asked::Known(approval) => waiting(approval, false),
                    Asked::New(approval) => waiting(approval, true),
                })
            }
            Some(Err(lapse)) => Ok(Ruling::Lapsed(lapse)),
            Some(Ok(id)) => {
                let Approval { requester, digest, .. } = &approval;
                Ok(match self.book.redeem(id, requester, digest, now).await? {
                    Redeemed::Lapsed(lapse) => Ruling::Lapsed(lapse),
                    Redeemed::Taken(approval) => Ruling::Taken(Box::new(approval)),
                    Redeemed::Waiting(approval) => waiting(approval, false),
                })
            }
        }
    }
}

fn waiting(approval: Approval, new: bool) -> Ruling {
    Ruling::Waiting { approval: Box::new(approval), new }
}

/// Leaves of the query nothing but that there is one: what no query can look like.
fn without_query(mut petition: Petition) -> Petition {
    let query = petition.approval.query.take();
    petition.approval.query = query.map(|_| "…".into());
    petition
}

/// The beginning of a body that is text, for whoever decides.
fn shown(body: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.is_empty())?;
    text.get(..text.floor_char_boundary(MAX_SHOWN)).map(Arc::from)
}
