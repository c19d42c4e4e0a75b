//! The program, started on ports of its own in a folder of its own, and stopped with the test.

use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tempfile::TempDir;

/// What the environment of whoever runs the tests must not decide.
const SETTINGS: [&str; 6] =
    ["OIDC_ISSUER", "OIDC_AUDIENCE", "OPENAI_API_KEY", "REDIS_URL", "DATABASE_URL", "RUST_LOG"];

/// A running gateway. It is killed when this is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    folder: Arc<TempDir>,
    child: Child,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

/// What a gateway has left behind.
pub(crate) struct Stopped {
    pub(crate) status: ExitStatus,
    /// Standard output, then standard error.
    pub(crate) said: String,
}

/// An empty folder for a configuration, a store and a log.
pub(crate) fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// A folder with this configuration in it.
pub(crate) fn folder_with(configuration: &str) -> Arc<TempDir> {
    let folder = folder();
    std::fs::write(folder.path().join("bartizan.yaml"), configuration).unwrap();
    folder
}

/// The program, as a command in `folder`.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    // The demo has its store where temporary files are.
    command.current_dir(folder).env("TMPDIR", folder).stdin(Stdio::null());
    for name in SETTINGS {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn ran(folder: &Path, args: &[&str]) -> Output {
    program(folder).args(args).output().unwrap()
}

impl Gateway {
    /// The quick start.
    pub(crate) fn demo() -> Self {
        let folder = folder();
        let mut command = program(folder.path());
        command.args(["run", "--demo", "--port", "0", "--admin-port", "0"]);
        Self::spawn(folder, command)
    }

    /// A gateway with this configuration, in a folder of its own.
    pub(crate) fn configured(configuration: &str) -> Self {
        Self::in_folder(&folder_with(configuration), &[])
    }

    /// A gateway with the configuration in `folder`, and these environment variables.
    pub(crate) fn in_folder(folder: &Arc<TempDir>, environment: &[(&str, &str)]) -> Self {
        let mut command = program(folder.path());
        command.args(["run", "--port", "0", "--admin-port", "0"]).envs(environment.iter().copied());
        Self::spawn(Arc::clone(folder), command)
    }

    /// A gateway whose files may grow to so many blocks of 512 bytes and no further: a full disk.
    pub(crate) fn with_room_for(folder: &Arc<TempDir>, blocks: u32) -> Self {
        let program = program(folder.path()).get_program().to_owned();
        // A write beyond the limit fails, as on a full disk, instead of ending the program.
        let script =
            format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" run --port 0 --admin-port 0");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(script).arg(program).current_dir(folder.path()).stdin(Stdio::null());
        for name in SETTINGS {
            shell.env_remove(name);
        }
        Self::spawn(Arc::clone(folder), shell)
    }

    /// The disk has room again.
    pub(crate) fn make_room(&self) {
        let pid = self.child.id().to_string();
        let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status();
        assert!(raised.unwrap().success());
    }

    fn spawn(folder: Arc<TempDir>, mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let err = collect(child.stderr.take().unwrap(), String::new());
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let (mut address, mut admin) = (None, None);
        while address.is_none() || admin.is_none() {
            let from = said.len();
            if out.read_line(&mut said).unwrap() == 0 {
                let _ = child.wait();
                panic!("the gateway did not start:\n{said}{}", err.join().unwrap());
            }
            let line = &said[from..];
            address = address.or(line.strip_prefix("listening on ").and_then(loopback));
            admin = admin.or(line.strip_prefix("health and metrics on ").and_then(loopback));
        }
        let out = collect(out, said);
        let (address, admin) = (address.unwrap(), admin.unwrap());
        Self { address, admin, folder, child, out: Some(out), err: Some(err) }
    }

    /// A URL of it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    pub(crate) fn folder(&self) -> &Arc<TempDir> {
        &self.folder
    }

    /// Its audit log, wherever that is in its folder.
    pub(crate) fn log(&self) -> PathBuf {
        find(self.folder.path(), "audit.jsonl").expect("there is an audit log")
    }

    /// Every record of its audit log.
    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.log())
    }

    /// Kills it: `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Stopped {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let said = [self.out.take(), self.err.take()];
        Stopped { status, said: said.into_iter().flatten().map(|s| s.join().unwrap()).collect() }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every record of an audit log.
pub(crate) fn records(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The end of `/request_id` and the event of a record.
pub(crate) fn is_end(record: &Value) -> bool {
    matches!(record["event"].as_str(), Some("REQUEST_END" | "REQUEST_ERROR"))
}

/// Reads to the end in a thread, so that the program never waits for its reader.
fn collect(mut from: impl Read + Send + 'static, mut said: String) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = from.read_to_end(&mut rest);
        said.push_str(&String::from_utf8_lossy(&rest));
        said
    })
}

/// The address at the beginning of a line, after its scheme.
fn loopback(line: &str) -> Option<SocketAddr> {
    let address = line.split_once("://")?.1;
    address.split_whitespace().next()?.parse().ok()
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    let here = entries.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    here.cloned().or_else(|| entries.iter().filter(|p| p.is_dir()).find_map(|p| find(p, name)))
}
