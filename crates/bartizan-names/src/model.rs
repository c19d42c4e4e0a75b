//! What does the model say? It is run by ONNX Runtime, which is loaded from a shared library.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bartizan_pii::Finding;
use ort::environment::Environment;
use ort::session::Session;
use ort::value::Tensor;

use crate::folder::{Folder, FolderError};
use crate::join::{Verdict, judge, names};
use crate::reader::Reading;
use crate::window::{PIECES, Window, windows};

/// The runtime's library where nobody names its file; the system looks for it.
pub const RUNTIME: &str = "libonnxruntime.so";

/// Longer texts are read part by part, so that memory holds little more than the text, in bytes.
const PART: usize = 64 * 1024;

/// The inputs that a model of this family may ask for.
const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];

/// A process has one runtime, for good: the library keeps threads and tables of its own, and cannot be
/// taken out again.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// A model that finds names. It thinks on the thread that asks it.
pub struct Model {
    folder: Folder,
    session: Session,
}

/// A model that cannot be used. Its owner must mend it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder is not that of a model.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The runtime is not there, or is none.
    #[error("ONNX Runtime cannot be loaded: {0}")]
    Runtime(String),
    /// The process has another one already.
    #[error("ONNX Runtime was loaded from `{}` already: restart to load another", .0.display())]
    OtherRuntime(PathBuf),
    /// The runtime cannot run the file.
    #[error("the model `{}` cannot be run: {reason}", .path.display())]
    Model {
        /// Which file.
        path: PathBuf,
        /// Why, as the runtime says it.
        reason: String,
    },
}

/// There is no answer about a text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FindError {
    /// Whoever asked wants no answer any more.
    #[error("nobody waits for the answer any more")]
    GivenUp,
    /// The runtime failed, or its answer has not the form of one.
    #[error("the model gave no answer: {0}")]
    Failed(String),
}

impl Model {
    /// Opens the model in a folder with a runtime, [`RUNTIME`] where none is named. One model answers
    /// one question at a time.
    ///
    /// # Errors
    /// [`OpenError`] where it cannot be used.
    pub fn open(folder: &Path, runtime: Option<&Path>) -> Result<Self, OpenError> {
        let folder = Folder::read(folder)?;
        let unfit = |reason: String| OpenError::Model { path: folder.model.clone(), reason };
        if folder.positions < PIECES + 2 {
            let (has, needs) = (folder.positions, PIECES + 2);
            return Err(unfit(format!("it reads {has} pieces at once, {needs} are needed")));
        }
        let environment = environment(runtime.unwrap_or(Path::new(RUNTIME)))?;
        let session =
            session(&environment, &folder.model).map_err(|error| unfit(error.to_string()))?;
        let strange = session.inputs().iter().find(|input| !INPUTS.contains(&input.name()));
        if let Some(input) = strange {
            return Err(unfit(format!("it asks for `{}`, which is not known here", input.name())));
        }
        let mut model = Self { folder, session };
        // A model that does not answer is told now, and not when the first request waits for it.
        let trial = model.find("Ada", 0.5, &mut || true);
        trial.map_err(|error| OpenError::Model {
            path: model.folder.model.clone(),
            reason: error.to_string(),
        })?;
        Ok(model)
    }

    /// Its labels, its reader and its files.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The names in a text, in their order, none below `min_confidence`. Before each window of about a
    /// hundred words it asks whether to go on.
    ///
    /// # Errors
    /// [`FindError`] where there is no answer; then nothing is known of the whole text.
    pub fn find(
        &mut self,
        text: &str,
        min_confidence: f32,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<Finding>, FindError> {
        let (mut found, mut start) = (Vec::new(), 0);
        while let Some(part) = part(text, start) {
            let reading = self.folder.reader.read(part);
            let mut verdicts = Vec::with_capacity(reading.words.len());
            for window in windows(&reading.words) {
                if !go_on() {
                    return Err(FindError::GivenUp);
                }
                self.judge(&reading, &window, &mut verdicts)?;
            }
            let moved = |name: Finding| Finding {
                start: name.start + start,
                end: name.end + start,
                ..name
            };
            let here = names(part, &reading.words, &verdicts, min_confidence);
            found.extend(here.into_iter().map(moved));
            start += part.len();
        }
        Ok(found)
    }

    /// Adds what the model says of the words that this window judges.
    fn judge(
        &mut self,
        reading: &Reading,
        window: &Window,
        verdicts: &mut Vec<Option<Verdict>>,
    ) -> Result<(), FindError> {
        let words = reading.words.get(window.shown.clone()).unwrap_or_default();
        let Some((first, last)) = words.first().zip(words.last()) else { return Ok(()) };
        let shown = first.pieces.start..last.pieces.end;
        let answers = self.ask(reading.pieces.get(shown.clone()).unwrap_or_default())?;
        let labels = &self.folder.labels;
        let of = |pieces: &Range<usize>| {
            // One answer stands before those to the pieces, for the mark in front.
            let at = |piece: usize| (piece - shown.start + 1) * labels.len();
            answers.get(at(pieces.start)..at(pieces.end)).unwrap_or_default()
        };
        let judged = reading.words.get(window.judged.clone()).unwrap_or_default();
        verdicts.extend(judged.iter().map(|word| judge(labels, of(&word.pieces))));
        Ok(())
    }

    /// The answers to pieces, and to the marks before and behind them.
    fn ask(&mut self, pieces: &[i64]) -> Result<Vec<f32>, FindError> {
        let failed = |error: ort::Error| FindError::Failed(error.to_string());
        let (first, last) = self.folder.reader.marks();
        let mut ids = Vec::with_capacity(pieces.len() + 2);
        ids.push(first);
        ids.extend_from_slice(pieces);
        ids.push(last);
        let count = ids.len();
        let mut inputs = Vec::with_capacity(INPUTS.len());
        for input in self.session.inputs() {
            let values = match input.name() {
                "input_ids" => std::mem::take(&mut ids),
                "attention_mask" => vec![1; count],
                _ => vec![0; count],
            };
            let tensor = Tensor::from_array(([1, count], values)).map_err(failed)?;
            inputs.push((input.name().to_owned(), tensor));
        }
        let outputs = self.session.run(inputs).map_err(failed)?;
        let output = outputs.values().next();
        let output = output.ok_or_else(|| FindError::Failed("it has no output".into()))?;
        let (_, answers) = output.try_extract_tensor::<f32>().map_err(failed)?;
        let sound = answers.len() == count * self.folder.labels.len()
            && answers.iter().all(|answer| answer.is_finite());
        if !sound {
            return Err(FindError::Failed("its output has not the form of labels".into()));
        }
        Ok(answers.to_vec())
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("model", &self.folder.model).finish_non_exhaustive()
    }
}

/// The next part of a text: up to the last end of a line within bounds, else the last blank.
fn part(text: &str, start: usize) -> Option<&str> {
    let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
    let bound = rest.floor_char_boundary(PART);
    let within = rest.get(..bound)?;
    if within.len() == rest.len() {
        return Some(rest);
    }
    let end = within.rfind('\n').or_else(|| within.rfind(' '));
    rest.get(..end.map_or(bound, |end| end + 1))
}

/// The runtime, loaded once in a process.
fn environment(library: &Path) -> Result<Environment, OpenError> {
    let wrong = |error: &dyn fmt::Display| OpenError::Runtime(error.to_string());
    let by_name = library.components().count() == 1;
    let library = match by_name {
        true => library.to_owned(),
        false => std::path::absolute(library).map_err(|error| wrong(&error))?,
    };
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((from, environment)) = &*loaded {
        let same = *from == library;
        return same
            .then(|| environment.clone())
            .ok_or_else(|| OpenError::OtherRuntime(from.clone()));
    }
    let builder = ort::init_from(&library).map_err(|error| wrong(&error))?;
    // What goes wrong comes back as an error; and what it has to say may hold a text.
    let quiet = builder.with_name("bartizan").with_telemetry(false);
    let quiet = quiet.with_logger(Arc::new(|_, _, _, _, _| {}));
    let environment = quiet.build().map_err(|error| wrong(&error))?;
    *loaded = Some((library, environment.clone()));
    Ok(environment)
}

/// One thread, and that of the caller: how many think at once is the caller's to say.
fn session(environment: &Environment, model: &Path) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_memory_pattern(false)?
        .commit_from_file(model)
}
