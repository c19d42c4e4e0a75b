//! The client of the guides: curl.

use std::process::Command;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Answer;

/// What curl gets when it is called with these arguments.
pub(crate) fn curl(args: &[&str]) -> Answer {
    let run = Command::new("curl")
        .args(["-sS", "-i", "--noproxy", "*", "--max-time", "60"])
        .args(args)
        .output();
    let run = run.expect("curl is installed: run `cargo xtask test`");
    assert!(run.status.success(), "curl {args:?}: {}", String::from_utf8_lossy(&run.stderr));
    let end = run.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&run.stdout[..end]).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    Answer { status, headers, body: Bytes::copy_from_slice(&run.stdout[end + 4..]) }
}
