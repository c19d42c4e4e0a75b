//! Do the proxies that people have do what the gateway tells them? Real ones, with the configurations of the page.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bartizan_core::authenticate::api_key::Hash;
use tempfile::TempDir;

use crate::gateway::Gateway;
use crate::http::{Answer, ask};
use crate::origin;

const ANN: &str = "key-of-ann-2f9c41d7a8b3e6501c4d";
const BOB: &str = "key-of-bob-77ab10c93e5d2f48160b";

/// A proxy that asks, and what stands around it. All of it ends with the test.
struct Site {
    gateway: Gateway,
    proxy: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Drop for Site {
    fn drop(&mut self) {
        // nginx has a worker that must not outlive its master.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

fn configuration() -> String {
    let hash = |key| Hash::of(key, None).to_string();
    format!(
        r#"
server: {{ trusted_proxies: [127.0.0.1/32] }}
store: {{ durable: "sqlite:gate.db" }}
audit: {{ destination: "file://audit.jsonl" }}
auth:
  api_keys:
    keys:
      - {{ id: ann, hash: "{}", subject: ann, scopes: ["reports:read"] }}
      - {{ id: bob, hash: "{}", subject: bob }}
endpoints:
  - {{ path: "/reports/{{id}}", verbs: [GET, POST], scopes: ["reports:read"], handler: forward_auth }}
  - {{ path: /rare, verbs: [GET], authenticated: true, handler: forward_auth }}
  - {{ path: /open, verbs: [GET], public: true, handler: forward_auth }}
limits:
  - {{ name: rare, by: user, rate: 1/hour, match: {{ path: /rare }} }}
"#,
        hash(ANN),
        hash(BOB)
    )
}

impl Site {
    /// Starts the gateway, an upstream, and a proxy by `start` with the block of the page that begins
    /// with `fence` below `heading`.
    async fn start(
        heading: &str,
        fence: &str,
        start: impl Fn(&Path, &str, SocketAddr) -> Command,
    ) -> Self {
        let gateway = Gateway::configured(&configuration());
        let upstream = origin::start().await;
        let proxy = free();
        let block = block(heading, fence)
            .replace("127.0.0.1:8000", &gateway.address.to_string())
            .replace("127.0.0.1:9000", &upstream.to_string())
            .replace("127.0.0.1:8080", &proxy.to_string())
            .replace("port_value: 8000", &format!("port_value: {}", gateway.address.port()))
            .replace("port_value: 9000", &format!("port_value: {}", upstream.port()))
            .replace("port_value: 8080", &format!("port_value: {}", proxy.port()));
        let folder = tempfile::tempdir().unwrap();
        let mut command = start(folder.path(), &block, proxy);
        let said = std::fs::File::create(folder.path().join("said")).unwrap();
        let child = command
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; run `cargo xtask test`"));
        let site = Self { gateway, proxy, child, folder };
        site.wait();
        site
    }

    fn wait(&self) {
        let began = Instant::now();
        while TcpStream::connect(self.proxy).is_err() {
            let said = || std::fs::read_to_string(self.folder.path().join("said")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(60), "no proxy:\n{}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    async fn get(&self, path: &str, key: &str) -> Answer {
        ask("GET", path).header("x-api-key", key).at(self.proxy).await
    }

    /// What every proxy must do alike.
    async fn keeps_the_gates_word(&self) {
        let forged = ["x-bartizan-subject", "x-bartizan-tenant", "x-bartizan-roles"];
        let mut call = ask("POST", "/reports/7?full=1").header("x-api-key", ANN);
        for name in forged {
            call = call.header(name, "forged");
        }
        let passed =
            call.body("text/plain", "a body that the gateway never sees").at(self.proxy).await;
        assert_eq!(passed.status, 200, "{passed:?}");
        let seen = passed.json();
        assert_eq!(
            (&seen["method"], &seen["target"]),
            (&"POST".into(), &"/reports/7?full=1".into())
        );
        assert_eq!(seen["body"], "a body that the gateway never sees");
        assert_eq!(seen["headers"]["x-bartizan-subject"], "key:ann");
        assert_eq!(seen["headers"]["x-bartizan-scopes"], "reports:read");
        assert!(!seen.to_string().contains("forged"), "{seen}");
        assert!(!seen.to_string().contains(ANN), "{seen}");

        let stranger = ask("GET", "/reports/7").at(self.proxy).await;
        assert_eq!(stranger.status, 401);
        assert!(stranger.headers.contains_key("www-authenticate"), "{stranger:?}");
        assert_eq!(self.get("/reports/7", "no-such-key-0123456789abcdef").await.status, 401);
        assert_eq!(self.get("/reports/7", BOB).await.status, 403);
        assert_eq!(self.get("/nowhere", ANN).await.status, 404);
        assert_eq!(self.get("/rare", ANN).await.status, 200);
        let short = self.get("/rare", ANN).await;
        assert_eq!(short.status, 429);
        assert!(short.headers.contains_key("retry-after"), "{short:?}");
        assert!(short.headers.contains_key("ratelimit"), "{short:?}");
        self.believes_no_client().await;
        self.is_on_record();
    }

    /// A client that names another call than it makes gets neither.
    async fn believes_no_client(&self) {
        for forged in [
            [("x-original-method", "GET"), ("x-original-uri", "/open")],
            [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/open")],
        ] {
            let [method, uri] = forged;
            let call = ask("GET", "/reports/7").header(method.0, method.1).header(uri.0, uri.1);
            let answer = call.at(self.proxy).await;
            assert!(matches!(answer.status, 401 | 403), "{forged:?}: {answer:?}");
        }
        let undone = "x-bartizan-subject, X-Bartizan-Scopes, close";
        let call = ask("GET", "/reports/7").header("x-api-key", ANN).header("connection", undone);
        let answer = call.at(self.proxy).await;
        let told = || answer.json()["headers"]["x-bartizan-subject"] == "key:ann";
        assert!(answer.status == 400 || told(), "passes as nobody: {answer:?}");
        let open = ask("GET", "/open").header("x-bartizan-subject", "forged").at(self.proxy).await;
        assert_eq!(open.status, 200);
        assert!(!open.json().to_string().contains("forged"), "{open:?}");
    }

    fn is_on_record(&self) {
        let records = self.gateway.records();
        let passed = records
            .iter()
            .find(|record| record["event"] == "REQUEST_END" && record["action"]["verb"] == "POST");
        let passed = passed.unwrap();
        assert_eq!(passed["action"]["endpoint"], "/reports/{id}");
        assert_eq!(passed["details"]["inquiry"], true);
        assert_eq!(passed["principal"]["id"], "ann");
    }
}

/// The block of the page below a heading.
fn block(heading: &str, fence: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/forward-auth.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, block) = below.split_once(&format!("\n```{fence}\n")).unwrap();
    block.split_once("\n```\n").unwrap().0.to_owned()
}

/// A port that nobody has.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A program in the virtual environment of the tests.
fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/python/bin").join(name)
}

#[tokio::test]
async fn nginx_lets_pass_what_the_gateway_lets_pass() {
    let site = Site::start("nginx", "nginx", |folder, block, _| {
        let main = "daemon off; master_process off; pid nginx.pid; error_log stderr;\nevents {}\n";
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path tmp;\n"))
            .concat();
        let file = folder.join("nginx.conf");
        std::fs::write(&file, format!("{main}http {{ access_log off;\n{temporary}{block}\n}}\n"))
            .unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(file);
        command
    });
    site.await.keeps_the_gates_word().await;
}

#[tokio::test]
async fn caddy_lets_pass_what_the_gateway_lets_pass() {
    let site = Site::start("Caddy", "caddyfile", |folder, block, _| {
        let file = folder.join("Caddyfile");
        std::fs::write(&file, format!("{{\n\tadmin off\n\tauto_https off\n}}\n{block}\n")).unwrap();
        let mut command = Command::new(tool("caddy"));
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        command
    });
    site.await.keeps_the_gates_word().await;
}

#[tokio::test]
async fn traefik_lets_pass_what_the_gateway_lets_pass() {
    let site = Site::start("Traefik", "toml", |folder, block, proxy| {
        let file = folder.join("routes.toml");
        std::fs::write(&file, block).unwrap();
        let mut command = Command::new(tool("traefik"));
        command.arg(format!("--entryPoints.web.address={proxy}"));
        command.arg(format!("--providers.file.filename={}", file.display()));
        command.args(["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]);
        command
    });
    let site = site.await;
    // It listens before it has read its routes.
    let began = Instant::now();
    while site.get("/open", ANN).await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "no routes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.keeps_the_gates_word().await;
}

fn envoy(folder: &Path, block: &str, _: SocketAddr) -> Command {
    let file = folder.join("envoy.yaml");
    std::fs::write(&file, block).unwrap();
    let mut command = Command::new(tool("envoy"));
    command.arg("-c").arg(file).args(["--use-dynamic-base-id", "--concurrency", "1", "-l", "warn"]);
    command
}

#[tokio::test]
async fn envoy_lets_pass_what_the_gateway_lets_pass_when_it_asks_by_grpc() {
    Site::start("Envoy, by gRPC", "yml", envoy).await.keeps_the_gates_word().await;
}

#[tokio::test]
async fn envoy_lets_pass_what_the_gateway_lets_pass_when_it_asks_by_http() {
    Site::start("Envoy, by HTTP", "yml", envoy).await.keeps_the_gates_word().await;
}
