//! Does everybody read in these bytes what is read here? What another reader may take for another text is none.

use std::borrow::Cow;

/// How many bytes of a body tell whether it is a text. Pictures, sounds, films and fonts have some among
/// their first that no text has.
const OPENING: usize = 16;

/// Watches over a text that comes in chunks: it must be UTF-8, and letters may not stand between NULs, which
/// is how UTF-16 and UTF-32 write ASCII. Readers that look for a byte order mark, or for NULs, would see
/// another text than is searched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Legible {
    /// A character of which the rest is to come, and how many bytes of it are here.
    open: ([u8; 4], usize),
    /// Whether the last byte was NUL.
    nul: bool,
}

impl Legible {
    /// Whether the text can be read up to the end of this chunk. Once it cannot, nothing more of it counts.
    #[must_use]
    pub fn feed(&mut self, chunk: &[u8]) -> bool {
        !self.hides(chunk) && self.goes_on(chunk)
    }

    /// Whether the text ends with a whole character.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let (_, open) = self.open;
        open == 0
    }

    /// Whether something follows a NUL that does not end a line or the text, as frames of STOMP do.
    fn hides(&mut self, chunk: &[u8]) -> bool {
        let Some(&last) = chunk.last() else { return false };
        let follows = |byte: &u8| !matches!(byte, 0 | b'\r' | b'\n');
        let first =
            std::mem::replace(&mut self.nul, last == 0) && chunk.first().is_some_and(follows);
        let within = |pair: &[u8]| matches!(pair, [0, next] if follows(next));
        first || chunk.contains(&0) && chunk.windows(2).any(within)
    }

    fn goes_on(&mut self, mut chunk: &[u8]) -> bool {
        while let ((bytes, open @ 1..), [next, rest @ ..]) = (&mut self.open, chunk) {
            bytes.iter_mut().skip(*open).take(1).for_each(|byte| *byte = *next);
            *open += 1;
            match str::from_utf8(bytes.get(..*open).unwrap_or_default()) {
                Ok(_) => *open = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
            chunk = rest;
        }
        let Err(error) = str::from_utf8(chunk) else { return true };
        let tail = chunk.get(error.valid_up_to()..).unwrap_or_default();
        let (bytes, open) = &mut self.open;
        bytes.iter_mut().zip(tail).for_each(|(byte, tail)| *byte = *tail);
        *open = tail.len();
        error.error_len().is_none()
    }
}

/// Bytes as a text, where they are one to everybody.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    let hides = Legible::default().hides(bytes);
    str::from_utf8(bytes).ok().filter(|_| !hides)
}

/// Bytes that somebody has written in percents: UTF-8, and windows-1252 where they are none. Forms of older
/// pages are written so, and a no-break space of theirs hides no card number.
#[must_use]
pub fn plain(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        plain.push_str(chunk.valid());
        plain.extend(chunk.invalid().iter().map(|byte| match byte {
            0x91 | 0x92 => '\u{2019}',
            0x93 | 0x94 => '\u{201d}',
            0x96 | 0x97 => '\u{2013}',
            byte => char::from(*byte),
        }));
    }
    Cow::Owned(plain)
}

/// What looks at the beginning of a body that calls itself a picture, a sound, a film or a font: whoever
/// does not heed that would read it as JSON, if it were JSON.
#[derive(Debug, Default)]
pub struct Opening {
    held: Vec<u8>,
    decided: bool,
}

impl Opening {
    /// What may go out of the next chunk, or of the `last` one; `None` where it is a text.
    #[must_use]
    pub fn feed<'c>(&mut self, chunk: &'c [u8], last: bool) -> Option<Cow<'c, [u8]>> {
        if self.decided {
            return Some(Cow::Borrowed(chunk));
        }
        self.held.extend_from_slice(chunk);
        if self.held.len() < OPENING && !last {
            return Some(Cow::Borrowed(&[]));
        }
        self.decided = true;
        let held = std::mem::take(&mut self.held);
        (!is_text(&held)).then_some(Cow::Owned(held))
    }
}

/// Whether a body begins like a text.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    let opening = bytes.get(..OPENING).unwrap_or(bytes);
    let words = match str::from_utf8(opening) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let controls = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r');
    !opening.is_empty() && words && !opening.iter().any(controls)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_legible(chunks: &[&[u8]]) -> bool {
        let mut legible = Legible::default();
        chunks.iter().all(|chunk| legible.feed(chunk)) && legible.is_whole()
    }

    proptest! {
        #[test]
        fn a_text_is_as_legible_in_chunks_as_it_is_whole(
            bytes in proptest::collection::vec(
                prop_oneof![Just(0), Just(b'a'), Just(b'\n'), Just(0xc3), Just(0xa4), Just(0xf0), Just(0x9f), Just(0x98), Just(0x80)],
                0..12,
            ),
            cuts in proptest::collection::vec(any::<usize>(), 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let begins = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let chunks: Vec<_> = begins.zip(ends).map(|(from, to)| &bytes[from..to]).collect();
            prop_assert_eq!(is_legible(&chunks), text(&bytes).is_some());
        }
    }

    #[test]
    fn what_somebody_may_read_as_another_text_is_not_legible() {
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert!(text("größer\r\n".as_bytes()).is_some());
        assert!(text(b"MESSAGE\n\nhello\0\n").is_some(), "a frame of STOMP ends with NUL");
        for hidden in [wide("ann@example.org"), wide("5 and more"), b"\0\0\0a\0\0\0b".to_vec()] {
            assert!(text(&hidden).is_none(), "{hidden:?}");
        }
        assert!(text(b"4111\xa01111\xa01111\xa01111").is_none());
        assert_eq!(plain(b"4111\xa01111\x96ann \xc3\xa4"), "4111\u{a0}1111\u{2013}ann ä");
    }

    #[test]
    fn a_picture_is_told_from_a_text_by_how_it_begins() {
        for picture in [
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            b"\xff\xd8\xff\xe0\0\x10JFIF\0",
            b"GIF89a\x10\0\x10\0\x80\0\0",
            b"RIFF\x24\x08\0\0WAVEfmt ",
            b"ID3\x04\0\0\0\0\0\x23TSSE\0\0",
            b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0",
            b"\0\0\0\x20ftypavif\0\0",
            b"wOF2\0\x01\0\0\0\0",
        ] {
            assert!(!is_text(picture), "{picture:?}");
        }
        for spoken in
            [&b"{\"mail\":\"ann@example.org\"}"[..], b"\n[1]", b"<svg>", "\u{feff}{".as_bytes()]
        {
            assert!(is_text(spoken), "{spoken:?}");
        }
    }

    #[test]
    fn the_beginning_of_a_picture_waits_until_it_can_be_told() {
        let (mut opening, mut out) = (Opening::default(), Vec::new());
        let picture = b"ID3\x04\0\0\0\0\0\x23TSSE\0\0\0\0 and {more}";
        for byte in picture {
            out.extend_from_slice(&opening.feed(&[*byte], false).unwrap());
        }
        out.extend_from_slice(&opening.feed(&[], true).unwrap());
        assert_eq!(out, picture);
        let mut opening = Opening::default();
        assert!(opening.feed(b"{\"a\":", false).unwrap().is_empty());
        assert!(opening.feed(b"1}", true).is_none());
        assert!(Opening::default().feed(b"", true).unwrap().is_empty(), "nothing is no text");
    }
}
