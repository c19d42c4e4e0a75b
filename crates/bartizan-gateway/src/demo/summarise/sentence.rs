//! Where does a sentence end?

use super::word::is_number;

/// A sentence, or a title or heading.
#[derive(Debug)]
pub(super) struct Sentence {
    /// Its place in the text.
    pub(super) at: usize,
    /// The paragraph that it stands in, from 0. Headings count.
    pub(super) paragraph: usize,
    pub(super) opens_paragraph: bool,
    /// A line by itself that does not end as a sentence does.
    pub(super) heading: bool,
    /// With single spaces.
    pub(super) text: String,
    pub(super) words: usize,
}

/// Never the end of a sentence: a name or a number follows.
const BEFORE_MORE: &[&str] = &[
    "approx", "capt", "cf", "col", "dr", "e.g", "ed", "eds", "esp", "fig", "figs", "gen", "i.e",
    "lt", "messrs", "mr", "mrs", "ms", "mt", "nos", "pp", "prof", "rev", "sgt", "st", "viz", "vol",
    "vs",
];
/// No end of a sentence where a number follows: `No. 5`, `c. 1200`.
const BEFORE_NUMBER: &[&str] = &["art", "c", "ca", "ch", "circa", "no", "p", "para", "sec"];

/// Every sentence of a text. Paragraphs are parted by empty lines.
pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = Vec::new();
    for (paragraph, block) in blocks(text).into_iter().enumerate() {
        let heading = block.len() == 1 && !ends(block.last().map_or("", |line| line.trim()));
        let words: Vec<&str> = block.iter().flat_map(|line| line.split_whitespace()).collect();
        for (index, words) in split(&words).into_iter().enumerate() {
            sentences.push(Sentence {
                at: sentences.len(),
                paragraph,
                opens_paragraph: index == 0,
                heading,
                text: words.join(" "),
                words: words.len(),
            });
        }
    }
    sentences
}

/// The lines of each paragraph.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let blocks = lines.split(|line| line.trim().is_empty()).filter(|block| !block.is_empty());
    blocks.map(<[&str]>::to_vec).collect()
}

/// Cuts the words of a paragraph behind each end of a sentence.
fn split<'a>(words: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut sentences = vec![Vec::new()];
    for (at, word) in words.iter().enumerate() {
        if let Some(sentence) = sentences.last_mut() {
            sentence.push(*word);
        }
        if words.get(at + 1).is_some_and(|next| is_end(word, next)) {
            sentences.push(Vec::new());
        }
    }
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Whether a sentence ends between two words. Decimals have no space inside and never come here.
fn is_end(word: &str, next: &str) -> bool {
    if !ends(word) || !opens(next) {
        return false;
    }
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let is_stop = word.trim_end_matches(is_closing).ends_with('.');
    if !is_stop {
        return true;
    }
    let initial = bare.chars().count() == 1 && bare.chars().all(char::is_uppercase);
    let acronym =
        bare.split('.').count() > 1 && bare.split('.').all(|part| part.chars().count() == 1);
    let lower = bare.to_lowercase();
    let number_follows = next.chars().next().is_some_and(|c| c.is_ascii_digit());
    let held = initial
        || (acronym && !is_number(bare) && !matches!(lower.as_str(), "a.m" | "p.m"))
        || BEFORE_MORE.contains(&lower.as_str())
        || (number_follows && BEFORE_NUMBER.contains(&lower.as_str()));
    !held
}

/// Whether a word closes a sentence, or would if it were no abbreviation.
fn ends(word: &str) -> bool {
    word.trim_end_matches(is_closing).ends_with(['.', '!', '?', '…'])
}

/// Whether a sentence may begin with this word.
fn opens(word: &str) -> bool {
    let first = word.chars().find(|c| !is_opening(*c));
    first.is_some_and(|c| c.is_uppercase() || c.is_numeric())
}

fn is_closing(c: char) -> bool {
    matches!(c, ')' | ']' | '"' | '\'' | '”' | '’' | '»')
}

fn is_opening(c: char) -> bool {
    matches!(c, '(' | '[' | '"' | '\'' | '“' | '‘' | '«' | '¿' | '¡')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        sentences(text).into_iter().map(|sentence| sentence.text).collect()
    }

    #[test]
    fn abbreviations_initials_and_decimals_do_not_end_a_sentence() {
        for text in [
            "Dr. J. H. Smeaton met Mrs. Winstanley at St. Ives.",
            "Pi is 3.14 and the fall is 2.5 m at Port No. 5 (see Fig. 2).",
            "Some mills, e.g. Eling, i.e. those by the sea, were built c. 1200 in the U.S. South.",
            "The sum of 1.000.000 fell by 0.5 per cent vs. January.",
        ] {
            assert_eq!(texts(text), [text]);
        }
    }

    #[test]
    fn every_mark_that_ends_a_sentence_ends_one() {
        let text = "Did it hold? It did! He wrote: “The wall stands.” Then… Nothing (so far.) At 6 a.m. The tide fell in \
                    1703. 24 candles burned.";
        let parts = [
            "Did it hold?",
            "It did!",
            "He wrote: “The wall stands.”",
            "Then…",
            "Nothing (so far.)",
            "At 6 a.m.",
            "The tide fell in 1703.",
            "24 candles burned.",
        ];
        assert_eq!(texts(text), parts);
    }

    #[test]
    fn a_sentence_goes_on_over_lines_and_ends_with_its_paragraph() {
        assert_eq!(
            texts("The sea\r\nrose.\n\n  \nno end here\nnor here"),
            ["The sea rose.", "no end here nor here"]
        );
    }

    #[test]
    fn a_line_by_itself_without_a_stop_is_a_heading() {
        let found = sentences("The Sea\n\nIt rose.\n");
        assert_eq!(found.iter().map(|s| s.heading).collect::<Vec<_>>(), [true, false]);
    }
}
