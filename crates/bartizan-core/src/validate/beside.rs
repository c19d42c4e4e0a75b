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

    /// A way through the event, from its root on.
    pub(crate) fn trail(&self) -> Trail<'_> {
        Trail { beside: self, steps: Vec::new() }
    }
}

/// Where one is in an event. What is known of the way is kept for each step of it: an event may have
/// as many strings as bytes, and each of them stand as deep as documents go.
#[derive(Debug)]
pub(crate) struct Trail<'b> {
    beside: &'b Beside,
    steps: Vec<Step>,
}

/// What is known of a member or an element by the steps that lead to it.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// The names on the way, without the numbers.
    place: u64,
    /// Whether something on the way is told as a whole.
    whole: bool,
    /// Whether the last name is that of a label.
    label: bool,
    /// Which rows of [`WHOLE_WITHIN`] the way has the outer name of, and which the inner one.
    outer: u8,
    inner: u8,
    choices: bool,
    /// Whether it stands in the `message`, or in the `delta`, of a choice.
    message: bool,
    delta: bool,
    /// Whether its last name is one that has a reader of its own, or is never put together.
    apart: bool,
    item: Option<u64>,
}

impl Trail<'_> {
    /// Goes into a member or an element.
    pub(crate) fn enter(&mut self, step: &str) {
        #[cfg(test)]
        tests::work(step.len());
        let mut next = self.steps.last().copied().unwrap_or_default();
        match self.steps.len() {
            0 => {
                next.whole = self.beside.whole.contains(&step);
                next.choices = step == "choices";
            }
            1 if next.choices => {
                let at = step.parse().ok();
                next.item = at.and_then(|at: usize| self.beside.items.get(at).copied());
            }
            2 => {
                next.message = next.item.is_some() && step == "message";
                next.delta = next.item.is_some() && step == "delta";
            }
            _ => {}
        }
        if !is_number(step) {
            next.name(step);
        }
        self.steps.push(next);
    }

    /// Goes back out of it.
    pub(crate) fn leave(&mut self) {
        self.steps.pop();
    }

    /// The text that some clients make of the strings here, although each is told as a whole: those of
    /// the delta of a choice.
    pub(crate) fn label_of_delta(&self) -> Option<Channel> {
        let Step { delta, apart, item, place: part, .. } = *self.steps.last()?;
        let item = item.filter(|_| delta && !apart)?;
        Some(Channel { kind: Kind::Unknown, item, part })
    }

    /// How a string stands here.
    pub(crate) fn stands(&self) -> Stands {
        let step = self.steps.last().copied().unwrap_or_default();
        match step {
            _ if !self.beside.goes_on => Stands::Whole,
            Step { whole: true, .. } | Step { label: true, .. } => Stands::Whole,
            Step { message: true, .. } => Stands::Grows,
            Step { place: part, item, .. } => {
                let item = item.unwrap_or(NO_ITEM);
                Stands::GoesOn(Channel { kind: Kind::Unknown, item, part })
            }
        }
    }
}

impl Step {
    fn name(&mut self, name: &str) {
        let mut place = DefaultHasher::new();
        (self.place, name).hash(&mut place);
        self.place = place.finish();
        self.label = is_label(name);
        self.apart = matches!(name, "id" | "index" | "name" | "role" | "type");
        for (row, (outer, inner)) in WHOLE_WITHIN.iter().enumerate() {
            self.outer |= u8::from(*outer == name) << row;
            self.inner |= u8::from(*inner == name) << row;
        }
        self.whole |= WHOLES.contains(&name) || self.outer & self.inner != 0;
    }
}

fn is_number(step: &str) -> bool {
    !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
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
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many bytes of steps were read.
        static WORK: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn work(bytes: usize) {
        WORK.set(WORK.get() + bytes);
    }

    fn stands(beside: &Beside, pointer: &str) -> Stands {
        let mut trail = beside.trail();
        pointer.split('/').skip(1).for_each(|step| trail.enter(step));
        trail.stands()
    }

    #[test]
    fn the_work_for_a_string_does_not_grow_with_the_way_to_it() {
        let beside = Beside::but(&[]).with_items(vec![0]);
        let mut trail = beside.trail();
        (0..100).for_each(|_| trail.enter(&"name".repeat(30)));
        WORK.set(0);
        for _ in 0..1000 {
            trail.enter("1");
            assert!(matches!(trail.stands(), Stands::GoesOn(_)));
            trail.leave();
        }
        assert_eq!(WORK.get(), 1000);
    }

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
            assert_eq!(stands(&beside, pointer), Stands::Whole, "{pointer}");
        }
        assert_eq!(stands(&beside, "/choices/0/message/content"), Stands::Grows);
        let text = |pointer: &str| match stands(&beside, pointer) {
            Stands::GoesOn(channel) => channel,
            other => panic!("{pointer}: {other:?}"),
        };
        assert_eq!(text("/choices/0/delta/x/0/y"), text("/choices/0/delta/x/7/y"));
        assert_ne!(text("/choices/0/delta/x"), text("/choices/0/delta/y"));
        assert_ne!(text("/data"), text("/name"));
        assert_eq!(stands(&Beside::default(), "/x"), Stands::Whole);
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
