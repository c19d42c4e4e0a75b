//! Which words make a name? Labels of pieces become those of words, and words of a kind become a find.

use bartizan_pii::{Entity, Finding};

use crate::label::{Label, Labels, Span};
use crate::reader::Word;

/// The longest name, in bytes.
pub const MAX_NAME: usize = 256;

/// What a model says of a word.
#[derive(Clone, Debug)]
pub struct Verdict {
    entity: Entity,
    kind: usize,
    span: Span,
    begins: bool,
    /// How sure it is, 0 to 1: the mean over its pieces.
    score: f32,
}

/// What a model says of a word by its answers to the pieces of it, `labels.len()` numbers (logits) for
/// each; `None` where it is most likely no name.
#[must_use]
pub fn judge(labels: &Labels, answers: &[f32]) -> Option<Verdict> {
    let mut sums = vec![0.0; labels.len()];
    let mut pieces = 0_u16;
    for answer in answers.chunks_exact(labels.len().max(1)) {
        add_shares(answer, &mut sums);
        pieces = pieces.saturating_add(1);
    }
    let of_entity = |entity: &Entity| -> f32 {
        let same = |label: Option<&Label>| label.is_some_and(|label| label.entity == *entity);
        labels.iter().zip(&sums).filter(|(label, _)| same(*label)).map(|(_, sum)| sum).sum()
    };
    let best = |labels: &mut dyn Iterator<Item = (Option<&Label>, f32)>| {
        let named = labels.filter_map(|(label, sum)| Some((label?.clone(), sum)));
        named.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(label, _)| label)
    };
    let by_entity =
        &mut labels.iter().map(|label| (label, label.map_or(0.0, |l| of_entity(&l.entity))));
    let entity = best(by_entity)?.entity;
    let of = |label: Option<&Label>| label.is_some_and(|label| label.entity == entity);
    let label = best(&mut labels.iter().zip(sums.iter().copied()).filter(|(label, _)| of(*label)))?;
    // The first piece alone tells whether a name begins.
    let first = answers.get(..labels.len())?;
    let begins =
        best(&mut labels.iter().zip(first.iter().copied()).filter(|(label, _)| of(*label)))?.begins;
    let score = of_entity(&entity) / f32::from(pieces.max(1));
    let Label { kind, span, .. } = label;
    Some(Verdict { entity, kind, span, begins, score: score.clamp(0.0, 1.0) })
}

/// Adds what share of certainty each label has in one answer (softmax).
fn add_shares(answer: &[f32], sums: &mut [f32]) {
    let most = answer.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let all: f32 = answer.iter().map(|one| (one - most).exp()).sum();
    for (sum, one) in sums.iter_mut().zip(answer) {
        *sum += (one - most).exp() / all;
    }
}

/// The names in a text, in their order, by what was said of its words. The score of a name is the
/// least of its words.
#[must_use]
pub fn names(
    text: &str,
    words: &[Word],
    verdicts: &[Option<Verdict>],
    min_confidence: f32,
) -> Vec<Finding> {
    let mut names: Vec<Name> = Vec::new();
    for (at, (word, verdict)) in words.iter().zip(verdicts).enumerate() {
        let sure = verdict.as_ref().filter(|verdict| verdict.score >= min_confidence);
        let Some(verdict) = sure.filter(|_| !is_identifier(text, word)) else { continue };
        let mark = is_mark(text, word);
        match names.last_mut().filter(|name| name.goes_on(text, words, at, verdict)) {
            Some(name) => name.add(at, word, verdict, mark),
            // A mark may stand in a name, and begins none.
            None if mark => {}
            None => names.push(Name::new(at, word, verdict)),
        }
    }
    let finding = |name: Name| Finding {
        entity: name.verdict.entity,
        start: name.start,
        end: name.end,
        score: name.verdict.score,
    };
    names.into_iter().map(finding).collect()
}

/// What recognizers have found, with the names that a model has found besides. Where both see
/// something, the recognizer is right, but of the same entity the longer one is told. `found` is in the
/// order of the text, and so is what comes back.
#[must_use]
pub fn beside(mut found: Vec<Finding>, names: Vec<Finding>) -> Vec<Finding> {
    for name in names {
        let first = found.partition_point(|one| one.end <= name.start);
        let behind = found.partition_point(|one| one.start < name.end).max(first);
        let shorter = |one: &Finding| {
            one.entity == name.entity && one.end - one.start < name.end - name.start
        };
        if found.get(first..behind).unwrap_or_default().iter().all(shorter) {
            found.splice(first..behind, [name]);
        }
    }
    found
}

/// A name that may go on.
struct Name {
    start: usize,
    /// Behind its last word that is no mark.
    end: usize,
    /// Its last word, marks included.
    last: usize,
    /// Of its last word; the score is the least of all.
    verdict: Verdict,
}

impl Name {
    fn new(at: usize, word: &Word, verdict: &Verdict) -> Self {
        let verdict = verdict.clone();
        Self { start: word.place.start, end: word.place.end, last: at, verdict }
    }

    fn goes_on(&self, text: &str, words: &[Word], at: usize, verdict: &Verdict) -> bool {
        let Some(word) = words.get(at) else { return false };
        let last = &self.verdict;
        let same = last.entity == verdict.entity
            && match verdict.span {
                Span::Part => true,
                Span::Own => last.kind == verdict.kind && !verdict.begins,
            };
        let near = word.place.end - self.start <= MAX_NAME && self.near(text, words, at);
        // Within a word as it is written a name does not end: what the model says is of its pieces.
        near && last.entity == verdict.entity && (same || self.end == word.place.start)
    }

    /// Whether nothing stands between but blanks of a line, or one mark that joins two words.
    fn near(&self, text: &str, words: &[Word], at: usize) -> bool {
        let between = |from: usize, to: usize| text.get(from..to).unwrap_or("\n");
        let place = |at: usize| words.get(at).map(|word| word.place.clone()).unwrap_or_default();
        let blank = |text: &str| text.chars().all(|c| c.is_whitespace() && c != '\n');
        match at - self.last {
            1 => blank(between(place(self.last).end, place(at).start)),
            2 => {
                let joint = between(place(self.last).end, place(at).start);
                matches!(joint, "-" | "'" | "’" | "‐" | "." | ". ")
            }
            _ => false,
        }
    }

    fn add(&mut self, at: usize, word: &Word, verdict: &Verdict, mark: bool) {
        let score = self.verdict.score.min(verdict.score);
        self.last = at;
        if !mark {
            self.end = word.place.end;
            self.verdict = Verdict { score, ..verdict.clone() };
        }
    }
}

/// Whether a word is of something like `user_id`, or of a placeholder that masking has left: those are
/// no names, whatever a model takes them for.
fn is_identifier(text: &str, word: &Word) -> bool {
    let before = text.get(..word.place.start).is_some_and(|text| text.ends_with('_'));
    before || text.get(word.place.end..).is_some_and(|text| text.starts_with('_'))
}

fn is_mark(text: &str, word: &Word) -> bool {
    let word = text.get(word.place.clone()).unwrap_or_default();
    !word.chars().any(char::is_alphanumeric)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]
mod tests {
    use super::*;
    use crate::reader::Reader;

    const LABELS: [&str; 6] =
        ["O", "B-GIVEN_NAME", "I-GIVEN_NAME", "B-SURNAME", "B-CITY", "B-STATE"];

    /// The names in a text in which `labels` has the label of each word, and 9 for certainty.
    fn found<'t>(text: &'t str, said: &[usize]) -> Vec<(&'t str, String)> {
        let reader = Reader::new("[UNK]\n[CLS]\n[SEP]\n", true).unwrap();
        let words = reader.read(text).words;
        assert_eq!(words.len(), said.len(), "{words:?}");
        let labels = Labels::new(LABELS);
        let judged = said.iter().map(|said| {
            let mut answer = [0.0; LABELS.len()];
            answer[*said] = 9.0;
            judge(&labels, &answer)
        });
        let verdicts: Vec<_> = judged.collect();
        let names = names(text, &words, &verdicts, 0.5);
        names.iter().map(|one| (&text[one.start..one.end], one.entity.to_string())).collect()
    }

    fn person(name: &str) -> (&str, String) {
        (name, "PERSON".into())
    }

    #[test]
    fn a_given_name_and_a_surname_are_one_person_and_a_city_and_a_state_two_places() {
        let text = "Ada Byron of Austin Texas";
        let place = |name| (name, "LOCATION".to_owned());
        assert_eq!(
            found(text, &[1, 3, 0, 4, 5]),
            [person("Ada Byron"), place("Austin"), place("Texas")]
        );
    }

    #[test]
    fn a_name_goes_on_over_what_joins_words_and_ends_at_lines_and_commas() {
        assert_eq!(found("Jean-Luc O'Brien", &[1, 0, 1, 3, 3, 3]), [person("Jean-Luc O'Brien")]);
        assert_eq!(found("J. R. Byron.", &[1, 1, 1, 1, 3, 3]), [person("J. R. Byron")]);
        assert_eq!(found("Ada\nByron", &[1, 3]), [person("Ada"), person("Byron")]);
        assert_eq!(found("Ada, Byron", &[1, 0, 3]), [person("Ada"), person("Byron")]);
    }

    #[test]
    fn marks_alone_and_identifiers_are_no_names() {
        assert_eq!(found("-- ada_byron", &[1, 1, 1, 1, 3]), []);
        assert_eq!(found("PERSON_1_WKZRTQBN", &[1, 1, 1, 1, 3]), []);
    }

    #[test]
    fn what_a_recognizer_has_found_is_no_name_but_a_longer_one_of_its_kind() {
        let one = |entity: &str, start, end| Finding {
            entity: entity.parse().unwrap(),
            start,
            end,
            score: 1.0,
        };
        let found = vec![one("EMAIL", 0, 10), one("PERSON", 20, 23), one("PERSON", 40, 50)];
        let names = vec![one("PERSON", 0, 3), one("PERSON", 18, 30), one("PERSON", 45, 50)];
        let places = beside(found, [names, vec![one("LOCATION", 60, 66)]].concat());
        let places: Vec<_> = places.iter().map(|one| (one.start, one.end)).collect();
        assert_eq!(places, [(0, 10), (18, 30), (40, 50), (60, 66)]);
    }

    #[test]
    fn a_word_counts_as_a_whole_whatever_its_pieces_say() {
        let labels = Labels::new(LABELS);
        let mut answers = [0.0_f32; 12];
        (answers[1], answers[6]) = (4.0, 4.0);
        let half = judge(&labels, &answers).unwrap();
        assert!((0.4..0.6).contains(&half.score), "{half:?}");
    }
}
