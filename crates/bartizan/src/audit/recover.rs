//! What did the last process leave behind? Its chain goes on; what a crash cut off is put in
//! order.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bartizan_core::audit::chain::{Chain, Head};
use bartizan_core::audit::record::{MAX_LINE, Record};
use bartizan_core::audit::{Entry, Event, Outcome};
use bartizan_core::time::Timestamp;
use serde_json::Map;

use super::sink::{FileSink, Sink, create, folder, rights, sync_folder};
use super::{OpenError, interrupted};

/// How far from the end the last sound record is looked for, in bytes; mostly the first will do.
/// A crash damages no more than the last group.
const REACHES: [u64; 3] = [MAX_LINE as u64, 8 * MAX_LINE as u64, 64 * MAX_LINE as u64];

/// How many torn ends with the same number may lie beside a log.
const MAX_TORN: usize = 1000;

/// Opens the file and locks it. The chain that is returned goes on after its last record.
pub(super) fn open(
    path: &Path,
    mut chain: Chain,
    now: Timestamp,
) -> Result<(FileSink, Chain), OpenError> {
    let io = |error| OpenError::Io { path: path.to_owned(), error };
    let mut file = create(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    let length = file.seek(SeekFrom::End(0)).map_err(io)?;
    let end = End::find(&mut file, length).map_err(io)?;
    let end = end.ok_or_else(|| OpenError::NotALog(path.to_owned()))?;
    chain.rewind(end.head);
    let mut lines = Vec::new();
    if end.at < length {
        let torn = save_torn(path, &mut file, &end).map_err(io)?;
        let bytes = length - end.at;
        tracing::warn!(
            log = %path.display(),
            torn = %torn.display(),
            bytes,
            "the audit log did not end with a whole record, as after a crash: its end was moved aside"
        );
        chain.append(&torn_entry(&torn, bytes, now), &mut lines);
    }
    for start in interrupted::starts(path, &mut file, end.at).map_err(io)? {
        chain.append_members(interrupted::closed(start, now), &mut lines);
    }
    let mut sink = FileSink::new(path, file, end.at);
    sink.cut().and_then(|()| sink.write(&lines)).and_then(|()| sink.sync()).map_err(io)?;
    sink.keep();
    Ok((sink, chain))
}

/// Where the sound part of a file ends.
#[derive(Debug)]
pub(super) struct End {
    /// After so many bytes.
    pub(super) at: u64,
    /// With this record.
    pub(super) head: Head,
}

impl End {
    /// Looks for the last sound record, from the end on; none where the file is no log.
    pub(super) fn find(file: &mut File, length: u64) -> io::Result<Option<Self>> {
        for reach in REACHES {
            let end = Self::within(file, length, reach)?;
            if end.is_some() || reach >= length {
                return Ok(end);
            }
        }
        Ok(None)
    }

    /// Looks for it in the last `reach` bytes. A file that holds the beginning of a first record,
    /// and nothing else, is a log too.
    fn within(file: &mut File, length: u64, reach: u64) -> io::Result<Option<Self>> {
        let start = length.saturating_sub(reach);
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(reach).read_to_end(&mut tail)?;
        // Where the tail begins within a line, that is no record, and nobody asks.
        let mut at = start + tail.len() as u64;
        for line in tail.split_inclusive(|&byte| byte == b'\n').rev() {
            if let Ok(record) = Record::parse(line) {
                let head = Head { seq: record.seq, hash: record.hash };
                return Ok(Some(Self { at, head }));
            }
            at -= line.len() as u64;
        }
        let begun = start == 0 && !tail.contains(&b'\n') && is_beginning(&tail);
        Ok(begun.then_some(Self { at: 0, head: Head::EMPTY }))
    }
}

/// Whether this can be the beginning of a record: every first member is one of these.
fn is_beginning(tail: &[u8]) -> bool {
    ["{\"action\":", "{\"chain\":"].iter().any(|first| {
        let first = first.as_bytes();
        tail.starts_with(first) || first.starts_with(tail)
    })
}

/// Copies what follows the sound part into a file of its own: nothing is thrown away.
fn save_torn(path: &Path, file: &mut File, end: &End) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".torn-{}", end.head.seq + 1));
    let names = (0..MAX_TORN).map(|n| {
        let mut name = name.clone();
        if n > 0 {
            name.push(format!(".{n}"));
        }
        PathBuf::from(name)
    });
    for name in names {
        match rights(OpenOptions::new().write(true).create_new(true)).open(&name) {
            Ok(mut torn) => {
                file.seek(SeekFrom::Start(end.at))?;
                io::copy(file, &mut torn)?;
                torn.flush()?;
                torn.sync_all()?;
                sync_folder(folder(&name))?;
                return Ok(name);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many torn ends lie beside it: move them away"))
}

fn torn_entry(torn: &Path, bytes: u64, now: Timestamp) -> Entry {
    let mut details = Map::new();
    let name = torn.file_name().unwrap_or_default().to_string_lossy();
    details.insert("torn_bytes".into(), bytes.into());
    details.insert("torn_file".into(), name.into());
    Entry {
        event: Event::SecurityAlert,
        outcome: Outcome::Error,
        time: now,
        facts: None,
        reason: Some("the log did not end with a whole record; its end was moved aside".into()),
        details,
        end: None,
    }
}
