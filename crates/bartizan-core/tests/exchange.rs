//! The order of the stages, walked by hand: what departs, what is recorded, what goes back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bartizan_core::admit::Purpose;
use bartizan_core::audit::{Entry, Event, Lost, Outcome, Receipt, Trail};
use bartizan_core::authenticate::{Caller, Identity, Places, Principal};
use bartizan_core::authorize::endpoint::{About, By, Cost, Limit, OnDisconnect};
use bartizan_core::authorize::{Access, Endpoint, Names, Policy};
use bartizan_core::exchange::{Arrival, Exchange, Masked, Realm, Refused};
use bartizan_core::id::RequestId;
use bartizan_core::limit::permit::Returns;
use bartizan_core::limit::{
    Calendar, Draw, Measure, Period, ReservationId, Rule, Shape, Standings, Verdict,
};
use bartizan_core::mask::{Guard, Profile};
use bartizan_core::settle::Spent;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::{Payload, Protocol};
use bartizan_pii::{Action, Config, CustomPattern, Masker, Scanner};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::json;

/// Everything that was recorded.
#[derive(Debug, Default)]
struct Book(Mutex<Vec<Entry>>, Arc<Till>);

impl Trail for Book {
    fn append(&self, entry: &Entry) -> Receipt {
        self.0.lock().unwrap().push(entry.clone());
        Receipt::Done
    }

    fn keeps(&self, _: Event) -> bool {
        true
    }
}

/// What came back by itself.
#[derive(Debug, Default)]
struct Till(Mutex<Vec<(ReservationId, Vec<Draw>)>>);

impl Returns for Till {
    fn take_back(&self, id: ReservationId, draws: Vec<Draw>) {
        self.0.lock().unwrap().push((id, draws));
    }
}

impl Book {
    /// The ends on record: event, outcome and status.
    fn ends(&self) -> Vec<(Event, Outcome, Option<u16>)> {
        let entries = self.0.lock().unwrap();
        let ends =
            entries.iter().filter(|e| matches!(e.event, Event::RequestEnd | Event::RequestError));
        let status = |e: &Entry| e.end.and_then(|end| end.status);
        ends.map(|e| (e.event, e.outcome, status(e))).collect()
    }
}

fn policy(action: Action) -> Policy {
    // What the operator has added to what is looked for.
    let project = CustomPattern::new("PROJECT".parse().unwrap(), "ACME-[0-9]{4}");
    let config = Config { custom: vec![project], ..Config::default() };
    let scanner = Arc::new(Scanner::new(&config).unwrap());
    let guard = Arc::new(Guard::new(Masker::new(scanner, action)));
    let length = Duration::from_secs(60);
    let rate = Rule::new("calls", Measure::Requests, Shape::Window { limit: 9, length });
    let at_once = Rule::new("at-once", Measure::Concurrent, Shape::Concurrency { limit: 9 });
    let limits = [rate, at_once].map(|rule| Arc::new(Limit::new(Arc::new(rule), By::User)));
    let mut policy = Policy::default();
    let endpoint = Endpoint {
        index: 0,
        verb: Method::from_bytes(b"NOTIFY").unwrap(),
        path: "/notes".into(),
        aliases: vec![Method::POST],
        method_override: true,
        access: Access::Authenticated,
        permission: None,
        tenant: None,
        approval: false,
        names: Names::default(),
        protocol: Protocol::Http,
        mcp: None,
        agent: None,
        messages: None,
        schema: None,
        max_request_size: 1000,
        limits: limits.into(),
        cost: Cost::default(),
        profile: Profile { request: Some(guard), log_detections: true, ..Profile::default() },
        timeout: Duration::from_secs(1),
        body_timeout: Duration::from_secs(1),
        on_disconnect: OnDisconnect::Cancel,
        elsewhere: false,
        seen_as: 0,
        exchanges: false,
        about: About::default(),
    };
    policy.routes.add(endpoint).unwrap();
    policy
}

/// What stays of the draws of a call that is not sent: its rate has counted it, and its place is
/// free again.
const NOT_SENT: [u64; 2] = [1, 0];

fn amounts(draws: &[Draw]) -> Vec<u64> {
    draws.iter().map(|draw| draw.amount).collect()
}

/// Walks a request from the door to where its body is masked.
fn walk(
    book: &Arc<Book>,
    policy: &Policy,
    uri: &str,
    body: &str,
) -> Result<Exchange<Masked<()>>, Refused> {
    let media = if body.starts_with('{') { "application/json" } else { "text/plain" };
    walk_with(book, policy, uri, body, &[("content-type", media)])
}

/// The same with header fields of one's own.
fn walk_with(
    book: &Arc<Book>,
    policy: &Policy,
    uri: &str,
    body: &str,
    fields: &[(&str, &str)],
) -> Result<Exchange<Masked<()>>, Refused> {
    let mut request =
        Request::post(uri).header("host", "gate.example").header("authorization", "Bearer secret");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let arrival = Arrival {
        id: RequestId(7),
        now: Timestamp(1),
        client: IpAddr::from([192, 0, 2, 1]).into(),
        trace_id: None,
        user_agent: None,
        path: "/notes".into(),
        parent: None,
        dry_run: false,
        purpose: Purpose::Call,
    };
    let caller = Caller::assert(Identity::bare(Principal::parse("ann")));
    let taken = || Ok(Verdict::Taken { standings: Standings::default() });
    let exchange = Exchange::open(request, arrival, Arc::clone(book) as Arc<dyn Trail>);
    let exchange = exchange.route(policy)?;
    let exchange = exchange.admit(&[], taken())?;
    let exchange = exchange.authenticate(Ok(caller), &Places::default())?;
    let exchange = exchange.authorize(policy)?;
    let (exchange, ()) = exchange.take_body();
    let body = Payload::Whole(Bytes::from(body.to_owned()));
    let exchange = exchange.validate::<()>(Ok(body))?;
    let (exchange, demand) = exchange.demand()?;
    let till = Arc::clone(&book.1) as Arc<dyn Returns>;
    let exchange = exchange.permit(ReservationId(1), demand, taken(), till)?;
    exchange.mask(|| 0)
}

#[test]
fn what_departs_holds_neither_the_credential_nor_what_was_masked() {
    let (book, policy) = (Arc::new(Book::default()), policy(Action::Redact));
    let masked = walk(&book, &policy, "/notes?to=ann%40example.org&n=1", "mail ann@example.org");
    let (exchange, receipt) = masked.unwrap().agree(None).unwrap().announce();
    drop(receipt);
    let (departure, journey) = exchange.depart(Ok(()), Ok(())).unwrap();
    assert!(!departure.head.headers.contains_key("authorization"));
    assert_eq!(departure.head.method, "NOTIFY", "the alias became what it means");
    assert_eq!(departure.head.uri, "/notes?to=&n=1");
    assert_eq!(departure.head.headers["content-length"], "5");
    let Payload::Whole(body) = departure.body else { panic!("a body that was read stays whole") };
    assert_eq!(body, "mail ");
    drop(journey.end(200, &Spent::Unknown, Timestamp(9)));
    assert!(book.1.0.lock().unwrap().is_empty(), "what departed is settled, not returned");
    assert_eq!(book.ends(), [(Event::RequestEnd, Outcome::Allow, Some(200))]);
}

#[test]
fn what_blocks_in_the_query_stops_the_call_and_gives_its_place_back() {
    let (book, policy) = (Arc::new(Book::default()), policy(Action::Block));
    let mut refused = walk(&book, &policy, "/notes?to=ann%40example.org", "").unwrap_err();
    assert_eq!(amounts(&refused.take_release().unwrap().actual), NOT_SENT);
    let answered = refused.answer(&Realm::default(), Timestamp(9));
    assert_eq!(answered.response.status(), 422);
    let body = String::from_utf8(answered.response.body().to_vec()).unwrap();
    assert!(body.contains("EMAIL_ADDRESS") && body.contains("?to"), "{body}");
    assert!(!body.contains("ann@"), "{body}");
    assert_eq!(book.ends(), [(Event::RequestError, Outcome::Deny, Some(422))]);
}

/// An endpoint that calls models, under one limit.
fn models(limit: Limit) -> Policy {
    let notes = policy(Action::MASK);
    let mut endpoint = Endpoint::clone(notes.routes.endpoints().next().unwrap());
    endpoint.limits = [Arc::new(limit)].into();
    (endpoint.verb, endpoint.aliases) = (Method::POST, Vec::new());
    (endpoint.path, endpoint.protocol) = ("/v1/chat/completions".into(), Protocol::OpenAi);
    let mut policy = Policy::default();
    policy.routes.add(endpoint).unwrap();
    policy
}

#[test]
fn no_secret_in_the_place_of_a_models_name_becomes_the_key_of_a_counter() {
    let rule = Rule::new("at-once", Measure::Concurrent, Shape::Concurrency { limit: 9 });
    let (book, policy) = (Arc::new(Book::default()), models(Limit::new(rule.into(), By::Model)));
    for model in ["ann.secret@example.org", "gpt-4o", "tuned-ACME-1234"] {
        let call = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        drop(walk(&book, &policy, "/v1/chat/completions", &call.to_string()).unwrap());
    }
    let till = book.1.0.lock().unwrap();
    let keys: Vec<_> = till.iter().map(|(_, draws)| draws[0].key.as_str()).collect();
    assert!(keys[0].ends_with("/<EMAIL_ADDRESS>") && keys[1].ends_with("/gpt-4o"), "{keys:?}");
    assert!(keys[2].ends_with("/tuned-<PROJECT>"), "{keys:?}");
}

#[test]
fn no_secret_in_the_place_of_a_models_name_is_recorded_or_told() {
    let shape = Shape::Budget { limit: 9, period: Period::utc(Calendar::Day) };
    let money = Arc::new(Rule::new("money", Measure::NanoUsd, shape));
    let policy = models(Limit::new(money, By::User));
    for model in ["ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8", "ann.secret@example.org", "ACME-1234"]
    {
        let book = Arc::new(Book::default());
        let call = json!({"model": model, "messages": [{"role": "user", "content": "hi"}]});
        let refused = walk(&book, &policy, "/v1/chat/completions", &call.to_string()).unwrap_err();
        let answered = refused.answer(&Realm::default(), Timestamp(9));
        assert_eq!(answered.response.status(), 403);
        let told = String::from_utf8(answered.response.body().to_vec()).unwrap();
        let recorded = format!("{:?}", book.0.lock().unwrap());
        assert!(told.contains("has no price here"), "{told}");
        assert!(recorded.contains("has no price here"), "{recorded}");
        assert!(!told.contains(model) && !recorded.contains(model), "{told} {recorded}");
    }
}

#[test]
fn nothing_departs_that_is_not_on_record() {
    let (book, policy) = (Arc::new(Book::default()), policy(Action::MASK));
    let (exchange, receipt) =
        walk(&book, &policy, "/notes", "hello").unwrap().agree(None).unwrap().announce();
    drop(receipt);
    let refused = exchange.depart(Err(Lost), Ok(())).unwrap_err();
    let answered = refused.answer(&Realm::default(), Timestamp(9));
    assert_eq!(answered.response.status(), 503);
    assert_eq!(book.ends(), [(Event::RequestError, Outcome::Error, Some(503))]);
}

#[test]
fn an_exchange_that_is_dropped_anywhere_leaves_one_end_and_says_abandoned() {
    let (book, policy) = (Arc::new(Book::default()), policy(Action::MASK));
    drop(walk(&book, &policy, "/notes", "hello").unwrap());
    let (exchange, receipt) =
        walk(&book, &policy, "/notes", "hello").unwrap().agree(None).unwrap().announce();
    drop((receipt, exchange));
    let abandoned = (Event::RequestError, Outcome::Abandoned, None);
    assert_eq!(book.ends(), [abandoned, abandoned]);
    let returned = book.1.0.lock().unwrap();
    assert_eq!(returned.len(), 2, "what was reserved comes back, each time");
    assert!(returned.iter().all(|(_, draws)| amounts(draws) == NOT_SENT), "{returned:?}");
}

#[test]
fn a_call_that_somebody_must_agree_to_does_not_depart_unasked() {
    use bartizan_core::authorize::approval::{Lapse, Ruling, Unreachable};
    let book = Arc::new(Book::default());
    let mut endpoint = Endpoint::clone(policy(Action::Redact).routes.endpoints().next().unwrap());
    endpoint.approval = true;
    let mut policy = Policy::default();
    policy.routes.add(endpoint).unwrap();
    for ruling in [
        None,
        Some(Err(Unreachable::new("down"))),
        Some(Ok(Ruling::Full)),
        Some(Ok(Ruling::Lapsed(Lapse::Declined))),
    ] {
        let masked = walk(&book, &policy, "/notes", "hello").unwrap();
        assert!(masked.petition().is_some());
        let mut refused = masked.agree(ruling).unwrap_err();
        assert_eq!(amounts(&refused.take_release().unwrap().actual), NOT_SENT);
        drop(refused.answer(&Realm::default(), Timestamp(9)));
    }
    let ends = book.ends();
    let statuses: Vec<_> = ends.iter().map(|(_, _, status)| status.unwrap()).collect();
    assert_eq!(statuses, [503, 503, 503, 403]);
}

#[test]
fn an_approval_is_of_one_call_and_not_of_another() {
    let book = Arc::new(Book::default());
    let mut endpoint = Endpoint::clone(policy(Action::Redact).routes.endpoints().next().unwrap());
    endpoint.approval = true;
    let mut policy = Policy::default();
    policy.routes.add(endpoint).unwrap();
    let digest = |uri: &str, body: &str| {
        let masked = walk(&book, &policy, uri, body).unwrap();
        masked.petition().unwrap().approval.digest
    };
    let first = digest("/notes", "pay 5");
    assert_eq!(digest("/notes", "pay 5"), first);
    for (uri, body) in [("/notes", "pay 50"), ("/notes", ""), ("/notes?x=1", "pay 5")] {
        assert_ne!(digest(uri, body), first, "{uri} {body}");
    }
    // Nor what is read otherwise: a second type would be another call to whoever takes the last.
    let typed = |types: &[&str]| {
        let fields: Vec<_> = types.iter().map(|kind| ("content-type", *kind)).collect();
        walk_with(&book, &policy, "/notes", "pay 5", &fields)
            .map(|masked| masked.petition().unwrap().approval)
    };
    assert_ne!(typed(&["text/html"]).unwrap().digest, first);
    assert!(typed(&["text/plain", "text/html"]).is_err(), "nobody knows as what they agree to it");
    // What is masked alike was not the same call.
    assert_ne!(digest("/notes", "mail a@example.org"), digest("/notes", "mail b@example.org"));
}

#[test]
fn whoever_agrees_is_told_what_the_call_says_beside_its_path() {
    use bartizan_core::authorize::approval::Approval;
    let book = Arc::new(Book::default());
    let mut endpoint = Endpoint::clone(policy(Action::Redact).routes.endpoints().next().unwrap());
    endpoint.approval = true;
    let mut policy = Policy::default();
    policy.routes.add(endpoint).unwrap();
    let json = [("content-type", "application/json")];
    let told = |uri: &str, body: &str, fields: &[(&str, &str)]| {
        walk_with(&book, &policy, uri, body, fields)
            .map(|masked| masked.petition().unwrap().approval)
    };
    let approval = told("/notes?to=eve&by=a@example.org", "{}", &json).unwrap();
    assert_eq!(approval.query.as_deref(), Some("to=eve&by="));
    assert_eq!((approval.media.as_deref(), approval.length), (Some("application/json"), Some(2)));
    assert!(approval.is_cut(), "nothing of the body is shown yet");
    let whole = Approval { shown: Some("{}".into()), ..approval };
    assert!(!whole.is_cut());
    // Two readers would read two calls.
    assert!(told("/notes", r#"{"to":"ann","to":"eve"}"#, &json).is_err());
    assert!(told("/notes", "{}", &[json[0], ("content-encoding", "gzip")]).is_err());
}
