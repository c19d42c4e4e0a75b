//! Does a scanner find the same however often it is asked, between characters, and never twice the same byte?
#![no_main]

use std::sync::LazyLock;

use bartizan_pii::{Config, Scanner};
use libfuzzer_sys::fuzz_target;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let entities = Some(Config::all_entities());
    Scanner::new(&Config { entities, min_confidence: 0.01, ..Config::default() }).unwrap()
});

fuzz_target!(|input: &[u8]| {
    let findings = SCANNER.scan_bytes(input);
    let mut last = 0;
    for finding in &findings {
        assert!(last <= finding.start && finding.start < finding.end && finding.end <= input.len());
        assert!((0.0..=1.0).contains(&finding.score));
        last = finding.end;
    }
    if let Ok(text) = str::from_utf8(input) {
        assert_eq!(findings, SCANNER.scan(text));
        assert!(findings.iter().all(|finding| text.get(finding.start..finding.end).is_some()));
    }
});
