//! On what is the log written? On something that can be told to forget a half-written group, and that
//! notices when somebody takes its file away.

use std::fmt::Debug;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A medium for whole groups of lines.
pub(super) trait Sink: Debug + Send {
    /// Sees to it that what is written next can be found by the name of the log. Nobody takes away what
    /// has none.
    fn look(&mut self) -> io::Result<Whereabouts> {
        Ok(Whereabouts::Same)
    }

    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until all that was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// What was written so far stays.
    fn keep(&mut self);

    /// Takes back what was written since the last [`keep`](Sink::keep), as far as the medium can.
    fn cut(&mut self) -> io::Result<()>;
}

/// What became of a file since it was last looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Whereabouts {
    /// It is where it was.
    Same,
    /// It was moved away: the chain goes on in a new file of the same name.
    Moved,
    /// It was emptied or deleted: so many bytes of the log are gone. The chain goes on.
    Gone(u64),
}

/// A file that nobody else writes.
#[derive(Debug)]
pub(super) struct FileSink {
    path: PathBuf,
    /// Locked for as long as it is open.
    file: File,
    kept: u64,
    written: u64,
}

impl FileSink {
    /// Goes on at `length` of the file that `path` names.
    pub(super) fn new(path: &Path, file: File, length: u64) -> Self {
        Self { path: path.to_owned(), file, kept: length, written: length }
    }

    /// Goes on in a new file of the same name; the old one is left whole on the disk.
    fn renew(&mut self) -> io::Result<Whereabouts> {
        self.file.sync_data()?;
        let file = create(&self.path)?;
        file.try_lock()?;
        let old = std::mem::replace(self, Self::new(&self.path, file, 0));
        let gone = is_deleted(&old.file.metadata()?).then_some(old.written);
        Ok(gone.map_or(Whereabouts::Moved, Whereabouts::Gone))
    }
}

impl Sink for FileSink {
    fn look(&mut self) -> io::Result<Whereabouts> {
        let own = self.file.metadata()?;
        let named = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.renew(),
            named => named?,
        };
        match (is_same(&own, &named), named.len()) {
            (true, length) if length >= self.written => Ok(Whereabouts::Same),
            (true, 0) => {
                let gone = std::mem::replace(&mut self.written, 0);
                self.kept = 0;
                self.file.seek(SeekFrom::Start(0))?;
                Ok(Whereabouts::Gone(gone))
            }
            (true, _) => Err(io::Error::other("a part of it was cut off: move it away")),
            (false, 0) => self.renew(),
            (false, _) => Err(io::Error::other("another file has its name: move that away")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn keep(&mut self) {
        self.kept = self.written;
    }

    fn cut(&mut self) -> io::Result<()> {
        // A file that somebody else cut shorter is not filled up.
        if self.file.metadata()?.len() > self.kept {
            self.file.set_len(self.kept)?;
        }
        self.file.seek(SeekFrom::Start(self.kept))?;
        self.written = self.kept;
        Ok(())
    }
}

/// Standard output. What was written there cannot be taken back.
#[derive(Debug)]
pub(super) struct StdoutSink;

impl Sink for StdoutSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn keep(&mut self) {}

    fn cut(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Where an open file cannot be moved away, its name is enough.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Whether no name leads to the file any more.
#[cfg(unix)]
fn is_deleted(file: &Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(file) == 0
}

#[cfg(not(unix))]
fn is_deleted(_: &Metadata) -> bool {
    false
}

/// Opens the file, and makes it and its folder where they are missing.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let folder = folder(path);
    fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = rights(&mut options).open(path)?;
    sync_folder(folder)?;
    Ok(file)
}

/// Only its owner may write what is made, and only its group may read it.
pub(super) fn rights(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o640);
    options
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new file is durable only when its folder is.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
