//! What takes too long for every change?

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{command, run};
use crate::needs;

/// A long check: what it is, extra environment, the command.
struct Long {
    what: &'static str,
    env: &'static [(&'static str, &'static str)],
    words: &'static [&'static str],
}

const NIGHTLY: &[Long] = &[
    Long {
        what: "every property on many more cases",
        env: &[("PROPTEST_CASES", "20000")],
        words: &["cargo", "test", "--workspace", "--release", "--lib", "--tests"],
    },
    Long {
        what: "streams, cut at 10^8 random places",
        env: &[("BARTIZAN_CUTS", "100000000")],
        words: CUTS,
    },
    Long { what: "a search for inputs that break a promise", env: &[], words: SEARCH },
    Long { what: "the SDKs of providers and a real model", env: &[], words: MODEL },
    Long { what: "MCP's own conformance suite", env: &[], words: MCP },
    // Not for every change: it builds a hundred crates more, four minutes of two cores.
    Long { what: "the policy with Cedar in it", env: &[], words: CEDAR },
    Long { what: "the model of names", env: &[], words: NAMES },
    Long {
        what: "gateways, Redis and PostgreSQL, killed at random: a minute for each way to spend",
        env: &[("BARTIZAN_CHAOS_SECONDS", "60")],
        words: CHAOS,
    },
    Long { what: "the road, timed", env: &[], words: BENCH },
    Long { what: "a decision, timed", env: &[], words: DECISION },
    Long { what: "the comparison with nginx and HAProxy", env: &[], words: COMPARISON },
];

const CUTS: &[&str] = &[
    "cargo",
    "test",
    "--package",
    "bartizan-pii",
    "--release",
    "--test",
    "stream",
    "no_random_cut",
];
const MODEL: &[&str] = &["cargo", "xtask", "model"];
const MCP: &[&str] = &["cargo", "xtask", "mcp"];
const NAMES: &[&str] = &["cargo", "xtask", "names"];
const TALK: &[&str] = &["cargo", "test", "--package", "bartizan-gateway", "--test", "model"];
const SEARCH: &[&str] = &["cargo", "xtask", "fuzz", "--seconds", "60"];
const CEDAR: &[&str] = &[
    "cargo",
    "test",
    "--package",
    "bartizan-core",
    "--package",
    "bartizan-gateway",
    "--features",
    "bartizan-core/cedar,bartizan-gateway/cedar",
    "--lib",
];
const CHAOS: &[&str] = &[
    "cargo",
    "test",
    "--package",
    "bartizan-gateway",
    "--test",
    "gateway",
    "--",
    "nothing_is_overspent_while_gateways_and_stores_are_killed",
    "slices_of_killed_gateways_are_charged_in_time_and_nothing_is_overspent",
];
const DECISION: &[&str] = &["cargo", "bench", "--package", "bartizan-core", "--bench", "policy"];
const COMPARISON: &[&str] = &["bench/gateway"];
const BENCH: &[&str] =
    &["cargo", "bench", "--package", "bartizan", "--bench", "road", "--bench", "allocations"];
const COUNT: &[&str] = &["cargo", "bench", "--package", "bartizan", "--bench", "instructions"];

/// The road without network; `args` go to the benchmark.
pub(crate) fn bench(root: &Path, args: &[&str]) -> Result<()> {
    let mut words = BENCH.to_vec();
    if !args.is_empty() {
        words.push("--");
        words.extend(args);
    }
    run(root, &words)?;
    count(root)
}

/// Instructions of a request: the same on every day and every machine of a kind.
fn count(root: &Path) -> Result<()> {
    needs::provide_all(root, needs::COUNTING)?;
    let runner = root.join(needs::RUNNER);
    eprintln!("$ {}", COUNT.join(" "));
    let status = command(root, COUNT).env("GUNGRAUN_RUNNER", runner).status();
    if !status.is_ok_and(|status| status.success()) {
        bail!("`{}` failed", COUNT.join(" "));
    }
    Ok(())
}

/// The SDKs of providers, through the gateway, to a real model on this machine.
pub(crate) fn model(root: &Path) -> Result<()> {
    needs::provide(root)?;
    needs::provide_all(root, needs::MODEL)?;
    run(root, TALK)
}

/// The gateway beside others on the same machine; `args` go to the script.
pub(crate) fn compare(root: &Path, args: &[&str]) -> Result<()> {
    run(root, &[COMPARISON, args].concat())
}

/// What a stream costs; `args` go to the script.
pub(crate) fn streams(root: &Path, args: &[&str]) -> Result<()> {
    run(root, &[&["bench/streams"], args].concat())
}

/// Runs every long check, also after one has failed: a night is too long to learn one thing.
pub(crate) fn nightly(root: &Path) -> Result<()> {
    let mut failed = Vec::new();
    for long in NIGHTLY {
        eprintln!("\n{}\n$ {}", long.what, long.words.join(" "));
        let status = command(root, long.words).envs(long.env.iter().copied()).status();
        if !status.is_ok_and(|status| status.success()) {
            failed.push(long.what);
        }
    }
    if !failed.is_empty() {
        bail!("failed: {}", failed.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::output;

    /// A test that was given another name is left out in silence: a runner that finds none passes.
    #[test]
    fn every_test_that_a_long_check_names_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let runs = NIGHTLY.iter().filter(|long| long.words.starts_with(&["cargo", "test"]));
        let named: Vec<_> = runs
            .flat_map(|long| long.words)
            .filter(|word| word.contains('_') && !word.contains('/'))
            .collect();
        assert!(named.len() >= 3, "{named:?}");
        for name in named {
            let found = output(&root, &["grep", "-rlE", &format!("fn {name}"), "crates"]);
            assert!(found.is_ok_and(|files| !files.is_empty()), "there is no test `{name}`");
        }
    }
}
