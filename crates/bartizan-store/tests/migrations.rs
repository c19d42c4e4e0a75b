//! Does an older gateway go on beside a newer one, on the same database? Migrations only add.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Taken before there was a first release: nobody runs a version that reads the old name.
const BEFORE_THE_FIRST_RELEASE: &[&str] = &["sqlite/0005_account.sql"];

/// What takes something away from those who read and write it, or asks them for what they do not
/// know of.
fn breaks(statement: &str) -> Option<&'static str> {
    let words: Vec<String> = statement
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    let has = |word: &str| words.iter().any(|other| other == word);
    let begins = |word: &str| words.first().is_some_and(|first| first == word);
    let alters = begins("ALTER");
    if alters && has("RENAME") {
        Some("renames")
    } else if begins("DROP") || begins("TRUNCATE") || alters && has("DROP") {
        Some("drops")
    } else if alters && has("ADD") && has("NOT") && !has("DEFAULT") {
        Some("adds what an older writer leaves out")
    } else if alters && (has("TYPE") || has("CONSTRAINT") || has("UNIQUE") || has("SET")) {
        Some("changes what is there")
    } else {
        None
    }
}

/// The statements of a migration, without comments. A trigger ends with its own word.
fn statements(sql: &str) -> Vec<String> {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n").split(';').map(|one| one.trim().to_owned()).collect()
}

fn migrations() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for engine in ["postgres", "sqlite"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(engine);
        for file in fs::read_dir(folder.join("migrations")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.insert(format!("{engine}/{name}"), fs::read_to_string(path).unwrap());
        }
    }
    found
}

#[test]
fn no_migration_takes_away_what_an_older_gateway_reads() {
    let all = migrations();
    assert!(all.len() >= 10, "{:?}", all.keys());
    for (name, sql) in &all {
        for statement in statements(sql) {
            let broken = breaks(&statement);
            let known = BEFORE_THE_FIRST_RELEASE.contains(&name.as_str());
            assert!(broken.is_none() || known, "`{name}` {}: {statement}", broken.unwrap());
        }
    }
}

#[test]
fn what_would_break_an_older_gateway_is_seen() {
    for (statement, seen) in [
        ("ALTER TABLE users RENAME COLUMN name TO login", true),
        ("alter table users drop column tenant", true),
        ("DROP INDEX users_by_name", true),
        ("ALTER TABLE users ADD COLUMN mail TEXT NOT NULL", true),
        ("ALTER TABLE users ALTER COLUMN tenant SET NOT NULL", true),
        ("ALTER TABLE users ALTER COLUMN disabled TYPE integer", true),
        ("ALTER TABLE users ADD COLUMN mail TEXT", false),
        ("ALTER TABLE users ADD COLUMN mail TEXT NOT NULL DEFAULT ''", false),
        (
            "CREATE TRIGGER fixed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger EXECUTE FUNCTION no()",
            false,
        ),
    ] {
        assert_eq!(breaks(statement).is_some(), seen, "{statement}");
    }
}
