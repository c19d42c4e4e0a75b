//! Which few sentences of a text say most of what it says?
//!
//! Extractive: sentences are chosen, never written. A sentence counts for the frequent words that it holds, for the
//! words of the title, and for standing where authors put what matters. Each further choice must differ from those
//! made before (maximal marginal relevance, Carbonell and Goldstein 1998). The same text gives the same summary.

mod sentence;
mod word;

use std::collections::{BTreeMap, BTreeSet};

use sentence::{Sentence, sentences};
use word::terms;

/// How a summary is laid out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// One paragraph.
    #[default]
    Text,
    /// One line for each sentence, opened by `- `.
    Bullets,
}

/// A summary, and how long it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// The chosen sentences, in the order of the text.
    pub summary: String,
    /// How many sentences were chosen.
    pub sentences: usize,
    /// How many words they have. Dashes of a list are not words.
    pub words: usize,
}

/// What the words of the title add, what the opening of a paragraph adds, and what pointing back and likeness take away.
const TITLE: f64 = 0.6;
const OPENING: f64 = 0.25;
const POINTING: f64 = 0.3;
const LIKENESS: f64 = 0.7;
/// How a sentence opens that leans on another.
const BACK: &[&str] = &[
    "he",
    "his",
    "it",
    "its",
    "she",
    "that",
    "their",
    "these",
    "they",
    "this",
    "those",
    "so",
    "but",
    "then",
    "such",
    "in their",
    "in this",
    "in them",
    "in that",
    "of these",
    "until then",
    "for this",
    "for these",
    "the same",
    "the other",
    "the two",
];
/// Two sentences that share more of their words than this say the same.
const SAME: f64 = 0.5;

/// Summarises a text in at most `max_words` words, counted by white space.
///
/// A text without a sentence that fits gives the beginning of its best one, with an ellipsis.
pub fn summarise(text: &str, format: Format, max_words: usize) -> Summary {
    let sentences = sentences(text);
    let scored = scored(&sentences);
    let chosen = chosen(&scored, format, max_words);
    if chosen.is_empty() {
        return beginning(&scored, format, max_words);
    }
    let lines: Vec<&str> =
        chosen.iter().map(|candidate| candidate.sentence.text.as_str()).collect();
    laid_out(&lines, format)
}

/// A sentence with what it is worth.
struct Candidate<'a> {
    sentence: &'a Sentence,
    terms: BTreeSet<String>,
    score: f64,
}

/// What each sentence is worth, mostly between 0 and 1.5. Titles and headings are read but never chosen.
fn scored(sentences: &[Sentence]) -> Vec<Candidate<'_>> {
    let title: BTreeSet<String> =
        sentences.iter().take(1).filter(|s| s.heading).flat_map(|s| terms(&s.text)).collect();
    let weights = weights(sentences);
    let body = sentences.iter().filter(|sentence| !sentence.heading);
    body.map(|sentence| {
        let terms: BTreeSet<String> = terms(&sentence.text).collect();
        let weight: f64 = terms.iter().filter_map(|term| weights.get(term)).sum();
        // The root lets a long sentence count for more than a short one, and for less than in proportion.
        let frequency = weight / (terms.len().max(4) as f64).sqrt() / 2.0;
        let shared = terms.intersection(&title).count() as f64 / title.len().max(1) as f64;
        let opening = if sentence.opens_paragraph {
            1.0 / (1.0 + sentence.paragraph as f64).sqrt()
        } else {
            0.0
        };
        let pointing = if points_back(&sentence.text) { POINTING } else { 0.0 };
        Candidate {
            sentence,
            terms,
            score: frequency + TITLE * shared + OPENING * opening - pointing,
        }
    })
    .collect()
}

/// Whether a sentence cannot be understood without the one before it.
fn points_back(sentence: &str) -> bool {
    let opening: Vec<String> = sentence.split(' ').take(2).map(str::to_lowercase).collect();
    let first = opening.first().map_or("", String::as_str);
    BACK.contains(&first) || BACK.contains(&opening.join(" ").as_str())
}

/// How often each word stands in the text, as a share of the most frequent one.
fn weights(sentences: &[Sentence]) -> BTreeMap<String, f64> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for term in sentences.iter().flat_map(|sentence| terms(&sentence.text)) {
        *counts.entry(term).or_default() += 1;
    }
    let most = counts.values().copied().max().unwrap_or(1);
    counts.into_iter().map(|(term, count)| (term, f64::from(count) / f64::from(most))).collect()
}

/// Takes the best sentence that still fits, again and again, and restores the order.
fn chosen<'a>(
    candidates: &'a [Candidate<'a>],
    format: Format,
    max_words: usize,
) -> Vec<&'a Candidate<'a>> {
    let mut left: Vec<(&Candidate<'_>, f64)> =
        candidates.iter().map(|candidate| (candidate, 0.0)).collect();
    let mut room = max_words;
    let mut chosen: Vec<&Candidate<'_>> = Vec::new();
    loop {
        left.retain(|(candidate, likeness)| {
            cost(candidate.sentence, format) <= room && *likeness <= SAME
        });
        // Of equals the earlier one: `max_by` would keep the last.
        let best =
            left.iter().enumerate().rev().max_by(|(_, a), (_, b)| gain(a).total_cmp(&gain(b)));
        let Some((at, _)) = best else { break };
        let (best, _) = left.remove(at);
        room = room.saturating_sub(cost(best.sentence, format));
        for (candidate, likeness) in &mut left {
            *likeness = likeness.max(likeness_of(&candidate.terms, &best.terms));
        }
        chosen.push(best);
    }
    chosen.sort_by_key(|candidate| candidate.sentence.at);
    chosen
}

fn gain((candidate, likeness): &(&Candidate<'_>, f64)) -> f64 {
    candidate.score - LIKENESS * likeness
}

/// What a sentence takes of the room. Whoever counts by white space counts the dash of a list as well.
fn cost(sentence: &Sentence, format: Format) -> usize {
    sentence.words + usize::from(format == Format::Bullets)
}

/// The share of words that two sentences have in common (Jaccard), from 0 to 1.
fn likeness_of(a: &BTreeSet<String>, b: &BTreeSet<String>) -> f64 {
    let common = a.intersection(b).count();
    common as f64 / (a.len() + b.len() - common).max(1) as f64
}

/// The beginning of the best sentence, when none fits as a whole.
fn beginning(candidates: &[Candidate<'_>], format: Format, max_words: usize) -> Summary {
    let best = candidates.iter().rev().max_by(|a, b| a.score.total_cmp(&b.score));
    let room = max_words.saturating_sub(usize::from(format == Format::Bullets));
    let Some(best) = best.filter(|_| room > 0) else { return Summary::default() };
    let words: Vec<&str> = best.sentence.text.split(' ').take(room).collect();
    laid_out(&[&format!("{}…", words.join(" ").trim_end_matches([',', ';', ':']))], format)
}

fn laid_out(lines: &[&str], format: Format) -> Summary {
    let summary = match format {
        Format::Text => lines.join(" "),
        Format::Bullets => {
            lines.iter().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n")
        }
    };
    let words = lines.iter().map(|line| line.split(' ').count()).sum();
    Summary { summary, sentences: lines.len(), words }
}

#[cfg(test)]
#[allow(clippy::string_slice, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::demo::DOCUMENTS;

    const BOTH: [Format; 2] = [Format::Text, Format::Bullets];

    #[test]
    fn no_summary_is_longer_than_was_asked_for() {
        for document in DOCUMENTS {
            for format in BOTH {
                for max_words in (0..30).chain([50, 100, 250, 1000, usize::MAX]) {
                    let summary = summarise(document.text, format, max_words);
                    let counted = summary.summary.split_whitespace().count();
                    assert!(counted <= max_words, "{}: {counted} > {max_words}", document.id);
                    assert_eq!(summary.summary.is_empty(), summary.words == 0);
                }
            }
        }
    }

    #[test]
    fn a_summary_is_made_of_whole_sentences_in_the_order_of_the_text() {
        for document in DOCUMENTS {
            let flat = document.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let summary = summarise(document.text, Format::Bullets, 120);
            let mut from = 0;
            for line in summary.summary.lines() {
                let sentence = line.strip_prefix("- ").expect("every line is an item");
                let at = flat[from..]
                    .find(sentence)
                    .expect("the sentence stands further on in the text");
                from += at + sentence.len();
            }
            assert_eq!(summary.summary.lines().count(), summary.sentences);
            assert!(summary.sentences >= 3, "{summary:?}");
        }
    }

    #[test]
    fn room_that_was_granted_is_used() {
        for document in DOCUMENTS {
            let summary = summarise(document.text, Format::Text, 150);
            assert!(summary.words > 120, "{}: {}", document.id, summary.words);
        }
    }

    #[test]
    fn the_same_is_not_said_twice() {
        let text = "The mill grinds grain at low tide. At low tide, the mill grinds grain. Salt freezes late.";
        let summary = summarise(text, Format::Text, 100).summary;
        assert_eq!(summary, "The mill grinds grain at low tide. Salt freezes late.");
    }

    #[test]
    fn what_the_title_names_is_preferred() {
        let text = "Lanterns\n\nBakers rose at four. Sailors slept at noon. A lantern burned on deck. Ropes were tarred.";
        assert_eq!(summarise(text, Format::Text, 5).summary, "A lantern burned on deck.");
    }

    #[test]
    fn headings_are_no_sentences_of_a_summary() {
        let text = "Title here\n\nFirst heading\n\nThe sea rose. The wall held.\n";
        assert_eq!(summarise(text, Format::Text, 50).summary, "The sea rose. The wall held.");
    }

    #[test]
    fn the_same_text_gives_the_same_summary() {
        for document in DOCUMENTS {
            let first = summarise(document.text, Format::Text, 100);
            assert!((0..5).all(|_| summarise(document.text, Format::Text, 100) == first));
        }
    }

    #[test]
    fn a_text_without_a_sentence_that_fits_gives_a_beginning() {
        let summary = summarise("One two three four five six seven.", Format::Text, 3);
        assert_eq!(
            summary,
            Summary { summary: "One two three…".to_owned(), sentences: 1, words: 3 }
        );
        assert_eq!(summarise("", Format::Bullets, 10), Summary::default());
        assert_eq!(summarise("One two.", Format::Bullets, 1), Summary::default());
    }
}
