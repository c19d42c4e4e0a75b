//! Which files were looked for while a configuration was read, and what stood in them?
//!
//! A file counts with what stood in it when it was read, not when it is watched: what changes in
//! between is then noticed. One that could not be read is watched as well, for it may come.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Files, and the fingerprints of what stands in them.
pub type Files = BTreeMap<PathBuf, u64>;

/// The most of a file that is looked at, in bytes: more than any file of the configuration may
/// have, and a bound where a path leads to a device.
const MOST: u64 = 4 * 1024 * 1024;

/// What was read so far.
#[derive(Debug, Default)]
pub struct Seen(RefCell<Files>);

impl Seen {
    /// The text of a file, and a note that it was looked for.
    ///
    /// # Errors
    /// As [`std::fs::read_to_string`].
    pub fn read(&self, path: &Path) -> io::Result<String> {
        let content = bytes(path);
        let mark = fingerprint(content.as_deref().ok());
        self.0.borrow_mut().entry(path.to_owned()).or_insert(mark);
        String::from_utf8(content?).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Every file that was looked for.
    #[must_use]
    pub fn files(self) -> Files {
        self.0.into_inner()
    }
}

/// What stands in a file now, in short.
#[must_use]
pub fn look(path: &Path) -> u64 {
    fingerprint(bytes(path).as_deref().ok())
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // Room for all of it at once: what grows leaves copies of a secret behind.
    let length = file.metadata().map_or(0, |meta| meta.len().min(MOST));
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One that cannot be read has a fingerprint of its own.
fn fingerprint(content: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}
