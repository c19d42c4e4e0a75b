//! Is it one JSON-RPC 2.0 message, which every reader reads alike? What MCP and A2A have in common.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::authorize::named::fold;

/// It is no JSON (JSON-RPC 2.0, section 5.1).
pub const PARSE_ERROR: i64 = -32700;
/// It is no message.
pub const INVALID_REQUEST: i64 = -32600;
/// Nobody serves this method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The method does not take these parameters.
pub const INVALID_PARAMS: i64 = -32602;
/// Something failed inside.
pub const INTERNAL_ERROR: i64 = -32603;

/// The members of a message.
const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// One message. Its identifier is a text or a whole number.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Something is asked, and an answer is waited for.
    Request {
        /// By which the answer is found.
        id: Value,
        /// What is asked.
        method: String,
        /// With what; empty where there is nothing.
        params: Map<String, Value>,
    },
    /// Something is told.
    Notification {
        /// What is told.
        method: String,
        /// With what; empty where there is nothing.
        params: Map<String, Value>,
    },
    /// The answer to a request.
    Response {
        /// Of which request; `null` where that could not be read.
        id: Value,
        /// What it is.
        reply: Reply,
    },
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It was done.
    Result(Value),
    /// It was not.
    Error(Value),
}

/// Why a message is answered with an error of the protocol.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{detail}")]
pub struct Fault {
    /// The number of the error.
    pub code: i64,
    /// What is wrong, for the client to read.
    pub detail: Cow<'static, str>,
    /// What else the client is told.
    pub data: Option<Box<Value>>,
    /// Whether it is an answer of the protocol's own, which travels with the status of a success;
    /// otherwise HTTP says too that the message was refused.
    pub answers: bool,
}

impl Fault {
    /// A message that is refused.
    #[must_use]
    pub fn new(code: i64, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), data: None, answers: false }
    }

    /// The same, as an answer of the protocol's own.
    #[must_use]
    pub fn answering(self) -> Self {
        Self { answers: true, ..self }
    }

    /// The same, with something else to tell.
    #[must_use]
    pub fn with(self, data: Value) -> Self {
        Self { data: Some(Box::new(data)), ..self }
    }
}

/// Reads a document as one message. Lists of messages are refused: no revision that is served has
/// them.
///
/// # Errors
/// [`Fault`] with [`INVALID_REQUEST`] for anything that is not one message in one reading.
pub fn message(document: Value) -> Result<Message, Fault> {
    let invalid = |detail: &'static str| Fault::new(INVALID_REQUEST, detail);
    let Value::Object(mut members) = document else {
        return Err(invalid("the body must be one JSON-RPC message"));
    };
    if !exact(&members, &MEMBERS) {
        return Err(invalid("a member differs from its name in case"));
    }
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\""));
    }
    let id = members.remove("id");
    if let Some(method) = members.remove("method") {
        let Value::String(method) = method else { return Err(invalid("`method` must be a text")) };
        if members.contains_key("result") || members.contains_key("error") {
            return Err(invalid("a message is a request or a response"));
        }
        let params = match members.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(invalid("`params` must be an object")),
        };
        return match id {
            None => Ok(Message::Notification { method, params }),
            Some(id) if is_id(&id) => Ok(Message::Request { id, method, params }),
            Some(_) => Err(invalid("`id` must be a text or a whole number")),
        };
    }
    let reply = match (members.remove("result"), members.remove("error")) {
        (Some(result), None) => Reply::Result(result),
        (None, Some(error)) => Reply::Error(error),
        _ => return Err(invalid("a message has a `method`, a `result` or an `error`")),
    };
    match id {
        Some(id) if is_id(&id) || id.is_null() => Ok(Message::Response { id, reply }),
        _ => Err(invalid("`id` must be a text or a whole number")),
    }
}

/// The identifier that stands in a document, also where it is no sound message: for the answer.
#[must_use]
pub fn id_of(document: &Value) -> Option<&Value> {
    document.get("id").filter(|id| is_id(id))
}

/// Whether an object spells the members that it has of `names` exactly so. Some readers do not care
/// for case, and would find another member than we do.
#[must_use]
pub fn exact(members: &Map<String, Value>, names: &[&str]) -> bool {
    let other_case = |member: &String| {
        let folded = fold(member);
        !names.contains(&&**member) && names.iter().any(|name| fold(name) == folded)
    };
    !members.keys().any(other_case)
}

/// An error as a message (JSON-RPC 2.0, section 5.1).
#[must_use]
pub fn error(id: Option<&Value>, code: i64, detail: &str, data: Option<&Value>) -> Value {
    let mut error = json!({ "code": code, "message": detail });
    if let (Some(data), Some(members)) = (data, error.as_object_mut()) {
        members.insert("data".into(), data.clone());
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

fn is_id(id: &Value) -> bool {
    id.is_string() || id.is_i64() || id.is_u64()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_one_message_in_one_reading_is_refused() {
        for text in [
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            // A server that reads members in any case would find the second.
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","param\u017f":{}}"#,
        ] {
            let fault = message(serde_json::from_str(text).unwrap()).unwrap_err();
            assert_eq!(fault.code, INVALID_REQUEST, "{text}");
        }
    }

    #[test]
    fn a_message_says_what_it_is() {
        let read = |text: &str| message(serde_json::from_str(text).unwrap()).unwrap();
        let asked = read(r#"{"jsonrpc":"2.0","id":"a","method":"ping","extra":1}"#);
        assert!(matches!(asked, Message::Request { id, .. } if id == "a"));
        let told = read(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(matches!(told, Message::Notification { .. }));
        let answered = read(r#"{"jsonrpc":"2.0","id":1,"result":null}"#);
        assert_eq!(answered, Message::Response { id: 1.into(), reply: Reply::Result(Value::Null) });
    }
}
