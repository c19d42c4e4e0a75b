//! Of which pieces is a word made? The longest that the vocabulary has, again and again (WordPiece).

use std::collections::HashMap;

/// What stands before a piece that goes on with a word, in the file of the vocabulary.
const INSIDE: &str = "##";

/// The most pieces of a vocabulary.
pub(crate) const MAX_PIECES: usize = 1 << 20;

/// The pieces that a model knows, by their numbers.
#[derive(Clone, Debug)]
pub(crate) struct Vocabulary {
    begin: HashMap<Box<str>, i64>,
    inside: HashMap<Box<str>, i64>,
    /// The longest piece, in bytes: nothing longer is looked up.
    longest: usize,
    pub(crate) unknown: i64,
    /// What stands before and behind what is read.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Vocabulary {
    /// One piece a line, numbered from 0; `None` where a piece is missing that every model needs.
    pub(crate) fn new(lines: &str) -> Option<Self> {
        let (mut begin, mut inside, mut longest) = (HashMap::new(), HashMap::new(), 0);
        for (piece, number) in lines.lines().take(MAX_PIECES).zip(0..) {
            let (map, piece) = match piece.strip_prefix(INSIDE) {
                Some(rest) if !rest.is_empty() => (&mut inside, rest),
                _ => (&mut begin, piece),
            };
            longest = longest.max(piece.len());
            map.insert(piece.into(), number);
        }
        let special = |name: &str| begin.get(name).copied();
        let (unknown, first, last) = (special("[UNK]")?, special("[CLS]")?, special("[SEP]")?);
        Some(Self { begin, inside, longest, unknown, first, last })
    }

    /// Adds the pieces of a word, which is not empty. One with a part that no piece fits is unknown
    /// as a whole. The steps are at most its characters times the bytes of the longest piece.
    pub(crate) fn pieces(&self, word: &str, pieces: &mut Vec<i64>) {
        let before = pieces.len();
        let mut rest = word;
        while !rest.is_empty() {
            let map = if pieces.len() == before { &self.begin } else { &self.inside };
            let fitting = |end: &usize| Some((rest.get(*end..)?, *map.get(rest.get(..*end)?)?));
            let Some((behind, piece)) =
                (1..=rest.len().min(self.longest)).rev().find_map(|end| fitting(&end))
            else {
                pieces.truncate(before);
                pieces.push(self.unknown);
                return;
            };
            pieces.push(piece);
            rest = behind;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn pieces(word: &str) -> Vec<i64> {
        let lines = "[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\n##ab\nü\n##\n";
        let mut pieces = Vec::new();
        Vocabulary::new(lines).unwrap().pieces(word, &mut pieces);
        pieces
    }

    #[test]
    fn the_longest_piece_comes_first_and_a_word_with_a_gap_is_unknown_as_a_whole() {
        assert_eq!(pieces("unaffable"), [3, 4, 5]);
        assert_eq!(pieces("unab"), [3, 6]);
        assert_eq!(pieces("unafx"), [0]);
        assert_eq!(pieces("ü"), [7]);
        assert_eq!(pieces("üü"), [0]);
        assert_eq!(pieces("##"), [8], "two signs are two signs where they stand alone");
    }

    #[test]
    fn a_vocabulary_without_its_marks_is_none() {
        assert!(Vocabulary::new("[UNK]\n[CLS]\n").is_none());
    }
}
