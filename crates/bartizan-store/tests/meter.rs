//! Every meter runs the same suite, and the durable one survives its process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::limit::{
    Calendar, Draw, Measure, Meter as _, Period, ReservationId, Rule, Shape, Verdict,
};
use bartizan_core::time::Timestamp;
use bartizan_store::memory::MemoryMeter;
use bartizan_store::postgres::Postgres;
use bartizan_store::sqlite::{OpenError, Sqlite};
use bartizan_testkit::meter;
use bartizan_testkit::postgres::PostgresServer;

/// Longer than a busy machine stops for: these tests are not about time.
const PATIENT: Duration = Duration::from_secs(90);

const SECOND: u64 = 1_000_000;

fn money(limit: u64, spent: u64) -> [Draw; 1] {
    let shape = Shape::Budget { limit, period: Period::utc(Calendar::Day) };
    [Draw::new(Arc::new(Rule::new("daily", Measure::NanoUsd, shape)), "ann", spent)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_meter_in_memory_keeps_every_promise() {
    meter::suite(|| async { MemoryMeter::new() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_meter_in_a_file_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let files = std::sync::atomic::AtomicU32::new(0);
    meter::suite(|| {
        let file = files.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{file}.db"));
        async { Sqlite::open_with(path, PATIENT).await.unwrap().meter() }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_meter_on_a_server_keeps_every_promise() {
    let server = PostgresServer::new();
    meter::suite(|| async {
        let postgres = Postgres::open_with(&server.database(), PATIENT).await.unwrap();
        postgres.meter_by_its_callers_clock()
    })
    .await;
}

#[tokio::test]
async fn money_and_reservations_survive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bartizan.db");
    let (now, deadline) = (Timestamp(9 * SECOND), Timestamp(99 * SECOND));
    {
        let meter = Sqlite::open_with(&path, PATIENT).await.unwrap().meter();
        for number in 1..=3 {
            let id = ReservationId(number);
            meter.reserve(id, &money(100, 30), deadline, now).await.unwrap();
            meter.depart(id, now).await.unwrap();
        }
        meter.settle(ReservationId(1), &money(100, 10), now).await.unwrap();
        // Nothing is closed in order: the process is gone.
    }
    let sqlite = Sqlite::open_with(&path, PATIENT).await.unwrap();
    let meter = sqlite.meter();
    let verdict = meter.reserve(ReservationId(4), &money(100, 31), deadline, now).await.unwrap();
    let Verdict::Short(short) = verdict else { panic!("{verdict:?}") };
    assert_eq!(short.standings[0].remaining, 30);
    let settled = meter.settle(ReservationId(2), &money(100, 5), now).await.unwrap();
    assert_eq!((settled.charges[0].before, settled.charges[0].after), (10, 15));
    // The third is never settled: it is charged, since its call had departed.
    let expired = meter.expire(deadline).await.unwrap();
    assert_eq!((expired[0].id, expired[0].charges[0].after), (ReservationId(3), 45));
    sqlite.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_gates_on_one_file_admit_no_more_than_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bartizan.db");
    let gates = [
        Sqlite::open_with(&path, PATIENT).await.unwrap(),
        Sqlite::open_with(&path, PATIENT).await.unwrap(),
    ];
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..200_u128 {
        let meter = gates[usize::try_from(number % 2).unwrap()].meter();
        asking.spawn(async move {
            let (now, deadline) = (Timestamp(SECOND), Timestamp(99 * SECOND));
            let verdict = meter.reserve(ReservationId(number), &money(100, 2), deadline, now).await;
            matches!(verdict.unwrap(), Verdict::Taken { .. })
        });
    }
    let admitted = asking.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(admitted, 50);
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_leaves_no_lock_behind() {
    let folder = tempfile::tempdir().unwrap();
    let meter =
        Sqlite::open_with(folder.path().join("bartizan.db"), PATIENT).await.unwrap().meter();
    let (now, deadline) = (Timestamp(SECOND), Timestamp(99 * SECOND));
    for number in 0..50_u64 {
        let draws = money(100, 1);
        let call = meter.reserve(ReservationId(number.into()), &draws, deadline, now);
        let patience = Duration::from_micros(number * 40);
        let _ = tokio::time::timeout(patience, call).await;
    }
    let whole = money(100, 0);
    let verdict = meter.reserve(ReservationId(99), &whole, deadline, now).await.unwrap();
    assert!(matches!(verdict, Verdict::Taken { .. }), "{verdict:?}");
}

#[tokio::test]
async fn old_rows_do_not_pile_up_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open_with(folder.path().join("bartizan.db"), PATIENT).await.unwrap();
    let meter = sqlite.meter();
    let shape = Shape::Window { limit: 5, length: Duration::from_secs(60) };
    let rule = Arc::new(Rule::new("calls", Measure::Requests, shape));
    for number in 0..400_u64 {
        let now = Timestamp(number * 60 * SECOND);
        let id = ReservationId(number.into());
        let junk = [Draw::new(Arc::clone(&rule), &format!("junk {number}"), 1)];
        meter.reserve(id, &junk, now.plus(Duration::from_secs(9)), now).await.unwrap();
        meter.settle(id, &junk, now).await.unwrap();
    }
    sqlite.close().await;
    let url = folder.path().join("bartizan.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(url);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let count = "SELECT (SELECT count(*) FROM counters), (SELECT count(*) FROM reservations)";
    let (counters, ids): (i64, i64) = sqlx::query_as(count).fetch_one(&pool).await.unwrap();
    assert!(counters < 70 && ids < 140, "{counters} counters and {ids} ids of 400");
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    std::fs::write(&path, "Dear Ann, this is no database. ".repeat(200)).unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = Sqlite::open_with(&path, PATIENT).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. } | OpenError::Schema { .. }), "{error}");
    assert!(error.to_string().contains("letter.txt"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let error = Sqlite::open(folder.path().join("none/here.db")).await.unwrap_err();
    assert!(matches!(error, OpenError::File { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_may_read_the_file_or_its_companions() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let sqlite = Sqlite::open_with(folder.path().join("bartizan.db"), PATIENT).await.unwrap();
    let now = Timestamp(SECOND);
    sqlite.meter().reserve(ReservationId(1), &money(9, 1), now, now).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() > 1, "{files:?}");
    for file in files {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file:?}");
    }
}
