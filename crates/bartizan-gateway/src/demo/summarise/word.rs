//! Which words of a sentence carry its subject?

/// Words that are frequent in every text and tell nothing about this one.
const STOP: &[&str] = &[
    "a",
    "about",
    "above",
    "after",
    "again",
    "all",
    "also",
    "an",
    "and",
    "another",
    "any",
    "are",
    "as",
    "at",
    "be",
    "became",
    "because",
    "been",
    "before",
    "began",
    "being",
    "below",
    "between",
    "both",
    "but",
    "by",
    "called",
    "can",
    "cannot",
    "come",
    "could",
    "did",
    "do",
    "does",
    "done",
    "down",
    "each",
    "either",
    "enough",
    "even",
    "ever",
    "every",
    "few",
    "first",
    "for",
    "from",
    "go",
    "goes",
    "had",
    "has",
    "have",
    "he",
    "her",
    "here",
    "him",
    "his",
    "how",
    "however",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "itself",
    "just",
    "keep",
    "kept",
    "know",
    "last",
    "later",
    "less",
    "little",
    "long",
    "made",
    "make",
    "many",
    "may",
    "me",
    "more",
    "most",
    "much",
    "must",
    "my",
    "near",
    "need",
    "never",
    "no",
    "nor",
    "not",
    "nothing",
    "now",
    "of",
    "off",
    "often",
    "on",
    "once",
    "one",
    "only",
    "or",
    "other",
    "our",
    "out",
    "over",
    "own",
    "put",
    "same",
    "say",
    "second",
    "see",
    "set",
    "she",
    "should",
    "since",
    "so",
    "some",
    "something",
    "still",
    "such",
    "take",
    "tell",
    "than",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "therefore",
    "these",
    "they",
    "this",
    "those",
    "three",
    "through",
    "thus",
    "to",
    "together",
    "too",
    "two",
    "under",
    "until",
    "up",
    "upon",
    "us",
    "use",
    "used",
    "very",
    "was",
    "way",
    "we",
    "well",
    "went",
    "were",
    "what",
    "when",
    "where",
    "whether",
    "which",
    "while",
    "who",
    "whole",
    "whose",
    "why",
    "will",
    "with",
    "without",
    "would",
    "yet",
    "you",
    "your",
];

/// The words of a text that carry its subject: lower case, plural as singular, no stop words, no single letters.
pub(super) fn terms(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '’'));
    words.filter_map(|word| {
        let word = word.trim_matches(['\'', '’']).to_lowercase();
        let word = word.strip_suffix("'s").or_else(|| word.strip_suffix("’s")).unwrap_or(&word);
        let carries = word.chars().count() > 1 && STOP.binary_search(&word).is_err();
        carries.then(|| singular(word))
    })
}

/// One form for `light` and `lights`, `buoy` and `buoys`, `ferry` and `ferries`, `wash` and `washes`.
fn singular(word: &str) -> String {
    if word.len() < 4 || word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let hissing = ["ches", "shes", "sses", "xes"].iter().any(|end| word.ends_with(end));
    word.strip_suffix(if hissing { "es" } else { "s" }).unwrap_or(word).to_owned()
}

/// A number such as `3.14` or `1.000.000`.
pub(super) fn is_number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_one_term_and_stop_words_are_none() {
        let found: Vec<String> =
            terms("The lights and the light’s beams; a ferry, ferries, glass and axes!").collect();
        assert_eq!(found, ["light", "light", "beam", "ferry", "ferry", "glass", "ax"]);
    }

    #[test]
    fn the_stop_words_are_sorted_so_that_each_is_found() {
        assert!(STOP.is_sorted());
    }
}
