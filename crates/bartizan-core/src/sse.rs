//! Where does an event of a stream begin and end? Server-sent events (WHATWG HTML section 9.2),
//! taken in pieces of any size and written again.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest event, in bytes. A longer one cannot be inspected.
pub const MAX_EVENT: usize = 1024 * 1024;

/// Finds events in bytes as they come.
#[derive(Debug, Default)]
pub struct Reader {
    /// The event that is not over yet.
    open: BytesMut,
    /// So much of it was looked through.
    seen: usize,
    /// Where its present line begins.
    line: usize,
    /// Whether the last byte was a carriage return: a line feed behind it ends no further line.
    after_return: bool,
    started: bool,
    data: Vec<Range<usize>>,
}

/// An event as it was written, the blank line at its end included.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    raw: Bytes,
    /// Where the values of its `data` fields stand.
    data: Vec<Range<usize>>,
}

/// An event that is longer than [`MAX_EVENT`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an event is longer than {MAX_EVENT} bytes")]
pub struct TooLong;

impl Reader {
    /// Takes what came.
    pub fn push(&mut self, chunk: &[u8]) {
        self.open.extend_from_slice(chunk);
    }

    /// The next event that is whole by now.
    ///
    /// # Errors
    /// [`TooLong`] where it does not end in time.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(at) = self.line_end() {
            let byte = self.open.get(at).copied();
            let blank = at == self.line;
            let feed_of_return = byte == Some(b'\n') && self.after_return && blank;
            if blank && byte == Some(b'\r') {
                // The feed behind it belongs to this event: many clients see no end before they have
                // it. Whether there is one is known by the next byte.
                let Some(next) = self.open.get(at + 1) else { break };
                let feed = usize::from(*next == b'\n');
                self.field(self.line..at);
                self.after_return = false;
                return Ok(Some(self.take(at + 1 + feed)));
            }
            self.seen = at + 1;
            self.after_return = byte == Some(b'\r');
            if feed_of_return {
                self.line = at + 1;
                continue;
            }
            self.field(self.line..at);
            self.line = at + 1;
            if blank {
                return Ok(Some(self.take(at + 1)));
            }
        }
        if self.line_end().is_none() {
            self.seen = self.open.len();
        }
        if self.open.is_empty() {
            // Nobody knows when the next one comes.
            self.open = BytesMut::new();
        }
        if self.open.len() > MAX_EVENT { Err(TooLong) } else { Ok(None) }
    }

    /// What came of the next event, and what stands behind it.
    #[must_use]
    pub fn ahead(&self) -> &[u8] {
        &self.open
    }

    /// Passes over the next event, which is known to be `length` bytes long and to end with a line feed.
    pub fn pass(&mut self, length: usize) {
        self.open.advance(length.min(self.open.len()));
        (self.seen, self.line, self.started, self.after_return) = (0, 0, true, false);
        self.data.clear();
    }

    /// What stands behind the last event and has no end. A strict reader drops it; others do not.
    pub fn rest(&mut self) -> Option<Event> {
        let end = self.open.len();
        self.field(self.line..end);
        (end > 0).then(|| self.take(end))
    }

    fn line_end(&self) -> Option<usize> {
        let new = self.open.get(self.seen..)?;
        new.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|at| self.seen + at)
    }

    /// Remembers the value of a `data` field.
    fn field(&mut self, line: Range<usize>) {
        let Some(text) = self.open.get(line.clone()) else { return };
        // A byte order mark before the first line is no part of it.
        let first = !std::mem::replace(&mut self.started, true);
        let plain = if first { text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) } else { text };
        let Some(value) = plain.strip_prefix(b"data") else { return };
        match value.strip_prefix(b":") {
            Some(value) => {
                let value = value.strip_prefix(b" ").unwrap_or(value);
                self.data.push(line.end - value.len()..line.end);
            }
            None if value.is_empty() => self.data.push(line.end..line.end),
            None => {}
        }
    }

    fn take(&mut self, end: usize) -> Event {
        let raw = self.open.split_to(end).freeze();
        (self.seen, self.line) = (0, 0);
        Event { raw, data: std::mem::take(&mut self.data) }
    }
}

impl Event {
    /// All of it.
    #[must_use]
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Its data: the values of its fields, each on a line.
    #[must_use]
    pub fn data(&self) -> Cow<'_, [u8]> {
        match self.data.as_slice() {
            [] => Cow::Borrowed(&[]),
            [only] => Cow::Borrowed(self.raw.get(only.clone()).unwrap_or_default()),
            several => {
                let lines =
                    several.iter().map(|line| self.raw.get(line.clone()).unwrap_or_default());
                Cow::Owned(lines.collect::<Vec<_>>().join(&b'\n'))
            }
        }
    }

    /// Where its data stand in it, if they are on one line.
    #[must_use]
    pub fn only_data(&self) -> Option<Range<usize>> {
        match self.data.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Whether it has data at all; a comment has none.
    #[must_use]
    pub fn has_data(&self) -> bool {
        !self.data.is_empty()
    }

    /// Its lines beside the data, without their ends.
    pub fn other_lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.raw.split(|byte| matches!(byte, b'\n' | b'\r'));
        lines.filter(|line| {
            let name = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            let name = name.split(|byte| *byte == b':').next().unwrap_or_default();
            !line.is_empty() && name != b"data"
        })
    }

    /// Writes it again with other data.
    pub fn write(&self, data: &[u8], out: &mut Vec<u8>) {
        if let [only] = self.data.as_slice()
            && !data.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        {
            out.extend_from_slice(self.raw.get(..only.start).unwrap_or_default());
            out.extend_from_slice(data);
            out.extend_from_slice(self.raw.get(only.end..).unwrap_or_default());
            return;
        }
        let lines: Vec<&[u8]> = self.other_lines().collect();
        out.extend_from_slice(self.lead());
        write(&lines, data, out);
    }

    /// The same with what `change` makes of its id, by which a client takes its stream up again; with an
    /// empty one, which says nothing, where that is none.
    #[must_use]
    pub fn with_id(self, change: impl Fn(&str) -> Option<String>) -> Self {
        let lines = || self.raw.split_inclusive(|byte| is_line_end(*byte));
        if lines().all(|line| id_of(line).is_none()) {
            return self;
        }
        let mut raw = Vec::with_capacity(self.raw.len() + 64);
        let (mut data, mut from) = (Vec::with_capacity(self.data.len()), 0);
        for line in lines() {
            let (at, end) = (raw.len(), from + line.len());
            let values = self.data.iter().filter(|value| value.start >= from && value.end < end);
            let rest = self.data.iter().filter(|value| value.start >= from && value.end == end);
            let rest = rest.filter(|_| !line.last().is_some_and(|byte| is_line_end(*byte)));
            data.extend(
                values.chain(rest).map(|value| at + value.start - from..at + value.end - from),
            );
            match id_of(line) {
                Some(Range { start, end }) => {
                    let id = line.get(start..end).and_then(|id| std::str::from_utf8(id).ok());
                    let id = id.and_then(|id| change(id.trim())).unwrap_or_default();
                    raw.extend_from_slice(line.get(..start).unwrap_or_default());
                    raw.extend_from_slice(id.as_bytes());
                    raw.extend_from_slice(line.get(end..).unwrap_or_default());
                }
                None => raw.extend_from_slice(line),
            }
            from = end;
        }
        Self { raw: raw.into(), data }
    }

    /// The line feed that belongs to the line end of the event before, if that ended with the carriage
    /// return of both.
    #[must_use]
    pub fn lead(&self) -> &[u8] {
        if self.raw.starts_with(b"\n") { b"\n" } else { b"" }
    }
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// Where in a line the id stands that it gives its event.
fn id_of(line: &[u8]) -> Option<Range<usize>> {
    let field = line.strip_suffix(b"\n").or_else(|| line.strip_suffix(b"\r")).unwrap_or(line);
    let plain = field.strip_prefix(b"\xef\xbb\xbf").unwrap_or(field);
    let id = plain.strip_prefix(b"id:")?;
    let id = id.strip_prefix(b" ").unwrap_or(id);
    (!id.is_empty()).then(|| field.len() - id.len()..field.len())
}

/// Writes an event of these lines and this data.
pub fn write(lines: &[&[u8]], data: &[u8], out: &mut Vec<u8>) {
    for line in lines {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let (mut reader, mut events) = (Reader::default(), Vec::new());
        for chunk in chunks {
            reader.push(chunk);
            while let Some(event) = reader.next_event().unwrap() {
                events.push(event);
            }
        }
        events.extend(reader.rest());
        let raw = events.iter().flat_map(|event| event.raw.to_vec()).collect();
        let data = events.iter().filter(|event| event.has_data());
        (data.map(|event| String::from_utf8_lossy(&event.data()).into_owned()).collect(), raw)
    }

    const TEXT: &[u8] = b"\xef\xbb\xbfdata: a\r\ndata:b\r\n\r\n: comment\n\nevent: x\ndata\n\ndatax: no\n\ndata:  c\r\rid: 7\ndata: d";

    #[test]
    fn every_kind_of_line_end_ends_a_line_once() {
        let (data, raw) = read(&[TEXT]);
        assert_eq!(data, ["a\nb", "", " c", "d"]);
        assert_eq!(raw, TEXT);
    }

    #[test]
    fn the_last_byte_of_an_event_does_not_wait_for_the_next_one() {
        for chunks in
            [&["data: a\r\n\r\n"][..], &["data: a\r\n\r", "\n"], &["data: a\r\n", "\r", "\n"]]
        {
            let (mut reader, mut out) = (Reader::default(), Vec::new());
            for chunk in chunks {
                reader.push(chunk.as_bytes());
                while let Some(event) = reader.next_event().unwrap() {
                    out.extend_from_slice(event.raw());
                }
            }
            assert_eq!(out, b"data: a\r\n\r\n", "{chunks:?}");
        }
    }

    #[test]
    fn an_event_without_end_is_not_kept_for_ever() {
        let mut reader = Reader::default();
        reader.push(&vec![b'x'; MAX_EVENT + 1]);
        assert_eq!(reader.next_event(), Err(TooLong));
    }

    #[test]
    fn other_data_stands_where_the_data_stood() {
        let mut reader = Reader::default();
        reader.push(b"event: e\r\ndata: old\r\nid: 1\r\n\r\ndata: a\ndata: b\nid: 2\n\n");
        let (first, second) =
            (reader.next_event().unwrap().unwrap(), reader.next_event().unwrap().unwrap());
        let mut out = Vec::new();
        first.write(b"new", &mut out);
        second.write(b"c\nd", &mut out);
        let expected = "event: e\r\ndata: new\r\nid: 1\r\n\r\nid: 2\ndata: c\ndata: d\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn another_id_leaves_the_rest_as_it_was() {
        for (before, after) in [
            ("id: 7\ndata: a\n\n", "id: <7>\ndata: a\n\n"),
            ("data: a\r\nid:7 \r\ndata: b\r\n\r\n", "data: a\r\nid:<7>\r\ndata: b\r\n\r\n"),
            ("\u{feff}id: 7\rid\rid: 8\rdata\r\r", "\u{feff}id: <7>\rid\rid: <8>\rdata\r\r"),
            ("data: id: 7\nidle: 7\n\n", "data: id: 7\nidle: 7\n\n"),
            ("id: none\ndata: a", "id: \ndata: a"),
            ("id: 7\ndata", "id: <7>\ndata"),
        ] {
            let mut reader = Reader::default();
            reader.push(before.as_bytes());
            let read = reader.next_event().unwrap().or_else(|| reader.rest()).unwrap();
            let changed = read.clone().with_id(|id| (id != "none").then(|| format!("<{id}>")));
            assert_eq!(String::from_utf8_lossy(&changed.raw), after, "{before:?}");
            assert_eq!((changed.data(), changed.has_data()), (read.data(), read.has_data()));
        }
    }

    proptest! {
        #[test]
        fn the_events_are_the_same_for_every_way_to_cut_the_bytes(
            mut cuts in prop::collection::vec(0..TEXT.len(), 0..8)
        ) {
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts {
                chunks.push(&TEXT[from..cut]);
                from = cut;
            }
            chunks.push(&TEXT[from..]);
            prop_assert_eq!(read(&chunks), read(&[TEXT]));
        }
    }
}
