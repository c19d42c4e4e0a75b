//! Is a verb of one's own a method like any other?

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::gateway::{Gateway, is_end};
use crate::http::{Answer, Ask, ask, tokens};
use crate::origin;
use crate::provider::started;

/// Sends it once over HTTP/1.1 and once over HTTP/2.
async fn both(ask: Ask, address: SocketAddr) -> [Answer; 2] {
    [ask.clone().at(address).await, ask.at_h2(address).await]
}

async fn demo_token(demo: &Gateway) -> String {
    let answer = tokens(demo.address, "agent1", "secret").await;
    answer["access_token"].as_str().unwrap().to_owned()
}

fn actions(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let listed = answer.json();
    let named = |row: &Value| format!("{} {}", row["action_verb"], row["path"]).replace('"', "");
    listed["actions"].as_array().unwrap().iter().map(named).collect()
}

#[tokio::test]
async fn any_token_is_a_method_over_both_protocols() {
    let upstream = origin::start().await;
    let odd = "A!#$%&'*+-.^_`|~9";
    let gateway = Gateway::configured(&format!(
        "endpoints:
  - {{ path: /thing, verbs: [FROBNICATE, M-SEARCH, \"{odd}\", GET], public: true, upstream: {{ url: \"http://{upstream}\", verbs: native }} }}
  - {{ path: /posted, verbs: [FROBNICATE, PUT], public: true, upstream: {{ url: \"http://{upstream}\" }} }}
"
    ));
    for verb in ["FROBNICATE", "M-SEARCH", odd, "GET"] {
        for answer in both(ask(verb, "/thing?a=1"), gateway.address).await {
            let seen = answer.json();
            assert_eq!(seen["method"], verb, "{seen}");
            assert_eq!(seen["target"], "/thing?a=1");
            assert_eq!(seen["headers"].get("x-agis-method"), None, "{seen}");
        }
    }
    for answer in both(ask("FROBNICATE", "/posted").body("text/plain", "x"), gateway.address).await
    {
        let seen = answer.json();
        assert_eq!(seen["method"], "POST", "{seen}");
        assert_eq!(seen["headers"]["x-agis-method"], "FROBNICATE", "{seen}");
        assert_eq!(seen["body"], "x", "{seen}");
    }
    for answer in both(ask("PUT", "/posted"), gateway.address).await {
        assert_eq!(answer.json()["method"], "PUT");
    }
}

/// Servers that refuse methods of one's own are the reason why they go on as POST.
#[tokio::test]
async fn a_server_of_node_hears_a_verb_that_its_parser_refuses() {
    let (mut server, url) = started("verbs_server.mjs");
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let direct = ask("SUMMARIZE", "/document").body("text/plain", "x").at(address).await;
    assert_eq!(direct.status, 400, "{}", direct.text());
    let gateway = Gateway::configured(&format!(
        "endpoints: [{{ path: /document, verbs: [SUMMARIZE], public: true, upstream: {{ url: \"{url}\" }} }}]"
    ));
    for answer in both(ask("SUMMARIZE", "/document").body("text/plain", "x"), gateway.address).await
    {
        assert_eq!(answer.json(), json!({ "method": "POST", "verb": "SUMMARIZE", "body": "x" }));
    }
    server.kill().unwrap();
    server.wait().unwrap();
}

#[tokio::test]
async fn a_verb_that_is_not_served_is_told_with_those_that_are() {
    let demo = Gateway::demo();
    let token = demo_token(&demo).await;
    for answer in both(ask("TRANSLATE", "/document").bearer(&token), demo.address).await {
        answer.is_problem(405, "method-not-served");
        let mut allowed: Vec<_> = answer.header("allow").split(", ").collect();
        allowed.sort_unstable();
        assert_eq!(allowed, ["FETCH", "POST", "SUMMARIZE"]);
    }
    for answer in both(ask("SUMMARIZE", "/nowhere").bearer(&token), demo.address).await {
        answer.is_problem(404, "not-found");
    }
    // Whoever shows nothing learns nothing about what there is.
    for (verb, path) in [("TRANSLATE", "/document"), ("SUMMARIZE", "/nowhere")] {
        for answer in both(ask(verb, path), demo.address).await {
            answer.is_problem(401, "unauthenticated");
            assert_eq!(answer.header("allow"), "");
        }
    }
}

#[tokio::test]
async fn a_known_method_in_another_case_is_refused() {
    let demo = Gateway::demo();
    let token = demo_token(&demo).await;
    for verb in ["post", "Get", "dELETE"] {
        for answer in both(ask(verb, "/document").bearer(&token), demo.address).await {
            answer.is_problem(400, "malformed-request");
        }
    }
    for answer in both(ask("summarize", "/document").bearer(&token), demo.address).await {
        answer.is_problem(405, "method-not-served");
    }
}

#[tokio::test]
async fn an_override_means_a_verb_of_one_s_own_on_post_and_nothing_else() {
    let upstream = origin::start().await;
    let gateway = Gateway::configured(&format!(
        "endpoints:
  - {{ path: /thing, verbs: [SUMMARIZE, DELETE, POST], public: true, upstream: {{ url: \"http://{upstream}\", verbs: native }} }}
  - {{ path: /strict, verbs: [SUMMARIZE, POST], public: true, method_override: false, upstream: {{ url: \"http://{upstream}\" }} }}
"
    ));
    let named =
        |verb: &str, path: &str, meant: &str| ask(verb, path).header("x-agis-method", meant);
    for answer in both(named("POST", "/thing", "SUMMARIZE"), gateway.address).await {
        assert_eq!(answer.json()["method"], "SUMMARIZE", "{}", answer.text());
    }
    let refused = [
        named("POST", "/thing", "DELETE"),
        named("POST", "/thing", "summarize"),
        named("POST", "/thing", "TRANSLATE"),
        named("SUMMARIZE", "/thing", "SUMMARIZE"),
        named("DELETE", "/thing", "SUMMARIZE"),
        named("POST", "/thing", "SUMMARIZE").header("x-agis-method", "SUMMARIZE"),
        named("POST", "/strict", "SUMMARIZE"),
    ];
    for asked in refused {
        let shown = format!("{asked:?}");
        for answer in both(asked, gateway.address).await {
            assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        }
    }
    // Other servers' ways to say it reach nobody.
    let other = ask("POST", "/thing").header("x-http-method-override", "DELETE");
    for answer in both(other.header("x_http_method", "DELETE"), gateway.address).await {
        let seen = answer.json();
        assert_eq!(seen["method"], "POST", "{seen}");
        assert!(!seen["headers"].to_string().contains("DELETE"), "{seen}");
    }
}

#[tokio::test]
async fn an_agent_discovers_what_it_may_do_and_no_more() {
    let demo = Gateway::demo();
    let all = demo_token(&demo).await;
    let form = "grant_type=password&username=agent1&password=secret&scope=notify:send";
    let narrow = ask("POST", "/token").form(form).at(demo.address).await.json();
    let narrow = narrow["access_token"].as_str().unwrap();
    for verb in ["DISCOVER", "GET"] {
        let whole = ask(verb, "/actions").bearer(&all);
        for answer in both(whole, demo.address).await {
            let listed = ["GET /health", "SUMMARIZE /document", "FETCH /document"];
            assert_eq!(actions(&answer), listed);
            assert!(answer.header("vary").contains("Authorization"));
            let summarize = answer.json()["actions"][1].clone();
            assert_eq!(summarize["category"], "compute", "{summarize}");
            assert_eq!(summarize["scopes_required"], json!(["data:read"]), "{summarize}");
            assert_eq!(summarize["x-alias-for"], json!(["POST /document"]), "{summarize}");
            assert!(summarize["preconditions"].is_array(), "{summarize}");
        }
        for less in [ask(verb, "/actions").bearer(narrow), ask(verb, "/actions")] {
            assert_eq!(actions(&less.at(demo.address).await), ["GET /health"]);
        }
    }
}

#[tokio::test]
async fn a_rehearsal_decides_everything_and_sends_nothing() {
    let demo = Gateway::demo();
    let token = demo_token(&demo).await;
    let test = |verb: &str, path: &str, payload: Value| {
        let question = json!({"verb": verb, "path": path, "payload": payload});
        ask("TEST", "/action").bearer(&token).json(&question)
    };
    let sound = json!({"document_id": "doc_999"});
    for answer in both(test("SUMMARIZE", "/document", sound.clone()), demo.address).await {
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "valid"})));
    }
    let question = json!({"verb": "SUMMARIZE", "path": "/document", "payload": sound});
    let alias = ask("POST", "/action").header("x-action", "test").bearer(&token).json(&question);
    assert_eq!(alias.at(demo.address).await.json(), json!({"status": "valid"}));

    let bad = test("SUMMARIZE", "/document", json!({})).at(demo.address).await.json();
    assert_eq!(bad["status"], "invalid", "{bad}");
    assert_eq!(bad["error"]["type"], "urn:bartizan:problem:invalid-body", "{bad}");

    let form = "grant_type=password&username=agent1&password=secret&scope=notify:send";
    let narrow = ask("POST", "/token").form(form).at(demo.address).await.json();
    let narrow = narrow["access_token"].as_str().unwrap();
    let forbidden = ask("TEST", "/action").bearer(narrow).json(&question).at(demo.address).await;
    let unknown = test("SUMMARIZE", "/nowhere", json!({})).at(demo.address).await;
    assert_eq!(forbidden.json()["status"], "invalid");
    let mut told = [forbidden.json(), unknown.json()];
    for answer in &mut told {
        answer["error"].as_object_mut().unwrap().remove("request_id");
    }
    assert_eq!(told[0], told[1], "what one may not use looks like what there is not");

    let dry = |record: &&Value| record["details"]["dry_run"] == true;
    let records = demo.records();
    assert!(records.iter().filter(dry).count() >= 4, "{records:?}");
    assert!(records.iter().filter(dry).all(|record| record["event"] != "REQUEST_START"));
}

#[tokio::test]
async fn a_chain_goes_step_by_step_and_each_is_a_request_of_its_own() {
    let demo = Gateway::demo();
    let token = demo_token(&demo).await;
    let chain = |body: Value| ask("POST", "/chain").bearer(&token).json(&body);
    let fetch = json!({"verb": "FETCH", "path": "/document", "params": {"document_id": "doc_003"}});
    let missing =
        json!({"verb": "FETCH", "path": "/document", "params": {"document_id": "nothing"}});
    let refer = json!({"verb": "SUMMARIZE", "path": "/document", "params": {"document_id": "$steps.0.document_id"}});

    let answers = both(chain(json!({"chain": [fetch, refer]})), demo.address).await;
    for answer in &answers {
        let done = answer.json();
        assert_eq!((answer.status, &done["status"]), (200, &json!("completed")), "{done}");
        assert_eq!(done["results"][1]["result"]["document_id"], "doc_003", "{done}");
    }
    let stopped = chain(json!({"chain": [missing, fetch]})).at(demo.address).await.json();
    assert_eq!(stopped["status"], "failed", "{stopped}");
    assert_eq!(stopped["results"].as_array().unwrap().len(), 1, "{stopped}");
    let on = json!({"chain": [missing, fetch], "continue_on_error": true});
    let went_on = chain(on).at(demo.address).await.json();
    let states: Vec<_> =
        went_on["results"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
    assert_eq!(states, ["failed", "completed"], "{went_on}");
    for path in ["/chain", "/action", "/token", "//chain", "/%63hain"] {
        let nested = json!({"chain": [{"verb": "POST", "path": path, "params": {"chain": []}}]});
        let answer = chain(nested).at(demo.address).await;
        assert!(
            answer.status == 422 || answer.json()["status"] == "failed",
            "{path}: {}",
            answer.text()
        );
    }

    let parent = answers[0].header("x-request-id");
    let steps: Vec<Value> = demo.records().into_iter().filter(is_end).collect();
    let steps: Vec<_> = steps
        .iter()
        .filter(|record| record["details"]["parent_request_id"] == parent)
        .map(|record| (record["details"]["step"].clone(), record["action"]["verb"].clone()))
        .collect();
    assert_eq!(steps, [(json!(0), json!("FETCH")), (json!(1), json!("SUMMARIZE"))]);
}
