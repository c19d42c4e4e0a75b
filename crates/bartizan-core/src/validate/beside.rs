//! What of an event is neither known as a piece of a text nor known to be whole? It may go on in the
//! next event, under whatever name a provider has invented for it.
//!
//! Where a client puts the pieces of a text together, a value may be spread over members that nobody
//! here knows. So a string is taken for a piece of a text, one for each path (the numbers in it do not
//! matter), unless its name or what it stands in says that it is told as a whole.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::listener::{Channel, Kind};

/// How the strings of an event are searched that are none of its known pieces.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Beside {
    /// Whether any of them may go on in the next event.
    goes_on: bool,
    /// Members of the event in which everything is told as a whole.
    whole: &'static [&'static str],
    /// The text to which each of its choices belongs.
    items: Vec<u64>,
}

/// How a string stands in an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stands {
    /// As a whole.
    Whole,
    /// As a piece of this text.
    GoesOn(Channel),
    /// As all that was said of a text so far: the next event has it again, and more.
    Grows,
}

/// Names of what is told as a whole: what somebody is called, where something belongs, how it ended.
/// No client puts those together.
const LABELS: [&str; 20] = [
    "created",
    "created_at",
    "encrypted_content",
    "finish_reason",
    "format",
    "id",
    "jsonrpc",
    "method",
    "model",
    "native_finish_reason",
    "obfuscation",
    "object",
    "provider",
    "role",
    "service_tier",
    "signature",
    "stop_reason",
    "system_fingerprint",
    "thought_signature",
    "type",
];

/// What holds nothing but wholes: sources, verdicts of filters, pictures, counts.
const WHOLES: [&str; 12] = [
    "annotations",
    "citation",
    "citations",
    "content_filter_result",
    "content_filter_results",
    "error",
    "extra_content",
    "images",
    "prompt_filter_results",
    "search_results",
    "usage",
    "web_search",
];

/// Members that are whole in these alone.
const WHOLE_WITHIN: [(&str, &str); 5] = [
    ("audio", "data"),
    ("custom", "name"),
    ("function", "name"),
    ("function_call", "name"),
    ("reasoning_details", "data"),
];

/// The text of an event as a whole, beside its choices.
const NO_ITEM: u64 = u64::MAX;

/// Whether a member of this name is told as a whole.
pub(super) fn is_label(name: &str) -> bool {
    LABELS.binary_search(&name).is_ok() || name.ends_with("_id")
}

impl Beside {
    /// An event whose strings may all go on, but for what stands in the members `whole`.
    pub(super) fn but(whole: &'static [&'static str]) -> Self {
        Self { goes_on: true, whole, items: Vec::new() }
    }

    /// The same; its choices belong to these texts.
    pub(super) fn with_items(self, items: Vec<u64>) -> Self {
        Self { items, ..self }
    }

    /// Whether any string may go on.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// How the string at `pointer` stands there.
    #[must_use]
    pub fn stands(&self, pointer: &str) -> Stands {
        if !self.goes_on {
            return Stands::Whole;
        }
        let mut path = pointer.split('/').skip(1);
        let (first, second, third) = (path.next(), path.next(), path.next());
        if first.is_some_and(|first| self.whole.contains(&first)) {
            return Stands::Whole;
        }
        let (mut name, mut place) = ("", DefaultHasher::new());
        for step in names(pointer) {
            let is_whole = WHOLES.contains(&step)
                || WHOLE_WITHIN.iter().any(|(within, whole)| {
                    *whole == step && names(pointer).any(|outer| outer == *within)
                });
            if is_whole {
                return Stands::Whole;
            }
            step.hash(&mut place);
            name = step;
        }
        if is_label(name) {
            return Stands::Whole;
        }
        let item = match (first, second.and_then(|at| at.parse::<usize>().ok())) {
            (Some("choices"), Some(at)) => self.items.get(at).copied(),
            _ => None,
        };
        if item.is_some() && third == Some("message") {
            return Stands::Grows;
        }
        let (item, part) = (item.unwrap_or(NO_ITEM), place.finish());
        Stands::GoesOn(Channel { kind: Kind::Unknown, item, part })
    }
}

/// The names on the way to a string, without the numbers.
fn names(pointer: &str) -> impl Iterator<Item = &str> {
    let is_number = |step: &&str| !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit());
    pointer.split('/').skip(1).filter(move |step| !is_number(step))
}

/// Which parts of an answer have begun and go on. A piece of a part that never began has no place: some
/// clients put pieces together by their numbers and others as they come, and it is one text to both
/// only if it is the only one.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    open: Vec<u64>,
    /// Where nothing has begun: the part that came first.
    stray: Option<u64>,
}

/// No answer has more parts that go on at the same time.
const MAX_OPEN: usize = 256;

impl Begun {
    /// The part with this number begins.
    pub(super) fn begin(&mut self, number: u64) {
        if self.open.len() < MAX_OPEN && !self.open.contains(&number) {
            self.open.push(number);
        }
    }

    /// Whether a piece with this number has a place.
    pub(super) fn takes(&mut self, number: u64) -> bool {
        if self.open.is_empty() {
            self.stray.get_or_insert(number);
        }
        self.stray == Some(number) || self.open.contains(&number)
    }

    /// A part is over.
    pub(super) fn end(&mut self, part: u64) {
        self.open.retain(|open| *open != part);
        self.stray = self.stray.filter(|stray| *stray != part);
    }

    /// All of them are.
    pub(super) fn end_all(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_known_name_is_whole_and_anything_else_goes_on() {
        let beside = Beside::but(&["whole"]).with_items(vec![0]);
        assert!(LABELS.is_sorted());
        for pointer in [
            "/id",
            "/choices/0/delta/role",
            "/choices/0/delta/tool_calls/3/function/name",
            "/choices/0/delta/reasoning_details/0/data",
            "/choices/0/delta/annotations/0/url_citation/title",
            "/item_id",
            "/whole/text",
        ] {
            assert_eq!(beside.stands(pointer), Stands::Whole, "{pointer}");
        }
        assert_eq!(beside.stands("/choices/0/message/content"), Stands::Grows);
        let text = |pointer: &str| match beside.stands(pointer) {
            Stands::GoesOn(channel) => channel,
            other => panic!("{pointer}: {other:?}"),
        };
        assert_eq!(text("/choices/0/delta/x/0/y"), text("/choices/0/delta/x/7/y"));
        assert_ne!(text("/choices/0/delta/x"), text("/choices/0/delta/y"));
        assert_ne!(text("/data"), text("/name"));
        assert_eq!(Beside::default().stands("/x"), Stands::Whole);
    }

    #[test]
    fn a_piece_of_what_never_began_has_no_place_beside_another() {
        let mut begun = Begun::default();
        assert!(begun.takes(3) && begun.takes(3) && !begun.takes(4));
        begun.end(3);
        assert!(begun.takes(4));
        begun.begin(0);
        begun.begin(1);
        assert!(begun.takes(0) && begun.takes(1) && !begun.takes(2) && begun.takes(4));
        begun.end(4);
        assert!(!begun.takes(4));
        begun.end_all();
        assert!(begun.takes(2));
    }
}
