//! Which words are shown to a model at once? Windows that overlap, so that each word is judged in company.

use std::ops::Range;

use crate::reader::{MAX_WORD, Word};

/// The most pieces of a window, without the marks before and behind it. Attention costs the square of
/// this, a word without company costs accuracy.
pub const PIECES: usize = 126;

/// So many of them, at most, are shown a second time in the next window.
pub const OVERLAP: usize = 32;

const _: () = assert!(MAX_WORD <= PIECES && OVERLAP < PIECES, "a word fits, and there is progress");

/// What is shown at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    /// The words that are shown.
    pub shown: Range<usize>,
    /// Those of them that are judged here: of the words that two windows show, each takes the half
    /// that stands farther from its edge.
    pub judged: Range<usize>,
}

/// The windows over a text, in their order. Each word is judged in exactly one.
#[must_use]
pub fn windows(words: &[Word]) -> Vec<Window> {
    let cost = |at: usize| words.get(at).map_or(0, |word| word.pieces.len());
    let mut windows = Vec::new();
    let (mut start, mut judged) = (0, 0);
    while start < words.len() {
        let end = reach(start, words.len(), PIECES, cost).max(start + 1);
        if end == words.len() {
            windows.push(Window { shown: start..end, judged: judged..end });
            break;
        }
        // Back over the words that stand at the end, but the next window has room for one more word, and
        // does not begin where this one does.
        let most = OVERLAP.min(PIECES.saturating_sub(cost(end)));
        let again = reach(0, end - start - 1, most, |back| cost(end - 1 - back));
        let next = end - again;
        let middle = next + again / 2;
        windows.push(Window { shown: start..end, judged: judged..middle });
        (start, judged) = (next, middle);
    }
    windows
}

/// How far one comes from `from` towards `to` with this many pieces.
fn reach(from: usize, to: usize, pieces: usize, cost: impl Fn(usize) -> usize) -> usize {
    let (mut at, mut spent) = (from, 0);
    while at < to && spent + cost(at) <= pieces {
        spent += cost(at);
        at += 1;
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(costs: &[usize]) -> Vec<Word> {
        let mut start = 0;
        let word = |cost: &usize| {
            start += cost;
            Word { place: start..start + 1, pieces: start - cost..start }
        };
        costs.iter().map(word).collect()
    }

    proptest! {
        #[test]
        fn each_word_is_judged_once_and_no_window_is_too_large(
            costs in proptest::collection::vec(1..=MAX_WORD, 0..400)
        ) {
            let mut judged = 0;
            for window in windows(&words(&costs)) {
                prop_assert_eq!(window.judged.start, judged);
                prop_assert!(window.shown.start <= judged && judged < window.judged.end);
                prop_assert!(window.judged.end <= window.shown.end);
                prop_assert!(costs[window.shown].iter().sum::<usize>() <= PIECES);
                judged = window.judged.end;
            }
            prop_assert_eq!(judged, costs.len());
        }
    }

    #[test]
    fn a_word_at_the_edge_of_a_window_is_judged_where_it_has_company() {
        let found = windows(&words(&[1; 200]));
        assert_eq!(found[0], Window { shown: 0..126, judged: 0..110 });
        assert_eq!(found[1], Window { shown: 94..200, judged: 110..200 });
    }
}
