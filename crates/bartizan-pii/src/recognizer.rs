//! What can be found? One row for each way of writing an entity; each row carries its own test.

mod address;
pub(crate) mod assignment;
mod bank;
mod checksum;
mod crypto;
mod date;
mod device;
mod first_name;
pub(crate) mod form;
mod geo;
mod health;
mod id;
pub(crate) mod name;
pub(crate) mod phone_home;
mod phone_regional;
mod url;
mod usual;
mod vehicle;

use crate::{Anchor, Entity, Peek, Window, encoded, secret::private_key};

/// Rows whose values have a fixed form (see [`form`]): entity, what it finds, forms, validator, score,
/// context, anchors where the forms do not give any, examples and counterexamples.
macro_rules! formed {
    (@anchors $forms:expr) => { &[$crate::Anchor::Forms(&$forms)] };
    (@anchors $forms:expr, $anchors:expr) => { &$anchors };
    ($($entity:ident, $finds:literal, $forms:expr, $valid:expr, $score:literal, $context:expr,
       $(at $anchors:expr,)? yes $yes:expr, no $no:expr;)*) => {
        &[$($crate::Recognizer {
            entity: $crate::Entity::$entity,
            finds: $finds,
            starts: |byte| $crate::recognizer::form::may_start(&$forms, byte),
            anchors: $crate::recognizer::formed!(@anchors $forms $(, $anchors)?),
            check: |window, at| $crate::recognizer::form::find(window, at, &$forms, $valid),
            score: $score,
            context: $context,
            against: &[],
            max_len: $crate::recognizer::form::longest(&$forms),
            yes: &$yes,
            no: &$no,
        }),*]
    };
}
use formed;

/// What a context word adds to the score of a finding.
pub const CONTEXT_BOOST: f32 = 0.4;

/// What a word that speaks against a finding takes from its score.
pub const COUNTER_WEIGHT: f32 = 0.3;

/// One way in which an entity is written.
///
/// To add an entity is to add a row; its examples are tested by the row being there.
#[derive(Debug)]
pub struct Recognizer {
    /// What it finds.
    pub entity: Entity,
    /// What this row finds, in words, for the reference page.
    pub finds: &'static str,
    /// The bytes at which a value may begin.
    pub starts: fn(u8) -> bool,
    /// What must stand where a value begins, one of these at least: without it `check` is not asked.
    pub anchors: &'static [Anchor],
    /// Where a value ends that begins exactly here, if one does.
    pub check: fn(&Window<'_>, usize) -> Peek<Option<End>>,
    /// How sure it is without context, 0 to 1. Below the default threshold of 0.5 the row speaks
    /// only beside one of its context words.
    pub score: f32,
    /// Words before the value that add [`CONTEXT_BOOST`].
    pub context: &'static [&'static str],
    /// Words before the value that take [`COUNTER_WEIGHT`], where no context word stands.
    pub against: &'static [&'static str],
    /// How many bytes from the beginning of a candidate on it may ask for before it answers: the
    /// most that a stream holds back for this row.
    pub max_len: usize,
    /// Texts in which it finds something.
    pub yes: &'static [&'static str],
    /// Texts in which it must find nothing.
    pub no: &'static [&'static str],
}

impl Recognizer {
    /// Whether words near a value tell anything.
    pub(crate) fn has_context(&self) -> bool {
        !(self.context.is_empty() && self.against.is_empty())
    }
}

/// Where a value ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Before this byte.
    At(usize),
    /// It is established up to this byte and goes on for as long as the run does, however long.
    Open(usize, Run),
}

/// How an open-ended value goes on. Nothing of it needs to be held back: it is masked as it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Letters, digits, `-` and `_`.
    Token,
    /// The same, and single dots between.
    Dotted,
    /// The letters of base64.
    Encoded,
    /// Everything up to and including the line `-----END …-----`, or the end of the text.
    Pem,
}

impl Run {
    /// How many bytes at `at` still belong to it; `None` where it ends.
    pub(crate) fn step(self, window: &Window<'_>, at: usize) -> Peek<Option<Step>> {
        use crate::secret::is_token;
        let Some(byte) = window.byte(at)? else { return Ok(None) };
        match self {
            Self::Token | Self::Dotted if is_token(byte) => Ok(Some(Step::More(1))),
            // Two dots enclose the empty key of a directly encrypted token (RFC 7516).
            Self::Dotted => {
                let dots = window.count(at, 2, |b| b == b'.')?;
                let joined = dots > 0 && window.is(at + dots, is_token)?;
                Ok(joined.then_some(Step::More(dots + 1)))
            }
            Self::Encoded if encoded::goes_on(byte) => Ok(Some(Step::More(1))),
            Self::Token | Self::Encoded => Ok(None),
            Self::Pem => private_key::step(window, at).map(Some),
        }
    }
}

/// One step along an open-ended value, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    More(usize),
    Last(usize),
}

/// The built-in rows, the most specific first: that is the order in which equally long findings at
/// the same place are preferred.
pub static RECOGNIZERS: &[&Recognizer] = &joined::<{ count(GROUPS) }>(GROUPS);

/// Credentials, then what is looked for by default, then what is looked for when asked for: first
/// what has a form of its own, last what is only digits beside a word.
const GROUPS: &[&[Recognizer]] = &[
    url::ROWS,
    usual::ROWS,
    assignment::ROWS,
    device::ROWS,
    crypto::ROWS,
    bank::ROWS,
    vehicle::ROWS,
    vehicle::SPACED,
    phone_regional::ROWS,
    id::uk::ROWS,
    id::germany::ROWS,
    id::western_europe::ROWS,
    id::southern_europe::ROWS,
    id::northern_europe::ROWS,
    id::central_europe::ROWS,
    id::eastern_europe::ROWS,
    id::asia::ROWS,
    id::india::ROWS,
    id::korea::ROWS,
    id::africa::ROWS,
    id::oceania::ROWS,
    id::americas::ROWS,
    id::us::ROWS,
    health::ROWS,
    date::ROWS,
    geo::ROWS,
    address::ROWS,
    name::ROWS,
];

const fn count(mut groups: &[&[Recognizer]]) -> usize {
    let mut count = 0;
    while let [group, rest @ ..] = groups {
        count += group.len();
        groups = rest;
    }
    count
}

const fn joined<const N: usize>(
    mut groups: &'static [&'static [Recognizer]],
) -> [&'static Recognizer; N] {
    let [[first, ..], ..] = groups else { unreachable!() };
    let mut all = [first; N];
    let mut slots: &mut [&Recognizer] = &mut all;
    let mut group: &[Recognizer] = &[];
    while let [slot, free @ ..] = slots {
        while let ([], [next, others @ ..]) = (group, groups) {
            (group, groups) = (next, others);
        }
        if let [row, more @ ..] = group {
            *slot = row;
            group = more;
        }
        slots = free;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Scanner};

    #[test]
    fn every_row_finds_its_examples_and_not_its_counterexamples() {
        let mut wrong = Vec::new();
        for row in RECOGNIZERS {
            let entities = Some(vec![row.entity.clone()]);
            let scanner = Scanner::new(&Config { entities, ..Config::default() }).expect("sound");
            let found = |text: &str| scanner.scan(text).iter().any(|f| f.entity == row.entity);
            let missed = row.yes.iter().filter(|text| !found(text));
            wrong.extend(missed.map(|text| format!("{} is not found in {text:?}", row.entity)));
            let invented = row.no.iter().filter(|text| found(text));
            wrong.extend(invented.map(|text| format!("{} is found in {text:?}", row.entity)));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_example_is_found_by_its_own_row_alone() {
        let mut wrong = Vec::new();
        for row in RECOGNIZERS {
            for text in row.yes {
                let window = crate::Window::whole(text.as_bytes());
                let found = (0..text.len()).any(|at| {
                    let byte = text.as_bytes()[at];
                    (row.starts)(byte) && (row.check)(&window, at).is_ok_and(|end| end.is_some())
                });
                if !found {
                    wrong.push(format!("{} by {:?} in {text:?}", row.entity, row.finds));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_number_without_gaps_is_found_as_a_spreadsheet_writes_it() {
        let (mut missed, mut tried) = (Vec::new(), 0);
        for row in RECOGNIZERS {
            let entities = Some(vec![row.entity.clone()]);
            let scanner = Scanner::new(&Config { entities, ..Config::default() }).expect("sound");
            for text in row.yes {
                let last = scanner.scan(text).pop().filter(|last| last.end == text.len());
                let Some(last) = last.filter(|last| last.end - last.start >= 7) else { continue };
                if !text.bytes().skip(last.start).all(|byte| byte.is_ascii_digit()) {
                    continue;
                }
                tried += 1;
                let float = format!("{text}.0");
                if scanner.scan(&float).pop().is_none_or(|found| found.end != float.len()) {
                    missed.push(format!("{} in {float:?}", row.entity));
                }
            }
        }
        assert!(missed.is_empty(), "{missed:#?}");
        assert!(tried > 60, "{tried}");
    }

    #[test]
    fn a_row_with_forms_is_not_asked_everywhere() {
        let everywhere = RECOGNIZERS.iter().filter(|row| {
            matches!(row.anchors, [Anchor::Forms(_)])
                && !crate::dispatch::Dispatch::new(&[row], &[], 0.5).anywhere.is_empty()
        });
        let names: Vec<_> = everywhere.map(|row| (row.entity.as_str(), row.finds)).collect();
        assert!(names.is_empty(), "{names:#?}");
    }

    #[test]
    fn a_row_speaks_beside_its_words_or_on_its_own() {
        for row in RECOGNIZERS {
            let reach = row.score + if row.context.is_empty() { 0.0 } else { CONTEXT_BOOST };
            assert!(reach >= 0.5, "{} can never be found by default", row.finds);
        }
    }
}
