//! What may be told of a name that a client, a model or a server chose? What is no secret and nobody's.
//!
//! A verb is a name, too, and whatever a client writes there is one: what is no word is not told.
//!
//! Models and tools are called by names, and whoever calls may put anything there. Rights and
//! prices go by the name as it was sent; logs, refusals and the keys of counters have it so.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use bartizan_pii::{Action, Config, Masker, Scanner};
use http::Method;

/// Absent where the built-in recognizers could not be loaded: then nothing is told.
static MASKER: LazyLock<Option<Masker>> = LazyLock::new(|| {
    let scanner = Scanner::new(&Config::default()).ok();
    scanner.map(|scanner| Masker::new(Arc::new(scanner), Action::Replace))
});

/// How many names each thread remembers that may be told.
const REMEMBERED: usize = 16;

/// The longest name that is remembered, in bytes.
const MAX_REMEMBERED: usize = 128;

type Plain = [Option<Box<str>>; REMEMBERED];

thread_local! {
    /// Names of a moment ago that may be told as they are, each in a place that its text decides:
    /// they come again and again, and need not be searched each time.
    static PLAIN: RefCell<Plain> = const { RefCell::new([const { None }; REMEMBERED]) };
}

/// The name as it may be told; the same one where nothing is to be hidden.
#[must_use]
pub fn name(name: &Arc<str>) -> Arc<str> {
    instead(name).map_or_else(|| Arc::clone(name), Arc::from)
}

/// What is told in the place of a name, where something in it is to be hidden.
#[must_use]
pub fn instead(name: &str) -> Option<String> {
    let sum = name.bytes().fold(0u8, |sum, byte| sum.rotate_left(1) ^ byte);
    let place = usize::from(sum) % REMEMBERED;
    let known =
        |seen: &Plain| seen.get(place).and_then(Option::as_deref).is_some_and(|seen| seen == name);
    if PLAIN.with_borrow(known) {
        return None;
    }
    let masked = text(name);
    if masked.is_none() && name.len() <= MAX_REMEMBERED {
        PLAIN.with_borrow_mut(|seen| {
            seen.iter_mut().skip(place).take(1).for_each(|seen| *seen = Some(name.into()));
        });
    }
    masked
}

/// The longest verb that is told where no endpoint serves it, in bytes.
const MAX_VERB: usize = 24;

/// A verb of which nobody knows whether any endpoint serves it, as it may be told: a word, as all
/// registered ones are; a key or a number in its place becomes `*`.
#[must_use]
pub fn verb(verb: &Method) -> Method {
    let word = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    let text = verb.as_str();
    if text.len() <= MAX_VERB && text.bytes().all(word) {
        return verb.clone();
    }
    Method::from_bytes(b"*").unwrap_or_default()
}

fn text(text: &str) -> Option<String> {
    let Some(masker) = &*MASKER else { return Some(String::new()) };
    let masked = masker.mask_text(text);
    (!masked.findings.is_empty()).then(|| masked.text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_or_a_person_in_the_place_of_a_name_is_not_told() {
        for secret in [
            "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
            "sk-proj-Ab3dEf9hIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp",
            "ann.secret@example.com",
            "4012888888881881",
        ] {
            for _ in 0..2 {
                let told = name(&Arc::from(secret));
                assert!(!told.contains(secret) && told.starts_with('<'), "{secret}: {told}");
            }
        }
    }

    #[test]
    fn a_verb_is_told_where_it_is_a_word() {
        for (sent, told) in [
            ("GET", "GET"),
            ("VERSION-CONTROL", "VERSION-CONTROL"),
            ("SUMMARIZE", "SUMMARIZE"),
            ("get", "*"),
            ("4012888888881881", "*"),
            ("btz-test-7f3a9c5d", "*"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", "*"),
        ] {
            assert_eq!(verb(&sent.parse().unwrap()), told, "{sent}");
        }
    }

    #[test]
    fn every_model_with_a_price_is_told_by_its_name() {
        for model in crate::limit::price::builtin().keys() {
            assert_eq!(text(model), None, "{model}");
        }
        for tool in ["get_weather", "mcp__github__create_issue", "search-2", "a.b/c"] {
            assert_eq!(text(tool), None, "{tool}");
        }
    }
}
