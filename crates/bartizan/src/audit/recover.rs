//! What did the last process leave behind? Its chain goes on; what a crash cut off is put in
//! order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bartizan_core::audit::chain::{Chain, Head};
use bartizan_core::audit::record::{MAX_LINE, Record};
use bartizan_core::audit::{Entry, Event, Outcome};
use bartizan_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::OpenError;
use super::sink::{FileSink, Sink};

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
    for start in open_starts(&mut file, end.at).map_err(io)? {
        chain.append_members(abandoned(start, now), &mut lines);
    }
    let mut sink = FileSink::new(file, end.at);
    sink.cut().and_then(|()| sink.write(&lines)).and_then(|()| sink.sync()).map_err(io)?;
    sink.keep();
    Ok((sink, chain))
}

/// Only its owner may write what is made, and only its group may read it.
fn rights(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o640);
    options
}

/// Opens the file, and makes it and its folder where they are missing.
fn create(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = rights(&mut options).open(path)?;
    sync_folder(folder)?;
    Ok(file)
}

/// A new file is durable only when its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Where the sound part of a file ends.
#[derive(Debug)]
struct End {
    at: u64,
    head: Head,
}

impl End {
    /// Looks for the last sound record, from the end on; none where the file is no log.
    fn find(file: &mut File, length: u64) -> io::Result<Option<Self>> {
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
                sync_folder(name.parent().filter(|p| *p != "").unwrap_or(Path::new(".")))?;
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

/// What is looked at of each record.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
}

/// The START records before `end` that have no end, in their order.
fn open_starts(file: &mut File, end: u64) -> io::Result<Vec<Record>> {
    file.seek(SeekFrom::Start(0))?;
    let mut lines = BufReader::with_capacity(1 << 16, file.take(end));
    let mut open: HashMap<String, Vec<u64>> = HashMap::new();
    let (mut at, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let length = lines.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        glance(&line, at, &mut open);
        at += length as u64;
    }
    let mut offsets: Vec<u64> = open.into_values().flatten().collect();
    offsets.sort_unstable();
    let records = offsets.into_iter().map(|offset| read_at(file, offset, &mut line));
    records.filter_map(io::Result::transpose).collect()
}

/// Notes a START, and strikes out the one that this record ends. What cannot be read is left to
/// `bartizan audit verify`.
fn glance(line: &[u8], at: u64, open: &mut HashMap<String, Vec<u64>>) {
    let Ok(Glance { event, request_id: Some(id) }) = serde_json::from_slice(line) else { return };
    match Event::parse(&event) {
        Some(Event::RequestStart) => open.entry(id.into_owned()).or_default().push(at),
        Some(Event::RequestEnd | Event::RequestError) => {
            if let Some(starts) = open.get_mut(&*id) {
                starts.pop();
                if starts.is_empty() {
                    open.remove(&*id);
                }
            }
        }
        _ => {}
    }
}

fn read_at(file: &mut File, offset: u64, line: &mut Vec<u8>) -> io::Result<Option<Record>> {
    file.seek(SeekFrom::Start(offset))?;
    line.clear();
    BufReader::new(file.take(MAX_LINE as u64)).read_until(b'\n', line)?;
    Ok(Record::parse(line).ok())
}

/// The end of an exchange that was under way when the process died, made from its START.
fn abandoned(start: Record, now: Timestamp) -> Map<String, Value> {
    let event = Event::RequestError;
    let started = start.seq;
    let mut members = start.into_members();
    let mut details = Map::new();
    details.insert("started_seq".into(), started.into());
    for (name, value) in [
        ("event", event.as_str().into()),
        ("outcome", Outcome::Abandoned.as_str().into()),
        ("severity", event.severity().as_str().into()),
        ("time", now.to_string().into()),
        ("reason", "the gateway stopped before the exchange was over".into()),
        ("details", Value::Object(details)),
    ] {
        members.insert(name.into(), value);
    }
    members
}
