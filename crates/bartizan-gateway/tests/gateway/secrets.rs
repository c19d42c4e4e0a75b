//! Secrets from a mounted folder, and what a reload changes of a running gateway.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::program::{Program, command, until};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

/// Mounts secrets as Kubernetes does: `NAME -> ..data/NAME`, and `..data` leads to a folder that
/// is replaced as a whole.
fn mount(folder: &Path, version: &str, secrets: &[(&str, &str)]) {
    fs::create_dir_all(folder.join(version)).unwrap();
    for (name, value) in secrets {
        fs::write(folder.join(version).join(name), format!("{value}\n")).unwrap();
        if !folder.join(name).is_symlink() {
            symlink(Path::new("..data").join(name), folder.join(name)).unwrap();
        }
    }
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

/// What the upstream is shown by the gateway.
async fn shown(program: &Program, upstream: &Upstream) -> String {
    assert_eq!(status(&ask(program.address, "POST /rpc", &["Content-Length: 0"]).await), 200);
    upstream.seen().last().unwrap().headers["authorization"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_mounted_secret_that_is_replaced_is_in_force_without_a_signal() {
    let mounts = tempfile::tempdir().unwrap();
    mount(mounts.path(), "..2026_11_22", &[("upstream-token", "first-canary")]);
    let upstream = Upstream::start().await;
    let folder = mounts.path().display().to_string();
    let program = Program::with(upstream.address, &[], |configuration| {
        let named = "credential: { secret: upstream-token }";
        let configuration = configuration.replacen("credential: \"upstream-secret\"", named, 1);
        format!("secrets: \"{folder}\"\n{configuration}")
    });
    assert_eq!(shown(&program, &upstream).await, "Bearer first-canary");

    mount(mounts.path(), "..2026_11_23", &[("upstream-token", "second-canary")]);
    program.says("is in force cause=FileChanged");
    assert_eq!(shown(&program, &upstream).await, "Bearer second-canary");

    // What is empty or gone is told, and the last good one stays in force.
    mount(mounts.path(), "..2026_11_24", &[("upstream-token", "")]);
    program.says("upstream-token` is empty");
    assert_eq!(shown(&program, &upstream).await, "Bearer second-canary");
    mount(mounts.path(), "..2026_11_25", &[("upstream-token", "third-canary")]);
    until(
        || program.log().matches("is in force").count() == 2,
        || format!("the third is not noticed:\n{}", program.log()),
    );
    assert_eq!(shown(&program, &upstream).await, "Bearer third-canary");
    let audit = fs::read_to_string(program.folder.path().join("audit.jsonl")).unwrap();
    assert!(!program.log().contains("canary") && !audit.contains("canary"), "{}", program.log());
}

#[tokio::test]
async fn a_schema_that_changes_in_its_file_is_in_force_without_a_signal() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    fs::write(&schema, r#"{ "type": "object" }"#).unwrap();
    let named = format!("schema: {{ file: \"{}\" }}", schema.display());
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen("schema: { type: object }", &named, 1)
    });
    let fields = ["Content-Type: application/json", "Content-Length: 2\r\n\r\n{}"];
    let post = async || {
        let head = format!(
            "POST /schema HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}\r\n{}",
            program.address, fields[0], fields[1]
        );
        status(&crate::wire::raw(program.address, head).await)
    };
    assert_eq!(post().await, 200);
    fs::write(&schema, r#"{ "type": "object", "required": ["id"] }"#).unwrap();
    program.says("is in force cause=FileChanged");
    assert_eq!(post().await, 422);
}

#[tokio::test]
async fn a_reload_names_every_key_that_waits_for_the_next_start() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let text = fs::read_to_string(program.file()).unwrap();
    let changed = text
        .replacen("header: 1s", "header: 2s", 1)
        .replacen("drain: 10s", "drain: 11s", 1)
        .replacen("durability: batch", "durability: sync, refusals_per_second: 7", 1)
        .replacen("server:\n", "server:\n  http: { max_headers: 50 }\n", 1);
    fs::write(program.file(), changed).unwrap();
    for key in [
        "server.timeouts.header",
        "server.timeouts.drain",
        "audit.durability",
        "audit.refusals_per_second",
        "server.http.max_headers",
    ] {
        program.says(&format!("`{key}` takes effect at the next start"));
    }
    let log = program.log();
    assert!(!log.contains("`server.timeouts.idle`") && !log.contains("`server.listen`"), "{log}");

    // Taken back, nothing waits: what runs is what the file says again.
    fs::write(program.file(), text).unwrap();
    let times = |what: &str| program.log().matches(what).count();
    let in_force = times("the new configuration is in force");
    crate::program::until(
        || times("the new configuration is in force") > in_force,
        || program.log(),
    );
    program.signal("HUP");
    crate::program::until(
        || times("the new configuration is in force") > in_force + 1,
        || program.log(),
    );
    assert_eq!(times("takes effect at the next start"), 5, "{}", program.log());
}

#[tokio::test]
async fn tls_that_is_taken_out_of_the_configuration_is_out_of_force() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let tls = format!("  tls: {{ cert: \"{}\", key: \"{}\" }}\n", cert.display(), key.display());
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen("server:\n", &format!("server:\n{tls}"), 1)
    });
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 0, "it speaks TLS alone");
    let with = fs::read_to_string(program.file()).unwrap();
    fs::write(program.file(), with.replacen(&tls, "", 1)).unwrap();
    program.says("in the clear from now on");
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 200);
    fs::write(program.file(), with).unwrap();
    program.says("must speak TLS from now on");
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 0);
}

#[test]
fn a_secret_is_named_where_it_is_missing_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bartizan.yaml");
    let upstream = "upstream: { url: 'http://127.0.0.1:1', credential: { secret: KEY } }";
    let check = |first: &str, key: &str| {
        let text = format!(
            "{first}endpoints: [{{ path: /x, verbs: [GET], authenticated: true, {} }}]\n",
            upstream.replace("KEY", key)
        );
        fs::write(&file, text).unwrap();
        command(&["check", "--config", file.to_str().unwrap()], "")
    };
    let (code, out, _) = check("", "api-key");
    assert!(code == 2 && out.contains("`secrets: "), "{out}");
    let (code, out, _) = check("secrets: .\n", "../etc/passwd");
    assert!(code == 2 && out.contains("is no name of a mounted secret"), "{out}");
    let (code, out, _) = check("secrets: .\n", "api-key");
    assert!(code == 2 && out.contains("api-key` cannot be read"), "{out}");
    fs::write(folder.path().join("api-key"), "canary").unwrap();
    let (code, out, _) = check("secrets: .\n", "api-key");
    assert!(code == 0 && !out.contains("canary"), "{out}");
}
