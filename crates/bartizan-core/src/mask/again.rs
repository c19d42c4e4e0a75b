//! Does a value become whole in what is told as a whole, but several times?
//!
//! OpenAI's SDK for Python puts together every string of the deltas of a chat, but for `index` and `type`
//! (`accumulate_delta`): identifiers, signatures and whatever a provider adds. Labels are searched one by
//! one and go out as they come, for most clients read the last one. So what comes anew is looked at
//! together with what came before, and an answer ends before a value becomes whole.

use super::Guard;
use crate::validate::listener::Channel;

/// So many labels of an answer are remembered.
const MOST: usize = 64;

/// So much of them is looked back at, in bytes.
const LONGEST: usize = 256;

/// What was told so far, label by label.
#[derive(Debug, Default)]
pub(super) struct Again(Vec<Told>);

#[derive(Debug)]
struct Told {
    channel: Channel,
    /// The end of all that was told, put together.
    all: String,
    /// How much of that was told last.
    last: usize,
}

impl Again {
    /// Takes what a label is now. `false` where it must not pass.
    pub(super) fn take(&mut self, channel: Channel, text: &str, guard: &Guard) -> bool {
        let Self(labels) = self;
        let Some(told) = labels.iter_mut().find(|told| told.channel == channel) else {
            let room = labels.len() < MOST;
            let (all, last) = (end_of(text).to_owned(), text.len());
            labels.push(Told { channel, all, last });
            return room;
        };
        // Many servers write the same one into each event.
        let before = told.all.len().checked_sub(told.last).and_then(|at| told.all.get(at..));
        if before == Some(text) {
            return true;
        }
        let seam = told.all.len();
        told.all.push_str(text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default());
        let found = guard.masker().scanner().scan(&told.all);
        let across = found.iter().any(|found| found.start < seam && seam < found.end);
        told.all.truncate(seam);
        told.all.push_str(text);
        (told.all, told.last) = (end_of(&told.all).to_owned(), text.len());
        !across
    }
}

/// As much of a text as is looked back at.
fn end_of(text: &str) -> &str {
    let from = text.ceil_char_boundary(text.len().saturating_sub(LONGEST));
    text.get(from..).unwrap_or_default()
}
