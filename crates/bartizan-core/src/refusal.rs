//! Every way to be turned away, sorted by who must do something about it.

use std::sync::Arc;
use std::time::Duration;

use crate::admit::Misdirected;
use crate::authenticate::Rejection;
use crate::authorize::approval::Approval;
use crate::authorize::{Denial, Denied};
use crate::limit::permit::Unpriced;
use crate::limit::{Exhausted, Unavailable};
use crate::mask::Blocked;
use crate::mask::injection::Suspicion;
use crate::validate::{Invalid, Unfit};

/// Why there is no answer but this one. [`crate::problem`] words it for the outside.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    // The client must send another request.
    /// The request cannot be read in one way only.
    #[error(transparent)]
    Misdirected(#[from] Misdirected),
    /// The call is not sound.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The call holds what must not pass.
    #[error(transparent)]
    Blocked(#[from] Blocked),
    /// A check of the developer's own says no.
    #[error("the hook `{hook}` objects")]
    Objected {
        /// Which check.
        hook: Arc<str>,
        /// Why.
        objection: Objection,
    },
    /// A check of the developer's own says no to the answer.
    #[error("the hook `{hook}` withholds the answer")]
    Withheld {
        /// Which check.
        hook: Arc<str>,
        /// Why.
        objection: Objection,
    },

    // The client must show another credential, or ask for more rights.
    /// Who is calling is not known.
    #[error("{rejection}")]
    Unauthenticated {
        /// What was wrong with the credential.
        rejection: Rejection,
        /// Which scopes would be needed.
        scopes: Vec<Arc<str>>,
    },
    /// Who is calling is known, and they may not.
    #[error(transparent)]
    Forbidden(#[from] Denial),

    // The client must wait, or be given more.
    /// Somebody must agree first.
    #[error("somebody must agree first: `{}` asks for it", .0.approval.because)]
    Waiting(Waiting),
    /// A limit or a budget is used up.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),

    // The operator must do something.
    /// A model that the price table does not know.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
    /// Something that the decision needs cannot be reached.
    #[error(transparent)]
    Unavailable(#[from] Outage),
    /// A handler failed, or panicked.
    #[error("the handler failed")]
    Failed,

    // The upstream must do something.
    /// There is no answer, or none that may pass.
    #[error(transparent)]
    Upstream(#[from] Upstream),
}

impl Refusal {
    /// As it may be told, to the client and to the log: the names in it that the client chose, or a
    /// model did, may hold what nobody is to read. `told` says how a name may be told.
    #[must_use]
    pub fn told(mut self, told: impl FnOnce(&Arc<str>) -> Arc<str>) -> Self {
        match &mut self {
            Self::Forbidden(
                Denial::Arguments { tool: name, .. }
                | Denial::Method(name)
                | Denial::Model(name)
                | Denial::Prompt(name)
                | Denial::Resource(name)
                | Denial::Skill(name)
                | Denial::Tool(name),
            )
            | Self::Unpriced(Unpriced(name)) => *name = told(name),
            _ => {}
        }
        self
    }
}

/// A call that waits for somebody to agree.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// What it waits for.
    pub approval: Box<Approval>,
    /// Whether it was asked for by this very call.
    pub new: bool,
}

/// Why a hook stops a call or an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Objection {
    /// For the client to read; nothing where it is empty.
    pub detail: String,
    /// The text that gives orders to a model, where that is why.
    pub prompt: Option<Box<Suspicion>>,
}

/// What of ours cannot be reached.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Outage {
    /// The book of approvals cannot be asked, or is full.
    #[error("approvals cannot be asked for: {0}")]
    Approvals(Arc<str>),
    /// The audit log cannot be written.
    #[error("the audit log cannot be written")]
    Audit,
    /// The token endpoint that issues what an upstream is to be shown.
    #[error("the token endpoint that issues the tokens for the upstream cannot be reached")]
    Credential,
    /// The store of identities, or the keys of an issuer.
    #[error("identities cannot be looked up")]
    Identities,
    /// The meter.
    #[error(transparent)]
    Meter(#[from] Unavailable),
    /// More is under way than is configured.
    #[error("more requests are under way than the configuration allows")]
    Overload,
    /// The gateway is about to stop.
    #[error("the gateway is shutting down")]
    ShuttingDown,
    /// Every upstream that could answer has failed of late, and is left alone.
    #[error("the upstream has failed of late and is left alone for a while")]
    Upstream,
}

impl Outage {
    /// How long it will last, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Meter(unavailable) => unavailable.retry_after,
            Self::Approvals(_)
            | Self::Audit
            | Self::Credential
            | Self::Identities
            | Self::Overload
            | Self::ShuttingDown
            | Self::Upstream => None,
        }
    }
}

/// What went wrong behind us.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Upstream {
    /// It answered, and its answer holds what must not pass.
    #[error("the answer of the upstream was withheld")]
    Blocked,
    /// It answered something that is no answer.
    #[error("the answer of the upstream could not be read")]
    Garbled,
    /// It does not take what the gate shows it.
    #[error("the upstream does not accept the gateway's credential")]
    Unauthorized,
    /// Whoever issues its tokens gives the gate none.
    #[error(
        "the token endpoint gave the gateway no token for the upstream; the log has what it said"
    )]
    Ungranted,
    /// No answer in time.
    #[error("the upstream did not answer in time")]
    TooSlow,
    /// No connection, or one that broke.
    #[error("the upstream could not be reached")]
    Unreachable,
    /// It answered, and nobody here can read the answer, in which something must be looked for:
    /// why, and what the operator can do. Clients are told that it was withheld, and no more.
    #[error("the answer of the upstream was withheld: {0}")]
    Unreadable(Arc<str>),
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Invalid(invalid) => Self::Invalid(invalid),
            Unfit::Denied(denial) => Self::Forbidden(denial),
            Unfit::Answered { unfit, .. } => Self::from(*unfit),
        }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Forbidden(denial) => Self::Forbidden(denial),
            Denied::Unauthenticated(rejection, scopes) => {
                Self::Unauthenticated { rejection, scopes }
            }
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        Self::Unauthenticated { rejection, scopes: Vec::new() }
    }
}

impl From<Unavailable> for Refusal {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(Outage::Meter(unavailable))
    }
}
