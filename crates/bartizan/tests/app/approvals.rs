//! Can a program say who may do what as the configuration can? Tenants, statements, approvals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bartizan::core::authorize::approval::Approvers;
use bartizan::core::authorize::condition::Conditions;
use bartizan::core::authorize::statement::Target;
use bartizan::core::authorize::{Effect, Statement};
use bartizan::{App, Json, endpoint};
use serde_json::{Value, json};

use super::house::{House, key, request, see};

fn approvers() -> Approvers {
    Approvers { roles: vec!["approver".into()], ..Approvers::default() }
}

async fn house(made: &Arc<AtomicU32>) -> House {
    let made = Arc::clone(made);
    let pay = endpoint("TRANSFER", "/account").authenticated().approval().call(move |_| {
        made.fetch_add(1, Ordering::SeqCst);
        async { Ok(Json("sent")) }
    });
    let files = endpoint("GET", "/orgs/{org}/files").authenticated().tenant_in_path("org");
    let own = endpoint("GET", "/files").authenticated().tenant_in_header("x-tenant");
    let keep_out = Statement {
        name: "keep out".into(),
        effect: Effect::Deny,
        priority: 0,
        target: Target { paths: vec!["/orgs/*".into()], ..Target::default() },
        when: Conditions { principals: vec!["key:mallory".into()], ..Conditions::default() },
        unless: None,
    };
    let app = App::builder("Bank")
        .endpoint(pay)
        .endpoint(files.call(|_| async { Ok(Json("files")) }))
        .endpoint(own.call(|_| async { Ok(Json("own")) }))
        .role("approver", &[])
        .role_inherits("chief", &["approver"])
        .statement(keep_out)
        .approvers(approvers())
        .api_key(key("ann").tenant("acme"))
        .api_key(key("mallory").tenant("acme"))
        .api_key(key("bob").tenant("acme").roles(&["chief"]));
    House::build(app).await
}

#[tokio::test]
async fn a_handler_is_not_reached_before_somebody_agreed() {
    let made = Arc::new(AtomicU32::new(0));
    let house = house(&made).await;
    let asked = house.ask("ann", "TRANSFER", "/account", &Value::Null).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let id = asked.body["approval_id"].as_str().unwrap().to_owned();
    let path = format!("/approvals/{id}");
    let decided = house.ask("bob", "POST", &path, &json!({ "decision": "approve" })).await;
    assert_eq!(decided.status, 200, "{decided:?}");
    assert_eq!(made.load(Ordering::SeqCst), 0);
    let with_id = || {
        let mut request = request("ann", "TRANSFER", "/account", &Value::Null);
        request.headers_mut().insert("x-approval-id", id.parse().unwrap());
        request
    };
    let (one, two) = tokio::join!(house.send(with_id()), house.send(with_id()));
    let mut statuses = [see(one).await.status.as_u16(), see(two).await.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403], "of two that come at once one is made");
    assert_eq!(made.load(Ordering::SeqCst), 1);
    assert_eq!(house.events("APPROVAL_REQUESTED").len(), 1);
    assert_eq!(house.events("APPROVAL_DECIDED").len(), 1);
}

#[tokio::test]
async fn tenants_and_statements_are_a_programs_too() {
    let house = house(&Arc::default()).await;
    for (who, path, status) in [
        ("ann", "/orgs/acme/files", 200),
        ("ann", "/orgs/evil/files", 403),
        ("mallory", "/orgs/acme/files", 403),
        ("ann", "/files", 403),
    ] {
        let seen = house.ask(who, "GET", path, &Value::Null).await;
        assert_eq!(seen.status, status, "{who} {path}");
    }
    let mut own = request("ann", "GET", "/files", &Value::Null);
    own.headers_mut().insert("x-tenant", "acme".parse().unwrap());
    assert_eq!(house.send(own).await.status(), 200);
}

#[tokio::test]
async fn an_app_does_not_start_with_doors_that_nobody_or_everybody_can_open() {
    let call = || async { Ok(Json(1)) };
    let wrong = |builder: bartizan::app::AppBuilder| async move {
        let (folder, audit) = House::folder();
        let built = builder.audit(audit).build().await;
        drop(folder);
        built.unwrap_err().to_string()
    };
    let pay = endpoint("PAY", "/pay").authenticated().approval().call(move |_| call());
    let told = wrong(App::builder("x").endpoint(pay)).await;
    assert!(told.contains("`PAY /pay` asks for approvals, and nobody may give them"), "{told}");
    let open = endpoint("PAY", "/pay").public().approval().call(move |_| call());
    let told = wrong(App::builder("x").endpoint(open).role("approver", &[]).approvers(approvers()));
    assert!(told.await.contains("is public"));
    let lost = endpoint("GET", "/orgs/{org}").authenticated().tenant_in_path("tenant");
    let told = wrong(App::builder("x").endpoint(lost.call(move |_| call()))).await;
    assert!(told.contains("names no tenant in `tenant`"), "{told}");
    let circle = App::builder("x").role_inherits("a", &["b"]).role_inherits("b", &["a"]);
    assert!(wrong(circle).await.contains("in a circle"));
    let ghost = Statement {
        name: "ghost".into(),
        effect: Effect::Deny,
        priority: 0,
        target: Target::default(),
        when: Conditions { roles: vec!["nobody".into()], ..Conditions::default() },
        unless: None,
    };
    let told = wrong(App::builder("x").statement(ghost)).await;
    assert!(told.contains("`ghost` asks for the role `nobody`"), "{told}");
}
