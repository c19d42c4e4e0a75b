//! What else shall be found? Patterns of the user's own, in linear time, and exact in streams.
//!
//! A pattern is compiled to a deterministic automaton and run from each position where it may
//! begin. The automaton says after every byte whether it can still come to a match, so that a
//! stream waits for exactly those bytes that could complete one, and for no others.

use regex_automata::{
    Anchored, MatchKind,
    dfa::{Automaton, StartKind, dense},
    nfa::thompson::{self, WhichCaptures},
    util::{primitives::StateID, start, syntax},
};
use regex_syntax::hir::{Hir, HirKind, Look, Repetition};

use crate::{ConfigError, Entity, Peek, Window};

/// The most memory that one compiled pattern may take, in bytes.
const MAX_AUTOMATON: usize = 4 << 20;

/// A pattern of the user's own.
#[derive(Debug, Clone)]
pub struct CustomPattern {
    /// What it finds.
    pub entity: Entity,
    /// A regular expression in the syntax of the `regex` crate: no look-around, no references.
    /// Word boundaries (`\b`) are those of ASCII.
    pub pattern: String,
    /// How sure it is, 0 to 1, like [`Recognizer::score`](crate::Recognizer::score).
    pub confidence: f32,
    /// Words before the value that add [`CONTEXT_BOOST`](crate::CONTEXT_BOOST).
    pub context: Vec<String>,
    /// No match is longer than this many bytes: what lies beyond is not looked at, in a whole text
    /// as in a stream, and a match may be cut there.
    pub max_length: usize,
}

impl CustomPattern {
    /// The default of [`max_length`](Self::max_length), in bytes.
    pub const MAX_LENGTH: usize = 256;

    /// A pattern that finds this text alone.
    pub fn literal(entity: Entity, text: &str) -> Self {
        Self::new(entity, regex_syntax::escape(text))
    }

    /// A pattern that finds this text alone, where it stands as a word or as words: beside no letter
    /// and no digit of ASCII.
    pub fn literal_word(entity: Entity, text: &str) -> Self {
        // A boundary of ASCII would be none beside a letter of another kind.
        let edge = |letter: Option<char>| match letter {
            Some(letter) if letter.is_ascii_alphanumeric() => r"\b",
            _ => "",
        };
        let (first, last) = (edge(text.chars().next()), edge(text.chars().next_back()));
        Self::new(entity, format!("{first}{}{last}", regex_syntax::escape(text)))
    }

    /// A pattern that is sure of what it finds.
    pub fn new(entity: Entity, pattern: impl Into<String>) -> Self {
        Self {
            entity,
            pattern: pattern.into(),
            confidence: 1.0,
            context: Vec::new(),
            max_length: Self::MAX_LENGTH,
        }
    }
}

/// A pattern, compiled.
#[derive(Debug)]
pub(crate) struct Custom {
    pub(crate) entity: Entity,
    pub(crate) score: f32,
    pub(crate) context: Vec<String>,
    max_length: usize,
    automaton: dense::DFA<Vec<u32>>,
    starts: [bool; 256],
}

impl Custom {
    pub(crate) fn new(pattern: &CustomPattern) -> Result<Self, ConfigError> {
        let entity = pattern.entity.clone();
        if !(0.0..=1.0).contains(&pattern.confidence) {
            return Err(ConfigError::Confidence { what: entity.to_string() });
        }
        if !(1..=CustomPattern::MAX_LENGTH * 16).contains(&pattern.max_length) {
            return Err(ConfigError::MaxLength { entity });
        }
        let hir = parse(&pattern.pattern).map_err(|reason| ConfigError::Pattern {
            entity: entity.clone(),
            pattern: pattern.pattern.clone(),
            reason,
        })?;
        if hir.properties().minimum_len().is_none_or(|least| least == 0) {
            return Err(ConfigError::EmptyMatch { entity, pattern: pattern.pattern.clone() });
        }
        let automaton = compile(&hir).map_err(|reason| ConfigError::Pattern {
            entity: entity.clone(),
            pattern: pattern.pattern.clone(),
            reason,
        })?;
        Ok(Self {
            entity,
            score: pattern.confidence,
            context: pattern.context.clone(),
            max_length: pattern.max_length,
            starts: first_bytes(&automaton),
            automaton,
        })
    }

    /// Whether a match may begin with this byte.
    pub(crate) fn may_start(&self, byte: u8) -> bool {
        self.starts.get(usize::from(byte)).copied().unwrap_or(true)
    }

    /// Where the match ends that begins exactly at `at`.
    pub(crate) fn check(&self, window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
        let Some(mut state) = start(&self.automaton, window.before(at, 1)) else { return Ok(None) };
        let mut end = None;
        for next in at..=at.saturating_add(self.max_length) {
            let byte = window.byte(next)?;
            state = match byte {
                Some(byte) => self.automaton.next_state(state, byte),
                None => self.automaton.next_eoi_state(state),
            };
            // The automaton tells of a match one byte late, so that it can look at that byte.
            if self.automaton.is_match_state(state) {
                end = Some(next);
            } else if self.automaton.is_dead_state(state) || self.automaton.is_quit_state(state) {
                break;
            }
            if byte.is_none() {
                break;
            }
        }
        Ok(end)
    }
}

fn parse(pattern: &str) -> Result<Hir, String> {
    syntax::parse_with(pattern, &syntax::Config::new())
        .map(|hir| with_ascii_boundaries(&hir))
        .map_err(|error| one_line(&error.to_string()))
}

/// A deterministic automaton cannot see the word boundaries of Unicode, which would need more than
/// one byte of look-around.
fn with_ascii_boundaries(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            other => *other,
        }),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(with_ascii_boundaries(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Capture(capture) => with_ascii_boundaries(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(with_ascii_boundaries).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(with_ascii_boundaries).collect())
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
    }
}

fn compile(hir: &Hir) -> Result<dense::DFA<Vec<u32>>, String> {
    let nfa = thompson::Config::new()
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(MAX_AUTOMATON));
    let dfa = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(MatchKind::LeftmostFirst)
        .dfa_size_limit(Some(MAX_AUTOMATON))
        .determinize_size_limit(Some(MAX_AUTOMATON));
    let too_large =
        "it is too large: use `[0-9]` and `[A-Za-z]` for `\\d` and `\\w`, or smaller counts";
    let nfa = thompson::Compiler::new()
        .configure(nfa)
        .build_from_hir(hir)
        .map_err(|_too_large| too_large.to_owned())?;
    dense::Builder::new()
        .configure(dfa)
        .build_from_nfa(&nfa)
        .map_err(|_too_large| too_large.to_owned())
}

fn start(automaton: &dense::DFA<Vec<u32>>, before: Option<u8>) -> Option<StateID> {
    let config = start::Config::new().anchored(Anchored::Yes).look_behind(before);
    automaton.start_state(&config).ok()
}

fn first_bytes(automaton: &dense::DFA<Vec<u32>>) -> [bool; 256] {
    // One of each kind that a start state distinguishes.
    let before = [None, Some(b'a'), Some(b' '), Some(b'\n'), Some(b'\r')];
    std::array::from_fn(|byte| {
        let Ok(byte) = u8::try_from(byte) else { return true };
        before
            .iter()
            .filter_map(|before| start(automaton, *before))
            .any(|state| !automaton.is_dead_state(automaton.next_state(state, byte)))
    })
}

/// Errors of the parser span several lines and point with carets; a message of ours is one line.
fn one_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
