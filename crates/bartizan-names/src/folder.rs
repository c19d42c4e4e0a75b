//! What lies in the folder of a model? Its labels, its vocabulary, and the file that is run.
//!
//! The form is that of Hugging Face for token classification: `config.json` with `id2label`, `vocab.txt`,
//! `tokenizer_config.json`, and the model in ONNX.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::label::Labels;
use crate::reader::Reader;

/// Where the model itself may lie; the smallest first.
pub const MODELS: [&str; 6] = [
    "onnx/model_q4.onnx",
    "onnx/model_quantized.onnx",
    "onnx/model.onnx",
    "model_q4.onnx",
    "model_quantized.onnx",
    "model.onnx",
];

/// The largest file of a folder that is read here, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// The most labels of a model.
const MAX_LABELS: usize = 1024;

/// A folder that was read.
#[derive(Clone, Debug)]
pub struct Folder {
    /// What the model's answers mean.
    pub labels: Labels,
    /// How it reads.
    pub reader: Reader,
    /// The file of the model.
    pub model: PathBuf,
    /// The most pieces that it can be shown at once.
    pub positions: usize,
}

/// A folder that holds no model which can be used. Its owner must mend it.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file is not there or cannot be read.
    #[error("cannot read `{}`: {error}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file says something else than it should.
    #[error("`{}` {reason}", .path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Config {
    id2label: BTreeMap<String, String>,
    #[serde(default = "positions")]
    max_position_embeddings: usize,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    #[serde(default = "yes")]
    do_lower_case: bool,
    #[serde(default)]
    strip_accents: Option<bool>,
    #[serde(default)]
    tokenizer_class: String,
}

fn positions() -> usize {
    512
}

fn yes() -> bool {
    true
}

impl Folder {
    /// Reads a folder; the model itself is only looked for.
    ///
    /// # Errors
    /// [`FolderError`] where something is missing or means something else.
    pub fn read(folder: &Path) -> Result<Self, FolderError> {
        let config: Config = json(&folder.join("config.json"))?;
        let labels = labels(&config)
            .ok_or_else(|| unfit(folder, "config.json", "has no `id2label` from 0 on"))?;
        if labels.entities().is_empty() {
            return Err(unfit(folder, "config.json", "has no label that is a name of something"));
        }
        let tokenizer: TokenizerConfig = json(&folder.join("tokenizer_config.json"))?;
        let plain = tokenizer.do_lower_case;
        let unlike = tokenizer.strip_accents.is_some_and(|strip| strip != plain);
        if unlike || !tokenizer.tokenizer_class.starts_with("Bert") {
            let reason = "is no tokenizer of the kind that can be used here, as `BertTokenizer`";
            return Err(unfit(folder, "tokenizer_config.json", reason));
        }
        let vocabulary = text(&folder.join("vocab.txt"))?;
        let reader = Reader::new(&vocabulary, plain)
            .ok_or_else(|| unfit(folder, "vocab.txt", "lacks `[UNK]`, `[CLS]` or `[SEP]`"))?;
        let model = MODELS.iter().map(|name| folder.join(name)).find(|path| path.is_file());
        let model = model.ok_or_else(|| FolderError::Unfit {
            path: folder.to_owned(),
            reason: format!("has no model: looked for `{}`", MODELS.join("`, `")),
        })?;
        Ok(Self { labels, reader, model, positions: config.max_position_embeddings })
    }
}

fn labels(config: &Config) -> Option<Labels> {
    let count = config.id2label.len();
    let named = |at: usize| config.id2label.get(&at.to_string()).map(String::as_str);
    let names: Option<Vec<&str>> = (0..count).map(named).collect();
    names.filter(|_| (1..=MAX_LABELS).contains(&count)).map(Labels::new)
}

fn unfit(folder: &Path, name: &str, reason: &str) -> FolderError {
    FolderError::Unfit { path: folder.join(name), reason: reason.to_owned() }
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, FolderError> {
    let text = text(path)?;
    serde_json::from_str(&text).map_err(|error| FolderError::Unfit {
        path: path.to_owned(),
        reason: format!("is not what it should be: {error}"),
    })
}

fn text(path: &Path) -> Result<String, FolderError> {
    let unreadable = |error| FolderError::Unreadable { path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if read as u64 > MAX_FILE {
        let reason = "is larger than 16 MiB".to_owned();
        return Err(FolderError::Unfit { path: path.to_owned(), reason });
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn folder(config: &str, tokenizer: &str, vocabulary: &str, model: bool) -> String {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("config.json", config);
        write("tokenizer_config.json", tokenizer);
        write("vocab.txt", vocabulary);
        if model {
            write("model.onnx", "");
        }
        match Folder::read(folder.path()) {
            Ok(read) => format!("{} labels", read.labels.len()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_told_by_the_name_of_its_file() {
        let (config, bert) =
            (r#"{"id2label":{"0":"O","1":"B-PER"}}"#, r#"{"tokenizer_class":"BertTokenizer"}"#);
        let marks = "[UNK]\n[CLS]\n[SEP]\n";
        assert_eq!(folder(config, bert, marks, true), "2 labels");
        let wrong = |text: String, file: &str, what: &str| {
            assert!(text.contains(file) && text.contains(what), "{text}");
        };
        wrong(folder("{}", bert, marks, true), "config.json", "id2label");
        wrong(
            folder(r#"{"id2label":{"1":"B-PER"}}"#, bert, marks, true),
            "config.json",
            "from 0 on",
        );
        wrong(
            folder(r#"{"id2label":{"0":"LABEL_0"}}"#, bert, marks, true),
            "config.json",
            "no label",
        );
        wrong(
            folder(config, r#"{"tokenizer_class":"T5"}"#, marks, true),
            "tokenizer_config",
            "Bert",
        );
        wrong(folder(config, bert, "a\nb\n", true), "vocab.txt", "[UNK]");
        wrong(folder(config, bert, marks, false), "has no model", "onnx/model_q4.onnx");
        let nowhere = Folder::read(Path::new("nowhere")).unwrap_err().to_string();
        wrong(nowhere, "config.json", "cannot read");
    }
}
