//! What may the client see of the answer? Screens it, learns its cost, and closes the exchange.

mod asked;
mod conversation;
mod fields;
mod homebound;
mod illegible;
mod relay;

use std::sync::Arc;

use bartizan_core::exchange::{Journey, Refused, is_event_stream, media};
use bartizan_core::id::RequestId;
use bartizan_core::mask::legible::{self, Opening};
use bartizan_core::mask::{self, AnswerStream, Blocked, Screened, Vault};
use bartizan_core::problem;
use bartizan_core::refusal::{Objection, Outage, Refusal, Upstream};
use bartizan_core::settle::{Reported, Spent};
use bartizan_core::validate::echo::Echo;
use bartizan_core::validate::listener::{Piece, denied_tool};
use bartizan_core::validate::{Heard, Listener, Media, Protocol, mcp};
use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::ext::ReasonPhrase;

use crate::aside::{LARGE, aside};
use crate::body::Body;
use crate::clock;
use crate::forward::Returned;
use crate::handler::{Answer, Failure};
use crate::hook::{Hook, Look, Opinion, suspected, unseen};
use crate::settle::Away;
use homebound::{Homebound, Screen};

/// The largest answer that is read whole to be inspected, in bytes. A larger one is withheld.
pub const MAX_INSPECTED: usize = 10 * 1024 * 1024;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Brings an answer home.
///
/// # Errors
/// Refused where there is none that may pass.
pub async fn bring_home(
    returned: Returned,
    hooks: &[Arc<dyn Hook>],
) -> Result<Response<Body>, Refused> {
    let Returned { answer, mut away } = returned;
    let Answer { mut response, used, notes, model, ends } = match answer {
        Ok(answer) => answer,
        Err(Failure { refusal, departed }) => {
            away.used(if departed { Spent::Unknown } else { Spent::Nothing });
            return refuse(away, refusal);
        }
    };
    if let Some(reported) = used {
        away.used(Spent::Reported(reported));
    }
    for note in notes {
        away.note(note);
    }
    if let Some(model) = model {
        away.asked_instead(model);
    }
    if let Some(refusal) = unwelcome(&away, &response) {
        away.used(free());
        return refuse(away, refusal);
    }
    // Nobody needs it (RFC 9112 section 4), and anything could stand there.
    response.extensions_mut().remove::<ReasonPhrase>();
    sign(&away, response.headers_mut());
    if away.journey().is_some_and(Journey::is_headline) {
        behead(&away, &mut response, !hooks.is_empty());
    }
    let mut listener = away.take_listener();
    if let Some(ear) = &mut listener {
        fields::for_this_caller(response.headers_mut());
        if !response.status().is_success() {
            failed_call(&mut away, ear, &mut response);
        }
    }
    let curious: Vec<_> = hooks.iter().filter(|hook| hook.looks_at_answers()).collect();
    let read = listener.as_ref().is_some_and(|ear| {
        let pictured = media(response.headers()) == Media::Binary;
        response.status().is_success() && ear.must_hear(pictured)
    });
    if read && !is_legible(&response) {
        return refuse(away, Refusal::Upstream(Upstream::Garbled));
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return conversation::open(away, response, ends, hooks).await;
    }
    match plan(&away, &response, listener.is_some(), !curious.is_empty()) {
        Plan::Withhold => {
            let refusal = illegible::refusal(response.headers(), speaks_mcp(&away));
            refuse(away, refusal)
        }
        Plan::Whole => whole(away, response, listener, &curious).await,
        Plan::Stream(passage) => Ok(stream(away, response, passage, listener)),
    }
}

/// What somebody says whose status says that the call has failed.
fn failed_call(away: &mut Away, ear: &mut Listener, response: &mut Response<Body>) {
    ear.expect_failure();
    if !ear.hears_failures() {
        away.used(free());
    } else if !is_legible(response) {
        // What a server or somebody before it says is no message; its status says enough.
        wordless(response);
    }
}

/// Takes out the body of an answer of which only the head was asked for; its length stays, unless
/// what is looked for in it may change that (RFC 9110 sections 8.6 and 9.3.2).
fn behead(away: &Away, response: &mut Response<Body>, hooked: bool) {
    let length = response.body().size_hint().exact();
    let body = std::mem::replace(response.body_mut(), Body::empty());
    let sent = !body.is_end_stream();
    let headers = response.headers_mut();
    match length.filter(|_| sent) {
        _ if hooked || away.profile().response.is_some() => {
            headers.remove(header::CONTENT_LENGTH);
        }
        Some(length) if !headers.contains_key(header::CONTENT_LENGTH) => {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        Some(_) | None => {}
    }
}

/// Where a server does not take what the gate shows it, that is not its client's business: a client of
/// MCP would look for another token, and one of a model for another key. What a provider says of it tells
/// parts of the gate's own.
fn unwelcome(away: &Away, response: &Response<Body>) -> Option<Refusal> {
    let status = response.status();
    let unauthorized =
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED);
    let protocol = away.journey()?.endpoint().protocol;
    let ours = protocol == Protocol::Mcp || protocol.has_models();
    (unauthorized && ours).then_some(Refusal::Upstream(Upstream::Unauthorized))
}

/// Providers charge nothing for an error.
fn free() -> Spent {
    Spent::Reported(Reported { usd_nano: Some(0), ..Reported::default() })
}

/// Takes the body from an answer, and what describes it.
fn wordless(response: &mut Response<Body>) {
    *response.body_mut() = Body::empty();
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_RANGE,
        header::ETAG,
    ] {
        response.headers_mut().remove(name);
    }
}

fn speaks_mcp(away: &Away) -> bool {
    away.journey().is_some_and(|journey| journey.endpoint().protocol == Protocol::Mcp)
}

/// How an answer comes home.
enum Plan {
    /// It cannot be inspected, and must be.
    Withhold,
    /// It is read whole first.
    Whole,
    /// It passes as it comes.
    Stream(Passage),
}

/// What is looked at in an answer that passes as it comes.
enum Passage {
    /// Nothing.
    Nothing,
    /// Only whether it is the text that it does not call itself.
    Binary,
    /// It is one text, screened where there is something to screen it with.
    Text(Option<Box<bartizan_pii::Stream>>),
    /// It is events.
    Events,
}

fn plan(away: &Away, response: &Response<Body>, spoken: bool, hooked: bool) -> Plan {
    let profile = away.profile();
    let headers = response.headers();
    // Of a protocol whose lists are filtered nothing passes that nobody can read.
    if speaks_mcp(away) && response.status().is_success() && !response.body().is_end_stream() {
        match media(headers) {
            _ if is_encoded(headers) => return Plan::Withhold,
            // Most often there is nothing in it.
            Media::Unnamed => return Plan::Whole,
            Media::Json => {}
            _ if is_event_stream(headers) => {}
            Media::Form | Media::Text | Media::Binary | Media::Other => return Plan::Withhold,
        }
    }
    let Some(guard) = profile.response else { return unscreened(away, response, spoken, hooked) };
    if is_encoded(headers) {
        return Plan::Withhold;
    }
    match media(headers) {
        Media::Other => Plan::Withhold,
        _ if hooked => Plan::Whole,
        _ if is_event_stream(headers) => Plan::Stream(Passage::Events),
        Media::Json | Media::Form => Plan::Whole,
        Media::Text => Plan::Stream(Passage::Text(Some(Box::new(guard.masker().stream())))),
        Media::Unnamed => Plan::Whole,
        Media::Binary => Plan::Stream(Passage::Binary),
    }
}

/// Whether an answer is one that a listener can read, or nothing.
fn is_legible(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let readable = is_event_stream(headers) || media(headers) == Media::Json;
    let empty = response.status() == StatusCode::NO_CONTENT
        || response.body().whole().is_some_and(|body| body.is_empty());
    empty || (readable && !is_encoded(headers))
}

/// The plan for an answer in which nothing is looked for; values may have to be put back into it.
fn unscreened(away: &Away, response: &Response<Body>, spoken: bool, hooked: bool) -> Plan {
    let headers = response.headers();
    let restores = vault(away, headers).is_some();
    if hooked || response.body().whole().is_some() {
        return Plan::Whole;
    }
    if is_event_stream(headers) && (spoken || restores) {
        return Plan::Stream(Passage::Events);
    }
    match media(headers) {
        Media::Json if spoken || restores => Plan::Whole,
        Media::Form | Media::Unnamed if restores => Plan::Whole,
        Media::Text if restores => Plan::Stream(Passage::Text(None)),
        _ => Plan::Stream(Passage::Nothing),
    }
}

/// What is to be put back into an answer. Placeholders are no secret: what cannot be read passes
/// with them.
fn vault(away: &Away, headers: &HeaderMap) -> Option<Arc<Vault>> {
    away.vault().filter(|_| !is_encoded(headers))
}

fn refuse(away: Away, refusal: Refusal) -> Result<Response<Body>, Refused> {
    match away.refuse(refusal) {
        Some(refused) => Err(refused),
        // The journey is taken only by its end, so this cannot be reached; it fails closed.
        None => Ok(failed()),
    }
}

/// What the client gets where a stage has failed and nothing better is known.
pub(crate) fn failed() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Screens an answer whole, and closes the exchange before the client sees a byte.
async fn whole(
    mut away: Away,
    response: Response<Body>,
    listener: Option<Listener>,
    hooks: &[&Arc<dyn Hook>],
) -> Result<Response<Body>, Refused> {
    let (head, body) = response.into_parts();
    let (away, looked) = match body.whole() {
        Some(bytes) if hooks.is_empty() && bytes.len() <= LARGE => {
            let seen = look(&mut away, head, bytes, listener);
            let looked = seen.map(|seen| seen.unchanged(&away));
            (away, looked)
        }
        // Boxed, because every answer would carry room for what is to be waited for.
        _ => Box::pin(wait(away, head, body, listener, hooks)).await,
    };
    match looked {
        Ok((head, bytes)) => close(away, Response::from_parts(head, Body::full(bytes))).await,
        Err(refusal) => refuse(away, refusal),
    }
}

/// Reads an answer whole that is still coming, screens it, and asks the hooks.
async fn wait(
    mut away: Away,
    head: Parts,
    body: Body,
    listener: Option<Listener>,
    hooks: &[&Arc<dyn Hook>],
) -> (Away, Result<(Parts, Bytes), Refusal>) {
    let bytes = match collect(body).await {
        Ok(bytes) => bytes,
        Err(broken) => return (away, Err(Refusal::Upstream(broken))),
    };
    let looking = aside(bytes.len(), move || {
        let seen = look(&mut away, head, bytes, listener);
        (away, seen)
    });
    let (away, seen) = looking.await;
    let answer = match seen {
        Ok(seen) => {
            let asked = ask(hooks, &away, &seen.head.headers, seen.bytes.clone()).await;
            asked.map(|answer| seen.after(&away, answer))
        }
        Err(refusal) => Err(refusal),
    };
    (away, answer)
}

/// An answer that was looked at.
struct Seen {
    head: Parts,
    /// As it came.
    told: Bytes,
    /// What of it may pass.
    bytes: Bytes,
    found: bool,
    /// What is restored is listened to once more, for where its texts stand.
    again: Option<Listener>,
}

impl Seen {
    /// What goes to the client, where nobody else is asked.
    fn unchanged(self, away: &Away) -> (Parts, Bytes) {
        let bytes = self.bytes.clone();
        self.after(away, bytes)
    }

    /// What goes to the client, where the hooks have left `answer`.
    fn after(self, away: &Away, answer: Bytes) -> (Parts, Bytes) {
        let Self { mut head, told, found, again, .. } = self;
        let bytes = restored(away, &head.headers, answer, again);
        if head.headers.contains_key(header::CONTENT_LENGTH) && !is_headline(away, head.status) {
            head.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        }
        if found || bytes != told {
            fields::changed(&mut head.headers);
        }
        (head, bytes)
    }
}

/// Takes out of an answer what must not pass.
fn look(
    away: &mut Away,
    head: Parts,
    told: Bytes,
    mut listener: Option<Listener>,
) -> Result<Seen, Refusal> {
    let bytes = told.clone();
    // An error of a provider is told as it words it, and no client looks for calls in it.
    let heeds = |ear: &&mut Listener| {
        !is_event_stream(&head.headers) && (ear.hears_failures() || head.status.is_success())
    };
    let heard = match listener.as_mut().filter(heeds) {
        Some(listener) => hear(away, listener, bytes),
        None => Some((bytes, Vec::new())),
    };
    let (bytes, pieces) = heard.ok_or(Refusal::Upstream(Upstream::Blocked))?;
    let again = listener.as_ref().filter(|_| away.vault().is_some()).cloned();
    let screened = match pieces.is_empty() {
        true => screen(away, &head.headers, bytes, listener),
        false => screen_texts(away, bytes, &pieces),
    };
    match screened {
        Ok(Screened { bytes, detections }) => {
            away.detected(&detections);
            Ok(Seen { head, told, bytes, found: !detections.is_empty(), again })
        }
        Err(Blocked { detections }) => {
            away.blocked(&detections);
            Err(Refusal::Upstream(Upstream::Blocked))
        }
    }
}

/// Closes the exchange of an answer that is here whole, before the client sees a byte of it.
async fn close(mut away: Away, response: Response<Body>) -> Result<Response<Body>, Refused> {
    away.answered(response.status().as_u16());
    let closed = away.journey().map(Closed::of);
    if away.end().await.durable().await.is_err() {
        tracing::error!("an answer is withheld: its record could not be written");
        return Ok(closed.map_or_else(failed, Closed::unrecorded));
    }
    Ok(response)
}

/// What an answer says in the words of its protocol, what of it goes on, and which texts stand in
/// pieces in that; `None` where it may not pass at all.
fn hear(away: &mut Away, listener: &mut Listener, bytes: Bytes) -> Option<(Bytes, Vec<Piece>)> {
    let heard = listener.hear_whole(&bytes, away.journey()?.grant());
    let Heard { calls, notes, denied, instead, unsound, pieces, .. } = heard;
    notes.into_iter().for_each(|note| away.note(note));
    if unsound {
        return None;
    }
    if let Some(reported) = listener.used() {
        away.used(Spent::Reported(reported));
    }
    let told = calls.iter().any(|call| call.denied);
    calls.into_iter().for_each(|call| away.note(call.note()));
    if let Some(tool) = denied {
        if !told {
            away.note(denied_tool(&tool));
        }
        return None;
    }
    Some((instead.map_or(bytes, Bytes::from), pieces))
}

/// Takes out what must not pass; usage is read in passing where it stands in events.
fn screen(
    away: &mut Away,
    headers: &HeaderMap,
    bytes: Bytes,
    listener: Option<Listener>,
) -> Result<Screened, Blocked> {
    let profile = away.profile();
    if is_event_stream(headers) {
        let mut screen = Screen::events(away, listener, None);
        let fed = screen.feed(&bytes, away);
        let all = fed.and_then(|fed| Ok([fed, screen.finish(away)?].concat().into()));
        let detections = screen.detections();
        screen.tell(away);
        return match all {
            Ok(bytes) => Ok(Screened { bytes, detections }),
            Err(_stopped) => Err(Blocked { detections }),
        };
    }
    match profile.response {
        Some(_) if media(headers) == Media::Binary => match legible::is_text(&bytes) {
            true => Err(Blocked { detections: Vec::new() }),
            false => Ok(Screened { bytes, detections: Vec::new() }),
        },
        Some(guard) if !bytes.is_empty() => {
            let screened = guard.screen(media(headers), bytes.clone())?;
            let protocol = away.journey().map(|journey| journey.endpoint().protocol);
            let kept = protocol.unwrap_or_default().keep(&bytes, screened.bytes);
            Ok(Screened { bytes: kept, ..screened })
        }
        Some(_) | None => Ok(Screened { bytes, detections: Vec::new() }),
    }
}

/// Takes out what must not pass of a document with texts that stand in pieces.
fn screen_texts(away: &Away, bytes: Bytes, pieces: &[Piece]) -> Result<Screened, Blocked> {
    match (away.profile().response, away.journey()) {
        (Some(guard), Some(journey)) => {
            mask::screen_pieces(&guard, &bytes, pieces, journey.grant())
        }
        _ => Ok(Screened { bytes, detections: Vec::new() }),
    }
}

/// Asks those hooks that want to look at answers, in their order, each about what the one before
/// has left.
async fn ask(
    hooks: &[&Arc<dyn Hook>],
    away: &Away,
    headers: &HeaderMap,
    mut body: Bytes,
) -> Result<Bytes, Refusal> {
    let Some(journey) = away.journey() else { return Ok(body) };
    let grant = journey.grant();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    for hook in hooks {
        let look = Look {
            request_id: journey.request_id(),
            caller: grant.caller(),
            endpoint: grant.endpoint(),
            content_type,
            body: &body,
        };
        let asked = tokio::time::timeout(look.endpoint.timeout, hook.after(look)).await;
        // A check that does not answer has not said yes.
        match asked.unwrap_or(Err(Objection::default())) {
            Ok(Opinion::Pass) => {}
            Ok(Opinion::Mask(spotted)) => {
                let (media, now) = (media(headers), clock::now());
                body = journey
                    .mask_spotted(hook.name(), &spotted, media, body, now)
                    .map_err(|_blocked| Refusal::Upstream(Upstream::Blocked))?;
            }
            Ok(Opinion::Suspect(suspicion)) => away.note(suspected(hook.name(), &suspicion)),
            Ok(Opinion::Unseen { reason }) => away.note(unseen(hook.name(), &reason)),
            Err(objection) => {
                return Err(Refusal::Withheld { hook: hook.name().into(), objection });
            }
        }
    }
    Ok(body)
}

/// Puts back what was put aside of the request.
fn restored(away: &Away, headers: &HeaderMap, bytes: Bytes, listener: Option<Listener>) -> Bytes {
    let Some(vault) = vault(away, headers) else { return bytes };
    if is_event_stream(headers) {
        let Some(grant) = away.journey().map(Journey::grant) else { return bytes };
        let mut events = AnswerStream::new(listener, None, grant).restoring(Some(vault));
        let mut out = Vec::with_capacity(bytes.len());
        let fed = events.feed(&bytes, grant, &mut out);
        return match fed.and_then(|()| events.finish(grant, &mut out)) {
            Ok(()) => out.into(),
            // An event that is too long to be looked at has its placeholders still.
            Err(_stopped) => bytes,
        };
    }
    if media(headers) == Media::Binary {
        return bytes;
    }
    mask::restore(&vault, media(headers), bytes)
}

/// What must be known of an exchange to say that its end is not on record.
struct Closed {
    request_id: RequestId,
    protocol: Protocol,
    echo: Option<Echo>,
}

impl Closed {
    fn of(journey: &Journey) -> Self {
        Self {
            request_id: journey.request_id(),
            protocol: journey.endpoint().protocol,
            echo: journey.echo().cloned(),
        }
    }

    /// What the client gets.
    fn unrecorded(self) -> Response<Body> {
        let context = problem::Context {
            request_id: self.request_id,
            protocol: self.protocol,
            realm: "",
            resource_metadata: None,
            dpop: false,
            echo: self.echo.as_ref(),
        };
        problem::answer(&Refusal::Unavailable(Outage::Audit), &context).map(Body::full)
    }
}

/// Lets an answer pass as it comes; the exchange is closed when it has ended.
fn stream(
    mut away: Away,
    response: Response<Body>,
    passage: Passage,
    listener: Option<Listener>,
) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let vault = vault(&away, &head.headers);
    let screen = match passage {
        Passage::Nothing => Screen::Nothing,
        Passage::Binary => Screen::Binary(Opening::default()),
        Passage::Text(stream) => Screen::text(stream, vault),
        Passage::Events => Screen::events(&away, listener, vault),
    };
    away.answered(head.status.as_u16());
    if screen.changes() {
        head.headers.remove(header::CONTENT_LENGTH);
        fields::changed(&mut head.headers);
    }
    Response::from_parts(head, Body::wrap(Homebound::new(body, screen, away)))
}

/// Reads a body of at most [`MAX_INSPECTED`] bytes.
async fn collect(mut body: Body) -> Result<Bytes, Upstream> {
    if let Some(whole) = body.whole() {
        return Ok(whole);
    }
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Upstream::Garbled)?;
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > MAX_INSPECTED {
            return Err(illegible::too_large(MAX_INSPECTED));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

/// What every answer carries.
fn sign(away: &Away, headers: &mut HeaderMap) {
    let Some(journey) = away.journey() else { return };
    problem::standings(journey.standings(), headers);
    if journey.endpoint().protocol == Protocol::Mcp {
        mcp::clean_answer(headers, journey.grant());
    }
    if journey.endpoint().protocol == Protocol::OpenAi {
        problem::openai_standings(journey.standings(), headers);
    }
}

/// The name of the exchange, for the client to quote.
pub(crate) fn name(headers: &mut HeaderMap, id: bartizan_core::id::RequestId) {
    if let Ok(value) = HeaderValue::from_bytes(&id.letters()) {
        headers.insert(X_REQUEST_ID.clone(), value);
    }
}

/// Whether the length of an answer is that of a body which is not sent (RFC 9110 section 8.6).
fn is_headline(away: &Away, status: StatusCode) -> bool {
    status == StatusCode::NOT_MODIFIED || away.journey().is_some_and(Journey::is_headline)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING);
    encoding.is_some_and(|encoding| encoding != "identity")
}
