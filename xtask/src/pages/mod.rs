//! Which pages of `docs/` are written by the code, and are they as the code is?

mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{output, run};

/// The feature set of the tests, so that nothing is built a second time: `--example` brings the dev-dependencies in.
const BUILD: &[&str] =
    &["cargo", "build", "--quiet", "--workspace", "--bin", "bartizan", "--example", "problems"];

/// A generated page. A new one is a row.
struct Page {
    path: &'static str,
    /// Writes the page from what the programs in the target folder print.
    write: fn(&Path, &Path) -> Result<String>,
}

const PAGES: &[Page] = &[
    Page { path: "docs/problems.md", write: problems },
    Page { path: "docs/configuration.md", write: configuration },
];

/// Writes every page.
///
/// # Errors
/// When a program that a page is made from cannot be built or run.
pub(crate) fn write(root: &Path) -> Result<()> {
    for (path, text) in generated(root)? {
        fs::write(root.join(path), text).with_context(|| format!("cannot write `{path}`"))?;
    }
    Ok(())
}

/// Compares every page.
///
/// # Errors
/// When one is not what would be written now.
pub(crate) fn check(root: &Path) -> Result<()> {
    let pages = generated(root)?;
    let stale = pages.iter().filter(|(path, text)| {
        fs::read_to_string(root.join(path)).map_or(true, |there| there != *text)
    });
    let stale: Vec<&str> = stale.map(|(path, _)| *path).collect();
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask pages` and commit", stale.join(", "));
    }
    Ok(())
}

fn generated(root: &Path) -> Result<Vec<(&'static str, String)>> {
    run(root, BUILD)?;
    let programs = programs(root)?;
    PAGES.iter().map(|page| Ok((page.path, (page.write)(root, &programs)?))).collect()
}

/// The folder where cargo puts what it builds.
fn programs(root: &Path) -> Result<PathBuf> {
    let metadata = output(root, &["cargo", "metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&metadata).context("`cargo metadata` is no JSON")?;
    let target = metadata.get("target_directory").and_then(Value::as_str);
    Ok(Path::new(target.context("cargo names no target folder")?).join("debug"))
}

fn problems(root: &Path, programs: &Path) -> Result<String> {
    printed(root, &programs.join("examples/problems"), &[])
}

fn configuration(root: &Path, programs: &Path) -> Result<String> {
    let text = printed(root, &programs.join("bartizan"), &["config", "schema"])?;
    let schema: Value =
        serde_json::from_str(&text).context("`bartizan config schema` is no JSON")?;
    Ok(schema::page(&schema))
}

fn printed(root: &Path, program: &Path, args: &[&str]) -> Result<String> {
    let program = program.to_str().context("the path of the target folder is no text")?;
    output(root, &[&[program], args].concat())
}
