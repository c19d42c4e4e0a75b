//! Does the eye see what Presidio's own test suite says there is to see?
//!
//! Every case of an entity that this crate covers is replayed. A case whose outcome differs must be
//! listed in `conformance/pii-deviations.json` with the reason; one that is listed and does not
//! differ is a mistake, too. So the list is the exact difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may panic and print"
)]

mod operators;
mod recognizers;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A file of the conformance data.
fn data<T: DeserializeOwned>(name: &str) -> T {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os("BARTIZAN_DATA")
        .map_or_else(|| root.join("../shared/data"), PathBuf::from);
    read(&folder.join("pii").join(name))
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
