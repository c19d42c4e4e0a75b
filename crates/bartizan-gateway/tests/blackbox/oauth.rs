//! Do unmodified OAuth clients get their tokens? Python's authlib, npm's oauth4webapi, the MCP SDK.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::gateway::{Gateway, folder, program};
use crate::http::ask;
use crate::provider::node;
use crate::python::{here, python};

const SECRET: &str = "app-secret-with-256-random-bits-in-it";

fn configuration(issuer: &str, folder: &Path, mcp: &str) -> String {
    let hash: String = {
        use sha2::Digest as _;
        sha2::Sha256::digest(SECRET).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let keys = folder.join("robot.jwks.json");
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    format!(
        r#"
auth:
  tokens:
    issuer: {issuer}
    grants: [password, client_credentials, refresh_token, "{exchange}"]
    clients:
      - {{ id: app, secret_hash: "sha256:{hash}", scopes: ["tools:read"], grants: [password, client_credentials, refresh_token] }}
      - {{ id: robot, jwks: {{ file: "{}" }}, scopes: ["jobs:run"], grants: [client_credentials, "{exchange}"] }}
endpoints:
  - {{ path: /document, verbs: [GET], scopes: ["data:read"], handler: health }}
  - {{ path: /mcp, verbs: [GET, POST, DELETE], scopes: ["tools:read"], upstream: {{ url: "{mcp}" }} }}
"#,
        keys.display()
    )
}

/// A gateway that knows by which address its callers see it.
async fn gateway(mcp: &str) -> (Gateway, String, Arc<TempDir>) {
    let folder = folder();
    let script = here().join("oauth_authlib.py");
    let keys = Command::new(python()).arg(&script).arg("keys").arg(folder.path()).status();
    assert!(keys.unwrap().success());
    let file = folder.path().join("bartizan.yaml");
    std::fs::write(&file, configuration("http://127.0.0.1:1", folder.path(), mcp)).unwrap();
    let password = "correct horse\n";
    let add = ["users", "add", "ann", "--password-stdin", "--scopes", "data:read,notify:send"];
    let mut add = program(folder.path())
        .args(add)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut add.stdin.take().unwrap(), password.as_bytes()).unwrap();
    assert!(add.wait().unwrap().success());

    let gateway = Gateway::in_folder(&folder, &[]);
    let issuer = format!("http://{}", gateway.address);
    std::fs::write(&file, configuration(&issuer, folder.path(), mcp)).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let metadata = ask("GET", "/.well-known/oauth-authorization-server");
        let metadata: Value = metadata.at(gateway.address).await.json();
        if metadata["issuer"] == issuer.as_str() {
            break;
        }
        assert!(Instant::now() < end, "the configuration was not loaded again: {metadata}");
    }
    (gateway, issuer, folder)
}

fn said(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    out
}

async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    said(&output)
}

#[tokio::test]
async fn authlib_gets_and_renews_and_returns_its_tokens() {
    let (gateway, issuer, folder) = gateway("http://127.0.0.1:9").await;
    let mut client = Command::new(python());
    client.arg(here().join("oauth_authlib.py")).arg(&issuer).arg(folder.path()).arg(SECRET);
    assert_eq!(
        run(client).await,
        "client_secret_basic bearer tools:read False\n\
         client_secret_post bearer tools:read False\n\
         private_key_jwt bearer jobs:run False\n\
         password bearer data:read notify:send True\n\
         refresh bearer data:read notify:send True\n\
         introspection True ann app data:read notify:send\n\
         revoked {'active': False}\n\
         reuse invalid_grant\n\
         family invalid_grant\n"
    );
    let events: Vec<_> = gateway.records().iter().map(|one| one["event"].clone()).collect();
    assert!(events.contains(&"SECURITY_ALERT".into()), "the copy is told");
}

#[tokio::test]
async fn oauth4webapi_finds_everything_by_itself_and_believes_our_tokens() {
    let (gateway, issuer, folder) = gateway("http://127.0.0.1:9").await;
    let mut client = node("oauth_client.mjs");
    client.arg(&issuer).arg(folder.path()).arg(SECRET);
    assert_eq!(
        run(client).await,
        "discovered 4\n\
         private_key_jwt bearer jobs:run\n\
         password data:read notify:send\n\
         rfc9068 ann app\n\
         exchange ann robot data:read\n\
         acting 200\n\
         refresh true\n\
         introspection true robot\n\
         after revocation false\n\
         after revocation false\n\
         after revocation false\n"
    );
    let records = gateway.records();
    let acting = records.iter().find(|record| record["details"]["actor"] == "robot").unwrap();
    assert_eq!(acting["principal"]["id"], "ann", "whose rights these are, and who acts: {acting}");
}

#[tokio::test]
async fn the_mcp_sdk_finds_its_way_to_a_token_and_in() {
    let script = here().join("oauth_mcp.py");
    let mut server = Command::new(python());
    let server = server.arg(&script).arg("serve").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Stopped(server.spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let port = port.trim();
    let (_gateway, issuer, _folder) = gateway(&format!("http://127.0.0.1:{port}/mcp")).await;
    let end = Instant::now() + Duration::from_secs(30);
    while tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_err() {
        assert!(Instant::now() < end, "the server behind does not listen");
    }
    let mut client = Command::new(python());
    client.arg(&script).arg("call").arg(&issuer).arg(format!("{issuer}/mcp")).arg(SECRET);
    assert_eq!(run(client).await, "tools ['add']\ncall 5\nscope tools:read\n");
}

/// A process that ends with the test.
struct Stopped(std::process::Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
