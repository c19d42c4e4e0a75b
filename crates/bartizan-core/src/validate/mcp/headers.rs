//! Do the header fields say what the body says? What others decide by them must be what is done.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use crate::validate::jsonrpc::{self, Fault};

/// The fields do not say what the body says (2026-07-28, Streamable HTTP, Server Validation).
pub const HEADER_MISMATCH: i64 = -32020;
/// The revision is not served.
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// The revisions that are served. The first has the same messages, but for lists of them.
pub const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", MODERN];

/// The revision without sessions, in which fields mirror the body.
const MODERN: &str = "2026-07-28";

/// Where a request of that revision says which one it is.
const VERSION_META: &str = "io.modelcontextprotocol/protocolVersion";

static VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Which kind of revision a request is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Era {
    /// With sessions and streams of their own.
    Sessions,
    /// 2026-07-28: without, and with fields that mirror the body.
    Mirrored,
}

/// Which kind of revision the fields say it is.
pub(super) fn era(headers: &HeaderMap) -> Result<Era, Fault> {
    match one(headers, &VERSION)? {
        None => Ok(Era::Sessions),
        Some(MODERN) => Ok(Era::Mirrored),
        Some(version) if REVISIONS.contains(&version) => Ok(Era::Sessions),
        Some(version) => Err(unsupported(version, &REVISIONS)),
    }
}

/// Holds the fields of a request or notification against its body.
pub(super) fn check(
    headers: &HeaderMap,
    method: &str,
    params: &Map<String, Value>,
    is_request: bool,
) -> Result<Era, Fault> {
    let meta = params.get("_meta").and_then(|meta| meta.get(VERSION_META));
    let version = one(headers, &VERSION)?;
    if meta.is_some_and(|meta| meta.as_str() != version) {
        return Err(mismatch("MCP-Protocol-Version"));
    }
    let era = era(headers).map_err(|fault| match meta {
        // Of the others it is spoken when a session is opened.
        Some(_) => unsupported(version.unwrap_or_default(), &[MODERN]),
        None => fault,
    })?;
    let required = is_request && era == Era::Mirrored;
    match one(headers, &METHOD)? {
        Some(named) if named == method => {}
        None if !required => {}
        Some(_) | None => return Err(mismatch("Mcp-Method")),
    }
    let member = match method {
        "tools/call" | "prompts/get" => params.get("name"),
        "resources/read" => params.get("uri"),
        _ => None,
    };
    let Some(meant) = member.and_then(Value::as_str) else { return Ok(era) };
    match one(headers, &NAME)? {
        Some(named) if decoded(named).as_deref() == Some(meant) => {}
        None if !required => {}
        Some(_) | None => return Err(mismatch("Mcp-Name")),
    }
    Ok(era)
}

/// Whether a call may come from the web page that it says it comes from, if it comes from one.
pub(super) fn origin_fits(headers: &HeaderMap, origins: &[Arc<str>]) -> bool {
    let mut shown = headers.get_all(http::header::ORIGIN).iter();
    let Some(origin) = shown.next() else { return true };
    let same = |known: &Arc<str>| origin.as_bytes().eq_ignore_ascii_case(known.as_bytes());
    shown.next().is_none() && origins.iter().any(same)
}

/// Whether a call was sent to one of these names, where they are known. A page that makes its own name mean
/// our address (DNS rebinding) sends calls without `Origin`, but not without that name. Addresses and
/// `localhost` are nobody's to make mean something else.
pub(super) fn host_fits(head: &Parts, hosts: Option<&[Arc<str>]>) -> bool {
    let Some(hosts) = hosts else { return true };
    let named = head.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let named = named.and_then(|host| host.parse::<Authority>().ok());
    let Some(authority) = named.as_ref().or(head.uri.authority()) else { return false };
    let name = authority.host();
    let name = name.strip_suffix('.').unwrap_or(name);
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

/// The one value of a field.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| mismatch(name.as_str()))?;
    if values.next().is_some() { Err(mismatch(name.as_str())) } else { Ok(Some(text)) }
}

/// What a field means that cannot say everything: `=?base64?…?=` (Value Encoding).
pub(super) fn decoded(text: &str) -> Option<String> {
    let inner = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    match inner {
        Some(inner) => STANDARD.decode(inner).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
        None => Some(text.to_owned()),
    }
}

pub(super) fn mismatch(field: &str) -> Fault {
    let detail = format!("Header mismatch: {field} is missing or does not match the body");
    Fault::new(HEADER_MISMATCH, detail)
}

fn unsupported(version: &str, supported: &[&str]) -> Fault {
    let shown = version.get(..version.floor_char_boundary(32)).unwrap_or_default();
    let data = json!({ "supported": supported, "requested": shown });
    Fault::new(UNSUPPORTED_VERSION, "Unsupported protocol version").with(data)
}

/// There is no method of that name here.
pub(super) fn unknown_method(era: Era) -> Fault {
    let fault = Fault::new(jsonrpc::METHOD_NOT_FOUND, "Method not found");
    match era {
        // 404 would mean there that the session is over.
        Era::Sessions => fault.answering(),
        Era::Mirrored => fault,
    }
}
