//! Is the call sound? Takes its body in, bounded in size and time.

mod held;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bartizan_core::exchange::{Authorized, Exchange, Refused, Validated};
use bartizan_core::validate::{Intake, Invalid, Payload};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::aside::aside;
use crate::body::{Body, BodyError};
use crate::paced::Paced;
use crate::stage::Stage;
pub use held::{Bodies, MAX_BODY_MEMORY};
use held::{Full, Gathering, Room};

/// The fourth stage.
#[derive(Clone, Debug)]
pub struct Validate {
    pub(crate) bodies: Arc<Bodies>,
}

impl Stage<Exchange<Authorized<Body>>> for Validate {
    type Out = Exchange<Validated<Body>>;

    async fn pass(&self, exchange: Exchange<Authorized<Body>>) -> Result<Self::Out, Refused> {
        let (intake, patience) = (exchange.intake(), exchange.grant().endpoint().body_timeout);
        let client = exchange.facts().client;
        let (exchange, body) = exchange.take_body();
        let body = match intake {
            Intake::Whole(max) => {
                let max = max.min(self.bodies.most_of_one());
                let whole = match body.whole() {
                    Some(whole) if whole.len() as u64 <= max => Ok(whole),
                    Some(_) => Err(Invalid::TooLarge(max)),
                    None => {
                        let reading = read(body, max, self.bodies.room(client));
                        match tokio::time::timeout(patience, reading).await {
                            Ok(Ok(read)) => read,
                            Ok(Err(Full)) => return Err(exchange.overloaded()),
                            Err(_) => Err(Invalid::TooSlow),
                        }
                    }
                };
                whole.map(Payload::Whole)
            }
            Intake::Stream(max) => bounded(body, max, patience),
        };
        let size = match &body {
            Ok(Payload::Whole(bytes)) => bytes.len(),
            Ok(Payload::Stream(_)) | Err(_) => 0,
        };
        aside(size, move || exchange.validate(body)).await
    }
}

/// Reads a body of at most `max` bytes, declared or chunked; where it is not sound, why.
///
/// # Errors
/// [`Full`] where there is no room for it.
async fn read(mut body: Body, max: u64, room: Room<'_>) -> Result<Result<Bytes, Invalid>, Full> {
    let size = body.size_hint();
    if size.lower() > max {
        return Ok(Err(Invalid::TooLarge(max)));
    }
    let mut gathering = Gathering::new(room, size.upper().map_or(max, |upper| upper.min(max)));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Ok(Err(Invalid::Incomplete)) };
        let Ok(data) = frame.into_data() else { continue };
        if (gathering.len() + data.len()) as u64 > max {
            return Ok(Err(Invalid::TooLarge(max)));
        }
        gathering.add(data)?;
    }
    Ok(Ok(gathering.whole()))
}

/// Lets a body pass in chunks, and breaks it off after `max` bytes, or where nothing comes for
/// `patience`.
fn bounded(body: Body, max: u64, patience: Duration) -> Result<Payload<Body>, Invalid> {
    if body.size_hint().lower() > max {
        return Err(Invalid::TooLarge(max));
    }
    let body = match body.whole() {
        Some(whole) => return Ok(Payload::Whole(whole)),
        None if body.size_hint().upper().is_some_and(|upper| upper <= max) => body,
        None => Body::wrap(Bounded { body, left: max }),
    };
    Ok(Payload::Stream(Paced::wrap(body, patience)))
}

/// A body that breaks off where it becomes too long. The upstream then sees an incomplete
/// request, never one that looks whole.
struct Bounded {
    body: Body,
    left: u64,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => {
                    self.body = Body::empty();
                    return Poll::Ready(Some(Err(BodyError::Stopped("too large"))));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::StreamBody;

    use super::*;

    fn chunks(sizes: &'static [usize]) -> Body {
        let frame =
            |size: &usize| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b'x'; *size])));
        Body::new(StreamBody::new(futures_util::stream::iter(sizes.iter().map(frame))))
    }

    #[tokio::test]
    async fn a_chunked_body_cannot_be_longer_than_a_declared_one() {
        let bodies = Arc::new(Bodies::default());
        let client = std::net::IpAddr::from([192, 0, 2, 1]);
        let read = |body, max| {
            let bodies = Arc::clone(&bodies);
            async move { read(body, max, bodies.room(client.into())).await.unwrap() }
        };
        assert_eq!(read(chunks(&[3, 3, 4]), 10).await.unwrap().len(), 10);
        assert_eq!(read(chunks(&[3, 3, 5]), 10).await, Err(Invalid::TooLarge(10)));
        assert_eq!(read(Body::full("x".repeat(11)), 10).await, Err(Invalid::TooLarge(10)));
        assert_eq!(read(Body::empty(), 0).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn a_streamed_body_breaks_off_where_it_becomes_too_long() {
        let pass = |sizes, max| async move {
            match bounded(chunks(sizes), max, Duration::from_secs(9)).unwrap() {
                Payload::Whole(bytes) => Some(bytes.len()),
                Payload::Stream(body) => body.collect().await.ok().map(|all| all.to_bytes().len()),
            }
        };
        assert_eq!(pass(&[5, 5], 10).await, Some(10));
        assert_eq!(pass(&[5, 5, 1], 10).await, None);
    }
}
