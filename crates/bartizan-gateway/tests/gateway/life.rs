//! From the start to the end: reloading, draining, health.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{Program, until};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

#[tokio::test]
async fn a_bad_configuration_never_replaces_a_good_one() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let good = fs::read_to_string(program.file()).unwrap();

    fs::write(program.file(), good.replace("public: true", "publik: true")).unwrap();
    program.says("the old one stays");
    program.says("publik");
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 200);

    fs::write(program.file(), good.replace("path: /native", "path: /renamed")).unwrap();
    program.says("is in force");
    assert_eq!(status(&ask(program.address, "SUMMARIZE /renamed", &[]).await), 200);
    // Unknown now; and nobody learns that without a credential.
    assert_eq!(status(&ask(program.address, "SUMMARIZE /native", &[]).await), 401);
    let changes = || {
        let records = program.records();
        let changes = records.iter().filter(|record| record["event"] == "CONFIG_CHANGED");
        changes.map(|record| record["outcome"].to_string()).collect::<Vec<_>>()
    };
    until(|| changes() == ["\"deny\"", "\"allow\""], || format!("{:?}", changes()));
    let metrics = ask(program.admin, "GET /metrics", &[]).await;
    assert!(metrics.contains("bartizan_config_reloads_total{result=\"taken\"} 1"), "{metrics}");
    assert!(metrics.contains("bartizan_config_reloads_total{result=\"refused\"} 1"), "{metrics}");
}

#[tokio::test]
async fn a_hangup_reloads_although_nothing_has_changed() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    program.signal("HUP");
    program.says("is in force cause=Signal");
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 200);
}

#[tokio::test]
async fn what_is_under_way_comes_to_its_end_when_the_program_stops() {
    let upstream = Upstream::start().await;
    let mut program = Program::start(upstream.address);
    let address = program.address;
    let waiting = tokio::spawn(async move { ask(address, "GET /open/wait", &[]).await });
    let arrived = upstream.clone();
    tokio::task::spawn_blocking(move || {
        until(|| !arrived.seen().is_empty(), || "nothing arrived".into());
    })
    .await
    .unwrap();
    program.signal("TERM");
    program.says("stopping");
    until(
        || std::net::TcpStream::connect(address).is_err(),
        || "connections are still taken".into(),
    );
    upstream.gate.add_permits(1);
    let answer = waiting.await.unwrap();
    assert!(status(&answer) == 200 && answer.ends_with("waited"), "{answer}");
    assert!(program.end().success());
    let last = program.records();
    assert!(last.iter().any(|record| record["event"] == "REQUEST_END"), "{last:?}");
}

#[tokio::test]
async fn health_is_told_to_this_machine_alone() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = ask(program.admin, &format!("GET {path}"), &[]).await;
        assert_eq!(status(&answer), 200, "{answer}");
    }
    let rebound = "GET /metrics HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&crate::wire::raw(program.admin, rebound).await), 421);
}

#[tokio::test]
async fn a_log_on_standard_output_is_written_there_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("bartizan.yaml"), folder.path().join("out"));
    let endpoint = "endpoints: [{ path: /health, verbs: [GET], public: true, handler: health }]";
    fs::write(&file, format!("audit: {{ destination: \"stdout:\" }}\n{endpoint}\n")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bartizan"))
        .args(["run", "--port", "0", "--admin-port", "0", "--config"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = || fs::read_to_string(&out).unwrap();
    until(|| said().contains("/metrics"), said);
    let address =
        said().lines().find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
    assert_eq!(status(&ask(address.unwrap(), "GET /health", &[]).await), 200);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = said();
    let events = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events: Vec<_> = events.map(|record| record["event"].clone()).collect();
    assert!(events.contains(&"REQUEST_END".into()), "{said}");
}
