//! Where does a call go when its upstream does not answer? Several upstreams in their order, asked
//! again only where nothing has come of it yet.
//!
//! A call is sent again only where it cannot have been worked on (no connection came about), or
//! where its upstream has said before any other byte that it was not: 429 and 5xx, for calls of a
//! language model and for methods that may be repeated. What is reserved for the call is reserved
//! once, and the answer that goes home is the only one that is charged.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bartizan_core::authorize::named;
use bartizan_core::exchange::Departure;
use bartizan_core::refusal::{Outage, Refusal};
use bartizan_core::time::Timestamp;
use bartizan_core::validate::Payload;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::breaker::{Breaker, BreakerRules, Leave};
use super::lifetime::Lifetime;
use super::{Connections, Target, Upstream, UpstreamError};
use crate::body::Body;
use crate::clock;
use crate::handler::{Answer, Failure, Handler, Work};
use crate::owed::Owed;
use crate::resting::Resting;

/// One of the upstreams of an endpoint.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where it is.
    pub target: Target,
    /// The models that it serves, names or patterns with `*`; all where empty.
    pub serves: Vec<Arc<str>>,
    /// The model to ask for there, in place of the one that was asked.
    pub model: Option<Arc<str>>,
}

/// How long to try, and how often: by default once, and as long as the endpoint says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Patience {
    /// How often one upstream is asked again.
    pub retries: u32,
    /// When an upstream is left alone; `None`: never.
    pub breaker: Option<BreakerRules>,
    /// How long each of them may take until its answer begins; `None`: as long as all together.
    pub first_byte: Option<Duration>,
    /// How long an answer may take to its end; `None`: as long as something comes.
    pub total: Option<Duration>,
}

/// Several upstreams for one endpoint, the preferred one first.
#[derive(Clone, Debug)]
pub struct Upstreams {
    ways: Arc<[Open]>,
    patience: Patience,
}

/// A way, and how it fares.
#[derive(Debug)]
struct Open {
    upstream: Upstream,
    serves: Vec<Arc<str>>,
    model: Option<Arc<str>>,
    breaker: Option<Breaker>,
}

/// The first pause between two attempts; each further one is twice as long, and all of them are
/// shortened by chance, so that those who failed together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause, also where an upstream asks for a longer one: the client waits.
const MAX_PAUSE: Duration = Duration::from_secs(10);

impl Upstreams {
    /// These upstreams, in the order in which they are asked.
    ///
    /// # Errors
    /// [`UpstreamError`] where one of them does not fit the connections.
    pub fn new(
        ways: Vec<Way>,
        patience: Patience,
        connections: &Connections,
    ) -> Result<Self, UpstreamError> {
        let open = |Way { target, serves, model }| {
            let upstream = Upstream::new(target, connections.clone())?;
            let breaker = patience.breaker.map(Breaker::new);
            Ok(Open { upstream, serves, model, breaker })
        };
        let ways = ways.into_iter().map(open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { ways: ways.into(), patience })
    }
}

impl Handler for Upstreams {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let (ways, patience) = (Arc::clone(&self.ways), self.patience);
        let owed = departure.head.extensions.get::<Owed>().cloned();
        Box::pin(async move {
            let answer = attempts(&ways, patience, departure);
            let Some(total) = patience.total else { return answer.await };
            timeout(total, answer).await.unwrap_or_else(|_elapsed| Err(Failure::too_slow(owed)))
        })
    }
}

/// What one attempt came to.
enum Outcome {
    /// This goes home.
    Done(Result<Answer, Failure>),
    /// Nothing was worked on; how long the upstream wants to be left alone, if it says so.
    Again(Result<Answer, Failure>, Option<Duration>),
}

async fn attempts(
    ways: &[Open],
    patience: Patience,
    departure: Departure<Body>,
) -> Result<Answer, Failure> {
    let began = Instant::now();
    let longest = departure.endpoint.timeout.min(patience.total.unwrap_or(Duration::MAX));
    let resting = departure.head.extensions.get::<Resting>().cloned().unwrap_or_default();
    let whole = matches!(departure.body, Payload::Whole(_));
    let mut spare = Some(departure);
    let mut last = None;
    let most = if whole { patience.retries } else { 0 };
    for way in ways {
        let Some(departure) = &spare else { break };
        if !way.serves(departure.model.as_deref()) {
            continue;
        }
        for attempt in 0..=most {
            let Some(leave) = way.leave() else { break };
            let Some(departure) = next(&mut spare, whole, way) else { break };
            match way.ask(departure, patience, leave).await {
                Outcome::Done(result) => {
                    return lasting(way.names(result), patience.total, began);
                }
                Outcome::Again(result, wait) => {
                    last = Some(way.names(result));
                    let pause = wait.unwrap_or_else(|| pause(attempt));
                    let ends_in_time = pause <= MAX_PAUSE && began.elapsed() + pause < longest;
                    if attempt == most || !ends_in_time {
                        break;
                    }
                    resting.for_a(pause).await;
                }
            }
        }
    }
    let nobody = || {
        let refusal = Refusal::Unavailable(Outage::Upstream);
        Err(Failure { refusal, departed: false })
    };
    lasting(last.unwrap_or_else(nobody), patience.total, began)
}

/// The call as it goes this way; what has a body that comes in chunks goes once.
fn next(spare: &mut Option<Departure<Body>>, whole: bool, way: &Open) -> Option<Departure<Body>> {
    let mut departure = match (whole, spare.as_ref()?) {
        (true, departure) => copy(departure)?,
        (false, _) => spare.take()?,
    };
    if let (Some(model), Payload::Whole(bytes)) = (&way.model, &departure.body) {
        let renamed = renamed(bytes, model)?;
        departure.head.headers.insert(header::CONTENT_LENGTH, renamed.len().into());
        departure.body = Payload::Whole(renamed);
    }
    Some(departure)
}

/// The same call once more, where all of its body is at hand.
pub(super) fn copy(departure: &Departure<Body>) -> Option<Departure<Body>> {
    let Payload::Whole(bytes) = &departure.body else { return None };
    Some(Departure {
        id: departure.id,
        client: departure.client,
        head: departure.head.clone(),
        body: Payload::Whole(bytes.clone()),
        // An upstream is sent bytes.
        document: None,
        caller: departure.caller.clone(),
        subject: departure.subject.clone(),
        roles: departure.roles.clone(),
        endpoint: Arc::clone(&departure.endpoint),
        model: departure.model.clone(),
    })
}

/// The same call to another model.
fn renamed(bytes: &[u8], model: &str) -> Option<Bytes> {
    let mut call: Value = serde_json::from_slice(bytes).ok()?;
    let members = call.as_object_mut()?;
    members.insert("model".to_owned(), model.into());
    Some(call.to_string().into())
}

impl Open {
    fn serves(&self, model: Option<&str>) -> bool {
        let fits = |model: &str| self.serves.iter().any(|pattern| named::fits(pattern, model));
        self.serves.is_empty() || model.is_some_and(fits)
    }

    /// Says of an answer which model was asked for it: it is charged by that.
    fn names(&self, result: Result<Answer, Failure>) -> Result<Answer, Failure> {
        result.map(|answer| Answer { model: self.model.clone(), ..answer })
    }

    /// Leave to ask it: `Some(None)` where nobody keeps count.
    fn leave(&self) -> Option<Option<Leave<'_>>> {
        match &self.breaker {
            None => Some(None),
            Some(breaker) => breaker.leave(clock::now()).map(Some),
        }
    }

    async fn ask(
        &self,
        departure: Departure<Body>,
        patience: Patience,
        leave: Option<Leave<'_>>,
    ) -> Outcome {
        let repeatable =
            departure.endpoint.protocol.has_models() || may_be_repeated(&departure.head.method);
        let owed = departure.head.extensions.get::<Owed>().cloned();
        let work = self.upstream.answer(departure);
        let result = match patience.first_byte {
            None => work.await,
            Some(limit) => begun(work, limit, owed).await,
        };
        match (leave, &result) {
            (None, _) => {}
            // Too many calls: it is neither down nor back.
            (Some(_), Ok(answer)) if answer.response.status() == StatusCode::TOO_MANY_REQUESTS => {}
            (Some(leave), Ok(answer)) if !answer.response.status().is_server_error() => {
                if leave.succeeded() {
                    tracing::info!(upstream = self.upstream.host(), "an upstream is back");
                }
            }
            // Of a call that broke off before, the upstream is not to blame, nor does it prove it well.
            (Some(_), Err(failure)) if !is_of_the_upstream(&failure.refusal) => {}
            (Some(leave), Ok(_) | Err(_)) => {
                if leave.failed(clock::now()) {
                    let upstream = self.upstream.host();
                    tracing::warn!(upstream, "an upstream fails again and again: it is left alone");
                }
            }
        }
        let again = match &result {
            Ok(answer) => repeatable && is_refused(&answer.response),
            Err(failure) => !failure.departed && is_of_the_upstream(&failure.refusal),
        };
        if !again {
            return Outcome::Done(result);
        }
        let wait = match &result {
            Ok(answer) => asked_to_wait(answer.response.headers(), clock::now()),
            Err(_) => None,
        };
        Outcome::Again(result, wait)
    }
}

/// An answer that begins in time. While the client owes some of the body, nobody waits for the upstream.
async fn begun(mut work: Work, limit: Duration, owed: Option<Owed>) -> Result<Answer, Failure> {
    loop {
        match timeout(limit, &mut work).await {
            Ok(result) => return result,
            Err(_elapsed) if owed.as_ref().is_some_and(Owed::is_open) => {}
            Err(_elapsed) => return Err(Failure::too_slow(None)),
        }
    }
}

/// Whether a method means the same when it is sent twice (RFC 9110 section 9.2.2).
pub(super) fn may_be_repeated(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// Whether another upstream may do better: this one, or whoever issues its tokens, has failed.
fn is_of_the_upstream(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Upstream(_) | Refusal::Unavailable(Outage::Credential))
}

/// Whether an upstream says that it did not work on a call: too many, or not well; and does not say that
/// it never will, as some providers do.
fn is_refused(response: &Response<Body>) -> bool {
    let never = response.headers().get("x-should-retry").is_some_and(|value| value == "false");
    matches!(response.status().as_u16(), 429 | 500 | 502 | 503 | 504 | 529) && !never
}

/// How long an upstream wants to be left alone: `Retry-After` in seconds or as a date (RFC 9110 section
/// 10.2.3), or `retry-after-ms`, which some providers send besides. Fractions count, too.
fn asked_to_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let span =
        |text: &str, unit: f64| Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok();
    let until = |text: &str| {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(date.saturating_sub(Duration::from_micros(now.0)))
    };
    let in_millis = text("retry-after-ms").and_then(|text| span(text, 0.001));
    in_millis
        .or_else(|| text("retry-after").and_then(|text| span(text, 1.0).or_else(|| until(text))))
}

/// The pause before the next attempt: somewhere between half of the full one and all of it.
fn pause(attempt: u32) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << attempt.min(6)).min(MAX_PAUSE);
    let chance = u32::try_from(clock::chance() & 0xFFFF).unwrap_or(0);
    full / 2 + (full / 2) * chance / 0xFFFF
}

/// An answer that ends in time, or is broken off.
fn lasting(
    result: Result<Answer, Failure>,
    total: Option<Duration>,
    began: Instant,
) -> Result<Answer, Failure> {
    let Some(total) = total else { return result };
    let mut answer = result?;
    if answer.response.body().whole().is_none() {
        answer.response = answer.response.map(|body| Lifetime::wrap(body, began + total));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_never_alike_for_all() {
        for attempt in 0..40 {
            let full = FIRST_PAUSE.saturating_mul(1 << attempt.min(6)).min(MAX_PAUSE);
            let pauses: Vec<_> = (0..20).map(|_| pause(attempt)).collect();
            assert!(pauses.iter().all(|pause| *pause >= full / 2 && *pause <= full));
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }

    #[test]
    fn an_upstream_is_left_alone_for_as_long_as_it_asks() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = Timestamp(784_111_777_000_000);
        let wait = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            fields.iter().for_each(|(name, value)| {
                headers.insert(*name, value.parse().unwrap());
            });
            asked_to_wait(&headers, now)
        };
        assert_eq!(wait(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
        let both = [("retry-after", "3"), ("retry-after-ms", "2500")];
        assert_eq!(wait(&both), Some(Duration::from_millis(2500)));
        let date = |date| [("retry-after", date)];
        assert_eq!(wait(&date("Sun, 06 Nov 1994 08:49:40 GMT")), Some(Duration::from_secs(3)));
        assert_eq!(wait(&date("Sun, 06 Nov 1994 08:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!(wait(&[("retry-after", "1.5")]), Some(Duration::from_millis(1500)));
        assert_eq!(wait(&[("retry-after-ms", "1500.5")]), Some(Duration::from_micros(1_500_500)));
        for nonsense in ["-1", "NaN", "inf", "1e30", "soon"] {
            assert_eq!(wait(&date(nonsense)), None, "{nonsense}");
        }
        assert_eq!(wait(&[]), None);
    }
}
