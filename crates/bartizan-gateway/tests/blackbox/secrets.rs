//! Does anything secret leave by a way that is not its own? Secrets are planted in every input.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::gateway::{Gateway, folder_with, program, ran};
use crate::http::{PATIENCE, ask};
use crate::search::Search;

/// A service that answers well, or so badly that no client can read it.
async fn service(said: String, garbled: String) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (said, garbled) = (said.clone(), garbled.clone());
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                    if stream.read_buf(&mut seen).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let broken = seen.windows(8).any(|bytes| bytes == b" /broken");
                let answer = if broken {
                    format!("{garbled}\r\nHTTP/9 {garbled}\r\n\r\n")
                } else {
                    let length = said.len();
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{said}"
                    )
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

fn configuration(service: std::net::SocketAddr) -> String {
    format!(
        r#"
server: {{ max_request_size: 4KB, timeouts: {{ body: 2s }} }}
auth: {{ tokens: {{ issuer: "http://localhost:8000", grants: [password, client_credentials, refresh_token] }} }}
pii:
  request: {{ detect: [EMAIL, PHONE, SSN, CREDIT_CARD], action: mask }}
  response: {{ detect: [EMAIL, PHONE, SSN, CREDIT_CARD], action: mask }}
  log_detections: true
audit: {{ destination: "file://audit.jsonl", durability: sync }}
endpoints:
  - path: /document
    verbs: [SUMMARIZE]
    aliases: {{ POST: SUMMARIZE }}
    scopes: ["data:read"]
    schema: {{ type: object, required: [document_id], properties: {{ document_id: {{ type: string, maxLength: 40 }}, format: {{ enum: [text] }} }} }}
    upstream: {{ url: "http://{service}", credential: "${{UPSTREAM_KEY:-none}}" }}
  - path: /blocked
    verbs: [POST]
    authenticated: true
    pii: {{ request: {{ detect: [EMAIL], action: block }} }}
    upstream: {{ url: "http://{service}" }}
  - {{ path: /broken, verbs: [GET], public: true, upstream: {{ url: "http://{service}" }} }}
  - {{ path: "/files/{{*rest}}", verbs: [GET, POST], public: true, upstream: {{ url: "http://{service}" }} }}
  - {{ path: "/v1/{{*rest}}", protocol: openai, scopes: ["data:read"], upstream: {{ url: "http://{service}", credential: "${{UPSTREAM_KEY:-none}}" }} }}
"#
    )
}

/// A token that somebody else signed, with a secret in its claims.
fn foreign_token(secret: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"alg": "ES256", "typ": "at+jwt", "kid": "other"}));
    let claims = part(json!({"iss": "http://elsewhere", "sub": secret, "exp": 4_000_000_000_u64}));
    format!("{head}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 64]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_leaves_by_a_way_that_is_not_its_own() {
    let mut search = Search::default();
    let said = search.word("upstream's answer");
    let mail = search.plant("mail of the service", "carol.canary@example.org");
    let garbled = search.word("upstream's garbage");
    let service = service(json!({"said": said, "mail": mail}).to_string(), garbled).await;
    let folder = folder_with(&configuration(service));
    let password = search.word("password");
    let key = commands(&mut search, folder.path(), &password);
    let credential = search.word("upstream's credential");
    let environment = [("UPSTREAM_KEY", &*credential), ("RUST_LOG", "trace")];
    let gateway = Gateway::in_folder(&folder, &environment);

    let token = logins(&mut search, &gateway, &password).await;
    credentials(&mut search, &gateway, &token, &key).await;
    heads(&mut search, &gateway, &token).await;
    bodies(&mut search, &gateway, &token).await;
    raw(&mut search, &gateway).await;

    for page in ["/metrics", "/livez", "/readyz"] {
        let answer = ask("GET", page).at(gateway.admin).await;
        assert_eq!(answer.status, 200, "{page}");
        search.answer(page, &answer);
    }
    let log = gateway.log();
    let stopped = gateway.stop();
    assert!(stopped.status.success());
    assert!(stopped.said.contains("TRACE") && stopped.said.contains("DEBUG"), "the log tells all");
    search.output("the program's own log", stopped.said.as_bytes());
    search.output("the audit log", &std::fs::read(&log).unwrap());
    let records = std::fs::read_to_string(&log).unwrap();
    for event in ["AUTH_SUCCESS", "AUTH_FAILURE", "TOKEN_ISSUED", "PII_DETECTED", "PII_BLOCKED"] {
        assert!(records.contains(event), "no {event}: the plants did not get where they should");
    }
    let verdict = search.verdict();
    assert!(verdict.is_empty(), "{}", verdict.join("\n"));
}

/// The commands that handle secrets. Returns a key.
fn commands(search: &mut Search, folder: &Path, password: &str) -> String {
    let mut add = program(folder);
    let add = add.args(["users", "add", "alice", "--scopes", "data:read", "--password-stdin"]);
    let mut add =
        add.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    add.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    let added = add.wait_with_output().unwrap();
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    search.output("users add", &[added.stdout, added.stderr].concat());
    let make = ["keys", "create", "ci", "--scopes", "data:read", "--format", "json"];
    let made = ran(folder, &make);
    let shown: Value = serde_json::from_slice(&made.stdout).unwrap();
    search.output("keys create", &[made.stdout, made.stderr].concat());
    for list in [["users", "list"], ["keys", "list"], ["clients", "list"]] {
        let listed = ran(folder, &list);
        search.output(list.join(" "), &[listed.stdout, listed.stderr].concat());
    }
    let wrong = search.word("token to revoke");
    let revoked = ran(folder, &["tokens", "revoke", &wrong]);
    search.output("tokens revoke", &[revoked.stdout, revoked.stderr].concat());
    search.plant("API key", shown["key"].as_str().unwrap())
}

/// The token endpoint. Returns an access token.
async fn logins(search: &mut Search, gateway: &Gateway, password: &str) -> String {
    let form = format!("grant_type=password&username=alice&password={password}");
    let good = ask("POST", "/token").form(&form).at(gateway.address).await;
    assert_eq!(good.status, 200, "{}", good.text());
    search.answer("the token endpoint", &good);
    let good = good.json();
    search.plant("access token", good["access_token"].as_str().unwrap());
    let refresh = search.plant("refresh token", good["refresh_token"].as_str().unwrap());

    let wrong = search.word("wrong password");
    let name = search.word("password in place of a name");
    let client = search.word("client secret");
    let basic = STANDARD.encode(format!("ci:{client}"));
    let other = search.word("other form field");
    let (unknown, assertion) = (search.word("unknown refresh token"), search.word("assertion"));
    for (place, form) in [
        ("wrong password", format!("grant_type=password&username=alice&password={wrong}")),
        ("wrong name", format!("grant_type=password&username={name}&password={wrong}")),
        (
            "doubled",
            format!("grant_type=password&username=alice&password={wrong}&password={wrong}"),
        ),
        ("no grant", format!("grant_type={other}&password={wrong}")),
        (
            "bad scope",
            format!("grant_type=password&username=alice&password={password}&scope={other}"),
        ),
        ("bad refresh", format!("grant_type=refresh_token&refresh_token={unknown}")),
        ("client", format!("grant_type=client_credentials&client_id=ci&client_secret={client}")),
        ("assertion", format!("grant_type=urn:x&assertion={assertion}")),
        ("cut", format!("grant_type=password&username=alice&password={wrong}%F")),
    ] {
        search.ask(gateway, place, ask("POST", "/token").form(&form)).await;
    }
    let with_basic =
        |path: &str| ask("POST", path).header("authorization", format!("Basic {basic}"));
    let asked = with_basic("/token").form("grant_type=client_credentials");
    search.ask(gateway, "client, Basic", asked).await;
    for path in ["/introspect", "/revoke"] {
        search.ask(gateway, path, with_basic(path).form(&format!("token={refresh}"))).await;
        search.ask(gateway, path, ask("POST", path).form(&format!("token={unknown}"))).await;
    }
    let json = json!({"grant_type": "password", "username": "alice", "password": wrong});
    search.ask(gateway, "JSON at the token endpoint", ask("POST", "/token").json(&json)).await;
    let query = format!("/token?username=alice&password={wrong}");
    search
        .ask(gateway, "password in the query", ask("POST", &query).form("grant_type=password"))
        .await;
    let used = format!("grant_type=refresh_token&refresh_token={refresh}");
    for _ in 0..2 {
        let answer = ask("POST", "/token").form(&used).at(gateway.address).await;
        if answer.status == 200 {
            let next = answer.json();
            search.plant("access token", next["access_token"].as_str().unwrap());
            search.plant("refresh token", next["refresh_token"].as_str().unwrap());
            search.answer("the token endpoint", &answer);
        } else {
            search.answer("a used refresh token", &answer);
        }
    }
    // The second use has ended the family, and with it the first token.
    let again = ask("POST", "/token").form(&form).at(gateway.address).await.json();
    search.plant("refresh token", again["refresh_token"].as_str().unwrap());
    search.plant("access token", again["access_token"].as_str().unwrap())
}

/// Credentials, good and bad, in every place.
async fn credentials(search: &mut Search, gateway: &Gateway, token: &str, key: &str) {
    let body = json!({"document_id": "doc_001"});
    let summarize = || ask("SUMMARIZE", "/document").json(&body);
    for (name, asked) in [
        ("an answer to a token", summarize().bearer(token)),
        ("an answer to a key", summarize().header("x-api-key", key)),
        ("an answer to a key as a token", summarize().bearer(key)),
    ] {
        let answer = search.ask(gateway, name, asked).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    let claim = search.word("claim of a foreign token");
    let foreign = search.plant("foreign token", foreign_token(&claim));
    let bad = search.word("bad token");
    let bad_key = search.plant("bad key", format!("{}{}", &key[..key.len() - 8], "Zz9Zz9Zz"));
    let basic = search.word("Basic password");
    let encoded = STANDARD.encode(format!("alice:{basic}"));
    for (name, asked) in [
        ("foreign token", summarize().bearer(&foreign)),
        ("bad token", summarize().bearer(&bad)),
        ("bad key", summarize().header("x-api-key", &bad_key)),
        ("bad key as token", summarize().bearer(&bad_key)),
        ("Basic", summarize().header("authorization", format!("Basic {encoded}"))),
        ("unknown scheme", summarize().header("authorization", format!("Digest {bad}"))),
        ("no scheme", summarize().header("authorization", &bad)),
        ("two credentials", summarize().bearer(token).header("x-api-key", key)),
        ("two tokens", summarize().bearer(token).bearer(&bad)),
        ("bad token at an open door", ask("GET", "/files/a").bearer(&bad)),
        ("token in the query", ask("GET", &format!("/files/a?access_token={token}"))),
        ("bad token in the query", ask("SUMMARIZE", &format!("/document?access_token={bad}"))),
        (
            "bad token in OpenAI's dialect",
            ask("POST", "/v1/chat/completions").bearer(&bad).json(&body),
        ),
    ] {
        let answer = search.ask(gateway, name, asked).await;
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.status);
    }
}

/// Secrets in the rest of the head.
async fn heads(search: &mut Search, gateway: &Gateway, token: &str) {
    let mail = search.plant("mail in the path", "path.canary@example.com");
    let aws = search.plant("AWS key in the path", "AKIAIOSFODNN7CANARYX");
    let card = search.plant("card in the path", "4012888888881881");
    // Of what is cut off at its end, too, nothing may remain.
    search.plant("beginning of a card", &card[..8]);
    let github =
        search.plant("GitHub token", format!("ghp_{}", "c4n4ryC4n4ryc4n4ryC4n4ryc4n4ryC4n4ry"));
    let (query, header) = (search.word("query"), search.word("header"));
    let (cookie, trace) = (search.word("cookie"), search.word("traceparent"));
    let (host, forwarded) = (search.word("host"), search.word("forwarded"));
    let long = "x".repeat(1024 - "/files/".len() - 10);
    for (name, target) in [
        ("mail in the path", format!("/files/{mail}")),
        ("mail in the path, encoded", format!("/files/{}", mail.replace('@', "%40"))),
        ("mail in the path, encoded twice", format!("/files/{}", mail.replace('@', "%2540"))),
        ("key in the path", format!("/files/{aws}/x")),
        ("card at the end of a long path", format!("/files/{long}/{card}")),
        ("token in the path", format!("/files/{token}")),
        ("token of GitHub in the path", format!("/files/{github}")),
        ("query", format!("/files/a?key={query}&{query}=1")),
        ("token of GitHub on no path", format!("/nowhere/{github}?key={query}")),
        ("mail on no path", format!("/nowhere/{mail}")),
    ] {
        let name =
            if target.starts_with("/files") { format!("an answer: {name}") } else { name.into() };
        search.ask(gateway, &name, ask("GET", &target)).await;
    }
    let word = search.word("verb");
    for (name, verb) in [("card in the verb", &card), ("word in the verb", &word)] {
        search.ask(gateway, name, ask(verb, "/files/a")).await;
        search.ask(gateway, name, ask(verb, "/nowhere")).await;
    }
    let agent = format!("agent/1 ({mail}; {github}; {aws})");
    for (name, asked) in [
        ("user agent", ask("GET", "/files/a").header("user-agent", &agent)),
        ("header", ask("GET", "/files/a").header("x-secret", &header).header(&header, "1")),
        ("cookie", ask("GET", "/files/a").header("cookie", format!("s={cookie}"))),
        (
            "names",
            ask("GET", "/files/a").header("x-request-id", &trace).header("traceparent", &trace),
        ),
        (
            "forwarded",
            ask("GET", "/files/a")
                .header("x-forwarded-for", &forwarded)
                .header("forwarded", format!("for={forwarded}")),
        ),
        ("override", ask("POST", "/document").bearer(token).header("x-agis-method", &header)),
    ] {
        let name = if name == "override" { name.into() } else { format!("an answer: {name}") };
        search.ask(gateway, &name, asked).await;
    }
    let asked = ask("GET", "/files/a").header("host", host.to_ascii_lowercase());
    search.answer("two hosts", &asked.at(gateway.address).await);
}

/// Secrets in bodies, sound and not.
async fn bodies(search: &mut Search, gateway: &Gateway, token: &str) {
    let mail = search.plant("mail", "alice.canary@example.com");
    let ssn = search.plant("SSN", "219-09-4321");
    let card = search.plant("card", "5555555555554444");
    let phone = search.plant("phone", "+1 212 555 0143");
    let (member, value) = (search.word("member"), search.word("value"));
    let text = format!("{mail} {ssn} {card} {phone}");
    let document = json!({"document_id": "d", "text": text, mail.clone(): text});
    let summarize = || ask("SUMMARIZE", "/document").bearer(token);
    search.ask(gateway, "an answer: PII in the body", summarize().json(&document)).await;
    let (name, in_query) =
        (mail.replace('@', "%40"), format!("/blocked?{}={ssn}", mail.replace('@', "%40")));
    for (place, asked) in [
        ("form", ask("POST", "/files/form").form(&format!("{name}={name}&{name}"))),
        ("query", ask("POST", &in_query).bearer(token).form("a=1")),
    ] {
        search.ask(gateway, &format!("an answer: names in a {place}"), asked).await;
    }
    let blocked = ask("POST", "/blocked").bearer(token).json(&json!({"a": [{"b": mail}]}));
    let blocked = search.ask(gateway, "blocked PII", blocked).await;
    blocked.is_problem(422, "pii-blocked");
    let big = format!(r#"{{"document_id":"{value}","x":"{}"}}"#, "x".repeat(5000));
    let media = "application/json";
    for (name, asked) in [
        ("bad value", summarize().json(&json!({"document_id": 7, "format": value}))),
        ("too long", summarize().json(&json!({"document_id": value.repeat(4)}))),
        ("missing", summarize().json(&json!({"a": value}))),
        ("cut", summarize().body(media, format!(r#"{{"document_id":"{value}"#))),
        ("doubled", summarize().body(media, format!(r#"{{"{member}":1,"{member}":"{value}"}}"#))),
        ("garbage", summarize().body(media, format!("{value} {member}"))),
        ("no UTF-8", summarize().body(media, [value.as_bytes(), b"\xff\xfe"].concat())),
        ("too large", summarize().body(media, big)),
        ("other media", summarize().body("text/plain", value.clone())),
        ("media type", summarize().body(&format!("application/{value}"), value.clone())),
        (
            "OpenAI's dialect",
            ask("POST", "/v1/chat/completions")
                .bearer(token)
                .body(media, format!(r#"{{"model":"{value}","model":7}}"#)),
        ),
    ] {
        let answer = search.ask(gateway, name, asked).await;
        assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
    }
    let broken = search.ask(gateway, "a broken upstream", ask("GET", "/broken")).await;
    broken.is_problem(502, "upstream-failed");
}

/// What is no request at all.
async fn raw(search: &mut Search, gateway: &Gateway) {
    let line = search.word("malformed line");
    let address = gateway.address;
    for (name, bytes) in [
        ("no version", format!("GET /{line}\r\n\r\n")),
        ("no field", format!("GET /files/a HTTP/1.1\r\nHost: {address}\r\n{line}\r\n\r\n")),
        (
            "bad name",
            format!("GET /files/a HTTP/1.1\r\nHost: {address}\r\n{line} : {line}\r\n\r\n"),
        ),
        (
            "bad length",
            format!("POST /document HTTP/1.1\r\nHost: {address}\r\nContent-Length: {line}\r\n\r\n"),
        ),
        (
            "bad chunk",
            format!(
                "POST /token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n{line}\r\n"
            ),
        ),
        ("two hosts", format!("GET /files/a HTTP/1.1\r\nHost: {address}\r\nHost: {line}\r\n\r\n")),
        ("noise", format!("\u{16}\u{3}\u{1}{line}\r\n\r\n")),
        (
            "a body that ends early",
            format!("POST /token HTTP/1.1\r\nHost: {address}\r\nContent-Length: 999\r\n\r\n{line}"),
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        search.output(name, &answer);
    }
}

#[test]
fn a_configuration_is_blamed_without_its_secrets() {
    let mut search = Search::default();
    let (hash, credential) = (search.word("hash"), search.word("credential"));
    let (url, store) = (search.word("password in a url"), search.word("password of the store"));
    let (variable, file) = (search.word("variable"), search.word("file"));
    let folder = folder_with(&format!(
        r#"
server: {{ listen: "${{SECRET}}", admin: {{ auth: "{credential}", listen: "{credential}" }}, max_request_size: "${{SECRET}}" }}
store: {{ durable: "postgres://user:{store}@db/x", shared: "redis://:{store}@cache" }}
auth:
  api_keys: {{ keys: [{{ id: ci, hash: "sha256:{hash}", scope: [a] }}, {{ id: "a b", hash: "{hash}" }}, {{ id: c, hash: {{ env: SECRET }} }}] }}
  tokens: {{ issuer: "http://user:{url}@h", signing_key: "{credential}", users: [{{ username: a, password_hash: "{hash}" }}, {{ username: b, password_hash: {{ file: hash }} }}] }}
  oidc: [{{ issuer: "${{SECRET}}", audience: a }}]
audit: {{ destination: "postgres://user:{store}@db" }}
endpoints:
  - {{ path: /a, verbs: [GET], public: true, upstream: {{ url: "http://user:{url}@h", credential: "{credential}\n" }} }}
  - {{ path: /b, verbs: [GET], public: true, upstream: {{ url: "${{SECRET}}", credentail: "{credential}" }} }}
  - {{ path: /c, verbs: [GET], public: true, upstream: {{ url: {{ env: SECRET }} }} }}
"#
    ));
    std::fs::write(folder.path().join("hash"), &file).unwrap();
    let broken =
        format!("auth: {{ tokens: {{ signing_key: \"{credential}\" }}\nx: [{credential}\n");
    std::fs::write(folder.path().join("broken.yaml"), broken).unwrap();
    for (config, format) in [
        ("bartizan.yaml", "text"),
        ("bartizan.yaml", "json"),
        ("broken.yaml", "text"),
        ("broken.yaml", "json"),
    ] {
        let mut check = program(folder.path());
        let check = check.args(["check", "--config", config, "--format", format]);
        let check = check.env("SECRET", &variable).output().unwrap();
        assert_ne!(check.status.code(), Some(0), "{config}");
        search.output(format!("check {config}"), &[check.stdout, check.stderr].concat());
        let mut run = program(folder.path());
        let run = run.args(["run", "--config", config, "--port", "0"]);
        let run = run.env("SECRET", &variable).env("RUST_LOG", "trace").output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{config}");
        search.output(format!("run {config}"), &[run.stdout, run.stderr].concat());
    }
    let told = &search.outputs[0].text;
    assert!(told.lines().count() > 10, "the check got as far as every mistake: {told}");
    let leaks: Vec<_> = search.verdict();
    let leaks: Vec<_> = leaks.iter().filter(|line| !line.starts_with("allowed for")).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
