//! The program, started on ports of its own and stopped when the test is over.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bartizan_testkit::clock::TurnedClock;
use sha2::{Digest as _, Sha256};

/// The key of the caller `key:ci`, who holds `data:read` and, by assignment, the role `user`.
pub(crate) const KEY: &str = "btz-test-7f3a9c5d1e8b4026a1c3e5f708192a3b";

/// How long anything may take that should happen at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running program.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
    child: Child,
}

impl Program {
    /// Starts the program in front of `upstream`.
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        Self::with(upstream, &[], |configuration| configuration)
    }

    /// The same with other arguments, and a configuration that `change` makes of the usual one.
    pub(crate) fn with(
        upstream: SocketAddr,
        arguments: &[&str],
        change: impl FnOnce(String) -> String,
    ) -> Self {
        Self::trusting(upstream, arguments, change, None)
    }

    /// The same on a machine whose clock the test turns.
    pub(crate) fn with_clock(
        upstream: SocketAddr,
        change: impl FnOnce(String) -> String,
        clock: &TurnedClock,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.envs(clock.environment());
        Self::run(command, upstream, &[], change)
    }

    /// The same on a machine that trusts the certificates in a file.
    pub(crate) fn trusting(
        upstream: SocketAddr,
        arguments: &[&str],
        change: impl FnOnce(String) -> String,
        trusted: Option<&Path>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        Self::run(command, upstream, arguments, change)
    }

    /// Starts the program where it may open so many files and sockets: at first, and at the most.
    pub(crate) fn within(upstream: SocketAddr, soft: u32, hard: u32) -> Self {
        let limited = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_bartizan")]);
        Self::run(command, upstream, &[], |configuration| configuration)
    }

    fn run(
        mut command: Command,
        upstream: SocketAddr,
        arguments: &[&str],
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bartizan.yaml");
        std::fs::write(&file, change(configuration(upstream, folder.path()))).unwrap();
        let log = std::fs::File::create(folder.path().join("stderr")).unwrap();
        let mut child = command
            .args(["run", "--port", "0", "--admin-port", "0", "--config"])
            .arg(&file)
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |marker: &str| {
            let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains(marker));
            line.and_then(|line| address(&line)).unwrap_or_else(|| {
                panic!("{}", std::fs::read_to_string(folder.path().join("stderr")).unwrap())
            })
        };
        let (address, admin) = (next("listening on "), next("metrics on "));
        Self { address, admin, folder, child }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("bartizan.yaml")
    }

    /// What it has said on standard error.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// Waits until it has said something with `text` in it.
    pub(crate) fn says(&self, text: &str) {
        until(|| self.log().contains(text), || format!("no `{text}` in:\n{}", self.log()));
    }

    /// The records of the audit log.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        until(
            || {
                status = self.child.try_wait().unwrap();
                status.is_some()
            },
            || "the program does not end".to_owned(),
        );
        status.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is true, and says what is wrong if it never is.
pub(crate) fn until(mut is_true: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let began = Instant::now();
    while !is_true() {
        if began.elapsed() >= PATIENCE {
            panic!("{}", otherwise());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command to its end: exit code, standard output and standard error.
pub(crate) fn command(arguments: &[&str], input: &str) -> (i32, String, String) {
    use std::io::Write as _;
    let mut child = Command::new(env!("CARGO_BIN_EXE_bartizan"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let (mut out, mut error) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    (child.wait().unwrap().code().unwrap(), out, error)
}

pub(crate) fn configuration(upstream: SocketAddr, folder: &Path) -> String {
    let hash: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = folder.display();
    format!(
        r#"title: Test
server:
  max_request_size: 64KiB
  timeouts: {{ header: 1s, body: 1s, idle: 2s, upstream: 5s, drain: 10s }}
  trusted_proxies: [192.0.2.0/24]
store: {{ durable: "sqlite:{folder}/bartizan.db", shared: memory }}
audit: {{ destination: "file://{folder}/audit.jsonl", durability: batch }}
auth:
  api_keys:
    keys:
      - {{ id: ci, hash: "sha256:{hash}", subject: ci, scopes: ["data:read"] }}
access:
  roles: {{ user: {{ permissions: [{{ resource: "*", actions: ["*"] }}] }} }}
  assign: {{ "key:ci": [user] }}
endpoints:
  - path: "/open/{{*rest}}"
    verbs: [GET, HEAD, POST, PUT, DELETE, SUMMARIZE]
    public: true
    upstream: {{ url: "http://{upstream}" }}
  - path: "/api/{{*rest}}"
    verbs: [GET]
    public: true
    upstream: {{ url: "http://{upstream}/v1" }}
  - path: /rpc
    verbs: [POST]
    public: true
    upstream: {{ url: "http://{upstream}/mcp", credential: "upstream-secret" }}
  - path: /native
    verbs: [SUMMARIZE]
    public: true
    upstream: {{ url: "http://{upstream}", verbs: native }}
  - path: /guarded
    verbs: [GET, POST]
    scopes: ["data:read"]
    upstream: {{ url: "http://{upstream}" }}
  - path: /schema
    verbs: [POST]
    public: true
    schema: {{ type: object }}
    upstream: {{ url: "http://{upstream}" }}
  - path: /masked
    verbs: [GET]
    public: true
    pii: {{ response: {{ detect: [EMAIL], action: mask }} }}
    upstream: {{ url: "http://{upstream}" }}
"#
    )
}

/// The usual configuration with these endpoints in place of its own; other keys may stand before them.
pub(crate) fn with_endpoints(usual: &str, endpoints: &str) -> String {
    let lines = usual.split_inclusive('\n');
    lines.take_while(|line| !line.starts_with("endpoints:")).chain([endpoints]).collect()
}

fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("://")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && !".:[]".contains(c)).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
