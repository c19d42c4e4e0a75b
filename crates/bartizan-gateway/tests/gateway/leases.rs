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
use crate::shared::{ANSWER, DOLLAR, Fleet, chaos, fleet_gateway, pay, reached, spent};
use crate::upstream::Upstream;

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
    let (begun, mut most) = (Instant::now(), 0);
    for round in 0_usize.. {
        let (settled, reserved) = spent(&server, &database);
        assert!(settled + reserved <= LIMIT, "{settled} settled and {reserved} reserved");
        most = most.max(reserved);
        if begun.elapsed() > chaos() {
            break;
        }
        match round % 5 {
            3 => {
                redis.kill();
                redis.run();
            }
            4 => {
                server.kill();
                server.start();
            }
            _ => {
                let fleet = Arc::clone(&fleet);
                tokio::task::spawn_blocking(move || fleet.kill(round)).await.unwrap();
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
