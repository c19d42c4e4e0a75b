//! Does a document cost more memory than it is large? Whoever writes it chooses how long its names are
//! and how much is found behind them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::System;

use bartizan_pii::{Action, Config, Masker, Scanner, Vault, rewrite_json};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// All that is ever asked for, whether it was given back or not, for each byte of a document.
const FACTOR: usize = 100;

fn documents() -> Vec<(&'static str, String)> {
    let values = |value: &str, times: usize| vec![value; times].join(",");
    let name = |length: usize| "k".repeat(length);
    let behind = |end: &str, value: &str| {
        format!(r#"{{"{}{end}":[{}]}}"#, name(300_000), values(value, 3000))
    };
    let deep = |length: usize| {
        let open = format!(r#"{{"{}":"#, name(length)).repeat(120);
        format!("{open}[{}]{}", values(r#""a@b.co""#, 20_000), "}".repeat(120))
    };
    let quoted = |document: &str| serde_json::to_string(document).unwrap();
    let nested = quoted(&format!("[{}]", values(&quoted(r#"["a@b.co"]"#), 5000)));
    let members: String = (0..20_000).map(|n| format!(r#""{n}":"a@b.co","#)).collect();
    vec![
        ("a long name before many values", behind("", r#""a@b.co""#)),
        ("a long name of a password", behind("password", r#""abcdefghij""#)),
        ("a long name before numbers", behind("", "4111111111111111e0")),
        ("a long name before documents in strings", behind("", r#""[\"a@b.co\"]""#)),
        ("many short names", format!("{{{members}\"x\":1}}")),
        ("a deep place", deep(100)),
        ("a deep place of names that are shortened", deep(1000)),
        ("the same in a string", quoted(&deep(100))),
        ("documents in strings in a string", nested),
        ("one string with many values", quoted(&"a@b.co ".repeat(40_000))),
        ("a long document in a string", behind("", &quoted(&quoted(&"[".repeat(40))))),
    ]
}

#[test]
fn a_document_costs_a_small_multiple_of_its_size_in_memory() {
    let scanner = Scanner::new(&Config::default()).unwrap().into();
    let masker = Masker::new(scanner, Action::Tokenise);
    for (what, document) in documents() {
        let json = document.as_bytes();
        let allocated = |work: &mut dyn FnMut()| {
            let region = Region::new(ALLOCATOR);
            work();
            region.change().bytes_allocated / json.len()
        };
        let masking = allocated(&mut || drop(masker.mask_json(json).unwrap()));
        let tokenising =
            allocated(&mut || drop(masker.mask_json_into(json, &mut Vault::new(7)).unwrap()));
        let rewriting = allocated(&mut || {
            drop(rewrite_json(json, &mut |_: &str, _: &str| Some("x".to_owned())).unwrap())
        });
        for (how, factor) in
            [("masking", masking), ("tokenising", tokenising), ("rewriting", rewriting)]
        {
            assert!(factor <= FACTOR, "{what}: {how} takes {factor} bytes for each");
        }
    }
}
