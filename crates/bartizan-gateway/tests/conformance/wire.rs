//! Is this sequence of bytes made of requests that can be read in one way only? RFC 9112, without any leniency.

/// What a reader of a connection has found.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Read {
    /// A whole request of so many bytes.
    Request(usize),
    /// The beginning of one: the sender may go on, or hang up.
    Beginning,
}

/// Reads one request.
///
/// # Errors
/// What a second reader might take for something else.
pub(crate) fn request(bytes: &[u8]) -> Result<Read, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return lines(bytes).map(|_| Read::Beginning);
    };
    let lines = lines(&bytes[..end])?;
    let (first, fields) = lines.split_first().ok_or("no request line")?;
    request_line(first)?;
    let fields = fields.iter().map(|line| field(line)).collect::<Result<Vec<_>, _>>()?;
    if fields.iter().filter(|(name, _)| name == "host").count() != 1 {
        return Err("not exactly one Host".to_owned());
    }
    let values = |wanted: &str| -> Vec<&str> {
        fields.iter().filter(|(name, _)| name == wanted).map(|(_, value)| value.as_str()).collect()
    };
    let body = &bytes[end + 4..];
    let read = match (values("content-length").as_slice(), values("transfer-encoding").as_slice()) {
        ([], []) => Some(0),
        ([length], []) => {
            let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
            let length: usize = if digits {
                length.parse().unwrap()
            } else {
                return Err(format!("length {length}"));
            };
            (body.len() >= length).then_some(length)
        }
        ([], ["chunked"]) => chunked(body)?,
        (lengths, codings) => return Err(format!("framing {lengths:?} {codings:?}")),
    };
    Ok(read.map_or(Read::Beginning, |body| Read::Request(end + 4 + body)))
}

/// The lines of a head: no control byte in them but the tab, and none that is folded.
fn lines(head: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut lines = Vec::new();
    let mut rest = head;
    loop {
        let end = find(rest, b"\r\n").unwrap_or(rest.len());
        let line = &rest[..end];
        let last = end == rest.len();
        // The last line of a head that is still arriving may end in the first half of a line end.
        let line = if last { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        if line.iter().any(|byte| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f) {
            return Err(format!("control byte in {:?}", String::from_utf8_lossy(line)));
        }
        if !lines.is_empty() && (line.starts_with(b" ") || line.starts_with(b"\t")) {
            return Err("folded line".to_owned());
        }
        lines.push(line);
        if last {
            return Ok(lines);
        }
        rest = &rest[end + 2..];
    }
}

fn request_line(line: &[u8]) -> Result<(), String> {
    let line = std::str::from_utf8(line).map_err(|_| "request line is no ASCII")?;
    let [method, target, version] = line.split(' ').collect::<Vec<_>>()[..] else {
        return Err(format!("request line {line:?}"));
    };
    let visible = target.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'#');
    if !token(method) || !target.starts_with('/') || !visible || version != "HTTP/1.1" {
        return Err(format!("request line {line:?}"));
    }
    Ok(())
}

/// The name in lower case, and the value without the white space around it.
fn field(line: &[u8]) -> Result<(String, String), String> {
    let line = String::from_utf8_lossy(line);
    let (name, value) = line.split_once(':').ok_or_else(|| format!("field {line:?}"))?;
    if !token(name) {
        return Err(format!("field name {name:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}

fn token(word: &str) -> bool {
    let special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

/// How many bytes a chunked body has; `None` while it is still arriving. Extensions and trailers are not expected.
fn chunked(body: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let Some(end) = find(&body[at..], b"\r\n") else { return Ok(None) };
        let size =
            std::str::from_utf8(&body[at..at + end]).map_err(|_| "chunk size is no ASCII")?;
        let hex = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = if hex {
            usize::from_str_radix(size, 16).unwrap()
        } else {
            return Err(format!("chunk size {size:?}"));
        };
        at += end + 2;
        if body.len() < at + size + 2 {
            return Ok(None);
        }
        if &body[at + size..at + size + 2] != b"\r\n" {
            return Err("chunk without an end".to_owned());
        }
        at += size + 2;
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn the_judge_itself_refuses_what_two_readers_may_read_differently() {
    let good =
        b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(request(good), Ok(Read::Request(good.len())));
    assert_eq!(request(&good[..30]), Ok(Read::Beginning));
    for bad in [
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx",
        "GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n",
    ] {
        assert!(request(bad.as_bytes()).is_err(), "{bad:?}");
    }
}
