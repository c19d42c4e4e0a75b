//! Does every test pass?

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{succeeds, tee};
use crate::count::Count;
use crate::needs;

/// One process a test, where nextest is installed. It runs no doc tests.
const NEXTEST: &[&str] = &["cargo", "nextest", "run", "--workspace", "--no-fail-fast"];
const DOC: &[&str] = &["cargo", "test", "--workspace", "--no-fail-fast", "--doc"];
/// Everything, doc tests too.
const LIBTEST: &[&str] = &["cargo", "test", "--workspace", "--no-fail-fast"];

/// Installs what the tests need, runs all of them, and ends with the count.
///
/// # Errors
/// When a test fails, or when not every test could run.
pub(crate) fn run(root: &Path) -> Result<()> {
    needs::provide(root)?;
    let nextest = succeeds(root, &["cargo", "nextest", "--version"]);
    let runners = if nextest { [NEXTEST, DOC].as_slice() } else { &[LIBTEST] };
    let mut all = Count::default();
    for runner in runners {
        all = all + counted(root, runner, &[])?;
    }
    close(all)
}

/// Runs one runner. One that fails without having counted a failure did not run everything.
pub(crate) fn counted(root: &Path, words: &[&str], env: &[(&str, &str)]) -> Result<Count> {
    let finished = tee(root, words, env)?;
    match Count::read(&finished.lines) {
        Some(count) if finished.status.success() || count.failed > 0 => Ok(count),
        _ => bail!("`{}` did not run every test: {}", words.join(" "), finished.status),
    }
}

/// The last line of a run, and its verdict.
pub(crate) fn close(count: Count) -> Result<()> {
    writeln!(std::io::stdout(), "\n{count}")?;
    if count.failed > 0 {
        bail!("not every test passed");
    }
    Ok(())
}
