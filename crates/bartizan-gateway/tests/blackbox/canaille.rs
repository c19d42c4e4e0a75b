//! Does a provider with other habits work as it is? canaille gives programs random texts as tokens, which name no subject,
//! are meant for client ids, and end at a fraction of a second.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::http::{Answer, ask};
use crate::python::{here, python};

/// A running canaille. It is killed when this is dropped.
struct Canaille {
    url: String,
    address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Canaille {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(python())
            .arg("-B")
            .arg(here().join("canaille_provider.py"))
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("canaille did not start");
        let (url, address) = (url.to_owned(), url.strip_prefix("http://").unwrap());
        let address = address.parse().unwrap();
        thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Self { url, address, child, _folder: folder }
    }

    async fn ask(&self, client: &str, path: &str, form: &str) -> Answer {
        let basic = STANDARD.encode(format!("{client}:{client}-secret"));
        let asked = ask("POST", path).header("authorization", format!("Basic {basic}"));
        let answer = asked.form(form).at(self.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    async fn token(&self, client: &str) -> String {
        let form = "grant_type=client_credentials&scope=data:read";
        let answer = self.ask(client, "/oauth/token", form).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Canaille {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gateway(provider: &Canaille, subject: &str) -> Gateway {
    Gateway::configured(&format!(
        r#"
auth:
  oidc:
    - name: canaille
      issuer: "{}"
      audience: gateway
      claims: {{ subject: {subject} }}
      introspection: {{ client_id: gateway, client_secret: gateway-secret, cache: 1s }}
endpoints:
  - {{ path: /read, verbs: [GET], scopes: ["data:read"], handler: health }}
  - {{ path: /write, verbs: [GET], scopes: ["data:write"], handler: health }}
"#,
        provider.url
    ))
}

#[tokio::test]
async fn a_token_that_names_no_subject_is_its_clients_where_that_is_configured_and_nobodys_elsewhere()
 {
    let provider = Canaille::start();
    let token = provider.token("svc").await;
    let named = gateway(&provider, "[sub, client_id]");
    let at = async |gateway: &Gateway, path: &str, token: &str| {
        ask("GET", path).bearer(token).at(gateway.address).await.status
    };
    assert_eq!(at(&named, "/read", &token).await, 200);
    assert_eq!(at(&named, "/write", &token).await, 403, "a scope that it was not given");
    let records = named.records();
    let known = records.iter().find(|record| record["event"] == "AUTH_SUCCESS").unwrap();
    assert_eq!(known["principal"]["id"], "svc", "{known}");
    assert_eq!(known["principal"]["issuer"], "canaille", "{known}");
    // Meant for somebody else, and never heard of: what the provider says of both is no.
    assert_eq!(at(&named, "/read", &provider.token("elsewhere").await).await, 401);
    assert_eq!(at(&named, "/read", "made-up").await, 401);
    let nameless = gateway(&provider, "sub");
    assert_eq!(at(&nameless, "/read", &token).await, 401, "nobody is the subject");

    provider.ask("svc", "/oauth/revoke", &format!("token={token}")).await;
    let end = Instant::now() + Duration::from_secs(30);
    while at(&named, "/read", &token).await != 401 {
        assert!(Instant::now() < end, "it was taken back and still counts");
    }
}
