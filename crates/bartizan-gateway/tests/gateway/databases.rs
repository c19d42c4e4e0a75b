//! What becomes of money when its PostgreSQL is full, slow, replaced by another, or a stranger?

use std::time::{Duration, Instant};

use bartizan_testkit::clock::TurnedClock;
use bartizan_testkit::postgres::PostgresServer;
use bartizan_testkit::proxy::Proxy;

use crate::program::{Program, command, until};
use crate::shared::{ANSWER, fleet_gateway, pay, reached, spent};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

const MONEY: &str = "
budgets:
  - { name: money, by: global, usd: 1000.00, period: month, match: { path: \"/v1/*\" } }
prices:
  my-model: { input_per_million: 1000.00, output_per_million: 2000.00 }
";

fn gateway(upstream: &Upstream, database: &str) -> Program {
    fleet_gateway(upstream, "memory", database, MONEY, "10m")
}

/// Whether a call was let through. One that is not is told so in less than a second.
async fn pays(gateway: &Program) -> bool {
    let begun = Instant::now();
    let status = pay(gateway.address).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{status} after {:?}", begun.elapsed());
    assert!([200, 503].contains(&status), "{status}: {}", gateway.log());
    status == 200
}

/// Calls until it is so.
async fn pays_until(gateway: &Program, wanted: bool) {
    let begun = Instant::now();
    while pays(gateway).await != wanted {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", gateway.log());
    }
}

/// Calls that are all refused, and reach nobody.
async fn admits_nobody(gateway: &Program, upstream: &Upstream) {
    let before = reached(upstream).0;
    for _ in 0..5 {
        assert!(!pays(gateway).await, "a call was admitted that nobody can count");
    }
    assert_eq!(reached(upstream).0, before);
    let readiness = || async { status(&ask(gateway.admin, "GET /readyz", &[]).await) };
    let begun = Instant::now();
    while readiness().await != 503 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it calls itself ready");
    }
}

/// Nothing is reserved any more, and what is settled is what was paid.
fn is_exact(upstream: &Upstream, server: &PostgresServer, database: &str) {
    until(|| spent(server, database).1 == 0, || format!("{:?}", spent(server, database)));
    let paid = u64::try_from(reached(upstream).0).unwrap();
    assert_eq!(spent(server, database).0, paid * ANSWER, "{paid} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_under_postgres_admits_nobody_until_there_is_room_and_loses_nothing() {
    let (upstream, mut server) = (Upstream::start().await, PostgresServer::on_a_disk_of(64));
    let database = server.database();
    let gateway = gateway(&upstream, &database);
    assert!(pays(&gateway).await);
    server.fill_the_disk();
    // There may be room for some calls more in what the server has reached out for already.
    pays_until(&gateway, false).await;
    admits_nobody(&gateway, &upstream).await;
    let said = server.log();
    assert!(said.contains("No space left on device"), "{said}");
    server.free_the_disk();
    // Where it could not go on without its log it has ended, as it does: its keeper starts it again.
    until(|| server.is_up() || server.has_given_up(), || "it hangs".to_owned());
    if server.has_given_up() {
        server.start();
    }
    pays_until(&gateway, true).await;
    is_exact(&upstream, &server, &database);
    let file = gateway.file().display().to_string();
    assert_eq!(command(&["budgets", "verify", "--config", &file], "").0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_that_is_promoted_is_found_without_a_restart_and_knows_what_was_spent() {
    let (upstream, mut primary) = (Upstream::start().await, PostgresServer::new());
    let standby = primary.standby();
    primary.waits_for_its_standby();
    let database = primary.database();
    let name = database.rsplit('/').next().unwrap().to_owned();
    let both = format!(
        "postgres://bartizan@127.0.0.1:{},127.0.0.1:{}/{name}?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    let gateway = gateway(&upstream, &both);
    for _ in 0..3 {
        assert!(pays(&gateway).await);
    }
    primary.kill();
    pays_until(&gateway, false).await;
    admits_nobody(&gateway, &upstream).await;
    standby.sql("postgres", "SELECT pg_promote()");
    pays_until(&gateway, true).await;
    gateway.says("another PostgreSQL server leads now");
    is_exact(&upstream, &standby, &name);
    // What is not money goes by other connections, and these follow.
    let file = gateway.file().display().to_string();
    let (code, said, error) = command(&["budgets", "verify", "--config", &file], "");
    assert_eq!(code, 0, "{said}{error}");
    let listed = command(&["keys", "list", "--config", &file], "");
    assert_eq!(listed.0, 0, "{}", listed.2);
}

/// An address that moves with its service, as a virtual one does: behind it stands a server that
/// only answers questions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_behind_the_same_address_admits_nobody_until_it_is_promoted() {
    let (upstream, mut primary) = (Upstream::start().await, PostgresServer::new());
    let standby = primary.standby();
    primary.waits_for_its_standby();
    let database = primary.database();
    let name = database.rsplit('/').next().unwrap().to_owned();
    let way = Proxy::to(primary.port());
    let url = format!("postgres://bartizan@127.0.0.1:{}/{name}", way.port);
    let gateway = gateway(&upstream, &url);
    assert!(pays(&gateway).await);
    way.lead_to(standby.port());
    pays_until(&gateway, false).await;
    admits_nobody(&gateway, &upstream).await;
    gateway.says("read-only transaction");
    primary.kill();
    standby.sql("postgres", "SELECT pg_promote()");
    pays_until(&gateway, true).await;
    is_exact(&upstream, &standby, &name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_postgres_that_answers_slowly_is_waited_for_a_while_and_no_longer() {
    let (upstream, server) = (Upstream::start().await, PostgresServer::new());
    let (database, way) = (server.database(), Proxy::to(server.port()));
    let name = database.rsplit('/').next().unwrap().to_owned();
    let url = format!("postgres://bartizan@127.0.0.1:{}/{name}", way.port);
    let gateway = gateway(&upstream, &url);
    assert!(pays(&gateway).await);
    way.slow(Duration::from_millis(20));
    assert!(pays(&gateway).await, "slow, and in time");
    // Each answer comes, and all of them together come too late.
    way.slow(Duration::from_millis(300));
    admits_nobody(&gateway, &upstream).await;
    way.slow(Duration::ZERO);
    pays_until(&gateway, true).await;
    is_exact(&upstream, &server, &name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_is_reached_over_tls_and_a_stranger_is_not_believed() {
    let upstream = Upstream::start().await;
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let server = PostgresServer::over_tls(&own.cert.pem(), &own.signing_key.serialize_pem());
    let database = server.database();
    let name = database.rsplit('/').next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let url = |host: &str, mode: &str, roots: &rcgen::Certificate, file: &str| {
        let file = folder.path().join(file);
        std::fs::write(&file, roots.pem()).unwrap();
        let (port, file) = (server.port(), file.display());
        format!("postgres://bartizan:geheim@{host}:{port}/{name}?sslmode={mode}&sslrootcert={file}")
    };
    let good = gateway(&upstream, &url("localhost", "verify-full", &own.cert, "own.pem"));
    assert!(pays(&good).await);
    let over = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE ssl AND application_name = 'bartizan'";
    assert_ne!(server.sql("postgres", over), "0");
    is_exact(&upstream, &server, &name);
    let file = good.file();
    let usual = std::fs::read_to_string(&file).unwrap();
    let refused = |url: &str| {
        let (before, after) = usual.split_once("durable: \"").unwrap();
        let (_, after) = after.split_once('"').unwrap();
        let changed = folder.path().join("changed.yaml");
        std::fs::write(&changed, format!("{before}durable: \"{url}\"{after}")).unwrap();
        let changed = changed.display().to_string();
        let (code, _, error) = command(&["run", "--port", "0", "--config", &changed], "");
        assert_ne!(code, 0, "{url} was believed");
        assert!(!error.contains("geheim"), "{error}");
        error
    };
    let stranger = refused(&url("localhost", "verify-full", &other.cert, "other.pem"));
    assert!(stranger.contains("certificate") && stranger.contains("sslrootcert"), "{stranger}");
    let misnamed = refused(&url("127.0.0.1", "verify-full", &own.cert, "own.pem"));
    assert!(misnamed.contains("certificate"), "{misnamed}");
    let open = refused(&url("localhost", "disable", &own.cert, "own.pem"));
    assert!(open.contains("no encryption"), "{open}");
}

/// The machine of the database is told another time. Its clock decides on periods.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clock_of_postgres_that_is_set_back_makes_no_money() {
    const DAILY: &str = "
budgets:
  - { name: money, by: global, requests: 3, period: day, match: { path: \"/v1/*\" } }
";
    let upstream = Upstream::start().await;
    let server = PostgresServer::with_clock(TurnedClock::new());
    let gateway = fleet_gateway(&upstream, "memory", &server.database(), DAILY, "10m");
    for _ in 0..3 {
        assert_eq!(pay(gateway.address).await, 200);
    }
    for days in [-1, -400, 0] {
        server.clock().turn(days * 86_400);
        for _ in 0..3 {
            assert_eq!(pay(gateway.address).await, 429, "{days} days ahead");
        }
    }
    server.clock().turn(86_400);
    assert_eq!(pay(gateway.address).await, 200);
}

/// What passwords may be, made by a machine or by a person who knows no address: one word of it is
/// looked for in everything that is said.
const WORD: &str = "qzxwvkjy";
const PASSWORDS: &[&str] = &[
    "4711/{}",
    "a@{}/b",
    "4711?host={}&x=1",
    "{}#x",
    "#{}",
    "{}?",
    "{}@",
    "@{}",
    "a:{}@b",
    "100%{}",
    "%2{}",
    "{} x",
    "[{}]",
    "x]:1/{}",
    "4711,{}",
    "\u{e4}{}",
    "a\\{}",
    "a\"{}",
    "{}&sslmode=x",
    "a@{}:1/b?tag=c",
    "/{}",
    "://{}@",
    "a?password={}",
    "1/{}?options=-c",
    "{}%00",
    "?sslrootcert={}&",
    "a\t{}",
    "!$&'()*+,;=-._~:{}",
];

#[test]
fn no_part_of_a_password_is_told_whatever_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let said = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_bartizan"));
        let program = program.args(arguments).args(["--config"]).arg(folder.path().join("b.yaml"));
        let program = program.env("RUST_LOG", "trace").envs(environment.iter().copied());
        let output = program.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let letters: Vec<char> = WORD.chars().collect();
        for part in letters.windows(4) {
            let part: String = part.iter().collect();
            assert!(!said.contains(&part), "{arguments:?} {environment:?}: {said}");
        }
        (output.status.code(), said)
    };
    let write = |stores: &str| {
        let audit = format!("audit: {{ destination: \"file://{at}/audit.jsonl\" }}\n");
        let endpoint = "endpoints: [{ path: /x, verbs: [GET], public: true, upstream: { url: \"http://127.0.0.1:9\" } }]\n";
        std::fs::write(folder.path().join("b.yaml"), format!("{audit}{endpoint}{stores}")).unwrap();
    };
    for password in PASSWORDS {
        let password = &*password.replace("{}", WORD);
        let sound = password.starts_with("!$")
            || password.starts_with("4711,")
            || password.ends_with("&sslmode=x");
        let refused = |(code, said): (Option<i32>, String)| {
            assert!(code == Some(2), "{password}: {said}");
            assert_eq!(said.contains("percent-encoded"), !sound, "{password}: {said}");
        };
        // Nobody listens there.
        write("store: { durable: \"postgres://bartizan:${PW}@127.0.0.1:1/bartizan\" }\n");
        let checked = said(&["check"], &[("PW", password)]);
        assert_eq!(checked.0 == Some(0), sound, "{password}: {}", checked.1);
        refused(said(&["run"], &[("PW", password)]));
        refused(said(&["keys", "list"], &[("PW", password)]));
        write("");
        let url = format!("postgres://bartizan:{password}@127.0.0.1:1/bartizan");
        refused(said(&["keys", "list"], &[("DATABASE_URL", &url)]));
        for shape in ["redis://u:${PW}@127.0.0.1:1/0", "redis+sentinel://:${PW}@127.0.0.1:1/main"] {
            write(&format!(
                "store: {{ durable: \"postgres://127.0.0.1:1/x\", shared: \"{shape}\" }}\n"
            ));
            let checked = said(&["check"], &[("PW", password)]);
            assert_eq!(checked.0 == Some(0), sound, "{password}: {}", checked.1);
            refused(said(&["run"], &[("PW", password)]));
        }
    }
}
