//! What is spoken to upstreams: HTTP/2 where it is known or agreed on, TLS with certificates that are checked.

use bartizan::serve::Workers;
use std::sync::Arc;

use http::Version;
use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use crate::program::Program;
use crate::upstream::Upstream;
use crate::wire::{ask, status};

/// A certificate for `name`, as PEM, and an acceptor that shows it.
fn certified(name: &str) -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// The configuration with every upstream at an `https` address of this name.
fn over_tls(name: &str, port: u16) -> impl FnOnce(String) -> String {
    let (plain, secure) = (format!("http://127.0.0.1:{port}"), format!("https://{name}:{port}"));
    move |configuration| configuration.replace(&plain, &secure)
}

#[tokio::test]
async fn http_2_is_spoken_with_prior_knowledge() {
    let upstream = Upstream::start().await;
    let prior = |configuration: String| configuration.replace("verbs: native", "http2: prior");
    let program = Program::with(upstream.address, &[], prior);
    for _ in 0..3 {
        assert_eq!(status(&ask(program.address, "SUMMARIZE /native", &[]).await), 200);
    }
    assert!(upstream.seen().iter().all(|seen| seen.version == Version::HTTP_2));
    // Each worker has a connection of its own.
    assert!(upstream.connections() <= Workers::cores().get(), "{}", upstream.connections());
}

#[tokio::test]
async fn http_2_is_agreed_on_over_tls_and_a_tunnel_falls_back() {
    let (pem, acceptor) = certified("localhost");
    let upstream = Upstream::over(Some(acceptor)).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("roots.pem");
    std::fs::write(&trusted, pem).unwrap();
    let change = over_tls("localhost", upstream.address.port());
    let program = Program::trusting(upstream.address, &[], change, Some(&trusted));
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 200);
    let seen = upstream.only();
    assert_eq!(seen.version, Version::HTTP_2);
    assert_eq!(seen.headers.get("connection"), None);
    let websocket = "GET /open/socket HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\
                     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let mut socket = tokio::net::TcpStream::connect(program.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, websocket.as_bytes()).await.unwrap();
    let answer = crate::wire::read_until(&mut socket, "\r\n\r\n").await;
    assert_eq!(status(&answer), 101, "{answer}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_no_upstream() {
    let (_, acceptor) = certified("localhost");
    let (other, _) = certified("localhost");
    let upstream = Upstream::over(Some(acceptor)).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("roots.pem");
    std::fs::write(&trusted, other).unwrap();
    let change = over_tls("localhost", upstream.address.port());
    let program = Program::trusting(upstream.address, &[], change, Some(&trusted));
    let answer = ask(program.address, "GET /open/x", &[]).await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(upstream.seen().is_empty());
}
