//! What stands in a stream of events? Each is screened by itself, and usage is read from it.
//!
//! A value that a model spreads over several events is not seen here: that needs the texts of
//! the deltas, which is a protocol's business.

use std::sync::Arc;

use bartizan_core::mask::{self, Detection, Guard, Vault};
use bartizan_core::settle::Reported;
use bartizan_core::validate::Media;
use bytes::{Bytes, BytesMut};

use super::usage;

/// Something was found that must not pass, or an event that is too long to be inspected.
pub(super) struct Withheld;

/// The longest line of an event, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// Lines of events (WHATWG HTML section 9.2.5), as they come.
pub(super) struct Events {
    guard: Option<Arc<Guard>>,
    /// What was put aside of the request, and is put back behind the guard.
    vault: Option<Arc<Vault>>,
    /// The beginning of a line whose end has not come.
    open: BytesMut,
    detections: Vec<Detection>,
    used: Option<Reported>,
}

impl Events {
    pub(super) fn new(guard: Option<Arc<Guard>>, vault: Option<Arc<Vault>>) -> Self {
        Self { guard, vault, open: BytesMut::new(), detections: Vec::new(), used: None }
    }

    /// Whether what comes out may differ from what goes in.
    fn changes(&self) -> bool {
        self.guard.is_some() || self.vault.is_some()
    }

    /// Takes a chunk; where something may change only whole lines come out.
    pub(super) fn feed(&mut self, chunk: Bytes) -> Result<Bytes, Withheld> {
        // What was open has no line end: only what is new is looked through.
        let mut from = self.open.len();
        self.open.extend_from_slice(&chunk);
        let mut out = Vec::with_capacity(self.open.len());
        while let Some(end) = line_end(&self.open, from) {
            let line = self.open.split_to(end + 1);
            out.extend_from_slice(&self.line(line.freeze())?);
            from = 0;
        }
        if self.open.len() > MAX_LINE {
            return Err(Withheld);
        }
        Ok(if self.changes() { out.into() } else { chunk })
    }

    /// The last line, where it has no end.
    pub(super) fn finish(&mut self) -> Result<Bytes, Withheld> {
        let rest = self.open.split().freeze();
        let line = self.line(rest)?;
        Ok(if self.changes() { line } else { Bytes::new() })
    }

    pub(super) fn detections(&self) -> Vec<Detection> {
        self.detections.clone()
    }

    pub(super) fn used(&self) -> Option<Reported> {
        self.used.clone()
    }

    fn line(&mut self, line: Bytes) -> Result<Bytes, Withheld> {
        // A byte order mark before the first line is no part of it.
        let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line);
        let Some(data) = text.strip_prefix(b"data:") else {
            return self.screen(line, 0, Media::Text);
        };
        if let Some(reported) = usage::of_event(data) {
            self.used = Some(reported);
        }
        let start = line.len() - data.trim_ascii_start().len();
        let json = data.trim_ascii_start().starts_with(b"{");
        self.screen(line, start, if json { Media::Json } else { Media::Text })
    }

    /// The line with everything from `start` on screened, its line end aside.
    fn screen(&mut self, line: Bytes, start: usize, media: Media) -> Result<Bytes, Withheld> {
        if !self.changes() {
            return Ok(line);
        }
        let text = line.slice(start..);
        let end = text.trim_ascii_end().len();
        if end == 0 {
            return Ok(line);
        }
        let mut said = text.slice(..end);
        if let Some(guard) = &self.guard {
            let screened = guard.screen(media, said).map_err(|_| Withheld)?;
            self.detections.extend(screened.detections);
            said = screened.bytes;
        }
        if let Some(vault) = &self.vault {
            said = mask::restore(vault, media, said);
        }
        Ok([&line.slice(..start)[..], &said, &text.slice(end..)].concat().into())
    }
}

/// Where a line ends that has no end before `from`. A carriage return ends one too; the line feed
/// behind it is then an empty line of its own, which changes nothing.
fn line_end(text: &[u8], from: usize) -> Option<usize> {
    let new = text.get(from..)?;
    new.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|at| from + at)
}
