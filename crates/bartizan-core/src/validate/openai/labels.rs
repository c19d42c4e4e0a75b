//! May this name go on? What a call or a message is called comes once. Some clients put together what
//! comes twice, and a value may be spread over it.

use crate::authorize::Grant;
use crate::validate::listener::Heard;

/// What names something in a choice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Label {
    Role,
    Id,
    Name,
}

/// What the choices and calls of an answer are called so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Labels(Vec<Told>);

#[derive(Clone, Debug)]
struct Told {
    /// The choice, and the call in it.
    place: (u64, u64),
    label: Label,
    /// All that was told, put together, where it was not the same again.
    all: String,
    /// How much of it was told last.
    last: usize,
}

/// No answer has more of them at the same time.
const MOST_LABELS: usize = 512;

/// No name is longer, however it is put together.
const LONGEST: usize = 512;

impl Labels {
    /// Something is called `text`. What is called by another name than before does not pass where the two
    /// together may be something that must not.
    pub(super) fn tell(
        &mut self,
        place: (u64, u64),
        label: Label,
        text: Option<&str>,
        grant: &Grant,
        heard: &mut Heard,
    ) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let Some(guard) = &grant.endpoint().profile.response else { return };
        let known = self.0.iter_mut().find(|told| told.place == place && told.label == label);
        let Some(known) = known else {
            if self.0.len() >= MOST_LABELS {
                heard.unsound = true;
                return;
            }
            self.0.push(Told { place, label, all: text.to_owned(), last: 0 });
            return;
        };
        let before = known.all.get(known.last..).unwrap_or_default();
        if before == text {
            return;
        }
        let plain = is_plain(before) && is_plain(text);
        known.last = known.all.len();
        known.all.push_str(text);
        let found = || !guard.masker().scanner().scan(&known.all).is_empty();
        heard.unsound |= !plain || known.all.len() > LONGEST || found();
    }
}

/// Whether a text can only be a name: no address, and no number that belongs to somebody.
fn is_plain(text: &str) -> bool {
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    letters > 0 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}
