//! What of a call to an agent must stand in an error about it?

use bytes::Bytes;
use http::request::Parts;
use serde::Deserialize;
use serde_json::Value;

use super::super::echo::Echo;
use super::place::{self, Place};

/// Reads as little as is needed of a call at the endpoint with the path `template`, sound or not.
/// `None` where it is no call.
#[must_use]
pub fn echo(template: &str, head: &Parts, body: &Bytes) -> Option<Echo> {
    let path = head.uri.path().strip_prefix(super::fixed(template))?;
    match place::read(&head.method, path)? {
        Place::Card => None,
        Place::Rest(_) => Some(Echo::Rest),
        Place::Rpc(_) => {
            let call: Option<Call> = serde_json::from_slice(body).ok();
            let id = call.and_then(|call| call.id).filter(|id| is_id(Some(id)));
            Some(Echo::Rpc(id.unwrap_or_default()))
        }
    }
}

#[derive(Deserialize)]
struct Call {
    id: Option<Value>,
}

/// Bytes in an identifier that is a text.
const LONGEST: usize = 256;

/// Whether it is one that JSON-RPC allows.
pub(super) fn is_id(id: Option<&Value>) -> bool {
    match id {
        None | Some(Value::Null | Value::Number(_)) => true,
        Some(Value::String(text)) => text.len() <= LONGEST,
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => false,
    }
}
