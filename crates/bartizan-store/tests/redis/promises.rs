//! Does it keep every promise of a meter, on a server and on a Cluster?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bartizan_core::limit::{
    Calendar, Draw, Measure, Meter as _, Order, Period, ReservationId, Rule, Shape, Verdict,
};
use bartizan_core::time::Timestamp;
use bartizan_store::redis::{Address, RedisMeter};
use bartizan_testkit::meter;
use bartizan_testkit::redis::{RedisCluster, RedisServer, until};

/// Each meter that the suite asks for has a tag of its own: it has counted nothing.
async fn keeps_every_promise(url: &str) {
    let tags = AtomicU32::new(0);
    meter::suite(|| {
        let tag = tags.fetch_add(1, Ordering::Relaxed);
        let address = Address::parse(&format!("{url}?tag=t{tag}")).unwrap();
        async {
            let meter = RedisMeter::danger_on_the_callers_clock(address).unwrap();
            meter.up().await;
            meter
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_meter_in_redis_keeps_every_promise() {
    let server = RedisServer::start(&[]);
    keeps_every_promise(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_meter_in_valkey_keeps_every_promise() {
    let server = RedisServer::valkey();
    assert!(server.cli(&["INFO", "server"]).contains("valkey_version:"), "it is no Valkey");
    keeps_every_promise(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_meter_in_a_cluster_keeps_every_promise() {
    let cluster = RedisCluster::start();
    keeps_every_promise(&cluster.url()).await;
}

fn rule(name: &str, measure: Measure, shape: Shape) -> Arc<Rule> {
    Arc::new(Rule::new(name, measure, shape))
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_micros()).unwrap())
}

async fn open(server: &RedisServer) -> RedisMeter {
    let meter = RedisMeter::open(Address::parse(&server.url()).unwrap()).unwrap();
    meter.up().await;
    meter
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gates_with_clocks_that_differ_admit_no_more_than_the_limit() {
    let server = RedisServer::start(&[]);
    let gates = [open(&server).await, open(&server).await, open(&server).await];
    let shape = Shape::Window { limit: 100, length: Duration::from_secs(60) };
    let (calls, mut verdicts) = (rule("calls", Measure::Requests, shape), Vec::new());
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..600_u64 {
        let meter = gates[usize::try_from(number % 3).unwrap()].clone();
        let draws = [Draw::new(Arc::clone(&calls), "ann", 1)];
        // One is right, one an hour behind, one an hour ahead.
        let now = Timestamp(now().0 + (number % 3) * 3_600_000_000 - 3_600_000_000);
        if asking.len() >= 64 {
            verdicts.extend(asking.join_next().await.map(Result::unwrap));
        }
        asking.spawn(async move {
            let deadline = now.plus(Duration::from_secs(9));
            for attempt in 0.. {
                // One that comes too late on a busy machine is taken back, and asked again.
                let id = ReservationId(attempt << 64 | u128::from(number));
                if let Ok(verdict) = meter.reserve(id, &draws, deadline, now).await {
                    return verdict;
                }
            }
            panic!("Redis never answers")
        });
    }
    verdicts.extend(asking.join_all().await);
    let taken = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Taken { .. })).count();
    assert_eq!(taken, 100);
    for verdict in verdicts {
        if let Verdict::Short(short) = verdict {
            let seconds = short.retry_after.as_secs_f64();
            assert!(seconds > 50.0 && seconds <= 60.0, "told by the wrong clock: {seconds}");
        }
    }
}

/// 2^53 nano-dollars are nine million dollars: from there on doubles lose the last ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn money_beyond_the_reach_of_doubles_is_counted_to_the_last_nano_dollar() {
    let server = RedisServer::start(&[]);
    let meter = open(&server).await;
    let limit = (1_u64 << 53) * 1_000 + 7;
    let shape = Shape::Budget { limit, period: Period::utc(Calendar::Month) };
    let money = rule("all", Measure::NanoUsd, shape);
    let draw = |amount| [Draw::new(Arc::clone(&money), "-", amount)];
    let (now, mut number) = (now(), 0);
    let mut reserve = async |amount: u64| {
        number += 1;
        let deadline = now.plus(Duration::from_secs(99));
        let verdict = meter.reserve(ReservationId(number), &draw(amount), deadline, now).await;
        (ReservationId(number), verdict.unwrap())
    };
    let (most, verdict) = reserve(limit - 3).await;
    let Verdict::Taken { standings } = verdict else { panic!("{verdict:?}") };
    assert_eq!(standings.of(&[])[0].remaining, 3);
    assert!(matches!(reserve(4).await.1, Verdict::Short(_)), "one nano-dollar too many");
    let (rest, verdict) = reserve(3).await;
    assert!(matches!(verdict, Verdict::Taken { .. }));
    let settled = meter.settle(most, &draw(limit - 4), now).await.unwrap();
    assert_eq!((settled.charges[0].before, settled.charges[0].after), (0, limit - 4));
    assert!(matches!(reserve(2).await.1, Verdict::Short(_)), "one was given back, and no more");
    assert!(matches!(reserve(1).await.1, Verdict::Taken { .. }));
    let settled = meter.settle(rest, &draw(u64::MAX), now).await.unwrap();
    assert_eq!(settled.charges[0].after, u64::MAX, "the largest that there is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_keys_is_forgotten() {
    let server = RedisServer::start(&["--appendonly", "no"]);
    let meter = open(&server).await;
    let shape = Shape::Window { limit: 5, length: Duration::from_secs(1) };
    let (junk, mut asking) = (rule("door", Measure::Requests, shape), tokio::task::JoinSet::new());
    let mut counted = 0;
    for number in 0..5_000_u64 {
        let (meter, draws) =
            (meter.clone(), [Draw::new(Arc::clone(&junk), &format!("10.{number}"), 1)]);
        if asking.len() >= 64 {
            counted += usize::from(asking.join_next().await.unwrap().unwrap());
        }
        asking.spawn(async move {
            let now = now();
            let id = ReservationId(number.into());
            // On a busy machine one may come too late: it is junk all the same.
            let taken = meter.reserve(id, &draws, now.plus(Duration::from_secs(9)), now).await;
            taken.is_ok() && meter.settle(id, &draws, now).await.is_ok()
        });
    }
    asking.join_all().await;
    assert!(counted > 2_500, "{counted} keys are no flood");
    let counters = || server.cli(&["--scan", "--pattern", "{bartizan}:c:*"]).lines().count();
    until("idle counters are forgotten", || counters() < 100);
    // Settled reservations are known for a minute more, and none for ever.
    let known = server.cli(&["--scan", "--pattern", "{bartizan}:r:*"]);
    for key in known.lines().take(50) {
        let ttl: i64 = server.cli(&["PTTL", key]).parse().unwrap();
        assert!(ttl == -2 || (ttl > 0 && ttl <= 60_000), "{key} is kept for {ttl} ms");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_idle_leaves_no_key_behind() {
    let server = RedisServer::start(&[]);
    let meter = open(&server).await;
    let length = Duration::from_secs(3600);
    let rules = [
        rule("w", Measure::Tokens, Shape::Window { limit: 500, length }),
        rule("g", Measure::Tokens, Shape::Gcra { limit: 500, length, burst: 100 }),
        rule("c", Measure::Concurrent, Shape::Concurrency { limit: 5 }),
        rule("b", Measure::NanoUsd, Shape::Budget { limit: 9, period: Period::utc(Calendar::Day) }),
    ];
    let draws: Vec<_> = rules.iter().map(|rule| Draw::new(Arc::clone(rule), "ann", 2)).collect();
    let now = now();
    meter.reserve(ReservationId(1), &draws, now.plus(length), now).await.unwrap();
    let counters = || server.cli(&["--scan", "--pattern", "{bartizan}:c:*"]).lines().count();
    assert_eq!(counters(), 4);
    let nothing = bartizan_core::limit::nothing_used(&draws);
    let settled = meter.settle(ReservationId(1), &nothing, now).await.unwrap();
    assert_eq!(settled.order, Order::First);
    assert_eq!(counters(), 0, "{}", server.cli(&["KEYS", "*"]));
    assert_eq!(server.cli(&["ZCARD", "{bartizan}:deadlines"]), "0");
}
