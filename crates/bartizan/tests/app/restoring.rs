//! Does a client get its own values back, and nobody else's, however the answer comes?

use bartizan::body::Body;
use bartizan::pii::{Action, Pii};
use bartizan::{App, Json, endpoint};
use bytes::Bytes;
use http::{Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

use super::house::{House, key};

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

/// What the handler has seen last.
type Seen = Arc<Mutex<String>>;

fn in_bytes(text: &str, media: &'static str) -> Response<Body> {
    let frames: Vec<_> =
        text.bytes().map(|b| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b])))).collect();
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, media.parse().unwrap());
    response
}

async fn house(pii: &Pii) -> (House, Seen) {
    let seen = Seen::default();
    let says = |verb, media: &'static str, words: fn(&str) -> String| {
        let seen = Arc::clone(&seen);
        endpoint(verb, "/").authenticated().json(move |_, input: Text| {
            *seen.lock() = input.text.clone();
            async move { Ok(in_bytes(&words(&input.text), media)) }
        })
    };
    let events = |text: &str| {
        let json = json!({ "said": text, "arguments": json!({ "to": text }).to_string() });
        format!("event: x\ndata: {json}\n\ndata: {text}\n\ndata: [DONE]\n\n")
    };
    let form = |text: &str| format!("a=1+2&to={}", text.replace(' ', "+").replace('_', "%5F"));
    let app = App::builder("Restores")
        .endpoint(endpoint("ECHO", "/").authenticated().json({
            let seen = Arc::clone(&seen);
            move |_, input: Text| {
                *seen.lock() = input.text.clone();
                async move { Ok(Json(json!({ "text": input.text, "own": "x@y.example" }))) }
            }
        }))
        .endpoint(says("TEXT", "text/plain", |text| format!("re: {text}.")))
        .endpoint(says("EVENTS", "text/event-stream", events))
        .endpoint(says("FORM", "application/x-www-form-urlencoded", form))
        .pii(pii)
        .api_key(key("ann"));
    (House::build(app).await, seen)
}

fn private() -> Pii {
    Pii::new().detect(["EMAIL", "CREDIT_CARD"]).requests(Action::Tokenise)
}

const SAID: &str = "to ann@b.example and bob@b.example";

#[tokio::test]
async fn an_answer_has_the_values_of_its_request_whole_and_in_every_kind_of_stream() {
    for pii in [private(), private().requests_only()] {
        let (house, seen) = house(&pii).await;
        let said = json!({ "text": SAID });
        let whole = house.ask("ann", "ECHO", "/", &said).await;
        assert_eq!(whole.body["text"], SAID);
        let text = house.ask("ann", "TEXT", "/", &said).await;
        assert_eq!(text.body, format!("re: {SAID}."));
        let events = house.ask("ann", "EVENTS", "/", &said).await;
        let json = json!({ "said": SAID, "arguments": json!({ "to": SAID }).to_string() });
        let expected = format!("event: x\ndata: {json}\n\ndata: {SAID}\n\ndata: [DONE]\n\n");
        assert_eq!(events.body, expected);
        let form = house.ask("ann", "FORM", "/", &said).await;
        assert!(form.body.as_str().unwrap().contains("ann%40b%2Eexample"), "{}", form.body);
        let handed = seen.lock().clone();
        assert!(!handed.contains('@') && handed.contains("EMAIL_ADDRESS_2_"), "{handed}");
        house.ends(4).await;
        assert!(!house.records().iter().any(|record| record.to_string().contains("ann@b")));
    }
}

#[tokio::test]
async fn what_the_upstream_knows_by_itself_is_masked_and_what_the_client_sent_is_not() {
    let (house, _) = house(&private()).await;
    let whole = house.ask("ann", "ECHO", "/", &json!({ "text": SAID })).await;
    assert_eq!(whole.body, json!({ "text": SAID, "own": "***********" }));
    house.ends(1).await;
}

#[tokio::test]
async fn a_placeholder_of_another_request_stays_what_it_is() {
    let (house, seen) = house(&private()).await;
    house.ask("ann", "ECHO", "/", &json!({ "text": SAID })).await;
    let stolen = seen.lock().clone();
    let replayed = house.ask("ann", "ECHO", "/", &json!({ "text": stolen })).await;
    assert_eq!(replayed.body["text"], stolen);
    let own = house.ask("ann", "ECHO", "/", &json!({ "text": "eve@b.example" })).await;
    assert_eq!(own.body["text"], "eve@b.example");
    house.ends(3).await;
}

#[tokio::test]
async fn actions_are_by_entity() {
    let keep = Action::Mask { character: '*', keep_first: 0, keep_last: 4 };
    let (house, seen) = house(&private().request_action("CREDIT_CARD", keep)).await;
    let said = json!({ "text": "4111 1111 1111 1111 of ann@b.example" });
    let whole = house.ask("ann", "ECHO", "/", &said).await;
    assert_eq!(whole.body["text"], "***************1111 of ann@b.example");
    assert!(seen.lock().starts_with("***************1111 of EMAIL_ADDRESS_1_"));
    house.ends(1).await;
}
