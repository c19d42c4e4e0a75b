//! Where in a text is something, and what is it?
//!
//! The rule by which findings exclude each other: the one that begins first wins; of those that
//! begin at the same byte an open-ended credential, then the longest, then the user's own patterns
//! before the built-in rows, then the order of the rows. What begins inside a finding is not looked
//! for. So findings never overlap and come in the order of the text.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::{
    CONTEXT_BOOST, COUNTER_WEIGHT, Config, ConfigError, End, Entity, Peek, Recognizer, Run, Window,
    context::{Said, Vocabulary},
    custom::Custom,
    dispatch::Dispatch,
    encoded::{self, Decoded},
    prose,
    reader::Reader,
    recognizer::Step,
    secret::is_token,
    simd::Isa,
    sweep::{Place, Sweep},
    unfold::{Folded, unit},
};

/// A place in a text that holds personal data or a secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What it is.
    pub entity: Entity,
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last one.
    pub end: usize,
    /// How sure that is, 0 to 1.
    pub score: f32,
}

/// Finds personal data and secrets in text. Build it once; it is immutable and can be shared.
pub struct Scanner {
    rows: Vec<&'static Recognizer>,
    dispatch: Box<Dispatch>,
    pub(crate) isa: Isa,
    vocabulary: Vocabulary,
    custom: Arc<[Custom]>,
    min_confidence: f32,
    allow: Vec<String>,
}

/// A value whose beginning is certain, and whose end is too or follows by [`Run`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'s> {
    pub(crate) entity: &'s Entity,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) run: Option<Run>,
    pub(crate) score: f32,
}

/// How far a search came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Search<'s> {
    Found(Candidate<'s>),
    /// Nothing begins before this byte, where the known text ends or more of it is needed.
    ClearUpTo(usize),
}

impl Scanner {
    /// A scanner for `config`.
    ///
    /// # Errors
    /// An entity that nothing finds, a score out of bounds, or a pattern that cannot be used.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if !(0.0..=1.0).contains(&config.min_confidence) {
            return Err(ConfigError::Confidence { what: "min_confidence".into() });
        }
        let rows = config.rows()?;
        let patterns = config.custom.iter().cloned().chain(config.blocked());
        let custom: Arc<[Custom]> =
            patterns.map(|pattern| Custom::new(&pattern)).collect::<Result<_, _>>()?;
        let dispatch = Dispatch::new(&rows, &custom, config.min_confidence);
        let isa = Isa::detect();
        let words: Vec<_> = rows.iter().map(|row| (row.context, row.against)).collect();
        Ok(Self {
            dispatch,
            isa,
            vocabulary: Vocabulary::new(isa, &words),
            rows,
            custom,
            min_confidence: config.min_confidence,
            allow: config.allow.clone(),
        })
    }

    /// A scanner for the user's own patterns and blocked terms alone, where there are any.
    #[must_use]
    pub fn own(&self) -> Option<Self> {
        if self.custom.is_empty() {
            return None;
        }
        let (custom, allow) = (Arc::clone(&self.custom), self.allow.clone());
        let dispatch = Dispatch::new(&[], &custom, self.min_confidence);
        let (isa, vocabulary) = (self.isa, Vocabulary::new(self.isa, &[]));
        let (rows, min_confidence) = (Vec::new(), self.min_confidence);
        Some(Self { rows, dispatch, isa, vocabulary, custom, min_confidence, allow })
    }

    /// All findings in `text`, in order, none overlapping another.
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        self.scan_bytes(text.as_bytes())
    }

    /// The same in bytes that need not be UTF-8; what is not, is no part of any value.
    pub fn scan_bytes(&self, text: &[u8]) -> Vec<Finding> {
        self.scan_window(&Window::whole(text))
    }

    /// Whether a value of this name is taken for a secret, whatever it is: `password`, `api_key`.
    #[must_use]
    pub fn expects_secret(name: &str) -> bool {
        crate::recognizer::assignment::may_name(name)
    }

    /// The same, with words that count as context everywhere, such as the name of a member.
    pub fn scan_hinted(&self, text: &str, hint: &str) -> Vec<Finding> {
        self.scan_window(&Window::whole(text.as_bytes()).with_hint(hint))
    }

    fn scan_window(&self, window: &Window<'_>) -> Vec<Finding> {
        self.scan_with(&mut Reader::default(), window)
    }

    /// The same with a reader that is used again, for many short texts.
    pub(crate) fn scan_with<'s>(
        &'s self,
        reader: &mut Reader<'s>,
        window: &Window<'_>,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut from = 0;
        reader.reset();
        while let Search::Found(candidate) = reader.search(self, window, from) {
            let Candidate { entity, start, end, run, score } = candidate;
            let end = run.map_or(end, |run| run.extend(window, end).0);
            from = end;
            findings.push(Finding { entity: entity.clone(), start, end, score });
        }
        findings
    }

    /// The first value that begins at `from` or later, as far as the window can tell. The sweep is
    /// that of the searches before in the same window, or a new one; `folded` is what the window
    /// shows, if it shows a text with its units undone.
    pub(crate) fn search(
        &self,
        sweep: &mut Sweep,
        window: &Window<'_>,
        folded: Option<&Folded>,
        from: usize,
    ) -> Search<'_> {
        let mut from = from;
        while let Some(place) = sweep.next(&self.dispatch, self.isa, window, from) {
            let at = place.at;
            let window = &folded.map_or(*window, |folded| window.with_floor(folded.floor(at)));
            let Ok(found) = self.best(sweep, window, place) else { return Search::ClearUpTo(at) };
            let Some(candidate) = found else {
                from = at + 1;
                continue;
            };
            match self.allowed_end(window, &candidate) {
                Ok(None) => return Search::Found(candidate),
                Ok(Some(end)) => {
                    sweep.pass(at, end);
                    from = end;
                }
                Err(_more) => return Search::ClearUpTo(at),
            }
        }
        Search::ClearUpTo(from.max(window.bytes().len()))
    }

    /// How much of the beginning of `rest` certainly holds no beginning of a value, whatever comes:
    /// a quick answer for the most of every stream (see [`prose`]). None for a scanner with rows of
    /// which a value can be plain words.
    pub(crate) fn prose(&self, rest: &[u8]) -> Option<usize> {
        let plain = self.custom.is_empty() && self.dispatch.only_needs_marks();
        if plain { prose::clear(rest) } else { None }
    }

    /// The preferred one of all values that begin exactly at `place`.
    fn best(
        &self,
        sweep: &Sweep,
        window: &Window<'_>,
        place: Place,
    ) -> Peek<Option<Candidate<'_>>> {
        let mut best: Option<Candidate<'_>> = None;
        if sweep.is_custom(place) {
            for custom in self.custom.iter() {
                if let Some(candidate) = self.try_custom(custom, window, place.at)? {
                    best = Some(preferred(best, candidate));
                }
            }
        }
        if sweep.is_encoded(place) {
            encoded::each(window, place.at, |decoded| {
                if let Some(candidate) = self.inside(place.at, decoded) {
                    best = Some(preferred(best, candidate));
                }
            })?;
        }
        let mut rows = sweep.rows(&self.dispatch, window, place);
        let mut said = None;
        let weak = rows.and(self.dispatch.weak);
        if !weak.is_empty() {
            // Without a word for them, their answer does not matter.
            let said = said.insert(self.said(sweep, window, place.at));
            rows = rows.without(weak.without(said.support));
        }
        while let Some(place_of_row) = rows.take_first() {
            let Some(&row) = self.rows.get(place_of_row) else { continue };
            let answer = (row.check)(window, place.at);
            if answer == Ok(None) {
                continue;
            }
            // Context lies in what is known. Where it is missing and needed, nothing waits for more.
            if !row.has_context() {
                let Some(end) = answer? else { continue };
                best = Some(preferred(best, candidate(row, place.at, end, row.score)));
                continue;
            }
            let said = said.get_or_insert_with(|| self.said(sweep, window, place.at));
            let Some(end) = answer? else { continue };
            let score = score(row, place_of_row, said);
            if score >= self.min_confidence {
                best = Some(preferred(best, candidate(row, place.at, end, score)));
            }
        }
        Ok(best)
    }

    /// All of a word that says something in which a value is found.
    #[cold]
    fn inside(&self, at: usize, decoded: &Decoded) -> Option<Candidate<'_>> {
        let window = Window::whole(decoded.text());
        let Search::Found(inner) = self.search(&mut Sweep::of_decoded(), &window, None, 0) else {
            return None;
        };
        let run = decoded.is_cut.then_some(Run::Encoded);
        Some(Candidate { start: at, end: decoded.end, run, ..inner })
    }

    /// What the words before `at` say of the rows.
    fn said(&self, sweep: &Sweep, window: &Window<'_>, at: usize) -> Said {
        let mut said = Said::default();
        if sweep.words_before(at) {
            let left = window.left(at).len();
            let text = window.bytes().get(at - left..).unwrap_or_default();
            self.vocabulary.said(text, left, &mut said);
        }
        self.vocabulary.said(window.hint().as_bytes(), window.hint().len(), &mut said);
        said
    }

    fn try_custom<'s>(
        &self,
        custom: &'s Custom,
        window: &Window<'_>,
        at: usize,
    ) -> Peek<Option<Candidate<'s>>> {
        let answer = custom.check(window, at);
        if answer == Ok(None) {
            return Ok(None);
        }
        let boost = if window.near(at, &custom.context) { CONTEXT_BOOST } else { 0.0 };
        let score = tidy(custom.score + boost);
        if score < self.min_confidence {
            return Ok(None);
        }
        let Some(end) = answer? else { return Ok(None) };
        Ok(Some(Candidate { entity: &custom.entity, start: at, end, run: None, score }))
    }

    /// Where the value ends, if it is on the allow list. Of an open-ended one that is known once it differs
    /// from all of the list, or has ended.
    fn allowed_end(&self, window: &Window<'_>, candidate: &Candidate<'_>) -> Peek<Option<usize>> {
        for allowed in self.allow.iter().map(String::as_bytes) {
            let end = candidate.start + allowed.len();
            let same_length = match candidate.run {
                None => end == candidate.end,
                Some(_) => end >= candidate.end,
            };
            if !same_length || !starts_with_any_case(window, candidate.start, allowed)? {
                continue;
            }
            let Some(run) = candidate.run else { return Ok(Some(end)) };
            if run.step(window, end)?.is_none() {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }
}

impl Run {
    /// The end of the value as far as it is known, searched from `from`, and whether it is final.
    pub(crate) fn extend(self, window: &Window<'_>, from: usize) -> (usize, bool) {
        let mut end = from;
        loop {
            match self.step(window, end) {
                Ok(Some(Step::More(bytes))) => end += bytes,
                Ok(Some(Step::Last(bytes))) => return (end + bytes, true),
                // A run goes on behind what nobody sees, and where it is escaped.
                Ok(None) => match unit(window, end) {
                    Ok(Some(unit)) if unit.text().iter().all(|b| is_token(*b)) => end += unit.width,
                    Ok(_) => return (end, true),
                    Err(_more) => return (end, false),
                },
                Err(_more) => return (end, false),
            }
        }
    }
}

fn candidate(row: &'static Recognizer, start: usize, end: End, score: f32) -> Candidate<'static> {
    let (end, run) = match end {
        End::At(end) => (end, None),
        End::Open(end, run) => (end, Some(run)),
    };
    Candidate { entity: &row.entity, start, end, run, score }
}

fn score(row: &Recognizer, place: usize, said: &Said) -> f32 {
    tidy(match () {
        () if said.support.has(place) => row.score + CONTEXT_BOOST,
        () if said.against.has(place) => row.score - COUNTER_WEIGHT,
        () => row.score,
    })
}

/// At most 1, and two decimals: more would be a claim, and read badly in a report.
fn tidy(score: f32) -> f32 {
    (score.clamp(0.0, 1.0) * 100.0).round() / 100.0
}

fn preferred<'s>(best: Option<Candidate<'s>>, other: Candidate<'s>) -> Candidate<'s> {
    match best {
        Some(best) if rank(&best) >= rank(&other) => best,
        _ => other,
    }
}

pub(crate) fn rank(candidate: &Candidate<'_>) -> (bool, usize) {
    (candidate.run.is_some(), candidate.end)
}

fn starts_with_any_case(window: &Window<'_>, at: usize, literal: &[u8]) -> Peek<bool> {
    for (offset, expected) in literal.iter().enumerate() {
        if !window.is(at + offset, |byte| byte.eq_ignore_ascii_case(expected))? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<&str> = self.rows.iter().map(|row| row.finds).collect();
        f.debug_struct("Scanner").field("rows", &rows).field("custom", &self.custom.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::{Anchor, CustomPattern, RECOGNIZERS, dispatch::MOST_ROWS};

    /// A scanner, and one like it that asks every row at every byte.
    fn scanners(min_confidence: f32, entities: Option<Vec<Entity>>) -> [Scanner; 2] {
        let entity: Entity = "OURS".parse().expect("a name");
        let custom = vec![CustomPattern::new(entity, "fox[0-9]+|[0-9]{3}x")];
        let config = Config { min_confidence, custom, entities, ..Config::default() };
        let sieved = Scanner::new(&config).expect("sound");
        let mut plain = Scanner::new(&config).expect("sound");
        let everywhere: fn(&Recognizer) -> &'static [Anchor] = |_| &[Anchor::Anywhere];
        plain.dispatch =
            Dispatch::with_anchors(&plain.rows, &plain.custom, min_confidence, everywhere);
        [sieved, plain]
    }

    #[test]
    fn a_scanner_has_places_for_all_rows() {
        assert!(RECOGNIZERS.len() <= MOST_ROWS);
    }

    #[test]
    fn no_anchor_passes_over_an_example_that_its_row_finds() {
        for entities in [None, Some(Config::all_entities())] {
            let [sieved, plain] = scanners(0.0, entities);
            for row in RECOGNIZERS {
                for text in row.yes.iter().chain(row.no) {
                    for text in [(*text).to_owned(), text.to_uppercase(), format!("1-{text}")] {
                        assert_eq!(
                            sieved.scan(&text),
                            plain.scan(&text),
                            "{}: {text:?}",
                            row.finds
                        );
                    }
                }
            }
        }
    }

    /// Pieces of values and what stands around them, in any order; borders of stretches fall
    /// anywhere.
    fn text() -> impl Strategy<Value = String> {
        let examples: Vec<&str> =
            RECOGNIZERS.iter().flat_map(|row| row.yes.iter().chain(row.no)).copied().collect();
        let piece = prop_oneof![
            3 => prop::sample::select(examples),
            2 => prop::sample::select(vec![
                " ", "-", ".", "(", "+", "/", ":", ",", "1", "12", "1234", "555", "@", "%40", "a",
                "AB", "é", "fox7", "123x", "_", "x12", "\n", "eyJ", "sk-", "::", "2001:db8:", "fe80", "8a2e:",
                "10:30:12", "192.168", ".1.2", "00:1A:2B", "416 60 039", " office", "-Fax", " (cell)",
                "-----", "DE", "GB29",
            ]),
            1 => (1..90_usize).prop_map(|n| LONG.get(..n).unwrap_or_default()),
        ];
        let padding = (0..9_000_usize, any::<bool>());
        (prop::collection::vec(piece, 1..12), padding).prop_map(|(pieces, (length, pad))| {
            let text = pieces.concat();
            if pad { format!("{}{text}", " lorem 1 ".repeat(length / 9)) } else { text }
        })
    }

    const LONG: &str = "abcdefgh-12345678901234567890123456789012345678901234567890.abcdefghijklmnop_qrstuvwxyz0123";

    proptest! {
        #[test]
        fn what_is_found_does_not_depend_on_the_anchors(text in text(), weak in any::<bool>()) {
            let [sieved, plain] = scanners(if weak { 0.0 } else { 0.5 }, None);
            prop_assert_eq!(sieved.scan(&text), plain.scan(&text));
        }

        #[test]
        fn nor_where_all_entities_are_looked_for(text in text()) {
            static BOTH: LazyLock<[Scanner; 2]> =
                LazyLock::new(|| scanners(0.5, Some(Config::all_entities())));
            let [sieved, plain] = &*BOTH;
            prop_assert_eq!(sieved.scan(&text), plain.scan(&text));
        }
    }
}
