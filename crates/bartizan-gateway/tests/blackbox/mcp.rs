//! Does an MCP client find its way in by itself? The official SDK, a certified provider, and what the
//! MCP authorization specification asks of a protected server (2025-11-25 and 2026-07-28).

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::gateway::{Gateway, folder_with};
use crate::http::{Answer, ask};
use crate::provider::started;
use crate::python::{here, python};

/// Keys with the scope `mcp:tools`, and with `mcp:admin` that implies it.
const KEYS: [&str; 2] = ["tools-b8f2a90c4d1e4f7f9a31", "admin-07c4e1a25b9d4c3c8e60"];

/// A process that is killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server of the official SDK on a port that was free a moment ago.
fn mcp_server() -> (Running, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(python())
        .arg("-B")
        .arg(here().join("mcp_server.py"))
        .arg(address.port().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let running = Running(child);
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "the MCP server does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    (running, address)
}

/// A gateway in front of two MCP servers. Its own address is known only when it listens, so it is
/// told it by a reload.
struct World {
    gateway: Gateway,
    url: String,
    _parts: [Running; 2],
}

async fn world() -> World {
    let (server, upstream) = mcp_server();
    let (provider, issuer) = started("people.mjs");
    let [tools, admin] = KEYS.map(|key| {
        let digest = Sha256::digest(key);
        format!("sha256:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    });
    let configuration = |own: &str| {
        format!(
            r#"
server: {{ public_url: "{own}" }}
auth:
  oidc: [{{ name: people, issuer: "{issuer}", audience: ["{own}/mcp", "{own}/other"], algorithms: [ES256] }}]
  api_keys:
    keys:
      - {{ id: tools, hash: "{tools}", scopes: ["mcp:tools"] }}
      - {{ id: admin, hash: "{admin}", scopes: ["mcp:admin"] }}
access: {{ scopes: {{ "mcp:admin": {{ implies: ["mcp:tools"] }} }} }}
actions: {{ enabled: false }}
endpoints:
  - {{ path: /mcp, protocol: mcp, scopes: ["mcp:tools"], tools: {{ add: {{}} }}, upstream: {{ url: "http://{upstream}" }} }}
  - {{ path: /other, verbs: [POST], scopes: ["mcp:tools", "mcp:admin"], handler: health }}
  - {{ path: "/files/{{*rest}}", verbs: [GET], scopes: ["files:read", offline_access], handler: health }}
"#
        )
    };
    let folder = folder_with(&configuration("http://127.0.0.1:1"));
    let gateway = Gateway::in_folder(&folder, &[]);
    let url = format!("http://{}", gateway.address);
    std::fs::write(folder.path().join("bartizan.yaml"), configuration(&url)).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while !challenge(&gateway, "POST", "/mcp", None).await.contains(&url) {
        assert!(Instant::now() < end, "the gateway does not learn its address");
    }
    World { gateway, url, _parts: [server, Running(provider)] }
}

async fn challenge(gateway: &Gateway, verb: &str, path: &str, token: Option<&str>) -> String {
    let asked = ask(verb, path);
    let asked = token.into_iter().fold(asked, |asked, token| asked.bearer(token));
    asked.at(gateway.address).await.header("www-authenticate").to_owned()
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    ask("GET", path).at(gateway.address).await
}

/// Runs the client; what it printed, by the first word of each line.
fn client(url: &str) -> Value {
    let run = Command::new(python())
        .arg("-B")
        .arg(here().join("mcp_client.py"))
        .arg(format!("{url}/mcp"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}{err}");
    let lines = out.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(word, rest)| (word.to_owned(), Value::from(rest)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn the_official_sdk_gets_from_a_challenge_to_a_call_by_itself() {
    let World { gateway, url, .. } = &world().await;
    let done = {
        let url = url.clone();
        tokio::task::spawn_blocking(move || client(&url)).await.unwrap()
    };
    // The scope is that of the challenge; a refresh token the client asks for by itself.
    let asked = done["asked"].as_str().unwrap();
    assert!(
        asked.starts_with(&format!("{url}/mcp mcp:tools")) && asked.ends_with(" S256"),
        "{asked}"
    );
    assert_eq!((&done["tools"], &done["sum"]), (&"add".into(), &"5".into()));

    // A3: the token is meant for /mcp; another address of ours does not take it.
    let token = done["token"].as_str().unwrap();
    let elsewhere = ask("POST", "/other").bearer(token).at(gateway.address).await;
    assert_eq!(elsewhere.status, 401, "{}", elsewhere.text());
    let said = elsewhere.header("www-authenticate");
    assert!(said.contains("error=\"invalid_token\""), "{said}");
    // A7: it counts in the header alone, and no log holds it.
    let query = ask("POST", &format!("/mcp?access_token={token}")).at(gateway.address).await;
    assert_eq!(query.status, 401);
    let log = std::fs::read_to_string(gateway.log()).unwrap();
    assert!(!log.contains(token), "{log}");
    let known = gateway.records();
    let known = known.iter().find(|record| record["event"] == "AUTH_SUCCESS").unwrap();
    assert_eq!(known["principal"]["issuer"], "people", "{known}");
}

#[tokio::test]
async fn every_address_describes_itself_and_its_challenge_leads_there() {
    let World { gateway, url, .. } = &world().await;
    // A1: at the well-known path that a client derives, byte for byte what it asked for.
    for (path, scopes) in [
        ("/mcp", "[\"mcp:tools\"]"),
        ("/other", "[\"mcp:admin\",\"mcp:tools\"]"),
        // A8: no `offline_access`.
        ("/files", "[\"files:read\"]"),
        ("/files/a/b", "[\"files:read\"]"),
    ] {
        let answer = get(gateway, &format!("/.well-known/oauth-protected-resource{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        let document = answer.json();
        assert_eq!(document["resource"], format!("{url}{path}"));
        assert_eq!(document["scopes_supported"].to_string(), scopes, "{path}");
        assert_eq!(document["bearer_methods_supported"].to_string(), "[\"header\"]");
        assert_eq!(document["authorization_servers"].as_array().unwrap().len(), 1);
    }
    let root = get(gateway, "/.well-known/oauth-protected-resource").await.json();
    assert_eq!(root["resource"], url.as_str());
    assert!(root.get("scopes_supported").is_none(), "whoever asks learns not all of it: {root}");
    assert_eq!(get(gateway, "/.well-known/oauth-protected-resource/nowhere").await.status, 404);

    // A2: without a token no error, and where to get one for which scope.
    let metadata = |path: &str| {
        format!("resource_metadata=\"{url}/.well-known/oauth-protected-resource{path}\"")
    };
    let said = challenge(gateway, "POST", "/mcp", None).await;
    assert!(said.starts_with("Bearer ") && said.contains(&metadata("/mcp")), "{said}");
    assert!(said.contains("scope=\"mcp:tools\"") && !said.contains("error="), "{said}");
    let said = challenge(gateway, "POST", "/mcp", Some("e30.e30.e30")).await;
    assert!(said.contains("error=\"invalid_token\"") && said.contains(&metadata("/mcp")), "{said}");
    let said = challenge(gateway, "GET", "/files/secret-name", None).await;
    assert!(said.contains(&metadata("/files")), "{said}");
    assert!(said.contains("scope=\"files:read\"") && !said.contains("secret-name"), "{said}");
    // A9 is the door's: what the client calls us does not reach what we say of ourselves.
    let forged = ask("POST", "/mcp").header("x-forwarded-host", "evil.example");
    let said = forged.at(gateway.address).await.header("www-authenticate").to_owned();
    assert!(said.contains(&metadata("/mcp")) && !said.contains("evil"), "{said}");
}

#[tokio::test]
async fn whoever_lacks_a_scope_is_told_all_that_are_needed_in_one_challenge() {
    let World { gateway, url, .. } = &world().await;
    let [tools, admin] = KEYS;
    // A5: a step up, and where to take it.
    let refused = ask("POST", "/other").bearer(tools).at(gateway.address).await;
    assert_eq!(refused.status, 403);
    let said = refused.header("www-authenticate");
    let metadata =
        format!("resource_metadata=\"{url}/.well-known/oauth-protected-resource/other\"");
    assert!(said.contains("error=\"insufficient_scope\"") && said.contains(&metadata), "{said}");
    assert!(said.contains("scope=\"mcp:tools mcp:admin\""), "{said}");
    // A6: the broad scope opens what the narrow one does.
    assert_eq!(ask("POST", "/other").bearer(admin).at(gateway.address).await.status, 200);
    let broad = ask("POST", "/mcp").bearer(admin).at(gateway.address).await;
    assert!(![401, 403].contains(&broad.status), "{}", broad.text());
}
