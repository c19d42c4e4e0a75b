//! What of a text may go out where a part of it ends, and a client may join the next part?
//!
//! A model writes its text in blocks, parts and items. Some clients read them one by one and others put
//! them together, so what must not pass may stand in one of them or lie across their seam. At a seam the
//! events wait, for as long as it is open what is made of the last word: in practice for the three or
//! four that come at once between two parts. Where something else follows than more of the text, the
//! part is decided alone, and nobody waits.

use std::collections::VecDeque;

use serde_json::Value;

use super::open::{OpenText, Seam};
use crate::sse::Event;
use crate::validate::listener::{Channel, Heard, Piece};

/// So many events wait at the most.
const MOST_EVENTS: usize = 64;

/// So many bytes of events wait at the most: an item tells its whole text several times at its end.
const MOST_BYTES: usize = 1024 * 1024;

/// Events that wait at the end of a part.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) channel: Channel,
    pub(super) events: VecDeque<(Event, Heard)>,
    /// What the next parts have said so far.
    ahead: String,
    size: usize,
}

/// What is known of a seam.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Turn {
    /// It may still become something that must not pass.
    Wait,
    /// The part may go out as it is by itself.
    Alone,
    /// What lies across it is one value, or may be one: the next part brings what was held back.
    Torn,
}

impl Waits {
    pub(super) fn new(channel: Channel, event: Event, heard: Heard) -> Self {
        let size = event.raw().len();
        Self { channel, events: VecDeque::from([(event, heard)]), ahead: String::new(), size }
    }

    /// Takes the next event, and tells what is known with it of the seam of `text`.
    pub(super) fn take(&mut self, event: Event, heard: Heard, text: Option<&OpenText>) -> Turn {
        let more = said(&event.data(), &heard.pieces, self.channel);
        // Neither a comment nor an empty piece says anything of what follows.
        let is_empty = !event.has_data();
        let goes_on = heard.pieces.iter().any(|piece| piece.channel == self.channel);
        let between = heard.between || is_empty || goes_on;
        self.size += event.raw().len();
        self.ahead.push_str(&more);
        self.events.push_back((event, heard));
        let Some(text) = text else { return Turn::Alone };
        let turn = match text.seam(&self.ahead) {
            _ if more.is_empty() && !between => return self.end(Some(text)),
            _ if more.is_empty() => Turn::Wait,
            Seam::Open => Turn::Wait,
            Seam::Whole => Turn::Alone,
            Seam::Torn => Turn::Torn,
        };
        let full = self.events.len() >= MOST_EVENTS || self.size >= MOST_BYTES;
        match turn {
            Turn::Wait if full && self.ahead.is_empty() => Turn::Alone,
            Turn::Wait if full => Turn::Torn,
            turn => turn,
        }
    }

    /// What is known of the seam where nothing follows what has come.
    pub(super) fn end(&self, text: Option<&OpenText>) -> Turn {
        match text.filter(|_| !self.ahead.is_empty()).map(|text| text.seam_at_end(&self.ahead)) {
            Some(Seam::Torn) => Turn::Torn,
            Some(Seam::Whole | Seam::Open) | None => Turn::Alone,
        }
    }
}

/// What an event says of a text.
fn said(data: &[u8], pieces: &[Piece], channel: Channel) -> String {
    let mut pieces = pieces.iter().filter(|piece| piece.channel == channel).peekable();
    if pieces.peek().is_none() {
        return String::new();
    }
    let Ok(data) = serde_json::from_slice::<Value>(data) else { return String::new() };
    pieces.filter_map(|piece| data.pointer(&piece.pointer)?.as_str()).collect()
}
