//! What may the client see of the answer? Screens it, learns its cost, and closes the exchange.

mod homebound;
mod sse;
mod usage;

use bartizan_core::exchange::{Refused, is_event_stream, media};
use bartizan_core::mask::{Guard, Screened};
use bartizan_core::problem;
use bartizan_core::refusal::{Refusal, Upstream};
use bartizan_core::settle::Spent;
use bartizan_core::validate::{Media, Protocol};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::body::Body;
use crate::forward::Returned;
use crate::handler::{Answer, Failure};
use crate::settle::Away;
use homebound::{Homebound, Screen};

/// The largest answer that is read whole to be inspected, in bytes. A larger one is withheld.
pub const MAX_INSPECTED: usize = 10 * 1024 * 1024;

/// Brings an answer home.
///
/// # Errors
/// Refused where there is none that may pass.
pub async fn bring_home(returned: Returned) -> Result<Response<Body>, Refused> {
    let Returned { answer, mut away } = returned;
    let Answer { mut response, used, notes } = match answer {
        Ok(answer) => answer,
        Err(Failure { refusal, departed }) => {
            away.used(if departed { Spent::Unknown } else { Spent::Nothing });
            return refuse(away, refusal).await;
        }
    };
    if let Some(reported) = used {
        away.used(Spent::Reported(reported));
    }
    for note in notes {
        away.note(note);
    }
    sign(&away, response.headers_mut());
    match plan(&away, &response) {
        Plan::Withhold => refuse(away, Refusal::Upstream(Upstream::Blocked)).await,
        Plan::Whole => whole(away, response).await,
        Plan::Stream(screen) => Ok(stream(away, response, screen)),
    }
}

/// How an answer comes home.
enum Plan {
    /// It cannot be inspected, and must be.
    Withhold,
    /// It is read whole first.
    Whole,
    /// It passes as it comes.
    Stream(Screen),
}

fn plan(away: &Away, response: &Response<Body>) -> Plan {
    let profile = away.profile();
    let headers = response.headers();
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Plan::Stream(Screen::Nothing);
    }
    let Some(guard) = profile.response else {
        let metered = away.journey().is_some_and(|j| j.endpoint().protocol == Protocol::OpenAi);
        return match (metered, media(headers), response.body().whole()) {
            (_, _, Some(_)) | (true, Media::Json, None) => Plan::Whole,
            (true, _, None) if is_event_stream(headers) => Plan::Stream(Screen::Events(None)),
            _ => Plan::Stream(Screen::Nothing),
        };
    };
    if is_encoded(headers) {
        return Plan::Withhold;
    }
    match media(headers) {
        _ if is_event_stream(headers) => Plan::Stream(Screen::Events(Some(guard))),
        Media::Json | Media::Form => Plan::Whole,
        Media::Text => Plan::Stream(Screen::Text(Box::new(guard.masker().stream()))),
        Media::Unnamed => Plan::Whole,
        Media::Other if is_picture_or_sound(headers) => Plan::Stream(Screen::Nothing),
        Media::Other => Plan::Withhold,
    }
}

async fn refuse(away: Away, refusal: Refusal) -> Result<Response<Body>, Refused> {
    match away.refuse(refusal).await {
        Some(refused) => Err(refused),
        // The journey is taken only by its end, so this cannot be reached; it fails closed.
        None => Ok(failed()),
    }
}

fn failed() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Reads an answer whole, screens it, and closes the exchange before the client sees a byte.
async fn whole(mut away: Away, response: Response<Body>) -> Result<Response<Body>, Refused> {
    let (mut head, body) = response.into_parts();
    let bytes = match collect(body).await {
        Ok(bytes) => bytes,
        Err(upstream) => return refuse(away, Refusal::Upstream(upstream)).await,
    };
    let profile = away.profile();
    if let Some(reported) = usage::of_document(&away, &bytes) {
        away.used(Spent::Reported(reported));
    }
    let screened = match &profile.response {
        Some(guard) => screen(guard, media(&head.headers), bytes),
        None => Ok(Screened { bytes, detections: Vec::new() }),
    };
    let Screened { bytes, detections } = match screened {
        Ok(screened) => screened,
        Err(blocked) => {
            away.detected(&blocked.detections);
            return refuse(away, Refusal::Upstream(Upstream::Blocked)).await;
        }
    };
    away.detected(&detections);
    if head.headers.contains_key(header::CONTENT_LENGTH) {
        head.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
    }
    if !detections.is_empty() {
        head.headers.remove(header::ETAG);
    }
    away.answered(head.status.as_u16());
    let recorded = away.end().await.durable().await;
    if recorded.is_err() {
        tracing::error!("an answer is withheld: its record could not be written");
        return Ok(unrecorded());
    }
    Ok(Response::from_parts(head, Body::full(bytes)))
}

fn screen(
    guard: &Guard,
    media: Media,
    bytes: Bytes,
) -> Result<Screened, bartizan_core::mask::Blocked> {
    if bytes.is_empty() {
        return Ok(Screened { bytes, detections: Vec::new() });
    }
    guard.screen(media, bytes)
}

/// What the client gets where the end of its exchange is not on record.
fn unrecorded() -> Response<Body> {
    let outage = bartizan_core::refusal::Outage::Audit;
    let context = problem::Context {
        request_id: bartizan_core::id::RequestId(0),
        protocol: Protocol::Http,
        realm: "",
        resource_metadata: None,
    };
    problem::answer(&Refusal::Unavailable(outage), &context).map(Body::full)
}

/// Lets an answer pass as it comes; the exchange is closed when it has ended.
fn stream(mut away: Away, response: Response<Body>, screen: Screen) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    away.answered(head.status.as_u16());
    if screen.changes() {
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::ETAG);
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
            return Err(Upstream::Blocked);
        }
        all.extend_from_slice(&data);
    }
    Ok(all.freeze())
}

/// What every answer carries.
fn sign(away: &Away, headers: &mut HeaderMap) {
    let Some(journey) = away.journey() else { return };
    problem::standings(journey.standings(), headers);
}

/// The name of the exchange, for the client to quote.
pub(crate) fn name(headers: &mut HeaderMap, id: bartizan_core::id::RequestId) {
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert("x-request-id", value);
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let encoding = headers.get(header::CONTENT_ENCODING);
    encoding.is_some_and(|encoding| encoding != "identity")
}

fn is_picture_or_sound(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kinds = ["image/", "audio/", "video/", "font/"];
    value.is_some_and(|value| kinds.iter().any(|kind| value.starts_with(kind)))
}
