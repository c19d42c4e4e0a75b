//! A real identity provider, started on a port of its own and stopped with the test.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;

use crate::http::ask;
use crate::python::here;

/// A running provider. It is killed when this is dropped.
pub(crate) struct Provider {
    pub(crate) url: String,
    address: SocketAddr,
    child: Child,
}

/// A script under Node, with the packages that the tests need.
pub(crate) fn node(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools: PathBuf = root.join("target/tools/node");
    assert!(
        tools.join("node_modules/oidc-provider").exists(),
        "there is no `oidc-provider` in `target/tools/node`: run `cargo xtask test`"
    );
    let mut command = Command::new("node");
    command.arg(here().join(script)).env("NODE_TOOLS", tools).stdin(Stdio::null());
    command
}

/// A provider that runs, and its URL.
pub(crate) fn started(script: &str) -> (Child, String) {
    let mut child = node(script).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let url = loop {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the provider did not start");
        if let Some(url) = line.trim().strip_prefix("listening on ") {
            break url.to_owned();
        }
    };
    thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    (child, url)
}

impl Provider {
    pub(crate) fn start() -> Self {
        let (child, url) = started("provider.mjs");
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self { url, address, child }
    }

    /// Turns something about it.
    pub(crate) async fn tell(&self, command: &str) -> String {
        let answer = ask("POST", &format!("/_test/{command}")).at(self.address).await;
        assert_eq!(answer.status, 200, "{command}: {}", answer.text());
        answer.text().to_owned()
    }

    /// How often a path was asked for.
    pub(crate) async fn asked(&self, path: &str) -> u64 {
        let stats: Value = serde_json::from_str(&self.tell("stats").await).unwrap();
        stats[path].as_u64().unwrap_or(0)
    }

    /// A fresh access token, signed so or `opaque`.
    pub(crate) async fn token(&self, format: &str) -> String {
        let grant = "grant_type=client_credentials&scope=data:read";
        let form = format!("{grant}&client_id=svc&resource=http://gate.test/{format}");
        let asked = ask("POST", "/token").header("authorization", "Basic c3ZjOnN2Yy1zZWNyZXQ=");
        let answer = asked.form(&form).at(self.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A fresh access token that is bound to the key of its proofs.
    pub(crate) async fn bound_token(&self, format: &str) -> String {
        let proof = self.tell(&format!("proof?htm=POST&htu={}/token", self.url)).await;
        let grant = "grant_type=client_credentials&scope=data:read";
        let form = format!("{grant}&client_id=bound&resource=http://gate.test/{format}");
        let asked = ask("POST", "/token").header("dpop", proof);
        let asked = asked.header("authorization", "Basic Ym91bmQ6Ym91bmQtc2VjcmV0");
        let answer = asked.form(&form).at(self.address).await;
        assert_eq!(answer.json()["token_type"], "DPoP", "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Takes an opaque token back.
    pub(crate) async fn revoke(&self, token: &str) {
        let asked = ask("POST", "/token/revocation");
        let asked = asked.header("authorization", "Basic c3ZjOnN2Yy1zZWNyZXQ=");
        let answer = asked.form(&format!("token={token}")).at(self.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
