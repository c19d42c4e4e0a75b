//! Which parts of a message carry it, and are not masked? Without them no answer finds its question.

use bytes::Bytes;
use serde_json::Value;

/// Where they stand; `*` is every element of a list. Names and addresses are among them: rights are
/// decided by them, and header fields must say the same. Each is one value: where an object or a list
/// stands in its place it is none of them, and may hold anything.
const KEPT: [&str; 27] = [
    "jsonrpc",
    "id",
    "method",
    "params/name",
    "params/uri",
    "params/ref/type",
    "params/ref/name",
    "params/ref/uri",
    "params/cursor",
    "params/requestState",
    "params/protocolVersion",
    "params/progressToken",
    "params/requestId",
    "params/level",
    "params/notifications/resourceSubscriptions/*",
    "params/_meta/progressToken",
    "params/_meta/io.modelcontextprotocol/protocolVersion",
    "result/nextCursor",
    "result/requestState",
    "result/protocolVersion",
    "result/supportedVersions/*",
    "result/tools/*/name",
    "result/prompts/*/name",
    "result/prompts/*/arguments/*/name",
    "result/resources/*/uri",
    "result/resourceTemplates/*/uriTemplate",
    "result/contents/*/uri",
];

/// The same of what says of which kind something is, where it reads like a kind: anything else in its
/// place is a text.
const KINDS: [&str; 4] = [
    "result/resultType",
    "result/contents/*/mimeType",
    "result/content/*/type",
    "result/content/*/mimeType",
];

/// No kind that is registered has a longer name (RFC 6838 section 4.2: 127 characters on each side of the
/// slash; those in use are shorter by far).
const LONGEST_KIND: usize = 100;

/// The same of what is kept whole: arguments that do not conform would be refused.
const SCHEMAS: [&str; 2] = ["result/tools/*/inputSchema", "result/tools/*/outputSchema"];

/// The masked message with those parts as they were.
pub(crate) fn keep(before: &[u8], after: Bytes) -> Bytes {
    if before == after {
        return after;
    }
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let (Some(was), Some(mut is)) = (read(before), read(&after)) else { return after };
    let mut changed = false;
    let kept = KEPT.map(|path| (path, Keeps::One)).into_iter();
    let further = KINDS.map(|path| (path, Keeps::Kind)).into_iter();
    let schemas = SCHEMAS.map(|path| (path, Keeps::All));
    for (path, keeps) in kept.chain(further).chain(schemas) {
        let steps: Vec<&str> = match path.split_once("/_meta/") {
            // The one name with a slash in it.
            Some((first, name)) => vec![first, "_meta", name],
            None => path.split('/').collect(),
        };
        changed |= put_back(&steps, keeps, &was, &mut is);
    }
    if changed { is.to_string().into() } else { after }
}

/// What is put back at a place.
#[derive(Clone, Copy)]
enum Keeps {
    /// One value, whatever it says.
    One,
    /// The name of a kind.
    Kind,
    /// All that stands there.
    All,
}

impl Keeps {
    fn fits(self, was: &Value) -> bool {
        match self {
            Self::One => !was.is_object() && !was.is_array(),
            Self::Kind => was.as_str().is_some_and(is_kind),
            Self::All => true,
        }
    }
}

/// Whether a text reads like the name of a kind, `resource_link` or `text/plain`, with parameters as
/// `; charset=utf-8`. None has room for an address, or for a number that belongs to somebody.
fn is_kind(text: &str) -> bool {
    let (kind, parameters) = text.split_once(';').unwrap_or((text, "charset=utf-8"));
    let is_charset = parameters.trim().eq_ignore_ascii_case("charset=utf-8");
    let (main, sub) = kind.split_once('/').map_or((kind, None), |(main, sub)| (main, Some(sub)));
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'-'))
    };
    let is_subtype = |sub: &str| {
        let digits = sub.bytes().filter(u8::is_ascii_digit).count();
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'+' | b'-' | b'_');
        !sub.is_empty() && digits <= MOST_DIGITS && sub.bytes().all(is_plain)
    };
    text.len() <= LONGEST_KIND && is_charset && is_word(main) && sub.is_none_or(is_subtype)
}

/// So many stand in the name of a kind at the most, as in `vnd.oasis.opendocument.text` none and in
/// `jpeg2000` four.
const MOST_DIGITS: usize = 4;

fn put_back(steps: &[&str], keeps: Keeps, was: &Value, is: &mut Value) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        let differs = was != is && keeps.fits(was);
        if differs {
            *is = was.clone();
        }
        return differs;
    };
    match (was, is) {
        (Value::Array(was), Value::Array(is)) if *step == "*" => {
            let pairs = was.iter().zip(is);
            pairs.fold(false, |changed, (was, is)| put_back(rest, keeps, was, is) | changed)
        }
        (Value::Object(was), Value::Object(is)) => match (was.get(*step), is.get_mut(*step)) {
            (Some(was), Some(is)) => put_back(rest, keeps, was, is),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn masking_leaves_what_carries_a_message_and_nothing_else() {
        let before = br#"{"jsonrpc":"2.0","id":5551234567,"params":{"name":"n","uri":"u://ann@example.org","arguments":{"to":"ann@example.org"}}}"#;
        let after = br#"{"jsonrpc":"2.0","id":"**********","params":{"name":"n","uri":"u://***","arguments":{"to":"***"}}}"#;
        let kept: Value = serde_json::from_slice(&keep(before, after.as_slice().into())).unwrap();
        assert_eq!(kept["id"], 5_551_234_567_u64);
        assert_eq!(kept["params"]["uri"], "u://ann@example.org");
        assert_eq!(kept["params"]["arguments"]["to"], "***");
    }

    #[test]
    fn a_text_in_place_of_a_kind_stays_masked() {
        let message = |kind: &str| {
            let content = serde_json::json!([{ "type": kind, "mimeType": kind }]);
            let contents = serde_json::json!([{ "mimeType": kind }]);
            let result = serde_json::json!({
                "resultType": kind, "content": content, "contents": contents
            });
            serde_json::json!({ "result": result }).to_string()
        };
        let masked = message("***");
        for kind in ["text", "resource_link", "text/plain; charset=utf-8", "image/svg+xml"] {
            let kept = keep(message(kind).as_bytes(), masked.clone().into());
            assert_eq!(kept, message(kind), "{kind}");
        }
        let long = "a".repeat(LONGEST_KIND + 1);
        for text in [
            "ann.leak@example.org",
            "text/ann.leak@example.org",
            "text/4111111111111111",
            "text/plain; ann.leak@example.org",
            "Project Falcon",
            "555-123-4567",
            "a/b/c",
            "",
            &long,
        ] {
            let kept = keep(message(text).as_bytes(), masked.clone().into());
            assert_eq!(kept, masked, "{text}");
        }
    }

    #[test]
    fn an_object_in_place_of_a_name_stays_masked() {
        for (before, after) in [
            (
                r#"{"params":{"name":{"x":"ann@example.org"}}}"#,
                r#"{"params":{"name":{"x":"***"}}}"#,
            ),
            (
                r#"{"params":{"ref":{"note":"ann@example.org"}}}"#,
                r#"{"params":{"ref":{"note":"***"}}}"#,
            ),
            (r#"{"id":["ann@example.org"]}"#, r#"{"id":["***"]}"#),
            (
                r#"{"result":{"nextCursor":["ann@example.org"]}}"#,
                r#"{"result":{"nextCursor":["***"]}}"#,
            ),
        ] {
            let kept = keep(before.as_bytes(), after.into());
            assert_eq!(std::str::from_utf8(&kept).unwrap(), after);
        }
        let schema = r#"{"result":{"tools":[{"inputSchema":{"enum":["ann@example.org"]}}]}}"#;
        let masked = schema.replace("ann@example.org", "***");
        assert_eq!(keep(schema.as_bytes(), masked.into()), schema);
    }
}
