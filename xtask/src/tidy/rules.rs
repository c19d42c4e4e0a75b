//! Which rules does this house have, and why? Each row carries its own test.

use super::source::Source;

/// A line number, and what stands there.
type Breach = (usize, String);

/// One rule. `bad` and `good` are files (path, text) that break and keep it.
pub(super) struct Rule {
    pub(super) why: &'static str,
    pub(super) applies: fn(&str) -> bool,
    pub(super) find: fn(&Source) -> Vec<Breach>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests read it"))]
    pub(super) bad: &'static [(&'static str, &'static str)],
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests read it"))]
    pub(super) good: &'static [(&'static str, &'static str)],
}

/// The stages in the order in which a request meets them: an import never points down this list.
const STAGES: &[&str] =
    &["admit", "authenticate", "authorize", "validate", "limit", "mask", "settle"];
/// What stands above every stage.
const ABOVE: &[&str] = &["exchange", "refusal", "problem"];

/// An endpoint holds the settings of every stage that comes after it: written down, not yet decided upon.
const PLANS: &[&str] = &["crates/bartizan-core/src/authorize/endpoint.rs"];

/// Where refusals become answers.
const WORDING: &[&str] = &[
    "crates/bartizan-core/src/problem.rs",
    "crates/bartizan-core/src/problem/a2a.rs",
    "crates/bartizan-core/src/problem/dialect.rs",
    "crates/bartizan-core/src/issue/answer.rs",
];

/// Crates that bring a runtime, a transport or a disk.
const OUTSIDE: &[&str] =
    &["tokio", "hyper", "hyper_util", "axum", "sqlx", "rustls", "mio", "socket2"];
/// Parts of the standard library that do, or that read a clock.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "time::Instant",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        why: "a file opens with one `//!` line that says which question it answers",
        applies: |path| path.ends_with(".rs"),
        find: |source| match source.text.lines().next() {
            Some(line) if line.starts_with("//! ") => Vec::new(),
            _ => vec![(1, "no `//!`".to_owned())],
        },
        bad: &[("crates/bartizan/src/limit.rs", "use std::fmt;\n"), ("xtask/src/main.rs", "")],
        good: &[("crates/bartizan/src/limit.rs", "//! Is there room for it?\n")],
    },
    Rule {
        why: "no path of one machine: take the temporary folder from `std::env::temp_dir` or tempfile",
        applies: |_| true,
        find: |source| words(source.lines(), MACHINE, starts_a_path),
        bad: &[
            ("docs/run.md", concat!("start it in /", "tmp/x\n")),
            ("a.rs", concat!("\"/ro", "ot/.cargo\"")),
        ],
        good: &[("docs/run.md", concat!("the frame", "work/", "road; GET /a/wo", "rk/\n"))],
    },
    Rule {
        why: "a reader has only the pages of this repository",
        applies: |_| true,
        find: |source| words(source.lines(), ELSEWHERE, starts_a_word),
        bad: &[("crates/bartizan-core/src/audit/record.rs", concat!("//! As in con", "tract.md."))],
        good: &[("docs/audit.md", "[the subcontract.md](x) and [a page](audit.md)")],
    },
    Rule {
        why: "the rules and the eye are pure: no runtime, no transport, no disk, no clock",
        applies: |path| is_pure(path) && path.contains("/src/") && !is_test(path),
        find: |source| {
            let mut found = words(source.code(), IMPURE, |_, _| true);
            found.extend(words(source.code(), OUTSIDE, names_a_crate));
            found
        },
        bad: &[
            ("crates/bartizan-core/src/time.rs", "let now = std::time::SystemTime::now();"),
            ("crates/bartizan-core/src/limit/window.rs", "let now = Instant::now();"),
            ("crates/bartizan-pii/src/scan.rs", "use tokio::sync::mpsc;"),
        ],
        good: &[
            (
                "crates/bartizan-core/src/time.rs",
                "// tokio::time would be a clock\nlet tokio_like = 1;",
            ),
            ("crates/bartizan-pii/tests/conformance.rs", "std::fs::read(path)"),
        ],
    },
    Rule {
        why: "the rules and the eye depend on no runtime and no transport",
        applies: |path| is_pure(path) && path.ends_with("Cargo.toml"),
        find: |source| {
            let shipped =
                source.lines().take_while(|(_, line)| line.trim() != "[dev-dependencies]");
            words(shipped, OUTSIDE, |line, at| at == 0 && !line.trim_start().starts_with('#'))
        },
        bad: &[("crates/bartizan-core/Cargo.toml", "[dependencies]\ntokio.workspace = true\n")],
        good: &[("crates/bartizan-pii/Cargo.toml", "[dev-dependencies]\ntokio.workspace = true\n")],
    },
    Rule {
        why: "a stage imports no later stage, and nothing that stands above the stages",
        applies: |path| stage(path).is_some() && !PLANS.contains(&path) && !is_test(path),
        find: |source| {
            let own = stage(&source.path);
            let later = |room: &str| ABOVE.contains(&room) || rank(room) > own;
            let rooms = source.rooms().into_iter();
            rooms
                .filter(|(_, room)| later(room))
                .map(|(at, room)| (at, format!("`{room}`")))
                .collect()
        },
        bad: &[
            ("crates/bartizan-core/src/authorize/scope.rs", "use crate::limit::Draw;"),
            (
                "crates/bartizan-core/src/settle.rs",
                "use crate::{limit::Permit, exchange::Journey};",
            ),
        ],
        good: &[
            (
                "crates/bartizan-core/src/limit/mod.rs",
                "use crate::validate::Call;\nuse crate::time::Timestamp;",
            ),
            (
                "crates/bartizan-core/src/exchange/passage.rs",
                "use crate::{limit::Permit, refusal::Refusal};",
            ),
        ],
    },
    Rule {
        why: "only `problem` knows statuses, and `issue/answer.rs` those of RFC 6749",
        applies: |path| {
            path.starts_with("crates/bartizan-core/src/")
                && !WORDING.contains(&path)
                && !is_test(path)
        },
        find: |source| words(source.code(), &["StatusCode"], |_, _| true),
        bad: &[("crates/bartizan-core/src/refusal.rs", "use http::StatusCode;")],
        good: &[("crates/bartizan-core/src/problem.rs", "use http::StatusCode;")],
    },
    Rule {
        why: "a member takes its dependencies from the workspace, where a version stands once",
        // fuzz/ is a workspace of its own.
        applies: |path| path.ends_with("/Cargo.toml") && path != "fuzz/Cargo.toml",
        find: |source| {
            let mut inside = false;
            let mut found = Vec::new();
            for (at, line) in source.lines() {
                if line.starts_with('[') {
                    inside = line.contains("dependencies");
                } else if inside
                    && line.contains('=')
                    && !line.starts_with('#')
                    && !line.contains("workspace = true")
                {
                    found.push((at, format!("`{line}`")));
                }
            }
            found
        },
        bad: &[("crates/bartizan/Cargo.toml", "[dependencies]\nquote = \"1\"\n")],
        good: &[(
            "crates/bartizan/Cargo.toml",
            "[dependencies]\nbytes.workspace = true\n[features]\na = []\n",
        )],
    },
    Rule {
        why: "a module is named for what it does",
        applies: |path| path.ends_with(".rs") && path.contains("/src/"),
        find: |source| {
            let drawers = &["mod util;", "mod utils;", "mod helpers;", "mod common;", "mod misc;"];
            words(source.code(), drawers, |line, at| line.get(..at).is_some_and(is_declaration))
        },
        bad: &[
            ("crates/bartizan/src/lib.rs", "mod util;"),
            ("crates/bartizan/src/lib.rs", "pub(crate) mod misc;"),
        ],
        good: &[("crates/bartizan/src/lib.rs", "mod settle;")],
    },
    Rule {
        why: "what is not done is no comment: do it, or leave it out and say so in the change log",
        applies: |path| path.ends_with(".rs"),
        find: |source| words(source.lines(), UNDONE, starts_a_word),
        bad: &[
            ("crates/bartizan/src/lib.rs", concat!("// TO", "DO: later")),
            ("crates/bartizan/tests/road.rs", concat!("#[ig", "nore]")),
        ],
        good: &[("crates/bartizan/src/lib.rs", "// A pattern such as `#[must_use]`.")],
    },
];

/// Written in halves, so that this file keeps its own rules.
const MACHINE: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tm", "p/"), concat!("/ho", "me/")];
/// Pages of the design that preceded the code.
const ELSEWHERE: &[&str] = &[
    concat!("con", "tract.md"),
    concat!("pro", "duct.md"),
    concat!("fig", "ures.md"),
    concat!("real", "-parts.md"),
    concat!("depend", "encies.md"),
    concat!("token", "-attacks.md"),
    concat!("shared/", "design"),
];
const UNDONE: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("HA", "CK:"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
];

/// Every place where one of the words stands, if `here` agrees with the place.
fn words<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
    words: &[&str],
    here: fn(&str, usize) -> bool,
) -> Vec<Breach> {
    let mut found = Vec::new();
    for (number, line) in lines {
        for word in words {
            if line.match_indices(word).any(|(at, _)| here(line, at)) {
                found.push((number, format!("`{word}`")));
            }
        }
    }
    found
}

fn before(line: &str, at: usize) -> Option<char> {
    line.get(..at).and_then(|before| before.chars().next_back())
}

/// A word of its own, and no part of a longer one or the end of a path.
fn starts_a_word(line: &str, at: usize) -> bool {
    !before(line, at).is_some_and(|c| c.is_alphanumeric() || "_:".contains(c))
}

/// Whether nothing but a visibility stands before a `mod`.
fn is_declaration(before: &str) -> bool {
    before.trim().is_empty() || before.trim_start().starts_with("pub")
}

/// A path that begins here, and no later part of a longer one or of an address.
fn starts_a_path(line: &str, at: usize) -> bool {
    !before(line, at).is_some_and(|c| c.is_alphanumeric() || "._-}/".contains(c))
}

fn names_a_crate(line: &str, at: usize) -> bool {
    let after = line.get(at..).and_then(|rest| rest.split_once("::"));
    let whole = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let inside = before(line, at).is_some_and(|c| c.is_alphanumeric() || c == '_');
    !inside && after.is_some_and(|(name, _)| whole(name) && OUTSIDE.contains(&name))
}

fn is_pure(path: &str) -> bool {
    path.starts_with("crates/bartizan-core/") || path.starts_with("crates/bartizan-pii/")
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The place of the stage to which a file of the rules belongs.
fn stage(path: &str) -> Option<usize> {
    let inside = path.strip_prefix("crates/bartizan-core/src/")?;
    rank(inside.split(['/', '.']).next()?)
}

fn rank(room: &str) -> Option<usize> {
    STAGES.iter().position(|stage| *stage == room)
}
