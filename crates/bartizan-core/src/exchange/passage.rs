//! What is asked for, what is reserved for it, and what of it may leave? From a grant to a departure.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value};

use super::field::{X_APPROVAL_ID, declared};
use super::journey::{give_back, release};
use super::record::{By, ending};
use super::{
    Agreed, Announced, Authorized, Departure, Exchange, Journey, Masked, Memory, Permitted,
    Refused, Rehearsed, Validated,
};
use crate::audit::{Event, Facts, Lost, Note, Outcome, Receipt};
use crate::authorize::approval::{
    Approval, ApprovalId, CallDigest, Lapse, Need, Petition, Ruling, State, Unreachable,
};
use crate::authorize::{Denial, Grant};
use crate::limit::permit::{Demand, Permit, Returns, on_the_road};
use crate::limit::{ReservationId, Unavailable, Verdict};
use crate::mask::{Blocked, Detection, Guard, Screened, Spotted, Vault, spot};
use crate::refusal::{Objection, Outage, Refusal, Waiting};
use crate::settle::Spent;
use crate::time::Timestamp;
use crate::validate::a2a;
use crate::validate::echo::Echo;
use crate::validate::{Call, Intake, Invalid, Models, Payload, Protocol, Unfit};

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
    /// Goes no further, since there is no room for its body.
    pub fn overloaded(self) -> Refused {
        self.refuse(Outage::Overload)
    }

    /// Looks whether the call is sound.
    ///
    /// # Errors
    /// Refused where it is not, or where the body could not be read.
    pub fn validate<B>(
        self,
        body: Result<Payload<B>, Invalid>,
    ) -> Result<Exchange<Validated<B>>, Refused> {
        self.step(|head, memory, Authorized { mut grant, .. }| {
            let body = body?;
            memory.echo = echoed(&grant, head, &body);
            if grant.need().is_some() {
                grant.is_for(digest(head, &body)?);
            }
            let mut call = Box::new(Call::parse(&grant, head, body).map_err(|unfit| {
                let (unfit, id) = unfit.apart();
                memory.number(id);
                unfit
            })?);
            memory.number(call.take_id());
            let dossier = &mut memory.dossier;
            if call.model().is_some() || call.tool().is_some() {
                let profile = &grant.endpoint().profile;
                dossier.learn(|facts| {
                    facts.model = call.model().map(|name| profile.told(name));
                    facts.tool = call.tool().map(|name| profile.told(name));
                });
            }
            if let Some(because) = call.approval() {
                grant.asks_for(Arc::clone(because), digest(head, call.body())?);
            }
            if let (true, Some(digest)) = (grant.need().is_some(), call.digest()) {
                grant.is_for(digest);
            }
            if grant.need().is_some() {
                call.check_legible(head)?;
            }
            apply(call.take_fields(), head);
            if let Some(target) = call.take_target() {
                head.uri = target.into();
            }
            Ok::<_, Unfit>(Validated { grant, call })
        })
    }
}

impl<B> Exchange<Validated<B>> {
    /// What it was validated under.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.state.grant
    }

    /// What must be drawn before this call may pass.
    ///
    /// # Errors
    /// Refused where money is counted and the price is not known.
    pub fn demand(self) -> Result<(Self, Demand), Refused> {
        match on_the_road(&self.state.grant, &self.state.call, self.facts().client) {
            Ok(demand) => Ok((self, demand)),
            Err(unpriced) => Err(self.refuse(unpriced)),
        }
    }

    /// Goes on with what was taken.
    ///
    /// # Errors
    /// Refused where there was no room or no money, or where the meter could not be asked.
    pub fn permit(
        self,
        id: ReservationId,
        demand: Demand,
        verdict: Result<Verdict, Unavailable>,
        returns_to: Arc<dyn Returns>,
    ) -> Result<Exchange<Permitted<B>>, Refused> {
        self.step(|_, Memory { standings, .. }, Validated { grant, call }| {
            let (permit, mut taken) = Permit::issue(grant, id, demand, verdict?, returns_to)?;
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
    /// How many bytes of the body will be searched.
    #[must_use]
    pub fn searched(&self) -> usize {
        let Permitted { permit, call } = &self.state;
        match call.body() {
            Payload::Whole(bytes) if permit.grant().endpoint().profile.request.is_some() => {
                bytes.len()
            }
            Payload::Whole(_) | Payload::Stream(_) => 0,
        }
    }

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
        let protocol = permit.grant().endpoint().protocol;
        memory.vault = guard.tokenises().then(|| Box::new(Vault::new(chance())));
        match screen(guard, &mut head, (&mut call, protocol), memory.vault.as_deref_mut()) {
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
            path: facts.path.clone().unwrap_or_default(),
            query: self.head.uri.query().map(Arc::from),
            media: written(&self.head, &header::CONTENT_TYPE).map(Arc::from),
            length: Some(self.bytes().len() as u64),
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
                Ruling::Taken(approval) => Ok(Some(approval)),
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
        let Self { head, mut memory, state: Agreed { permit, mut call, approval } } = self;
        for note in call.take_notes() {
            if (note.event, note.outcome) == (Event::ToolCall, Outcome::Allow) {
                memory.dossier.expects(note.details.clone());
            }
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
        Rehearsed { release: release(&permit, &Models::default(), &Spent::Nothing), receipt }
    }
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
        // Those that mirror what was taken out of the body.
        apply(call.take_fields(), &mut head);
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
        if let Some(tenant) = &endpoint.tenant {
            tenant.tell(&caller, &mut head.headers);
        }
        let (models, estimate) = (call.models(), call.estimate());
        let listener = call.take_listener();
        let roles = permit.grant().roles().to_vec();
        permit.hand_over();
        let Facts { request_id: id, client, .. } = *memory.dossier.facts();
        let (model, (body, document)) = (models.asked.clone(), call.into_body());
        let subject = memory.subject.take();
        let departure =
            Departure { id, client, head, body, document, caller, subject, roles, endpoint, model };
        let vault = vault.map(Arc::from);
        Ok((departure, Journey { permit, models, estimate, listener, vault, memory }))
    }
}

/// Writes header fields as they go on, and takes out those that do not.
fn apply(fields: Vec<(HeaderName, Option<HeaderValue>)>, head: &mut Parts) {
    for (name, value) in fields {
        match value {
            Some(value) => drop(head.headers.insert(name, value)),
            None => drop(head.headers.remove(name)),
        }
    }
}

/// Takes what must not leave out of the query and the body. The path was decided on, and stays.
fn screen<B>(
    guard: &Guard,
    head: &mut Parts,
    (call, protocol): (&mut Call<B>, Protocol),
    mut vault: Option<&mut Vault>,
) -> Result<Vec<Detection>, Blocked> {
    let mut detections = screen_query(guard, head, vault.as_deref_mut())?;
    let bytes = match call.body() {
        Payload::Whole(bytes) if !bytes.is_empty() => bytes.clone(),
        Payload::Whole(_) | Payload::Stream(_) => return Ok(detections),
    };
    let before = bytes.clone();
    let screened = guard.put_aside(call.media(), bytes, vault)?;
    if !screened.detections.is_empty() {
        call.rewrite(protocol.keep(&before, screened.bytes));
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

/// The approval that the caller shows: one, or none at all.
fn shown(headers: &http::HeaderMap) -> Option<Result<ApprovalId, Lapse>> {
    let mut values = headers.get_all(&X_APPROVAL_ID).iter();
    let first = values.next()?;
    let id = first.to_str().ok().and_then(ApprovalId::parse);
    Some(id.filter(|_| values.next().is_none()).ok_or(Lapse::Foreign))
}

/// A field as it was written, where it is text.
fn written<'a>(head: &'a Parts, name: &header::HeaderName) -> Option<&'a str> {
    head.headers.get(name)?.to_str().ok()
}

/// What of a call stands in an error about it.
fn echoed<B>(grant: &Grant, head: &Parts, body: &Payload<B>) -> Option<Box<Echo>> {
    let endpoint = grant.endpoint();
    match body {
        Payload::Whole(bytes) if endpoint.protocol == Protocol::A2a => {
            a2a::echo(&endpoint.path, head, bytes).map(Box::new)
        }
        Payload::Whole(_) | Payload::Stream(_) => None,
    }
}

/// Which call this is: what a caller might change after somebody has agreed.
fn digest<B>(head: &Parts, body: &Payload<B>) -> Result<CallDigest, Invalid> {
    let Payload::Whole(bytes) = body else { return Err(Invalid::Unread) };
    // All of a name: a second one would be another call to whoever takes the last.
    let field = |name| {
        let values = head.headers.get_all(name).iter();
        values.map(http::HeaderValue::as_bytes).collect::<Vec<_>>().join(&b"\n"[..])
    };
    Ok(CallDigest::of(&[
        head.method.as_str().as_bytes(),
        head.uri.path().as_bytes(),
        head.uri.query().unwrap_or_default().as_bytes(),
        &field(header::CONTENT_TYPE),
        &field(header::CONTENT_ENCODING),
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
