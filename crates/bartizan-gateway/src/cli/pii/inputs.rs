//! Which texts shall be looked at? Files, what lies in folders, and standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use super::complain;

/// The name of standard input.
pub(super) const STDIN: &str = "-";

/// How many bytes are looked at to tell text from something else.
pub(super) const PIECE: u64 = 64 * 1024;

/// One input.
#[derive(Debug)]
pub(super) enum Input {
    Stdin,
    File {
        path: PathBuf,
        /// Found in a folder rather than named: what is no text is passed over.
        walked: bool,
    },
}

impl Input {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdin => STDIN.into(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    pub(super) fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin()),
            Self::File { path, .. } => Box::new(File::open(path)?),
        })
    }

    /// Its first bytes, and the rest; nothing where it was found in a folder and is no text.
    pub(super) fn text(&self) -> io::Result<Option<(Vec<u8>, Box<dyn Read>)>> {
        let mut rest = self.open()?;
        let mut first = Vec::new();
        rest.by_ref().take(PIECE).read_to_end(&mut first)?;
        let walked = matches!(self, Self::File { walked: true, .. });
        Ok((!walked || !first.contains(&0)).then_some((first, rest)))
    }

    /// How large it is, where that is known.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Stdin => 0,
            Self::File { path, .. } => path.metadata().map_or(0, |metadata| metadata.len()),
        }
    }
}

/// Every input, folders walked in the order of names. Symbolic links in them are not followed, and
/// hidden files are looked at: keys lie in them.
pub(super) fn inputs(named: &[PathBuf], no_ignore: bool, failed: &mut bool) -> Vec<Input> {
    if named.is_empty() {
        return vec![Input::Stdin];
    }
    let mut inputs = Vec::new();
    for path in named {
        if path.as_os_str() == STDIN {
            inputs.push(Input::Stdin);
        } else if path.is_dir() {
            walk(path, no_ignore, &mut inputs, failed);
        } else {
            inputs.push(Input::File { path: path.clone(), walked: false });
        }
    }
    inputs
}

fn walk(folder: &Path, no_ignore: bool, inputs: &mut Vec<Input>, failed: &mut bool) {
    let walk = WalkBuilder::new(folder)
        .standard_filters(!no_ignore)
        .hidden(false)
        // Rules of a folder count also where it is no repository, as in a container.
        .require_git(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        match entry {
            Ok(entry) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                inputs.push(Input::File { path: entry.into_path(), walked: true });
            }
            Ok(_) => {}
            Err(error) => {
                *failed = true;
                complain(&error.to_string());
            }
        }
    }
}
