//! What was found in a message that may have no end? The record of it stays small.

use super::Detection;

/// How many places of findings are told apart; beyond them only entities are.
pub(super) const MAX_PLACES: usize = 64;

/// What was found, by place and entity.
#[derive(Clone, Debug, Default)]
pub(super) struct Found(Vec<Detection>);

impl Found {
    /// Counts what was found in one more part of the message.
    pub(super) fn extend(&mut self, detections: impl IntoIterator<Item = Detection>) {
        detections.into_iter().for_each(|detection| self.note(detection));
    }

    /// All of it.
    pub(super) fn as_slice(&self) -> &[Detection] {
        &self.0
    }

    fn note(&mut self, mut detection: Detection) {
        let Self(found) = self;
        let known = |found: &&mut Detection, of: &Detection| {
            found.entity == of.entity && found.pointer == of.pointer
        };
        if found.len() >= MAX_PLACES && !found.iter_mut().any(|one| known(&one, &detection)) {
            // A long conversation names ever new places.
            detection.pointer = String::new();
        }
        match found.iter_mut().find(|found| known(found, &detection)) {
            Some(found) => found.count = found.count.saturating_add(detection.count),
            None => found.push(detection),
        }
    }
}
