//! Does a killed process lose anything that it acknowledged?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bartizan::audit::{Destination, FileTrail, Settings};
use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::chain::Verifier;
use bartizan_core::audit::{Entry, Event, Facts, Outcome, Trail};
use bartizan_core::id::RequestId;
use bartizan_core::time::Timestamp;

/// Tells the test that it is the process to be killed, and where its log is.
const VICTIM: &str = "BARTIZAN_TEST_AUDIT_VICTIM";

/// How many requests the victim serves at a time.
const AT_A_TIME: u128 = 32;

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    if let Some(path) = std::env::var_os(VICTIM) {
        serve(Path::new(&path));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut acknowledged = HashSet::new();
    // Each round kills the next victim after another number of answers, on the same log.
    for answers in [1, 7, 100, 333, 1000] {
        acknowledged.extend(kill_after(&path, answers));
        drop(open(&path));
    }
    let (starts, ends) = verified(&path);
    for id in &acknowledged {
        assert!(ends.contains(id), "{id} was answered and is not in the log");
    }
    assert_eq!(starts, ends, "every START has its end");
}

fn open(path: &Path) -> FileTrail {
    FileTrail::open(Settings::new(Destination::File(path.to_owned())), Timestamp(1)).unwrap()
}

/// Starts a victim, reads that many of its answers, kills it, and returns all it had answered.
fn kill_after(path: &Path, answers: usize) -> Vec<String> {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["a_killed_process_loses_nothing_that_it_acknowledged", "--exact", "--nocapture"])
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut answered = lines.filter_map(|line| line.strip_prefix("answered ").map(str::to_owned));
    let mut seen: Vec<String> = answered.by_ref().take(answers).collect();
    assert_eq!(seen.len(), answers, "the victim ended by itself");
    // SIGKILL on Unix.
    victim.kill().unwrap();
    victim.wait().unwrap();
    // What it still answered before it died. The last line may be cut off.
    seen.extend(answered.filter(|id| id.len() == 26));
    seen
}

/// Serves until it is killed: records the start, records the end, answers.
fn serve(path: &Path) -> ! {
    let trail = Arc::new(open(path));
    let base = u128::from(std::process::id()) << 64;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..AT_A_TIME {
            let trail = Arc::clone(&trail);
            let mut stdout = std::io::stdout();
            tasks.spawn(async move {
                for n in 0.. {
                    let id = RequestId(base + lane + n * AT_A_TIME);
                    trail.append(&entry(Event::RequestStart, id)).durable().await.unwrap();
                    trail.append(&entry(Event::RequestEnd, id)).durable().await.unwrap();
                    writeln!(stdout, "answered {id}").unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
    unreachable!("the lanes never end")
}

fn entry(event: Event, request_id: RequestId) -> Entry {
    let facts = Facts {
        request_id,
        trace_id: None,
        caller: None,
        client: ClientAddress::from(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        user_agent: None,
        verb: Some(http::Method::GET),
        path: Some(Arc::from("/")),
        endpoint: None,
        tool: None,
        model: None,
        parent: None,
        dry_run: false,
        inquiry: false,
    };
    Entry {
        event,
        outcome: Outcome::Allow,
        time: Timestamp(0),
        facts: Some(Arc::new(facts.into())),
        reason: None,
        details: serde_json::Map::new(),
        end: None,
    }
}

/// The requests that started and that ended, from a chain that is sound to the last byte.
fn verified(path: &Path) -> (HashSet<String>, HashSet<String>) {
    let bytes = std::fs::read(path).unwrap();
    let (mut starts, mut ends) = (HashSet::new(), HashSet::new());
    let mut verifier = Verifier::default();
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let record = verifier.feed(line).unwrap();
        let id = record.text(&["request_id"]).to_owned();
        match record.text(&["event"]) {
            "REQUEST_START" => assert!(starts.insert(id)),
            "REQUEST_END" | "REQUEST_ERROR" => assert!(ends.insert(id)),
            other => assert_eq!(other, "SECURITY_ALERT"),
        }
    }
    (starts, ends)
}
