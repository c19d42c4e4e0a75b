//! Is this a private key? RFC 7468 frames it in `-----BEGIN …-----` and `-----END …-----`.
//!
//! A key has no length that one could wait for: it is masked from its first line on, as it comes,
//! up to and including its last line. Where that line never comes, everything to the end of the
//! text is masked: half a key is still a key.

use crate::{End, Peek, Run, Window, recognizer::Step};

pub(crate) const MAX_LEN: usize = BEGIN.len() + MAX_LABEL + DASHES.len() + MAX_GAP + MIN_BODY;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const LABEL: &[u8] = b"PRIVATE KEY";
const MAX_LABEL: usize = 40;
/// White space, also in its escaped forms, between the first line and the body.
const MAX_GAP: usize = 16;
/// So many bytes of base64 or of a header must follow: prose that names the first line is no key.
const MIN_BODY: usize = 16;

pub(crate) fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !window.starts_with(at, BEGIN)? {
        return Ok(None);
    }
    let label = at + BEGIN.len();
    let length = window.count(label, MAX_LABEL, is_label)?;
    let text = window.bytes().get(label..label + length).unwrap_or_default();
    let private = text.windows(LABEL.len()).any(|part| part == LABEL);
    if !private || !window.starts_with(label + length, DASHES)? {
        return Ok(None);
    }
    let gap = label + length + DASHES.len();
    let body = behind_gap(window, gap)?;
    let run = window.count(body, MIN_BODY, is_body)?;
    let header = window.is(body + run, |b| b == b':')?;
    Ok((run == MIN_BODY || (run > 0 && header)).then_some(End::Open(body + run, Run::Pem)))
}

/// Behind the white space at `at`, also where it is written as `\n` or `\r`.
fn behind_gap(window: &Window<'_>, at: usize) -> Peek<usize> {
    let mut end = at;
    while end - at < MAX_GAP {
        let escaped = end > at && window.before(end, 1) == Some(b'\\');
        let blank =
            |b: u8| b.is_ascii_whitespace() || b == b'\\' || (escaped && matches!(b, b'n' | b'r'));
        if !window.is(end, blank)? {
            break;
        }
        end += 1;
    }
    Ok(end)
}

/// One step through the body: a byte, or all of the last line.
pub(crate) fn step(window: &Window<'_>, at: usize) -> Peek<Step> {
    if !window.starts_with(at, END)? {
        return Ok(Step::More(1));
    }
    let label = at + END.len();
    let dashes = label + window.count(label, MAX_LABEL, is_label)?;
    let rest = window.count(dashes, DASHES.len(), |b| b == b'-')?;
    Ok(Step::Last(dashes + rest - at))
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
}

fn is_body(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-')
}
