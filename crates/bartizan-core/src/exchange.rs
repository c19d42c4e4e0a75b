//! One request on its way: the order of the stages, and proof that it was kept.
//!
//! ```text
//! Received → Routed → Admitted → Authenticated → Authorized → Validated → Permitted → Masked → Agreed → Announced → away
//! ```

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, header};
use serde_json::{Map, Value};

use crate::admit::target::take_override;
use crate::admit::{ClientAddress, Misdirected, Target};
use crate::audit::{Dossier, Ending, Event, Facts, Lost, Note, Outcome, Receipt, Trail, Usage};
use crate::authenticate::{Caller, Credential, Places, Rejection, dpop};
use crate::authorize::approval::{
    Approval, ApprovalId, CallDigest, Lapse, Need, Petition, Ruling, State, Unreachable,
};
use crate::authorize::{Circumstances, Denial, Endpoint, Grant, Policy, Route, Routes};
use crate::describe::resource;
use crate::id::RequestId;
use crate::limit::permit::{Permit, Returns, at_the_door, on_the_road};
use crate::limit::{Draw, Exhausted, Kind, ReservationId, Standing, Unavailable, Verdict};
use crate::mask::{Blocked, Detection, Guard, Profile, Screened, Spotted, Vault};
use crate::problem::{self, Context};
use crate::refusal::{Objection, Outage, Refusal, Upstream, Waiting};
use crate::settle::{self, Spent, rehearsed};
use crate::time::Timestamp;
use crate::validate::{Call, Estimate, Intake, Invalid, Listener, Media, Payload, Protocol, Unfit};

/// A request, and proof of how far it has come.
///
/// `S` is the stage last passed. States are built in this file and nowhere else, so whoever
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
    dossier: Dossier,
    standings: Vec<Standing>,
    /// What was put aside, and comes back in the answer.
    vault: Option<Box<Vault>>,
}

impl Memory {
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
    model: Option<Arc<str>>,
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

impl<B> Exchange<Received<B>> {
    /// Opens an exchange. From here on it leaves exactly one end in the log.
    pub fn open(request: Request<B>, arrival: Arrival, trail: Arc<dyn Trail>) -> Self {
        let (mut head, body) = request.into_parts();
        for secret in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE] {
            if let Some(value) = head.headers.get_mut(secret) {
                value.set_sensitive(true);
            }
        }
        let Arrival { id, now, client, trace_id, user_agent, path, parent, dry_run } = arrival;
        let facts = Facts {
            request_id: id,
            trace_id,
            caller: None,
            client,
            user_agent,
            verb: head.method.clone(),
            path,
            endpoint: None,
            tool: None,
            model: None,
            parent,
            dry_run,
        };
        let dossier = Dossier::open(facts, now, trail);
        let (head, standings) = (Box::new(head), Vec::new());
        let memory = Box::new(Memory { now, dossier, standings, vault: None });
        Self { head, memory, state: Received { body } }
    }

    /// Reads the target, and finds where it leads. The decided verb replaces the one that was
    /// sent.
    ///
    /// # Errors
    /// Refused where the request can be read in two ways.
    pub fn route(self, routes: &Routes) -> Result<Exchange<Routed<B>>, Refused> {
        self.step(|head, Memory { dossier, .. }, Received { body }| {
            let rewritten = Target::parse(head)?.into_rewritten();
            canonicalise(&mut head.uri, rewritten.as_deref())?;
            let overridden = take_override(&head.method, &mut head.headers)?;
            let route = routes.find(&head.method, overridden.as_ref(), head.uri.path());
            match &route {
                Route::Found(endpoint) => {
                    head.method = endpoint.verb.clone();
                    dossier.learn(|facts| {
                        facts.verb = endpoint.verb.clone();
                        facts.endpoint = Some(Arc::clone(&endpoint.path));
                    });
                }
                // Named where nothing answers to it: nobody may learn more from that than from
                // a verb that is sent as one.
                Route::Missing { .. } => {}
            }
            Ok::<_, Misdirected>(Routed { route, body })
        })
    }
}

impl<B> Exchange<Routed<B>> {
    /// What the door draws: the limits by address.
    #[must_use]
    pub fn door_draws(&self) -> Vec<Draw> {
        let client = self.facts().client;
        self.state.endpoint().map_or_else(Vec::new, |endpoint| at_the_door(endpoint, client))
    }

    /// Lets the request in, if there is room.
    ///
    /// # Errors
    /// Refused where a limit by address is used up, or cannot be asked.
    pub fn admit(
        self,
        verdict: Result<Verdict, Unavailable>,
    ) -> Result<Exchange<Admitted<B>>, Refused> {
        self.step(|_, memory, Routed { route, body }| {
            match verdict? {
                Verdict::Taken { standings } => memory.standings = standings,
                Verdict::Short(exhausted) => return Err(Refusal::Exhausted(exhausted)),
            }
            Ok(Admitted { route, body })
        })
    }
}

impl<B> Exchange<Admitted<B>> {
    /// Whether the endpoint reads its clients' credentials itself (the token endpoint).
    #[must_use]
    pub fn has_own_credentials(&self) -> bool {
        self.state.endpoint().is_some_and(|endpoint| endpoint.protocol == Protocol::OAuth)
    }

    /// Goes on in the name of `caller`, or not at all. From here on nobody sees the credential.
    ///
    /// # Errors
    /// Refused where a credential was shown that is not valid, also at a public endpoint, or
    /// where it could not be looked up.
    pub fn authenticate(
        self,
        caller: Result<Caller, NotAuthenticated>,
        places: &Places,
    ) -> Result<Exchange<Authenticated<B>>, Refused> {
        let keeps_credential = self.has_own_credentials();
        self.step(|head, Memory { dossier, now, .. }, Admitted { route, body }| {
            // Also where another exchange has said who is calling: a step of a chain.
            Credential::none_in(&head.uri)?;
            let caller = match caller {
                Ok(caller) => caller,
                Err(NotAuthenticated::Rejected(rejection)) => return Err(Refusal::from(rejection)),
                Err(NotAuthenticated::Outage) => {
                    return Err(Refusal::Unavailable(Outage::Identities));
                }
                Err(NotAuthenticated::Overload) => {
                    return Err(Refusal::Unavailable(Outage::Overload));
                }
                Err(NotAuthenticated::Throttled(wait)) => return Err(throttled(wait).into()),
            };
            if !keeps_credential {
                head.headers.remove(header::AUTHORIZATION);
                for name in &places.key_headers {
                    head.headers.remove(name);
                }
                if places.dpop {
                    head.headers.remove(&dpop::DPOP);
                }
            }
            dossier.learn(|facts| facts.caller = Some(caller.clone()));
            if !caller.is_anonymous() {
                let actor = caller.actor().map(|actor| ("actor".to_owned(), actor.into()));
                let details = actor.into_iter().collect();
                drop(dossier.note(Event::AuthSuccess, Outcome::Allow, *now, None, details));
            }
            Ok(Authenticated { caller, route, body })
        })
    }
}

/// Why there is no caller.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotAuthenticated {
    /// The credential is not good.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The credential could not be looked up.
    #[error("identities cannot be looked up")]
    Outage,
    /// More is remembered of late than there is room for.
    #[error("no more proofs can be checked at the moment")]
    Overload,
    /// The address has shown too many credentials that are none.
    #[error("too many bad credentials came from this address")]
    Throttled(Duration),
}

/// The answer to one bad credential too many.
fn throttled(wait: Duration) -> Exhausted {
    Exhausted {
        name: "bad-credentials".into(),
        kind: Kind::Rate,
        retry_after: wait,
        never: false,
        standings: Vec::new(),
    }
}

impl<B> Exchange<Authenticated<B>> {
    /// Asks the policy.
    ///
    /// # Errors
    /// Refused where it says no.
    pub fn authorize(self, policy: &Policy) -> Result<Exchange<Authorized<B>>, Refused> {
        self.step(|head, Memory { dossier, now, .. }, Authenticated { caller, route, body }| {
            let circumstances = Circumstances {
                now: *now,
                address: dossier.facts().client.ip(),
                path: Some(head.uri.path()),
                headers: Some(&head.headers),
            };
            let grant = policy.decide(caller, &route, &circumstances)?;
            drop(dossier.note(Event::AccessGranted, Outcome::Allow, *now, None, Map::new()));
            Ok::<_, Refusal>(Authorized { grant, body })
        })
    }
}

impl<B> Exchange<Authorized<B>> {
    /// What was granted.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.state.grant
    }

    /// How the body must be taken in.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.state.grant.intake()
    }

    /// Hands out the body to be read; give it back to [`Exchange::validate`].
    pub fn take_body(self) -> (Exchange<Authorized<()>>, B) {
        let Self { head, memory, state: Authorized { grant, body } } = self;
        (Exchange { head, memory, state: Authorized { grant, body: () } }, body)
    }
}

impl Exchange<Authorized<()>> {
    /// Looks whether the call is sound.
    ///
    /// # Errors
    /// Refused where it is not, or where the body could not be read.
    pub fn validate<B>(
        self,
        body: Result<Payload<B>, Invalid>,
    ) -> Result<Exchange<Validated<B>>, Refused> {
        self.step(|head, Memory { dossier, .. }, Authorized { mut grant, .. }| {
            let body = body?;
            if grant.need().is_some() {
                grant.is_for(digest(head, &body)?);
            }
            let call = Box::new(Call::parse(&grant, head, body)?);
            if call.model().is_some() || call.tool().is_some() {
                dossier.learn(|facts| {
                    (facts.model, facts.tool) = (call.model().cloned(), call.tool().cloned());
                });
            }
            if let Some(because) = call.approval() {
                grant.asks_for(Arc::clone(because), digest(head, call.body())?);
            }
            Ok::<_, Unfit>(Validated { grant, call })
        })
    }
}

impl<B> Exchange<Validated<B>> {
    /// What must be drawn before this call may pass.
    ///
    /// # Errors
    /// Refused where money is counted and the price is not known.
    pub fn draws(self) -> Result<(Self, Vec<Draw>), Refused> {
        let client = self.facts().client;
        let mut draws = Vec::new();
        let exchange = self.step(|_, _, Validated { grant, call }| {
            draws = on_the_road(&grant, &call, client)?;
            Ok::<_, Refusal>(Validated { grant, call })
        })?;
        Ok((exchange, draws))
    }

    /// Goes on with what was reserved.
    ///
    /// # Errors
    /// Refused where there was no room or no money, or where the meter could not be asked.
    pub fn permit(
        self,
        id: ReservationId,
        draws: Vec<Draw>,
        verdict: Result<Verdict, Unavailable>,
        returns_to: Arc<dyn Returns>,
    ) -> Result<Exchange<Permitted<B>>, Refused> {
        self.step(|_, Memory { standings, .. }, Validated { grant, call }| {
            let (permit, mut taken) = Permit::issue(grant, id, draws, verdict?, returns_to)?;
            if standings.is_empty() {
                *standings = taken;
            } else {
                standings.append(&mut taken);
            }
            Ok::<_, Refusal>(Permitted { permit: Box::new(permit), call })
        })
    }
}

impl<B> Exchange<Permitted<B>> {
    /// Takes out of the call what must not leave. What shall come back in the answer goes into a
    /// vault, whose placeholders `chance` makes this request's own.
    ///
    /// # Errors
    /// Refused where the profile blocks what was found; what was reserved goes back.
    pub fn mask(self, chance: impl FnOnce() -> u128) -> Result<Exchange<Masked<B>>, Refused> {
        let Self { mut head, mut memory, state: Permitted { permit, mut call } } = self;
        let profile = permit.grant().endpoint().profile.clone();
        let Some(guard) = &profile.request else {
            let state = Masked { permit, call };
            return Ok(Exchange { head, memory, state });
        };
        memory.vault = guard.tokenises().then(|| Box::new(Vault::new(chance())));
        match screen(guard, &mut head, &mut call, memory.vault.as_deref_mut()) {
            Ok(detections) => {
                memory.found(&profile, By::Itself("request"), &detections);
                let state = Masked { permit, call };
                Ok(Exchange { head, memory, state })
            }
            Err(blocked) => {
                let protocol = permit.grant().endpoint().protocol;
                let (refusal, bill) = (Box::new(Refusal::Blocked(blocked)), give_back(permit));
                Err(Refused { refusal, memory, protocol, bill })
            }
        }
    }
}

impl<B> Exchange<Masked<B>> {
    /// What it goes on under.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.state.permit.grant()
    }

    /// The body, where it was read whole.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match self.state.call.body() {
            Payload::Whole(bytes) => bytes.clone(),
            Payload::Stream(_) => Bytes::new(),
        }
    }

    /// Takes out of the body what a hook has found in it, as if it had been found here.
    ///
    /// # Errors
    /// Refused where that blocks the call, or where it cannot be taken out.
    pub fn mask_spotted(self, hook: &str, spotted: &[Spotted]) -> Result<Self, Refused> {
        let Self { head, mut memory, state: Masked { permit, mut call } } = self;
        let profile = permit.grant().endpoint().profile.clone();
        let screened = match call.body() {
            Payload::Whole(bytes) => {
                let vault = memory.vault.as_deref_mut();
                spot(profile.request.as_deref(), call.media(), bytes.clone(), spotted, vault)
            }
            // It was shown nothing of it, so it cannot have found anything.
            Payload::Stream(_) => Err(Blocked { detections: Vec::new() }),
        };
        match screened {
            Ok(Screened { bytes, detections }) => {
                let by = By::Hook { direction: "request", hook };
                memory.found(&profile, by, &detections);
                call.rewrite(bytes);
                Ok(Exchange { head, memory, state: Masked { permit, call } })
            }
            Err(blocked) => {
                let protocol = permit.grant().endpoint().protocol;
                let (refusal, bill) = (Box::new(Refusal::Blocked(blocked)), give_back(permit));
                Err(Refused { refusal, memory, protocol, bill })
            }
        }
    }

    /// Notes what a hook wants to have remembered.
    pub fn note(&self, note: Note) {
        self.memory.note(note);
    }

    /// Ends the exchange because a hook says so; what was reserved goes back.
    pub fn object(self, hook: &str, objection: Objection) -> Refused {
        let Self { memory, state: Masked { permit, .. }, .. } = self;
        let protocol = permit.grant().endpoint().protocol;
        let refusal = Box::new(Refusal::Objected { hook: hook.into(), objection });
        Refused { refusal, memory, protocol, bill: give_back(permit) }
    }

    /// What somebody must agree to before this may depart, if anything; a dry run asks nobody.
    #[must_use]
    pub fn petition(&self) -> Option<Petition> {
        let grant = self.state.permit.grant();
        let facts = self.facts();
        let Need { because, digest } = grant.need().filter(|_| !facts.dry_run)?;
        let (endpoint, caller) = (grant.endpoint(), grant.caller());
        let approval = Approval {
            id: ApprovalId(0),
            requester: caller.principal().to_string().into(),
            tenant: caller.tenant().cloned(),
            verb: endpoint.verb.as_str().into(),
            endpoint: Arc::clone(&endpoint.path),
            path: Arc::clone(&facts.path),
            // Without one it is nobody's call, and no approval fits it.
            digest: digest.unwrap_or(CallDigest([0; 32])),
            because: Arc::clone(because),
            shown: None,
            asked: self.now(),
            expires: self.now(),
            state: State::Pending,
            decided_by: None,
        };
        Some(Petition { approval, shown: shown(&self.head.headers) })
    }

    /// Goes on where nobody must agree, or where somebody has.
    ///
    /// # Errors
    /// Refused where somebody must agree first, or has not; what was reserved goes back.
    pub fn agree(
        self,
        ruling: Option<Result<Ruling, Unreachable>>,
    ) -> Result<Exchange<Agreed<B>>, Refused> {
        let Self { mut head, memory, state: Masked { permit, call } } = self;
        let needed = permit.grant().need().is_some() && !memory.dossier.facts().dry_run;
        let approval = match (needed, ruling) {
            (false, _) => Ok(None),
            // Nobody was asked: fails closed.
            (true, None) => Err(unavailable("nobody was asked")),
            (true, Some(Err(unreachable))) => Err(unavailable(&unreachable.reason)),
            (true, Some(Ok(ruling))) => match ruling {
                Ruling::Taken(approval) => Ok(Some(Box::new(approval))),
                Ruling::Full => Err(unavailable("too many wait for somebody to decide")),
                Ruling::Lapsed(lapse) => Err(Refusal::Forbidden(Denial::Approval(lapse))),
                Ruling::Waiting { approval, new } => {
                    Err(Refusal::Waiting(Waiting { approval, new }))
                }
            },
        };
        match approval {
            Ok(approval) => {
                if needed {
                    head.headers.remove(&X_APPROVAL_ID);
                }
                let state = Agreed { permit, call, approval };
                Ok(Exchange { head, memory, state })
            }
            Err(refusal) => {
                let protocol = permit.grant().endpoint().protocol;
                let (refusal, bill) = (Box::new(refusal), give_back(permit));
                Err(Refused { refusal, memory, protocol, bill })
            }
        }
    }
}

impl<B> Exchange<Agreed<B>> {
    /// What it goes on under.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.state.permit.grant()
    }

    /// Tells the log that the request is about to depart; it departs when that is durable.
    pub fn announce(self) -> (Exchange<Announced<B>>, Receipt) {
        let Self { head, memory, state: Agreed { permit, mut call, approval } } = self;
        for note in call.take_notes() {
            memory.note(note);
        }
        let details = approval.as_deref().map_or_else(Map::new, agreed);
        let Memory { dossier, now, .. } = &*memory;
        let receipt = dossier.note(Event::RequestStart, Outcome::Allow, *now, None, details);
        (Exchange { head, memory, state: Announced { permit, call } }, receipt)
    }

    /// Ends a dry run here: everything was decided, and nothing is sent. It counts as a call where
    /// calls are counted, and costs nothing.
    pub fn rehearsed(self, status: u16, now: Timestamp) -> Rehearsed {
        let Self { memory, state: Agreed { mut permit, .. }, .. } = self;
        permit.hand_over();
        let receipt = memory.dossier.close(ending(Outcome::Allow, now, Some(status)));
        Rehearsed { release: Release { id: permit.id(), actual: rehearsed(&permit) }, receipt }
    }
}

/// What is left of a dry run.
#[derive(Debug)]
pub struct Rehearsed {
    /// To be settled with the meter.
    pub release: Release,
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

impl<B> Exchange<Announced<B>> {
    /// The reservation, which the meter must know to have departed.
    #[must_use]
    pub fn reservation(&self) -> Option<ReservationId> {
        let permit = &self.state.permit;
        (!permit.draws().is_empty()).then(|| permit.id())
    }

    /// The request to send, and what waits for its answer. No other state has this method.
    ///
    /// # Errors
    /// Refused where the log could not take the announcement, or the meter could not take the
    /// departure: what is not on record does not happen.
    pub fn depart(
        self,
        announced: Result<(), Lost>,
        departed: Result<(), Unavailable>,
    ) -> Result<(Departure<B>, Journey), Refused> {
        let Self { mut head, mut memory, state: Announced { mut permit, mut call } } = self;
        let vault = memory.vault.take().filter(|vault| !vault.is_empty());
        let endpoint = Arc::clone(permit.grant().endpoint());
        let outage = match (announced, departed) {
            (Ok(()), Ok(())) => None,
            (Err(Lost), _) => Some(Outage::Audit),
            (Ok(()), Err(unavailable)) => Some(Outage::Meter(unavailable)),
        };
        if let Some(outage) = outage {
            let (protocol, bill) = (endpoint.protocol, give_back(permit));
            let refusal = Box::new(Refusal::Unavailable(outage));
            return Err(Refused { refusal, memory, protocol, bill });
        }
        if let Payload::Whole(bytes) = call.body() {
            // Masking may have changed it; the length is ours to state.
            head.headers.remove(header::TRANSFER_ENCODING);
            if declared(&head.headers) != Some(bytes.len()) {
                head.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
            }
        }
        if endpoint.profile.response.is_some() || vault.is_some() {
            // What comes compressed or in part could not be screened, nor restored.
            for name in [header::ACCEPT_ENCODING, header::RANGE, header::IF_RANGE] {
                head.headers.remove(name);
            }
        }
        let caller = permit.grant().caller().clone();
        let (model, estimate) = (call.model().cloned(), call.estimate());
        let listener = call.take_listener();
        let roles = permit.grant().roles().to_vec();
        permit.hand_over();
        let Facts { request_id: id, client, .. } = *memory.dossier.facts();
        let (asked, (body, document)) = (model.clone(), call.into_body());
        let departure =
            Departure { id, client, head, body, document, caller, roles, endpoint, model: asked };
        let vault = vault.map(Arc::from);
        Ok((departure, Journey { permit, model, estimate, listener, vault, memory }))
    }
}

impl Journey {
    /// The endpoint it leads to.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        self.permit.grant().endpoint()
    }

    /// What it is under way under.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        self.permit.grant()
    }

    /// Hands out who listens to the answer, where its protocol is understood.
    pub fn take_listener(&mut self) -> Option<Listener> {
        self.listener.take()
    }

    /// The most that the call was thought to use.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// How the counters stand: for the header fields of the answer.
    #[must_use]
    pub fn standings(&self) -> &[Standing] {
        &self.memory.standings
    }

    /// What the answer must be screened for.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.endpoint().profile
    }

    /// What was put aside of the request, and belongs into the answer.
    #[must_use]
    pub fn vault(&self) -> Option<&Arc<Vault>> {
        self.vault.as_ref()
    }

    /// The name of the exchange.
    #[must_use]
    pub fn request_id(&self) -> RequestId {
        self.memory.dossier.facts().request_id
    }

    /// Notes what was found in the answer.
    pub fn detected(&self, detections: &[Detection], now: Timestamp) {
        let dossier = &self.memory.dossier;
        note_detections(dossier, self.profile(), By::Itself("response"), detections, now);
    }

    /// Takes out of the answer what a hook has found in it, as if it had been found here.
    ///
    /// # Errors
    /// [`Blocked`] where that blocks the answer, or where it cannot be taken out.
    pub fn mask_spotted(
        &self,
        hook: &str,
        spotted: &[Spotted],
        media: Media,
        bytes: Bytes,
        now: Timestamp,
    ) -> Result<Bytes, Blocked> {
        let profile = self.profile();
        let Screened { bytes, detections } =
            spot(profile.response.as_deref(), media, bytes, spotted, None)?;
        let by = By::Hook { direction: "response", hook };
        note_detections(&self.memory.dossier, profile, by, &detections, now);
        Ok(bytes)
    }

    /// Notes what the handler wants to have remembered.
    pub fn note(&self, note: Note, now: Timestamp) {
        let Note { event, outcome, reason, details } = note;
        drop(self.memory.dossier.note(event, outcome, now, reason, details));
    }

    /// What is to be settled with the meter, if anything was reserved.
    #[must_use]
    pub fn release(&self, spent: &Spent) -> Option<Release> {
        let release = release(&self.permit, self.model.as_ref(), spent);
        (!release.actual.is_empty()).then_some(release)
    }

    /// The answer went out with this status, whole.
    pub fn end(self, status: u16, spent: &Spent, now: Timestamp) -> Receipt {
        self.close(Outcome::Allow, Some(status), None, spent, now)
    }

    /// The client hung up, or the answer broke off.
    pub fn break_off(self, outcome: Outcome, status: Option<u16>, spent: &Spent, now: Timestamp) {
        let reason = match outcome {
            Outcome::Error => Some(Upstream::Garbled.to_string()),
            Outcome::Abandoned | Outcome::Allow | Outcome::Deny => None,
        };
        drop(self.close(outcome, status, reason, spent, now));
    }

    /// There is no answer that may pass. What the call cost is charged all the same.
    pub fn refuse(self, refusal: impl Into<Refusal>, spent: &Spent) -> Refused {
        let bill = Bill { release: self.release(spent), usage: self.usage(spent) };
        let bill = Some(Box::new(bill));
        let Self { permit, memory, .. } = self;
        let protocol = permit.grant().endpoint().protocol;
        let refusal = Box::new(refusal.into());
        Refused { refusal, memory, protocol, bill }
    }

    fn usage(&self, spent: &Spent) -> Usage {
        settle::recorded(&self.permit, self.model.as_ref(), spent)
    }

    fn close(
        self,
        outcome: Outcome,
        status: Option<u16>,
        reason: Option<String>,
        spent: &Spent,
        now: Timestamp,
    ) -> Receipt {
        let usage = self.usage(spent);
        self.memory.dossier.close(Ending { outcome, time: now, status, reason, usage })
    }
}

impl Refused {
    /// Why.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.refusal
    }

    /// Hands out what is to be settled with the meter, if anything was reserved: what never
    /// departed costs nothing, and what did is charged.
    #[must_use]
    pub fn take_release(&mut self) -> Option<Release> {
        self.bill.as_mut()?.release.take()
    }

    /// Records the refusal, and words it for the client.
    pub fn answer(self, realm: &Realm, now: Timestamp) -> Answered {
        let Self { refusal, memory, protocol, bill } = self;
        let Memory { dossier, standings, .. } = *memory;
        let usage = bill.map(|bill| bill.usage).unwrap_or_default();
        let metadata = realm.metadata(dossier.facts().endpoint.as_deref());
        let context = Context {
            request_id: dossier.facts().request_id,
            protocol,
            realm: &realm.name,
            resource_metadata: metadata.as_deref(),
            dpop: realm.dpop,
        };
        let mut response = problem::answer(&refusal, &context);
        if !matches!(*refusal, Refusal::Exhausted(_)) {
            problem::standings(&standings, response.headers_mut());
        }
        let (event, outcome) = verdict(&refusal);
        let reason = refusal.to_string();
        if let Some(event) = event {
            drop(dossier.note(event, outcome, now, Some(reason.clone()), about(&refusal)));
        }
        let status = Some(response.status().as_u16());
        let end = Ending { reason: Some(reason), usage, ..ending(outcome, now, status) };
        Answered { response, receipt: dossier.close(end) }
    }
}

/// What challenges say about us.
#[derive(Clone, Debug)]
pub struct Realm {
    /// The realm (RFC 9110 section 11.5); no quotation marks or backslashes.
    pub name: String,
    /// Where protected resource metadata lies (RFC 9728).
    pub resource_metadata: Option<String>,
    /// Whether the metadata of each endpoint lies below that.
    pub by_endpoint: bool,
    /// Whether DPoP is spoken here (RFC 9449).
    pub dpop: bool,
}

impl Default for Realm {
    fn default() -> Self {
        let (name, resource_metadata) = ("bartizan".into(), None);
        Self { name, resource_metadata, by_endpoint: false, dpop: false }
    }
}

impl Realm {
    /// Where the metadata of an endpoint lies, by its path template. It is made of what the operator
    /// wrote: nothing of a request stands in a challenge.
    fn metadata(&self, endpoint: Option<&str>) -> Option<String> {
        let root = self.resource_metadata.as_ref()?;
        let below = endpoint.filter(|_| self.by_endpoint).map_or("", resource::address);
        Some(format!("{root}{below}"))
    }
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

/// Leaves of a target what is decided on: the path, and the query as it came.
fn canonicalise(uri: &mut http::Uri, rewritten: Option<&str>) -> Result<(), Misdirected> {
    if rewritten.is_none() && uri.authority().is_none() {
        return Ok(());
    }
    let path = rewritten.unwrap_or(uri.path());
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    *uri = text.parse().map_err(|_| Misdirected::Path)?;
    Ok(())
}

/// Takes what must not leave out of the query and the body. The path was decided on, and stays.
fn screen<B>(
    guard: &Guard,
    head: &mut Parts,
    call: &mut Call<B>,
    mut vault: Option<&mut Vault>,
) -> Result<Vec<Detection>, Blocked> {
    let mut detections = screen_query(guard, head, vault.as_deref_mut())?;
    let bytes = match call.body() {
        Payload::Whole(bytes) if !bytes.is_empty() => bytes.clone(),
        Payload::Whole(_) | Payload::Stream(_) => return Ok(detections),
    };
    let screened = guard.put_aside(call.media(), bytes, vault)?;
    if !screened.detections.is_empty() {
        call.rewrite(screened.bytes);
    }
    detections.extend(screened.detections);
    Ok(detections)
}

fn screen_query(
    guard: &Guard,
    head: &mut Parts,
    vault: Option<&mut Vault>,
) -> Result<Vec<Detection>, Blocked> {
    let Some(query) = head.uri.query() else { return Ok(Vec::new()) };
    let Screened { bytes, detections } = guard.screen_query(query, vault)?;
    if !detections.is_empty() {
        let masked = format!("{}?{}", head.uri.path(), String::from_utf8_lossy(&bytes));
        // What cannot be said without it is not said at all.
        head.uri = masked.parse().map_err(|_| Blocked { detections: detections.clone() })?;
    }
    Ok(detections)
}

/// Takes out what a hook has found, as the guard of this way would; where nothing is looked for, as
/// the default is. What cannot be taken out does not pass.
fn spot(
    guard: Option<&Guard>,
    media: Media,
    bytes: Bytes,
    spotted: &[Spotted],
    vault: Option<&mut Vault>,
) -> Result<Screened, Blocked> {
    let spotting = match guard {
        Some(guard) => guard.spotting(spotted),
        None => Guard::told().and_then(|guard| guard.spotting(spotted)),
    };
    let spotting = spotting.map_err(|_| Blocked { detections: Vec::new() })?;
    spotting.put_aside(media, bytes, vault)
}

/// The header field by which a caller says that somebody has agreed.
pub static X_APPROVAL_ID: HeaderName = HeaderName::from_static("x-approval-id");

/// The approval that the caller shows: one, or none at all.
fn shown(headers: &http::HeaderMap) -> Option<Result<ApprovalId, Lapse>> {
    let mut values = headers.get_all(&X_APPROVAL_ID).iter();
    let first = values.next()?;
    let id = first.to_str().ok().and_then(ApprovalId::parse);
    Some(id.filter(|_| values.next().is_none()).ok_or(Lapse::Foreign))
}

/// Which call this is: what a caller might change after somebody has agreed.
fn digest<B>(head: &Parts, body: &Payload<B>) -> Result<CallDigest, Invalid> {
    let Payload::Whole(bytes) = body else { return Err(Invalid::Unread) };
    let field = |name| head.headers.get(name).map_or(&[][..], http::HeaderValue::as_bytes);
    Ok(CallDigest::of(&[
        head.method.as_str().as_bytes(),
        head.uri.path().as_bytes(),
        head.uri.query().unwrap_or_default().as_bytes(),
        field(header::CONTENT_TYPE),
        field(header::CONTENT_ENCODING),
        bytes,
    ]))
}

fn unavailable(why: &str) -> Refusal {
    Refusal::Unavailable(Outage::Approvals(why.into()))
}

/// Who agreed, for the record of what departs.
fn agreed(approval: &Approval) -> Map<String, Value> {
    let mut details = Map::new();
    details.insert("approval_id".into(), approval.id.to_string().into());
    if let Some(by) = &approval.decided_by {
        details.insert("approved_by".into(), by.to_string().into());
    }
    details
}

fn release(permit: &Permit, model: Option<&Arc<str>>, spent: &Spent) -> Release {
    Release { id: permit.id(), actual: settle::actual(permit, model, spent) }
}

/// Nothing is due for a call that never departed.
fn give_back(mut permit: Box<Permit>) -> Option<Box<Bill>> {
    let release = release(&permit, None, &Spent::Nothing);
    permit.hand_over();
    let reserved = !release.actual.is_empty();
    reserved.then(|| Box::new(Bill { release: Some(release), usage: Usage::default() }))
}

fn ending(outcome: Outcome, time: Timestamp, status: Option<u16>) -> Ending {
    Ending { outcome, time, status, reason: None, usage: Usage::default() }
}

/// Who has found something, and on which way.
#[derive(Clone, Copy)]
enum By<'a> {
    /// The gate itself.
    Itself(&'a str),
    /// A hook.
    Hook { direction: &'a str, hook: &'a str },
}

fn note_detections(
    dossier: &Dossier,
    profile: &Profile,
    by: By<'_>,
    detections: &[Detection],
    now: Timestamp,
) {
    if profile.log_detections && !detections.is_empty() {
        let mut details = detections_of(detections);
        let (By::Itself(direction) | By::Hook { direction, .. }) = by;
        details.insert("direction".into(), direction.into());
        if let By::Hook { hook, .. } = by {
            details.insert("hook".into(), hook.into());
        }
        drop(dossier.note(Event::PiiDetected, Outcome::Allow, now, None, details));
    }
}

fn detections_of(detections: &[Detection]) -> Map<String, Value> {
    let row = |d: &Detection| serde_json::json!({ "entity": d.entity.to_string(), "pointer": d.pointer, "count": d.count });
    let rows = detections.iter().map(row).collect();
    Map::from_iter([("detections".to_owned(), Value::Array(rows))])
}

/// Which event a refusal is, and how it counts.
fn verdict(refusal: &Refusal) -> (Option<Event>, Outcome) {
    match refusal {
        Refusal::Unauthenticated { .. } => (Some(Event::AuthFailure), Outcome::Deny),
        Refusal::Forbidden(_) | Refusal::Unpriced(_) => (Some(Event::AccessDenied), Outcome::Deny),
        Refusal::Blocked(_) => (Some(Event::PiiBlocked), Outcome::Deny),
        Refusal::Objected { .. } | Refusal::Withheld { .. } => {
            (Some(Event::SecurityAlert), Outcome::Deny)
        }
        Refusal::Exhausted(Exhausted { kind: Kind::Budget, .. }) => {
            (Some(Event::BudgetExceeded), Outcome::Deny)
        }
        Refusal::Exhausted(_) => (Some(Event::RateLimitExceeded), Outcome::Deny),
        Refusal::Waiting(Waiting { new, .. }) => {
            (new.then_some(Event::ApprovalRequested), Outcome::Deny)
        }
        Refusal::Misdirected(_) | Refusal::Invalid(_) => (None, Outcome::Deny),
        Refusal::Unavailable(_) | Refusal::Failed | Refusal::Upstream(_) => (None, Outcome::Error),
    }
}

/// What belongs to the event of a refusal: names and counts, never values.
fn about(refusal: &Refusal) -> Map<String, Value> {
    match refusal {
        Refusal::Blocked(blocked) => detections_of(&blocked.detections),
        Refusal::Exhausted(exhausted) => {
            Map::from_iter([("limit".to_owned(), exhausted.name.to_string().into())])
        }
        Refusal::Waiting(Waiting { approval, .. }) => Map::from_iter([
            ("approval_id".to_owned(), approval.id.to_string().into()),
            ("policy".to_owned(), approval.because.to_string().into()),
        ]),
        _ => Map::new(),
    }
}

/// The length that a message says its body has, in digits and no other way.
fn declared(headers: &http::HeaderMap) -> Option<usize> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}

/// The header fields by which the gate tells an upstream who is calling. No client may set them.
pub const IDENTITY_PREFIX: &str = "x-bartizan-";

/// Whether a field is one by which a client might pretend to be somebody: in any case, and with
/// `_` for `-`, which some servers cannot tell apart.
#[must_use]
pub fn claims_identity(name: &HeaderName) -> bool {
    name.as_str().replace('_', "-").starts_with(IDENTITY_PREFIX)
}

/// Whether a media type is that of a stream of events.
#[must_use]
pub fn is_event_stream(headers: &http::HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The kind of text that a message with these header fields is.
#[must_use]
pub fn media(headers: &http::HeaderMap) -> Media {
    Media::of(headers)
}

/// The standard methods, which are forwarded as they are.
#[must_use]
pub fn is_standard(verb: &Method) -> bool {
    matches!(verb.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS")
}
