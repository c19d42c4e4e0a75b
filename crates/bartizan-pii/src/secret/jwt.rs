//! Is this a JSON Web Token? Every header begins with `{"`, which base64url writes `eyJ`.

use super::is_token;
use crate::{End, Peek, Run, Window, window::is_word};

/// A header longer than this is believed without its dot, and masked: only headers that carry
/// certificates are, and to wait for their end would hold the stream back.
const MAX_HEADER: usize = 1024;
const MIN_HEADER: usize = 12;
const MIN_PAYLOAD: usize = 4;

/// With the dot between, and all of them not blank.
pub(crate) const MIN_LEN: u8 = (MIN_HEADER + 1 + MIN_PAYLOAD) as u8;

pub(crate) const MAX_LEN: usize = MAX_HEADER + 1 + MIN_PAYLOAD;

pub(crate) fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(is_word) || !window.starts_with(at, b"eyJ")? {
        return Ok(None);
    }
    let header = window.count(at, MAX_HEADER, is_token)?;
    if header == MAX_HEADER {
        return Ok(Some(End::Open(at + header, Run::Dotted)));
    }
    if header < MIN_HEADER || !window.is(at + header, |b| b == b'.')? {
        return Ok(None);
    }
    let payload = at + header + 1;
    // A directly encrypted token has an empty part here (RFC 7516).
    if window.count(payload, MIN_PAYLOAD, |b| is_token(b) || b == b'.')? < MIN_PAYLOAD {
        return Ok(None);
    }
    Ok(Some(End::Open(payload, Run::Dotted)))
}
