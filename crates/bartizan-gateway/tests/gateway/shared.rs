//! Do several gateways on one Redis keep the promises of one, and what do they do without it?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bartizan_testkit::postgres::PostgresServer;
use bartizan_testkit::redis::RedisServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::program::{PATIENCE, Program, command, until};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

/// What one answer of the model costs: 5 tokens in at $0.001, 7 out at $0.002.
pub(crate) const ANSWER: u64 = 19_000_000;
pub(crate) const DOLLAR: u64 = 1_000_000_000;

/// A gateway whose limits are in `redis`.
fn gateway(upstream: &Upstream, redis: &str, limits: &str) -> Program {
    Program::with(upstream.address, &[], |configuration| {
        configuration.replace("shared: memory", &format!("shared: \"{redis}\"")) + limits
    })
}

/// A gateway whose limits are in the one store and whose budgets are in the other.
pub(crate) fn fleet_gateway(
    upstream: &Upstream,
    redis: &str,
    database: &str,
    limits: &str,
    settle: &str,
) -> Program {
    Program::with(upstream.address, &[], |configuration| {
        let model = format!(
            "  - {{ path: \"/v1/{{*rest}}\", protocol: openai, public: true, upstream: {{ url: \"http://{}\" }} }}\n",
            upstream.address
        );
        let (before, after) = configuration.split_once("durable: \"sqlite:").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        let configuration = format!("{before}durable: \"{database}\"{after}")
            .replace("upstream: 5s", &format!("upstream: 2s, settle: {settle}"));
        configuration.replace("shared: memory", &format!("shared: \"{redis}\"")) + &model + limits
    })
}

const LIMITS: &str = "
limits:
  - { name: calls, by: global, rate: 100/minute, match: { path: \"/open/*\" } }
budgets:
  - { name: dollar, by: global, usd: 1.00, period: month, match: { path: \"/v1/*\" } }
prices:
  my-model: { input_per_million: 1000.00, output_per_million: 2000.00 }
";

/// The status of a call that costs money; 0 where nobody answers.
pub(crate) async fn pay(address: SocketAddr) -> u16 {
    talk(address, &paid_call(address)).await
}

/// A call that costs money.
pub(crate) fn paid_call(address: SocketAddr) -> String {
    let body =
        r#"{"model":"my-model","max_tokens":10,"messages":[{"role":"user","content":"well?"}]}"#;
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

pub(crate) async fn call(address: SocketAddr) -> u16 {
    let head = format!("GET /open/x HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    talk(address, &head).await
}

/// The status of an answer; 0 where nobody listens, or dies on the way.
async fn talk(address: SocketAddr, head: &str) -> u16 {
    let Ok(mut socket) = TcpStream::connect(address).await else { return 0 };
    let (mut answer, _) = (Vec::new(), socket.write_all(head.as_bytes()).await);
    let read = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "a request hangs");
    status(&String::from_utf8_lossy(&answer))
}

/// What reached the upstream: calls that cost money, and others.
pub(crate) fn reached(upstream: &Upstream) -> (usize, usize) {
    let seen = upstream.seen();
    let paid = seen.iter().filter(|seen| seen.target.ends_with("/chat/completions")).count();
    (paid, seen.len() - paid)
}

/// What the ledger says of the only budget, a dollar: settled and reserved.
pub(crate) fn spent(server: &PostgresServer, database: &str) -> (u64, u64) {
    let of = |account| {
        let sql = format!(
            "SELECT coalesce(sum(CASE WHEN credit = '{account}' THEN amount ELSE 0 END), 0) - \
             coalesce(sum(CASE WHEN debit = '{account}' THEN amount ELSE 0 END), 0) FROM ledger"
        );
        server.sql(database, &sql).parse().unwrap()
    };
    // A gateway has made the table when it is ready.
    (of("settled"), of("reserved"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_gateways_and_two_hundred_clients_spend_one_dollar_and_make_a_hundred_calls() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start(&[]));
    let server = PostgresServer::new();
    let database = server.database();
    let spent = || spent(&server, &database);
    let gateways: Vec<_> =
        (0..4).map(|_| fleet_gateway(&upstream, &redis.url(), &database, LIMITS, "10m")).collect();
    for gateway in &gateways {
        gateway.says("connected to Redis");
    }
    let mut clients = JoinSet::new();
    for client in 0..200_usize {
        let address = gateways[client % 4].address;
        clients.spawn(async move { [pay(address).await, call(address).await, pay(address).await] });
    }
    let mut statuses = BTreeMap::<u16, usize>::new();
    for status in clients.join_all().await.into_iter().flatten() {
        *statuses.entry(status).or_default() += 1;
    }
    let (paid, calls) = reached(&upstream);
    // Settlements come after the last byte of an answer.
    until(|| spent().1 == 0, || format!("{:?} {statuses:?}", spent()));
    let (settled, _) = spent();
    assert_eq!(settled, u64::try_from(paid).unwrap() * ANSWER, "{paid} calls {statuses:?}");
    assert!(settled <= DOLLAR, "overspent: {settled}");
    assert!(calls <= 100, "{calls} calls were admitted");
    assert!(statuses.keys().all(|status| [200, 429, 503].contains(status)), "{statuses:?}");
    // All of it can be used: what 200 clients leave, a patient one takes.
    let mut client = 0..;
    until(
        || reached(&upstream).1 == 100,
        || format!("{:?} of a hundred calls {statuses:?}", reached(&upstream)),
    );
    while spent().0 + 2 * ANSWER + 40_000_000 < DOLLAR {
        let next = client.next().unwrap();
        assert!(next < 200, "the dollar cannot be used: {:?}", spent());
        pay(gateways[next % 4].address).await;
    }
    assert!(spent().0 <= DOLLAR);
}

/// For how long gateways and stores are killed: for a minute at night.
pub(crate) fn chaos() -> Duration {
    let seconds = std::env::var("BARTIZAN_CHAOS_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(8))
}

/// What happens next, by chance. Real processes do nothing twice alike: no seed would bring it back.
pub(crate) struct Dice(usize);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = Instant::now().elapsed().subsec_nanos() ^ std::process::id();
        Self(usize::try_from(seed).unwrap().wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % bound
    }
}

/// What a gateway that is killed had reserved is charged three seconds after it was reserved.
const SOON: &str = "1s";

/// Gateways that are killed and started again, each time on other ports.
pub(crate) struct Fleet {
    upstream: Upstream,
    redis: String,
    database: String,
    limits: &'static str,
    gateways: Vec<Mutex<Program>>,
}

impl Fleet {
    pub(crate) fn start(
        many: usize,
        upstream: &Upstream,
        redis: &RedisServer,
        database: &str,
        limits: &'static str,
    ) -> Arc<Self> {
        let start = |_| Mutex::new(fleet_gateway(upstream, &redis.url(), database, limits, SOON));
        let (redis, database) = (redis.url(), database.to_owned());
        let gateways = (0..many).map(start).collect();
        Arc::new(Self { upstream: upstream.clone(), redis, database, limits, gateways })
    }

    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        self.gateways[number % self.gateways.len()].lock().unwrap().address
    }

    /// An operator puts a limit in the place of the configured one.
    fn allow(&self, limit: u64) {
        let file = self.gateways[0].lock().unwrap().file().display().to_string();
        let dollars = format!("{}.{:09}", limit / DOLLAR, limit % DOLLAR);
        let set = ["budgets", "set", "dollar", "--usd", &dollars, "--config", &file];
        let (code, _, error) = command(&set, "");
        assert_eq!(code, 0, "{error}");
    }

    /// Kills one, and starts another in its place.
    pub(crate) fn kill(&self, number: usize) {
        let fresh = fleet_gateway(&self.upstream, &self.redis, &self.database, self.limits, SOON);
        // What it replaces is killed where it stands.
        *self.gateways[number % self.gateways.len()].lock().unwrap() = fresh;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_overspent_while_gateways_and_stores_are_killed() {
    let (upstream, mut redis) = (Upstream::start().await, RedisServer::start(&[]));
    let mut server = PostgresServer::new();
    let database = server.database();
    let fleet = Fleet::start(4, &upstream, &redis, &database, LIMITS);
    let (end, mut clients) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for client in 0..50_usize {
        let (fleet, end) = (Arc::clone(&fleet), Arc::clone(&end));
        clients.spawn(async move {
            let mut turn = client;
            while !end.load(Ordering::Relaxed) {
                turn += 1;
                let address = fleet.address(turn);
                let status = if turn % 3 == 0 { call(address).await } else { pay(address).await };
                assert!([0, 200, 429, 503].contains(&status), "{status}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    let (begun, mut limit, mut dice) = (Instant::now(), DOLLAR, Dice::new());
    while begun.elapsed() < chaos() {
        let (settled, reserved) = spent(&server, &database);
        assert!(settled + reserved <= limit, "{settled} settled and {reserved} reserved");
        // A dollar is spent in a second. Calls shall be under way whenever something is killed, and
        // the budget as good as exhausted: an operator adds what ten of them cost.
        limit += 10 * ANSWER;
        fleet.allow(limit);
        match dice.below(4) {
            0 => {
                redis.kill();
                redis.run();
            }
            1 => {
                server.kill();
                server.start();
            }
            which => {
                let (fleet, which) = (Arc::clone(&fleet), which + dice.below(2) * 2);
                tokio::task::spawn_blocking(move || fleet.kill(which)).await.unwrap();
            }
        }
    }
    end.store(true, Ordering::Relaxed);
    clients.join_all().await;
    let (paid, calls) = reached(&upstream);
    let billed = u64::try_from(paid).unwrap() * ANSWER;
    let (settled, reserved) = spent(&server, &database);
    assert!(billed <= limit, "the provider bills {billed}");
    assert!(billed <= settled + reserved, "{billed} billed, {settled} + {reserved} known");
    assert!(settled + reserved <= limit);
    // What was added was used as well: the edge of the budget was met all the time.
    assert!(billed > DOLLAR && calls > 10, "little was tried: {paid} and {calls}");
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60 + 1).unwrap();
    assert!(calls <= 100 * minutes, "{calls} calls in {minutes} minutes");
}

async fn readiness(gateway: &Program) -> (u16, String) {
    let answer = ask(gateway.admin, "GET /readyz", &[]).await;
    (status(&answer), answer)
}

/// Asks and measures: whatever fails, it takes less than a second.
async fn asked(gateway: &Program, target: &str) -> u16 {
    let begun = Instant::now();
    let answer = ask(gateway.address, &format!("GET {target}"), &[]).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}: {answer}", begun.elapsed());
    if status(&answer) == 503 {
        assert!(answer.to_lowercase().contains("retry-after"), "{answer}");
        assert!(!answer.to_lowercase().contains("redis"), "it tells of the inside: {answer}");
    }
    status(&answer)
}

/// The roots of the machine vouch for Redis, and what they do not vouch for is no store.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_is_reached_over_tls_and_a_stranger_is_not_believed() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let file = |name: &str| folder.path().join(name).display().to_string();
    for name in ["own", "other"] {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(file(&format!("{name}.key")), made.signing_key.serialize_pem()).unwrap();
        std::fs::write(file(&format!("{name}.pem")), made.cert.pem()).unwrap();
    }
    let port = bartizan_testkit::redis::free_port().to_string();
    let (own, key) = (file("own.pem"), file("own.key"));
    let options = [
        ["--tls-port", &port],
        ["--tls-cert-file", &own],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &own],
        ["--tls-auth-clients", "no"],
        ["--requirepass", "geheim"],
    ];
    let redis = RedisServer::open_to(&options.concat(), "geheim");
    let url = format!("rediss://:geheim@localhost:{port}");
    let limits = "limits: [{ name: l, by: ip, rate: 5/minute }]\n";
    let start = |trusted: &str| {
        let change =
            |text: String| text.replace("shared: memory", &format!("shared: \"{url}\"")) + limits;
        Program::trusting(upstream.address, &[], change, Some(file(trusted).as_ref()))
    };
    let good = start("own.pem");
    recovers(&good).await;
    let bad = start("other.pem");
    assert_eq!(asked(&bad, "/open/x").await, 503);
    bad.says("Redis cannot be reached");
    assert!(!bad.log().contains("geheim") && !good.log().contains("geheim"), "{}", bad.log());
    drop(redis);
}

const EACH: &str = "
limits:
  - { name: closed, by: global, rate: 1000/minute, match: { path: \"/open/*\" } }
  - { name: local, by: global, rate: 2/minute, on_failure: local, match: { path: \"/api/*\" } }
  - { name: open, by: global, rate: 2/minute, on_failure: open, match: { path: /masked } }
";

/// What the gateway does while the store is down: each limit as it is written.
async fn does_as_is_written(gateway: &Program) {
    assert_eq!(asked(gateway, "/open/x").await, 503);
    for expected in [200, 200, 429, 429] {
        assert_eq!(asked(gateway, "/api/x").await, expected);
    }
    for _ in 0..4 {
        assert_eq!(asked(gateway, "/masked").await, 200);
    }
    let (code, text) = readiness(gateway).await;
    assert!(code == 503 && text.contains("shared store"), "{text}");
    let metrics = ask(gateway.admin, "GET /metrics", &[]).await;
    assert!(metrics.contains("\nbartizan_shared_store_up 0\n"), "{metrics}");
    assert!(metrics.contains("\nbartizan_degraded_decisions_total 8\n"), "{metrics}");
}

/// Recovery needs nobody.
async fn recovers(gateway: &Program) {
    let begun = Instant::now();
    while asked(gateway, "/open/x").await != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", gateway.log());
    }
    assert_eq!(readiness(gateway).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_that_starts_without_redis_refuses_until_it_comes() {
    let (upstream, mut redis) = (Upstream::start().await, RedisServer::start(&[]));
    redis.kill();
    let gateway = gateway(&upstream, &redis.url(), EACH);
    does_as_is_written(&gateway).await;
    redis.run();
    recovers(&gateway).await;
    // The local counters are not asked any more.
    assert_eq!(asked(&gateway, "/api/x").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_stops_answering_hangs_no_request() {
    let (upstream, redis) = (Upstream::start().await, RedisServer::start(&[]));
    let gateway = gateway(&upstream, &redis.url(), EACH);
    recovers(&gateway).await;
    redis.signal("STOP");
    does_as_is_written(&gateway).await;
    redis.signal("CONT");
    recovers(&gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gateway_whose_limits_are_all_open_stays_ready_without_redis() {
    let (upstream, mut redis) = (Upstream::start().await, RedisServer::start(&[]));
    let limits = "limits: [{ name: o, by: ip, rate: 1/minute, on_failure: open }]\n";
    let gateway = gateway(&upstream, &redis.url(), limits);
    recovers(&gateway).await;
    assert_eq!(asked(&gateway, "/open/x").await, 429);
    redis.kill();
    for _ in 0..3 {
        assert_eq!(asked(&gateway, "/open/x").await, 200);
    }
    let (code, text) = readiness(&gateway).await;
    assert!(code == 200 && text.contains("without the shared store"), "{text}");
}
