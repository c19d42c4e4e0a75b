//! Do policies and approvals hold on the real gateway, and does `explain` say what it does?

use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::gateway::{Gateway, folder_with, ran};
use crate::http::{Answer, Ask, ask};
use crate::origin;

/// A key that is its holder's name and so long that its plain hash will do.
fn key(holder: &str) -> String {
    format!("btz-test-{holder}-7f3a9c5d1e8b4026a1c3e5f708192a3b")
}

fn row(holder: &str, rest: &str) -> String {
    let hash: String = Sha256::digest(key(holder)).iter().map(|b| format!("{b:02x}")).collect();
    format!("      - {{ id: {holder}, hash: \"sha256:{hash}\", {rest} }}\n")
}

/// The configuration of all tests here, in front of `upstream`.
fn configuration(upstream: std::net::SocketAddr) -> String {
    let keys = [
        row("ann", "subject: ann, tenant: acme"),
        row("eve", "subject: eve, tenant: evil"),
        row("bob", "subject: bob, tenant: acme, roles: [approver]"),
        row("mallory", "subject: mallory, tenant: evil, roles: [approver]"),
        row("root", "subject: root, roles: [chief]"),
    ]
    .concat();
    format!(
        r#"store: {{ durable: "sqlite:bartizan.db", shared: memory }}
audit: {{ destination: "file://audit.jsonl" }}
auth:
  api_keys:
    keys:
{keys}access:
  roles:
    approver: {{ permissions: [] }}
    chief: {{ inherits: [approver], permissions: [{{ resource: "files/*", actions: ["*"] }}] }}
policies:
  - name: no night shift
    effect: deny
    priority: 10
    match: {{ paths: ["/files/secret", "/files/secret/*"] }}
    unless: {{ roles: [chief] }}
  - name: deletions
    effect: require_approval
    match: {{ verbs: [DELETE] }}
    unless: {{ roles: [chief] }}
approvals: {{ roles: [approver], expires: 30m }}
endpoints:
  - path: "/files/{{*rest}}"
    verbs: [GET, DELETE, POST]
    authenticated: true
    upstream: {{ url: "http://{upstream}" }}
  - path: "/orgs/{{org}}/report"
    verbs: [GET]
    authenticated: true
    tenant: {{ path: org }}
    upstream: {{ url: "http://{upstream}" }}
  - path: /pay
    verbs: [TRANSFER]
    authenticated: true
    approval: required
    schema: {{ type: object, required: [amount], properties: {{ amount: {{ type: integer }} }} }}
    upstream: {{ url: "http://{upstream}" }}
"#
    )
}

fn of(holder: &str, verb: &str, path: &str) -> Ask {
    ask(verb, path).header("x-api-key", key(holder))
}

fn pay(holder: &str, amount: u32) -> Ask {
    of(holder, "TRANSFER", "/pay").json(&json!({ "amount": amount }))
}

async fn decide(gateway: &Gateway, who: &str, id: &str, decision: &str) -> Answer {
    let path = format!("/approvals/{id}");
    of(who, "POST", &path).json(&json!({ "decision": decision })).at(gateway.address).await
}

async fn waits(gateway: &Gateway, ask: Ask) -> String {
    let answer = ask.at(gateway.address).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["status"], "pending", "{body}");
    let id = body["approval_id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/approvals/{id}"));
    id
}

async fn gateway() -> Gateway {
    Gateway::configured(&configuration(origin::start().await))
}

#[tokio::test]
async fn whoever_agrees_is_shown_what_they_agree_to() {
    let configuration = configuration(origin::start().await);
    let open = configuration.replace("    schema: { type: object, required: [amount]", "    # {");
    assert_ne!(open, configuration);
    let gateway = Gateway::configured(&open);
    let shown = async |id: &str| {
        of("bob", "GET", &format!("/approvals/{id}")).at(gateway.address).await.json()
    };
    let asked = waits(&gateway, of("ann", "TRANSFER", "/pay?to=eve&amount=1000000")).await;
    let row = shown(&asked).await;
    assert_eq!((&row["path"], &row["query"]), (&json!("/pay"), &json!("to=eve&amount=1000000")));
    assert_eq!((&row["because"], &row["body_truncated"]), (&json!("endpoint"), &json!(false)));
    assert!(row["digest"].as_str().unwrap().starts_with("sha256:"), "{row}");

    let long = json!({ "to": "ann", "note": "thanks ".repeat(700), "too": "eve" }).to_string();
    let asked =
        waits(&gateway, of("ann", "TRANSFER", "/pay").body("application/json", long.clone())).await;
    let row = shown(&asked).await;
    assert_eq!((&row["body_bytes"], &row["body_truncated"]), (&json!(long.len()), &json!(true)));
    assert_eq!(row["content_type"], "application/json");

    let twice = r#"{"to":"ann","to":"eve"}"#;
    let twice = of("ann", "TRANSFER", "/pay").body("application/json", twice);
    twice.at(gateway.address).await.is_problem(400, "invalid-json");
    let packed = of("ann", "TRANSFER", "/pay").header("content-encoding", "gzip");
    let packed = packed.body("application/json", "\u{1f}packed").at(gateway.address).await;
    packed.is_problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn a_call_waits_is_approved_by_another_and_is_made_once() {
    let gateway = gateway().await;
    let id = waits(&gateway, pay("ann", 5)).await;
    assert_eq!(waits(&gateway, pay("ann", 5)).await, id, "the same call waits once");
    let path = format!("/approvals/{id}");
    let shown = of("ann", "GET", &path).at(gateway.address).await.json();
    assert_eq!((&shown["status"], &shown["requester"]), (&json!("pending"), &json!("key:ann")));
    let listed = of("bob", "GET", "/approvals").at(gateway.address).await.json();
    assert_eq!(listed["approvals"][0]["approval_id"], *id);
    assert_eq!(listed["approvals"][0]["body"], r#"{"amount":5}"#);

    // With the id alone nothing is done yet.
    let early = pay("ann", 5).header("x-approval-id", &id).at(gateway.address).await;
    assert_eq!(early.status, 202);
    let decided = decide(&gateway, "bob", &id, "approve").await;
    assert_eq!(decided.status, 200, "{}", decided.text());
    assert_eq!(decided.json()["decided_by"], "key:bob");
    assert_eq!(decide(&gateway, "bob", &id, "decline").await.status, 409, "a decision stands");

    // Not another call, and not by somebody else.
    for other in [pay("ann", 50), pay("eve", 5), pay("bob", 5)] {
        let answer = other.header("x-approval-id", &id).at(gateway.address).await;
        answer.is_problem(403, "approval-not-usable");
    }
    let made = pay("ann", 5).header("x-approval-id", &id).at(gateway.address).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let seen = made.json();
    assert_eq!(seen["body"], r#"{"amount":5}"#);
    assert_eq!(seen["headers"].get("x-approval-id"), None, "it is ours");
    let again = pay("ann", 5).header("x-approval-id", &id).at(gateway.address).await;
    again.is_problem(403, "approval-not-usable");

    let records = gateway.records();
    let of_event = |event: &str| {
        records.iter().filter(|record| record["event"] == event).cloned().collect::<Vec<Value>>()
    };
    let asked = of_event("APPROVAL_REQUESTED");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0]["details"]["approval_id"], *id);
    assert_eq!(asked[0]["principal"]["id"], "ann");
    let decided = of_event("APPROVAL_DECIDED");
    assert_eq!(decided.len(), 1, "{decided:?}");
    assert_eq!(decided[0]["details"]["requester"], "key:ann");
    assert_eq!(decided[0]["principal"]["id"], "bob");
    let departed = of_event("REQUEST_START");
    let approved = departed.iter().filter(|record| record["details"]["approval_id"] == *id);
    let by: Vec<_> = approved.map(|record| &record["details"]["approved_by"]).collect();
    assert_eq!(by, [&json!("key:bob")]);
}

#[tokio::test]
async fn nobody_approves_their_own_call_nor_another_tenants() {
    let gateway = gateway().await;
    // The holder of the right is asked like everybody else.
    let own = waits(&gateway, pay("bob", 1)).await;
    decide(&gateway, "bob", &own, "approve").await.is_problem(403, "forbidden");
    let id = waits(&gateway, pay("ann", 1)).await;
    decide(&gateway, "ann", &id, "approve").await.is_problem(403, "forbidden");
    // For others there is no such thing.
    for (who, id) in [("mallory", &id), ("eve", &id), ("root", &id)] {
        decide(&gateway, who, id, "approve").await.is_problem(404, "not-found");
        let path = format!("/approvals/{id}");
        of(who, "GET", &path).at(gateway.address).await.is_problem(404, "not-found");
        let listed = of(who, "GET", "/approvals").at(gateway.address).await.json();
        assert!(!listed.to_string().contains(&**id), "{who}: {listed}");
    }
    let nobody = ask("GET", &format!("/approvals/{id}")).at(gateway.address).await;
    nobody.is_problem(401, "unauthenticated");
    assert_eq!(decide(&gateway, "bob", &id, "decline").await.status, 200);
    let declined = pay("ann", 1).header("x-approval-id", &id).at(gateway.address).await;
    declined.is_problem(403, "approval-not-usable");
    for wrong in ["apr_0", "", "apr_00000000000000000000000000000000", "' OR 1=1 --"] {
        let answer = pay("ann", 1).header("x-approval-id", wrong).at(gateway.address).await;
        answer.is_problem(403, "approval-not-usable");
    }
}

#[tokio::test]
async fn what_cannot_be_sound_is_not_asked_about_and_a_rehearsal_asks_nobody() {
    let gateway = gateway().await;
    let unsound = of("ann", "TRANSFER", "/pay").json(&json!({ "amount": "much" }));
    unsound.at(gateway.address).await.is_problem(422, "invalid-body");
    let question = json!({ "verb": "TRANSFER", "path": "/pay", "payload": { "amount": 5 } });
    let told = of("ann", "TEST", "/action").json(&question).at(gateway.address).await.json();
    assert_eq!(told, json!({ "status": "valid", "approval": "required" }));
    let chain = json!({ "chain": [
        { "verb": "TRANSFER", "path": "/pay", "params": { "amount": 7 } },
        { "verb": "POST", "path": "/files/after", "params": {} },
    ] });
    let ran = of("ann", "POST", "/chain").json(&chain).at(gateway.address).await.json();
    assert_eq!(ran["status"], "failed", "{ran}");
    assert_eq!(ran["results"].as_array().unwrap().len(), 1, "nothing is built on what waits");
    let id = ran["results"][0]["error"]["approval_id"].as_str().unwrap().to_owned();
    let listed = of("bob", "GET", "/approvals").at(gateway.address).await.json();
    assert_eq!(listed["approvals"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(decide(&gateway, "bob", &id, "approve").await.status, 200);
    let mut chain = chain;
    chain["chain"][0]["approval_id"] = id.into();
    let ran = of("ann", "POST", "/chain").json(&chain).at(gateway.address).await.json();
    assert_eq!(ran["status"], "completed", "{ran}");
}

#[tokio::test]
async fn an_approval_outlives_the_gateway_and_can_be_given_from_the_command_line() {
    let upstream = origin::start().await;
    let folder = folder_with(&configuration(upstream));
    let first = Gateway::in_folder(&folder, &[]);
    let id = waits(&first, of("ann", "DELETE", "/files/old?force=1")).await;
    drop(first);
    let listed = ran(folder.path(), &["approvals", "list", "--format", "json"]);
    let row: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(row["approval_id"], *id, "{row}");
    // As over HTTP: not their own, and not without the right; also not because of the machine.
    for (by, why) in [
        (&["--by", "key:ann"][..], "nobody decides about a call of their own"),
        (&["--by", "key:mallory"], "`key:mallory` is of the tenant `evil`"),
        (&["--by", "corp:bob"], "has no right to decide"),
        (&[], "has no right to decide"),
    ] {
        let refused = ran(folder.path(), &[&["approvals", "decide", &id, "approve"], by].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{by:?}");
        assert!(said.contains(why), "{by:?}: {said}");
    }
    let decide = ["approvals", "decide", &id, "approve", "--by", "key:bob"];
    let decided = ran(folder.path(), &decide);
    assert!(decided.status.success(), "{}", String::from_utf8_lossy(&decided.stderr));
    let log = folder.path().join("audit.admin.jsonl");
    let log = std::fs::read_to_string(log).unwrap();
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = records.iter().filter(|r| r["event"] == "APPROVAL_DECIDED").collect();
    assert_eq!(told.len(), 1, "{log}");
    let details = &told[0]["details"];
    assert_eq!(
        (&details["decided_by"], &details["decision"]),
        (&"key:bob".into(), &"approved".into())
    );
    assert_eq!(details["requester"], "key:ann");
    let second = Gateway::in_folder(&folder, &[]);
    let other = of("ann", "DELETE", "/files/old").header("x-approval-id", &id);
    other.at(second.address).await.is_problem(403, "approval-not-usable");
    let made = of("ann", "DELETE", "/files/old?force=1").header("x-approval-id", &id);
    let made = made.at(second.address).await;
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.json()["target"], "/files/old?force=1");
}

#[tokio::test]
async fn policies_deny_whatever_the_path_looks_like_and_roles_inherit() {
    let gateway = gateway().await;
    let get = |who: &str, path: &str| of(who, "GET", path).at(gateway.address);
    assert_eq!(get("ann", "/files/open").await.status, 200);
    for path in [
        "/files/secret",
        "/files/secret/",
        "/files/secret/a",
        "/files/secret;x=1",
        "/files/%73ecret",
    ] {
        let answer = get("ann", path).await;
        answer.is_problem(403, "forbidden");
        assert_eq!(answer.json()["detail"], "Not authorized", "no reason for the caller");
        assert_eq!(get("root", path).await.status, 200, "{path}");
    }
    for path in ["/files/./secret", "/files/x/../secret", "/files//secret", "/files/%2e/secret"] {
        assert_eq!(get("ann", path).await.status, 400, "{path}");
    }
    // A chief needs no approval; and has the right of those whose role the chief's inherits.
    assert_eq!(of("root", "DELETE", "/files/x").at(gateway.address).await.status, 200);
    let own = waits(&gateway, pay("root", 1)).await;
    decide(&gateway, "root", &own, "approve").await.is_problem(403, "forbidden");
    let denied = gateway.records().into_iter().find(|record| record["event"] == "ACCESS_DENIED");
    assert_eq!(denied.unwrap()["reason"], "the policy `no night shift` denies it");
}

#[tokio::test]
async fn another_tenants_data_is_out_of_reach_by_path_header_and_override() {
    let gateway = gateway().await;
    let get = |who: &str, path: &str| of(who, "GET", path);
    assert_eq!(get("ann", "/orgs/acme/report").at(gateway.address).await.status, 200);
    for ask in [
        get("ann", "/orgs/evil/report"),
        get("ann", "/orgs/evil/report").header("x-bartizan-tenant", "evil"),
        get("ann", "/orgs/evil/report").header("x-tenant", "acme"),
        get("root", "/orgs/acme/report"),
        get("ann", "/orgs/evil/report?org=acme"),
        get("ann", "/orgs/%65vil/report"),
    ] {
        ask.at(gateway.address).await.is_problem(403, "forbidden");
    }
    let seen = get("ann", "/orgs/acme/report").header("x-bartizan-tenant", "evil");
    let seen = seen.at(gateway.address).await.json();
    assert_eq!(seen["headers"]["x-bartizan-tenant"], "acme");
}

#[tokio::test]
async fn explain_says_what_the_gateway_does_and_why() {
    let gateway = gateway().await;
    let folder: &Arc<TempDir> = gateway.folder();
    std::fs::write(folder.path().join("pay.json"), r#"{"amount":5}"#).unwrap();
    std::fs::write(folder.path().join("bad.json"), r#"{"amount":"x"}"#).unwrap();
    let pay = ["TRANSFER", "/pay", "--body", "pay.json"];
    for (who, call, status, decision, reason) in [
        (
            "ann",
            &["GET", "/files/open"][..],
            200,
            "allow",
            "the policy `no night shift` does not deny it",
        ),
        ("ann", &["GET", "/files/secret/x"], 403, "deny", "the policy `no night shift` denies it"),
        (
            "root",
            &["GET", "/files/secret/x"],
            200,
            "allow",
            "the policy `no night shift` does not deny it",
        ),
        (
            "ann",
            &["DELETE", "/files/x"],
            202,
            "approval",
            "the policy `deletions` asks for an approval",
        ),
        (
            "root",
            &["DELETE", "/files/x"],
            200,
            "allow",
            "the policy `deletions` asks for no approval",
        ),
        (
            "ann",
            &["GET", "/orgs/evil/report"],
            403,
            "deny",
            "the request must name the caller's own tenant",
        ),
        (
            "ann",
            &["GET", "/orgs/acme/report"],
            200,
            "allow",
            "the request must name the caller's own tenant",
        ),
        ("ann", &pay, 202, "approval", "somebody must agree first: the endpoint says so"),
        ("ann", &["TRANSFER", "/pay", "--body", "bad.json"], 422, "deny", "the body at `/amount`"),
    ] {
        let id = format!("key:{who}");
        let arguments = [&["explain", "--as", &id, "--format", "json"], call].concat();
        let explained = ran(folder.path(), &arguments);
        let told: Value = serde_json::from_slice(&explained.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&explained.stderr)));
        assert_eq!(told["decision"], decision, "{who} {call:?} {told}");
        assert_eq!(explained.status.code(), Some(i32::from(decision != "allow")));
        let said = told["reasons"].to_string();
        assert!(said.contains(reason), "{who} {call:?} {said}");
        let asked = of(who, call[0], call[1]);
        let asked = match call.get(3) {
            Some(&"pay.json") => asked.json(&json!({ "amount": 5 })),
            Some(_) => asked.json(&json!({ "amount": "x" })),
            None => asked,
        };
        assert_eq!(asked.at(gateway.address).await.status, status, "{who} {call:?}");
    }
}
