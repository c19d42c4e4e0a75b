//! What is an upstream told about a call? Who is calling, from where, and with which verb.

use std::sync::Arc;

use bartizan_core::admit::{ClientAddress, Proxies};
use bartizan_core::authenticate::Caller;
use bartizan_core::id::RequestId;
use bytes::{BufMut as _, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::peer::Peer;

static SUBJECT: HeaderName = HeaderName::from_static("x-bartizan-subject");
static TENANT: HeaderName = HeaderName::from_static("x-bartizan-tenant");
static SCOPES: HeaderName = HeaderName::from_static("x-bartizan-scopes");
static ROLES: HeaderName = HeaderName::from_static("x-bartizan-roles");

/// The fields in which it is said who is calling.
pub(crate) static IDENTITY: [&HeaderName; 4] = [&SUBJECT, &TENANT, &SCOPES, &ROLES];

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What would end a name, or hide in it. Everything beyond ASCII is encoded anyway.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',').add(b';').add(b'\\');

/// Says who is calling. An anonymous caller is not named at all.
///
/// The subject is the principal, `local:agent1`; scopes and roles are parted by spaces; all are
/// percent-encoded UTF-8.
pub(crate) fn identity(caller: &Caller, roles: &[Arc<str>], headers: &mut HeaderMap) {
    if caller.is_anonymous() {
        return;
    }
    let principal = caller.principal();
    let mut subject = BytesMut::with_capacity(64);
    encode(&mut subject, &principal.issuer);
    subject.put_u8(b':');
    encode(&mut subject, &principal.subject);
    set(headers, &SUBJECT, subject);
    if let Some(tenant) = caller.tenant() {
        set(headers, &TENANT, list([&**tenant]));
    }
    for (name, words) in [(&SCOPES, caller.scopes()), (&ROLES, roles)] {
        if !words.is_empty() {
            set(headers, name, list(words.iter().map(|word| &**word)));
        }
    }
}

/// Says what the exchange is called here, whatever the client calls it.
pub(super) fn name(id: RequestId, headers: &mut HeaderMap) {
    set(headers, &REQUEST_ID, BytesMut::from(id.letters().as_slice()));
}

fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> BytesMut {
    let mut out = BytesMut::with_capacity(64);
    for word in words {
        if !out.is_empty() {
            out.put_u8(b' ');
        }
        encode(&mut out, word);
    }
    out
}

fn encode(out: &mut BytesMut, text: &str) {
    for piece in utf8_percent_encode(text, UNSAFE) {
        out.put_slice(piece.as_bytes());
    }
}

fn set(headers: &mut HeaderMap, name: &HeaderName, value: BytesMut) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value.freeze()) {
        headers.insert(name.clone(), value);
    }
}

/// Where a request came from, and what it asked for, as far as it is believed.
#[derive(Debug)]
pub(super) struct Origin {
    address: ClientAddress,
    host: Option<HeaderValue>,
    scheme: &'static str,
}

impl Origin {
    /// Reads it off the connection, and off the forwarded fields where a trusted proxy wrote
    /// them. To be called before those are removed.
    pub(super) fn read(peer: &Peer, proxies: &Proxies, headers: &HeaderMap) -> Self {
        let address = proxies.client(peer.address.ip(), headers);
        let believed = proxies.trusts(peer.address.ip());
        let told = |name| if believed { only(headers, name) } else { None };
        let host = told(&FORWARDED_HOST).filter(|host| is_authority(host));
        let host = host.or_else(|| only(headers, &header::HOST)).cloned();
        let scheme = match told(&FORWARDED_PROTO).map(HeaderValue::as_bytes) {
            Some(b"https") => "https",
            Some(b"http") => "http",
            Some(_) | None => peer.scheme(),
        };
        Self { address, host, scheme }
    }

    /// Tells the upstream: one address, never a chain that a client could have begun.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        let mut address = Vec::with_capacity(15);
        self.address.write(&mut address);
        if let Ok(address) = HeaderValue::from_bytes(&address) {
            headers.insert(FORWARDED_FOR.clone(), address);
        }
        if let Some(host) = self.host {
            headers.insert(FORWARDED_HOST.clone(), host);
        }
        headers.insert(FORWARDED_PROTO.clone(), HeaderValue::from_static(self.scheme));
    }
}

/// The value of a field that stands once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn is_authority(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|text| text.parse::<Authority>().is_ok())
}

#[cfg(test)]
mod tests {
    use bartizan_core::authenticate::{Identity, Principal};

    use super::*;

    #[test]
    fn a_name_in_any_script_arrives_and_cannot_end_its_field() {
        let mut identity = Identity::bare(Principal::parse("corp:Zoë, \r\nx: y%"));
        identity.tenant = Some("blue team".into());
        identity.scopes = vec!["data:read".into(), "odd scope".into()];
        let mut headers = HeaderMap::new();
        super::identity(&Caller::assert(identity), &[], &mut headers);
        assert_eq!(headers["x-bartizan-subject"], "corp:Zo%C3%AB%2C%20%0D%0Ax:%20y%25");
        assert_eq!(headers["x-bartizan-tenant"], "blue%20team");
        assert_eq!(headers["x-bartizan-scopes"], "data:read odd%20scope");
        assert!(!headers.contains_key("x-bartizan-roles"));
    }

    #[test]
    fn nobody_is_not_somebody() {
        let mut headers = HeaderMap::new();
        identity(&Caller::anonymous(), &["user".into()], &mut headers);
        assert!(headers.is_empty());
    }

    fn told(peer: &str, tls: bool, fields: &[(&'static str, &'static str)]) -> String {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let tls = tls.then(Arc::default);
        let peer = Peer { address: peer.parse().unwrap(), tls };
        let mut out = HeaderMap::new();
        Origin::read(&peer, &proxies, &headers).tell(&mut out);
        let text = |name: &str| out.get(name).map_or("-", |v| v.to_str().unwrap()).to_owned();
        [text("x-forwarded-proto"), text("x-forwarded-host"), text("x-forwarded-for")].join(" ")
    }

    #[test]
    fn forwarded_fields_count_only_from_a_trusted_proxy() {
        let fields = [
            ("host", "gate"),
            ("x-forwarded-for", "203.0.113.5"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "shop.example"),
        ];
        assert_eq!(told("192.0.2.1:5", false, &fields), "http gate 192.0.2.1");
        assert_eq!(told("192.0.2.1:5", true, &fields), "https gate 192.0.2.1");
        assert_eq!(told("10.0.0.1:5", false, &fields), "https shop.example 203.0.113.5");
        let odd = [("host", "gate"), ("x-forwarded-proto", "gopher"), ("x-forwarded-host", "a b")];
        assert_eq!(told("10.0.0.1:5", false, &odd), "http gate 10.0.0.1");
    }
}
