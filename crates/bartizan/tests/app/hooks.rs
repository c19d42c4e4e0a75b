//! Do the developer's own checks stop what they object to, and does nothing stay reserved?

use bartizan::body::Body;
use bartizan::budgets::{self, Calendar};
use bartizan::core::limit::BoxFuture;
use bartizan::core::refusal::Objection;
use bartizan::hook::{Hook, Look, Opinion, Spotted};
use bartizan::limits::By;
use bartizan::pii::{Action, Pii};
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

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let objects = holds(call.body, self.before);
        let detail = format!("not for {}", call.caller.principal());
        Box::pin(async move {
            if objects {
                Err(Objection { detail, ..Objection::default() })
            } else {
                Ok(Opinion::Pass)
            }
        })
    }

    fn looks_at_answers(&self) -> bool {
        self.after.is_some()
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let objects = self.after.is_some_and(|word| holds(answer.body, word));
        Box::pin(async move { if objects { Err(Objection::default()) } else { Ok(Opinion::Pass) } })
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

/// Knows a name that no recognizer knows, and cannot read what is in cipher.
#[derive(Debug)]
struct Names;

impl Names {
    fn opinion(body: &[u8]) -> Opinion {
        if holds(body, "cipher") {
            return Opinion::Unseen { reason: "in cipher".into() };
        }
        let spotted = Spotted {
            entity: "PERSON".parse().unwrap(),
            text: "Ada \"L\" Byron".into(),
            whole_word: false,
        };
        Opinion::Mask(vec![spotted])
    }
}

impl Hook for Names {
    fn name(&self) -> &str {
        "names"
    }

    fn reads(&self, endpoint: &bartizan::core::authorize::Endpoint) -> bool {
        endpoint.verb.as_str() == "READ"
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        Box::pin(std::future::ready(Ok(Self::opinion(call.body))))
    }

    fn looks_at_answers(&self) -> bool {
        true
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        Box::pin(std::future::ready(Ok(Self::opinion(answer.body))))
    }
}

async fn named(pii: &Pii) -> House {
    let echo = |_, input: Text| async move {
        let seen: String = input.text.chars().rev().collect();
        Ok(Json(json!({ "text": input.text, "reversed": seen })))
    };
    let app = App::builder("Named")
        .endpoint(endpoint("ECHO", "/").authenticated().json(echo))
        .endpoint(endpoint("READ", "/").authenticated().json(echo))
        .pii(pii)
        .hook(Names)
        .api_key(key("ann"));
    House::build(app).await
}

#[tokio::test]
async fn what_a_hook_has_found_becomes_what_the_profile_says() {
    let pii = Pii::new().detect(["EMAIL"]).requests(Action::Tokenise).responses(Action::Replace);
    let house = named(&pii).await;
    let said = "Ada \"L\" Byron, a@b.example";
    let seen = house.ask("ann", "ECHO", "/", &text(said)).await;
    // The handler saw placeholders, and the answer has what the client sent.
    assert_eq!(seen.body["text"], said);
    let reversed = seen.body["reversed"].as_str().unwrap().to_owned();
    let handed: String = reversed.chars().rev().collect();
    assert!(handed.starts_with("PERSON_") && !handed.contains("Ada"), "{handed}");
    let found = house.events("PII_DETECTED");
    let by_hook = found.iter().find(|event| event["details"]["hook"] == "names").unwrap();
    assert_eq!(by_hook["details"]["detections"][0]["pointer"], "/text");
    assert!(!house.records().iter().any(|record| record.to_string().contains("Byron")));
    house.ends(1).await;
}

#[tokio::test]
async fn what_a_hook_has_found_is_masked_where_nothing_else_is_looked_for() {
    let pii = Pii::new().requests_only();
    let app_without = named(&pii.responses_only()).await;
    let seen = app_without.ask("ann", "READ", "/", &text("Ada \"L\" Byron!")).await;
    assert_eq!(seen.body["text"], "*************!");
    app_without.ends(1).await;
}

#[tokio::test]
async fn what_a_hook_finds_in_what_must_not_pass_stops_the_call() {
    let pii = Pii::new().detect(["EMAIL"]).request_action("PERSON", Action::Block).requests_only();
    let house = named(&pii).await;
    let seen = house.ask("ann", "ECHO", "/", &text("Ada \"L\" Byron")).await;
    assert_eq!(seen.status, 422);
    assert_eq!(seen.body["type"], "urn:bartizan:problem:pii-blocked");
    house.ends(1).await;
}

#[tokio::test]
async fn what_a_hook_could_not_look_at_passes_and_is_on_record() {
    let house = named(&Pii::new().requests_only()).await;
    let seen = house.ask("ann", "ECHO", "/", &text("cipher")).await;
    assert_eq!((seen.status.as_u16(), &seen.body["text"]), (200, &json!("cipher")));
    let alerts = house.events("SECURITY_ALERT");
    assert_eq!(alerts.len(), 2, "the request and the answer");
    assert_eq!(alerts[0]["reason"], "the hook `names` could not look: in cipher");
    assert_eq!(alerts[0]["outcome"], "allow");
    house.ends(1).await;
}
