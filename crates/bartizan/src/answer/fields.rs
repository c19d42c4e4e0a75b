//! Which header fields of an answer are still true of what goes on of it, and who may keep it?

use http::{HeaderMap, HeaderValue, header};

/// What was made of an answer as it came.
const MADE_OF_IT: [&str; 6] =
    ["etag", "last-modified", "content-digest", "repr-digest", "digest", "content-md5"];

/// What lets caches keep an answer, beside `Cache-Control` (RFC 9111 section 5.3; RFC 9213).
const KEEPING: [&str; 5] = ["expires", "pragma", "age", "cdn-cache-control", "surrogate-control"];

/// Takes out what was made of an answer as it came. It is not true of what goes on, and tells whoever tries
/// all numbers which of them was masked (RFC 9530; RFC 9110 section 8.8.3).
pub(super) fn changed(headers: &mut HeaderMap) {
    for name in MADE_OF_IT {
        headers.remove(name);
    }
    for_this_caller(headers);
}

/// An answer of which somebody else may see more or less, or something else. No cache may give it to them, and
/// whether it has changed nobody but the gate can say (RFC 9111 section 3.5).
pub(super) fn for_this_caller(headers: &mut HeaderMap) {
    for name in KEEPING.into_iter().chain(["etag", "last-modified"]) {
        headers.remove(name);
    }
    let said = |word: &str| {
        let all = headers.get_all(header::CACHE_CONTROL).iter();
        let words = all.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        words.into_iter().any(|said| said.trim().eq_ignore_ascii_case(word))
    };
    let value = match (said("no-store"), said("no-transform")) {
        (true, false) => "no-store",
        (true, true) => "no-store, no-transform",
        (false, false) => "private, no-cache",
        (false, true) => "private, no-cache, no-transform",
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
    if !headers.get_all(header::VARY).iter().any(|known| known == CREDENTIALS) {
        headers.append(header::VARY, HeaderValue::from_static(CREDENTIALS));
    }
}

/// By what answers differ that are for one caller.
const CREDENTIALS: &str = "Authorization, X-API-Key";
