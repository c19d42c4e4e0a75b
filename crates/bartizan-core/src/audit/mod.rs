//! What shall be remembered? One request record for every exchange, whatever becomes of it.

pub mod record;
pub mod chain;
pub mod details;
pub mod told;
pub mod canonical;

use std::fmt::Debug;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::Method;
use serde_json::{Map, Value};

use crate::admit::ClientAddress;
use crate::authenticate::Caller;
use crate::authorize::endpoint::Endpoint;
use crate::id::RequestId;
use crate::time::Timestamp;
use record::Pieces;

/// Where entries go. It must not block: it is called on the way of every exchange.
pub trait Trail: Debug + Send + Sync {
    /// Takes an entry. What is dropped before the receipt is awaited is recorded all the same.
    fn append(&self, entry: &Entry) -> Receipt;

    /// Whether entries of this event are kept. Request records always are.
    fn keeps(&self, event: Event) -> bool;
}

/// The promise that an entry is, or will be, on its medium.
pub enum Receipt {
    /// As durable as the trail makes it: nothing to wait for.
    Done,
    /// To be awaited before anything is told to the client.
    Pending(Pin<Box<dyn Future<Output = Result<(), Lost>> + Send>>),
}

/// The entry could not be written. Whatever depends on it must not happen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the audit log could not be written")]
pub struct Lost;

impl Receipt {
    /// Waits until the entry is durable.
    ///
    /// # Errors
    /// [`Lost`] where it will never be.
    pub async fn durable(self) -> Result<(), Lost> {
        match self {
            Self::Done => Ok(()),
            Self::Pending(receipt) => receipt.await,
        }
    }
}

impl Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Done => "Done",
            Self::Pending(_) => "Pending",
        })
    }
}

/// One line of the log before it is numbered and chained.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What happened.
    pub event: Event,
    /// How it came out.
    pub outcome: Outcome,
    /// When.
    pub time: Timestamp,
    /// In which exchange; absent for what no request caused.
    pub facts: Option<Arc<Sheet>>,
    /// Why, in words that name rules and never values.
    pub reason: Option<String>,
    /// What else belongs to it: types, counts, names.
    pub details: Map<String, Value>,
    /// How the exchange ended; on the last of its request records only.
    pub end: Option<End>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct End {
    /// The status that the client saw; absent where it saw none.
    pub status: Option<u16>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// What it used.
    pub usage: Usage,
}

/// What an exchange used.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Tokens of the request.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// Tokens of the request that the provider had in its cache.
    pub tokens_cached: u64,
    /// Cost in nano-dollars.
    pub usd_nano: u64,
}

/// What is known of an exchange; each stage adds what it learns.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its name.
    pub request_id: RequestId,
    /// The trace it belongs to: 32 hexadecimal digits (W3C Trace Context).
    pub trace_id: Option<Arc<str>>,
    /// Who called, once that is known.
    pub caller: Option<Caller>,
    /// From where.
    pub client: ClientAddress,
    /// With what, masked, at most 256 bytes.
    pub user_agent: Option<Arc<str>>,
    /// The decided verb; absent where no head could be read.
    pub verb: Option<Method>,
    /// The path, masked and without its query; absent where no head could be read.
    pub path: Option<Arc<str>>,
    /// The endpoint's path template, once it is known.
    pub endpoint: Option<Arc<str>>,
    /// The tool that is called, as it may be told.
    pub tool: Option<Arc<str>>,
    /// The model that is called, as it may be told.
    pub model: Option<Arc<str>>,
    /// The exchange of which this is a step, and which.
    pub parent: Option<(RequestId, u16)>,
    /// Whether nothing was to be sent: `TEST /action`.
    pub dry_run: bool,
    /// Whether a proxy asked about it, and sends it on itself.
    pub inquiry: bool,
}

impl Facts {
    /// What is known of a request of which no head could be read.
    #[must_use]
    pub fn of_unread(request_id: RequestId, client: ClientAddress) -> Self {
        Self {
            request_id,
            trace_id: None,
            caller: None,
            client,
            user_agent: None,
            verb: None,
            path: None,
            endpoint: None,
            tool: None,
            model: None,
            parent: None,
            dry_run: false,
            inquiry: false,
        }
    }
}

/// The facts of one exchange, and what all its records say alike, written at most once for as
/// long as nothing is learnt.
#[derive(Debug)]
pub struct Sheet {
    facts: Facts,
    written: OnceLock<Pieces>,
}

impl Sheet {
    /// The members `action`, `client`, `principal`, `request_id` and `trace_id` of a record.
    fn pieces(&self) -> [&[u8]; 5] {
        self.written.get_or_init(|| Pieces::of(&self.facts)).all()
    }
}

impl From<Facts> for Sheet {
    fn from(facts: Facts) -> Self {
        Self { facts, written: OnceLock::new() }
    }
}

/// A copy is made to learn more: it has not been written yet.
impl Clone for Sheet {
    fn clone(&self) -> Self {
        Self::from(self.facts.clone())
    }
}

impl Deref for Sheet {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

/// Whoever may change a fact makes what was written stale.
impl DerefMut for Sheet {
    fn deref_mut(&mut self) -> &mut Facts {
        self.written = OnceLock::new();
        &mut self.facts
    }
}

/// How an event came out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The client hung up, or the process died, before it was over.
    Abandoned,
    /// It went through.
    Allow,
    /// It was refused.
    Deny,
    /// Something of ours, or of the upstream's, failed.
    Error,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $severity:ident;)*) => {
        /// What the log knows of.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Event { $($(#[$doc])* $name,)* }

        impl Event {
            /// Every event there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word for it in the record.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The event of that word; none where there is no such event.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|event| event.as_str() == word)
            }

            /// How much it matters.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
        }
    };
}

events! {
    /// A credential was accepted.
    AuthSuccess = "AUTH_SUCCESS", Info;
    /// A credential was turned away, or one was missing.
    AuthFailure = "AUTH_FAILURE", Warning;
    /// The token endpoint gave a token.
    TokenIssued = "TOKEN_ISSUED", Info;
    /// A token was taken back.
    TokenRevoked = "TOKEN_REVOKED", Info;
    /// The policy said yes.
    AccessGranted = "ACCESS_GRANTED", Info;
    /// The policy said no.
    AccessDenied = "ACCESS_DENIED", Warning;
    /// A request is about to depart to a handler or an upstream.
    RequestStart = "REQUEST_START", Info;
    /// A request was answered.
    RequestEnd = "REQUEST_END", Info;
    /// A request was refused, failed or was abandoned.
    RequestError = "REQUEST_ERROR", Warning;
    /// A tool was called.
    ToolCall = "TOOL_CALL", Info;
    /// A tool call succeeded.
    ToolSuccess = "TOOL_SUCCESS", Info;
    /// A tool call failed.
    ToolFailure = "TOOL_FAILURE", Warning;
    /// Personal data was found, and dealt with as configured.
    PiiDetected = "PII_DETECTED", Notice;
    /// Personal data was found, and the call was stopped.
    PiiBlocked = "PII_BLOCKED", Warning;
    /// A prompt was found that tries to give orders.
    PromptInjection = "PROMPT_INJECTION", Warning;
    /// A rate limit was used up.
    RateLimitExceeded = "RATE_LIMIT_EXCEEDED", Warning;
    /// A budget passed one of its marks.
    BudgetAlert = "BUDGET_ALERT", Warning;
    /// A budget was used up.
    BudgetExceeded = "BUDGET_EXCEEDED", Warning;
    /// Somebody's approval is asked for.
    ApprovalRequested = "APPROVAL_REQUESTED", Notice;
    /// Somebody approved or declined.
    ApprovalDecided = "APPROVAL_DECIDED", Notice;
    /// Something that an operator should look at now.
    SecurityAlert = "SECURITY_ALERT", Critical;
    /// The configuration in force changed, or a change was refused.
    ConfigChanged = "CONFIG_CHANGED", Notice;
    /// An operator did something.
    AdminAction = "ADMIN_ACTION", Notice;
    /// The chain up to here is attested.
    Checkpoint = "CHECKPOINT", Info;
}

impl Event {
    /// Whether the log may not be configured to leave it out.
    #[must_use]
    pub fn always_kept(self) -> bool {
        matches!(
            self,
            Self::RequestStart
                | Self::RequestEnd
                | Self::RequestError
                | Self::Checkpoint
                | Self::ConfigChanged
                | Self::AdminAction
        )
    }
}

/// How much an event matters; the words are those of syslog (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Normal work.
    Info,
    /// Normal, and worth reading.
    Notice,
    /// Somebody was refused, or something failed.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// The word for it in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Outcome {
    /// The word for it in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// The facts of one exchange, and the duty to record its end: a dossier that is dropped before
/// it is closed records that too, as abandoned.
#[derive(Debug)]
pub struct Dossier {
    facts: Arc<Sheet>,
    opened: Timestamp,
    closed: bool,
    trail: Arc<dyn Trail>,
    /// Where it leads, if something is looked for there that the operator has added.
    own: Option<Arc<Endpoint>>,
    /// What was told of a tool that was called, until it is told what became of it.
    call: Mutex<Option<Box<Map<String, Value>>>>,
}

/// Something that happened on the way, and is worth a record of its own.
#[derive(Clone, Debug)]
pub struct Note {
    /// What happened.
    pub event: Event,
    /// How it came out.
    pub outcome: Outcome,
    /// Why, in words that name rules and never values.
    pub reason: Option<String>,
    /// What else belongs to it.
    pub details: Map<String, Value>,
}

/// How an exchange ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How it came out.
    pub outcome: Outcome,
    /// When.
    pub time: Timestamp,
    /// The status that the client saw; absent where it saw none.
    pub status: Option<u16>,
    /// Why it was refused or failed.
    pub reason: Option<String>,
    /// What it used.
    pub usage: Usage,
}

/// Why a call of a tool has failed, where nothing else is known.
const UNANSWERED: &str = "no answer came in this exchange";

impl Dossier {
    /// Opens the dossier of an exchange that began at `opened`.
    #[must_use]
    pub fn open(facts: Facts, opened: Timestamp, trail: Arc<dyn Trail>) -> Self {
        let (facts, call) = (Arc::new(facts.into()), Mutex::default());
        Self { facts, opened, closed: false, trail, own: None, call }
    }

    /// What is known so far.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The endpoint is known whose operator may have added something to what is looked for.
    pub fn belongs_to(&mut self, endpoint: &Arc<Endpoint>) {
        self.own = endpoint.profile.has_own().then(|| Arc::clone(endpoint));
    }

    /// A name that a caller or a model chose, as it may be told.
    #[must_use]
    pub fn told(&self, name: &Arc<str>) -> Arc<str> {
        match &self.own {
            Some(endpoint) => endpoint.profile.told(name),
            None => told::name(name),
        }
    }

    /// What is told in the place of a text in which something stands that the operator has added.
    fn instead(&self, text: &str) -> Option<String> {
        self.own.as_ref()?.profile.instead(text)
    }

    /// Adds what a stage has learnt.
    pub fn learn(&mut self, add: impl FnOnce(&mut Facts)) {
        add(&mut *Arc::make_mut(&mut self.facts));
    }

    /// A tool is called, of which this was told: what becomes of it is on record before the end, at the latest
    /// as a failure.
    pub fn expects(&mut self, details: Map<String, Value>) {
        self.call = Mutex::new(Some(Box::new(details)));
    }

    /// Records an event on the way.
    pub fn note(
        &self,
        event: Event,
        outcome: Outcome,
        time: Timestamp,
        reason: Option<String>,
        mut details: Map<String, Value>,
    ) -> Receipt {
        if matches!(event, Event::ToolSuccess | Event::ToolFailure) {
            self.call.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        if !self.trail.keeps(event) {
            return Receipt::Done;
        }
        if let Some(Value::String(tool)) = details.get_mut("tool") {
            if let Some(masked) = told::instead(tool) {
                *tool = masked;
            }
            if let Some(masked) = self.instead(tool) {
                *tool = masked;
            }
        }
        let reason = reason.map(|reason| self.instead(&reason).unwrap_or(reason));
        let facts = Some(Arc::clone(&self.facts));
        self.trail.append(&Entry { event, outcome, time, facts, reason, details, end: None })
    }

    /// Records the end of the exchange.
    pub fn close(mut self, ending: Ending) -> Receipt {
        self.finish(ending)
    }

    fn finish(&mut self, ending: Ending) -> Receipt {
        let Ending { outcome, time, status, reason, usage } = ending;
        let call = self.call.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(details) = call {
            let why = reason.clone().or_else(|| Some(UNANSWERED.to_owned()));
            drop(self.note(Event::ToolFailure, Outcome::Error, time, why, *details));
        }
        let event = match outcome {
            Outcome::Allow => Event::RequestEnd,
            Outcome::Abandoned | Outcome::Deny | Outcome::Error => Event::RequestError,
        };
        let duration_us = u64::try_from(time.since(self.opened).as_micros()).unwrap_or(u64::MAX);
        let end = Some(End { status, duration_us, usage });
        let reason = reason.map(|reason| self.instead(&reason).unwrap_or(reason));
        let (facts, details) = (Some(Arc::clone(&self.facts)), Map::new());
        self.closed = true;
        self.trail.append(&Entry { event, outcome, time, facts, reason, details, end })
    }
}

impl Drop for Dossier {
    fn drop(&mut self) {
        if !self.closed {
            drop(self.finish(Ending::abandoned(self.opened)));
        }
    }
}

impl Ending {
    /// The client hung up, or a stage panicked. Its time is that of the opening: nobody is left
    /// who could say what time it is now.
    #[must_use]
    pub fn abandoned(opened: Timestamp) -> Self {
        let usage = Usage::default();
        Self { outcome: Outcome::Abandoned, time: opened, status: None, reason: None, usage }
    }
}
