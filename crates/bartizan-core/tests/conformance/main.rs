//! Do the suites of others pass? Run by `cargo xtask conformance`: their data is not part of the project.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::path::{Path, PathBuf};

mod json_schema;
mod wycheproof;

/// A file or folder of the conformance data. Missing data is a failure, and never skipped.
fn data(path: &str) -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("BARTIZAN_DATA").map_or_else(default, PathBuf::from);
    let found = folder.join(path);
    assert!(found.exists(), "no conformance data at `{}`: set `BARTIZAN_DATA`", found.display());
    found
}
