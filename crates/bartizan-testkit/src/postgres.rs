//! A real PostgreSQL server for a test: on a free port, in a temporary folder, gone with the test.
//!
//! It needs Debian's package `postgresql`, which `cargo xtask test` installs.

#![expect(clippy::expect_used, reason = "a test without its server may panic")]

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::clock::TurnedClock;
use crate::disk::Disk;

/// A running server.
#[derive(Debug)]
pub struct PostgresServer {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
    databases: AtomicU32,
    options: Vec<String>,
    clock: Option<TurnedClock>,
    disk: Option<Disk>,
}

/// The user `nobody`: the server refuses to run as root.
pub(crate) const NOBODY: u32 = 65_534;
/// How long a server may take to begin.
const PATIENCE: Duration = Duration::from_secs(120);

#[expect(clippy::new_without_default, reason = "starting a server is nothing by default")]
impl PostgresServer {
    /// Makes a server and starts it.
    ///
    /// # Panics
    /// If there is none on the machine, or it does not start.
    #[must_use]
    pub fn new() -> Self {
        Self::made(Self::unmade())
    }

    /// The same with a clock that the test turns.
    ///
    /// # Panics
    /// As [`PostgresServer::new`].
    #[must_use]
    pub fn with_clock(clock: TurnedClock) -> Self {
        let mut server = Self::unmade();
        server.clock = Some(clock);
        Self::made(server)
    }

    /// The same on a disk of its own, of so many megabytes: 64 leave room for little.
    ///
    /// # Panics
    /// As [`PostgresServer::new`], or if the disk cannot be made.
    #[must_use]
    pub fn on_a_disk_of(megabytes: u32) -> Self {
        let mut server = Self::unmade();
        server.disk = Some(Disk::mount(&server.folder.path().join("disk"), megabytes));
        Self::made(server)
    }

    /// The same, and it speaks to nobody but over TLS: with this certificate and key, as PEM.
    ///
    /// # Panics
    /// As [`PostgresServer::new`].
    #[must_use]
    pub fn over_tls(certificate: &str, key: &str) -> Self {
        let mut server = Self::unmade();
        server.options.push("ssl=on".to_owned());
        for (name, text) in [("cert", certificate), ("key", key)] {
            let path = server.folder.path().join(format!("{name}.pem"));
            std::fs::write(&path, text).expect("a file");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
            if is_root() {
                chown(&path, Some(NOBODY), Some(NOBODY)).expect("its owner");
            }
            server.options.push(format!("ssl_{name}_file={}", path.display()));
        }
        server.initialise();
        let only = "hostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(server.data().join("pg_hba.conf"), only).expect("who may come in");
        server.begin()
    }

    /// A server that follows this one: it has what this one commits, and answers questions only.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn standby(&self) -> Self {
        let standby = Self::unmade();
        let made = standby
            .command("pg_basebackup")
            .args(["-h", "127.0.0.1", "-U", "bartizan", "-p", &self.port.to_string()])
            .args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf"])
            .arg("--pgdata")
            .arg(standby.data())
            .output()
            .expect("pg_basebackup runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        standby.begin()
    }

    /// From now on nothing is committed here that a standby does not have, too.
    ///
    /// # Panics
    /// If it cannot be told so.
    pub fn waits_for_its_standby(&self) {
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        let state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        let begun = Instant::now();
        while self.sql("postgres", state) != "1" {
            assert!(begun.elapsed() < PATIENCE, "no standby follows: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn unmade() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("a folder of its own");
        }
        let (port, child, databases) = (0, None, AtomicU32::new(0));
        Self { folder, port, child, databases, options: Vec::new(), clock: None, disk: None }
    }

    fn made(server: Self) -> Self {
        server.initialise();
        server.begin()
    }

    fn initialise(&self) {
        let made = self
            .command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=bartizan", "--encoding=UTF8"])
            .args(["--locale=C", "--wal-segsize=1", "--pgdata"])
            .arg(self.data())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn begin(mut self) -> Self {
        self.port = free_port();
        self.start();
        self
    }

    /// Starts it again where it was stopped or killed, on the same port and data.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a log");
        let port = self.port.to_string();
        let options = ["fsync=off", "max_connections=200", "min_wal_size=2MB", "max_wal_size=4MB"];
        let options = options.into_iter().chain(self.options.iter().map(String::as_str));
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &port, "-k", ""])
            .args(options.flat_map(|option| ["-c", option]))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("postgres starts"));
        let begun = Instant::now();
        while !self.answers() {
            assert!(begun.elapsed() < PATIENCE, "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether its process has ended by itself.
    pub fn has_given_up(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|end| end.is_some()))
    }

    /// The clock it was started with.
    ///
    /// # Panics
    /// If it goes by the machine's.
    #[must_use]
    pub fn clock(&self) -> &TurnedClock {
        self.clock.as_ref().expect("a clock of its own")
    }

    /// Leaves no room on the disk it was made on.
    ///
    /// # Panics
    /// If it was made on no disk of its own.
    pub fn fill_the_disk(&self) {
        self.disk.as_ref().expect("a disk of its own").fill();
    }

    /// Makes room again.
    ///
    /// # Panics
    /// If it was made on no disk of its own.
    pub fn free_the_disk(&self) {
        self.disk.as_ref().expect("a disk of its own").free();
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it at once, without a farewell: as a power cut would.
    pub fn kill(&mut self) {
        // SIGQUIT reaches all of its processes; SIGKILL would leave them to themselves.
        self.signal("-QUIT");
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// Stops the server and all its processes in the middle of what they do: it accepts, and says
    /// nothing.
    pub fn freeze(&self) {
        self.signal_all("-STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal_all("-CONT");
    }

    /// The address of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://bartizan@127.0.0.1:{}/{database}", self.port)
    }

    /// A database of its own, with nothing in it: its address.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Runs a statement as `psql` does; what it printed.
    ///
    /// # Panics
    /// If it fails.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let url = if database.contains("://") { database.to_owned() } else { self.url(database) };
        let done = Command::new(program("psql")).args(["-qAtX", &url, "-c", sql]).output();
        let done = done.expect("psql runs");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn answers(&self) -> bool {
        let url = self.url("postgres");
        let asked = Command::new(program("psql")).args(["-qAtX", &url, "-c", "SELECT 1"]).output();
        asked.is_ok_and(|asked| asked.status.success())
    }

    /// Whether it answers: it may be recovering, or have given up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.answers()
    }

    fn data(&self) -> PathBuf {
        let disk = if self.disk.is_some() { "disk/data" } else { "data" };
        self.folder.path().join(disk)
    }

    /// What it has said since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A program of the server, as somebody who is not root.
    fn command(&self, name: &str) -> Command {
        let mut command = match &self.disk {
            Some(disk) => disk.command(program(name)),
            None => {
                let mut command = Command::new(program(name));
                if is_root() {
                    command.uid(NOBODY).gid(NOBODY);
                }
                command
            }
        };
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.clock.iter().flat_map(TurnedClock::environment));
        command
    }

    fn signal(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            let _ = Command::new("kill").args([signal, &pid.to_string()]).status();
        }
    }

    fn signal_all(&self, signal: &str) {
        let Some(pid) = self.pid() else { return };
        self.signal(signal);
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            let _ = Command::new("kill").args([signal, child]).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}

/// Where Debian puts the programs of the newest server; else as the path finds them.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|p| p.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

pub(crate) fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(
        &std::fs::metadata(Path::new("/proc/self")).expect("a process"),
    ) == 0
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
