//! On what is the log written? On something that can be told to forget a half-written group.

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// A medium for whole groups of lines.
pub(super) trait Sink: Debug + Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until all that was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// What was written so far stays.
    fn keep(&mut self);

    /// Takes back what was written since the last [`keep`](Sink::keep), as far as the medium can.
    fn cut(&mut self) -> io::Result<()>;
}

/// A file that nobody else writes.
#[derive(Debug)]
pub(super) struct FileSink {
    /// Locked for as long as it is open.
    file: File,
    kept: u64,
    written: u64,
}

impl FileSink {
    /// Goes on at `length`, which is the file's.
    pub(super) fn new(file: File, length: u64) -> Self {
        Self { file, kept: length, written: length }
    }
}

impl Sink for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn keep(&mut self) {
        self.kept = self.written;
    }

    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.kept)?;
        self.file.seek(SeekFrom::Start(self.kept))?;
        self.written = self.kept;
        Ok(())
    }
}

/// Standard output. What was written there cannot be taken back.
#[derive(Debug)]
pub(super) struct StdoutSink;

impl Sink for StdoutSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn keep(&mut self) {}

    fn cut(&mut self) -> io::Result<()> {
        Ok(())
    }
}
