//! Do the SDKs of OpenAI and Anthropic talk to a real model through the gateway, whole and streamed?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

#[path = "../blackbox/gateway.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod gateway;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use gateway::Gateway;

const KEY: &str = "btz-model-5c1e8b4026a1c3e5f708";

/// The model's server. It is killed when this is dropped.
struct Model(Child);

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn python() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/bin/python")
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model")
}

fn model() -> (Model, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = Command::new(python())
        .args(["-B", "serve.py", &address.port().to_string()])
        .current_dir(here())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let model = Model(child);
    let end = Instant::now() + Duration::from_secs(120);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "the model does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    (model, address)
}

#[test]
fn the_sdks_talk_to_a_real_model_whole_and_in_streams() {
    let (_model, upstream) = model();
    let hash: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
    let gateway = Gateway::configured(&format!(
        r#"
auth: {{ api_keys: {{ keys: [{{ id: good, hash: "sha256:{hash}", scopes: ["chat:write"] }}] }} }}
actions: {{ enabled: false }}
budgets: [{{ name: tokens, by: user, tokens: 1000000, period: day }}]
pii: {{ response: {{ detect: [EMAIL], action: mask }} }}
endpoints:
  - path: "/v1/{{*rest}}"
    protocol: openai
    scopes: ["chat:write"]
    upstream: {{ url: "http://{upstream}", credential: upstream-secret }}
  - path: "/claude/v1/{{*rest}}"
    protocol: anthropic
    scopes: ["chat:write"]
    upstream: {{ url: "http://{upstream}/v1", credential: upstream-secret }}
  - path: /text
    verbs: [CONTINUE]
    scopes: ["chat:write"]
    upstream: {{ url: "http://{upstream}/v1/completions", credential: upstream-secret }}
"#
    ));
    let output = Command::new(python())
        .args(["-B", "talk.py", &format!("http://{}", gateway.address), KEY])
        .current_dir(here())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["models"][0], "smollm2-135m");
    for name in ["chat", "messages"] {
        let whole = told[name].as_str().unwrap();
        assert!(!whole.is_empty() && !whole.contains("@example.org"), "{told}");
        assert_eq!(told[format!("{name} stream")], whole, "{told}");
    }
    assert_eq!(told["chat stream usage"], false);
    assert!(!told["responses"].as_str().unwrap().is_empty());
    assert!(told["counted"].as_u64().unwrap() > 5);
    assert!(!told["verb"].as_str().unwrap().is_empty(), "{told}");
    let records = gateway.records();
    let used = |record: &&Value| record["usage"]["tokens_out"].as_u64().unwrap_or(0) > 0;
    let ends: Vec<_> = records.iter().filter(|record| record["event"] == "REQUEST_END").collect();
    let told = ends.iter().map(|end| (&end["action"]["path"], &end["usage"])).collect::<Vec<_>>();
    let ends = ends.into_iter().filter(used).count();
    assert_eq!(ends, 5, "each answer tells what it used: {told:?}");
}
