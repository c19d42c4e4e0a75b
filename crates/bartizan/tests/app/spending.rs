//! Do budgets hold, whatever callers do?

use std::sync::Arc;

use bartizan::body::Body;
use bartizan::budgets::{self, Calendar};
use bartizan::core::authorize::endpoint::OnDisconnect;
use bartizan::core::limit::BoxFuture;
use bartizan::core::refusal::Objection;
use bartizan::core::settle::Reported;
use bartizan::core::validate::Protocol;
use bartizan::hook::{Hook, Look, Opinion};
use bartizan::limits::{self, By};
use bartizan::{App, Json, Metered, Problem, endpoint};
use bytes::Bytes;
use http::{Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::house::{House, key, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_calls_at_once_spend_what_the_budget_holds_and_not_a_cent_more() {
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let pay = endpoint("PAY", "/").authenticated().cost_usd("0.05").call(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            // All that were admitted are under way at once.
            drop(gate.acquire().await);
            Ok(Json("paid"))
        }
    });
    let app = App::builder("Budget")
        .endpoint(pay)
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .api_key(key("ann"));
    let house = Arc::new(House::build(app).await);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let house = Arc::clone(&house);
            tokio::spawn(async move { house.ask("ann", "PAY", "/", &Value::Null).await.status })
        })
        .collect();
    go.add_permits(100);
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap().as_u16());
    }
    let count = |status| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(200), count(429)), (20, 80));
    let ends = house.ends(100).await;
    let spent: u64 = ends
        .iter()
        .map(|end| end["usage"]["usd_nano"].as_str().unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(spent, 1_000_000_000);
}

#[tokio::test]
async fn what_a_call_did_not_use_can_be_used_by_the_next() {
    let ask = endpoint("ASK", "/").authenticated().cost_usd("0.50").call(|_| async {
        let used =
            Reported { tokens_in: 10, tokens_out: 2, usd_nano: Some(1), ..Reported::default() };
        Ok(Metered { reply: Json("cheap"), used })
    });
    let app = App::builder("Budget")
        .endpoint(ask)
        .limit(budgets::usd("daily", "0.60", Calendar::Day, By::User))
        .api_key(key("ann"));
    let house = House::build(app).await;
    for _ in 0..50 {
        assert_eq!(house.ask("ann", "ASK", "/", &Value::Null).await.status, 200);
    }
    let ends = house.ends(50).await;
    assert_eq!(
        ends[0]["usage"],
        json!({
            "tokens_in": 10, "tokens_out": 2, "tokens_cached": 0, "usd_nano": "1"
        })
    );
}

#[tokio::test]
async fn callers_do_not_share_what_is_each_their_own() {
    let app = App::builder("Limits")
        .endpoint(endpoint("GET", "/").authenticated().call(|_| async { Ok(Json(1)) }))
        .limit(limits::rpm("per-user", 2, By::User))
        .api_key(key("ann"))
        .api_key(key("bob"));
    let house = House::build(app).await;
    for who in ["ann", "bob"] {
        for status in [200, 200, 429] {
            assert_eq!(house.ask(who, "GET", "/", &Value::Null).await.status, status, "{who}");
        }
    }
    let answer = house.send(request("ann", "GET", "/", &Value::Null)).await;
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    assert!(
        answer.headers()["ratelimit-policy"].to_str().unwrap().contains("\"per-user\";q=2;w=60")
    );
}

/// A stream that sends one piece, and then waits for ever.
async fn endless() -> Result<Response<Body>, Problem> {
    let first =
        futures_util::stream::iter([Ok::<_, std::io::Error>(Frame::data(Bytes::from("a")))]);
    let frames = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    Ok(Response::new(Body::new(StreamBody::new(frames))))
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_is_charged_and_on_record() {
    let app = App::builder("Streams")
        .endpoint(endpoint("STREAM", "/").authenticated().cost_usd("0.40").call(|_| endless()))
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .limit(limits::concurrency("at once", 1, By::User))
        .api_key(key("ann"));
    let house = House::build(app).await;
    for _ in 0..2 {
        let answer = house.send(request("ann", "STREAM", "/", &Value::Null)).await;
        assert_eq!(answer.status(), 200);
        let mut body = answer.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        drop(body);
        // Settling goes on beside: the place of the one that hung up must become free.
        let settled = tokio::time::timeout(std::time::Duration::from_secs(10), async {
            loop {
                let probe = json!({ "verb": "STREAM", "path": "/", "payload": {} });
                let seen = house.ask("ann", "TEST", "/action", &probe).await;
                let full = seen.body["error"]["limit"] == "at once";
                if !full {
                    break;
                }
            }
        });
        settled.await.unwrap();
    }
    let refused = house.ask("ann", "STREAM", "/", &Value::Null).await;
    assert_eq!(refused.body["type"], "urn:bartizan:problem:budget-exhausted");
    let abandoned: Vec<_> =
        house.records().into_iter().filter(|record| record["outcome"] == "abandoned").collect();
    assert_eq!(abandoned.len(), 2);
    assert_eq!(abandoned[0]["event"], "REQUEST_ERROR");
    assert_eq!(abandoned[0]["usage"]["usd_nano"], "400000000");
}

#[tokio::test]
async fn a_call_that_may_finish_does_so_when_its_client_is_gone() {
    let (begun, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let go = Arc::new(Semaphore::new(0));
    let (told, ended, gate) = (Arc::clone(&begun), Arc::clone(&done), Arc::clone(&go));
    let work = endpoint("WORK", "/")
        .authenticated()
        .cost_usd("0.40")
        .on_disconnect(OnDisconnect::Finish)
        .call(move |_| {
            let (told, ended, gate) = (Arc::clone(&told), Arc::clone(&ended), Arc::clone(&gate));
            async move {
                told.add_permits(1);
                drop(gate.acquire().await);
                ended.add_permits(1);
                Ok(Json("done"))
            }
        });
    let house = House::build(App::builder("Work").endpoint(work).api_key(key("ann"))).await;
    let mut call = Box::pin(house.send(request("ann", "WORK", "/", &Value::Null)));
    tokio::select! {
        _ = &mut call => panic!("it waits"),
        permit = begun.acquire() => drop(permit),
    }
    drop(call);
    go.add_permits(1);
    drop(done.acquire().await.unwrap());
    let ends = house.ends(1).await;
    assert_eq!(ends[0]["outcome"], "abandoned");
}

#[tokio::test]
async fn a_stream_that_may_finish_is_charged_what_it_used_when_its_client_is_gone() {
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let model = endpoint("POST", "/v1/chat/completions")
        .authenticated()
        .protocol(Protocol::OpenAi)
        .on_disconnect(OnDisconnect::Finish)
        .call(move |_| {
            let gate = Arc::clone(&gate);
            async move {
                let usage =
                    r#"data: {"model":"m","usage":{"prompt_tokens":7,"completion_tokens":5}}"#;
                let first = Ok::<_, std::io::Error>(Frame::data(Bytes::from("data: {}\n\n")));
                let last = async move {
                    drop(gate.acquire().await);
                    Ok(Frame::data(Bytes::from(format!("{usage}\n\n"))))
                };
                let frames = futures_util::stream::once(std::future::ready(first));
                let frames =
                    futures_util::StreamExt::chain(frames, futures_util::stream::once(last));
                let mut response = Response::new(Body::new(StreamBody::new(frames)));
                let events = header::HeaderValue::from_static("text/event-stream");
                response.headers_mut().insert(header::CONTENT_TYPE, events);
                Ok(response)
            }
        });
    let house = House::build(App::builder("Model").endpoint(model).api_key(key("ann"))).await;
    let call = json!({ "model": "m", "stream": true, "max_tokens": 100 });
    let answer = house.send(request("ann", "POST", "/v1/chat/completions", &call)).await;
    let mut body = answer.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "data: {}\n\n");
    drop(body);
    go.add_permits(1);
    let ends = house.ends(1).await;
    assert_eq!(ends[0]["outcome"], "abandoned");
    assert_eq!(ends[0]["usage"]["tokens_in"], 7);
    assert_eq!(ends[0]["usage"]["tokens_out"], 5);
}

#[tokio::test]
async fn a_dry_run_counts_as_a_call_and_costs_nothing() {
    let app = App::builder("Rehearsal")
        .endpoint(
            endpoint("WORK", "/")
                .authenticated()
                .cost_usd("0.40")
                .limit(limits::rpm("calls", 3, By::User))
                .call(|_| async { Ok(Json("done")) }),
        )
        .limit(budgets::usd("daily", "0.80", Calendar::Day, By::User))
        .api_key(key("ann"));
    let house = House::build(app).await;
    let question = json!({ "verb": "WORK", "path": "/", "payload": {} });
    for _ in 0..2 {
        let seen = house.ask("ann", "TEST", "/action", &question).await;
        assert_eq!(seen.body["status"], "valid");
    }
    assert_eq!(house.ask("ann", "WORK", "/", &Value::Null).await.status, 200);
    let seen = house.ask("ann", "TEST", "/action", &question).await;
    assert_eq!(seen.body["error"]["type"], "urn:bartizan:problem:rate-limited");
}

#[tokio::test]
async fn a_client_that_hangs_up_before_its_call_departs_leaves_nothing_reserved() {
    /// A check that never answers, and says when it was asked.
    #[derive(Debug)]
    struct Never(Arc<Semaphore>);
    impl Hook for Never {
        fn name(&self) -> &str {
            "never"
        }
        fn before<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
            Box::pin(async move {
                if &*look.endpoint.path == "/slow" {
                    self.0.add_permits(1);
                    std::future::pending::<()>().await;
                }
                Ok(Opinion::Pass)
            })
        }
    }
    let asked = Arc::new(Semaphore::new(0));
    let work = |path| endpoint("WORK", path).authenticated().call(|_| async { Ok(Json("done")) });
    let app = App::builder("Hangs up")
        .endpoint(work("/slow"))
        .endpoint(work("/quick"))
        .limit(limits::concurrency("at once", 1, By::User))
        .hook(Never(Arc::clone(&asked)))
        .api_key(key("ann"));
    let house = House::build(app).await;
    let mut call = Box::pin(house.send(request("ann", "WORK", "/slow", &Value::Null)));
    tokio::select! {
        _ = &mut call => panic!("it waits"),
        permit = asked.acquire() => drop(permit),
    }
    drop(call);
    let place = tokio::time::timeout(std::time::Duration::from_secs(10), async {
        while house.ask("ann", "WORK", "/quick", &Value::Null).await.status != 200 {}
    });
    place.await.expect("the place of the one that hung up is free again");
}

#[tokio::test]
async fn a_handler_that_panics_fails_alone() {
    async fn boom() -> Result<Json<u8>, Problem> {
        panic!("at the worst moment")
    }
    let app = App::builder("Panics")
        .endpoint(endpoint("BOOM", "/").authenticated().cost_usd("0.40").call(|_| boom()))
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .api_key(key("ann"));
    let house = House::build(app).await;
    // It departed, and nobody knows what it used: charged in full.
    for status in [500, 500, 429] {
        let seen = house.ask("ann", "BOOM", "/", &Value::Null).await;
        assert_eq!(seen.status, status);
        assert!(!seen.body.to_string().contains("worst moment"));
    }
    house.ends(3).await;
}

/// A stream that goes on until it is told to end.
fn until(end: Arc<Semaphore>) -> Response<Body> {
    let last = futures_util::stream::once(async move {
        drop(end.acquire().await);
        Ok::<_, std::io::Error>(Frame::data(Bytes::from("z")))
    });
    Response::new(Body::new(StreamBody::new(last)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_outlives_its_deadline_keeps_its_place_and_costs_what_it_cost() {
    let short = std::time::Duration::from_millis(240);
    let end = Arc::new(Semaphore::new(0));
    let ends = Arc::clone(&end);
    let stream = endpoint("STREAM", "/").authenticated().cost_usd("0.40").call(move |_| {
        let end = Arc::clone(&ends);
        async move { Ok(until(end)) }
    });
    let app = App::builder("Streams")
        .endpoint(stream)
        .timeout(short)
        .settle_timeout(short)
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .limit(limits::concurrency("at once", 1, By::User))
        .api_key(key("ann"));
    let house = House::build(app).await;
    let answer = house.send(request("ann", "STREAM", "/", &Value::Null)).await;
    assert_eq!(answer.status(), 200);
    // Its deadline is half a second away, and passes three times.
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < short * 6 {
        // Only its head: one that is let in would not end.
        let second = house.send(request("ann", "STREAM", "/", &Value::Null)).await;
        assert_eq!(second.status(), 429, "its place was given to another");
        tokio::task::yield_now().await;
    }
    end.add_permits(2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "z");
    let third = house.ask("ann", "STREAM", "/", &Value::Null).await;
    assert_eq!(third.status, 200, "its place was not given back: {}", third.body);
}

#[tokio::test]
async fn head_is_what_get_would_answer_without_its_body_under_the_same_rights_and_limits() {
    let app = App::builder("Heads")
        .endpoint(endpoint("GET", "/x").authenticated().call(|_| async { Ok(Json("twelve")) }))
        .endpoint(endpoint("PUT", "/y").public().call(|_| async { Ok(Json(1)) }))
        .limit(limits::rpm("each", 2, By::User))
        .api_key(key("ann"));
    let house = House::build(app).await;
    assert_eq!(house.send(request("", "HEAD", "/x", &Value::Null)).await.status(), 401);
    let get = house.send(request("ann", "GET", "/x", &Value::Null)).await;
    let whole = get.into_body().collect().await.unwrap().to_bytes();
    let head = house.send(request("ann", "HEAD", "/x", &Value::Null)).await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["content-length"], whole.len().to_string().as_str());
    assert!(head.into_body().collect().await.unwrap().to_bytes().is_empty());
    let third = house.send(request("ann", "HEAD", "/x", &Value::Null)).await;
    assert_eq!(third.status(), 429, "what GET may not, HEAD may");
    assert_eq!(house.send(request("", "HEAD", "/y", &Value::Null)).await.status(), 405);
}
