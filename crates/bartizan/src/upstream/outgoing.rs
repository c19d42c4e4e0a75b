//! The request as an upstream gets it.

use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::Endpoint;
use bartizan_core::exchange::{Departure, is_standard};
use bartizan_core::refusal::{Outage, Refusal};
use bartizan_core::validate::{Payload, Protocol};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Version};
use http_body::Body as _;
use hyper::upgrade::OnUpgrade;

use super::connections::{Connections, Way};
use super::told::{self, Origin};
use super::tunnel::Room;
use super::{Http, Target, Verbs, fields};
use crate::authenticate::Standing;
use crate::body::Body;
use crate::peer::Peer;
use crate::serve::{Extended, Hold};
use bartizan_core::validate::Invalid;

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) request: Request<Body>,
    pub(super) way: Way,
    pub(super) upgrade: Option<Upgrade>,
    /// How long the answer may stand still.
    pub(super) patience: Duration,
    pub(super) max_request_size: u64,
}

/// A client that wants its connection to become a tunnel.
#[derive(Debug)]
pub(super) struct Upgrade {
    pub(super) client: OnUpgrade,
    pub(super) room: Room,
    /// Keeps the client's connection where it is shared with other requests.
    pub(super) hold: Option<Hold>,
    /// Whether the caller's credential still stands.
    pub(super) standing: Option<Standing>,
    /// What the upstream must answer where nobody else looks at it.
    accept: Option<String>,
    /// Whether messages are read: then no extension may change what their frames mean.
    read: bool,
}

impl Upgrade {
    /// Whether an upstream has answered as it must (RFC 6455 section 4.1).
    pub(super) fn accepts(&self, headers: &HeaderMap) -> bool {
        let extended = headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
        let told = headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        let meant = self.accept.as_ref().map(String::as_bytes);
        (meant.is_none() || meant == told) && !(self.read && extended)
    }
}

static X_AGIS_METHOD: HeaderName = HeaderName::from_static("x-agis-method");

impl Outgoing {
    pub(super) fn prepare(
        target: &Target,
        connections: &Connections,
        shown: Option<(HeaderName, HeaderValue)>,
        departure: Departure<Body>,
    ) -> Result<Self, Refusal> {
        let Departure { id, client, mut head, body, caller, roles, endpoint, .. } = departure;
        let uri = target.address.place(&endpoint.path, &head.uri).ok_or(Refusal::Failed)?;
        let party = (&caller, client);
        let upgrade = upgrade(target, connections, &endpoint, party, &body, &mut head)?;
        let peer = head.extensions.get::<Peer>();
        let origin = peer.map(|peer| Origin::read(peer, connections.proxies(), &head.headers));
        let Parts { method, mut headers, .. } = *head;

        // First everything goes that may not pass; what the gate says itself comes after.
        fields::clean_request(&mut headers);
        if is_read(&endpoint) {
            headers.remove(header::ACCEPT_ENCODING);
        }
        told::identity(&caller, &roles, &mut headers);
        if let Some(origin) = origin {
            origin.tell(&mut headers);
        }
        told::name(id, &mut headers);
        if let Some((name, credential)) = shown {
            fields::set_alone(&mut headers, name, credential);
        }
        if let Some(upgrade) = &upgrade {
            ask_for_websocket(&mut headers);
            if upgrade.read {
                headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
            }
        }
        let method = spoken(method, target.verbs, &mut headers);
        let body = match body {
            Payload::Whole(bytes) => Body::full(bytes),
            Payload::Stream(body) => body,
        };
        if matches!(method, Method::GET | Method::HEAD) && is_open_ended(&body, upgrade.is_some()) {
            // Unasked, hyper sends no body of unknown length with these methods: it would be lost.
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers;
        Ok(Self {
            request,
            way: way(target, upgrade.is_some()),
            upgrade,
            patience: endpoint.timeout,
            max_request_size: endpoint.max_request_size,
        })
    }
}

/// Whether a body will come of which nobody has said how long it is.
fn is_open_ended(body: &Body, upgrades: bool) -> bool {
    !upgrades && !body.is_end_stream() && body.size_hint().exact().is_none()
}

/// Whether somebody must read the answer, so that it may not be compressed.
fn is_read(endpoint: &Endpoint) -> bool {
    endpoint.profile.response.is_some() || endpoint.protocol != Protocol::Http
}

/// The method under which a verb goes on.
fn spoken(verb: Method, verbs: Verbs, headers: &mut HeaderMap) -> Method {
    if verbs == Verbs::Native || is_standard(&verb) {
        return verb;
    }
    if let Ok(name) = HeaderValue::from_str(verb.as_str()) {
        headers.insert(X_AGIS_METHOD.clone(), name);
    }
    Method::POST
}

fn way(target: &Target, upgrades: bool) -> Way {
    match (target.address.is_https(), target.http, upgrades) {
        (false, Http::Prior, _) => Way::Prior,
        (false, Http::Negotiated, _) => Way::Plain,
        (true, _, true) => Way::TlsOne,
        (true, _, false) => Way::Tls,
    }
}

/// Whether this request may change the protocol. Otherwise it goes on as if it had not asked.
///
/// Only WebSocket (RFC 6455), and only where its messages can be read as far as something must be
/// looked for in them: a schema or a protocol knows nothing of messages.
fn upgrade(
    target: &Target,
    connections: &Connections,
    endpoint: &Endpoint,
    (caller, address): (&Caller, ClientAddress),
    body: &Payload<Body>,
    head: &mut Parts,
) -> Result<Option<Upgrade>, Refusal> {
    let extended = head.extensions.get::<Extended>().cloned();
    let asked = (head.version == Version::HTTP_11 || extended.is_some())
        && head.method == Method::GET
        && fields::upgrade_of(&head.headers).is_some_and(is_websocket);
    let empty = match body {
        Payload::Whole(bytes) => bytes.is_empty(),
        Payload::Stream(body) => extended.is_some() && body.is_end_stream(),
    };
    let legible = endpoint.protocol == Protocol::Http && endpoint.schema.is_none();
    if !(asked && empty && legible && target.http == Http::Negotiated) {
        return Ok(None);
    }
    let standing = head.extensions.remove::<Standing>();
    let Some(client) = head.extensions.remove::<OnUpgrade>() else { return Ok(None) };
    let mut versions = head.headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    if (versions.next().map(HeaderValue::as_bytes), versions.next()) != (Some(b"13"), None) {
        return Err(Invalid::WebSocketVersion { upgrades: extended.is_none() }.into());
    }
    let room = connections.tunnels().room(caller, address);
    let room = room.ok_or(Refusal::Unavailable(Outage::Overload))?;
    let (hold, accept) = extended.map(|Extended { hold, accept }| (hold, accept)).unzip();
    let read = endpoint.reads_messages().is_some();
    Ok(Some(Upgrade { client, room, hold, standing, accept, read }))
}

pub(super) fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

pub(super) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}
