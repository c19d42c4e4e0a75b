//! How much of what is there does the eye find, and how much of what it finds is there?
//!
//! `cargo xtask pii-eval` runs it. It reads labelled texts of others, counts by entity, and writes the
//! page of the book that `BARTIZAN_PII_PAGE` names. With `BARTIZAN_PII_TEXTS` it only writes the texts
//! to that file, for other programs; with `BARTIZAN_PII_NAMED` and `BARTIZAN_PII_BESIDE` it counts as well
//! what the gateway with a model of names has found in them, and what Presidio has; with
//! `BARTIZAN_PII_ERRORS=ENTITY` it prints what was missed and invented.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a test may panic and print"
)]

mod corpus;
mod page;
mod score;

use std::collections::BTreeMap;

use bartizan_pii::{Config, Entity, Scanner, report};

use corpus::{Span, Text};
use score::{Counts, Table};

/// What an entity must reach in a corpus: recall, precision, by exact spans.
struct Target {
    corpus: &'static str,
    entity: &'static str,
    recall: f64,
    precision: f64,
}

const fn target(corpus: &'static str, entity: &'static str, recall: f64, precision: f64) -> Target {
    Target { corpus, entity, recall, precision }
}

/// What patterns can find. Where the number is lower than 0.98 and 0.97, the page says why.
const TARGETS: &[Target] = &[
    target("synth", "EMAIL_ADDRESS", 0.98, 0.97),
    target("synth", "CREDIT_CARD", 0.98, 0.97),
    target("synth", "IBAN_CODE", 0.98, 0.97),
    target("synth", "IP_ADDRESS", 0.98, 0.97),
    target("synth", "US_SSN", 0.98, 0.97),
    target("technology", "EMAIL_ADDRESS", 0.98, 0.97),
    target("technology", "IP_ADDRESS", 0.98, 0.97),
    target("technology", "MAC_ADDRESS", 0.98, 0.97),
    target("technology", "API_KEY", 0.98, 0.97),
    target("technology", "US_SSN", 0.98, 0.97),
    target("adversarial plain", "PHONE_NUMBER", 0.98, 0.97),
    target("adversarial plain", "EMAIL_ADDRESS", 0.98, 0.97),
    target("adversarial plain", "US_SSN", 0.98, 0.97),
    target("synth", "PHONE_NUMBER", 0.98, 0.97),
    target("synth", "URL", 0.98, 0.97),
    target("adversarial disguised", "PHONE_NUMBER", 0.90, 0.97),
    target("adversarial disguised", "EMAIL_ADDRESS", 0.90, 0.97),
    target("adversarial disguised", "US_SSN", 0.90, 0.97),
];

#[test]
fn the_eye_reaches_its_targets() {
    let texts = corpus::read();
    if let Some(path) = std::env::var_os("BARTIZAN_PII_TEXTS") {
        return corpus::write(&texts, &path);
    }
    let ours = count(&texts, &found_by_us(&texts));
    let beside = std::env::var_os("BARTIZAN_PII_BESIDE").map(|path| corpus::found_by(&path));
    let theirs = beside.map(|found| count(&texts, &found));
    let named = std::env::var_os("BARTIZAN_PII_NAMED").map(|path| corpus::found_by(&path));
    let named = named.map(|found| count(&texts, &found));
    let page = page::write(&ours, named.as_ref(), theirs.as_ref(), texts.len());
    println!("{page}");
    if let Some(path) = std::env::var_os("BARTIZAN_PII_PAGE") {
        std::fs::write(path, &page).unwrap();
    }
    let mut missed: Vec<String> =
        TARGETS.iter().filter_map(|target| missed(target, &ours)).collect();
    missed.extend(theirs.iter().flat_map(|theirs| behind(theirs, &ours)));
    assert!(missed.is_empty(), "targets that are not reached:\n{}", missed.join("\n"));
}

fn missed(target: &Target, table: &Table) -> Option<String> {
    let counts = table.get(&(target.corpus.to_owned(), target.entity.to_owned()))?;
    let (recall, precision) = (counts.recall(), counts.precision());
    let short = recall < target.recall || precision < target.precision;
    short.then(|| format!("{} in {}: R {recall:.3} P {precision:.3}", target.entity, target.corpus))
}

/// Where Presidio is better at something that patterns can find.
fn behind(theirs: &Table, ours: &Table) -> Vec<String> {
    let worse = |target: &&Target| {
        let of = |table: &Table| {
            let key = (target.corpus.to_owned(), target.entity.to_owned());
            table.get(&key).map(|counts| counts.f(1.0))
        };
        of(theirs) > of(ours)
    };
    let behind = TARGETS.iter().filter(worse);
    behind.map(|t| format!("{} in {}: Presidio finds more", t.entity, t.corpus)).collect()
}

/// What is found in each text, with everything looked for that any corpus labels.
fn found_by_us(texts: &[Text]) -> Vec<Vec<Span>> {
    let found: Vec<Entity> = Config::all_entities();
    let mut entities: Vec<Entity> =
        corpus::LABELS.iter().map(|(_, entity)| entity.parse().unwrap()).collect();
    entities.retain(|entity| found.contains(entity));
    entities.sort();
    entities.dedup();
    let config = Config { entities: Some(entities), ..Config::default() };
    let scanner = Scanner::new(&config).unwrap();
    let scan = |text: &Text| {
        let bytes = text.text.as_bytes();
        let report = report::text(&scanner, "-", bytes, report::Offsets::Chars);
        report.findings.into_iter().map(Span::from).collect()
    };
    texts.iter().map(scan).collect()
}

/// The counts by corpus and entity, and for the adversarial texts by kind of disguise as well.
fn count(texts: &[Text], found: &[Vec<Span>]) -> Table {
    let mut table: Table = BTreeMap::new();
    let shown = std::env::var("BARTIZAN_PII_ERRORS").unwrap_or_default();
    for (text, found) in texts.iter().zip(found) {
        for entity in text.labelled() {
            let label = |spans: &[Span]| -> Vec<Span> {
                spans.iter().filter(|span| span.entity == entity).cloned().collect()
            };
            let (labelled, found) = (label(&text.spans), label(found));
            let counts = Counts::of(&labelled, &found);
            if shown == entity && counts.wrong() {
                println!(
                    "{} {:?}\n  labelled {labelled:?}\n  found {found:?}",
                    text.corpus, text.text
                );
            }
            for corpus in text.slices() {
                *table.entry((corpus, entity.to_owned())).or_default() += counts;
            }
        }
    }
    table
}
