//! What happens when Redis fails? Every call ends in under a second, and nothing needs a restart.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan_core::limit::{
    Calendar, Draw, Measure, Meter as _, Period, ReservationId, Rule, Shape, Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use bartizan_store::redis::{Address, RedisMeter};
use bartizan_testkit::clock::TurnedClock;
use bartizan_testkit::proxy::Proxy;
use bartizan_testkit::redis::{RedisCluster, RedisSentinel, RedisServer, until};

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_micros()).unwrap())
}

fn money(limit: u64, amount: u64) -> [Draw; 1] {
    let shape = Shape::Budget { limit, period: Period::utc(Calendar::Month) };
    [Draw::new(Arc::new(Rule::new("money", Measure::NanoUsd, shape)), "ann", amount)]
}

fn places(amount: u64) -> [Draw; 1] {
    let shape = Shape::Concurrency { limit: 1 };
    [Draw::new(Arc::new(Rule::new("places", Measure::Concurrent, shape)), "ann", amount)]
}

fn meter(url: &str) -> RedisMeter {
    RedisMeter::open(Address::parse(url).unwrap()).unwrap()
}

/// A call and how long it took; it must not take a second.
async fn timed(meter: &RedisMeter, id: u128, draws: &[Draw]) -> Result<Verdict, Unavailable> {
    let (begun, now) = (Instant::now(), now());
    let deadline = now.plus(Duration::from_secs(60));
    let verdict = meter.reserve(ReservationId(id), draws, deadline, now).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
    verdict
}

fn taken(verdict: &Result<Verdict, Unavailable>) -> bool {
    matches!(verdict, Ok(Verdict::Taken { .. }))
}

/// Calls until one is taken: recovery needs nobody.
async fn recovers(meter: &RedisMeter, first: u128, draws: &[Draw]) {
    let begun = Instant::now();
    for id in first.. {
        if taken(&timed(meter, id, draws).await) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", meter.health());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_found_when_it_comes() {
    let mut server = RedisServer::start(&[]);
    server.kill();
    let meter = meter(&server.url());
    for id in 1..9 {
        assert!(timed(&meter, id, &money(100, 0)).await.is_err());
    }
    assert!(meter.health().down.is_some() && meter.health().failures >= 8);
    server.run();
    recovers(&meter, 100, &money(100, 0)).await;
    assert_eq!(meter.health().down, None);
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_down() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let meter = meter(&format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port()));
    for id in 1..4 {
        assert!(timed(&meter, id, &money(100, 0)).await.is_err());
    }
    until("it is told", || meter.health().down.is_some());
}

#[tokio::test]
async fn a_server_that_stops_answering_is_down_and_comes_back() {
    let server = RedisServer::start(&[]);
    let meter = meter(&server.url());
    meter.up().await;
    assert!(taken(&timed(&meter, 1, &places(1)).await));
    meter.settle(ReservationId(1), &places(0), now()).await.unwrap();
    server.signal("STOP");
    // It is taken from the socket when the server wakes: nobody knows of it but the server.
    for id in 2..5 {
        let refused = timed(&meter, id, &places(1)).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    server.signal("CONT");
    // The only place may have been taken by a call that was refused: it is taken back.
    recovers(&meter, 100, &places(1)).await;
}

#[tokio::test]
async fn a_server_that_is_too_slow_is_not_waited_for_and_what_it_did_late_is_taken_back() {
    let server = RedisServer::start(&[]);
    let meter = meter(&server.url());
    meter.up().await;
    // Slow, and in time.
    server.cli(&["CLIENT", "PAUSE", "150", "ALL"]);
    assert!(taken(&timed(&meter, 1, &places(1)).await));
    meter.settle(ReservationId(1), &places(0), now()).await.unwrap();
    // Slower than anybody waits.
    server.cli(&["CLIENT", "PAUSE", "900", "ALL"]);
    let refused = timed(&meter, 2, &places(1)).await;
    assert!(refused.is_err(), "{refused:?}");
    recovers(&meter, 100, &places(1)).await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_opens_no_window_and_no_period() {
    let server = RedisServer::start(&[]);
    let address = Address::parse(&server.url()).unwrap();
    let meter = RedisMeter::danger_on_the_callers_clock(address).unwrap();
    meter.up().await;
    let (today, length) = (now(), Duration::from_secs(60));
    let yesterday = today.minus(Duration::from_secs(86_400));
    let window = Rule::new("calls", Measure::Requests, Shape::Window { limit: 1, length });
    let day = Shape::Budget { limit: 1, period: Period::utc(Calendar::Day) };
    let day = Rule::new("day", Measure::Requests, day);
    for rule in [window, day].map(Arc::new) {
        let draws = [Draw::new(rule, "ann", 1)];
        let spends = async |id, now| meter.spend(ReservationId(id), &draws, now).await.unwrap();
        assert!(matches!(spends(1, today).await, Verdict::Taken { .. }));
        assert!(matches!(spends(2, yesterday).await, Verdict::Short(_)), "the clock was followed");
        assert!(matches!(spends(3, today).await, Verdict::Short(_)));
    }
}

/// Turns the clock of a server, and waits until the server goes by it.
fn turn(server: &RedisServer, seconds: i64) {
    server.clock().turn(seconds);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let due = i64::try_from(now().0 / 1_000_000).unwrap() + seconds;
        let told = server.cli(&["TIME"]);
        let told: i64 = told.lines().next().unwrap().trim().parse().unwrap();
        if (told - due).abs() <= 2 {
            return;
        }
        assert!(Instant::now() < until, "the server says {told} in place of {due}");
    }
}

/// The machine of Redis is told another time, by which every gateway decides.
#[tokio::test]
async fn a_clock_of_the_server_that_jumps_lets_no_window_hold_more_than_its_limit() {
    let server = RedisServer::with_clock(TurnedClock::new());
    let meter = meter(&server.url());
    meter.up().await;
    let length = Duration::from_secs(60);
    let window = Shape::Window { limit: 3, length };
    let smooth = Shape::Gcra { limit: 3, length, burst: 3 };
    let day = Shape::Budget { limit: 3, period: Period::Rolling(length) };
    for (name, shape, again) in [("w", window, 62), ("g", smooth, 62), ("d", day, 62)] {
        turn(&server, 0);
        let fresh =
            RedisMeter::open(Address::parse(&format!("{}?tag={name}", server.url())).unwrap())
                .unwrap();
        fresh.up().await;
        let draws = [Draw::new(Arc::new(Rule::new(name, Measure::Requests, shape)), "ann", 1)];
        let spends = async |id| {
            let verdict = fresh.spend(ReservationId(id), &draws, now()).await.unwrap();
            matches!(verdict, Verdict::Taken { .. })
        };
        let mut admitted = 0;
        for id in 1..8 {
            admitted += usize::from(spends(id).await);
        }
        assert!((3..=4).contains(&admitted), "{name}: {admitted}");
        for (id, seconds) in [-3_600, -400 * 86_400, -10, 0, 10].into_iter().enumerate() {
            turn(&server, seconds);
            let id = 100 + u128::try_from(id).unwrap();
            assert!(!spends(id).await, "{name}: the clock was followed to {seconds}");
        }
        turn(&server, again);
        assert!(spends(200).await, "{name} never ends");
    }
}

#[tokio::test]
async fn a_server_whose_every_answer_is_slow_is_waited_for_a_while_and_no_longer() {
    let server = RedisServer::start(&[]);
    let way = Proxy::to(server.port);
    let meter = meter(&format!("redis://127.0.0.1:{}", way.port));
    meter.up().await;
    way.slow(Duration::from_millis(100));
    assert!(taken(&timed(&meter, 1, &places(1)).await), "slow, and in time");
    meter.settle(ReservationId(1), &places(0), now()).await.unwrap();
    way.slow(Duration::from_millis(900));
    for id in 2..6 {
        let refused = timed(&meter, id, &places(1)).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    way.slow(Duration::ZERO);
    // The only place may have been taken by a call that was refused: it is taken back.
    recovers(&meter, 100, &places(1)).await;
}

#[tokio::test]
async fn a_server_that_is_killed_has_lost_nothing_when_it_is_back() {
    let mut server = RedisServer::start(&[]);
    let meter = meter(&server.url());
    meter.up().await;
    assert!(taken(&timed(&meter, 1, &money(100, 60)).await));
    meter.depart(ReservationId(1), now()).await.unwrap();
    server.kill();
    assert!(timed(&meter, 2, &money(100, 1)).await.is_err());
    assert!(meter.settle(ReservationId(1), &money(100, 9), now()).await.is_err());
    server.run();
    recovers(&meter, 100, &money(100, 0)).await;
    let verdict = timed(&meter, 3, &money(100, 41)).await;
    assert!(matches!(verdict, Ok(Verdict::Short(_))), "{verdict:?}");
    let settled = meter.settle(ReservationId(1), &money(100, 9), now()).await.unwrap();
    assert_eq!(settled.charges[0].after, 9);
    assert_eq!(meter.health().lost, 0);
}

#[tokio::test]
async fn a_server_that_has_forgotten_everything_does_not_make_money_anew() {
    let mut server = RedisServer::forgetful();
    let (gate, other) = (meter(&server.url()), meter(&server.url()));
    gate.up().await;
    other.up().await;
    assert!(taken(&timed(&gate, 1, &money(100, 100)).await));
    assert!(taken(&timed(&other, 2, &money(100, 0)).await));
    server.kill();
    server.run();
    until("the gate is connected", || gate.health().down.is_none());
    for id in 3..9 {
        let refused = timed(if id % 2 == 0 { &gate } else { &other }, id, &money(100, 1)).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert!(gate.health().lost + other.health().lost > 0);
    // How long that lasts is known and told: a minute for a window, and the rest of the period for money.
    let minute = Shape::Window { limit: 9, length: Duration::from_secs(60) };
    let minute = Arc::new(Rule::new("calls", Measure::Requests, minute));
    let calls = timed(&gate, 10, &[Draw::new(minute, "ann", 1)]).await.unwrap_err();
    let wait = calls.retry_after.expect("it is known").as_secs();
    assert!((50..=60).contains(&wait), "{wait}");
    // A gate that comes new learns it from the store.
    let fresh = meter(&server.url());
    fresh.up().await;
    assert!(timed(&fresh, 20, &money(100, 1)).await.is_err());
    // What counts only who is under way goes on.
    assert!(taken(&timed(&fresh, 21, &places(1)).await));
}

#[tokio::test]
async fn a_replica_is_not_written_to_and_a_promoted_one_is() {
    let primary = RedisServer::start(&[]);
    let (host, port) = ("127.0.0.1", primary.port.to_string());
    let replica = RedisServer::start(&["--replicaof", host, &port]);
    until("it follows", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
    let meter = meter(&replica.url());
    for id in 1..4 {
        assert!(timed(&meter, id, &money(100, 1)).await.is_err());
    }
    until("it is told", || meter.health().down.is_some_and(|why| why.contains("replica")));
    assert_eq!(replica.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
    recovers(&meter, 100, &money(100, 1)).await;
    assert_eq!(replica.cli(&["REPLICAOF", host, &port]), "OK");
    assert!(timed(&meter, 900, &money(100, 1)).await.is_err());
}

#[tokio::test]
async fn sentinels_lead_to_the_new_primary_after_a_failover() {
    let mut primary = RedisServer::start(&[]);
    let (host, port) = ("127.0.0.1", primary.port.to_string());
    let replica = RedisServer::start(&["--replicaof", host, &port]);
    until("it follows", || replica.cli(&["INFO", "replication"]).contains("link_status:up"));
    let sentinel = RedisSentinel::watch(&primary);
    let meter = meter(&sentinel.url());
    meter.up().await;
    assert!(taken(&timed(&meter, 1, &money(100, 60)).await));
    until("the replica has it", || replica.cli(&["DBSIZE"]) == primary.cli(&["DBSIZE"]));
    // The Sentinel must know the replica before it can lead to it.
    until("it is known", || {
        sentinel.cli(&["SENTINEL", "replicas", "main"]).contains(&replica.port.to_string())
    });
    primary.kill();
    assert!(timed(&meter, 2, &money(100, 1)).await.is_err());
    recovers(&meter, 100, &money(100, 0)).await;
    let verdict = timed(&meter, 999, &money(100, 41)).await;
    assert!(matches!(verdict, Ok(Verdict::Short(_))), "the money was forgotten: {verdict:?}");
}

#[tokio::test]
async fn a_slot_that_moves_to_another_node_is_followed() {
    let cluster = RedisCluster::start();
    let meter = meter(&cluster.url());
    meter.up().await;
    assert!(taken(&timed(&meter, 1, &money(100, 60)).await));
    let slot = cluster.nodes[0].cli(&["CLUSTER", "KEYSLOT", "{bartizan}"]);
    let holds = |node: &&RedisServer| node.cli(&["CLUSTER", "COUNTKEYSINSLOT", &slot]) != "0";
    let from = cluster.nodes.iter().find(holds).unwrap();
    let to = cluster.nodes.iter().find(|node| node.port != from.port).unwrap();
    let (from_id, to_id) = (from.cli(&["CLUSTER", "MYID"]), to.cli(&["CLUSTER", "MYID"]));
    to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    for key in from.cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).lines() {
        from.cli(&["MIGRATE", "127.0.0.1", &to.port.to_string(), key, "0", "5000"]);
    }
    for node in [to, from] {
        assert_eq!(node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]), "OK");
    }
    recovers(&meter, 100, &money(100, 0)).await;
    let verdict = timed(&meter, 999, &money(100, 41)).await;
    assert!(matches!(verdict, Ok(Verdict::Short(_))), "{verdict:?}");
}

#[tokio::test]
async fn a_full_server_refuses_and_has_changed_nothing() {
    let server = RedisServer::start(&[]);
    let meter = meter(&server.url());
    meter.up().await;
    assert!(taken(&timed(&meter, 1, &money(100, 40)).await));
    let before = server.cli(&["DBSIZE"]);
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    assert!(timed(&meter, 2, &money(100, 10)).await.is_err());
    assert_eq!(server.cli(&["DBSIZE"]), before);
    assert_eq!(server.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    assert!(taken(&timed(&meter, 3, &money(100, 60)).await), "something was taken");
}

/// A client that hangs up while the gate waits for Redis must not hold money for an hour.
#[tokio::test]
async fn a_call_that_is_dropped_half_way_holds_nothing() {
    let server = RedisServer::start(&[]);
    let meter = meter(&server.url());
    meter.up().await;
    let mut dropped = 0;
    for id in 1..60_u64 {
        let (id, draws, now) = (ReservationId(id.into()), places(1), now());
        let patience = Duration::from_micros(20 * u64::try_from(id.0).unwrap());
        let call = meter.reserve(id, &draws, now.plus(Duration::from_secs(3600)), now);
        match tokio::time::timeout(patience, call).await {
            // Whoever has an answer settles it.
            Ok(_) => drop(meter.settle(id, &places(0), now).await),
            Err(_) => dropped += 1,
        }
    }
    assert!(dropped > 0, "none was dropped");
    recovers(&meter, 1_000, &places(1)).await;
}

#[tokio::test]
async fn a_script_that_was_flushed_is_sent_again() {
    let server = RedisServer::start(&[]);
    let meter = meter(&server.url());
    meter.up().await;
    assert!(taken(&timed(&meter, 1, &money(100, 1)).await));
    assert_eq!(server.cli(&["SCRIPT", "FLUSH"]), "OK");
    assert!(taken(&timed(&meter, 2, &money(100, 1)).await));
}

#[tokio::test]
async fn a_user_of_the_acl_needs_no_more_than_its_keys_and_few_commands() {
    let server = RedisServer::start(&[]);
    let rules = "SETUSER gate on >geheim ~{bartizan}:* -@all +eval +evalsha +ping +get +set +del \
                 +hmget +hget +hset +hdel +pexpire +time +zrangebyscore +zadd +zrem +rpush +ltrim \
                 +lrange";
    let words: Vec<&str> = ["ACL"].into_iter().chain(rules.split_whitespace()).collect();
    assert_eq!(server.cli(&words), "OK");
    server.cli(&["ACL", "SETUSER", "default", "off"]);
    let url = format!("redis://gate:geheim@127.0.0.1:{}", server.port);
    let good = meter(&url);
    good.up().await;
    for id in 1..3 {
        assert!(taken(&timed(&good, id, &money(100, 10)).await));
    }
    good.depart(ReservationId(1), now()).await.unwrap();
    good.settle(ReservationId(1), &money(100, 9), now()).await.unwrap();
    good.expire(now()).await.unwrap();
    let bad = meter(&url.replace("geheim", "falsch"));
    let refused = timed(&bad, 9, &money(100, 1)).await.unwrap_err();
    assert!(!refused.reason.contains("falsch"), "{refused}");
}

/// A server that closes the connection on every call, after it has read it.
#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_is_no_hang() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(200) {
            let _ = stream.unwrap().read(&mut [0; 64]);
        }
    });
    let meter = meter(&format!("redis://127.0.0.1:{port}"));
    for id in 1..5 {
        assert!(timed(&meter, id, &money(100, 1)).await.is_err());
    }
}
