//! Are the house rules kept that neither rustc nor clippy knows? A rule is a row.

mod dependencies;
mod rules;
mod source;

use std::path::Path;

use anyhow::{Result, bail};

use rules::RULES;
use source::Source;

/// Prints every breach.
///
/// # Errors
/// When there is one, or when the sources cannot be read.
pub(crate) fn run(root: &Path) -> Result<()> {
    let breaches = breaches(root)?;
    for breach in &breaches {
        eprintln!("{breach}");
    }
    match breaches.len() {
        0 => Ok(()),
        1 => bail!("a house rule is broken"),
        n => bail!("house rules are broken in {n} places"),
    }
}

/// Every breach as `path:line: what: why`, those of the dependency graph last.
fn breaches(root: &Path) -> Result<Vec<String>> {
    let sources = Source::all(root)?;
    let mut breaches = Vec::new();
    for source in &sources {
        for rule in RULES.iter().filter(|rule| (rule.applies)(&source.path)) {
            for (line, what) in (rule.find)(source) {
                breaches.push(format!("{}:{line}: {what}: {}", source.path, rule.why));
            }
        }
    }
    breaches.extend(dependencies::breaches(root)?);
    Ok(breaches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_rules_are_kept() {
        let breaches = breaches(&crate::root()).expect("the sources can be read");
        assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
    }

    #[test]
    fn every_rule_finds_its_own_breach_and_leaves_its_own_good_example_alone() {
        for rule in RULES {
            for (path, text) in rule.bad {
                assert!((rule.applies)(path), "{}: does not look at {path}", rule.why);
                assert!(!(rule.find)(&Source::new(path, text)).is_empty(), "{}: {text}", rule.why);
            }
            for (path, text) in rule.good {
                let found = (rule.find)(&Source::new(path, text));
                assert!(!(rule.applies)(path) || found.is_empty(), "{}: {found:?}", rule.why);
            }
        }
    }
}
