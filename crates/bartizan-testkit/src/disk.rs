//! A disk that a test can fill, without filling anybody else's.

#![expect(clippy::expect_used, reason = "a test without its disk may panic")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::postgres::{NOBODY, is_root};

/// A file system of its own, in memory. It is mounted where only those see it who are led there, so
/// that nothing stays mounted when the test ends, however it ends; and it needs no root where users
/// may have namespaces of their own.
#[derive(Debug)]
pub(crate) struct Disk {
    at: PathBuf,
    keeper: Child,
}

/// Mounts, says so, and stays until nobody holds the other end of its standard input.
const MOUNT: &str =
    "mount -t tmpfs -o size=\"$1\",mode=777 none \"$2\" && echo mounted && exec cat";

impl Disk {
    /// A disk of so many megabytes at a folder that is made for it.
    pub(crate) fn mount(at: &Path, megabytes: u32) -> Self {
        std::fs::create_dir(at).expect("a folder for the disk");
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-current-user", "--keep-caps"]);
        }
        command.args(["--mount", "sh", "-c", MOUNT, "sh", &format!("{megabytes}m")]).arg(at);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().expect("unshare runs");
        let mut line = String::new();
        let said = keeper.stdout.take().map(BufReader::new);
        said.expect("its output").read_line(&mut line).expect("its word");
        assert_eq!(line, "mounted\n", "no file system can be mounted here, as root or without");
        Self { at: at.to_owned(), keeper }
    }

    /// A program that sees the disk, and is not root.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.keeper.id().to_string(), "--mount"]);
        if is_root() {
            let nobody = NOBODY.to_string();
            command.args(["setpriv", "--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
        } else {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg(program);
        command
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) {
        let mut filler = std::fs::File::create(self.filler()).expect("a file on the disk");
        // By the byte at last: what is left of a block is room, too.
        for size in [1 << 20, 1 << 12, 1] {
            while filler.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub(crate) fn free(&self) {
        std::fs::remove_file(self.filler()).expect("the disk was filled");
    }

    fn filler(&self) -> PathBuf {
        let seen = format!("/proc/{}/root", self.keeper.id());
        let at = self.at.strip_prefix("/").expect("a path from the root");
        Path::new(&seen).join(at).join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
