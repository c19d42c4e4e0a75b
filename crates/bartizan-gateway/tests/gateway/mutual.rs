//! Client certificates: who has one, what it names, and the tokens that are bound to it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bartizan_core::issue::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::issuer::provider;
use crate::program::Program;
use crate::upstream::Upstream;
use crate::wire::status;

const SPIFFE: &str = "spiffe://example.org/agents/one";

/// An authority that signs the certificates of clients.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate, and its key.
struct Client {
    der: CertificateDer<'static>,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn client(&self, names: &[SanType]) -> Client {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = names.to_vec();
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.0).unwrap();
        Client { der: cert.der().clone(), key: key.serialize_pem() }
    }

    fn named(&self, uri: &str) -> Client {
        self.client(&[SanType::URI(uri.try_into().unwrap())])
    }
}

impl Client {
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.der))
    }
}

/// A gateway over TLS with these lines below `server.tls` and `auth`; and who it says it is.
fn gateway(
    upstream: &Upstream,
    folder: &Path,
    authority: &Authority,
    tls: &str,
    auth: &str,
) -> (Program, CertificateDer<'static>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("key.pem"), own.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("cert.pem"), own.cert.pem()).unwrap();
    fs::write(folder.join("clients.pem"), authority.0.pem()).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let (cert, key, clients) = (path("cert.pem"), path("key.pem"), path("clients.pem"));
    let program = Program::with(upstream.address, &[], |configuration| {
        let tls = format!("{{ cert: {cert}, key: {key}, client_ca: {clients}{tls} }}");
        let server = format!("server:\n  tls: {tls}\n");
        assert!(configuration.contains("server:\n"), "{configuration}");
        let configuration = configuration.replacen("server:\n", &server, 1);
        configuration.replacen("auth:\n", &format!("auth:\n{auth}"), 1)
    });
    (program, own.cert.der().clone())
}

/// Asks with a certificate or without.
async fn ask(
    gateway: &(Program, CertificateDer<'static>),
    client: Option<&Client>,
    path: &str,
    field: &str,
) -> std::io::Result<String> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}Connection: close\r\n\r\n");
    send(gateway, client, &request).await
}

/// Sends a request with a certificate or without.
async fn send(
    (program, trusted): &(Program, CertificateDer<'static>),
    client: Option<&Client>,
    request: &str,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => config.with_no_client_auth(),
        Some(client) => {
            let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).unwrap();
            config.with_client_auth_cert(vec![client.der.clone()], key).unwrap()
        }
    };
    let socket = TcpStream::connect(program.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

#[tokio::test]
async fn a_certificate_names_its_holder_and_is_no_second_credential() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mtls = "  mtls: { subject: spiffe, scopes: [\"data:read\"] }\n";
    let gateway = gateway(&upstream, folder.path(), &authority, "", mtls);
    let one = authority.named(SPIFFE);
    let answer = ask(&gateway, Some(&one), "/guarded", "").await.unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    let seen = upstream.only();
    assert_eq!(seen.headers["x-bartizan-subject"], "mtls:spiffe://example.org/agents/one");
    assert_eq!(seen.headers["x-bartizan-scopes"], "data:read");

    // Nobody without one, nor with one that somebody else signed.
    assert!(ask(&gateway, None, "/open/x", "").await.is_err());
    assert!(ask(&gateway, Some(&stranger.named(SPIFFE)), "/open/x", "").await.is_err());

    // One that names nobody, or two.
    let two = ["spiffe://example.org/a", SPIFFE].map(|uri| SanType::URI(uri.try_into().unwrap()));
    for names in [&[][..], &two] {
        let answer = ask(&gateway, Some(&authority.client(names)), "/guarded", "").await.unwrap();
        assert_eq!(status(&answer), 401, "{answer}");
    }
    // A credential that is shown counts alone, whatever the certificate says.
    let bad = ask(&gateway, Some(&one), "/guarded", "Authorization: Bearer x.y.z\r\n").await;
    assert_eq!(status(&bad.unwrap()), 401);
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_counts_with_it_alone() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let signer = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let provider = provider(&signer).await;
    let url = format!("http://{provider}");
    let oidc = format!("  oidc: [{{ name: corp, issuer: \"{url}\", audience: gate }}]\n");
    let gateway = gateway(&upstream, folder.path(), &authority, ", client_auth: optional", &oidc);
    let (one, other) = (authority.named(SPIFFE), authority.named(SPIFFE));
    let now = bartizan::clock::now().as_secs();
    let token = |cnf: Value| {
        let claims = json!({
            "iss": url, "aud": "gate", "sub": "ann", "exp": now + 300, "scope": "data:read",
            "cnf": cnf,
        });
        format!("Authorization: Bearer {}\r\n", signer.sign("at+jwt", &claims).unwrap())
    };
    let bound = token(json!({ "x5t#S256": one.thumbprint() }));
    let shown = async |client: Option<&Client>, field: &str| {
        status(&ask(&gateway, client, "/guarded", field).await.unwrap())
    };
    assert_eq!(shown(Some(&one), &bound).await, 200);
    assert_eq!(upstream.only().headers["x-bartizan-subject"], "corp:ann");
    // Remembered from a moment ago, and all the same not theirs to show.
    assert_eq!(shown(Some(&other), &bound).await, 401, "the same name, another key");
    assert_eq!(shown(None, &bound).await, 401);
    assert_eq!(shown(Some(&one), &token(json!({ "jkt": one.thumbprint() }))).await, 401);
    assert_eq!(shown(Some(&one), "").await, 401, "certificates name nobody here");
    assert_eq!(shown(Some(&one), &bound).await, 200);
}

#[tokio::test]
async fn a_client_of_the_token_endpoint_is_known_by_its_certificate_and_by_no_other() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let secret = URL_SAFE_NO_PAD.encode([7; 32]);
    let hash: String = Sha256::digest(&secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let tokens = format!(
        "  tokens:\n    issuer: https://localhost\n    clients:\n      \
         - {{ id: worker, certificate: {{ san_uri: \"{SPIFFE}\" }}, scopes: [\"data:read\"] }}\n      \
         - {{ id: plain, secret_hash: \"sha256:{hash}\", scopes: [\"data:read\"] }}\n"
    );
    let gateway = gateway(&upstream, folder.path(), &authority, ", client_auth: optional", &tokens);
    let ask_token = async |client: Option<&Client>, fields: &str| {
        let form = format!("grant_type=client_credentials&{fields}");
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n\r\n{form}",
            form.len()
        );
        send(&gateway, client, &request).await.unwrap()
    };
    let worker = authority.named(SPIFFE);
    let answer = ask_token(Some(&worker), "client_id=worker").await;
    assert_eq!(status(&answer), 200, "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let field = format!("Authorization: Bearer {}\r\n", body["access_token"].as_str().unwrap());
    assert_eq!(status(&ask(&gateway, None, "/guarded", &field).await.unwrap()), 200);
    assert_eq!(upstream.only().headers["x-bartizan-subject"], "client:worker");

    let other = authority.named("spiffe://example.org/agents/one/other");
    let host = authority.client(&[SanType::DnsName(SPIFFE.try_into().unwrap())]);
    let secrets = format!("client_id=worker&client_secret={secret}");
    for (client, fields, why) in [
        (None, "client_id=worker", "no certificate"),
        (Some(&other), "client_id=worker", "another name"),
        (Some(&host), "client_id=worker", "the name as another sort of name"),
        (Some(&worker), "client_id=plain", "it proves nobody who is known by a secret"),
        (Some(&worker), "client_id=nobody", "nobody"),
        (Some(&worker), &secrets, "a secret that it does not have"),
    ] {
        let answer = ask_token(client, fields).await;
        assert_eq!(status(&answer), 401, "{why}: {answer}");
        assert!(answer.contains("invalid_client"), "{why}: {answer}");
    }
    let answer = ask_token(Some(&worker), &format!("client_id=plain&client_secret={secret}")).await;
    assert_eq!(status(&answer), 200, "a certificate is no second proof: {answer}");
    let metadata =
        ask(&gateway, None, "/.well-known/oauth-authorization-server", "").await.unwrap();
    assert!(metadata.contains("\"tls_client_auth\""), "{metadata}");
}

#[tokio::test]
async fn what_a_certificate_holds_is_explained_as_the_gateway_decides() {
    let (upstream, folder) = (Upstream::start().await, tempfile::tempdir().unwrap());
    let authority = Authority::new();
    let mtls = "  mtls: { subject: spiffe, scopes: [\"data:read\"] }\n";
    let gateway = gateway(&upstream, folder.path(), &authority, "", mtls);
    let file = gateway.0.file().display().to_string();
    let subject = format!("mtls:{SPIFFE}");
    let explained = crate::program::command(
        &["explain", "--as", &subject, "GET", "/guarded", "--config", &file],
        "",
    );
    assert_eq!(explained.0, 0, "{}{}", explained.1, explained.2);
}
