//! Is a banned crate, or a version below its floor, in the dependency graph?
//!
//! The bans stand in deny.toml. They are read here as well, so that they hold where cargo-deny is not installed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::command::output;

/// What is asked: the graph of every member, with what its tests need.
const TREE: &[&str] = &[
    "cargo",
    "tree",
    "--workspace",
    "--locked",
    "--edges",
    "normal,build,dev",
    "--prefix",
    "none",
    "--format",
    "{p}",
];

/// A crate that may not be used; with a floor, only below it.
#[derive(Debug, Eq, PartialEq)]
struct Ban<'a> {
    name: &'a str,
    floor: Option<Vec<u64>>,
    reason: &'a str,
}

/// Every crate of the graph that deny.toml bans.
pub(super) fn breaches(root: &Path) -> Result<Vec<String>> {
    let config = fs::read_to_string(root.join("deny.toml")).context("cannot read `deny.toml`")?;
    let tree = output(root, TREE)?;
    Ok(banned(&bans(&config), &tree))
}

fn banned(bans: &[Ban<'_>], tree: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in tree.lines() {
        let Some((name, version)) = line.split_once(" v") else { continue };
        let version = numbers(version.split([' ', '-', '+']).next().unwrap_or_default());
        let hit =
            bans.iter().find(|b| b.name == name && b.floor.as_ref().is_none_or(|f| version < *f));
        if let Some(ban) = hit {
            found.push(format!("Cargo.lock: {}: {}", line.trim(), ban.reason));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The rows `{ crate = "NAME:<FLOOR", reason = "…" }`.
fn bans(config: &str) -> Vec<Ban<'_>> {
    let rows = config.lines().filter_map(|line| line.trim().strip_prefix("{ crate = \""));
    rows.filter_map(|row| {
        let (what, rest) = row.split_once('"')?;
        let reason = rest.split('"').nth(1)?;
        Some(match what.split_once(":<") {
            Some((name, floor)) => Ban { name, floor: Some(numbers(floor)), reason },
            None => Ban { name: what, floor: None, reason },
        })
    })
    .collect()
}

/// A version as numbers that compare as versions do.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
deny = [
    { crate = \"ring\", reason = \"one provider\" },
    { crate = \"h2:<0.4.16\", reason = \"RUSTSEC\" },
]";

    #[test]
    fn a_version_below_its_floor_is_found_and_one_at_it_is_not() {
        let bans = bans(CONFIG);
        assert_eq!(
            banned(&bans, "h2 v0.4.16\nh2 v0.4.100 (*)\nhyper v1.0.0\nring-like v0.1.0"),
            [""; 0]
        );
        assert_eq!(banned(&bans, "h2 v0.4.9\nh2 v0.4.9 (*)").len(), 2);
        assert_eq!(banned(&bans, "ring v0.17.14"), ["Cargo.lock: ring v0.17.14: one provider"]);
    }

    #[test]
    fn every_row_of_deny_toml_is_understood() {
        let config =
            fs::read_to_string(crate::root().join("deny.toml")).expect("deny.toml is there");
        assert_eq!(bans(&config).len(), config.matches("crate = ").count());
        assert!(bans(&config).len() > 20);
    }
}
