//! Is the body of a call JSON that every reader reads alike?

use serde_json::{Map, Value};

use super::Invalid;
use super::media::Media;
use crate::json;

/// How deep objects and arrays may nest in a body.
const MAX_DEPTH: usize = 127;

/// Reads the document of a call; no body at all is `{}`, so that a schema says what is missing.
///
/// # Errors
/// [`Invalid::Media`] where the client says that it is something else; [`Invalid::Json`].
pub(super) fn document(bytes: &[u8], media: Media) -> Result<Value, Invalid> {
    match media {
        Media::Json | Media::Unnamed => {}
        Media::Form | Media::Text | Media::Binary | Media::Other => return Err(Invalid::Media),
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    json::value(bytes, MAX_DEPTH).map_err(Invalid::Json)
}
