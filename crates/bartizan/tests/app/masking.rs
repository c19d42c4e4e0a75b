//! Does what must not pass stay out, in both directions, whole and streamed?

use bartizan::body::Body;
use bartizan::budgets::{self, Calendar};
use bartizan::limits::{self, By};
use bartizan::pii::{Action, Pii};
use bartizan::{App, Json, endpoint};
use bytes::Bytes;
use http::{Response, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::house::{House, key, request};

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

/// What the handler was given goes out again as text, byte by byte; `media` is its type.
fn in_pieces(text: &str, media: &'static str) -> Response<Body> {
    let bytes: Vec<u8> = text.bytes().collect();
    let frames =
        bytes.into_iter().map(|byte| Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![byte]))));
    let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, media.parse().unwrap());
    response
}

const ANSWER: &str = "write to ann@example.org or 078-05-1121, now";
const MASKED: &str = "write to *************** or ***********, now";

fn app(pii: &Pii) -> bartizan::app::AppBuilder {
    App::builder("Masks")
        .endpoint(endpoint("ECHO", "/").authenticated().json(|_, input: Text| async move {
            // How the handler saw it, in a form that no recognizer knows.
            let seen: String = input.text.chars().rev().collect();
            Ok(Json(json!({ "reversed": seen, "text": input.text })))
        }))
        .endpoint(
            endpoint("WHOLE", "/")
                .authenticated()
                .call(|_| async { Ok(Json(json!({ "answer": ANSWER }))) }),
        )
        .endpoint(
            endpoint("STREAM", "/")
                .authenticated()
                .call(|_| async { Ok(in_pieces(ANSWER, "text/plain")) }),
        )
        .endpoint(endpoint("EVENTS", "/").authenticated().call(|_| async {
            let events = format!("data: {{\"delta\":\"{ANSWER}\"}}\n\ndata: [DONE]\n\n");
            Ok(in_pieces(&events, "text/event-stream"))
        }))
        .pii(pii)
        .api_key(key("ann"))
}

fn guide() -> Pii {
    Pii::new().detect(["EMAIL", "PHONE", "SSN", "CREDIT_CARD"]).mask_character('*')
}

#[tokio::test]
async fn the_handler_never_sees_what_was_masked_and_the_rest_as_it_was() {
    let house = House::build(app(&guide().requests_only())).await;
    let seen = house.ask("ann", "ECHO", "/", &json!({ "text": "mail bob@example.com!" })).await;
    assert_eq!(seen.body["text"], "mail ***************!");
    assert_eq!(seen.body["reversed"], "!*************** liam");
    let found = house.events("PII_DETECTED");
    assert_eq!(found.len(), 1);
    let detection = &found[0]["details"]["detections"][0];
    assert_eq!(detection["entity"], "EMAIL_ADDRESS");
    assert_eq!(detection["pointer"], "/text");
    assert!(!house.records().iter().any(|record| record.to_string().contains("bob@")));
    house.ends(1).await;
}

#[tokio::test]
async fn answers_are_masked_alike_whole_in_text_streams_and_in_events() {
    let house = House::build(app(&guide())).await;
    let whole = house.ask("ann", "WHOLE", "/", &Value::Null).await;
    assert_eq!(whole.body, json!({ "answer": MASKED }));
    let streamed = house.ask("ann", "STREAM", "/", &Value::Null).await;
    assert_eq!(streamed.body, MASKED);
    let events = house.ask("ann", "EVENTS", "/", &Value::Null).await;
    let expected = format!("data: {{\"delta\":\"{MASKED}\"}}\n\ndata: [DONE]\n\n");
    assert_eq!(events.body, expected);
    assert_eq!(house.ends(3).await.len(), 3);
    assert_eq!(house.events("PII_DETECTED").len(), 3);
}

#[tokio::test]
async fn a_stream_that_ends_in_what_must_not_pass_is_broken_off_and_not_taken_for_whole() {
    let app = App::builder("Blocks")
        .endpoint(
            endpoint("TEXT", "/")
                .authenticated()
                .call(|_| async { Ok(in_pieces("call ann@example.org", "text/plain")) }),
        )
        .endpoint(
            endpoint("EVENTS", "/")
                .authenticated()
                .call(|_| async { Ok(in_pieces("data: ann@example.org", "text/event-stream")) }),
        )
        .pii(&Pii::new().detect(["EMAIL"]).responses(Action::Block).responses_only())
        .api_key(key("ann"));
    let house = House::build(app).await;
    for verb in ["TEXT", "EVENTS"] {
        let answer = house.send(request("ann", verb, "/", &Value::Null)).await;
        let mut body = answer.into_body();
        let mut seen = Vec::new();
        let broken = loop {
            match body.frame().await {
                Some(Ok(frame)) => seen.extend(frame.into_data().unwrap()),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(broken, "{verb}");
        assert!(!String::from_utf8_lossy(&seen).contains("ann"), "{verb}");
    }
    let ends = house.ends(2).await;
    assert!(ends.iter().all(|end| end["event"] == "REQUEST_ERROR" && end["outcome"] == "error"));
}

#[tokio::test]
async fn detections_are_not_noted_where_the_developer_says_so() {
    let house = House::build(app(&guide().log_detections(false))).await;
    house.ask("ann", "WHOLE", "/", &Value::Null).await;
    house.ends(1).await;
    assert!(house.events("PII_DETECTED").is_empty());
}

#[tokio::test]
async fn a_blocked_call_says_what_and_where_and_leaves_nothing_reserved() {
    let pii = Pii::new().detect(["SSN"]).requests(Action::Block).requests_only();
    let app = app(&pii)
        .endpoint(
            endpoint("PAY", "/")
                .authenticated()
                .cost_usd("0.05")
                .json(|_, _: Text| async { Ok(Json("paid")) }),
        )
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User));
    let house = House::build(app).await;
    for _ in 0..1000 {
        let seen = house.ask("ann", "PAY", "/", &json!({ "text": "ssn 078-05-1121" })).await;
        assert_eq!(seen.status, 422);
        assert_eq!(seen.body["detections"][0]["pointer"], "/text");
    }
    for call in 0..21 {
        let seen = house.ask("ann", "PAY", "/", &json!({ "text": "fine" })).await;
        assert_eq!(seen.status, if call < 20 { 200 } else { 429 }, "{call}");
    }
    house.ends(1021).await;
}

#[tokio::test]
async fn nobody_tries_without_end_what_is_blocked() {
    let pii = Pii::new().detect(["SSN"]).requests(Action::Block).requests_only();
    let house = House::build(app(&pii).limit(limits::rpm("calls", 3, By::User))).await;
    for status in [422, 422, 422, 429] {
        let seen = house.ask("ann", "ECHO", "/", &json!({ "text": "ssn 078-05-1121" })).await;
        assert_eq!(seen.status, status);
    }
}

fn with(media: &'static str, length: &'static str, body: Body) -> Response<Body> {
    let response = Response::builder().header("content-type", media);
    response.header("content-length", length).body(body).unwrap()
}

#[tokio::test]
async fn a_picture_that_is_a_text_does_not_pass_unread() {
    let picture = |media: &'static str, bytes: &'static str| {
        move |_| async move { Ok(with(media, "15", Body::full(bytes))) }
    };
    let app = App::builder("Pictures")
        .endpoint(
            endpoint("GET", "/svg").public().call(picture("image/svg+xml", "ann@example.org")),
        )
        .endpoint(
            endpoint("GET", "/png").public().call(picture("image/png", "RIFF\0\0\0\0WEBPVP8")),
        )
        .pii(&guide());
    let house = House::build(app).await;
    for (path, status) in [("/svg", 502), ("/png", 200)] {
        assert_eq!(house.ask("", "GET", path, &Value::Null).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_answer_to_head_keeps_the_length_of_what_get_would_answer() {
    let app = App::builder("Heads").endpoint(
        endpoint("HEAD", "/x")
            .public()
            .call(|_| async { Ok(with("application/json", "1234", Body::empty())) }),
    );
    let response = House::build(app).await.send(request("", "HEAD", "/x", &Value::Null)).await;
    assert_eq!(response.headers()["content-length"], "1234");
}
