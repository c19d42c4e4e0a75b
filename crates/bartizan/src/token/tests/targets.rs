//! Does a token that is for one part of what is guarded count anywhere else?

use super::*;

const LOGIN: &str = "grant_type=password&username=agent1&password=secret";
const MCP: &str = "&resource=https://gate.example/mcp";

async fn reach(world: &World, token: &str) -> (bool, bool) {
    let caller = world.gate.verify(&Credential::Bearer(token), NOW).await.unwrap();
    (caller.reaches("/mcp"), caller.reaches("/v1/{*rest}"))
}

#[tokio::test]
async fn a_token_for_one_resource_reaches_that_alone() {
    let world = world(settings()).await;
    let whole = world.log_in().await;
    assert_eq!(reach(&world, whole.text("access_token")).await, (true, true));
    let part = world.post("/token", &format!("{LOGIN}{MCP}")).await;
    assert_eq!(reach(&world, part.text("access_token")).await, (true, false));
    let client = format!("grant_type=client_credentials{MCP}/");
    let client = world.as_client("/token", &client, "app").await;
    assert_eq!(reach(&world, client.text("access_token")).await, (true, false));
    let form = format!("token={}", part.text("access_token"));
    let about = world.as_client("/introspect", &form, "app").await;
    assert_eq!(about.body["aud"], "https://gate.example/mcp");
    assert_eq!(part.decided.details["resource"], "https://gate.example/mcp");
}

#[tokio::test]
async fn what_is_confined_stays_confined() {
    let world = world(settings()).await;
    let part = world.post("/token", &format!("{LOGIN}{MCP}")).await;
    let refresh = format!("grant_type=refresh_token&refresh_token={}", part.text("refresh_token"));
    for resource in ["https://gate.example", "https://gate.example/v1"] {
        let read = world.post("/token", &format!("{refresh}&resource={resource}")).await;
        assert_eq!(read.error(), "400 invalid_target", "{resource}");
    }
    let next = world.post("/token", &refresh).await;
    assert_eq!(reach(&world, next.text("access_token")).await, (true, false));

    let exchange = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
         &subject_token_type=urn:ietf:params:oauth:token-type:jwt&subject_token={}",
        part.text("access_token")
    );
    let wider = format!("{exchange}&audience=https://gate.example");
    assert_eq!(world.as_client("/token", &wider, "app").await.error(), "400 invalid_target");
    let acting = world.as_client("/token", &exchange, "app").await;
    assert_eq!(reach(&world, acting.text("access_token")).await, (true, false));
}

#[tokio::test]
async fn a_session_for_everything_may_ask_for_a_token_for_less() {
    let world = world(settings()).await;
    let whole = world.log_in().await;
    let form = |read: &Read, more: &str| {
        format!("grant_type=refresh_token&refresh_token={}{more}", read.text("refresh_token"))
    };
    let part = world.post("/token", &form(&whole, MCP)).await;
    assert_eq!(reach(&world, part.text("access_token")).await, (true, false));
    let next = world.post("/token", &form(&part, "")).await;
    assert_eq!(reach(&world, next.text("access_token")).await, (true, true));
    let strange = world.post("/token", &format!("{LOGIN}&resource=https://evil.example/mcp")).await;
    assert_eq!(strange.error(), "400 invalid_target");
}
