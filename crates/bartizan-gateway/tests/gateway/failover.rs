//! What becomes of a call whose upstream fails? Sent again where nothing came of it, and never twice
//! where something might have.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Program, until};
use crate::wire::{ask, raw, status};

/// What an upstream does with a call.
#[derive(Clone, Copy)]
enum Act {
    /// It answers with this status, and says when to come back.
    Say(u16, &'static str),
    /// It takes the call and says nothing.
    Silence,
    /// It takes the call and hangs up.
    HangUp,
    /// It begins an answer that never ends.
    Drip,
}

/// An upstream that does one thing after the other, and the last one for ever.
struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Value>>>,
    /// How many of its answers were read to their end.
    read: Arc<AtomicUsize>,
}

impl Scripted {
    async fn start(acts: &'static [Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Value>>>::default();
        let read = Arc::<AtomicUsize>::default();
        let (book, count) = (Arc::clone(&seen), Arc::clone(&read));
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (book, count) = (Arc::clone(&book), Arc::clone(&count));
                tokio::spawn(async move {
                    serve(&mut socket, acts, &book).await;
                    // Whoever has read an answer that closes the connection closes it, too.
                    let _ = socket.read(&mut [0]).await;
                    count.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, seen, read }
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn serve(socket: &mut TcpStream, acts: &[Act], book: &Mutex<Vec<Value>>) {
    let mut call = Vec::new();
    let mut piece = [0; 4096];
    let body = loop {
        let count = socket.read(&mut piece).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        call.extend(&piece[..count]);
        let text = String::from_utf8_lossy(&call);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            break body.to_owned();
        }
    };
    let act = {
        let mut book = book.lock().unwrap();
        book.push(serde_json::from_str(&body).unwrap_or_default());
        acts[(book.len() - 1).min(acts.len() - 1)]
    };
    match act {
        Act::Say(status, wait) => {
            let body = json!({ "choices": [],
                "usage": { "prompt_tokens": 3, "completion_tokens": 2 } });
            let body = body.to_string();
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{wait}\
                 content-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = socket.write_all(answer.as_bytes()).await;
        }
        Act::Silence => std::future::pending().await,
        Act::HangUp => drop(socket.shutdown().await),
        Act::Drip => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
            let _ = socket.write_all(head.as_bytes()).await;
            while socket.write_all(b": still here\n\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// A gateway whose endpoint `/llm` has this `upstream`, and `/http` the same without a protocol.
fn gateway(upstream: &str, more: &str) -> Program {
    let nobody = "127.0.0.1:9".parse().unwrap();
    Program::with(nobody, &[], |configuration| {
        format!(
            "{configuration}\n  - path: \"/llm/{{*rest}}\"\n    protocol: openai\n    public: true\n    \
             upstream: {upstream}\n{more}\n  - path: /http\n    verbs: [GET, POST]\n    public: true\n    \
             upstream: {upstream}\n{more}\n"
        )
    })
}

async fn call(program: &Program, path: &str) -> String {
    let body = json!({ "model": "m", "max_tokens": 5, "messages": [] }).to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        program.address,
        body.len()
    );
    raw(program.address, request).await
}

const CHAT: &str = "/llm/chat/completions";

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_listens_the_next_is_asked_and_the_call_is_one() {
    let (first, second) = (nobody().await, Scripted::start(&[Act::Say(200, "")]).await);
    let upstream = format!(
        "{{ url: \"http://{first}\", retries: 1, fallbacks: [{{ url: \"http://{}\" }}] }}",
        second.address
    );
    let program = gateway(&upstream, "");
    assert_eq!(status(&ask(program.address, "GET /http", &[]).await), 200);
    assert_eq!(status(&call(&program, CHAT).await), 200);
    assert_eq!(second.calls(), 2);
    let ends = || program.records().iter().filter(|r| r["event"] == "REQUEST_END").count();
    until(|| ends() == 2, || format!("{:?}", program.records()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_model_is_asked_only_where_it_is_written() {
    let first = Scripted::start(&[Act::Say(503, "retry-after: 60\r\n")]).await;
    let second = Scripted::start(&[Act::Say(200, "")]).await;
    let upstream = format!(
        "{{ url: \"http://{}\", retries: 3, fallbacks: [{{ url: \"http://{}\", serves: [x] }}, {{ url: \"http://{}\" }}] }}",
        first.address, first.address, second.address
    );
    let program = gateway(&upstream, "");
    assert_eq!(status(&call(&program, CHAT).await), 200);
    assert_eq!(first.calls(), 1, "a minute is not waited for");
    assert_eq!(second.seen.lock().unwrap()[0]["model"], "m");
    let written = upstream.replace("serves: [x]", "model: other");
    let written = written.replace(
        &format!("model: other }}, {{ url: \"http://{}\"", second.address),
        &format!("serves: [x] }}, {{ url: \"http://{}\", model: other", second.address),
    );
    let program = Program::with(first.address, &[], |configuration| {
        format!(
            "{configuration}\n  - path: \"/llm/{{*rest}}\"\n    protocol: openai\n    public: true\n    upstream: {written}\n"
        )
    });
    assert_eq!(status(&call(&program, CHAT).await), 200);
    assert_eq!(second.seen.lock().unwrap()[1]["model"], "other");
}

/// A dear replacement that is reserved, or charged, as the model that was asked spends a budget many
/// times over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replacement_is_reserved_and_charged_at_its_own_price() {
    let second = Scripted::start(&[Act::Say(200, "")]).await;
    let fallback = format!("{{ url: \"http://{}\", model: dear }}", second.address);
    let upstream = format!("{{ url: \"http://{}\", fallbacks: [{fallback}] }}", nobody().await);
    let with = |dollars: &str| {
        let price =
            |price| format!("{{ input_per_million: {price}, output_per_million: {price} }}");
        let money = format!(
            "prices:\n  m: {}\n  dear: {}\nbudgets: [{{ name: b, by: global, usd: {dollars}, period: month }}]\n",
            price("1.00"),
            price("1000.00")
        );
        let nobody = "127.0.0.1:9".parse().unwrap();
        Program::with(nobody, &[], |configuration| {
            format!(
                "{configuration}\n  - path: \"/llm/{{*rest}}\"\n    protocol: openai\n    public: true\n    \
                 upstream: {upstream}\n{money}"
            )
        })
    };
    assert_eq!(status(&call(&with("0.01"), CHAT).await), 429, "it does not carry the dear one");
    assert_eq!(second.calls(), 0);
    let program = with("5.00");
    assert_eq!(status(&call(&program, CHAT).await), 200);
    let end = || program.records().into_iter().find(|record| record["event"] == "REQUEST_END");
    until(|| end().is_some(), || format!("{:?}", program.records()));
    assert_eq!(end().unwrap()["usage"]["usd_nano"], "5000000", "three tokens in, two out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_of_a_model_is_sent_again_and_any_other_post_is_not() {
    let acts = &[Act::Say(503, ""), Act::Say(429, "retry-after-ms: 5\r\n"), Act::Say(200, "")];
    let upstream = Scripted::start(acts).await;
    let program = gateway(&format!("{{ url: \"http://{}\", retries: 2 }}", upstream.address), "");
    assert_eq!(status(&call(&program, CHAT).await), 200);
    assert_eq!(upstream.calls(), 3);
    let upstream = Scripted::start(acts).await;
    let program = gateway(&format!("{{ url: \"http://{}\", retries: 2 }}", upstream.address), "");
    assert_eq!(status(&call(&program, "/http").await), 503);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_worked_on_is_never_sent_again() {
    for (acts, expected) in [(&[Act::HangUp], 502), (&[Act::Silence], 504)] {
        let upstream = Scripted::start(acts).await;
        let second = Scripted::start(&[Act::Say(200, "")]).await;
        let ways = format!(
            "{{ url: \"http://{}\", retries: 2, fallbacks: [{{ url: \"http://{}\" }}] }}",
            upstream.address, second.address
        );
        let program = gateway(&ways, "    timeouts: { first_byte: 300ms }");
        assert_eq!(status(&call(&program, CHAT).await), expected);
        assert_eq!((upstream.calls(), second.calls()), (1, 0));
    }
}

/// How many of so many calls at once are refused; one that hangs is waited for no longer than two
/// seconds.
async fn volley(program: &Arc<Program>, many: usize) -> usize {
    let call = || {
        let program = Arc::clone(program);
        tokio::spawn(async move { status(&call(&program, CHAT).await) })
    };
    let calls: Vec<_> = (0..many).map(|_| call()).collect();
    let mut refused = 0;
    for call in calls {
        let answer = tokio::time::timeout(Duration::from_secs(2), call).await;
        refused += usize::from(matches!(answer, Ok(Ok(503))));
    }
    refused
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_is_left_alone_and_a_single_call_asks_whether_it_is_back() {
    let acts = &[Act::Say(500, ""), Act::Say(500, ""), Act::Silence];
    let upstream = Scripted::start(acts).await;
    let breaker = "breaker: { failures: 2, pause: 500ms, probes: 1 }";
    let ways = format!("{{ url: \"http://{}\", {breaker} }}", upstream.address);
    let program = Arc::new(gateway(&ways, "    timeouts: { first_byte: 10s }"));
    for expected in [500, 500, 503, 503] {
        let answer = call(&program, CHAT).await;
        assert_eq!(status(&answer), expected);
        assert_eq!(answer.contains("retry-after"), expected == 503);
    }
    assert_eq!(upstream.calls(), 2);
    // Until the pause is over everybody is refused; of the twenty that come then one gets through.
    let started = Instant::now();
    let refused = loop {
        assert!(started.elapsed() < Duration::from_secs(10), "nobody asks whether it is back");
        let refused = volley(&program, 20).await;
        if upstream.calls() > 2 {
            break refused;
        }
    };
    assert_eq!((refused, upstream.calls()), (19, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_ends_is_broken_off_in_time() {
    let upstream = Scripted::start(&[Act::Drip]).await;
    let ways = format!("{{ url: \"http://{}\" }}", upstream.address);
    let program = gateway(&ways, "    timeouts: { total: 500ms }");
    let answer = call(&program, CHAT).await;
    assert!(answer.contains("still here") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

/// A gateway whose endpoint `/llm` costs money: what is charged shows in the log.
fn dear(upstream: &Scripted, more: &str) -> Program {
    let url = format!("http://{}", upstream.address);
    Program::with(upstream.address, &[], |configuration| {
        format!(
            "{configuration}\n  - path: \"/llm/{{*rest}}\"\n    protocol: openai\n    public: true\n    \
             upstream: {{ url: \"{url}\", retries: 2, credential: upstream-key }}\n{more}\n\
             prices: {{ m: {{ input_per_million: 1.00, output_per_million: 2.00 }} }}\n\
             budgets: [{{ name: b, by: global, usd: 5.00, period: month }}]\n"
        )
    })
}

/// What the log says that the one call cost, in nano-dollars.
fn cost(program: &Program) -> Value {
    let end = || {
        let ends = |record: &Value| {
            ["REQUEST_END", "REQUEST_ERROR"].map(Value::from).contains(&record["event"])
        };
        program.records().into_iter().find(ends)
    };
    until(|| end().is_some(), || format!("{:?}", program.records()));
    end().unwrap()["usage"]["usd_nano"].clone()
}

/// An upstream that asks for patience makes the gateway charge for what was refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_is_free_where_there_is_no_time_for_another_attempt() {
    let upstream = Scripted::start(&[Act::Say(429, "retry-after: 9\r\n")]).await;
    let program = dear(&upstream, "    timeouts: { upstream: 8s }");
    let answer = call(&program, CHAT).await;
    assert_eq!((status(&answer), upstream.calls()), (429, 1), "{answer}");
    assert_eq!(cost(&program), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_while_nobody_has_its_call_is_charged_nothing() {
    let upstream = Scripted::start(&[Act::Say(429, "retry-after: 9\r\n")]).await;
    let program = dear(&upstream, "");
    let call = call(&program, CHAT);
    let refused = async {
        while upstream.read.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! { answer = call => panic!("{answer}"), () = refused => {} }
    assert_eq!(cost(&program), "0");
}

/// A client that is told 401 throws its own good key away, and providers quote parts of the key that they refuse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_a_provider_refuses_is_the_gateways_own_and_costs_nothing() {
    let upstream = Scripted::start(&[Act::Say(401, "")]).await;
    let program = dear(&upstream, "");
    let answer = call(&program, CHAT).await;
    assert_eq!((status(&answer), upstream.calls()), (502, 1), "{answer}");
    assert!(!answer.contains("choices"), "{answer}");
    assert_eq!(cost(&program), "0");
    program.says("does not accept the gateway's credential");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_is_left_alone_for_as_long_as_it_asks_and_not_asked_where_it_says_never() {
    let acts = &[Act::Say(429, "retry-after: 1\r\n"), Act::Say(200, "")];
    let upstream = Scripted::start(acts).await;
    let ways =
        |upstream: &Scripted| format!("{{ url: \"http://{}\", retries: 2 }}", upstream.address);
    let (program, began) = (gateway(&ways(&upstream), ""), Instant::now());
    assert_eq!(status(&call(&program, CHAT).await), 200);
    assert!(began.elapsed() >= Duration::from_secs(1));
    let upstream = Scripted::start(&[Act::Say(503, "x-should-retry: false\r\n")]).await;
    assert_eq!(status(&call(&gateway(&ways(&upstream), ""), CHAT).await), 503);
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_begins_is_given_up_in_time() {
    let upstream = Scripted::start(&[Act::Silence]).await;
    let ways = format!("{{ url: \"http://{}\" }}", upstream.address);
    let program = gateway(&ways, "    timeouts: { total: 500ms }");
    assert_eq!(status(&call(&program, CHAT).await), 504);
}

/// Sends the head of a call to `/http` with a body of `length` bytes.
async fn begin(program: &Program, length: usize) -> TcpStream {
    let mut socket = TcpStream::connect(program.address).await.unwrap();
    let head = format!(
        "POST /http HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n",
        program.address
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn rest(mut socket: TcpStream) -> u16 {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    status(&answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_slow_blames_itself_and_shuts_nobody_else_out() {
    let upstream = Scripted::start(&[Act::Say(200, "")]).await;
    let ways = format!(
        "{{ url: \"http://{}\", breaker: {{ failures: 1, pause: 60s }} }}",
        upstream.address
    );
    let program = gateway(&ways, "    timeouts: { upstream: 3s, first_byte: 300ms }");
    let mut steady = begin(&program, 8).await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        steady.write_all(b"x").await.unwrap();
    }
    assert_eq!(rest(steady).await, 200, "it took longer than the upstream may take, and came");
    let mut stalled = begin(&program, 8).await;
    stalled.write_all(b"x").await.unwrap();
    assert_eq!(rest(stalled).await, 408);
    assert_eq!(status(&call(&program, "/http").await), 200, "the upstream is well");
}
