//! What waits at the gate while a request is away, and how does it end?

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::Map;

use super::record::{By, detections_of, note_detections};
use super::{Bill, Journey, Refused, Release};
use crate::audit::{Ending, Event, Note, Outcome, Receipt, Usage};
use crate::authorize::{Endpoint, Grant};
use crate::id::RequestId;
use crate::limit::permit::{Permit, of_a_message};
use crate::limit::{Draw, ReservationId, Standing};
use crate::mask::{Blocked, Detection, Profile, Screened, Spotted, Talk, Vault, spot};
use crate::refusal::{Refusal, Upstream};
use crate::settle::{self, Spent};
use crate::time::Timestamp;
use crate::validate::echo::Echo;
use crate::validate::{Estimate, Listener, Media, Models};

impl Journey {
    /// The endpoint it leads to.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        self.permit.grant().endpoint()
    }

    /// Whether only the head of the answer was asked for.
    #[must_use]
    pub fn is_headline(&self) -> bool {
        self.memory.dossier.facts().verb == Some(Method::HEAD)
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

    /// Another model was asked for in place of the one that the call names.
    pub fn asked_instead(&mut self, model: Arc<str>) {
        self.models.asked = Some(model);
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

    /// What of the call stands in an error about it.
    #[must_use]
    pub fn echo(&self) -> Option<&Echo> {
        self.memory.echo.as_deref()
    }

    /// Notes what was found in the answer.
    pub fn detected(&self, detections: &[Detection], now: Timestamp) {
        let dossier = &self.memory.dossier;
        note_detections(dossier, self.profile(), By::Itself("response"), detections, now);
    }

    /// Notes that the answer, or what the upstream said, holds what must not pass.
    pub fn blocked(&self, detections: &[Detection], now: Timestamp) {
        if detections.is_empty() {
            return;
        }
        let mut details = detections_of(detections);
        details.insert("direction".into(), "response".into());
        drop(self.memory.dossier.note(Event::PiiBlocked, Outcome::Deny, now, None, details));
    }

    /// Notes what was found in what the client has sent since.
    pub fn detected_on_the_way_in(&self, detections: &[Detection], now: Timestamp) {
        let dossier = &self.memory.dossier;
        note_detections(dossier, self.profile(), By::Itself("request"), detections, now);
    }

    /// The conversation that it becomes where it opens a WebSocket.
    #[must_use]
    pub fn talk(&self, chance: u128) -> Talk {
        Talk::new(self.profile(), self.vault.clone(), chance)
    }

    /// What each message of the client draws.
    #[must_use]
    pub fn message_draws(&self) -> Vec<Draw> {
        of_a_message(self.grant(), self.memory.dossier.facts().client)
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

    /// Under which name something is reserved, if anything is.
    #[must_use]
    pub fn reservation(&self) -> Option<ReservationId> {
        (!self.permit.draws().is_empty()).then(|| self.permit.id())
    }

    /// What is to be settled with the meter, if anything was reserved.
    #[must_use]
    pub fn release(&self, spent: &Spent) -> Option<Release> {
        release(&self.permit, &self.models, spent)
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
        settle::recorded(&self.permit, &self.models, spent)
    }

    fn close(
        self,
        outcome: Outcome,
        status: Option<u16>,
        reason: Option<String>,
        spent: &Spent,
        now: Timestamp,
    ) -> Receipt {
        if self.vault.as_ref().is_some_and(|vault| vault.is_spent()) {
            self.note(repeated(), now);
        }
        let usage = self.usage(spent);
        self.memory.dossier.close(Ending { outcome, time: now, status, reason, usage })
    }
}

/// What is to be settled, if anything was reserved.
pub(super) fn release(permit: &Permit, models: &Models, spent: &Spent) -> Option<Release> {
    if permit.draws().is_empty() {
        return None;
    }
    Some(Release { id: permit.id(), actual: settle::actual(permit, models, spent) })
}

/// Nothing is due for a call that never departed.
pub(super) fn give_back(mut permit: Box<Permit>) -> Option<Box<Bill>> {
    let release = release(&permit, &Models::default(), &Spent::Nothing);
    permit.hand_over();
    release.map(|release| Box::new(Bill { release: Some(release), usage: Usage::default() }))
}

/// What the log is told about an answer in which placeholders stayed: something repeats them.
fn repeated() -> Note {
    let reason = "the answer repeats placeholders of long values: some are not put back";
    let (reason, details) = (Some(reason.to_owned()), Map::new());
    Note { event: Event::SecurityAlert, outcome: Outcome::Allow, reason, details }
}
