//! A FastAPI service under uvicorn, as anybody would run it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// A running service. It is stopped when this is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    child: Child,
}

/// The interpreter with the packages that the tests need.
pub(crate) fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/tools/python/bin/python");
    assert!(python.exists(), "there is no `target/tools/python`: run `cargo xtask test`");
    python
}

/// The folder of this file, where `service.py`, `validate.py` and `sarif.py` are.
pub(crate) fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blackbox")
}

impl Service {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(python())
            .args(["-B", "-m", "uvicorn", "service:app", "--port", "0", "--no-access-log"])
            .current_dir(here())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut err = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let address = loop {
            let from = said.len();
            assert!(err.read_line(&mut said).unwrap() > 0, "uvicorn did not start:\n{said}");
            if let Some((_, rest)) = said[from..].split_once("running on http://") {
                break rest.split_whitespace().next().unwrap().parse().unwrap();
            }
        };
        thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
        Self { address, child }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
