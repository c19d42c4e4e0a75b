//! Do the developer's own checks stop what they object to, and does nothing stay reserved?

use bartizan::body::Body;
use bartizan::budgets::{self, Calendar};
use bartizan::core::limit::BoxFuture;
use bartizan::core::refusal::Objection;
use bartizan::hook::{Hook, Look};
use bartizan::limits::By;
use bartizan::{App, Json, endpoint};
use bytes::Bytes;
use http::{Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::house::{House, key};

/// Objects to a word in calls, and to another in answers.
#[derive(Debug)]
struct Words {
    before: &'static str,
    after: Option<&'static str>,
}

fn holds(body: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(body).contains(word)
}

impl Hook for Words {
    fn name(&self) -> &str {
        "words"
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<(), Objection>> {
        let objects = holds(call.body, self.before);
        let detail = format!("not for {}", call.caller.principal());
        Box::pin(async move { if objects { Err(Objection { detail }) } else { Ok(()) } })
    }

    fn looks_at_answers(&self) -> bool {
        self.after.is_some()
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<(), Objection>> {
        let objects = self.after.is_some_and(|word| holds(answer.body, word));
        Box::pin(async move { if objects { Err(Objection::default()) } else { Ok(()) } })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

async fn house(after: Option<&'static str>) -> House {
    let events = |_, input: Text| async move {
        let pieces = input.text.split('|').map(str::to_owned).collect::<Vec<_>>();
        let frames = pieces.into_iter().map(|piece| {
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(format!("data: {piece}\n\n"))))
        });
        let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let mut response = Response::new(body);
        let media = "text/event-stream".parse().unwrap();
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        Ok(response)
    };
    let app = App::builder("Hooked")
        .endpoint(
            endpoint("ECHO", "/")
                .authenticated()
                .cost_usd("0.40")
                .json(|_, input: Text| async move { Ok(Json(json!({ "text": input.text }))) }),
        )
        .endpoint(endpoint("STREAM", "/").authenticated().cost_usd("0.40").json(events))
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .hook(Words { before: "poison", after })
        .api_key(key("ann"));
    House::build(app).await
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

#[tokio::test]
async fn an_objection_before_stops_the_call_and_what_was_reserved_goes_back() {
    let house = house(None).await;
    for _ in 0..10 {
        let seen = house.ask("ann", "ECHO", "/", &text("poison")).await;
        assert_eq!(seen.status, 422);
        assert_eq!(seen.body["type"], "urn:bartizan:problem:hook-blocked");
        assert_eq!(seen.body["detail"], "not for key:ann");
    }
    // The budget allows two calls, and ten objections have cost nothing.
    for status in [200, 200, 429] {
        assert_eq!(house.ask("ann", "ECHO", "/", &text("fine")).await.status, status);
    }
    assert_eq!(house.events("SECURITY_ALERT").len(), 10);
    assert_eq!(house.events("REQUEST_START").len(), 2);
    house.ends(13).await;
}

#[tokio::test]
async fn an_objection_after_withholds_the_answer_and_the_call_is_charged() {
    let house = house(Some("secret")).await;
    for verb in ["ECHO", "STREAM"] {
        let seen = house.ask("ann", verb, "/", &text("a sec|a secret|more")).await;
        assert_eq!(seen.status, 502, "{verb}");
        assert_eq!(seen.body["type"], "urn:bartizan:problem:response-blocked");
        assert!(!seen.body.to_string().contains("secret"));
    }
    assert_eq!(house.ask("ann", "ECHO", "/", &text("fine")).await.status, 429);
    let ends = house.ends(3).await;
    assert_eq!(ends[0]["usage"]["usd_nano"], "400000000", "{:?}", ends[0]);
    assert_eq!(ends[0]["reason"], "the hook `words` withholds the answer");
}

#[tokio::test]
async fn an_answer_that_a_hook_has_seen_goes_out_as_it_was() {
    let house = house(Some("secret")).await;
    let seen = house.ask("ann", "STREAM", "/", &text("a|b")).await;
    assert_eq!((seen.status.as_u16(), seen.body), (200, "data: a\n\ndata: b\n\n".into()));
    house.ends(1).await;
}
