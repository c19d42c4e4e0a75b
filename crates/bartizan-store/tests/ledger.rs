//! Does money last? Budgets and their ledger, in the file and on the server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan_core::issue::identities::Accounts as _;
use bartizan_core::limit::{
    Account, Calendar, Cause, Counter, Draw, Measure, Meter, MeterKey, OnCrash, Order, Period,
    ReservationId, Rule, Shape, Treasury, Verdict,
};
use bartizan_core::time::Timestamp;
use bartizan_store::Database;
use bartizan_store::database::ServerUrl;
use bartizan_store::postgres::Postgres;
use bartizan_store::sqlite::Sqlite;
use bartizan_testkit::postgres::PostgresServer;
use tempfile::TempDir;

const SECOND: u64 = 1_000_000;
/// A Thursday in 2026.
const START: u64 = 1_795_000_000 * SECOND;
const LIFE: Duration = Duration::from_secs(30);
/// Longer than a busy machine stops for.
const PATIENT: Duration = Duration::from_secs(90);

fn at(seconds: u64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

fn id(number: u128) -> ReservationId {
    ReservationId(number)
}

fn daily(limit: u64) -> Rule {
    let shape = Shape::Budget { limit, period: Period::utc(Calendar::Day) };
    Rule::new("daily", Measure::NanoUsd, shape)
}

fn of(rule: Rule, amount: u64) -> [Draw; 1] {
    [Draw::new(Arc::new(rule), "local:ann", amount)]
}

fn money(limit: u64, amount: u64) -> [Draw; 1] {
    of(daily(limit), amount)
}

async fn takes(meter: &dyn Meter, number: u128, draws: &[Draw], now: Timestamp) -> bool {
    let verdict = meter.reserve(id(number), draws, now.plus(LIFE), now).await.unwrap();
    matches!(verdict, Verdict::Taken { .. })
}

async fn file(folder: &TempDir) -> Sqlite {
    Sqlite::open_with(folder.path().join("bartizan.db"), PATIENT).await.unwrap()
}

/// A life of a budget that leaves something of everything behind.
async fn live(meter: &dyn Meter) {
    for number in 1..=5 {
        assert!(takes(meter, number, &money(1_000, 100), at(0)).await);
    }
    for number in 1..=4 {
        meter.depart(id(number), at(1)).await.unwrap();
    }
    meter.settle(id(1), &money(1_000, 40), at(2)).await.unwrap();
    meter.settle(id(2), &money(1_000, 130), at(3)).await.unwrap();
    // The third is charged and the fifth given back, since nobody settles them.
    meter.expire(at(31)).await.unwrap();
    // The word on the fourth comes late.
    let late = meter.settle(id(4), &money(1_000, 10), at(32)).await.unwrap();
    assert_eq!(late.order, Order::Late);
    assert!(takes(meter, 6, &money(1_000, 70), at(33)).await);
}

async fn is_sound(treasury: &dyn Treasury) {
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
    let held = treasury.holdings("").await.unwrap();
    let Counter::Budget(budget) = &held[0].counter else { panic!("{held:?}") };
    assert_eq!((budget.current().settled, budget.current().reserved), (40 + 130 + 100 + 10, 70));
    let posted = treasury.posted(&held[0].key).await.unwrap();
    let moved = |debit, credit| {
        let ours = |transfer: &&bartizan_core::limit::Transfer| {
            (transfer.debit, transfer.credit) == (debit, credit)
        };
        posted.iter().map(|one| &one.transfer).filter(ours).map(|one| one.amount).sum::<u64>()
    };
    // Every movement stands on both sides, and the accounts come to what the counter says.
    let (free, reserved, settled) = (Account::Free, Account::Reserved, Account::Settled);
    assert_eq!(moved(free, reserved), 570);
    assert_eq!(moved(free, reserved) - moved(reserved, settled) - moved(reserved, free), 70);
    assert_eq!(moved(reserved, settled) + moved(free, settled) - moved(settled, free), 280);
    let overdrawn = posted.iter().filter(|one| one.transfer.cause == Cause::Overdrawn);
    assert_eq!(overdrawn.map(|one| one.transfer.amount).collect::<Vec<_>>(), [30]);
    assert_eq!(treasury.open(&held[0].key).await.unwrap().len(), 1);
}

/// Breaks the counters behind the ledger's back, and lets the ledger mend them.
async fn is_rebuilt(treasury: &dyn Treasury, damage: impl AsyncFn(&str)) {
    let sound = treasury.holdings("").await.unwrap();
    damage("UPDATE counters SET state = replace(state, '\"settled\":280', '\"settled\":0')").await;
    let found = treasury.verify().await.unwrap();
    assert_eq!((found[0].counter, found[0].ledger), ((70, 0), (70, 280)));
    assert_eq!(treasury.rebuild().await.unwrap(), found);
    assert_eq!(treasury.holdings("").await.unwrap(), sound);
    damage("DELETE FROM counters").await;
    assert_eq!(treasury.rebuild().await.unwrap().len(), 1);
    let Counter::Budget(budget) = &treasury.holdings("").await.unwrap()[0].counter else {
        panic!("no budget");
    };
    assert_eq!((budget.current().settled, budget.current().reserved), (280, 70));
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
}

#[tokio::test]
async fn in_a_file_every_counter_is_the_sum_of_its_ledger_and_can_be_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    live(&sqlite.meter()).await;
    is_sound(&sqlite.treasury(at(34))).await;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("bartizan.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    is_rebuilt(&sqlite.treasury(at(34)), async |sql| {
        sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
    })
    .await;
    for sql in ["UPDATE ledger SET amount = 1", "DELETE FROM ledger"] {
        let refused = sqlx::query(sql).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("only added to"), "{refused}");
    }
}

#[tokio::test]
async fn on_a_server_every_counter_is_the_sum_of_its_ledger_and_can_be_rebuilt() {
    let server = PostgresServer::new();
    let url = server.database();
    let postgres = Postgres::open_with(&url, PATIENT).await.unwrap();
    live(&postgres.meter_by_its_callers_clock()).await;
    is_sound(&postgres.treasury()).await;
    is_rebuilt(&postgres.treasury(), async |sql| {
        server.sql(&url, sql);
    })
    .await;
    for sql in ["UPDATE ledger SET amount = 1", "DELETE FROM ledger", "TRUNCATE ledger"] {
        let said = server.sql(&url, &format!("DO $$ BEGIN {sql}; EXCEPTION WHEN OTHERS THEN CREATE TABLE refused AS SELECT SQLERRM AS why; END $$; SELECT why FROM refused; DROP TABLE refused"));
        assert!(said.contains("only added to"), "{said}");
    }
}

/// The counter is swept away by a clock that was ahead; restarted with the right one, the gateway
/// must not make the money anew.
#[tokio::test]
async fn a_clock_that_was_ahead_before_a_restart_makes_no_money() {
    let folder = tempfile::tempdir().unwrap();
    let rolling = Shape::Budget { limit: 100, period: Period::Rolling(Duration::from_hours(1)) };
    let draws = |amount| {
        let [daily] = money(100, amount);
        let [rolling] = of(Rule::new("rolling", Measure::NanoUsd, rolling.clone()), amount);
        [daily, rolling]
    };
    {
        let sqlite = file(&folder).await;
        let meter = sqlite.meter();
        assert!(takes(&meter, 1, &draws(90), at(0)).await);
        meter.settle(id(1), &draws(90), at(1)).await.unwrap();
        // Two days ahead, for somebody else: long enough for idle counters to be forgotten.
        let ahead = at(2 * 86_400);
        for number in 100..300 {
            let other = [Draw::new(Arc::new(daily(100)), "local:bob", 0)];
            assert!(takes(&meter, number, &other, ahead).await);
            meter.settle(id(number), &other, ahead).await.unwrap();
        }
        let held = sqlite.treasury(ahead).holdings("").await.unwrap();
        assert!(held.iter().all(|one| !one.key.as_str().ends_with("ann")), "nothing is swept");
        sqlite.close().await;
    }
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    for one in draws(11) {
        assert!(!takes(&meter, 2, &[one], at(10)).await, "money was made up");
    }
    assert!(takes(&meter, 3, &draws(10), at(10)).await, "money was forgotten");
    assert_eq!(sqlite.treasury(at(11)).verify().await.unwrap(), vec![]);
    // What is over does not count again.
    assert!(takes(&meter, 4, &draws(90), at(86_400)).await, "the next period never begins");
}

#[tokio::test]
async fn what_is_reported_before_the_end_stands_in_the_ledger_once() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    let rolling = Shape::Budget { limit: 1_000, period: Period::Rolling(Duration::from_hours(1)) };
    let draws = |amount| {
        let [daily] = money(1_000, amount);
        let [rolling] = of(Rule::new("rolling", Measure::NanoUsd, rolling.clone()), amount);
        [daily, rolling]
    };
    for number in 1..=3 {
        assert!(takes(&meter, number, &draws(300), at(0)).await);
        meter.depart(id(number), at(1)).await.unwrap();
        for used in [100, 100, 250] {
            meter.report(id(number), &draws(used), at(2)).await.unwrap();
            assert_eq!(sqlite.treasury(at(2)).verify().await.unwrap(), vec![]);
        }
    }
    // One ends as it said, one beyond what it had, and one is never heard of again.
    meter.settle(id(1), &draws(260), at(3)).await.unwrap();
    meter.report(id(2), &draws(310), at(3)).await.unwrap();
    meter.settle(id(2), &draws(320), at(3)).await.unwrap();
    meter.expire(at(60)).await.unwrap();
    let treasury = sqlite.treasury(at(61));
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
    let held = treasury.holdings("").await.unwrap();
    let Counter::Budget(budget) = &held[0].counter else { panic!("{held:?}") };
    assert_eq!((budget.current().settled, budget.current().reserved), (260 + 320 + 300, 0));
    let posted = treasury.posted(&held[0].key).await.unwrap();
    let over = posted.iter().filter(|one| one.transfer.cause == Cause::Overdrawn);
    assert_eq!(over.map(|one| one.transfer.amount).sum::<u64>(), 20);
}

#[tokio::test]
async fn a_rolling_budget_is_rebuilt_too() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let (meter, rolling) = (sqlite.meter(), Period::Rolling(Duration::from_secs(3_600)));
    let shape = Shape::Budget { limit: 1_000, period: rolling };
    let draw = |amount| of(Rule::new("rolling", Measure::NanoUsd, shape.clone()), amount);
    for number in 1..=9_u64 {
        let now = at(number * 10);
        assert!(takes(&meter, number.into(), &draw(100), now).await);
        meter.settle(id(number.into()), &draw(60 + number), now).await.unwrap();
    }
    let treasury = sqlite.treasury(at(100));
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
    treasury.rebuild().await.unwrap();
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
    assert!(!takes(&meter, 20, &draw(1_000 - 585 + 1), at(101)).await, "money was forgotten");
    assert!(takes(&meter, 21, &draw(1_000 - 585), at(101)).await, "money was made up");
}

#[tokio::test]
async fn an_operator_sets_a_limit_and_forgives_what_was_spent() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let (meter, treasury) = (sqlite.meter(), sqlite.treasury(at(5)));
    assert!(takes(&meter, 1, &money(100, 90), at(0)).await);
    meter.settle(id(1), &money(100, 90), at(1)).await.unwrap();
    assert!(!takes(&meter, 2, &money(100, 50), at(2)).await);
    let key = MeterKey::new(&daily(100), "local:ann");
    treasury.set_limit(&key, Some(200)).await.unwrap();
    assert!(takes(&meter, 3, &money(100, 50), at(3)).await, "the limit was not raised");
    treasury.set_limit(&key, None).await.unwrap();
    assert!(!takes(&meter, 4, &money(100, 1), at(4)).await, "the limit was not taken back");
    assert_eq!(treasury.reset(&key).await.unwrap(), 90);
    assert!(takes(&meter, 5, &money(100, 50), at(5)).await, "nothing was forgiven");
    assert!(!takes(&meter, 6, &money(100, 1), at(5)).await, "what is reserved was forgiven");
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_budget_gives_back_what_a_dead_gateway_had_away_where_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    let lenient = Arc::new(daily(100).on_crash(OnCrash::GiveBack));
    let strict = Arc::new(Rule::new("strict", Measure::NanoUsd, daily(100).shape));
    let draws = |amount| {
        [
            Draw::new(Arc::clone(&lenient), "ann", amount),
            Draw::new(Arc::clone(&strict), "ann", amount),
        ]
    };
    assert!(takes(&meter, 1, &draws(60), at(0)).await);
    meter.depart(id(1), at(1)).await.unwrap();
    let expired = meter.expire(at(30)).await.unwrap();
    let charged: Vec<_> =
        expired[0].charges.iter().map(|charge| (&*charge.name, charge.after)).collect();
    assert_eq!(charged, [("daily", 0), ("strict", 60)]);
    assert_eq!(sqlite.treasury(at(31)).verify().await.unwrap(), vec![]);
    // It was alive after all: each takes it from how it stands.
    let late = meter.settle(id(1), &draws(50), at(32)).await.unwrap();
    let after: Vec<_> = late.charges.iter().map(|charge| charge.after).collect();
    assert_eq!(after, [50, 50]);
    assert_eq!(sqlite.treasury(at(33)).verify().await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_late_word_after_a_reset_or_after_its_period_leaves_the_ledger_balanced() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    for number in [1, 2] {
        assert!(takes(&meter, number, &money(100, 40), at(0)).await);
        meter.depart(id(number), at(1)).await.unwrap();
    }
    meter.expire(at(31)).await.unwrap();
    let key = MeterKey::new(&daily(100), "local:ann");
    assert_eq!(sqlite.treasury(at(32)).reset(&key).await.unwrap(), 80);
    meter.settle(id(1), &money(100, 25), at(33)).await.unwrap();
    assert_eq!(sqlite.treasury(at(33)).verify().await.unwrap(), vec![]);
    // The next day begins while another call is still under way in the old one.
    assert!(takes(&meter, 3, &money(100, 1), at(34)).await);
    assert!(takes(&meter, 4, &money(100, 1), at(86_400)).await);
    meter.settle(id(2), &money(100, 900), at(86_401)).await.unwrap();
    assert_eq!(sqlite.treasury(at(86_401)).verify().await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_soft_limit_tells_and_does_not_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    assert!(takes(&meter, 1, &of(daily(100).soft(), 80), at(0)).await);
    assert!(takes(&meter, 2, &of(daily(100).soft(), 80), at(0)).await, "a soft limit refused");
    let first = meter.settle(id(1), &of(daily(100).soft(), 80), at(1)).await.unwrap();
    let second = meter.settle(id(2), &of(daily(100).soft(), 80), at(1)).await.unwrap();
    assert_eq!((first.charges[0].overdraft(), second.charges[0].overdraft()), (0, 60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_gateways_on_one_server_spend_a_budget_to_the_last_and_no_further() {
    let server = PostgresServer::new();
    let url = server.database();
    let mut gateways = Vec::new();
    for _ in 0..4 {
        gateways.push(Postgres::open_with(&url, PATIENT).await.unwrap());
    }
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..800_usize {
        let meter = gateways[number % 4].meter();
        asking.spawn(async move {
            let now = Timestamp(START);
            let taken = takes(&meter, number as u128, &money(1_000, 7), now).await;
            if taken {
                meter.settle(id(number as u128), &money(1_000, 3), now).await.unwrap();
            }
            taken
        });
    }
    let mut admitted = asking.join_all().await.into_iter().filter(|taken| *taken).count();
    for number in 1_000.. {
        let meter = gateways[number % 4].meter();
        if !takes(&meter, number as u128, &money(1_000, 7), Timestamp(START)).await {
            break;
        }
        meter.settle(id(number as u128), &money(1_000, 3), Timestamp(START)).await.unwrap();
        admitted += 1;
    }
    let treasury = gateways[0].treasury();
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
    let Counter::Budget(budget) = &treasury.holdings("").await.unwrap()[0].counter else {
        panic!("no budget");
    };
    let (settled, reserved) = (budget.current().settled, budget.current().reserved);
    assert_eq!((settled, reserved), (admitted as u64 * 3, 0));
    assert!(settled <= 1_000, "{settled}");
    assert!(settled + 7 > 1_000, "{settled}: refused although there was money");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_dies_or_falls_silent_refuses_in_a_second_and_is_found_again() {
    let mut server = PostgresServer::new();
    let url = server.database();
    let postgres = Postgres::open(&url).await.unwrap();
    let (meter, identities) = (postgres.meter(), postgres.identities());
    again(&meter, 1).await;
    server.freeze();
    for number in 10..13 {
        let (error, took) = refused(&meter, number).await;
        assert!(took < Duration::from_secs(1), "{took:?}: {error}");
        let begun = Instant::now();
        assert!(identities.user("ann").await.is_err());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert!(!meter.is_answering());
    server.thaw();
    again(&meter, 20).await;
    assert!(meter.is_answering());
    server.kill();
    let (error, took) = refused(&meter, 30).await;
    assert!(took < Duration::from_secs(1), "{took:?}: {error}");
    server.start();
    again(&meter, 40).await;
    let begun = Instant::now();
    while identities.user("ann").await.is_err() {
        assert!(begun.elapsed() < PATIENT, "the pool did not recover");
    }
    // What was committed before the server died is still there, and balanced.
    let treasury = Postgres::open_with(&url, PATIENT).await.unwrap().treasury();
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
    assert!(takes(&postgres.meter(), 1, &money(1_000, 1), at(0)).await, "the first was forgotten");
}

/// As after a failover, where the old primary is a replica now, or where a provider closes a full
/// server for writing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_only_reads_refuses_in_a_second_and_is_written_to_again_when_it_does() {
    let server = PostgresServer::new();
    let url = server.database();
    let postgres = Postgres::open(&url).await.unwrap();
    let meter = postgres.meter();
    again(&meter, 1).await;
    let read_only = |value: &str| {
        server.sql(&url, &format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
        server.sql(&url, "SELECT pg_reload_conf()");
    };
    read_only("on");
    let begun = Instant::now();
    // The server tells its sessions in a moment.
    let mut number = 10;
    while takes_or_not(&meter, number).await {
        assert!(begun.elapsed() < PATIENT, "a server that only reads took money");
        number += 1;
    }
    for number in 1_000..1_003 {
        let (error, took) = refused(&meter, number).await;
        assert!(took < Duration::from_secs(1), "{took:?}: {error}");
    }
    read_only("off");
    again(&meter, 2_000).await;
    let treasury = Postgres::open_with(&url, PATIENT).await.unwrap().treasury();
    assert_eq!(treasury.verify().await.unwrap(), vec![]);
}

async fn takes_or_not(meter: &dyn Meter, number: u128) -> bool {
    meter.reserve(id(number), &money(1_000_000, 1), at(30), at(0)).await.is_ok()
}

async fn refused(meter: &dyn Meter, number: u128) -> (String, Duration) {
    let begun = Instant::now();
    let verdict = meter.reserve(id(number), &money(1_000, 1), at(30), at(0)).await;
    (verdict.unwrap_err().to_string(), begun.elapsed())
}

/// Asks until it is answered: a machine with much to do may need a moment.
async fn again(meter: &dyn Meter, first: u128) {
    let begun = Instant::now();
    for number in first.. {
        let long = at(0).plus(Duration::from_secs(86_400));
        let number = number + 1_000 * u128::from(number != first);
        if meter.reserve(id(number), &money(1_000_000, 1), long, at(0)).await.is_ok() {
            return;
        }
        assert!(begun.elapsed() < PATIENT, "it did not recover");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reserved_for_a_client_that_hung_up_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    let mut answered = 0;
    for number in 0..60 {
        let draws = money(1_000, 10);
        let deadline = at(0).plus(Duration::from_secs(9_999));
        let call = meter.reserve(id(number), &draws, deadline, at(0));
        let patience = Duration::from_micros(number as u64 * 60);
        if let Ok(verdict) = tokio::time::timeout(patience, call).await {
            answered += u64::from(matches!(verdict.unwrap(), Verdict::Taken { .. }));
        }
    }
    // What was answered stands; of the others nothing stays reserved.
    let begun = Instant::now();
    loop {
        meter.expire(at(1)).await.unwrap();
        let held = sqlite.treasury(at(1)).holdings("").await.unwrap();
        let reserved = held.first().map_or(0, |one| match &one.counter {
            Counter::Budget(budget) => budget.current().reserved,
            other => panic!("{other:?}"),
        });
        if reserved == answered * 10 {
            break;
        }
        assert!(begun.elapsed() < PATIENT, "{reserved} reserved for {answered} calls");
    }
    assert_eq!(sqlite.treasury(at(2)).verify().await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_opens_no_new_period_and_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    {
        let meter = file(&folder).await.meter();
        assert!(takes(&meter, 1, &money(100, 60), at(86_400)).await);
        meter.settle(id(1), &money(100, 60), at(86_400)).await.unwrap();
    }
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    assert!(!takes(&meter, 2, &money(100, 41), at(0)).await, "yesterday's budget came back");
    assert!(takes(&meter, 3, &money(100, 40), at(0)).await);
    assert_eq!(sqlite.treasury(at(0)).verify().await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_clock_that_went_ahead_and_back_is_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let meter = sqlite.meter();
    for (number, day) in [(1, 0), (2, 1)] {
        assert!(takes(&meter, number, &money(100, 5), at(day * 86_400)).await);
        meter.settle(id(number), &money(100, 5), at(day * 86_400)).await.unwrap();
    }
    // The counter stands in tomorrow, and has forgotten the day that it is again.
    assert_eq!(sqlite.treasury(at(9)).verify().await.unwrap(), vec![]);
    assert_eq!(sqlite.treasury(at(9)).rebuild().await.unwrap(), vec![]);
    assert!(!takes(&meter, 3, &money(100, 96), at(9)).await, "tomorrow's budget was forgotten");
}

#[tokio::test]
async fn a_file_that_somebody_else_holds_refuses_in_a_second_and_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = file(&folder).await;
    let (meter, path) = (sqlite.meter(), folder.path().join("bartizan.db"));
    assert!(takes(&meter, 1, &money(1_000_000, 1), at(0)).await);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let holder = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let impatient = Sqlite::open_with(&path, Duration::from_millis(300)).await;
    // Somebody holds the file and does not let go: nobody waits for ever.
    if let Ok(impatient) = impatient {
        let (error, took) = refused(&impatient.meter(), 2).await;
        assert!(took < Duration::from_secs(1), "{took:?}: {error}");
    }
    holder.rollback().await.unwrap();
    assert!(takes(&meter, 3, &money(1_000_000, 1), at(0)).await);
}

#[tokio::test]
async fn a_gateway_of_an_older_version_goes_on_beside_a_newer_one() {
    let server = PostgresServer::new();
    let url = server.database();
    let old = Postgres::open_with(&url, PATIENT).await.unwrap();
    // What a newer version will have done.
    server.sql(&url, "ALTER TABLE users ADD COLUMN colour TEXT; ALTER TABLE ledger ADD COLUMN note TEXT; INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', true, '\\x00', 1)");
    live(&old.meter_by_its_callers_clock()).await;
    let again = Postgres::open_with(&url, PATIENT).await.unwrap();
    is_sound(&again.treasury()).await;
}

#[tokio::test]
async fn the_address_of_a_server_keeps_its_password_to_itself() {
    let url = "postgres://user:hunter2@127.0.0.1:1/bartizan";
    let error = Postgres::open(url).await.unwrap_err();
    let shown = format!("{error} {error:?} {:?}", ServerUrl::parse(url));
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(error.to_string().contains("127.0.0.1:1/bartizan"), "{error}");
    assert!(Database::open("mysql://here").await.is_err());
}
