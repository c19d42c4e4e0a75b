//! Do the commands say what stands in the log, and notice what should not?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::fs;
use std::io::Write as _;
use std::sync::Arc;

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::chain::Chain;
use bartizan_core::audit::{End, Entry, Facts, Outcome, Usage};
use bartizan_core::authenticate::{Caller, Identity};
use bartizan_core::id::RequestId;
use clap::Parser;
use serde_json::{Map, Value};

use super::*;

#[derive(Parser)]
struct Command {
    #[command(subcommand)]
    audit: Audit,
}

/// 2026-11-22T00:04:55Z.
const NOW: Timestamp = Timestamp(1_795_305_895_000_000);

fn entry(n: u64) -> Entry {
    let who = if n.is_multiple_of(2) { "local:agent1" } else { "corp:ann=|\\" };
    let ip = if n.is_multiple_of(2) { "192.0.2.1" } else { "2001:db8::1" };
    let facts = Facts {
        request_id: RequestId(n.into()),
        trace_id: None,
        caller: Some(Caller::assert(Identity::bare(Principal::parse(who)))),
        client: ClientAddress::from(ip.parse::<std::net::IpAddr>().unwrap()),
        user_agent: Some("evil\u{1b}[2J\n".into()),
        verb: "SUMMARIZE".parse().ok(),
        path: Some("/document".into()),
        endpoint: Some("/document".into()),
        tool: None,
        model: None,
        parent: None,
        dry_run: false,
        inquiry: false,
    };
    let denied = n.is_multiple_of(3);
    Entry {
        event: if denied { Event::AccessDenied } else { Event::RequestEnd },
        outcome: if denied { Outcome::Deny } else { Outcome::Allow },
        time: Timestamp(NOW.0 - (10 - n) * 60_000_000),
        facts: Some(Arc::new(facts.into())),
        reason: denied.then(|| "no\u{1b}[2J scope = `x`".into()),
        details: Map::new(),
        end: None,
    }
}

/// A log of nine records, one each minute until a minute ago.
struct Log {
    folder: tempfile::TempDir,
    chain: Chain,
}

impl Log {
    fn new() -> Self {
        let chain = Chain::new("gate".into(), "main".into(), Head::EMPTY);
        let mut log = Self { folder: tempfile::tempdir().unwrap(), chain };
        (1..10).for_each(|n| log.add(n));
        log
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    fn add(&mut self, n: u64) {
        self.append(&entry(n));
    }

    fn append(&mut self, entry: &Entry) {
        let mut line = Vec::new();
        self.chain.append(entry, &mut line);
        let file = fs::OpenOptions::new().append(true).create(true).open(self.path());
        file.unwrap().write_all(&line).unwrap();
    }

    fn try_run(&self, line: &str) -> (anyhow::Result<u8>, String) {
        let path = self.path();
        let words = std::iter::once("audit").chain(line.split(' '));
        let words = words.map(|word| if word == "LOG" { path.to_str().unwrap() } else { word });
        let command = Command::try_parse_from(words).unwrap();
        let mut out = Vec::new();
        let code = run(&command.audit, NOW, &mut out);
        (code, String::from_utf8(out).unwrap())
    }

    fn run(&self, line: &str) -> (u8, String) {
        let (code, out) = self.try_run(line);
        (code.unwrap(), out)
    }

    /// The numbers of the records that a command shows.
    fn shown(&self, line: &str) -> Vec<u64> {
        let (code, out) = self.run(&format!("{line} --format json"));
        assert_eq!(code, 0);
        let seq =
            |line: &str| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap();
        out.lines().map(seq).collect()
    }

    fn rewrite(&self, change: impl FnOnce(&mut Vec<String>)) {
        let text = fs::read_to_string(self.path()).unwrap();
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        change(&mut lines);
        fs::write(self.path(), lines.concat()).unwrap();
    }
}

#[test]
fn verify_says_that_a_sound_log_is_sound() {
    let log = Log::new();
    let (code, out) = log.run("verify LOG");
    assert_eq!(code, 0);
    assert!(out.starts_with("sound: 9 records"), "{out}");
    let (_, json) = log.run("verify LOG --format json");
    let verdict: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&verdict["sound"], &verdict["records"]), (&true.into(), &9.into()));
    assert_eq!(verdict["head"], log.chain.head().hash.to_string());
}

#[test]
fn verify_names_the_first_broken_record_and_why() {
    for (change, line, seq, why) in [
        (
            (|lines| lines[3] = lines[3].replace("SUMMARIZE", "FETCH")) as fn(&mut Vec<String>),
            4,
            Value::Null,
            "altered",
        ),
        (|lines| drop(lines.remove(4)), 5, 6.into(), "missing"),
        (|lines| lines.insert(4, lines[1].clone()), 5, 2.into(), "inserted"),
        (|lines| lines[8].truncate(50), 9, Value::Null, "cut off"),
    ] {
        let log = Log::new();
        log.rewrite(change);
        let (code, out) = log.run("verify LOG");
        assert_eq!(code, 1);
        assert!(out.contains(&format!("line {line}")) && out.contains(why), "{out}");
        let (code, json) = log.run("verify LOG --format json");
        let broken = serde_json::from_str::<Value>(&json).unwrap()["broken"].clone();
        assert_eq!((code, &broken["line"], &broken["seq"]), (1, &line.into(), &seq));
    }
}

#[test]
fn verify_forgives_a_half_line_only_while_somebody_writes_it() {
    let log = Log::new();
    log.rewrite(|lines| lines[8].truncate(50));
    let writer = fs::OpenOptions::new().write(true).open(log.path()).unwrap();
    writer.lock().unwrap();
    assert_eq!(log.run("verify LOG").0, 0);
    drop(writer);
    assert_eq!(log.run("verify LOG").0, 1);
}

#[test]
fn verify_reads_parts_as_one_chain_and_misses_a_part() {
    let log = Log::new();
    let text = fs::read_to_string(log.path()).unwrap();
    let parts = log.folder.path();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (name, lines) in [("1", &lines[..3]), ("2", &lines[3..6]), ("3", &lines[6..])] {
        fs::write(parts.join(name), lines.concat()).unwrap();
    }
    let verify = |names: &str| {
        let paths: Vec<String> =
            names.chars().map(|name| format!("{}/{name}", parts.display())).collect();
        log.run(&format!("verify {}", paths.join(" ")))
    };
    assert_eq!(verify("123").1, log.run("verify LOG").1);
    for (names, place) in [("13", "3`, line 1"), ("23", "2`, line 1"), ("132", "3`, line 1")] {
        let (code, out) = verify(names);
        assert!(code == 1 && out.contains(place) && out.contains("name all of them"), "{out}");
    }
    let (code, out) = verify("1231");
    assert!(code == 0 && out.starts_with("sound: 12 records in 2 chains"), "{out}");
}

#[test]
fn verify_of_what_is_not_there_is_an_error() {
    let log = Log::new();
    let (result, _) = log.try_run("verify nowhere.jsonl");
    assert!(format!("{:#}", result.unwrap_err()).contains("nowhere.jsonl"));
}

#[test]
fn query_shows_what_matches_and_nothing_else() {
    let log = Log::new();
    assert_eq!(log.shown("query LOG"), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(log.shown("query LOG --event access_denied"), [3, 6, 9]);
    assert_eq!(log.shown("query LOG --subject agent1"), [2, 4, 6, 8]);
    assert_eq!(log.shown("query LOG --subject corp:agent1"), [0_u64; 0]);
    assert_eq!(log.shown("query LOG --since 2m"), [8, 9]);
    assert_eq!(log.shown("query LOG --since 2026-11-22T01:01:55+01:00"), [7, 8, 9]);
    assert_eq!(log.shown("query LOG --request 00000000000000000000000004"), [4]);
    assert_eq!(log.shown("query LOG --limit 2"), [8, 9]);
    assert_eq!(log.shown("query LOG --event ACCESS_DENIED --subject agent1 --limit 5"), [6]);
    assert!(log.try_run("query LOG --since yesterday").0.is_err());
    assert!(Command::try_parse_from(["audit", "query", "x", "--event", "ACCESS"]).is_err());
}

#[test]
fn what_a_client_wrote_cannot_move_the_cursor_of_the_reader() {
    let (_, out) = Log::new().run("query LOG");
    assert_eq!(out.lines().count(), 9);
    assert!(!out.contains('\u{1b}'));
    assert!(out.contains("ACCESS_DENIED deny local:agent1 192.0.2.1 SUMMARIZE /document"), "{out}");
}

#[test]
fn query_shows_what_it_can_and_fails_where_a_line_is_unsound() {
    let log = Log::new();
    log.rewrite(|lines| lines[3] = lines[3].replace("SUMMARIZE", "FETCH"));
    let (result, out) = log.try_run("query LOG");
    assert_eq!(out.lines().count(), 8);
    assert!(result.unwrap_err().to_string().contains("audit.jsonl`, line 4: "));
}

#[test]
fn tail_shows_the_last_and_follows() {
    let mut log = Log::new();
    assert_eq!(log.shown("tail LOG -n 3"), [7, 8, 9]);
    let args = Tail { file: log.path(), lines: 1, follow: true, format: Format::Json };
    let (mut out, mut rounds) = (Vec::new(), 0);
    let mut go_on = || {
        rounds += 1;
        if rounds == 1 {
            log.add(10);
        }
        rounds < 3
    };
    tail(&args, &mut out, &mut go_on).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.lines().count(), 2);
    assert!(out.lines().last().unwrap().contains("\"seq\":10"));
}

#[test]
fn tail_follows_a_log_that_is_moved_away() {
    let mut log = Log::new();
    let args = Tail { file: log.path(), lines: 0, follow: true, format: Format::Json };
    let (mut out, mut rounds) = (Vec::new(), 0);
    let mut go_on = || {
        rounds += 1;
        if rounds == 1 {
            log.add(10);
            fs::rename(log.path(), log.folder.path().join("old")).unwrap();
            log.add(9);
        }
        rounds < 4
    };
    tail(&args, &mut out, &mut go_on).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.lines().count(), 2);
    assert!(out.lines().last().unwrap().contains("\"seq\":11"));
}

#[test]
fn export_writes_the_lines_as_they_are_or_as_cef() {
    let log = Log::new();
    assert_eq!(log.run("export LOG").1, fs::read_to_string(log.path()).unwrap());
    let (_, cef) = log.run("export LOG --format cef");
    let lines: Vec<&str> = cef.lines().collect();
    assert_eq!(lines.len(), 9);
    let version = env!("CARGO_PKG_VERSION");
    let first = format!("CEF:0|Bartizan|bartizan|{version}|REQUEST_END|request end|1|rt=");
    assert!(lines[0].starts_with(&first), "{}", lines[0]);
    assert!(lines[0].contains(" suser=corp:ann\\=|\\\\ "), "{}", lines[0]);
    assert!(lines[0].contains("c6a2=2001:db8::1 c6a2Label=Source IPv6 Address"));
    assert!(
        lines[1].contains("rt=1795305415000 src=192.0.2.1 suser=local:agent1 "),
        "{}",
        lines[1]
    );
    assert!(log.try_run("export LOG --format ocsf").0.is_err());
}

#[test]
fn costs_are_added_up_to_the_last_digit_apart_as_it_is_asked() {
    let mut log = Log::new();
    for n in [1, 2, 4, 5] {
        let usage = Usage {
            tokens_in: 10,
            tokens_out: 5,
            tokens_cached: 1,
            usd_nano: n * 1_000_000_000 + 1,
        };
        let end = End { status: Some(200), duration_us: 1, usage };
        log.append(&Entry { end: Some(end), ..entry(n) });
    }
    // Turned away: one alone, a flood in one record, and one that was paid for and withheld.
    let turned_away = |merged: Option<u64>, usage: Usage| {
        let end = End { status: Some(429), duration_us: 1, usage };
        let details = merged.map(|count| ("count".to_owned(), Value::from(count)));
        let (event, outcome) = (Event::RequestError, Outcome::Deny);
        let details = details.into_iter().collect();
        Entry { event, outcome, details, end: Some(end), ..entry(2) }
    };
    log.append(&turned_away(None, Usage::default()));
    log.append(&turned_away(Some(40), Usage::default()));
    log.append(&turned_away(None, Usage { usd_nano: 1_000_000_000, ..Usage::default() }));
    // One that was only asked about.
    let mut asked = entry(4);
    asked.details.insert("dry_run".into(), true.into());
    log.append(&Entry { end: Some(End::default()), ..asked });
    let rows = |line: &str| -> Vec<Value> {
        let (code, out) = log.run(&format!("costs LOG {line} --format json"));
        assert_eq!(code, 0);
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = rows("--by endpoint");
    assert_eq!(
        (&all[0]["endpoint"], &all[0]["usd"]),
        (&"/document".into(), &"13.000000004".into())
    );
    assert_eq!((&all[0]["tokens_in"], &all[0]["tokens_cached"]), (&40.into(), &4.into()));
    let users = rows("--by user --period day --timezone Asia/Tokyo");
    let told: Vec<_> = users.iter().map(|row| (&row["user"], &row["usd"], &row["calls"])).collect();
    let dearest = (&"local:agent1".into(), &"7.000000002".into(), &6.into());
    assert_eq!((told[0], told[1].0), (dearest, &"corp:ann=|\\".into()));
    assert_eq!(users[0]["refused"], 41);
    assert_eq!(users[0]["period_start"], "2026-11-21T15:00:00.000000Z");
    assert_eq!(rows("--by model --since 1s"), Vec::<Value>::new());
    let (_, text) = log.run("costs LOG --by user,model");
    assert!(
        text.contains("local:agent1  -: 7.000000002 USD, 6 calls, 41 refused, 20 tokens in"),
        "{text}"
    );
}
