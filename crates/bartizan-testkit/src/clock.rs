//! A clock of a program that a test turns: real programs, told another time than the machine's.
//!
//! It needs Debian's package `libfaketime`, which `cargo xtask test` installs.

#![expect(clippy::expect_used, reason = "a test without its clock may panic")]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The wall clock of those programs that were started with its environment. How fast time passes
/// stays as it is.
#[derive(Debug)]
pub struct TurnedClock {
    folder: TempDir,
    library: PathBuf,
}

impl TurnedClock {
    /// A clock that is right.
    ///
    /// # Panics
    /// If `libfaketime` is not installed.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a clock of its own is nothing by default")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), all).expect("its mode");
        let library = library().expect("libfaketime is not installed: run `cargo xtask test`");
        let clock = Self { folder, library };
        clock.turn(0);
        clock
    }

    /// From now on it is so many seconds ahead of the machine's clock; behind it, if less than zero.
    ///
    /// # Panics
    /// If the file that says so cannot be written.
    pub fn turn(&self, seconds: i64) {
        // Put in its place at once: nobody reads half of it.
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, format!("{seconds:+}\n")).expect("a file");
        std::fs::rename(fresh, self.file()).expect("its place");
    }

    /// What a program that goes by it is started with.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, OsString)> + use<> {
        let of = |name, value: &str| (name, value.into());
        [
            ("LD_PRELOAD", self.library.clone().into_os_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().into_os_string()),
            of("FAKETIME_NO_CACHE", "1"),
            of("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            of("DONT_FAKE_MONOTONIC", "1"),
        ]
        .into_iter()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("turned")
    }
}

/// Where Debian puts it, on whatever machine.
fn library() -> Option<PathBuf> {
    let kinds = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|kind| kind.path());
    let of = |folder: &Path| folder.join("faketime/libfaketimeMT.so.1");
    kinds.map(|kind| of(&kind)).chain([of(Path::new("/usr/lib"))]).find(|file| file.exists())
}
