//! Which parts of a message carry it, and are not masked? Without them no answer finds its question.

use bytes::Bytes;
use serde_json::Value;

/// Where they stand; `*` is every element of a list. Names and addresses are among them: rights are
/// decided by them, and header fields must say the same. Each is one value: where an object or a list
/// stands in its place it is none of them, and may hold anything.
const KEPT: [&str; 31] = [
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
    "result/resultType",
    "result/tools/*/name",
    "result/prompts/*/name",
    "result/prompts/*/arguments/*/name",
    "result/resources/*/uri",
    "result/resourceTemplates/*/uriTemplate",
    "result/contents/*/uri",
    "result/contents/*/mimeType",
    "result/content/*/type",
    "result/content/*/mimeType",
];

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
    for path in KEPT.into_iter().chain(SCHEMAS) {
        let whole = SCHEMAS.contains(&path);
        let steps: Vec<&str> = match path.split_once("/_meta/") {
            // The one name with a slash in it.
            Some((first, name)) => vec![first, "_meta", name],
            None => path.split('/').collect(),
        };
        changed |= put_back(&steps, whole, &was, &mut is);
    }
    if changed { is.to_string().into() } else { after }
}

fn put_back(steps: &[&str], whole: bool, was: &Value, is: &mut Value) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        let one = !was.is_object() && !was.is_array();
        let differs = was != is && (one || whole);
        if differs {
            *is = was.clone();
        }
        return differs;
    };
    match (was, is) {
        (Value::Array(was), Value::Array(is)) if *step == "*" => {
            let pairs = was.iter().zip(is);
            pairs.fold(false, |changed, (was, is)| put_back(rest, whole, was, is) | changed)
        }
        (Value::Object(was), Value::Object(is)) => match (was.get(*step), is.get_mut(*step)) {
            (Some(was), Some(is)) => put_back(rest, whole, was, is),
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
