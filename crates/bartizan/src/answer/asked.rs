//! What do hooks say of a message? Each is asked about what the one before has left.

use std::sync::Arc;

use bartizan_core::exchange::Journey;
use bartizan_core::mask::{Blocked, Side, Spotted, Talk};
use bartizan_core::refusal::{Objection, Refusal, Upstream};
use parking_lot::Mutex;
use serde::de::IgnoredAny;

use super::relay::Said;
use crate::hook::{Hook, Look, Opinion, suspected, unseen};
use crate::settle::Away;

/// What hooks leave of a message: all of them look at what clients say, and those that want to look at
/// answers at what the upstream says.
///
/// # Errors
/// Refused where one of them says so, or does not answer in the endpoint's time.
pub(super) async fn ask(
    hooks: &[Arc<dyn Hook>],
    away: &Away,
    talk: &Mutex<Talk>,
    side: Side,
    mut said: Said,
) -> Result<Said, Refusal> {
    let Some(journey) = away.journey() else { return Ok(said) };
    for hook in hooks.iter().filter(|hook| side == Side::Client || hook.looks_at_answers()) {
        match opinion(&**hook, journey, side, &said).await {
            Ok(Opinion::Pass) => {}
            Ok(Opinion::Mask(spotted)) => {
                let masked = masked(talk, side, &spotted, said);
                said = masked.map_err(|blocked| refused(side, blocked))?;
            }
            Ok(Opinion::Suspect(suspicion)) => away.note(suspected(hook.name(), &suspicion)),
            Ok(Opinion::Unseen { reason }) => away.note(unseen(hook.name(), &reason)),
            Err(objection) => {
                let hook = hook.name().into();
                return Err(match side {
                    Side::Client => Refusal::Objected { hook, objection },
                    Side::Upstream => Refusal::Withheld { hook, objection },
                });
            }
        }
    }
    Ok(said)
}

async fn opinion(
    hook: &dyn Hook,
    journey: &Journey,
    side: Side,
    said: &Said,
) -> Result<Opinion, Objection> {
    let (content_type, body) = match said {
        Said::Text(text) if is_json(text) => ("application/json", text),
        Said::Text(text) => ("text/plain", text),
        Said::Binary(bytes) => ("application/octet-stream", bytes),
    };
    let look = Look {
        request_id: journey.request_id(),
        caller: journey.grant().caller(),
        endpoint: journey.endpoint(),
        content_type: Some(content_type),
        body,
    };
    let asked = match side {
        Side::Client => hook.before(look),
        Side::Upstream => hook.after(look),
    };
    // A check that does not answer has not said yes.
    let asked = tokio::time::timeout(look.endpoint.timeout, asked).await;
    asked.unwrap_or(Err(Objection::default()))
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn masked(
    talk: &Mutex<Talk>,
    side: Side,
    spotted: &[Spotted],
    said: Said,
) -> Result<Said, Blocked> {
    match said {
        Said::Text(text) => talk.lock().mask_spotted(side, spotted, text).map(Said::Text),
        // Nothing can be taken out of what nobody can read.
        Said::Binary(_) => Err(Blocked { detections: Vec::new() }),
    }
}

fn refused(side: Side, blocked: Blocked) -> Refusal {
    match side {
        Side::Client => blocked.into(),
        Side::Upstream => Upstream::Blocked.into(),
    }
}
