//! How does an exchange end that did not go through?

use serde_json::{Map, Value};

use super::record::{detections_of, ending};
use super::{Answered, Bill, Memory, Refused, Release};
use crate::audit::{Dossier, Ending, Event, Outcome, Receipt};
use crate::describe::resource;
use crate::limit::{Exhausted, Kind};
use crate::problem::closing::{Closing, OPENED, closing};
use crate::problem::{self, Context};
use crate::refusal::{Refusal, Waiting};
use crate::time::Timestamp;

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
        let Memory { dossier, standings, echo, .. } = *memory;
        let refusal = refusal.told(|name| dossier.told(name));
        let metadata = realm.metadata(dossier.facts().endpoint.as_deref());
        let context = Context {
            request_id: dossier.facts().request_id,
            protocol,
            realm: &realm.name,
            resource_metadata: metadata.as_deref(),
            dpop: realm.dpop,
            echo: echo.as_deref(),
        };
        let mut response = problem::answer(&refusal, &context);
        if !matches!(refusal, Refusal::Exhausted(_)) {
            problem::standings(&standings, response.headers_mut());
        }
        let status = response.status().as_u16();
        Answered { response, receipt: close(dossier, &refusal, bill, status, now) }
    }

    /// Records that an open WebSocket was ended, and words it for its client.
    pub fn hang_up(self, now: Timestamp) -> (Closing, Receipt) {
        let Self { refusal, memory, bill, .. } = self;
        let refusal = refusal.told(|name| memory.dossier.told(name));
        let receipt = close(memory.dossier, &refusal, bill, OPENED, now);
        (closing(&refusal), receipt)
    }
}

fn close(
    dossier: Dossier,
    refusal: &Refusal,
    bill: Option<Box<Bill>>,
    status: u16,
    now: Timestamp,
) -> Receipt {
    let usage = bill.map(|bill| bill.usage).unwrap_or_default();
    let (event, outcome) = verdict(refusal);
    let reason = refusal.to_string();
    if let Some(event) = event {
        drop(dossier.note(event, outcome, now, Some(reason.clone()), about(refusal)));
    }
    let end = Ending { reason: Some(reason), usage, ..ending(outcome, now, Some(status)) };
    dossier.close(end)
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

/// Which event a refusal is, and how it counts.
fn verdict(refusal: &Refusal) -> (Option<Event>, Outcome) {
    match refusal {
        Refusal::Unauthenticated { .. } => (Some(Event::AuthFailure), Outcome::Deny),
        Refusal::Forbidden(_) | Refusal::Unpriced(_) => (Some(Event::AccessDenied), Outcome::Deny),
        Refusal::Blocked(_) => (Some(Event::PiiBlocked), Outcome::Deny),
        Refusal::Objected { objection, .. } | Refusal::Withheld { objection, .. }
            if objection.prompt.is_some() =>
        {
            (Some(Event::PromptInjection), Outcome::Deny)
        }
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
        Refusal::Objected { hook, objection } | Refusal::Withheld { hook, objection } => {
            objection.prompt.as_ref().map_or_else(Map::new, |prompt| prompt.details(hook))
        }
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
