//! Is Redis there, and which server may write? One connection, kept up by one task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan_core::limit::Unavailable;
use bartizan_core::time::{Repeated, Timestamp};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, ServerErrorKind, Value,
};
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::address::{Address, Found};
use super::script::{SOURCE, Script, Words, request};

/// How long a call may take in all, with everything that is tried again.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);
/// How long a connection may take: name, TCP, TLS, login, and a first answer.
const CONNECTING: Duration = Duration::from_millis(1_000);
/// A line that has been down for longer is not waited for.
const FRESHLY_DOWN: Duration = Duration::from_millis(500);
/// How long to wait before the next try, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));
/// How often a line that is up is asked whether it is, so that readiness is known without calls.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How many calls may be under way.
const AT_ONCE: usize = 1024;

/// The connection to the server that may write. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Line {
    state: Arc<watch::Sender<State>>,
    script: Script,
    patience: Duration,
    keeper: AbortHandle,
}

/// How the line stands.
#[derive(Clone)]
enum State {
    Down { why: Arc<str>, since: Instant },
    Up { connection: MultiplexedConnection, serial: u64 },
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Down { why, .. } => write!(f, "Down({why})"),
            Self::Up { serial, .. } => write!(f, "Up({serial})"),
        }
    }
}

impl Line {
    /// Begins to connect, and goes on until dropped. A call takes at most as long as `patience`.
    pub(super) fn open(address: Address, patience: Duration) -> Self {
        let state = State::Down { why: "not connected yet".into(), since: Instant::now() };
        let state = Arc::new(watch::Sender::new(state));
        let keeper = tokio::spawn(keep(address, Arc::clone(&state))).abort_handle();
        Self { state, script: Script::new(), patience, keeper }
    }

    /// Why it is down; nothing while it is up.
    pub(super) fn down(&self) -> Option<Arc<str>> {
        match &*self.state.borrow() {
            State::Down { why, .. } => Some(Arc::clone(why)),
            State::Up { .. } => None,
        }
    }

    /// Waits until it is up.
    pub(super) async fn up(&self) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`: this never fails.
        let _ = state.wait_for(|state| matches!(state, State::Up { .. })).await;
    }

    /// Calls the script, and again on another connection where that helps: it knows what it has
    /// done. It ends in time.
    pub(super) async fn call(&self, words: &Words) -> Result<Value, Unavailable> {
        let mut used = 0;
        match timeout(self.patience, self.tries(words, &mut used)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.broken(used, "it does not answer in time");
                Err(Unavailable::new("Redis does not answer in time"))
            }
        }
    }

    async fn tries(&self, words: &Words, used: &mut u64) -> Result<Value, Unavailable> {
        loop {
            let (mut connection, serial) = self.connection().await?;
            *used = serial;
            match self.script.call(&mut connection, words).await {
                Ok(answer) => return Ok(answer),
                Err(error) if is_elsewhere(&error) => self.broken(serial, &error.to_string()),
                Err(error) => return Err(Unavailable::new(format!("Redis refuses: {error}"))),
            }
        }
    }

    /// The connection; one that has just broken is waited for.
    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Unavailable> {
        let mut state = self.state.subscribe();
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                State::Up { connection, serial } => return Ok((connection, serial)),
                State::Down { why, since } if since.elapsed() > FRESHLY_DOWN => {
                    return Err(Unavailable::new(format!("Redis is down: {why}")));
                }
                State::Down { .. } => {
                    let gone = |_| Unavailable::new("Redis is not used any more");
                    state.changed().await.map_err(gone)?;
                }
            }
        }
    }

    fn broken(&self, serial: u64, why: &str) {
        broken(&self.state, serial, why);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Takes a connection out of use, unless another has taken its place.
fn broken(state: &watch::Sender<State>, serial: u64, why: &str) {
    state.send_if_modified(|state| {
        let same = matches!(state, State::Up { serial: up, .. } if *up == serial);
        if same {
            tracing::warn!(why, "the connection to Redis broke");
            *state = State::Down { why: why.into(), since: Instant::now() };
        }
        same
    });
}

/// Another connection may do what this one did not: the server is gone, does not lead any more, or
/// has not woken up yet.
fn is_elsewhere(error: &RedisError) -> bool {
    use ServerErrorKind as Kind;
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            Kind::Moved
                | Kind::Ask
                | Kind::ReadOnly
                | Kind::ClusterDown
                | Kind::MasterDown
                | Kind::BusyLoading
                | Kind::TryAgain
        ),
        _ => error.is_connection_dropped() || error.is_io_error() || error.is_timeout(),
    }
}

/// Connects, waits until that breaks, and connects again.
async fn keep(address: Address, state: Arc<watch::Sender<State>>) {
    let (mut serial, mut pause) = (0, BACKOFF.0);
    let (begun, mut down) = (Instant::now(), Repeated::default());
    loop {
        match timeout(CONNECTING, connect(&address)).await.unwrap_or_else(|_| Err(silent())) {
            Ok(connection) => {
                serial += 1;
                pause = BACKOFF.0;
                down = Repeated::default();
                tracing::info!(%address, serial, "connected to Redis");
                state.send_replace(State::Up { connection, serial });
                watch_over(&state, serial).await;
            }
            Err(error) => {
                let why = Arc::from(reason(&address, &error));
                state.send_if_modified(|state| fails(state, &why));
                if let Some(untold) = down.again(Timestamp::default().plus(begun.elapsed())) {
                    tracing::warn!(%address, error = &*why, untold, "Redis cannot be reached");
                }
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// Why it is not reached. A server without TLS waits for the end of what it takes for a command.
fn reason(address: &Address, error: &RedisError) -> String {
    let silent = error.is_timeout() || error.is_io_error();
    if address.tls && silent {
        format!("{error}; does it speak TLS there? `redis://` instead of `rediss://` does without")
    } else {
        error.to_string()
    }
}

/// Keeps the reason up to date, and since when it is down. Nobody needs to be woken for that.
fn fails(state: &mut State, reason: &Arc<str>) -> bool {
    if let State::Down { why, .. } = state {
        *why = Arc::clone(reason);
    }
    false
}

/// Returns when this connection is not in use any more.
async fn watch_over(state: &watch::Sender<State>, serial: u64) {
    let mut changes = state.subscribe();
    loop {
        let now = changes.borrow_and_update().clone();
        let State::Up { mut connection, serial: up } = now else { return };
        if up != serial {
            return;
        }
        if timeout(HEARTBEAT, changes.changed()).await.is_ok() {
            continue;
        }
        let beat = timeout(PATIENCE, leads(&mut connection)).await;
        if let Err(error) = beat.unwrap_or_else(|_| Err(silent())) {
            broken(state, serial, &error.to_string());
        }
    }
}

fn silent() -> RedisError {
    (ErrorKind::Io, "it does not answer in time").into()
}

async fn ping(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    request(connection, &redis::cmd("PING")).await.map(drop)
}

/// Whether it is awake and may write. A user who may not ask for the role learns it by writing.
async fn leads(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    ping(connection).await?;
    let role = request(connection, &redis::cmd("ROLE")).await;
    let Ok(Value::Array(role)) = role else { return Ok(()) };
    let role: String = role
        .into_iter()
        .next()
        .and_then(|role| redis::from_redis_value(role).ok())
        .unwrap_or_default();
    if role == "slave" {
        return Err((ErrorKind::Client, "it is a replica, which may not write").into());
    }
    Ok(())
}

/// A connection to the server that may write, which has answered once.
async fn connect(address: &Address) -> Result<MultiplexedConnection, RedisError> {
    let mut last: RedisError = (ErrorKind::Client, "there is no server to ask").into();
    for (host, port) in &address.nodes {
        let found = match &address.found {
            Found::There => lead(address, host, *port).await,
            Found::BySlot => by_slot(address, host, *port).await,
            Found::BySentinel(name) => by_sentinel(address, host, *port, name).await,
        };
        match found {
            Ok(connection) => return Ok(connection),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Who is logged in to.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Login {
    /// The server, with user and password.
    Server,
    /// A Sentinel, which holds nothing and knows no passwords here.
    Sentinel,
}

async fn reach(
    address: &Address,
    host: &str,
    port: u16,
    login: Login,
) -> Result<MultiplexedConnection, RedisError> {
    let host = host.to_owned();
    let place = if address.tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut entry = RedisConnectionInfo::default().set_skip_set_lib_name();
    if login == Login::Server {
        entry = entry.set_db(address.database);
        if let Some(user) = &address.user {
            entry = entry.set_username(user);
        }
        if let Some(password) = &address.password {
            entry = entry.set_password(password.expose_secret());
        }
    }
    let client = Client::open(place.into_connection_info()?.set_redis_settings(entry))?;
    // Every call has a deadline of its own, which is shorter.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(Some(CONNECTING))
        .set_concurrency_limit(AT_ONCE);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    // A server that accepts and says nothing is none.
    timeout(CONNECTING / 2, ping(&mut connection)).await.unwrap_or_else(|_| Err(silent()))?;
    Ok(connection)
}

/// A connection to a server that may write.
async fn lead(
    address: &Address,
    host: &str,
    port: u16,
) -> Result<MultiplexedConnection, RedisError> {
    let mut connection = reach(address, host, port, Login::Server).await?;
    leads(&mut connection).await?;
    // Not every call shall carry the script at first. A server that refuses this is told then.
    let mut load = redis::cmd("SCRIPT");
    let loaded = request(&mut connection, load.arg("LOAD").arg(SOURCE)).await;
    tracing::trace!(?loaded, "script");
    advise(&mut connection).await;
    Ok(connection)
}

/// Says what of the server's configuration forgets counts. A user who may not ask is not told.
async fn advise(connection: &mut MultiplexedConnection) {
    let Ok(info) = request(connection, &redis::cmd("INFO")).await else { return };
    let info: String = redis::from_redis_value(info).unwrap_or_default();
    let says = |line: &str| info.lines().any(|other| other.trim() == line);
    if says("aof_enabled:0") {
        tracing::warn!(
            "Redis keeps nothing when it stops (`appendonly no`): limits then refuse until that cannot matter any more"
        );
    }
    if !says("maxmemory:0")
        && !says("maxmemory_policy:noeviction")
        && info.contains("maxmemory_policy:")
    {
        tracing::warn!(
            "Redis evicts keys when it is full: set `maxmemory-policy noeviction`, or it forgets limits"
        );
    }
}

/// The primary of the slot that holds the keys, by the word of one node.
async fn by_slot(
    address: &Address,
    host: &str,
    port: u16,
) -> Result<MultiplexedConnection, RedisError> {
    let mut node = reach(address, host, port, Login::Server).await?;
    let mut ask = redis::cmd("CLUSTER");
    let ask = ask.arg("KEYSLOT").arg(format!("{{{}}}", address.tag));
    let slot = request(&mut node, ask);
    let slot: i64 = redis::from_redis_value(slot.await?)?;
    let mut ask = redis::cmd("CLUSTER");
    let slots = request(&mut node, ask.arg("SLOTS")).await?;
    match primary_of(&slots, slot) {
        Some((primary, at)) if !primary.is_empty() => lead(address, &primary, at).await,
        // A node that does not know its own name means the one that was asked.
        Some((_, at)) => lead(address, host, at).await,
        None => {
            Err((ErrorKind::Client, "the Cluster has no primary for the slot of the keys").into())
        }
    }
}

/// Host and port of the primary of a slot, from the answer to `CLUSTER SLOTS`: first slot, last
/// slot, primary, replicas; a node is its host, its port, and more.
fn primary_of(slots: &Value, slot: i64) -> Option<(String, u16)> {
    let Value::Array(ranges) = slots else { return None };
    ranges.iter().find_map(|range| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &**range else {
            return None;
        };
        let [host, Value::Int(port), ..] = &**primary else { return None };
        let host = redis::from_redis_value(host.clone()).unwrap_or_default();
        let port = u16::try_from(*port).ok()?;
        (first..=last).contains(&&slot).then_some((host, port))
    })
}

/// The primary by the word of one Sentinel.
async fn by_sentinel(
    address: &Address,
    host: &str,
    port: u16,
    name: &str,
) -> Result<MultiplexedConnection, RedisError> {
    let mut sentinel = reach(address, host, port, Login::Sentinel).await?;
    let mut ask = redis::cmd("SENTINEL");
    let ask = ask.arg("get-master-addr-by-name").arg(name);
    let answer = request(&mut sentinel, ask).await?;
    let found: Option<(String, u16)> = redis::from_redis_value(answer)?;
    match found {
        Some((primary, at)) => lead(address, &primary, at).await,
        None => Err((ErrorKind::Client, "the Sentinel watches nothing of that name").into()),
    }
}
