//! The last words to a client whose request could not be read: how do they reach it?
//!
//! A connection that is closed while bytes of its client wait unread is reset, and whoever is reset
//! may lose what was sent before. So the rest of the request is read, for a while, and thrown away.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of what a client goes on to send is thrown away, in bytes.
const MAX_LEFT: usize = 256 * 1024;

/// Words that are on their way.
#[derive(Debug)]
pub(super) struct Farewell {
    unsent: Bytes,
    /// Whether all was said, and our side is closed.
    closed: bool,
    left: usize,
}

impl Farewell {
    pub(super) fn new(words: Bytes) -> Self {
        Self { unsent: words, closed: false, left: MAX_LEFT }
    }

    /// Sends them.
    pub(super) fn poll_send<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
    ) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut *io).poll_write(cx, &self.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(sent);
        }
        Pin::new(io).poll_flush(cx)
    }

    /// Sends them, and waits until the client hangs up or has said enough. How long it may take, the
    /// vigil knows.
    pub(super) fn poll_close<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut T,
    ) -> Poll<io::Result<()>> {
        if !self.closed {
            ready!(self.poll_send(cx, io))?;
            ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
            self.closed = true;
        }
        let mut piece = [0; 4096];
        while self.left > 0 {
            let mut piece = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut *io).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => {
                    self.left = self.left.saturating_sub(piece.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
