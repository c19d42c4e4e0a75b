//! The real program on a port of its own, with everything passed on to one upstream.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A running gateway. It is stopped when this is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Gateway {
    pub(crate) fn start(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bartizan.yaml");
        std::fs::write(&file, configuration(upstream, folder.path())).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bartizan"))
            .args(["run", "--port", "0", "--admin-port", "0", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.map_while(Result::ok).find_map(|line| address(&line));
        let address = address.expect("the gateway says where it listens");
        Self { address, child, _folder: folder }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(upstream: SocketAddr, folder: &std::path::Path) -> String {
    let verbs = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, REPORT, PURGE, SEARCH, LINK, UNLINK, SOURCE, QUERY";
    format!(
        "server: {{ timeouts: {{ header: 500ms, body: 500ms, idle: 500ms }} }}
store: {{ durable: \"sqlite:{0}/bartizan.db\", shared: memory }}
audit: {{ destination: \"file://{0}/audit.jsonl\", durability: batch }}
endpoints:
  - {{ path: \"/{{*rest}}\", verbs: [{verbs}], public: true, upstream: {{ url: \"http://{upstream}\" }} }}
  - {{ path: /, verbs: [{verbs}], public: true, upstream: {{ url: \"http://{upstream}\" }} }}
",
        folder.display(),
    )
}

/// The first address on loopback in a line.
fn address(line: &str) -> Option<SocketAddr> {
    let at = line.find("127.0.0.1:")?;
    let end =
        line[at + 10..].find(|c: char| !c.is_ascii_digit()).map_or(line.len(), |end| at + 10 + end);
    line[at..end].parse().ok()
}
