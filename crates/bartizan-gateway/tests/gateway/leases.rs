//! Are budgets exact whose slices several gateways take ahead, and what becomes of the slices of a
//! gateway that dies?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bartizan_testkit::postgres::PostgresServer;
use bartizan_testkit::redis::RedisServer;
use tokio::task::JoinSet;

use crate::program::{Program, until};
use crate::shared::{ANSWER, DOLLAR, Dice, Fleet, call, chaos, fleet_gateway, pay, reached, spent};
use crate::upstream::Upstream;
use crate::wire::ask;

const LIMIT: u64 = 20 * DOLLAR;
const HOT: &str = "
limits:
  - { name: calls, by: global, rate: 100000/minute, lease: true, match: { path: \"/v1/*\" } }
budgets:
  - { name: twenty, by: global, usd: 20.00, period: month, lease: true, match: { path: \"/v1/*\" } }
prices:
  my-model: { input_per_million: 1000.00, output_per_million: 2000.00 }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_not_used_of_a_slice_comes_back_and_what_is_used_is_charged_exactly() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start(&[]));
    let server = PostgresServer::new();
    let database = server.database();
    let gateways: Vec<Program> =
        (0..3).map(|_| fleet_gateway(&upstream, &redis.url(), &database, HOT, "10m")).collect();
    for gateway in &gateways {
        gateway.says("connected to Redis");
    }
    let mut clients = JoinSet::new();
    for client in 0..45_usize {
        let address = gateways[client % 3].address;
        clients.spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..20 {
                statuses.push(pay(address).await);
            }
            statuses
        });
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for status in clients.join_all().await.into_iter().flatten() {
        *statuses.entry(status).or_default() += 1;
    }
    assert!(statuses.keys().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    // The gateways go on, and give back what they do not need.
    until(|| spent(&server, &database).1 == 0, || format!("{:?}", spent(&server, &database)));
    let (paid, _) = reached(&upstream);
    assert_eq!(spent(&server, &database).0, u64::try_from(paid).unwrap() * ANSWER, "{statuses:?}");
    // A call that asks leaves three rows: reserved, settled, given back.
    let rows: usize = server.sql(&database, "SELECT count(*) FROM ledger").parse().unwrap();
    assert!(rows < 2 * paid, "{rows} rows for {paid} calls: they asked each time");
    // All of it can be used.
    let mut refused = 0;
    for turn in 0.. {
        let status = pay(gateways[turn % 3].address).await;
        refused = if status == 200 { 0 } else { refused + 1 };
        if refused == 6 {
            break;
        }
    }
    until(|| spent(&server, &database).1 == 0, || format!("{:?}", spent(&server, &database)));
    let (settled, _) = spent(&server, &database);
    assert_eq!(settled, u64::try_from(reached(&upstream).0).unwrap() * ANSWER);
    assert!(settled <= LIMIT, "overspent: {settled}");
    assert!(settled > LIMIT - 10 * ANSWER, "{settled} of {LIMIT} could be used");
}

const WATCHED: &str = "
budgets:
  - { name: hot, by: global, requests: 4000, period: month, lease: true, alert_at: [5, 50], match: { path: \"/open/*\" } }
";

/// A threshold is told in time, though slow calls hold the slices that quick ones drew on.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_threshold_of_a_leased_budget_is_told_within_seconds_while_long_calls_go_on() {
    let upstream = Upstream::start().await;
    let gateway = Arc::new(Program::with(upstream.address, &[], |configuration| {
        configuration.replace("upstream: 5s", "upstream: 60s") + WATCHED
    }));
    let told = || {
        let records = gateway.records();
        let alerts = records.iter().filter(|record| record["event"] == "BUDGET_ALERT");
        alerts.map(|record| record["details"]["percent"].clone()).collect::<Vec<_>>()
    };
    let (mut long, mut quick, begun) = (JoinSet::new(), 0, Instant::now());
    // The last of them is the one that reaches it: nobody calls afterwards.
    while quick < 200 || long.len() < 30 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", gateway.log());
        if quick % 4 == 0 && long.len() < 30 {
            let gateway = Arc::clone(&gateway);
            long.spawn(async move { ask(gateway.address, "GET /open/wait", &[]).await });
        }
        assert_eq!(call(gateway.address).await, 200);
        quick += 1;
    }
    let begun = Instant::now();
    while told().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", gateway.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(told(), [5]);
    assert!(long.try_join_next().is_none(), "no call was under way");
    upstream.gate.add_permits(long.len());
    assert!(long.join_all().await.iter().all(|answer| answer.contains("waited")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slices_of_killed_gateways_are_charged_in_time_and_nothing_is_overspent() {
    let (upstream, mut redis) = (Upstream::start().await, RedisServer::start(&[]));
    let mut server = PostgresServer::new();
    let database = server.database();
    let fleet = Fleet::start(3, &upstream, &redis, &database, HOT);
    let (end, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for client in 0..45_usize {
        let (fleet, end) = (Arc::clone(&fleet), Arc::clone(&end));
        clients.spawn(async move {
            let mut turn = client;
            while !end.load(Ordering::Relaxed) {
                turn += 1;
                let status = pay(fleet.address(turn)).await;
                assert!([0, 200, 429, 503].contains(&status), "{status}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let (begun, mut most, mut dice) = (Instant::now(), 0, Dice::new());
    loop {
        let (settled, reserved) = spent(&server, &database);
        assert!(settled + reserved <= LIMIT, "{settled} settled and {reserved} reserved");
        most = most.max(reserved);
        if begun.elapsed() > chaos() {
            break;
        }
        match dice.below(5) {
            0 => {
                redis.kill();
                redis.run();
            }
            1 => {
                server.kill();
                server.start();
            }
            which => {
                let fleet = Arc::clone(&fleet);
                tokio::task::spawn_blocking(move || fleet.kill(which)).await.unwrap();
            }
        }
    }
    end.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let (paid, _) = reached(&upstream);
    let billed = u64::try_from(paid).unwrap() * ANSWER;
    // Nothing stays reserved: those that live give back, and close what the dead have left.
    until(|| spent(&server, &database).1 == 0, || format!("{:?}", spent(&server, &database)));
    let (settled, _) = spent(&server, &database);
    assert!(billed <= settled, "{billed} billed, {settled} known");
    assert!(settled <= LIMIT, "overspent: {settled}");
    assert!(paid > 50 && most > 0, "nothing was tried: {paid} calls, {most} reserved at once");
}
