//! What does Envoy ask, and how is it answered? The few messages of `envoy.service.auth.v3` that matter.
//!
//! Protocol Buffers as they are on the wire: a number and a value for each field, unknown fields
//! are skipped, and of a field that stands twice the last one counts.

use std::net::IpAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use super::Misdirected;
use super::inquiry::{Asked, target};

/// Where Envoy asks by gRPC.
pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The longest question, in bytes: a request's head as long as Envoy lets one be, and a certificate.
pub const MAX_QUESTION: usize = 256 * 1024;

/// Bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// A `CheckRequest`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Question {
    /// From where the request came to Envoy, which has looked through the proxies that it trusts.
    pub source: Option<IpAddr>,
    /// The request that is asked about.
    pub asked: Asked,
    /// Its header fields.
    pub headers: HeaderMap,
}

impl Question {
    /// Reads the body of a gRPC call.
    ///
    /// # Errors
    /// [`Misdirected::Inquiry`] where it is not one plain `CheckRequest` about an HTTP request.
    pub fn parse(body: &[u8]) -> Result<Self, Misdirected> {
        parse(body).ok_or(Misdirected::Inquiry)
    }
}

fn parse(body: &[u8]) -> Option<Question> {
    let ([0, length @ ..], message) = body.split_first_chunk::<PREFIX>()? else { return None };
    if usize::try_from(u32::from_be_bytes(*length)).ok()? != message.len() {
        return None;
    }
    let attributes = Fields(message).bytes(1)?;
    let source = Fields(attributes).bytes(1).and_then(address);
    let http = Fields(Fields(attributes).bytes(4)?).bytes(2)?;
    let mut question = Question {
        source,
        asked: Asked { method: Method::GET, target: "/".parse().ok()?, host: None },
        headers: HeaderMap::new(),
    };
    let (mut method, mut path) = (None, None);
    for field in Fields(http) {
        match field? {
            (2, Value::Bytes(name)) => method = Some(Method::from_bytes(name).ok()?),
            (3, Value::Bytes(entry)) => keep(&mut question.headers, entry)?,
            (4, Value::Bytes(text)) => path = Some(target(std::str::from_utf8(text).ok()?).ok()?),
            (5, Value::Bytes(host)) => {
                question.asked.host = Some(HeaderValue::from_bytes(host).ok()?);
            }
            (13, Value::Bytes(map)) => {
                for field in Fields(map) {
                    if let (1, Value::Bytes(entry)) = field? {
                        keep(&mut question.headers, entry)?;
                    }
                }
            }
            _ => {}
        }
    }
    (question.asked.method, question.asked.target) = (method?, path?);
    Some(question)
}

/// The address in a `Peer`, where it is that of a socket.
fn address(peer: &[u8]) -> Option<IpAddr> {
    let socket = Fields(Fields(peer).bytes(1)?).bytes(1)?;
    std::str::from_utf8(Fields(socket).bytes(2)?).ok()?.parse().ok()
}

/// Takes a header field: an entry of the map, or a `HeaderValue`, which may be raw.
fn keep(headers: &mut HeaderMap, entry: &[u8]) -> Option<()> {
    let name = Fields(entry).bytes(1)?;
    if name.starts_with(b":") {
        // Of HTTP/2; Envoy says the same in fields of their own.
        return Some(());
    }
    let raw = Fields(entry).bytes(3).filter(|raw| !raw.is_empty());
    let value = raw.or_else(|| Fields(entry).bytes(2)).unwrap_or_default();
    headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
    Some(())
}

/// A value on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Value<'a> {
    Number,
    Bytes(&'a [u8]),
}

/// The fields of a message. After one that cannot be read there is no other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The last field of this number that is a text or a message.
    fn bytes(self, number: u64) -> Option<&'a [u8]> {
        let mut found = None;
        for field in self {
            match field? {
                (is, Value::Bytes(bytes)) if is == number => found = Some(bytes),
                _ => {}
            }
        }
        found
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => {
                self.varint()?;
                Value::Number
            }
            1 => self.skip(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => self.skip(4)?,
            // Groups, which nobody sends any more.
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn skip(&mut self, length: usize) -> Option<Value<'a>> {
        self.0 = self.0.split_at_checked(length)?.1;
        Some(Value::Number)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// `OVERWRITE_IF_EXISTS_OR_ADD`: what a client wrote under the name does not stay.
const OVERWRITE: u64 = 2;

/// `UNAUTHENTICATED` and `PERMISSION_DENIED` of gRPC.
const UNAUTHENTICATED: u64 = 16;
const PERMISSION_DENIED: u64 = 7;

/// The `CheckResponse` that lets a request pass: with these fields, and without those.
#[must_use]
pub fn passes(set: &HeaderMap, remove: &[HeaderName], for_client: &HeaderMap) -> Bytes {
    let mut ok = BytesMut::new();
    options(&mut ok, 2, set);
    for name in remove {
        bytes(&mut ok, 5, name.as_str().as_bytes());
    }
    options(&mut ok, 6, for_client);
    let mut response = BytesMut::new();
    bytes(&mut response, 1, &[]);
    bytes(&mut response, 3, &ok);
    framed(&response)
}

/// The `CheckResponse` that answers a request in place of the upstream.
#[must_use]
pub fn refuses(answer: &Response<Bytes>) -> Bytes {
    let status = answer.status().as_u16();
    let (mut code, mut denied, mut response) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
    number(&mut code, 1, status.into());
    bytes(&mut denied, 1, &code);
    options(&mut denied, 2, answer.headers());
    bytes(&mut denied, 3, answer.body());
    code.clear();
    number(&mut code, 1, if status == 401 { UNAUTHENTICATED } else { PERMISSION_DENIED });
    bytes(&mut response, 1, &code);
    bytes(&mut response, 2, &denied);
    framed(&response)
}

/// Each field as a `HeaderValueOption`.
fn options(out: &mut BytesMut, field: u64, headers: &HeaderMap) {
    let (mut header, mut option) = (BytesMut::new(), BytesMut::new());
    for (name, value) in headers {
        header.clear();
        option.clear();
        bytes(&mut header, 1, name.as_str().as_bytes());
        bytes(&mut header, 2, value.as_bytes());
        bytes(&mut option, 1, &header);
        number(&mut option, 3, OVERWRITE);
        bytes(out, field, &option);
    }
}

fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(PREFIX + message.len());
    out.put_u8(0);
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    out.freeze()
}

fn bytes(out: &mut BytesMut, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.put_slice(value);
}

fn number(out: &mut BytesMut, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn varint(out: &mut BytesMut, mut value: u64) {
    while value > 0x7f {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8((value & 0x7f) as u8);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut out = BytesMut::new();
        for (field, value) in fields {
            bytes(&mut out, *field, value);
        }
        out.to_vec()
    }

    fn question(http: &[(u64, &[u8])]) -> Vec<u8> {
        let socket = message(&[(2, b"203.0.113.9")]);
        let peer = message(&[(1, &message(&[(1, &socket)]))]);
        let request = message(&[(2, &message(http))]);
        framed(&message(&[(1, &message(&[(1, &peer), (4, &request)]))])).to_vec()
    }

    fn entry(name: &[u8], value: &[u8]) -> Vec<u8> {
        message(&[(1, name), (2, value)])
    }

    #[test]
    fn a_question_says_what_is_asked_about_and_from_where() {
        let (pseudo, own) = (entry(b":path", b"/other"), entry(b"x-api-key", b"k"));
        let raw = message(&[(1, &message(&[(1, b"x-raw"), (3, b"\xff")]))]);
        let body = question(&[
            (2, b"SUMMARIZE"),
            (3, &pseudo),
            (3, &own),
            (4, b"/document?x=1"),
            (5, b"shop.example"),
            (13, &raw),
            (99, b"unknown"),
        ]);
        let read = Question::parse(&body).unwrap();
        assert_eq!(read.source.unwrap().to_string(), "203.0.113.9");
        let Asked { method, target, host } = read.asked;
        assert_eq!((method.as_str(), target.to_string().as_str()), ("SUMMARIZE", "/document?x=1"));
        assert_eq!(host.unwrap(), "shop.example");
        assert_eq!(read.headers.len(), 2);
        assert_eq!(read.headers["x-api-key"], "k");
        assert_eq!(read.headers["x-raw"].as_bytes(), b"\xff");
    }

    #[test]
    fn half_a_question_is_none() {
        let bad = entry(b"bad name", b"");
        for http in [
            [(2, b"GET".as_slice())].as_slice(),
            &[(4, b"/")],
            &[(2, b"G T"), (4, b"/")],
            &[(2, b"GET"), (4, b"http://h/")],
            &[(2, b"GET"), (4, b"/"), (3, &bad)],
        ] {
            assert_eq!(Question::parse(&question(http)), Err(Misdirected::Inquiry), "{http:?}");
        }
        let whole = question(&[(2, b"GET"), (4, b"/")]);
        assert!(Question::parse(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(Question::parse(&whole[..end]).is_err(), "cut at {end}");
        }
        let compressed = [&[1], &whole[1..]].concat();
        assert!(Question::parse(&compressed).is_err());
    }
}
