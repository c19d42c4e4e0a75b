//! Who agreed? A call that somebody must agree to first, and the book in which it waits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Grant, Policy};
use crate::authenticate::{Caller, Principal};
use crate::seam::BoxFuture;
use crate::time::Timestamp;

/// What an approval is called: 128 bits that nobody guesses, written `apr_` and 32 digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApprovalId(pub u128);

/// The call that was asked about: SHA-256 over its verb, target, media type and body.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallDigest(pub [u8; 32]);

/// A call that somebody must agree to, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// What it is called.
    pub id: ApprovalId,
    /// Who wants to make the call, `corp:ann`.
    pub requester: Arc<str>,
    /// The tenant of the requester.
    pub tenant: Option<Arc<str>>,
    /// The verb of the endpoint.
    pub verb: Arc<str>,
    /// The path template of the endpoint.
    pub endpoint: Arc<str>,
    /// The path of the call, masked as the audit log has it.
    pub path: Arc<str>,
    /// The query of the call as it would be sent; for whoever decides.
    pub query: Option<Arc<str>>,
    /// The media type of the body, as the requester wrote it.
    pub media: Option<Arc<str>>,
    /// How long the body is, in bytes, shown or not; none where it was not written down.
    pub length: Option<u64>,
    /// Which call exactly.
    pub digest: CallDigest,
    /// What asks for the approval: the name of a statement, or `endpoint`.
    pub because: Arc<str>,
    /// The body as it would be sent, as far as it is text and short; for whoever decides.
    pub shown: Option<Arc<str>>,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Until when it may be decided, or used.
    pub expires: Timestamp,
    /// What became of it.
    pub state: State,
    /// Who decided, `corp:bob`.
    pub decided_by: Option<Arc<str>>,
}

/// What became of an approval.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Somebody agreed; the call may be made, once.
    Approved,
    /// Somebody declined.
    Declined,
    /// Its time is over.
    Expired,
    /// Nobody has decided.
    Pending,
    /// The call was made.
    Used,
}

/// What may be decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// The call may be made.
    Approve,
    /// It may not.
    Decline,
}

/// Who may decide, and how long that matters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approvers {
    /// Whoever has one of these roles, or one that inherits from it,
    pub roles: Vec<Arc<str>>,
    /// or holds one of these scopes.
    pub scopes: Vec<Arc<str>>,
    /// Whether those who belong to no tenant decide for every tenant.
    pub across_tenants: bool,
    /// How long a call waits for a decision, and then how long it may be made.
    pub patience: Duration,
    /// Whether those who decide are shown the body and the query.
    pub show_body: bool,
}

impl Default for Approvers {
    /// Nobody may decide; calls wait for an hour.
    fn default() -> Self {
        let patience = Duration::from_hours(1);
        let (roles, scopes) = (Vec::new(), Vec::new());
        Self { roles, scopes, across_tenants: false, patience, show_body: true }
    }
}

/// The longest body that is shown, in bytes.
pub const MAX_SHOWN: usize = 4096;

/// The most approvals that wait or may be used at a time.
pub const MAX_OPEN: usize = 10_000;

/// The most of them that one requester has.
pub const MAX_OPEN_EACH: usize = 100;

/// The most that a page of a list holds.
pub const MAX_PAGE: usize = 100;

/// What a store answers, in time.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unreachable>>;

/// The book cannot be asked; closed by default.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the store of approvals cannot answer: {reason}")]
pub struct Unreachable {
    /// Why, for the operator. Never for the client.
    pub reason: String,
}

impl Unreachable {
    /// Cannot answer, because.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// The book of approvals. `bartizan-testkit` holds the suite that every store passes.
///
/// At most [`MAX_OPEN`] are open at a time, and [`MAX_OPEN_EACH`] of one requester. What expired
/// is forgotten a day later.
pub trait Approvals: Send + Sync + fmt::Debug {
    /// Writes a call down, unless the same call of the same requester waits or may be used
    /// already: then that one is the answer.
    fn ask(&self, approval: Approval, now: Timestamp) -> Answer<'_, Asked>;

    /// Uses an approval: in one step, so that of two calls that come with it one is made.
    fn redeem<'a>(
        &'a self,
        id: ApprovalId,
        requester: &'a str,
        digest: &'a CallDigest,
        now: Timestamp,
    ) -> Answer<'a, Redeemed>;

    /// The approval called this, as it stands at `now`.
    fn approval(&self, id: ApprovalId, now: Timestamp) -> Answer<'_, Option<Approval>>;

    /// A page of those that wait, in the order of their ids, from behind `after`.
    fn waiting(&self, after: Option<ApprovalId>, now: Timestamp) -> Answer<'_, Vec<Approval>>;

    /// Decides one that waits; it then may be used until `until`. Whose right that is, was looked
    /// at before. The answer is the approval as it stands afterwards, and whether this decided it.
    fn decide<'a>(
        &'a self,
        id: ApprovalId,
        decision: Decision,
        by: &'a str,
        until: Timestamp,
        now: Timestamp,
    ) -> Answer<'a, Option<(Approval, bool)>>;
}

/// How long an approval that is over is still shown.
pub const KEPT: Duration = Duration::from_hours(24);

/// What asking came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asked {
    /// Too many are open, of this requester or of all.
    Full,
    /// The same call had been asked about.
    Known(Approval),
    /// It was written down.
    New(Approval),
}

/// What using an approval came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Redeemed {
    /// It cannot be used.
    Lapsed(Lapse),
    /// It was used now; never again.
    Taken(Approval),
    /// Nobody has decided yet.
    Waiting(Approval),
}

/// Why an approval cannot be used. The caller must ask again, or do without.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Lapse {
    /// Somebody declined.
    #[error("the approval was declined")]
    Declined,
    /// Its time is over.
    #[error("the approval has expired")]
    Expired,
    /// There is none of that name, or it is somebody else's, or of another call: nobody learns
    /// which.
    #[error("there is no such approval of this call")]
    Foreign,
    /// It has been used.
    #[error("the approval has been used")]
    Used,
}

/// What a grant still waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Need {
    /// What asks for it: the name of a statement, or `endpoint`.
    pub because: Arc<str>,
    /// Which call; known once it has been read.
    pub(crate) digest: Option<CallDigest>,
}

/// A call that somebody must agree to, as the road takes it to the book.
#[derive(Clone, Debug)]
pub struct Petition {
    /// What is to be written down, but for its name and its end.
    pub approval: Approval,
    /// The approval that the caller showed; `Err` where what they showed is none.
    pub shown: Option<Result<ApprovalId, Lapse>>,
}

/// What the book said of a petition.
#[derive(Clone, Debug)]
pub enum Ruling {
    /// Too many are open.
    Full,
    /// What was shown cannot be used.
    Lapsed(Lapse),
    /// An approval was used: the call may be made.
    Taken(Box<Approval>),
    /// Somebody must decide first. `new` where it was asked for by this very call.
    Waiting {
        /// What is waited for.
        approval: Box<Approval>,
        /// Whether it was written down now.
        new: bool,
    },
}

impl Approval {
    /// The same as it stands at `now`.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        if self.is_open() && self.expires <= now {
            self.state = State::Expired;
        }
        self
    }

    /// Whether there is more of the body than is shown.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let shown = self.shown.as_ref().map_or(0, |shown| shown.len());
        self.length.is_none_or(|length| length > shown as u64)
    }

    /// Whether it waits or may be used.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Approved | State::Pending)
    }

    /// What it comes to where `requester` makes the call `digest` with it at `now`.
    #[must_use]
    pub fn redeemed(self, requester: &str, digest: &CallDigest, now: Timestamp) -> Redeemed {
        if *self.requester != *requester || self.digest != *digest {
            return Redeemed::Lapsed(Lapse::Foreign);
        }
        let approval = self.at(now);
        match approval.state {
            State::Approved => Redeemed::Taken(Self { state: State::Used, ..approval }),
            State::Declined => Redeemed::Lapsed(Lapse::Declined),
            State::Expired => Redeemed::Lapsed(Lapse::Expired),
            State::Pending => Redeemed::Waiting(approval),
            State::Used => Redeemed::Lapsed(Lapse::Used),
        }
    }

    /// The same, decided; none where it does not wait at `now`.
    #[must_use]
    pub fn decided(
        self,
        decision: Decision,
        by: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<Self> {
        let approval = self.at(now);
        let state = match decision {
            Decision::Approve => State::Approved,
            Decision::Decline => State::Declined,
        };
        (approval.state == State::Pending).then(|| Self {
            state,
            decided_by: Some(by.into()),
            expires: until,
            ..approval
        })
    }
}

/// Why somebody may not decide.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotTheirs {
    /// They act for somebody else (RFC 8693 section 4.1), who has not looked at it.
    #[error("a token that is used on behalf of somebody cannot decide")]
    Delegated,
    /// It is their own.
    #[error("nobody decides about a call of their own")]
    Own,
    /// They have not the right, or it is another tenant's: for them there is none.
    #[error("there is no such approval")]
    Unknown,
}

impl Approvers {
    /// Whether anybody may decide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.scopes.is_empty()
    }

    /// Whether `caller` may decide about `approval`.
    ///
    /// # Errors
    /// [`NotTheirs`] says why not.
    pub fn may_decide(
        &self,
        policy: &Policy,
        caller: &Caller,
        approval: &Approval,
    ) -> Result<(), NotTheirs> {
        if !self.has_right(policy, caller) || !self.reaches(caller, approval) {
            let own = is_own(caller, approval);
            return Err(if own { NotTheirs::Own } else { NotTheirs::Unknown });
        }
        if is_own(caller, approval) {
            return Err(NotTheirs::Own);
        }
        if caller.claims().has("act") {
            return Err(NotTheirs::Delegated);
        }
        Ok(())
    }

    /// Whether `caller` may see `approval`: it is their own, or theirs to decide.
    #[must_use]
    pub fn may_see(&self, policy: &Policy, caller: &Caller, approval: &Approval) -> bool {
        is_own(caller, approval)
            || (self.has_right(policy, caller) && self.reaches(caller, approval))
    }

    /// Whether `caller` has a role or a scope of those who decide, about whatever it is.
    #[must_use]
    pub fn has_right(&self, policy: &Policy, caller: &Caller) -> bool {
        if caller.is_anonymous() {
            return false;
        }
        let held = policy.roles_of(caller);
        self.roles.iter().any(|role| policy.roles.hold(&held, role))
            || self.scopes.iter().any(|scope| policy.scopes.hold(caller.scopes(), scope))
    }

    /// Whether the approval is of the caller's tenant.
    fn reaches(&self, caller: &Caller, approval: &Approval) -> bool {
        caller.tenant() == approval.tenant.as_ref()
            || (self.across_tenants && caller.tenant().is_none())
    }
}

fn is_own(caller: &Caller, approval: &Approval) -> bool {
    let Principal { issuer, subject, .. } = caller.principal();
    let own = approval.requester.split_once(':');
    !caller.is_anonymous() && own == Some((&**issuer, &**subject))
}

impl fmt::Display for CallDigest {
    /// `sha256:` and 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl CallDigest {
    /// Over the parts of a call, each with its length before it, so that nothing can be moved
    /// from one part into the next.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "apr_{:032x}", self.0)
    }
}

impl ApprovalId {
    /// Reads what [`fmt::Display`] writes, and nothing else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("apr_").filter(|digits| digits.len() == 32)?;
        let plain = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| u128::from_str_radix(digits, 16).ok().map(Self)).flatten()
    }
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Pending => "pending",
            Self::Used => "used",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Approved, Self::Declined, Self::Expired, Self::Pending, Self::Used]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

impl Grant {
    /// What it still waits for, if anything.
    #[must_use]
    pub fn need(&self) -> Option<&Need> {
        self.approval.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_moved_from_one_part_of_a_call_into_the_next() {
        let digest = |parts: &[&[u8]]| CallDigest::of(parts);
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_ne!(digest(&[b"a", b""]), digest(&[b"a"]));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let id = ApprovalId(0xabc);
        assert_eq!(ApprovalId::parse(&id.to_string()), Some(id));
        for text in [
            "apr_abc",
            "APR_00000000000000000000000000000abc",
            "apr_+0000000000000000000000000000abc",
        ] {
            assert_eq!(ApprovalId::parse(text), None, "{text}");
        }
        assert_eq!(ApprovalId::parse(&id.to_string().to_uppercase()), None);
    }
}
