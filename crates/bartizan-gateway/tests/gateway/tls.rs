//! Certificates of our own making.

use std::fs;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::program::{Program, command};
use crate::upstream::Upstream;
use crate::wire::status;

/// Writes a certificate for `localhost` and its key, and gives the certificate.
fn certify(folder: &std::path::Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// Asks over TLS for a host, trusting one certificate; the protocol that was agreed on, and the
/// answer.
async fn ask(
    program: &Program,
    trusted: &CertificateDer<'static>,
    protocol: &str,
    host: &str,
) -> std::io::Result<(String, String)> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let socket = TcpStream::connect(program.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    let agreed = stream.get_ref().1.alpn_protocol().unwrap_or_default();
    let agreed = String::from_utf8_lossy(agreed).into_owned();
    if protocol == "h2" {
        return Ok((agreed, String::new()));
    }
    let request = format!("GET /open/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // Not everybody says goodbye before the connection is closed.
    let _ = stream.read_to_end(&mut answer).await;
    Ok((agreed, String::from_utf8_lossy(&answer).into_owned()))
}

#[tokio::test]
async fn requests_come_over_tls_and_a_certificate_is_replaced_while_running() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, cert) = (path("key.pem"), path("cert.pem"));
    let program = Program::with(
        upstream.address,
        &["--ssl-keyfile", &key, "--ssl-certfile", &cert],
        |configuration| configuration,
    );
    let (agreed, answer) = ask(&program, &first, "http/1.1", "localhost").await.unwrap();
    assert_eq!((agreed.as_str(), status(&answer)), ("http/1.1", 200), "{answer}");
    assert_eq!(ask(&program, &first, "h2", "localhost").await.unwrap().0, "h2");
    assert_eq!(upstream.only().headers["x-forwarded-proto"], "https");

    // The certificate that was checked says nothing about another host.
    let (_, answer) = ask(&program, &first, "http/1.1", "other.example").await.unwrap();
    assert_eq!(status(&answer), 421, "{answer}");

    // A key that does not fit is found out, and the old pair goes on.
    let key_before = fs::read(&key).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    program.says("is not that of the certificate");
    assert!(ask(&program, &first, "http/1.1", "localhost").await.is_ok());
    fs::write(&key, key_before).unwrap();

    let second = certify(folder.path());
    let mut taken = false;
    for _ in 0..100 {
        taken = ask(&program, &second, "http/1.1", "localhost").await.is_ok();
        if taken {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(taken, "{}", program.log());
    assert!(ask(&program, &first, "http/1.1", "localhost").await.is_err());
}

#[tokio::test]
async fn handshakes_that_do_not_go_on_hold_up_nobody_else() {
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = certify(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (key, cert) = (path("key.pem"), path("cert.pem"));
    let program = Program::with(
        upstream.address,
        &["--ssl-keyfile", &key, "--ssl-certfile", &cert],
        |configuration| configuration.replace("header: 1s", "header: 15s"),
    );
    // More of each kind than there is room for handshakes: who says nothing, and who begins and stops.
    let mut held = Vec::new();
    for said in [&[][..], &[22, 3, 1, 2, 0, 1]] {
        for _ in 0..300 {
            let mut socket = TcpStream::connect(program.address).await.unwrap();
            socket.write_all(said).await.unwrap();
            held.push(socket);
        }
    }
    let began = std::time::Instant::now();
    let (_, answer) = ask(&program, &trusted, "http/1.1", "localhost").await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "it waited for others");
    let metrics = crate::wire::ask(program.admin, "GET /metrics", &[]).await;
    let name = "bartizan_connection_bounds_reached_total{bound=\"tls_handshakes\"} ";
    let row = metrics.lines().find_map(|line| line.strip_prefix(name));
    assert!(row.is_some_and(|row| row != "0"), "{metrics}");
}

#[tokio::test]
async fn a_key_without_its_certificate_does_not_start() {
    let (code, _, error) = command(&["run", "--ssl-keyfile", "key.pem"], "");
    assert_eq!(code, 2);
    assert!(error.contains("--ssl-certfile"), "{error}");
}

#[test]
fn check_finds_what_a_gateway_could_not_show() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certify(folder.path());
    certify(other.path());
    let file = folder.path().join("b.yaml");
    let at = folder.path().display();
    let text = format!(
        "server: {{ tls: {{ cert: cert.pem, key: key.pem }} }}\nstore: {{ durable: \"sqlite:{at}/b.db\" }}\naudit: {{ destination: \"file://{at}/audit.jsonl\" }}\nendpoints: [{{ path: /x, verbs: [GET], public: true, upstream: {{ url: \"http://127.0.0.1:9\" }} }}]\n"
    );
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let (code, out, _) = command(&["check", "--config", file], "");
    assert_eq!(code, 0, "{out}");
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let strange = fs::read_to_string(other.path().join("key.pem")).unwrap();
    for (key, told) in
        [(strange.as_str(), "is not that of the certificate"), (locked, "not encrypted")]
    {
        fs::write(folder.path().join("key.pem"), key).unwrap();
        let (code, out, _) = command(&["check", "--config", file], "");
        assert!(code == 2 && out.contains(told) && out.contains("key.pem"), "{out}");
        let (code, _, error) = command(&["run", "--port", "0", "--config", file], "");
        assert!(code == 2 && error.matches(told).count() == 1, "{error}");
    }
}
