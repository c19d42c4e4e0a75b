//! Is every entry in the log that was promised to be there, whatever fails?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::chain::Verifier;
use bartizan_core::audit::record::Record;
use bartizan_core::audit::{Facts, Outcome};
use bartizan_core::authenticate::{Caller, Identity, Principal};
use bartizan_core::id::RequestId;
use parking_lot::{Condvar, Mutex as Lock};
use serde_json::{Map, Value};

use super::sink::Whereabouts;
use super::*;

mod moved;

fn entry(event: Event, outcome: Outcome, id: u128) -> Entry {
    let facts = Facts {
        request_id: RequestId(id),
        trace_id: None,
        caller: Some(Caller::assert(Identity::bare(Principal::parse("local:agent1")))),
        client: ClientAddress::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        user_agent: None,
        verb: Some(http::Method::POST),
        path: Some(Arc::from("/document")),
        endpoint: None,
        tool: None,
        model: None,
        parent: None,
        dry_run: false,
        inquiry: false,
    };
    let details = Map::new();
    let time = Timestamp(1_795_305_895_000_000);
    Entry {
        event,
        outcome,
        time,
        facts: Some(Arc::new(facts.into())),
        reason: None,
        details,
        end: None,
    }
}

fn start(id: u128) -> Entry {
    entry(Event::RequestStart, Outcome::Allow, id)
}

fn end(id: u128) -> Entry {
    entry(Event::RequestEnd, Outcome::Allow, id)
}

fn refused(address: u8, id: u128) -> Entry {
    let mut entry = entry(Event::RequestError, Outcome::Deny, id);
    let facts = Arc::make_mut(entry.facts.as_mut().unwrap());
    facts.caller = None;
    facts.client = ClientAddress::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, address)));
    entry
}

fn settings(path: &Path) -> Settings {
    Settings::new(Destination::File(path.to_owned()))
}

fn open(path: &Path) -> FileTrail {
    FileTrail::open(settings(path), Timestamp(7)).unwrap()
}

/// One whose clock runs, or leaps ahead whenever there is nothing to do.
fn runtime(leaps: bool) -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(leaps).build().unwrap()
}

fn wait(receipt: Receipt) -> Result<(), Lost> {
    runtime(false).block_on(receipt.durable())
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let mut verifier = Verifier::default();
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    lines.map(|line| verifier.feed(line).unwrap()).collect()
}

fn read(path: &Path) -> Vec<Record> {
    records(&fs::read(path).unwrap())
}

fn events(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.text(&["event"])).collect()
}

fn detail(record: &Record, name: &str) -> Value {
    record.members().get("details").map_or(Value::Null, |details| details[name].clone())
}

/// A disk in memory that can be stopped, and filled up.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<State>);

#[derive(Debug, Default)]
struct State {
    bytes: Lock<Vec<u8>>,
    kept: Lock<usize>,
    syncs: Lock<usize>,
    full: AtomicBool,
    stopped: Lock<bool>,
    moved: Condvar,
}

impl Disk {
    fn set_stopped(&self, stopped: bool) {
        *self.0.stopped.lock() = stopped;
        self.0.moved.notify_all();
    }

    fn set_full(&self, full: bool) {
        self.0.full.store(full, Ordering::SeqCst);
    }

    fn trail(&self, change: impl FnOnce(&mut Settings)) -> FileTrail {
        let mut settings = settings(Path::new("memory"));
        change(&mut settings);
        let chain = Chain::new(settings.gateway.clone(), settings.chain.clone(), Head::EMPTY);
        FileTrail::start(settings, chain, Box::new(self.clone())).unwrap()
    }

    fn records(&self) -> Vec<Record> {
        records(&self.0.bytes.lock())
    }
}

impl Sink for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stopped = self.0.stopped.lock();
        self.0.moved.wait_while(&mut stopped, |stopped| *stopped);
        if self.0.full.load(Ordering::SeqCst) {
            // A full disk takes some of it.
            self.0.bytes.lock().extend_from_slice(&bytes[..bytes.len() / 2]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.bytes.lock().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        *self.0.syncs.lock() += 1;
        Ok(())
    }

    fn keep(&mut self) {
        *self.0.kept.lock() = self.0.bytes.lock().len();
    }

    fn cut(&mut self) -> io::Result<()> {
        self.0.bytes.lock().truncate(*self.0.kept.lock());
        Ok(())
    }
}

#[test]
fn a_thousand_at_once_are_numbered_without_a_gap_and_in_order() {
    let disk = Disk::default();
    let trail = Arc::new(disk.trail(|_| ()));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for id in 0..1000 {
            let trail = Arc::clone(&trail);
            tasks.spawn(async move {
                trail.append(&start(id)).durable().await.unwrap();
                trail.append(&end(id)).durable().await.unwrap();
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    let records = disk.records();
    assert_eq!(records.last().unwrap().seq, 2000);
    for id in 0..1000 {
        let id = RequestId(id).to_string();
        let of_it: Vec<Record> =
            records.iter().filter(|r| r.text(&["request_id"]) == id).cloned().collect();
        assert_eq!(events(&of_it), ["REQUEST_START", "REQUEST_END"]);
    }
}

#[test]
fn what_waits_together_is_synced_together() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    disk.set_stopped(true);
    let receipts: Vec<Receipt> = (0..1000).map(|id| trail.append(&end(id))).collect();
    disk.set_stopped(false);
    for receipt in receipts {
        assert_eq!(wait(receipt), Ok(()));
    }
    // Those before the disk stopped the writer, and those after.
    assert!(*disk.0.syncs.lock() <= 2);
}

#[test]
fn an_entry_is_not_promised_before_it_is_on_the_disk() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    disk.set_stopped(true);
    let Receipt::Pending(mut receipt) = trail.append(&start(1)) else { panic!("not durable yet") };
    let runtime = runtime(false);
    let _within = runtime.enter();
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(receipt.as_mut().poll(&mut context).is_pending());
    disk.set_stopped(false);
    assert_eq!(runtime.block_on(Receipt::Pending(receipt).durable()), Ok(()));
    assert_eq!(*disk.0.syncs.lock(), 1);
}

/// A pipe that nobody reads holds every request for ever.
#[test]
fn a_medium_that_takes_nothing_is_waited_for_once_and_not_for_ever() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    disk.set_stopped(true);
    let receipt = trail.append(&start(1));
    assert_eq!(runtime(true).block_on(receipt.durable()), Err(Lost));
    assert!(trail.is_failing());
    assert_eq!(wait(trail.append(&end(1))), Err(Lost));
    disk.set_stopped(false);
    while trail.is_failing() {
        std::thread::yield_now();
    }
    assert_eq!(wait(trail.append(&end(2))), Ok(()));
    assert_eq!(events(&disk.records()), ["REQUEST_START", "REQUEST_END", "REQUEST_END"]);
}

#[test]
fn a_batch_is_written_and_synced_at_the_latest_when_the_log_closes() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.durability = Durability::Batch);
    for id in 0..100 {
        assert!(matches!(trail.append(&end(id)), Receipt::Done));
    }
    trail.close();
    assert_eq!(disk.records().len(), 100);
    assert!(*disk.0.syncs.lock() >= 1);
    assert_eq!(wait(trail.append(&end(100))), Err(Lost));
}

#[test]
fn a_batch_is_synced_though_nothing_follows() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.durability = Durability::Batch);
    drop(trail.append(&end(1)));
    while *disk.0.syncs.lock() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(disk.records().len(), 1);
}

#[test]
fn what_departed_can_be_closed_though_the_queue_is_full() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.capacity = 8);
    disk.set_stopped(true);
    // The writer holds the first group; 8 more places are 4 exchanges.
    let first = trail.append(&start(0));
    let starts: Vec<Receipt> = (1..20).map(|id| trail.append(&start(id))).collect();
    let ends: Vec<Receipt> = (0..20).map(|id| trail.append(&end(id))).collect();
    disk.set_stopped(false);
    assert_eq!(wait(first), Ok(()));
    let started: Vec<bool> = starts.into_iter().map(|receipt| wait(receipt).is_ok()).collect();
    assert!(started.contains(&true) && started.contains(&false), "{started:?}");
    for receipt in ends {
        assert_eq!(wait(receipt), Ok(()));
    }
    trail.close();
    let records = disk.records();
    for (id, _) in started.iter().enumerate().filter(|(_, started)| **started) {
        let id = RequestId(id as u128 + 1).to_string();
        let of_it: Vec<Record> =
            records.iter().filter(|r| r.text(&["request_id"]) == id).cloned().collect();
        assert_eq!(events(&of_it), ["REQUEST_START", "REQUEST_END"]);
    }
    // Those that were turned away are in the record of the gap.
    let lost: u64 = records.iter().filter_map(|r| detail(r, "count").as_u64()).sum();
    assert!(lost >= started.iter().filter(|started| !**started).count() as u64);
}

#[test]
fn a_start_takes_the_place_of_its_end_as_well() {
    let mut settings = settings(Path::new("memory"));
    settings.capacity = 9;
    let shared = Shared::new(&settings);
    let push = |entry: Entry| shared.push(&entry, None);
    let started = (0..9).filter(|id| push(start(*id)).is_ok()).count();
    assert_eq!(started, 4);
    assert_eq!(push(entry(Event::AuthSuccess, Outcome::Allow, 9)), Ok(()));
    assert_eq!(push(entry(Event::AuthSuccess, Outcome::Allow, 9)), Err(Lost));
    for id in 0..4 {
        assert_eq!(push(end(id)), Ok(()));
    }
    let mut group = queue::Group::default();
    let work = shared.take(&mut group, false);
    assert_eq!((group.items.len(), work.loss.unwrap().count), (9, 6));
}

#[test]
fn a_start_that_was_lost_takes_no_place() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.capacity = 4);
    disk.set_full(true);
    for id in 0..100 {
        assert_eq!(wait(trail.append(&start(id))), Err(Lost));
    }
    disk.set_full(false);
    assert_eq!(wait(trail.append(&start(100))), Ok(()));
}

#[test]
fn a_full_disk_loses_nothing_in_silence() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    assert_eq!(wait(trail.append(&start(1))), Ok(()));
    disk.set_full(true);
    assert_eq!(wait(trail.append(&start(2))), Err(Lost));
    assert!(trail.is_failing());
    assert_eq!(wait(trail.append(&end(1))), Err(Lost));
    disk.set_full(false);
    assert_eq!(wait(trail.append(&start(3))), Ok(()));
    assert!(!trail.is_failing());
    trail.close();
    let records = disk.records();
    let expected = ["REQUEST_START", "SECURITY_ALERT", "REQUEST_END", "REQUEST_START"];
    assert_eq!(events(&records), expected);
    assert_eq!(detail(&records[1], "gap"), true);
    assert_eq!(detail(&records[1], "count"), 1);
}

#[test]
fn a_batch_promises_nothing_while_the_disk_fails() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.durability = Durability::Batch);
    disk.set_full(true);
    drop(trail.append(&start(1)));
    while !trail.is_failing() {
        std::thread::yield_now();
    }
    assert_eq!(wait(trail.append(&start(2))), Err(Lost));
}

#[test]
fn the_gap_is_recorded_as_soon_as_the_disk_works_though_nobody_asks() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    disk.set_full(true);
    assert_eq!(wait(trail.append(&start(1))), Err(Lost));
    disk.set_full(false);
    while trail.is_failing() {
        std::thread::yield_now();
    }
    assert_eq!(events(&disk.records()), ["SECURITY_ALERT"]);
}

#[test]
fn a_flood_of_refusals_leaves_a_few_records_that_count_it() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    for id in 0..5000 {
        drop(trail.append(&refused(1, id)));
    }
    drop(trail.append(&refused(2, 5000)));
    trail.close();
    let records = disk.records();
    assert!(records.len() < 20, "{}", records.len());
    let of = |address: &str| {
        let its = records.iter().filter(|r| r.text(&["client", "ip"]) == address);
        its.map(|r| detail(r, "count").as_u64().unwrap_or(1)).sum::<u64>()
    };
    assert_eq!((of("192.0.2.1"), of("192.0.2.2")), (5000, 1));
    let merged = records.iter().find(|r| detail(r, "count").is_u64()).unwrap();
    assert_eq!(detail(merged, "first"), "2026-11-22T00:04:55.000000Z");
}

#[test]
fn merged_refusals_are_written_though_nothing_follows_and_nobody_waits_for_them() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.refusals_per_second = 0);
    let began = std::time::Instant::now();
    for id in 0..20 {
        drop(trail.append(&refused(1, id)));
        assert_eq!(wait(trail.append(&end(100 + id))), Ok(()));
    }
    assert!(began.elapsed() < queue::TICK * 10, "half as long as if each waited for the others");
    let counted = || {
        let merged = disk.records().into_iter().filter(|r| r.text(&["event"]) == "REQUEST_ERROR");
        merged.map(|r| detail(&r, "count").as_u64().unwrap_or(1)).sum::<u64>()
    };
    while counted() < 20 {
        std::thread::yield_now();
    }
}

#[test]
fn a_flood_from_everywhere_is_bounded_too() {
    let mut refusals = refusals::Refusals::new(1);
    for id in 0..100_000_u32 {
        let mut entry = refused(0, id.into());
        let facts = Arc::make_mut(entry.facts.as_mut().unwrap());
        facts.client = ClientAddress::from(IpAddr::V4(Ipv4Addr::from(id)));
        for _ in 0..2 {
            if refusals.is_flood(&entry) {
                refusals.merge(&entry);
            }
        }
    }
    let merged: Vec<Entry> = refusals.take().collect();
    assert!(merged.len() <= 1025, "{}", merged.len());
    let count: u64 =
        merged.iter().map(|e| e.details.get("count").map_or(1, |n| n.as_u64().unwrap())).sum();
    assert_eq!(count, 200_000 - 1024);
}

#[test]
fn somebodys_refusals_are_never_merged() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    for id in 0..50 {
        drop(trail.append(&entry(Event::RequestError, Outcome::Deny, id)));
    }
    // Nor is what befalls an anonymous call that was let through.
    for id in 50..100 {
        let mut anonymous = start(id);
        Arc::make_mut(anonymous.facts.as_mut().unwrap()).caller = None;
        drop(trail.append(&anonymous));
        drop(trail.append(&Entry { event: Event::PiiBlocked, ..refused(1, id) }));
        drop(trail.append(&refused(1, id)));
    }
    trail.close();
    assert_eq!(disk.records().len(), 200);
}

#[test]
fn what_is_not_kept_is_not_written_and_what_always_is_cannot_be_left_out() {
    let disk = Disk::default();
    let trail = disk.trail(|s| s.events = Some(vec![Event::AuthFailure]));
    assert!(trail.keeps(Event::AuthFailure) && !trail.keeps(Event::AuthSuccess));
    assert!(trail.keeps(Event::RequestStart));
    assert!(matches!(trail.append(&entry(Event::AuthSuccess, Outcome::Allow, 1)), Receipt::Done));
    assert_eq!(wait(trail.append(&entry(Event::AuthFailure, Outcome::Deny, 1))), Ok(()));
    assert_eq!(events(&disk.records()), ["AUTH_FAILURE"]);
}

#[test]
fn a_chain_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/new/audit.jsonl");
    for id in 0..3 {
        let trail = open(&path);
        assert_eq!(wait(trail.append(&end(id))), Ok(()));
    }
    assert_eq!(read(&path).len(), 3);
}

#[test]
fn a_file_keeps_nothing_of_a_write_that_failed_and_all_that_was_there_before() {
    /// A file on a disk that is sometimes full.
    #[derive(Debug)]
    struct Faulty(sink::FileSink, Disk);
    impl Sink for Faulty {
        fn look(&mut self) -> io::Result<Whereabouts> {
            self.0.look()
        }
        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            let full = self.1.0.full.load(Ordering::SeqCst);
            let taken = if full { bytes.len() / 2 } else { bytes.len() };
            self.0.write(&bytes[..taken])?;
            if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }
        fn sync(&mut self) -> io::Result<()> {
            self.0.sync()
        }
        fn keep(&mut self) {
            self.0.keep();
        }
        fn cut(&mut self) -> io::Result<()> {
            self.0.cut()
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    assert_eq!(wait(open(&path).append(&start(1))), Ok(()));
    let settings = settings(&path);
    let chain = Chain::new(settings.gateway.clone(), settings.chain.clone(), Head::EMPTY);
    let (file, chain) = recover::open(&path, chain, Timestamp(7)).unwrap();
    let disk = Disk::default();
    let trail = FileTrail::start(settings, chain, Box::new(Faulty(file, disk.clone()))).unwrap();
    for id in 2..5 {
        // Half of it is more than all that is written next.
        let mut long = end(id);
        long.details = (0..10).map(|n| (n.to_string(), "x".repeat(1000).into())).collect();
        disk.set_full(true);
        assert_eq!(wait(trail.append(&long)), Err(Lost));
        disk.set_full(false);
        assert_eq!(wait(trail.append(&end(id))), Ok(()));
    }
    drop(trail);
    let records = read(&path);
    let again = ["SECURITY_ALERT", "REQUEST_END"].repeat(3);
    assert_eq!(events(&records), [vec!["REQUEST_START", "REQUEST_ERROR"], again].concat());
}

#[test]
fn a_second_writer_is_turned_away_with_the_name_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let first = open(&path);
    let error = FileTrail::open(settings(&path), Timestamp(0)).unwrap_err();
    assert!(matches!(error, OpenError::Locked(_)), "{error}");
    assert!(error.to_string().contains("audit.jsonl"));
    drop(first);
    open(&path);
}

#[test]
fn another_file_is_not_taken_for_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for foreign in ["hello", "hello\nworld\n", "{}\n", "{\"a\":1}", "{\"chain\":\"x\"}\n"] {
        fs::write(&path, foreign).unwrap();
        let error = FileTrail::open(settings(&path), Timestamp(0)).unwrap_err();
        assert!(matches!(error, OpenError::NotALog(_)), "{foreign}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
    }
}

#[test]
fn a_crash_within_the_last_records_loses_no_whole_one_and_throws_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.jsonl");
    let trail = open(&whole);
    for id in 0..3 {
        assert_eq!(wait(trail.append(&end(id))), Ok(()));
    }
    drop(trail);
    let bytes = fs::read(&whole).unwrap();
    let ends: Vec<usize> = (1..=bytes.len()).filter(|&n| bytes[n - 1] == b'\n').collect();
    // Every cut waits for the disk a few times: several go at once.
    std::thread::scope(|scope| {
        for lane in 0..16 {
            let (bytes, ends, path) = (&bytes, &ends, folder.path().join(format!("{lane}.jsonl")));
            let cuts = (ends[0]..=bytes.len()).skip(lane).step_by(16);
            scope.spawn(move || cuts.for_each(|cut| crash(&path, bytes, ends, cut)));
        }
        crash(&folder.path().join("first.jsonl"), &bytes, &ends, 0);
        crash(&folder.path().join("first.jsonl"), &bytes, &ends, 1);
        crash(&folder.path().join("first.jsonl"), &bytes, &ends, ends[0] - 1);
    });
}

/// Opens a log of which only the first `cut` bytes are left.
fn crash(path: &Path, bytes: &[u8], ends: &[usize], cut: usize) {
    fs::write(path, &bytes[..cut]).unwrap();
    let trail = open(path);
    assert_eq!(wait(trail.append(&end(9))), Ok(()));
    drop(trail);
    let sound = ends.iter().filter(|&&end| end <= cut).count();
    let kept = ends.iter().copied().rfind(|&end| end <= cut).unwrap_or_default();
    let records = read(path);
    let torn = path.with_extension(format!("jsonl.torn-{}", sound + 1));
    if kept == cut {
        assert_eq!(records.len(), sound + 1);
        assert!(!torn.exists());
    } else {
        assert_eq!(records.len(), sound + 2);
        assert_eq!(detail(&records[sound], "torn_bytes"), cut - kept);
        assert_eq!(fs::read(&torn).unwrap(), &bytes[kept..cut]);
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&torn).unwrap());
            assert_eq!(mode & 0o137, 0, "others than the log's readers can read {mode:o}");
        }
        fs::remove_file(&torn).unwrap();
    }
}

#[test]
fn an_exchange_that_the_process_did_not_survive_is_closed_as_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let trail = open(&path);
    // The same id twice: a trusted proxy gives them.
    let entries = (1..20).map(start).chain([end(2), start(19), end(19)]);
    let receipts: Vec<Receipt> = entries.map(|entry| trail.append(&entry)).collect();
    for receipt in receipts {
        assert_eq!(wait(receipt), Ok(()));
    }
    drop(trail);
    drop(open(&path));
    let records = read(&path);
    let closed = records.split_at(22).1;
    assert_eq!(events(closed), ["REQUEST_ERROR"; 18]);
    for (record, id) in closed.iter().zip((1..20).filter(|id| *id != 2)) {
        assert_eq!(record.text(&["request_id"]), RequestId(id).to_string());
        assert_eq!(record.text(&["outcome"]), "abandoned");
        assert_eq!(record.text(&["principal", "id"]), "agent1");
        assert_eq!(record.text(&["time"]), Timestamp(7).to_string());
    }
    drop(open(&path));
    assert_eq!(read(&path).len(), 40, "closed once is closed");
}

#[test]
fn a_dropped_receipt_does_not_drop_the_record() {
    let disk = Disk::default();
    let trail = disk.trail(|_| ());
    drop(trail.append(&start(1)));
    drop(trail.append(&end(1)));
    drop(trail);
    assert_eq!(disk.records().len(), 2);
}

#[test]
fn a_writer_that_panics_promises_nothing_more() {
    #[derive(Debug)]
    struct Broken;
    impl Sink for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<()> {
            panic!("as it should in this test")
        }
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
        fn keep(&mut self) {}
        fn cut(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let settings = settings(Path::new("memory"));
    let chain = Chain::new(settings.gateway.clone(), settings.chain.clone(), Head::EMPTY);
    let trail = FileTrail::start(settings, chain, Box::new(Broken)).unwrap();
    assert_eq!(wait(trail.append(&start(1))), Err(Lost));
    while !trail.is_failing() {
        std::thread::yield_now();
    }
    assert_eq!(wait(trail.append(&start(2))), Err(Lost));
}

#[test]
fn a_destination_is_a_file_or_standard_output() {
    assert_eq!("file://a/b".parse(), Ok(Destination::File("a/b".into())));
    assert_eq!("file:///a".parse(), Ok(Destination::File("/a".into())));
    assert_eq!("stdout:".parse(), Ok(Destination::Stdout));
    for bad in ["", "file://", "file:a", "a.jsonl", "postgres:"] {
        assert!(bad.parse::<Destination>().is_err(), "{bad}");
    }
}
