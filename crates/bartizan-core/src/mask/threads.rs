//! Does a value leave in one of several texts that are told under one path, by turns?
//!
//! What nobody knows is searched as one text for each path, as clients read it that join whatever comes.
//! Others put together what has the same number, the same name or the same place in a list, and to them a
//! value of two pieces is whole though another text stands between. So where pieces are told apart by
//! something that comes again, one text ends for the search where the next one goes on; and each text is
//! looked at once more as it goes out, in every way that it may be read. What has gone out cannot be
//! held back any more: an answer in which a value becomes whole so ends before the piece that would do it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use super::Guard;
use super::again::Again;
use super::open::with_whole_letters;
use crate::validate::listener::Channel;

/// By what a client may tell texts of one path apart: the places in lists, numbers, names, kinds, and all
/// but names together.
const WAYS: usize = 5;

/// One key for each of these ways.
pub(super) type Keys = [u64; WAYS];

/// The way of a client that tells nothing apart.
const AS_IT_COMES: usize = WAYS;

/// What stands between two texts for the search, and goes out of it nowhere: a sign for this very purpose, that
/// is part of no word (ISO 646, unit separator).
const BETWEEN: char = '\u{1f}';

/// Most texts that are remembered; of more the one that was silent the longest is forgotten, for some
/// servers number every event.
const MOST: usize = 64;

/// So much of a text is looked back at, in bytes.
const LONGEST: usize = 512;

/// The texts of an answer that no protocol knows, each as some clients read them.
#[derive(Debug, Default)]
pub(super) struct Threads {
    /// The one that spoke last is at the end.
    known: VecDeque<Thread>,
    paths: Vec<Path>,
    /// What is told as a whole, and put together by some.
    pub(super) labels: Again,
}

/// What is known of the pieces under one path.
#[derive(Debug)]
struct Path {
    channel: Channel,
    /// The keys of the last piece.
    last: Keys,
    /// By which ways a key came again. What differs with each piece is a number of pieces, not of texts.
    again: [bool; WAYS],
    /// Whether there were several texts.
    split: bool,
}

/// A text as somebody reads it.
#[derive(Debug)]
struct Thread {
    channel: Channel,
    way: usize,
    key: u64,
    tail: String,
}

impl Threads {
    /// A piece as the search is to take it: behind a sign where it belongs to another text than the last one
    /// of its path.
    pub(super) fn part<'t>(
        &mut self,
        channel: Channel,
        keys: Keys,
        text: Cow<'t, str>,
    ) -> Cow<'t, str> {
        let Some(path) = self.paths.iter_mut().find(|path| path.channel == channel) else {
            let path = Path { channel, last: keys, again: [false; WAYS], split: false };
            self.paths.push(path);
            return text;
        };
        let known = &self.known;
        for (way, (again, key)) in path.again.iter_mut().zip(keys).enumerate() {
            *again |= known.iter().any(|thread| thread.is(channel, way, key));
        }
        let mut ways = path.last.iter().zip(keys).zip(path.again);
        let turns = ways.any(|((last, key), again)| *last != key && again);
        path.last = keys;
        path.split |= turns;
        if turns { format!("{BETWEEN}{text}").into() } else { text }
    }

    /// Takes what goes out of a piece with the last keys of its path. `None` where a value would be whole with
    /// it in one of the texts.
    pub(super) fn take(
        &mut self,
        (channel, name): (Channel, &str),
        mut text: String,
        guard: &Guard,
    ) -> Option<String> {
        let path = self.paths.iter().find(|path| path.channel == channel);
        let Some((keys, split)) = path.map(|path| (path.last, path.split)) else {
            return Some(text);
        };
        if split {
            text.retain(|letter| letter != BETWEEN);
        }
        if text.is_empty() {
            return Some(text);
        }
        let ways = keys.into_iter().enumerate().chain([(AS_IT_COMES, 0)]);
        let mut all_pass = true;
        for (way, key) in ways {
            let tail = self.told((channel, way, key), &text);
            all_pass &= !split || !tells(tail, text.len(), name, guard);
        }
        all_pass.then_some(text)
    }

    /// The end of a text with one more piece.
    fn told(&mut self, (channel, way, key): (Channel, usize, u64), text: &str) -> &str {
        let is_it =
            |known: &Thread| known.channel == channel && known.way == way && known.key == key;
        let at = self.known.iter().position(is_it);
        let mut thread = at.and_then(|at| self.known.remove(at)).unwrap_or_else(|| Thread {
            channel,
            way,
            key,
            tail: String::new(),
        });
        append(&mut thread.tail, text);
        if self.known.len() >= MOST {
            self.known.pop_front();
        }
        self.known.push_back(thread);
        self.known.back().map_or("", |thread| &thread.tail)
    }
}

impl Thread {
    fn is(&self, channel: Channel, way: usize, key: u64) -> bool {
        self.channel == channel && self.way == way && self.key == key
    }
}

/// Appends to a text of which only the end is kept, and all of its last piece.
fn append(tail: &mut String, text: &str) {
    tail.push_str(text);
    let kept = tail.ceil_char_boundary(tail.len().saturating_sub(LONGEST.max(text.len())));
    tail.drain(..kept);
}

/// Whether a text that ends here holds a value that reaches into its last bytes.
fn tells(tail: &str, last: usize, name: &str, guard: &Guard) -> bool {
    let mut stream = guard.masker().stream().named(name);
    let mut out = Vec::with_capacity(tail.len());
    stream.feed(tail.as_bytes(), &mut out);
    stream.finish(&mut out);
    // What stands before was looked at when it came.
    let same = out.iter().rev().zip(tail.as_bytes().iter().rev()).take_while(|(a, b)| a == b);
    stream.is_blocked() || (out != tail.as_bytes() && same.count() < last)
}

/// A way through an event, and by what the strings at its end may be told apart from others of their
/// path. Each value on it is looked at once, however many strings stand in it.
#[derive(Debug)]
pub(super) struct Way<'e> {
    event: Read<'e>,
    /// The event, and what stands in it on the way, as far as it was asked for.
    values: Vec<Option<Passed<'e>>>,
}

/// The data of an event, read where they are needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read<'e> {
    pub(super) data: &'e [u8],
    pub(super) value: &'e OnceCell<Value>,
}

impl<'e> Read<'e> {
    fn get(self) -> &'e Value {
        let whole = |_| serde_json::from_slice(&with_whole_letters(self.data));
        self.value
            .get_or_init(|| serde_json::from_slice(self.data).or_else(whole).unwrap_or_default())
    }
}

/// A value on the way, and the keys of what stands in it.
#[derive(Clone, Debug)]
struct Passed<'e> {
    value: Option<&'e Value>,
    hashes: [DefaultHasher; WAYS],
}

impl<'e> Way<'e> {
    pub(super) fn new(event: Read<'e>) -> Self {
        Self { event, values: vec![None] }
    }

    pub(super) fn enter(&mut self) {
        self.values.push(None);
    }

    pub(super) fn leave(&mut self) {
        self.values.pop();
    }

    /// The keys of the string here, to which `pointer` leads.
    pub(super) fn keys(&mut self, pointer: &str) -> Keys {
        let known = self
            .values
            .iter()
            .enumerate()
            .rev()
            .find_map(|(at, value)| value.clone().map(|value| (at, value)));
        let (from, mut here) = known.unwrap_or_else(|| {
            let root = Passed { value: Some(self.event.get()), hashes: Default::default() };
            (0, root.with_members())
        });
        for (at, step) in pointer.split('/').skip(1).enumerate().skip(from) {
            let next = here.step(step).with_members();
            if let Some(known) = self.values.get_mut(at) {
                *known = Some(std::mem::replace(&mut here, next));
            }
        }
        here.hashes.map(|hash| hash.finish())
    }
}

impl Passed<'_> {
    /// What stands in it, by the next step of a pointer.
    fn step(&self, step: &str) -> Self {
        let mut hashes = self.hashes.clone();
        let name = step.replace("~1", "/").replace("~0", "~");
        let value = match self.value {
            Some(Value::Array(elements)) => {
                let [places, .., all] = &mut hashes;
                step.hash(places);
                step.hash(all);
                name.parse().ok().and_then(|at: usize| elements.get(at))
            }
            Some(Value::Object(members)) => members.get(&name),
            _ => None,
        };
        Self { value, hashes }
    }

    /// The same with what its members say of each other.
    fn with_members(mut self) -> Self {
        let Some(Value::Object(members)) = self.value else { return self };
        let [_, numbers, names, kinds, all] = &mut self.hashes;
        for (name, value) in members {
            #[cfg(test)]
            tests::work(1);
            if value.is_array() || value.is_object() {
                continue;
            }
            let is = |list: &[&str], end: &str| list.contains(&&**name) || name.ends_with(end);
            let text = || (name, value.to_string());
            if is(&["index", "number"], "_index") {
                text().hash(numbers);
                text().hash(all);
            } else if is(&["id", "key"], "_id") {
                text().hash(names);
            } else if is(&["channel", "name", "recipient", "role"], "type") {
                text().hash(kinds);
                text().hash(all);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// How many members were looked at.
        static WORK: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn work(members: usize) {
        WORK.set(WORK.get() + members);
    }

    #[test]
    fn each_member_of_an_event_is_looked_at_once_however_many_strings_stand_beside_it() {
        let members: String = (0..1000).map(|at| format!("\"{at}\":\"x\",")).collect();
        let data = format!("{{{members}\"index\":7,\"list\":[{{\"id\":\"a\"}},\"b\",\"c\"]}}");
        let value = OnceCell::new();
        let mut way = Way::new(Read { data: data.as_bytes(), value: &value });
        WORK.set(0);
        let mut keys = |steps: &[&str]| {
            steps.iter().for_each(|_| way.enter());
            let keys = way.keys(&format!("/{}", steps.join("/")));
            steps.iter().for_each(|_| way.leave());
            keys
        };
        let first = keys(&["0"]);
        for at in 1..1000 {
            assert_eq!(keys(&[&at.to_string()]), first);
        }
        assert_ne!(keys(&["list", "1"]), keys(&["list", "2"]));
        assert_eq!(WORK.get(), 1002);
    }
}
