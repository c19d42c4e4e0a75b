//! What stands in the log, line by line, also while it is written?

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bartizan_core::audit::record::{MAX_LINE, Malformed, Record};

/// The lines of a log.
pub(super) struct Lines {
    file: BufReader<File>,
    line: Vec<u8>,
    /// How many lines are whole and were returned.
    count: u64,
    unsound: Option<(u64, Malformed)>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = BufReader::with_capacity(1 << 16, File::open(path)?);
        Ok(Self { file, line: Vec::new(), count: 0, unsound: None })
    }

    /// The next line, its line feed included where it has one. Never more than a little longer
    /// than a record may be.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        // A line that was half there goes on where it stopped.
        if self.is_whole() {
            self.line.clear();
        }
        let most = (MAX_LINE + 1).saturating_sub(self.line.len()) as u64;
        let read = self.file.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        self.count += u64::from(self.is_whole());
        Ok((read > 0).then_some(&self.line))
    }

    /// Hands every sound record from here on to `to`, and remembers the first unsound line. A
    /// last line that is not whole is left for later.
    pub(super) fn each(
        &mut self,
        mut to: impl FnMut(&[u8], Record) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        while self.next()?.is_some() {
            match Record::parse(&self.line) {
                Ok(record) => to(&self.line, record)?,
                Err(Malformed::Torn) => {}
                Err(why) => self.unsound = self.unsound.or(Some((self.count, why))),
            }
        }
        Ok(())
    }

    /// The first line that [`each`](Self::each) could not read, and why.
    pub(super) fn first_unsound(&self) -> Option<(u64, Malformed)> {
        self.unsound
    }

    /// Whether another file has the name by now: the log was moved away and goes on there.
    pub(super) fn has_moved(&self, path: &Path) -> bool {
        let place = |meta: io::Result<Metadata>| meta.map(|meta| (meta.dev(), meta.ino()));
        match (place(self.file.get_ref().metadata()), place(fs::metadata(path))) {
            (Ok(own), Ok(named)) => own != named,
            _ => false,
        }
    }

    /// Whether the line that was read last is not whole because somebody is writing it.
    pub(super) fn is_being_written(&mut self) -> io::Result<bool> {
        if self.is_whole() || !self.file.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let file = self.file.get_ref();
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn is_whole(&self) -> bool {
        self.line.ends_with(b"\n") || self.line.len() > MAX_LINE
    }
}
