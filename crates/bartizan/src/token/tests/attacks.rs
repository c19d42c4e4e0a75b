//! Does every request of the attack list get the answer that stands there? The list is data: `conformance/token-endpoint.json`.

use serde::Deserialize;

use super::*;

const CASES: &str = include_str!("../../../../../conformance/token-endpoint.json");

/// A request, after those that prepare it, and what it must get.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "token")]
    path: String,
    /// `id:secret` of a Basic header.
    basic: Option<String>,
    /// What is sent; `{login.access_token}` stands for a member of what an earlier one got.
    form: String,
    #[serde(default)]
    content_type: Option<String>,
    /// A status, and the `error` or the scope behind it.
    expect: String,
}

fn token() -> String {
    "/token".to_owned()
}

/// What everybody can get by themselves, to try it in other places.
async fn loot(world: &World) -> Vec<(&'static str, Read)> {
    let login = "grant_type=password&username=agent1&password=secret";
    let used = world.log_in().await;
    let form = format!("grant_type=refresh_token&refresh_token={}", used.text("refresh_token"));
    let own = world.as_client("/token", "grant_type=client_credentials", "app").await;
    vec![
        ("login", world.log_in().await),
        ("part", world.post("/token", &format!("{login}&resource=https://gate.example/mcp")).await),
        ("narrow", world.post("/token", &format!("{login}&scope=data:read")).await),
        ("theirs", world.as_client("/token", login, "other").await),
        ("own", own),
        ("after", world.post("/token", &form).await),
        ("used", used),
    ]
}

fn filled(form: &str, loot: &[(&str, Read)]) -> String {
    let mut form = form.to_owned();
    for (name, read) in loot {
        for member in ["access_token", "refresh_token"] {
            let value = read.body[member].as_str().unwrap_or_default();
            form = form.replace(&format!("{{{name}.{member}}}"), value);
        }
    }
    assert!(!form.contains('{'), "{form}");
    form
}

#[tokio::test]
async fn every_request_of_the_list_gets_the_answer_that_stands_there() {
    let cases: Vec<Case> = serde_json::from_str(CASES).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        let most = Grants { roles: Vec::new(), scopes: vec!["data:*".into()] };
        let clients = vec![
            client("app"),
            client("other"),
            Client { acts_at_most: most, ..client("narrow") },
            Client { proof: Proof::Public, ..client("phone") },
            Client { grants: vec![GrantType::Password], ..client("limited") },
            Client { disabled: true, ..client("gone") },
        ];
        // A hash that is quickly checked: there are many logins here.
        let users = vec![User { password: WEAK.parse().unwrap(), ..user("agent1") }];
        let world = world(Settings { clients, users, ..settings() }).await;
        let form = filled(&case.form, &loot(&world).await);
        let read = world.sent(case, &form).await;
        let told = ["error", "scope", "active"].iter().find_map(|name| read.body.get(*name));
        let told = told.map(|value| value.as_str().map_or(value.to_string(), ToOwned::to_owned));
        let got = format!("{} {}", read.status, told.unwrap_or_default());
        if got.trim() != case.expect {
            wrong.push(format!("{}: {got}, not {}", case.name, case.expect));
        }
        let told = read.decided.reason.unwrap_or_default();
        assert!(!told.contains("eyJ") && !told.contains("btr_"), "{}: {told}", case.name);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases.len() >= 60, "{}", cases.len());
}

impl World {
    async fn sent(&self, case: &Case, form: &str) -> Read {
        let kind = case.content_type.as_deref().unwrap_or("application/x-www-form-urlencoded");
        let mut request = Request::post(&case.path).header("content-type", kind);
        if let Some(basic) = &case.basic {
            let basic = base64::engine::general_purpose::STANDARD.encode(basic);
            request = request.header("authorization", format!("Basic {basic}"));
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let from: IpAddr = HOME.parse().unwrap();
        read(self.endpoint.handle(&head, form.as_bytes(), from.into(), NOW).await)
    }
}
