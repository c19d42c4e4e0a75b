//! Is what was masked in the text of a JSON document still JSON? A number that became stars needs
//! quotation marks.

/// Puts in quotation marks what stands bare and is no literal of JSON any more. It takes a text in
/// pieces, and gives back the same for every way to cut it.
#[derive(Debug, Default)]
pub(crate) struct Bare {
    state: State,
    /// The bare word that the text is inside of.
    word: String,
    /// Whether its beginning has gone out, because nobody means so long a number.
    long: bool,
    /// Whether a value must come: after a colon, or in an array.
    wants_value: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Outside,
    InString,
    Escaped,
}

/// No number that anybody means is longer; what is, passes as it is.
const MAX_WORD: usize = 64;

impl Bare {
    /// Takes a piece. Where nothing was masked yet there is nothing to mend, whatever stands there.
    pub(crate) fn feed(&mut self, text: &str, mends: bool, out: &mut String) {
        for letter in text.chars() {
            match self.state {
                State::InString => {
                    self.state = match letter {
                        '\\' => State::Escaped,
                        '"' => State::Outside,
                        _ => State::InString,
                    };
                    out.push(letter);
                }
                State::Escaped => {
                    self.state = State::InString;
                    out.push(letter);
                }
                State::Outside => self.outside(letter, mends, out),
            }
        }
    }

    pub(crate) fn finish(&mut self, mends: bool, out: &mut String) {
        self.end_word(mends, out);
        *self = Self::default();
    }

    fn outside(&mut self, letter: char, mends: bool, out: &mut String) {
        match letter {
            '"' | '{' | '}' | '[' | ']' | ',' | ':' | ' ' | '\t' | '\n' | '\r' => {
                self.end_word(mends, out);
                if mends && matches!(letter, ',' | '}' | ']') && self.wants_value {
                    // Its value was taken out.
                    out.push_str("\"\"");
                }
                match letter {
                    ':' => self.wants_value = true,
                    ' ' | '\t' | '\n' | '\r' => {}
                    _ => self.wants_value = false,
                }
                if letter == '"' {
                    self.state = State::InString;
                }
                out.push(letter);
            }
            _ => {
                self.word.push(letter);
                self.wants_value = false;
                if self.word.len() > MAX_WORD {
                    out.push_str(&std::mem::take(&mut self.word));
                    self.long = true;
                }
            }
        }
    }

    fn end_word(&mut self, mends: bool, out: &mut String) {
        let long = std::mem::take(&mut self.long);
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        if long || !mends || serde_json::from_str::<serde::de::IgnoredAny>(&word).is_ok() {
            out.push_str(&word);
        } else {
            let quoted = serde_json::to_string(&word).unwrap_or_default();
            out.push_str(&quoted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_became_stars_is_a_string_and_the_rest_is_as_it_was() {
        for (masked, mended) in [
            (r#"{"card":****, "n":-1.5e3}"#, r#"{"card":"****", "n":-1.5e3}"#),
            (r#"[<CREDIT_CARD>,true,null]"#, r#"["<CREDIT_CARD>",true,null]"#),
            (r#"{"a":,"b":"x,}"}"#, r#"{"a":"","b":"x,}"}"#),
            (r#"{"a":"\"****"}"#, r#"{"a":"\"****"}"#),
            (r#"{"a":{},"b":[]}"#, r#"{"a":{},"b":[]}"#),
            ("", ""),
        ] {
            let letters: Vec<String> = masked.chars().map(String::from).collect();
            for pieces in [&[masked.to_owned()][..], &letters] {
                let (mut bare, mut out) = (Bare::default(), String::new());
                pieces.iter().for_each(|piece| bare.feed(piece, true, &mut out));
                bare.finish(true, &mut out);
                assert_eq!(out, mended);
            }
        }
    }
}
