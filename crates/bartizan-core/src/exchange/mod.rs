//! One request on its way: the order of the stages, and proof that it was kept.
//!
//! ```text
//! Received → Routed → Admitted → Authenticated → Authorized → Validated → Permitted → Masked → Agreed → Announced → away
//! ```

mod entry;
mod field;
mod journey;
mod passage;
mod record;
mod refused;

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use serde_json::Value;

use crate::admit::{ClientAddress, Purpose};
use crate::audit::{Dossier, Facts, Note, Receipt, Usage};
use crate::authenticate::{Caller, Subject};
use crate::authorize::approval::Approval;
use crate::authorize::{Endpoint, Grant, Route};
use crate::id::RequestId;
use crate::limit::permit::Permit;
use crate::limit::{Draw, ReservationId, Standing};
use crate::mask::{Detection, Profile, Vault};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::validate::echo::Echo;
use crate::validate::{Call, Estimate, Listener, Models, Payload, Protocol};

pub use entry::NotAuthenticated;
pub use field::{
    IDENTITY_PREFIX, X_APPROVAL_ID, claims_identity, is_event_stream, is_standard, media,
};
use record::{By, note_detections};
pub use refused::Realm;

/// A request, and proof of how far it has come.
///
/// `S` is the stage last passed. States are built in this module and nowhere else, so whoever
/// holds an `Exchange<Agreed<B>>` holds a request that has passed every stage before.
#[derive(Debug)]
pub struct Exchange<S> {
    /// In boxes, because an exchange moves at every stage.
    head: Box<Parts>,
    memory: Box<Memory>,
    state: S,
}

/// What is remembered of an exchange to its end, also where it is refused.
#[derive(Debug)]
struct Memory {
    now: Timestamp,
    purpose: Purpose,
    dossier: Dossier,
    standings: Vec<Standing>,
    /// The call that a browser asks about, where this is no call itself.
    preflight: Option<Box<Preflight>>,
    /// What was put aside, and comes back in the answer.
    vault: Option<Box<Vault>>,
    /// What of the call stands in an error about it.
    echo: Option<Box<Echo>>,
    /// The caller's token, where the upstream is shown another one for it.
    subject: Option<Box<Subject>>,
}

/// The call that a browser asks about.
#[derive(Debug)]
struct Preflight {
    verb: Method,
    endpoint: Arc<Endpoint>,
}

impl Memory {
    /// The number of the call is known now, if it has one.
    fn number(&mut self, id: Option<Box<Value>>) {
        if let Some(id) = id {
            self.echo = Some(Box::new(Echo::Rpc(*id)));
        }
    }

    /// Notes what is to be remembered of the way in.
    fn note(&self, note: Note) {
        let Note { event, outcome, reason, details } = note;
        drop(self.dossier.note(event, outcome, self.now, reason, details));
    }

    /// Notes what was found on the way in.
    fn found(&self, profile: &Profile, by: By<'_>, detections: &[Detection]) {
        note_detections(&self.dossier, profile, by, detections, self.now);
    }
}

/// A head was parsed; nothing else is known.
#[derive(Debug)]
pub struct Received<B> {
    body: B,
}

/// The target has one reading, and leads somewhere or nowhere.
#[derive(Debug)]
pub struct Routed<B> {
    route: Route,
    body: B,
}

/// There is room at the door.
#[derive(Debug)]
pub struct Admitted<B> {
    route: Route,
    body: B,
}

/// Who is calling is known, or that nobody says so.
#[derive(Debug)]
pub struct Authenticated<B> {
    caller: Caller,
    route: Route,
    body: B,
}

/// They may do it.
#[derive(Debug)]
pub struct Authorized<B> {
    grant: Grant,
    body: B,
}

/// The call is sound.
#[derive(Debug)]
pub struct Validated<B> {
    grant: Grant,
    call: Box<Call<B>>,
}

/// Room and money are reserved.
#[derive(Debug)]
pub struct Permitted<B> {
    permit: Box<Permit>,
    call: Box<Call<B>>,
}

/// What must not leave is gone.
#[derive(Debug)]
pub struct Masked<B> {
    permit: Box<Permit>,
    call: Box<Call<B>>,
}

/// Whoever must agree has agreed.
#[derive(Debug)]
pub struct Agreed<B> {
    permit: Box<Permit>,
    call: Box<Call<B>>,
    /// What was used for it.
    approval: Option<Box<Approval>>,
}

/// The log knows that it is about to depart.
#[derive(Debug)]
pub struct Announced<B> {
    permit: Box<Permit>,
    call: Box<Call<B>>,
}

/// What the road knows of a request when it arrives.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its name.
    pub id: RequestId,
    /// When it arrived: the time of every decision about it.
    pub now: Timestamp,
    /// From where.
    pub client: ClientAddress,
    /// The trace it belongs to (W3C Trace Context), 32 hexadecimal digits.
    pub trace_id: Option<Arc<str>>,
    /// With what, masked.
    pub user_agent: Option<Arc<str>>,
    /// The path, masked, without its query.
    pub path: Arc<str>,
    /// The exchange of which it is a step, and which.
    pub parent: Option<(RequestId, u16)>,
    /// Whether nothing is to be sent.
    pub dry_run: bool,
    /// Whether it is to be answered here, or was only asked about.
    pub purpose: Purpose,
}

/// The request to send. There is no way to one but through every stage.
#[derive(Debug)]
pub struct Departure<B> {
    /// Its name.
    pub id: RequestId,
    /// From where it came.
    pub client: ClientAddress,
    /// Verb, target and header fields, without the caller's credential.
    pub head: Box<Parts>,
    /// The body.
    pub body: Payload<B>,
    /// The body as the document that its schema was checked against; none where there is no
    /// schema, or where something was masked in it.
    pub document: Option<Box<Value>>,
    /// On whose behalf.
    pub caller: Caller,
    /// Their token, where the upstream is shown another one for it: see [`Endpoint::exchanges`].
    pub subject: Option<Box<Subject>>,
    /// The roles that the caller has here, assigned ones included.
    pub roles: Vec<Arc<str>>,
    /// To which endpoint.
    pub endpoint: Arc<Endpoint>,
    /// The model that it asks for, if it asks one.
    pub model: Option<Arc<str>>,
}

/// What stays at the gate while the request is away.
#[derive(Debug)]
#[must_use = "a journey holds a reservation: settle it"]
pub struct Journey {
    permit: Box<Permit>,
    models: Models,
    estimate: Estimate,
    listener: Option<Listener>,
    /// What was put aside, and comes back in the answer.
    vault: Option<Arc<Vault>>,
    memory: Box<Memory>,
}

/// The end of an exchange that did not go through.
#[derive(Debug)]
#[must_use = "the client is waiting for an answer"]
pub struct Refused {
    refusal: Box<Refusal>,
    memory: Box<Memory>,
    protocol: Protocol,
    /// Nothing where nothing was reserved yet.
    bill: Option<Box<Bill>>,
}

/// What is due for an exchange that did not go through.
#[derive(Debug, Default)]
struct Bill {
    /// What was reserved before the refusal, to be given back or charged.
    release: Option<Release>,
    /// What the call used before it was refused.
    usage: Usage,
}

/// What answering a refusal leaves to be done.
#[derive(Debug)]
pub struct Answered {
    /// For the client.
    pub response: Response<Bytes>,
    /// That the end is on record.
    pub receipt: Receipt,
}

/// What is left of a question whether a page may call.
#[derive(Debug)]
pub struct Preflighted {
    /// The verb that was asked about.
    pub verb: Method,
    /// That the end is on record.
    pub receipt: Receipt,
}

/// What is left of a dry run.
#[derive(Debug)]
pub struct Rehearsed {
    /// To be settled with the meter, if anything was reserved.
    pub release: Option<Release>,
    /// That the end is on record.
    pub receipt: Receipt,
}

/// What is to be settled with the meter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Release {
    /// The reservation.
    pub id: ReservationId,
    /// What was really used of each draw.
    pub actual: Vec<Draw>,
}

impl<S> Exchange<S> {
    /// Verb, target and header fields.
    #[must_use]
    pub fn head(&self) -> &Parts {
        &self.head
    }

    /// When it was opened.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.memory.now
    }

    /// What is known of it.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        self.memory.dossier.facts()
    }

    /// Turns the old state into the new one, or ends the exchange.
    fn step<T, E: Into<Refusal>>(
        self,
        step: impl FnOnce(&mut Parts, &mut Memory, S) -> Result<T, E>,
    ) -> Result<Exchange<T>, Refused>
    where
        S: Situated,
    {
        let Self { mut head, mut memory, state } = self;
        let protocol = state.protocol();
        match step(&mut head, &mut memory, state) {
            Ok(state) => Ok(Exchange { head, memory, state }),
            Err(refusal) => {
                let refusal = Box::new(refusal.into());
                Err(Refused { refusal, memory, protocol, bill: None })
            }
        }
    }

    /// Goes no further, where nothing is reserved yet.
    fn refuse(self, refusal: impl Into<Refusal>) -> Refused
    where
        S: Situated,
    {
        let (refusal, protocol) = (Box::new(refusal.into()), self.state.protocol());
        Refused { refusal, memory: self.memory, protocol, bill: None }
    }
}

/// A state that knows in which dialect to refuse.
trait Situated {
    fn endpoint(&self) -> Option<&Arc<Endpoint>>;

    fn protocol(&self) -> Protocol {
        self.endpoint().map_or_else(Protocol::default, |endpoint| endpoint.protocol)
    }
}

macro_rules! situated {
    ($($state:ident: |$this:ident| $endpoint:expr;)*) => {
        $(impl<B> Situated for $state<B> {
            fn endpoint(&self) -> Option<&Arc<Endpoint>> {
                let $this = self;
                $endpoint
            }
        })*
    };
}

situated! {
    Received: |_unrouted| None;
    Routed: |this| this.route.endpoint();
    Admitted: |this| this.route.endpoint();
    Authenticated: |this| this.route.endpoint();
    Authorized: |this| Some(this.grant.endpoint());
    Validated: |this| Some(this.grant.endpoint());
}
