//! Which files that hold secrets can everybody on this machine read?

use std::path::Path;

use super::settings::{Durable, Settings};

/// The keys of the configuration that name such a file, and the file. What is not there is no news.
pub fn find(settings: &Settings) -> Vec<(&'static str, &Path)> {
    let store = match &settings.store.durable {
        Durable::Sqlite(path) => Some(("/store/durable", path.as_path())),
        Durable::Postgres(_) => None,
    };
    let key = settings.server.tls.as_ref().map(|tls| ("/server/tls/key", tls.key.as_path()));
    store.into_iter().chain(key).filter(|(_, path)| is_read_by_others(path)).collect()
}

#[cfg(unix)]
fn is_read_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    path.metadata().is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_read_by_others(_: &Path) -> bool {
    false
}
