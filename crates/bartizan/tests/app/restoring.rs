//! Does a client get its own values back, and nobody else's, however the answer comes?

use bartizan::body::Body;
use bartizan::core::limit::BoxFuture;
use bartizan::core::refusal::Objection;
use bartizan::core::validate::Protocol;
use bartizan::hook::{Hook, Look, Opinion};
use bartizan::pii::{Action, Pii};
use bartizan::{App, Json, endpoint};
use bytes::Bytes;
use http::{Response, header};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
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

#[derive(Deserialize, JsonSchema)]
struct Chat {
    messages: Vec<Message>,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    content: String,
}

/// Lets everything pass, but wants to see it.
#[derive(Debug)]
struct Reader(Seen);

impl Hook for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    fn looks_at_answers(&self) -> bool {
        true
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        self.0.lock().push_str(&String::from_utf8_lossy(answer.body));
        Box::pin(std::future::ready(Ok(Opinion::Pass)))
    }
}

/// A model that says what it was told, as a text and to a tool, five letters in each event.
fn model(told: &str) -> String {
    let arguments = json!({ "to": told }).to_string();
    let function = |text| json!({ "tool_calls": [{ "index": 0, "function": text }] });
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    let pieces = |text: &str| -> Vec<String> {
        letters(text).chunks(5).map(|piece| piece.iter().collect()).collect()
    };
    let said = pieces(told).into_iter().map(|piece| json!({ "content": piece }));
    let called =
        pieces(&arguments).into_iter().map(|piece| function(json!({ "arguments": piece })));
    let mut events = String::new();
    for delta in said.chain(called) {
        let event = json!({ "choices": [{ "index": 0, "delta": delta }] });
        events.push_str(&format!("data: {event}\n\n"));
    }
    let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    events + &format!("data: {end}\n\ndata: [DONE]\n\n")
}

/// The text and the arguments that a client puts together.
fn put_together(stream: &str) -> (String, String) {
    let (mut said, mut arguments) = (String::new(), String::new());
    let events = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    for event in events.filter_map(|data| serde_json::from_str::<Value>(data).ok()) {
        let delta = &event["choices"][0]["delta"];
        let called = &delta["tool_calls"][0]["function"]["arguments"];
        said.push_str(delta["content"].as_str().unwrap_or_default());
        arguments.push_str(called.as_str().unwrap_or_default());
    }
    (said, arguments)
}

#[tokio::test]
async fn a_placeholder_that_a_model_spreads_over_its_deltas_comes_back_wherever_they_are_cut() {
    let cut = Arc::new(Mutex::new(Some(0)));
    let chunks = |text: String, cut: Option<usize>| -> Vec<Bytes> {
        let bytes = Bytes::from(text);
        match cut {
            Some(cut) => {
                vec![bytes.slice(..cut.min(bytes.len())), bytes.slice(cut.min(bytes.len())..)]
            }
            None => (0..bytes.len()).map(|at| bytes.slice(at..=at)).collect(),
        }
    };
    for reads in [false, true] {
        let here = Arc::clone(&cut);
        let chat = endpoint("POST", "/v1/chat/completions").authenticated();
        let chat = chat.protocol(Protocol::OpenAi).json(move |_, input: Chat| {
            let chunks = chunks(model(&input.messages[0].content), *here.lock());
            let frames =
                chunks.into_iter().map(|chunk| Ok::<_, std::io::Error>(Frame::data(chunk)));
            let body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
            let mut response = Response::new(body);
            let media = "text/event-stream".parse().unwrap();
            response.headers_mut().insert(header::CONTENT_TYPE, media);
            async move { Ok(response) }
        });
        let read = Seen::default();
        let mut app = App::builder("Model").endpoint(chat).pii(&private()).api_key(key("ann"));
        if reads {
            app = app.hook(Reader(Arc::clone(&read)));
        }
        let house = House::build(app).await;
        let said = json!({ "model": "m", "stream": true, "messages": [{ "role": "user", "content": SAID }] });
        let length = model("EMAIL_ADDRESS_1_WKZRTQBN and more").len();
        let cuts = (0..length).step_by(if reads { 997 } else { 61 }).map(Some).chain([None]);
        let mut exchanges = 0;
        for at in cuts {
            *cut.lock() = at;
            let seen = house.ask("ann", "POST", "/v1/chat/completions", &said).await;
            let (text, arguments) = put_together(seen.body.as_str().unwrap());
            let arguments: Value = serde_json::from_str(&arguments).unwrap();
            assert_eq!((text.as_str(), &arguments), (SAID, &json!({ "to": SAID })), "{at:?}");
            exchanges += 1;
        }
        house.ends(exchanges).await;
        // Nobody between has seen them.
        assert!(!read.lock().contains("b.example"));
    }
}
