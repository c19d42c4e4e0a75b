//! What stands for `${NAME}`, `{ env: NAME }` and `{ file: PATH }`? Values from outside.
//!
//! They are put in after parsing, so that no value can add a key: whatever a variable holds becomes one
//! piece of text.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

use super::findings::Findings;
use super::seen::Seen;
use super::tree::{Kind, Node, tokens};

/// The largest secret that is read from a file, in bytes: room for a certificate chain.
const MAX_FILE_BYTES: usize = 65_536;

/// Texts in which `${` has a meaning of its own. A `*` stands for one token.
const LEFT_ALONE: &[&[&str]] = &[
    &["endpoints", "*", "schema"],
    &["pii", "custom", "*", "pattern"],
    &["endpoints", "*", "pii", "custom", "*", "pattern"],
];

/// Where environment variables are looked up: an argument, so that tests need no process of their
/// own.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Where values from outside come from, and what relative paths are relative to.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// The environment.
    pub env: Lookup<'a>,
    /// The folder of the configuration file.
    pub folder: &'a Path,
    /// The folder of mounted secrets, where there is one.
    pub secrets: Option<&'a Path>,
    /// Which files were looked for.
    pub seen: &'a Seen,
}

/// Why a value from outside is missing. Names the variable or the file, never a value.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Missing {
    /// A variable that is not set.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// A variable that is set to nothing.
    #[error("the environment variable `{0}` is empty")]
    Empty(String),
    /// A file that cannot be read.
    #[error("the file `{0}` cannot be read: {why}", why = why(*.1))]
    File(PathBuf, std::io::ErrorKind),
    /// A file that holds nothing.
    #[error("the file `{0}` is empty")]
    EmptyFile(PathBuf),
    /// A file that holds more than a secret.
    #[error("the file `{0}` is larger than {MAX_FILE_BYTES} bytes")]
    LargeFile(PathBuf),
    /// A secret of the folder of mounted secrets, and there is no such folder.
    #[error("no folder of mounted secrets is named, in which `{0}` could be")]
    NoFolder(String),
    /// What cannot be the name of a mounted secret.
    #[error(
        "`{0}` is no name of a mounted secret: letters, digits, `-`, `_` and `.`, not at its beginning"
    )]
    Name(String),
    /// `${` without end or without name.
    #[error(
        "`${{` needs a name and a `}}`, as in `${{NAME}}` or `${{NAME:-default}}`; write `$${{` for the two characters"
    )]
    Syntax,
}

impl fmt::Debug for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outside").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl<'a> Outside<'a> {
    /// Without a folder of mounted secrets.
    pub fn new(env: Lookup<'a>, folder: &'a Path, seen: &'a Seen) -> Self {
        Outside { env, folder, secrets: None, seen }
    }

    /// A variable's value; an empty one counts as missing.
    ///
    /// # Errors
    ///
    /// [`Missing::Unset`], [`Missing::Empty`].
    pub fn variable(&self, name: &str) -> Result<String, Missing> {
        match (self.env)(name) {
            None => Err(Missing::Unset(name.to_owned())),
            Some(value) if value.is_empty() => Err(Missing::Empty(name.to_owned())),
            Some(value) => Ok(value),
        }
    }

    /// A path of the configuration: relative ones begin at the folder of the file.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The text of a file, without the line break at its end that editors and `kubectl` leave.
    ///
    /// # Errors
    ///
    /// [`Missing::File`], [`Missing::EmptyFile`], [`Missing::LargeFile`].
    pub fn file(&self, path: &str) -> Result<SecretString, Missing> {
        self.secret_at(self.path(path))
    }

    /// A mounted secret: the file of this name in the folder of them, as [`Outside::file`] reads
    /// it.
    ///
    /// # Errors
    ///
    /// As [`Outside::file`]; [`Missing::NoFolder`], [`Missing::Name`].
    pub fn mounted(&self, name: &str) -> Result<SecretString, Missing> {
        if !is_mounted_name(name) {
            return Err(Missing::Name(name.to_owned()));
        }
        let folder = self.secrets.ok_or_else(|| Missing::NoFolder(name.to_owned()))?;
        self.secret_at(folder.join(name))
    }

    fn secret_at(&self, path: PathBuf) -> Result<SecretString, Missing> {
        let unreadable = |error: std::io::Error| Missing::File(path.clone(), error.kind());
        let text = Zeroizing::new(self.seen.read(&path).map_err(unreadable)?);
        if text.len() > MAX_FILE_BYTES {
            return Err(Missing::LargeFile(path));
        }
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.is_empty() {
            Err(Missing::EmptyFile(path))
        } else {
            Ok(SecretString::from(trimmed))
        }
    }
}

/// Puts the environment into every string of the tree; returns the pointers of those that stay
/// without a value.
pub fn substitute(tree: &mut Node, outside: &Outside<'_>, findings: &mut Findings) -> Vec<String> {
    let mut failed = Vec::new();
    tree.walk_mut(&mut |node| {
        let Kind::Scalar(scalar) = &mut node.kind else { return };
        if !scalar.value.is_string()
            || !scalar.text.contains("${")
            || left_alone(&node.place.pointer)
        {
            return;
        }
        match expand(&scalar.text, outside) {
            Ok(text) => {
                scalar.value = serde_json::Value::String(text.clone());
                scalar.text = text;
            }
            Err(missing) => {
                findings.error_help(&node.place, missing.to_string(), help(&missing));
                failed.push(node.place.pointer.clone());
            }
        }
    });
    failed
}

/// What mends a missing value.
pub fn help(missing: &Missing) -> &'static str {
    match missing {
        Missing::Unset(_) | Missing::Empty(_) => {
            "set it, or give a default with `${NAME:-default}`"
        }
        Missing::File(_, std::io::ErrorKind::PermissionDenied) => {
            "let the user that the gateway runs as read it, with `chown` or `chmod`"
        }
        Missing::File(_, std::io::ErrorKind::IsADirectory) => "name a file in it",
        Missing::File(_, std::io::ErrorKind::InvalidData) => "write it as UTF-8",
        Missing::File(..) => {
            "create it, or mend its path: relative paths begin at the folder of the configuration file"
        }
        Missing::EmptyFile(_) => "write the value into it",
        Missing::NoFolder(_) => {
            "name it, as `secrets: /run/secrets/bartizan`, or start with `CREDENTIALS_DIRECTORY` set"
        }
        Missing::Name(_) => "write the name of a file in the folder `secrets`, without a path",
        Missing::LargeFile(_) => "name the file that holds the secret and nothing else",
        Missing::Syntax => "mend the reference",
    }
}

/// The failure of a file in words for people.
pub fn why(kind: std::io::ErrorKind) -> String {
    match kind {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        other => other.to_string(),
    }
}

fn left_alone(pointer: &str) -> bool {
    let tokens = tokens(pointer);
    LEFT_ALONE.iter().any(|pattern| {
        tokens.len() >= pattern.len()
            && pattern.iter().zip(&tokens).all(|(want, have)| *want == "*" || want == have)
    })
}

fn expand(text: &str, outside: &Outside<'_>) -> Result<String, Missing> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let (reference, after) = after.split_once('}').ok_or(Missing::Syntax)?;
        let (name, default) =
            reference.split_once(":-").map_or((reference, None), |(name, text)| (name, Some(text)));
        if !is_name(name) {
            return Err(Missing::Syntax);
        }
        match (outside.variable(name), default) {
            (Ok(value), _) => expanded.push_str(&value),
            (Err(_), Some(default)) => expanded.push_str(default),
            (Err(missing), None) => return Err(missing),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// As Kubernetes names the keys of a secret. What begins with a dot is its own (`..data`).
fn is_mounted_name(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=253).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(sound)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("redis.internal".to_owned()),
            "EVIL" => Some("x\nadmin: true".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn expanded(text: &str) -> Result<String, Missing> {
        expand(text, &Outside::new(&env, Path::new("."), &Seen::default()))
    }

    #[test]
    fn variables_defaults_and_escapes() {
        assert_eq!(expanded("redis://${HOST}:6379/0").unwrap(), "redis://redis.internal:6379/0");
        assert_eq!(expanded("${PORT:-6379}").unwrap(), "6379");
        assert_eq!(expanded("${EMPTY:-x}").unwrap(), "x");
        assert_eq!(expanded("${PORT:-}").unwrap(), "");
        assert_eq!(expanded("$${HOST} ${HOST}").unwrap(), "${HOST} redis.internal");
        assert_eq!(expanded("$argon2id$v=19").unwrap(), "$argon2id$v=19");
        assert_eq!(expanded("${PORT}"), Err(Missing::Unset("PORT".to_owned())));
        assert_eq!(expanded("${EMPTY}"), Err(Missing::Empty("EMPTY".to_owned())));
        for bad in ["${", "${}", "${HOST", "${A B}", "${1A}"] {
            assert_eq!(expanded(bad), Err(Missing::Syntax), "{bad}");
        }
    }

    #[test]
    fn a_variable_cannot_add_a_key() {
        let (mut tree, _) =
            parse("title: ${EVIL}\npii: { custom: [{ pattern: \"${HOST}\" }] }\n").unwrap();
        let mut findings = Findings::default();
        let seen = Seen::default();
        substitute(&mut tree, &Outside::new(&env, Path::new("."), &seen), &mut findings);
        let expected = serde_json::json!({"title": "x\nadmin: true", "pii": {"custom": [{"pattern": "${HOST}"}]}});
        assert_eq!(tree.to_value(), expected);
        assert!(findings.is_empty());
    }

    #[test]
    fn a_secret_file_loses_its_last_line_break_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s"), " a b \n").unwrap();
        std::fs::write(folder.path().join("e"), "\n").unwrap();
        let seen = Seen::default();
        let outside = Outside::new(&env, folder.path(), &seen);
        assert_eq!(secrecy::ExposeSecret::expose_secret(&outside.file("s").unwrap()), " a b ");
        assert!(matches!(outside.file("e"), Err(Missing::EmptyFile(_))));
        assert!(matches!(outside.file("absent"), Err(Missing::File(..))));
        // Those that are not there are watched for, too.
        let names = ["absent", "e", "s"].map(|name| folder.path().join(name));
        assert_eq!(seen.files().into_keys().collect::<Vec<_>>(), names);
    }

    #[test]
    fn a_mounted_secret_is_a_file_of_its_folder_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("api-key"), "s3cret\n").unwrap();
        std::fs::write(folder.path().join(".hidden"), "x").unwrap();
        let (seen, mounts) = (Seen::default(), folder.path().join("."));
        let none = Outside::new(&env, Path::new("/etc"), &seen);
        let outside = Outside { secrets: Some(&mounts), ..none };
        let read = outside.mounted("api-key").unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&read), "s3cret");
        assert!(matches!(outside.mounted("other"), Err(Missing::File(..))));
        for name in ["../api-key", "/etc/passwd", ".hidden", "..data", "a/b", "", "a\0b"] {
            assert!(matches!(outside.mounted(name), Err(Missing::Name(_))), "{name}");
        }
        assert!(matches!(none.mounted("api-key"), Err(Missing::NoFolder(_))));
    }
}
