//! Do the words around a value say what it is?

/// A context word must begin within this many bytes before the value. One word less than
/// [`LOOK_BEHIND`](crate::LOOK_BEHIND), so that a word that is cut by the look-behind is seen to be
/// cut, and does not count.
const REACH: usize = 56;

/// Whether `text` holds one of `words` as a whole word, in any case, also with a plural `s`.
///
/// A word ends at everything that is neither letter nor digit, and where a capital follows a small
/// letter: `cardNumber`, `card_number` and `card-number` all hold `card`. Substrings never count
/// (`lic` does not stand in `public`). Words have at least two letters.
pub(crate) fn mentions<W: AsRef<str>>(text: &[u8], words: &[W]) -> bool {
    let earliest = text.len().saturating_sub(REACH);
    let mut at = 0;
    while let Some(start) = next(text, at, is_letter) {
        let end = word_end(text, start);
        let word = text.get(start..end).unwrap_or_default();
        if word.len() > 1 && start >= earliest && words.iter().any(|w| same(word, w.as_ref())) {
            return true;
        }
        at = end;
    }
    false
}

/// The first place from `from` on whose byte satisfies `test`.
fn next(text: &[u8], from: usize, mut test: impl FnMut(u8) -> bool) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.iter().position(|byte| test(*byte)).map(|place| from + place)
}

/// Where the word ends that begins at `start`: where a capital follows a small letter, at the
/// latest where the letters and digits end.
fn word_end(text: &[u8], start: usize) -> usize {
    let mut small = false;
    next(text, start, |byte| {
        let camel = small && byte.is_ascii_uppercase();
        small = byte.is_ascii_lowercase();
        camel || !(is_letter(byte) || byte.is_ascii_digit())
    })
    .unwrap_or(text.len())
}

fn same(word: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    word.eq_ignore_ascii_case(wanted)
        || matches!(word, [singular @ .., b's' | b'S'] if singular.eq_ignore_ascii_case(wanted))
}

/// Bytes of other scripts count as letters, so that a word of one is compared as a whole.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn only_whole_words_count() {
        let words = ["card", "lic", "téléphone"];
        for yes in ["my card is ", "Cards: ", "cardNumber", "CARD_NO", "mon téléphone "] {
            assert!(mentions(yes.as_bytes(), &words), "{yes}");
        }
        for no in ["public ", "cardboard ", "discard ", ""] {
            assert!(!mentions(no.as_bytes(), &words), "{no}");
        }
    }

    #[test]
    fn a_word_too_far_away_does_not_count() {
        assert!(mentions(format!("card{}", " ".repeat(52)).as_bytes(), &["card"]));
        assert!(!mentions(format!("card{}", " ".repeat(53)).as_bytes(), &["card"]));
    }
}
