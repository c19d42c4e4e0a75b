//! Is the client still there? Asked where a call comes to its end also without it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio_util::task::TaskTracker;

use crate::body::{Body, BodyError};

/// What is known of a client: there, until it is gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presence(Arc<AtomicBool>);

impl Presence {
    /// Whether it is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Watches the client: dropped before it is told that all went well, the client is gone.
    pub(crate) fn watch(&self) -> Watch {
        Watch(Some(self.clone()))
    }
}

/// Whoever waits on behalf of the client holds this.
#[derive(Debug)]
pub(crate) struct Watch(Option<Presence>);

impl Watch {
    /// The client has all that it was waiting for.
    pub(crate) fn served(&mut self) {
        self.0 = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(Presence(gone)) = &self.0 {
            gone.store(true, Ordering::Release);
        }
    }
}

/// The body of an answer that is read to its end also when its client hangs up, so that what it
/// really cost is known.
pub(crate) struct Detached {
    body: Option<Body>,
    watch: Watch,
    tasks: TaskTracker,
    /// How long it may go on without its client.
    patience: Duration,
}

impl Detached {
    /// Goes on with `body` after the client, for `patience` at most. One that is here already
    /// needs nobody to go on.
    pub(crate) fn wrap(
        body: Body,
        mut watch: Watch,
        tasks: TaskTracker,
        patience: Duration,
    ) -> Body {
        if body.whole().is_some() {
            watch.served();
            return body;
        }
        Body::wrap(Self { body: Some(body), watch, tasks, patience })
    }
}

impl HttpBody for Detached {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = Pin::new(body).poll_frame(cx);
        let over = match &frame {
            Poll::Ready(Some(Ok(_))) => self.body.as_ref().is_some_and(HttpBody::is_end_stream),
            Poll::Ready(Some(Err(_)) | None) => true,
            Poll::Pending => false,
        };
        if over {
            self.watch.served();
            self.body = None;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take() else { return };
        // First the news, then the rest of the answer: whoever settles it must know.
        drop(std::mem::replace(&mut self.watch, Watch(None)));
        let rest = async move { while let Some(Ok(_)) = body.frame().await {} };
        // Outside of a runtime nothing can go on; the body is dropped, and settled as it is.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            self.tasks.spawn_on(tokio::time::timeout(self.patience, rest), &runtime);
        }
    }
}
