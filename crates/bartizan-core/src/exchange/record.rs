//! What does the log learn of an exchange besides its stages?

use serde_json::{Map, Value};

use crate::audit::{Dossier, Ending, Event, Outcome, Usage};
use crate::mask::{Detection, Profile};
use crate::time::Timestamp;

/// Who has found something, and on which way.
#[derive(Clone, Copy)]
pub(super) enum By<'a> {
    /// The gate itself.
    Itself(&'a str),
    /// A hook.
    Hook { direction: &'a str, hook: &'a str },
}

pub(super) fn note_detections(
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

pub(super) fn detections_of(detections: &[Detection]) -> Map<String, Value> {
    let row = |d: &Detection| serde_json::json!({ "entity": d.entity.to_string(), "pointer": d.pointer, "count": d.count });
    let rows = detections.iter().map(row).collect();
    Map::from_iter([("detections".to_owned(), Value::Array(rows))])
}

pub(super) fn ending(outcome: Outcome, time: Timestamp, status: Option<u16>) -> Ending {
    Ending { outcome, time, status, reason: None, usage: Usage::default() }
}
