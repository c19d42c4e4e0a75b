//! Is this the value of a password or of a key? What stands behind the name says so.
//!
//! `DB_PASS = "…"`, `"apiKey": "…"`, `Password=…;`, `Authorization: Bearer …`. A key must also look
//! like one: long, of letters and digits, and without the regularity of words.

use crate::{Anchor, End, Entity, Peek, Recognizer, Window};

/// Words for a password; a name ends with one of them.
const PASSWORDS: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "pass",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "passe",
    "contraseña",
    "contrasena",
    "senha",
    "wachtwoord",
    "hasło",
    "identified by",
    "haslo",
    "parola",
    "パスワード",
];
/// Words for a key or token; a name ends with one of them.
const KEYS: &[&str] = &[
    "apikey",
    "key",
    "token",
    "secret",
    "bearer",
    "credential",
    "credentials",
    "auth",
    "authorization",
    "accesskey",
    "secretkey",
    "clientsecret",
    "signature",
];
const MAX_PASSWORD: usize = 96;
const MIN_PASSWORD: usize = 4;
const MAX_KEY: usize = 200;
const MIN_KEY: usize = 16;

pub(crate) const ROWS: &[Recognizer] = &[
    Recognizer {
        entity: Entity::PASSWORD,
        finds: "what is assigned to a name that ends with a word for a password",
        starts: |b| b.is_ascii_graphic() || b >= 0xC3,
        anchors: &[Anchor::Behind(PASSWORDS)],
        check: password,
        score: 0.7,
        context: &[],
        against: &[],
        max_len: MAX_PASSWORD + 2,
        yes: &[
            "DB_PASS = \"aNO8JOD26\"",
            "dbPass: \"pV%aPnM212Nt\"",
            "Server=x;Password=h3llo!;",
            "my password is hunter2",
            "pass := \"dYqXEZ81uW7\"",
            "{\"password\":\"correcthorse\"}",
            "CREATE USER 'a'@'b' IDENTIFIED BY 'QdTDCIO1PZmkUQBW';",
        ],
        no: &[
            "password is required",
            "password: string",
            "password = getpass()",
            "PASSWORD=${DB_PASSWORD}",
            "pass: \"****\"",
            "password = os.environ[\"P1\"]",
        ],
    },
    Recognizer {
        entity: Entity::API_KEY,
        finds: "a random value that is assigned to a name that ends with a word for a key",
        starts: |b| b.is_ascii_alphanumeric(),
        anchors: &[Anchor::Assigned { names: KEYS, least: 16 }],
        check: key,
        score: 0.7,
        context: &[],
        against: &[],
        max_len: MAX_KEY + 1,
        yes: &[
            "api_key = \"9f86d081884c7d659a2feaa0c55ad015\"",
            "x-api-key: Zk3Vb8Qw1Lr6Ty9Xc2Nm",
            "Authorization: Bearer Zk3Vb8Qw1Lr6Ty9Xc2Nm",
            "\"clientSecret\":\"q8W~x3Zr7Tn2Lp5Vb9Kd1Mf4\"",
        ],
        no: &[
            "api_key = YOUR_API_KEY_GOES_HERE",
            "key: production-database-cluster",
            "token: 550e8400-e29b-41d4-a716-446655440000",
            "monkey = 9f86d081884c7d659a2f",
            "primary_key: 1234567890123456",
        ],
    },
];

/// Whether something is assigned to a password or key where it is given this name.
pub(crate) fn may_name(name: &str) -> bool {
    let ends = |word: &&str| {
        let tail = name.len().checked_sub(word.len()).and_then(|at| name.get(at..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(word))
    };
    PASSWORDS.iter().chain(KEYS).any(ends)
}

fn password(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let Some(assigned) = assignment(window, at, PASSWORDS) else { return Ok(None) };
    let inside = |b: u8| match assigned.quote {
        Some(quote) => b != quote && b != b'\n' && b != b'\r',
        None => b > b' ' && !b",;\"'`<>&)}]|".contains(&b),
    };
    let length = window.count(at, MAX_PASSWORD + 1, inside)?;
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    // A mark at the end is the sentence's; a backslash escapes the closing quotation mark.
    let marks: &[u8] = if assigned.quote.is_some() { b"\\" } else { b".:?\\" };
    let kept = text.iter().rposition(|b| !marks.contains(b)).map_or(0, |last| last + 1);
    let text = text.get(..kept).unwrap_or_default();
    let believed = assigned.quote.is_some() || is_mixed(text);
    let sound = (MIN_PASSWORD..=MAX_PASSWORD).contains(&kept) && believed && !is_placeholder(text);
    Ok(sound.then_some(End::At(at + kept)))
}

fn key(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if assignment(window, at, KEYS).is_none() {
        return Ok(None);
    }
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"-_+/=.~".contains(&b);
    let length = window.count(at, MAX_KEY, inside)?;
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    let kept = text.iter().rposition(|b| *b != b'.').map_or(0, |last| last + 1);
    let text = text.get(..kept).unwrap_or_default();
    Ok((kept >= MIN_KEY && is_random(text) && !is_placeholder(text)).then_some(End::At(at + kept)))
}

/// What stands before a value.
struct Assigned {
    quote: Option<u8>,
}

/// Whether the value at `at` is assigned to a name that ends with one of `words`: backwards a
/// quotation mark, a sign or a word that assigns, and the name, perhaps in quotation marks, too.
fn assignment(window: &Window<'_>, at: usize, words: &[&str]) -> Option<Assigned> {
    let mut back = 1;
    let quote = window.before(at, back).filter(|b| matches!(b, b'"' | b'\'' | b'`'));
    back += usize::from(quote.is_some());
    back += usize::from(quote.is_some() && window.before(at, back) == Some(b'\\'));
    let spaces = skip(window, at, &mut back, |b| b == b' ');
    let signs = skip(window, at, &mut back, |b| matches!(b, b':' | b'=' | b'>'));
    // `<PASSWORD> x`: what stands behind a tag and a blank is not in it.
    let tag = spaces > 0 && signs == 1 && window.before(at, back - 1) == Some(b'>');
    if tag {
        return None;
    }
    if signs == 0 && (spaces == 0 || !word_assigns(window, at, &mut back, quote)) {
        return None;
    }
    skip(window, at, &mut back, |b| matches!(b, b' ' | b'"' | b'\'' | b'`' | b'\\' | b'*'));
    let named = |word: &&str| {
        let same = word.bytes().rev().zip(back..).all(|(expected, distance)| {
            window.before(at, distance).is_some_and(|byte| byte.eq_ignore_ascii_case(&expected))
        });
        same && begins(window, at, back + word.len() - 1)
    };
    words.iter().any(named).then_some(Assigned { quote })
}

/// `password is x`, and `Bearer x`, `PASSWORD 'x'` and `IDENTIFIED BY 'x'`, where the word itself is
/// the name.
fn word_assigns(window: &Window<'_>, at: usize, back: &mut usize, quote: Option<u8>) -> bool {
    let stands = |word: &str| {
        word.bytes().rev().zip(*back..).all(|(expected, distance)| {
            window.before(at, distance).is_some_and(|byte| byte.eq_ignore_ascii_case(&expected))
        })
    };
    if let Some(verb) = [" is", " ist", " est", " es", " é"].into_iter().find(|verb| stands(verb))
    {
        *back += verb.len();
        return true;
    }
    let quoted = quote == Some(b'\'') && (stands("password") || stands("identified by"));
    quoted || stands("bearer")
}

/// Whether a word begins `distance` before `at`: at no letter, or as a capital behind a small one.
fn begins(window: &Window<'_>, at: usize, distance: usize) -> bool {
    let first = window.before(at, distance).unwrap_or_default();
    match window.before(at, distance + 1) {
        Some(before) if before.is_ascii_alphabetic() => {
            first.is_ascii_uppercase() && before.is_ascii_lowercase()
        }
        Some(before) => before < 0x80,
        None => true,
    }
}

/// Moves `back` over at most four bytes that satisfy `test`; how many they were.
fn skip(window: &Window<'_>, at: usize, back: &mut usize, test: fn(u8) -> bool) -> usize {
    let from = *back;
    while *back < from + 4 && window.before(at, *back).is_some_and(test) {
        *back += 1;
    }
    *back - from
}

/// A digit or a mark, or capitals within: a word of prose has neither.
fn is_mixed(text: &[u8]) -> bool {
    let inner = text.get(1..).unwrap_or_default();
    text.iter().any(|b| b.is_ascii_digit() || b"!@#$%^*+~_".contains(b))
        || (inner.iter().any(u8::is_ascii_uppercase) && inner.iter().any(u8::is_ascii_lowercase))
}

/// Variables, calls, blanks, and what documentation writes.
fn is_placeholder(text: &[u8]) -> bool {
    const WORDS: [&str; 16] = [
        "null",
        "none",
        "true",
        "false",
        "string",
        "password",
        "undefined",
        "required",
        "optional",
        "redacted",
        "secret",
        "passwd",
        "changeme",
        "hidden",
        "text",
        "example",
    ];
    let same = text.first().is_some_and(|first| text.iter().all(|b| b == first));
    let shouted = text.contains(&b'_')
        && text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    let opens = [b"${".as_slice(), b"$(", b"%(", b"<", b"{{"];
    let variable = opens.iter().any(|open| text.starts_with(open))
        || text.contains(&b'(')
        || text.contains(&b'[')
        || text.strip_prefix(b"$").is_some_and(|name| !name.iter().any(u8::is_ascii_lowercase));
    same || shouted || variable || WORDS.iter().any(|w| text.eq_ignore_ascii_case(w.as_bytes()))
}

/// Letters and digits, hardly any of them repeated, changing often: no word, number, date or UUID.
fn is_random(text: &[u8]) -> bool {
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = text.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let uuid = text.len() == 36 && text.iter().filter(|b| **b == b'-').count() == 4;
    let mut seen = [false; 128];
    for byte in text {
        if let Some(slot) = seen.get_mut(usize::from(*byte)) {
            *slot = true;
        }
    }
    let kinds = seen.iter().filter(|slot| **slot).count();
    let changes = text.windows(2).filter(|pair| {
        pair.first().is_some_and(u8::is_ascii_digit) != pair.last().is_some_and(u8::is_ascii_digit)
    });
    digits >= 2 && letters >= 2 && !uuid && kinds >= 10.min(text.len() / 2) && changes.count() >= 4
}
