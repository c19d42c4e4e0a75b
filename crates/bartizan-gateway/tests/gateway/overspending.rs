//! What users of other gateways reported on budgets and token limits, tried on this one. Decision 60
//! says which report is tried where.

use std::net::SocketAddr;

use bartizan_testkit::clock::TurnedClock;
use tokio::task::JoinSet;

use crate::program::{Program, until};
use crate::shared::{paid_call, pay};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, status};

fn gateway(upstream: &Upstream, limits: &str) -> Program {
    Program::with(upstream.address, &[], |configuration| {
        let model = format!(
            "  - {{ path: \"/v1/{{*rest}}\", protocol: openai, public: true, upstream: {{ url: \"http://{}\" }} }}\n",
            upstream.address
        );
        configuration + &model + limits
    })
}

async fn get(address: SocketAddr, path: &str) -> u16 {
    status(&ask(address, &format!("GET {path}"), &[]).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_first_calls_of_a_stranger_share_his_budget_from_the_first_on() {
    let upstream = Upstream::start().await;
    let budget = "budgets: [{ name: b, by: user, requests: 3, period: month }]\n";
    let gateway = gateway(&upstream, budget);
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let address = gateway.address;
        calls.spawn(async move { get(address, "/open/x").await });
    }
    let mut statuses = calls.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 429, 429, 429, 429, 429]);
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_budget_bounds_every_endpoint_also_those_that_only_pass_on() {
    let upstream = Upstream::start().await;
    let budget = "budgets: [{ name: b, by: global, requests: 4, period: month }]\n";
    let gateway = gateway(&upstream, budget);
    for path in ["/open/x", "/api/x", "/masked", "/open/y"] {
        assert_eq!(get(gateway.address, path).await, 200, "{path}");
    }
    for path in ["/open/x", "/api/x", "/masked"] {
        assert_eq!(get(gateway.address, path).await, 429, "{path}");
    }
    assert_eq!(upstream.seen().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_model_without_a_price_is_refused_and_never_free() {
    let upstream = Upstream::start().await;
    let budget = "budgets: [{ name: b, by: global, usd: 1.00, period: month }]\n";
    let gateway = gateway(&upstream, budget);
    for _ in 0..3 {
        assert_eq!(pay(gateway.address).await, 403);
    }
    assert!(upstream.seen().is_empty(), "it was called for nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tokens_are_charged_as_they_are_reported_and_what_remains_goes_down() {
    /// Five in and seven out.
    const ANSWER: u64 = 12;
    let upstream = Upstream::start().await;
    let limit = "limits: [{ name: t, by: global, tpm: 1000, match: { path: \"/v1/*\" } }]\n";
    let gateway = gateway(&upstream, limit);
    let (mut last, mut refused) = (None, false);
    for call in 0..120_usize {
        let answer = raw(gateway.address, paid_call(gateway.address)).await;
        if status(&answer) == 429 {
            // What is left does not carry the worst case of another call.
            assert!(call > 70, "refused after {call} calls");
            refused = true;
            break;
        }
        let field = answer.lines().find_map(|line| {
            line.strip_prefix("x-ratelimit-remaining-tokens: ")?.trim().parse::<u64>().ok()
        });
        let left = field.unwrap_or_else(|| panic!("{answer}"));
        if let Some(last) = last {
            assert_eq!(left, last - ANSWER);
        }
        last = Some(left);
        // Settled after the last byte: the next call is told of it.
        until(
            || gateway.records().iter().filter(|r| r["event"] == "REQUEST_END").count() == call + 1,
            || "the call does not end".to_owned(),
        );
    }
    assert!(refused, "a limit of 1000 tokens carried 120 calls of {ANSWER}");
}

/// The clock of the gateway's own machine: an operator sets it, or a virtual machine wakes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_clock_of_the_gateway_that_is_turned_opens_nothing_before_its_time() {
    const LIMITS: &str = "
limits: [{ name: minute, by: ip, rate: 3/minute, match: { path: \"/open/*\" } }]
budgets: [{ name: month, by: global, requests: 4, period: month, match: { path: \"/api/*\" } }]
";
    let (upstream, clock) = (Upstream::start().await, TurnedClock::new());
    let gateway = Program::with_clock(upstream.address, |usual| usual + LIMITS, &clock);
    for _ in 0..3 {
        assert_eq!(get(gateway.address, "/open/x").await, 200);
    }
    for _ in 0..4 {
        assert_eq!(get(gateway.address, "/api/x").await, 200);
    }
    // Back by an hour, by more than a year, and a little; right again; ahead, and not far enough.
    for seconds in [-3_600, -400 * 86_400, -10, 0, 20] {
        clock.turn(seconds);
        for path in ["/open/x", "/api/x"] {
            let answer = ask(gateway.address, &format!("GET {path}"), &[]).await;
            assert_eq!(status(&answer), 429, "{path} was opened by {seconds}");
            assert!(answer.to_ascii_lowercase().contains("retry-after: "), "{answer}");
        }
    }
    // Where a minute has passed for the machine, it has passed for the limit, and not for the month
    // unless that has ended, too.
    clock.turn(65);
    assert_eq!(get(gateway.address, "/open/x").await, 200);
    clock.turn(32 * 86_400);
    assert_eq!(get(gateway.address, "/api/x").await, 200);
    // What was counted then stays counted when the clock is right again.
    clock.turn(0);
    for _ in 0..3 {
        assert_eq!(get(gateway.address, "/api/x").await, 200);
    }
    assert_eq!(get(gateway.address, "/api/x").await, 429);
    assert_eq!(upstream.seen().len(), 3 + 4 + 1 + 4);
}
