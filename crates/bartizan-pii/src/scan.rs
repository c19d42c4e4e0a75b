//! Where in a text is something, and what is it?
//!
//! The rule by which findings exclude each other: the one that begins first wins; of those that
//! begin at the same byte an open-ended credential, then the longest, then the user's own patterns
//! before the built-in rows, then the order of the rows. What begins inside a finding is not looked
//! for. So findings never overlap and come in the order of the text.

use std::fmt;

use serde::Serialize;

use crate::{
    CONTEXT_BOOST, COUNTER_WEIGHT, CustomPattern, End, Entity, Peek, RECOGNIZERS, Recognizer, Run,
    Window, custom::Custom, recognizer::Step, window::is_word,
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

/// What to look for.
#[derive(Debug, Clone)]
pub struct Config {
    /// The entities to find with the built-in rows; `None` means every built-in one. The user's own
    /// patterns and blocked terms are found in any case.
    pub entities: Option<Vec<Entity>>,
    /// Findings below this score are left out, 0 to 1. Default 0.5.
    pub min_confidence: f32,
    /// Values that are never reported, in any case of their letters.
    pub allow: Vec<String>,
    /// Terms that are always reported, as [`Entity::BLOCKED_TERM`], in any case of their letters and
    /// as whole words.
    pub block: Vec<String>,
    /// Patterns of the user's own.
    pub custom: Vec<CustomPattern>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            entities: None,
            min_confidence: 0.5,
            allow: Vec::new(),
            block: Vec::new(),
            custom: Vec::new(),
        }
    }
}

/// The configuration asks for something that cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A score lies outside of 0 to 1.
    #[error("the confidence of `{what}` is no number from 0 to 1")]
    Confidence {
        /// The key or the entity.
        what: String,
    },
    /// A pattern finds nothing everywhere.
    #[error("pattern `{pattern}` of `{entity}` matches the empty text: make a part of it required")]
    EmptyMatch {
        /// What it should find.
        entity: Entity,
        /// The pattern.
        pattern: String,
    },
    /// A pattern's longest match is out of bounds.
    #[error("the `max_length` of `{entity}` must lie between 1 and 4096 bytes")]
    MaxLength {
        /// What it should find.
        entity: Entity,
    },
    /// A pattern cannot be compiled.
    #[error("pattern `{pattern}` of `{entity}` cannot be used: {reason}")]
    Pattern {
        /// What it should find.
        entity: Entity,
        /// The pattern.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// Nothing finds this entity. To ignore it would be to promise a protection that is not there.
    #[error("nothing finds `{entity}`: take it out, or define it under `custom`")]
    Unsupported {
        /// The entity.
        entity: Entity,
    },
}

/// Finds personal data and secrets in text. Build it once; it is immutable and can be shared.
pub struct Scanner {
    rows: Vec<&'static Recognizer>,
    /// For every byte, the rows whose values may begin with it, one bit each.
    starts: [u32; 256],
    custom: Vec<Custom>,
    min_confidence: f32,
    allow: Vec<String>,
}

/// A value whose beginning is certain, and whose end is too or follows by [`Run`].
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) entity: Entity,
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) run: Option<Run>,
    pub(crate) score: f32,
}

/// How far a search came.
pub(crate) enum Search {
    Found(Candidate),
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
        let mut custom: Vec<Custom> =
            config.custom.iter().map(Custom::new).collect::<Result<_, _>>()?;
        if let Some(pattern) = blocked(&config.block) {
            custom.push(Custom::new(&pattern)?);
        }
        let rows = rows(config)?;
        let starts = std::array::from_fn(|byte| {
            let begins = |row: &Recognizer| u8::try_from(byte).is_ok_and(row.starts);
            (0..).zip(&rows).fold(0, |bits, (bit, row)| bits | u32::from(begins(row)) << bit)
        });
        Ok(Self {
            rows,
            starts,
            custom,
            min_confidence: config.min_confidence,
            allow: config.allow.clone(),
        })
    }

    /// All findings in `text`, in order, none overlapping another.
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        self.scan_bytes(text.as_bytes())
    }

    /// The same in bytes that need not be UTF-8; what is not, is no part of any value.
    pub fn scan_bytes(&self, text: &[u8]) -> Vec<Finding> {
        self.scan_window(&Window::whole(text))
    }

    /// The same, with words that count as context everywhere, such as the name of a member.
    pub fn scan_hinted(&self, text: &str, hint: &str) -> Vec<Finding> {
        self.scan_window(&Window::whole(text.as_bytes()).with_hint(hint))
    }

    fn scan_window(&self, window: &Window<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut from = 0;
        while let Search::Found(candidate) = self.search(window, from) {
            let (end, _) = candidate.extend(window, candidate.end);
            from = end;
            let Candidate { entity, start, score, .. } = candidate;
            findings.push(Finding { entity, start, end, score });
        }
        findings
    }

    /// The first value that begins at `from` or later, as far as the window can tell.
    pub(crate) fn search(&self, window: &Window<'_>, from: usize) -> Search {
        let mut at = from;
        while let Some(&byte) = window.bytes().get(at) {
            let inside = window.before(at, 1).is_some_and(is_word) && is_word(byte);
            let rows = if inside { 0 } else { self.rows_for(byte) };
            if rows == 0 && self.custom.is_empty() {
                at += 1;
                continue;
            }
            let Ok(found) = self.best(window, at, byte, rows) else { break };
            let Some(candidate) = found else {
                at += 1;
                continue;
            };
            let Ok(allowed) = self.is_allowed(window, &candidate) else { break };
            if !allowed {
                return Search::Found(candidate);
            }
            at = candidate.extend(window, candidate.end).0;
        }
        Search::ClearUpTo(at)
    }

    fn rows_for(&self, byte: u8) -> u32 {
        self.starts.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// The preferred one of all values that begin exactly at `at`.
    fn best(&self, window: &Window<'_>, at: usize, byte: u8, rows: u32) -> Peek<Option<Candidate>> {
        let mut best: Option<Candidate> = None;
        for custom in self.custom.iter().filter(|custom| custom.may_start(byte)) {
            if let Some(candidate) = self.try_custom(custom, window, at)? {
                best = Some(preferred(best, candidate));
            }
        }
        let mut rest = rows;
        while rest != 0 {
            let row = self.rows.get(rest.trailing_zeros() as usize);
            rest &= rest - 1;
            if let Some(row) = row
                && let Some(candidate) = self.try_row(row, window, at)?
            {
                best = Some(preferred(best, candidate));
            }
        }
        Ok(best)
    }

    fn try_row(&self, row: &Recognizer, window: &Window<'_>, at: usize) -> Peek<Option<Candidate>> {
        let answer = (row.check)(window, at);
        if answer == Ok(None) {
            return Ok(None);
        }
        // Context lies in what is known. Where it is missing and needed, nothing waits for more.
        let supported = window.near(at, row.context);
        if row.score < self.min_confidence && !supported {
            return Ok(None);
        }
        let Some(end) = answer? else { return Ok(None) };
        let score = match supported {
            true => row.score + CONTEXT_BOOST,
            false if window.near(at, row.against) => row.score - COUNTER_WEIGHT,
            false => row.score,
        };
        let (end, run) = match end {
            End::At(end) => (end, None),
            End::Open(end, run) => (end, Some(run)),
        };
        let (entity, score) = (row.entity.clone(), tidy(score));
        Ok((score >= self.min_confidence).then_some(Candidate {
            entity,
            start: at,
            end,
            run,
            score,
        }))
    }

    fn try_custom(
        &self,
        custom: &Custom,
        window: &Window<'_>,
        at: usize,
    ) -> Peek<Option<Candidate>> {
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
        let entity = custom.entity.clone();
        Ok((score >= self.min_confidence).then_some(Candidate {
            entity,
            start: at,
            end,
            run: None,
            score,
        }))
    }

    /// Whether the value is on the allow list. Of an open-ended one that is known once it differs
    /// from all of the list, or has ended.
    fn is_allowed(&self, window: &Window<'_>, candidate: &Candidate) -> Peek<bool> {
        for allowed in self.allow.iter().map(String::as_bytes) {
            let end = candidate.start + allowed.len();
            let same_length = match candidate.run {
                None => end == candidate.end,
                Some(_) => end >= candidate.end,
            };
            if !same_length || !starts_with_any_case(window, candidate.start, allowed)? {
                continue;
            }
            let Some(run) = candidate.run else { return Ok(true) };
            if run.step(window, end)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Candidate {
    /// The end of the value as far as it is known, searched from `from`, and whether it is final.
    pub(crate) fn extend(&self, window: &Window<'_>, from: usize) -> (usize, bool) {
        let Some(run) = self.run else { return (from, true) };
        let mut end = from;
        loop {
            match run.step(window, end) {
                Ok(Some(Step::More(bytes))) => end += bytes,
                Ok(Some(Step::Last(bytes))) => return (end + bytes, true),
                Ok(None) => return (end, true),
                Err(_more) => return (end, false),
            }
        }
    }
}

/// At most 1, and two decimals: more would be a claim, and read badly in a report.
fn tidy(score: f32) -> f32 {
    (score.clamp(0.0, 1.0) * 100.0).round() / 100.0
}

fn preferred(best: Option<Candidate>, other: Candidate) -> Candidate {
    match best {
        Some(best) if rank(&best) >= rank(&other) => best,
        _ => other,
    }
}

fn rank(candidate: &Candidate) -> (bool, usize) {
    (candidate.run.is_some(), candidate.end)
}

fn rows(config: &Config) -> Result<Vec<&'static Recognizer>, ConfigError> {
    if let Some(wanted) = &config.entities {
        for entity in wanted {
            let built_in = RECOGNIZERS.iter().any(|row| row.entity == *entity);
            if !built_in && !config.custom.iter().any(|pattern| pattern.entity == *entity) {
                return Err(ConfigError::Unsupported { entity: entity.clone() });
            }
        }
    }
    let wanted = |row: &&Recognizer| {
        let reach = row.score + if row.context.is_empty() { 0.0 } else { CONTEXT_BOOST };
        reach >= config.min_confidence
            && config.entities.as_ref().is_none_or(|wanted| wanted.contains(&row.entity))
    };
    Ok(RECOGNIZERS.iter().filter(wanted).collect())
}

/// The blocked terms as one pattern: the longest first, as whole words.
fn blocked(terms: &[String]) -> Option<CustomPattern> {
    let mut terms: Vec<&str> = terms.iter().map(|t| t.trim()).filter(|t| !t.is_empty()).collect();
    terms.sort_by_key(|term| std::cmp::Reverse(term.len()));
    let longest = terms.first()?.len();
    let alternatives: Vec<String> = terms.iter().map(|term| whole_word(term)).collect();
    let pattern = format!("(?i)(?:{})", alternatives.join("|"));
    let mut pattern = CustomPattern::new(Entity::BLOCKED_TERM, pattern);
    // Another case of a letter may be longer in UTF-8, at most by half.
    pattern.max_length = longest + longest.div_ceil(2);
    Some(pattern)
}

fn whole_word(term: &str) -> String {
    let edge = |byte: Option<&u8>| if byte.copied().is_some_and(is_word) { r"\b" } else { "" };
    let bytes = term.as_bytes();
    format!("{}{}{}", edge(bytes.first()), regex_syntax::escape(term), edge(bytes.last()))
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
