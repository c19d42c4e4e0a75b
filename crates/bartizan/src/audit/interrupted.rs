//! Which exchanges were under way when the last process died? Those that have a START and no end.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use bartizan_core::audit::record::{Hash, MAX_LINE, Record};
use bartizan_core::audit::{Event, Outcome};
use bartizan_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::recover::End;
use super::sink::folder;

/// Among how many files beside a log the one before it is looked for.
const MAX_BESIDE: usize = 1000;

/// The START records without an end before `end` of the log, in their order. Where the log goes on from a
/// file that was moved away and lies beside it, those of that file, too.
pub(super) fn starts(path: &Path, file: &mut File, end: u64) -> io::Result<Vec<Record>> {
    let mut line = Vec::new();
    let mut parts = Vec::new();
    if let Some(first) = read_at(file, 0, &mut line)?.filter(|first| first.prev != Hash::NONE) {
        match before(path, &first)? {
            Some(part) => parts.push(part),
            None => tracing::warn!(
                log = %path.display(),
                "the part of the audit log before this file does not lie beside it: exchanges that began \
                 there, and that a crash cut off, are not closed"
            ),
        }
    }
    parts.push((file.try_clone()?, end));
    let mut open: HashMap<String, Vec<(usize, u64)>> = HashMap::new();
    for (part, (file, end)) in parts.iter_mut().enumerate() {
        glance_at_all(file, *end, part, &mut open)?;
    }
    let mut places: Vec<(usize, u64)> = open.into_values().flatten().collect();
    places.sort_unstable();
    let mut starts = Vec::new();
    for (part, offset) in places {
        if let Some((file, _)) = parts.get_mut(part) {
            starts.extend(read_at(file, offset, &mut line)?);
        }
    }
    Ok(starts)
}

/// The file beside the log whose last record is the one before `first`, and where that record ends.
fn before(path: &Path, first: &Record) -> io::Result<Option<(File, u64)>> {
    let Some(name) = path.file_name() else { return Ok(None) };
    let begins = |beside: &Path| {
        let beside = beside.file_name().unwrap_or_default();
        beside != name && beside.as_encoded_bytes().starts_with(name.as_encoded_bytes())
    };
    let beside = fs::read_dir(folder(path))?.take(MAX_BESIDE).filter_map(Result::ok);
    for candidate in beside.map(|entry| entry.path()).filter(|path| begins(path)) {
        // What cannot be opened, or is no log, is not the one.
        let Ok(mut file) = File::open(&candidate) else { continue };
        let end = file.metadata().and_then(|meta| End::find(&mut file, meta.len()));
        let Ok(Some(End { at, head })) = end else { continue };
        if head.seq + 1 == first.seq && head.hash == first.prev {
            return Ok(Some((file, at)));
        }
    }
    Ok(None)
}

/// What is looked at of each record.
#[derive(Deserialize)]
struct Glance<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
}

fn glance_at_all(
    file: &mut File,
    end: u64,
    part: usize,
    open: &mut HashMap<String, Vec<(usize, u64)>>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut lines = BufReader::with_capacity(1 << 16, file.take(end));
    let (mut at, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let length = lines.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        glance(&line, (part, at), open);
        at += length as u64;
    }
}

/// Notes a START, and strikes out the one that this record ends. What cannot be read is left to
/// `bartizan audit verify`.
fn glance(line: &[u8], at: (usize, u64), open: &mut HashMap<String, Vec<(usize, u64)>>) {
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

/// The end of an exchange that was under way, made from its START.
pub(super) fn closed(start: Record, now: Timestamp) -> Map<String, Value> {
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
