//! How much, how often, how long? Counted where the audit log is written, so that the two agree.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bartizan::serve::Pressure;
use bartizan::validate::Bodies;
use bartizan_core::audit::{End, Entry, Event, Receipt, Trail};
use bartizan_core::exchange::is_standard;
use bartizan_store::redis::Health;
use http::Method;

use crate::shared::SharedStore;

/// Everything that is counted. Labels come from the configuration, never from a client: their
/// number is bounded.
#[derive(Debug, Default)]
pub struct Metrics {
    endpoints: Mutex<BTreeMap<Arc<str>, Row>>,
    /// By their place in [`Event::ALL`].
    events: [AtomicU64; Event::ALL.len()],
    reloads: AtomicU64,
    refused_reloads: AtomicU64,
    /// Of the listener for clients.
    connections: Arc<Pressure>,
    /// Of every app, so that what a replaced one still holds counts, too.
    bodies: Arc<Bodies>,
}

/// What is counted of one endpoint.
#[derive(Clone, Debug, Default)]
struct Row {
    /// How many there were of each kind.
    kinds: Vec<(Kind, u64)>,
    /// How many took at most as long as the bound of the same index.
    within: [u64; BOUNDS.len()],
    count: u64,
    micros: u64,
    tokens_in: u64,
    tokens_out: u64,
    usd_nano: u64,
}

/// What is counted apart.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Kind {
    verb: Method,
    class: &'static str,
    outcome: &'static str,
}

/// The upper bounds of the histogram: microseconds, and the same in seconds as they are printed.
const BOUNDS: [(u64, &str); 14] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

/// What a request is counted under that led nowhere.
const NOWHERE: &str = "none";

/// A trail that counts what passes on its way to the log.
#[derive(Debug)]
pub struct Counted {
    log: Arc<dyn Trail>,
    metrics: Arc<Metrics>,
}

impl Counted {
    /// Counts into `metrics` what goes to `log`.
    #[must_use]
    pub fn new(log: Arc<dyn Trail>, metrics: Arc<Metrics>) -> Self {
        Self { log, metrics }
    }
}

impl Trail for Counted {
    fn append(&self, entry: &Entry) -> Receipt {
        self.metrics.count(entry);
        self.log.append(entry)
    }

    fn keeps(&self, event: Event) -> bool {
        self.log.keeps(event)
    }
}

impl Metrics {
    /// A reload that took effect, or one that did not.
    pub fn reloaded(&self, taken: bool) {
        let counter = if taken { &self.reloads } else { &self.refused_reloads };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Where the listener for clients counts how often its bounds are reached.
    #[must_use]
    pub fn connections(&self) -> &Arc<Pressure> {
        &self.connections
    }

    /// The room for bodies.
    #[must_use]
    pub fn bodies(&self) -> &Arc<Bodies> {
        &self.bodies
    }

    fn count(&self, entry: &Entry) {
        if let Some(count) = self.events.get(entry.event as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if !matches!(entry.event, Event::RequestEnd | Event::RequestError) {
            return;
        }
        let facts = entry.facts.as_deref();
        let endpoint = facts.and_then(|facts| facts.endpoint.as_ref());
        let mut endpoints = locked(&self.endpoints);
        match endpoint.and_then(|endpoint| endpoints.get_mut(endpoint)) {
            Some(row) => row.count(entry),
            None => {
                let endpoint = endpoint.map_or_else(|| NOWHERE.into(), Arc::clone);
                endpoints.entry(endpoint).or_default().count(entry);
            }
        }
    }

    /// All of it, in the text format of Prometheus (version 0.0.4).
    #[must_use]
    pub fn render(&self, shared: Option<&SharedStore>) -> String {
        let mut page = Page(String::with_capacity(4096));
        page.family("bartizan_build_info", "gauge", "Which version is running.");
        page.row("bartizan_build_info", &[("version", env!("CARGO_PKG_VERSION"))], "1");
        let endpoints = locked(&self.endpoints).clone();
        requests(&mut page, &endpoints);
        durations(&mut page, &endpoints);
        usage(&mut page, &endpoints);
        page.family("bartizan_events_total", "counter", "Audit events by their name.");
        for (event, count) in Event::ALL.iter().zip(&self.events) {
            let count = count.load(Ordering::Relaxed).to_string();
            page.row("bartizan_events_total", &[("event", event.as_str())], &count);
        }
        page.family("bartizan_config_reloads_total", "counter", "Reloads of the configuration.");
        for (result, count) in [("taken", &self.reloads), ("refused", &self.refused_reloads)] {
            let count = count.load(Ordering::Relaxed).to_string();
            page.row("bartizan_config_reloads_total", &[("result", result)], &count);
        }
        connections(&mut page, &self.connections);
        room(&mut page, &self.bodies);
        if let Some(shared) = shared {
            store(&mut page, shared);
        }
        page.0
    }
}

impl Row {
    fn count(&mut self, entry: &Entry) {
        let End { status, duration_us, usage } = entry.end.unwrap_or_default();
        self.count_kind(entry, status);
        for (within, (bound, _)) in self.within.iter_mut().zip(BOUNDS) {
            *within += u64::from(duration_us <= bound);
        }
        self.count += 1;
        self.micros = self.micros.saturating_add(duration_us);
        self.tokens_in = self.tokens_in.saturating_add(usage.tokens_in);
        self.tokens_out = self.tokens_out.saturating_add(usage.tokens_out);
        self.usd_nano = self.usd_nano.saturating_add(usage.usd_nano);
    }

    fn count_kind(&mut self, entry: &Entry, status: Option<u16>) {
        let facts = entry.facts.as_deref();
        let known = facts.is_some_and(|facts| facts.endpoint.is_some());
        let verb =
            facts.and_then(|facts| facts.verb.as_ref()).filter(|verb| known || is_standard(verb));
        let verb = verb.cloned().unwrap_or_else(other);
        let (class, outcome) = (class(status), entry.outcome.as_str());
        let same =
            |kind: &Kind| kind.class == class && kind.outcome == outcome && kind.verb == verb;
        if let Some((_, count)) = self.kinds.iter_mut().find(|(kind, _)| same(kind)) {
            *count += 1;
            return;
        }
        self.kinds.push((Kind { verb, class, outcome }, 1));
    }
}

fn requests(page: &mut Page, endpoints: &BTreeMap<Arc<str>, Row>) {
    page.family("bartizan_requests_total", "counter", "Requests that have ended.");
    for (endpoint, row) in endpoints {
        for (Kind { verb, class, outcome }, count) in &row.kinds {
            let labels = [
                ("endpoint", &**endpoint),
                ("verb", verb.as_str()),
                ("status", class),
                ("outcome", outcome),
            ];
            page.row("bartizan_requests_total", &labels, &count.to_string());
        }
    }
}

fn durations(page: &mut Page, endpoints: &BTreeMap<Arc<str>, Row>) {
    let name = "bartizan_request_duration_seconds";
    page.family(name, "histogram", "From a request's head to the last byte of its answer.");
    for (endpoint, row) in endpoints {
        let count = row.count.to_string();
        let bounds = BOUNDS.iter().map(|(_, text)| *text).zip(row.within);
        for (bound, within) in bounds.chain([("+Inf", row.count)]) {
            let labels = [("endpoint", &**endpoint), ("le", bound)];
            page.row(&format!("{name}_bucket"), &labels, &within.to_string());
        }
        let sum = decimal(row.micros, 6);
        page.row(&format!("{name}_sum"), &[("endpoint", endpoint)], &sum);
        page.row(&format!("{name}_count"), &[("endpoint", endpoint)], &count);
    }
}

fn usage(page: &mut Page, endpoints: &BTreeMap<Arc<str>, Row>) {
    page.family("bartizan_tokens_total", "counter", "Tokens of models, as providers report them.");
    for (endpoint, row) in endpoints {
        for (direction, tokens) in [("in", row.tokens_in), ("out", row.tokens_out)] {
            let labels = [("endpoint", &**endpoint), ("direction", direction)];
            page.row("bartizan_tokens_total", &labels, &tokens.to_string());
        }
    }
    page.family("bartizan_cost_usd_total", "counter", "What calls cost, in US dollars.");
    for (endpoint, row) in endpoints {
        page.row("bartizan_cost_usd_total", &[("endpoint", endpoint)], &decimal(row.usd_nano, 9));
    }
}

/// How often there was no room for one more connection.
fn connections(page: &mut Page, pressure: &Pressure) {
    let name = "bartizan_connection_bounds_reached_total";
    page.family(name, "counter", "How often there was no room for one more connection.");
    for (bound, reached) in [
        ("max_connections", pressure.all()),
        ("max_connections_per_address", pressure.of_one()),
        ("descriptors", pressure.system()),
        ("tls_handshakes", pressure.handshakes()),
    ] {
        page.row(name, &[("bound", bound)], &reached.to_string());
    }
    let name = "bartizan_unreadable_requests_total";
    page.family(name, "counter", "Requests that could not be read.");
    page.row(name, &[], &pressure.unreadable().to_string());
}

/// How much of the room for bodies is taken, and how often it was not enough.
fn room(page: &mut Page, bodies: &Bodies) {
    let name = "bartizan_body_memory_bytes";
    page.family(name, "gauge", "Bytes of bodies that are read whole.");
    page.row(name, &[], &bodies.held().to_string());
    let name = "bartizan_bodies_without_room_total";
    page.family(name, "counter", "Bodies for which there was no room.");
    page.row(name, &[], &bodies.refused().to_string());
}

/// How the store does that gateways share.
fn store(page: &mut Page, shared: &SharedStore) {
    let Health { down, failures, lost } = shared.health();
    let rows = [
        (
            "bartizan_shared_store_up",
            "gauge",
            "Whether Redis can be used.",
            u64::from(down.is_none()),
        ),
        (
            "bartizan_shared_store_failures_total",
            "counter",
            "Calls that Redis did not answer.",
            failures,
        ),
        (
            "bartizan_shared_store_lost_total",
            "counter",
            "How often Redis had lost its counts.",
            lost,
        ),
        (
            "bartizan_degraded_decisions_total",
            "counter",
            "Decisions of limits that were made without Redis, open or local.",
            shared.without(),
        ),
    ];
    for (name, kind, help, value) in rows {
        page.family(name, kind, help);
        page.row(name, &[], &value.to_string());
    }
}

/// What is counted for a verb that a stranger made up. No endpoint has it as its own: labels of
/// known endpoints are kept apart by their row.
fn other() -> Method {
    Method::from_bytes(b"OTHER").unwrap_or_default()
}

fn class(status: Option<u16>) -> &'static str {
    match status {
        Some(100..=199) => "1xx",
        Some(200..=299) => "2xx",
        Some(300..=399) => "3xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) | None => "none",
    }
}

/// An integer number of small units as a decimal, exact.
fn decimal(units: u64, places: u32) -> String {
    let whole = 10_u64.pow(places);
    format!("{}.{:0width$}", units / whole, units % whole, width = places as usize)
}

/// A mutex that a panic elsewhere has poisoned still holds numbers.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A page being written. Writing to a string cannot fail.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if place == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use bartizan_core::audit::{Dossier, Ending, Facts, Outcome, Usage};
    use bartizan_core::id::RequestId;
    use bartizan_core::time::Timestamp;

    use super::*;

    #[derive(Debug)]
    struct Nowhere;

    impl Trail for Nowhere {
        fn append(&self, _: &Entry) -> Receipt {
            Receipt::Done
        }

        fn keeps(&self, _: Event) -> bool {
            true
        }
    }

    fn request(trail: &Arc<dyn Trail>, verb: &str, endpoint: Option<&str>, status: Option<u16>) {
        let facts = Facts {
            request_id: RequestId(1),
            trace_id: None,
            caller: None,
            client: IpAddr::from([127, 0, 0, 1]).into(),
            user_agent: None,
            verb: verb.parse().ok(),
            path: Some("/".into()),
            endpoint: endpoint.map(Into::into),
            tool: None,
            model: None,
            parent: None,
            dry_run: false,
            inquiry: false,
        };
        let dossier = Dossier::open(facts, Timestamp(0), Arc::clone(trail));
        let usage =
            Usage { tokens_in: 3, tokens_out: 4, tokens_cached: 0, usd_nano: 1_500_000_000 };
        let outcome = if status.is_some() { Outcome::Allow } else { Outcome::Abandoned };
        let time = Timestamp(2_000);
        drop(dossier.close(Ending { outcome, time, status, reason: None, usage }));
    }

    #[test]
    fn strangers_do_not_make_labels() {
        let metrics = Arc::new(Metrics::default());
        let trail: Arc<dyn Trail> = Arc::new(Counted::new(Arc::new(Nowhere), Arc::clone(&metrics)));
        request(&trail, "SUMMARIZE", Some("/document"), Some(200));
        request(&trail, "SUMMARIZE", Some("/document"), Some(200));
        for made_up in ["AAA", "BBB"] {
            request(&trail, made_up, None, Some(404));
        }
        request(&trail, "GET", Some("/document"), None);
        let page = metrics.render(None);
        for row in [
            r#"bartizan_requests_total{endpoint="/document",verb="SUMMARIZE",status="2xx",outcome="allow"} 2"#,
            r#"bartizan_requests_total{endpoint="none",verb="OTHER",status="4xx",outcome="allow"} 2"#,
            r#"bartizan_requests_total{endpoint="/document",verb="GET",status="none",outcome="abandoned"} 1"#,
            r#"bartizan_request_duration_seconds_bucket{endpoint="/document",le="0.001"} 0"#,
            r#"bartizan_request_duration_seconds_bucket{endpoint="/document",le="0.0025"} 3"#,
            r#"bartizan_request_duration_seconds_sum{endpoint="/document"} 0.006000"#,
            r#"bartizan_cost_usd_total{endpoint="/document"} 4.500000000"#,
            r#"bartizan_tokens_total{endpoint="/document",direction="out"} 12"#,
        ] {
            assert!(page.lines().any(|line| line == row), "{row}\n{page}");
        }
        assert!(!page.contains("AAA"));
    }
}
