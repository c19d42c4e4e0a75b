//! Is this an address of the web, and does it hold a password?

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, window::is_word};

/// An address is found up to so many bytes.
const MAX: usize = 512;
/// User and password together.
const MAX_USERINFO: usize = 128;

const SCHEMES: &[&str] = &["https://", "http://", "ftp://", "www."];

/// The schemes in front of which a user and a password are seen.
const WITH_USER: &[&str] = &[
    "http",
    "ftp",
    "sftp",
    "ssh",
    "git",
    "svn",
    "postgres",
    "mysql",
    "mariadb",
    "mongodb",
    "redis",
    "amqp",
    "kafka",
    "nats",
    "ldap",
    "smtp",
    "imap",
    "pop3",
    "mqtt",
    "jdbc",
    "sqlserver",
    "mssql",
    "oracle",
    "clickhouse",
    "cassandra",
    "couchdb",
    "elastic",
    "influx",
    "neo4j",
    "bolt",
    "memcache",
    "tcp",
    "wss",
    "socks",
    "snowflake",
    "cockroach",
    "vertica",
    "presto",
    "trino",
    "rtsp",
    "smb",
    "db2",
    "sybase",
    "hive",
    "impala",
    "dremio",
    "redshift",
    "rabbitmq",
    "celery",
    "broker",
    "proxy",
];

pub(crate) const ROWS: &[Recognizer] = &[
    Recognizer {
        entity: Entity::URL_CREDENTIALS,
        finds: "the user and password of a connection string or another address",
        starts: |b| b.is_ascii_graphic(),
        anchors: &[Anchor::Behind(WITH_USER)],
        check: userinfo,
        score: 0.9,
        context: &[],
        against: &[],
        max_len: MAX_USERINFO + 1,
        yes: &[
            "postgres://admin:s3cr3t@db.example.com/app",
            "redis://:hunter2@10.0.0.1:6379",
            "mongodb+srv://app:p%40ss@cluster0.example.net",
        ],
        no: &["http://example.com:8080/@user", "ssh://git@example.com", "http://a:b/c@d"],
    },
    Recognizer {
        entity: Entity::URL,
        finds: "an address that begins with `http`, `https`, `ftp` or `www`",
        starts: |b| matches!(b.to_ascii_lowercase(), b'h' | b'f' | b'w'),
        anchors: &[Anchor::Literals(SCHEMES)],
        check: address,
        score: 0.6,
        context: &["url", "website", "link", "site", "webseite", "sitio", "sito"],
        against: &[],
        max_len: MAX + 1,
        yes: &["http://microsoft.webcam", "\"https://example.org/a?q=1&b=2\"", "www.example.com"],
        no: &["www.microsoft", "http://microsoft", "https:// example.com"],
    },
];

/// Begins right behind `://`, and an `@` follows before the path does.
fn userinfo(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let behind_scheme =
        (1..=3).zip([b'/', b'/', b':']).all(|(d, b)| window.before(at, d) == Some(b));
    if !behind_scheme || !window.before(at, 4).is_some_and(is_word) {
        return Ok(None);
    }
    let inside = |b: u8| b.is_ascii_graphic() && !b"@/?#\"'<>\\`{}[]()$".contains(&b);
    let length = window.count(at, MAX_USERINFO, inside)?;
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    let colon = text.iter().position(|byte| *byte == b':');
    let password = colon.is_some_and(|colon| colon + 1 < length);
    if !password || !window.is(at + length, |b| b == b'@')? {
        return Ok(None);
    }
    Ok(window.is(at + length + 1, |b| b.is_ascii_graphic())?.then_some(End::At(at + length)))
}

fn address(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(is_word) {
        return Ok(None);
    }
    let Some(scheme) = scheme(window, at)? else { return Ok(None) };
    let length = window.count(at, MAX, |b| b > b' ' && !b"\"'<>\\`{}|^".contains(&b))?;
    let text = window.bytes().get(at + scheme..at + length).unwrap_or_default();
    let host = text.iter().take_while(|b| !b"/?#:".contains(b)).count();
    let host = text.get(..host).unwrap_or_default();
    let sound = has_domain(host) && !text.starts_with(b".");
    let end = at + length - marks(window.bytes().get(at..at + length).unwrap_or_default());
    Ok((sound && end > at + scheme).then_some(End::At(end)))
}

/// The length of the scheme at `at`; that of `www.`, which is a part of the host, counts as four.
fn scheme(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    'next: for scheme in SCHEMES {
        for (offset, expected) in scheme.bytes().enumerate() {
            if !window.is(at + offset, |b| b.eq_ignore_ascii_case(&expected))? {
                continue 'next;
            }
        }
        return Ok(Some(scheme.len()));
    }
    Ok(None)
}

/// A point, and letters behind the last one; or a number behind it, as in 10.0.0.1.
fn has_domain(host: &[u8]) -> bool {
    let host = host.rsplit(|b| *b == b'@').next().unwrap_or_default();
    let Some(point) = host.iter().rposition(|b| *b == b'.') else { return false };
    let top = host.get(point + 1..).unwrap_or_default();
    let letters =
        top.len() >= 2 && top.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-' || *b >= 0x80);
    point > 0 && (letters || (!top.is_empty() && top.iter().all(u8::is_ascii_digit)))
}

/// How many marks at the end belong to the sentence, not to the address.
fn marks(text: &[u8]) -> usize {
    let open = text.contains(&b'(');
    text.iter().rev().take_while(|b| b".,;:!?".contains(b) || (**b == b')' && !open)).count()
}
