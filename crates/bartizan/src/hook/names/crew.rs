//! Who thinks? Threads beside those of the road, each with a model of its own, and a queue before them.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use bartizan_names::{FindError, Model, OpenError};
use bartizan_pii::{Entity, Finding};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How many messages may wait; beyond them there is no answer in time anyway.
const QUEUE: usize = 64;

/// The most threads: each holds the model in memory.
pub const MAX_THREADS: usize = 64;

/// Threads with a model each. Dropped, they end.
pub struct Crew {
    queue: Option<SyncSender<Question>>,
    threads: Vec<JoinHandle<()>>,
}

/// A crew that cannot be used. Its owner must mend it.
#[derive(Debug, thiserror::Error)]
pub enum BadCrew {
    /// The model or its runtime.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system gives no thread.
    #[error("cannot start a thread for the model: {0}")]
    Thread(#[from] std::io::Error),
}

/// The names of a message, each once.
pub(super) type Found = BTreeSet<(Entity, String)>;

struct Question {
    texts: BTreeSet<String>,
    min_confidence: f32,
    answer: oneshot::Sender<Result<Found, FindError>>,
}

impl Crew {
    /// Opens the model in a folder once for each thread, of which there are at most [`MAX_THREADS`], with
    /// the runtime in this file; where none is named, the system looks for it.
    ///
    /// # Errors
    /// [`BadCrew`] where it cannot be used.
    pub fn open(
        folder: &Path,
        runtime: Option<&Path>,
        threads: NonZeroUsize,
    ) -> Result<Self, BadCrew> {
        let (queue, questions) = sync_channel(QUEUE);
        let questions = Arc::new(Mutex::new(questions));
        let mut crew = Self { queue: Some(queue), threads: Vec::new() };
        for number in 0..threads.get().min(MAX_THREADS) {
            let (model, questions) = (Model::open(folder, runtime)?, Arc::clone(&questions));
            let thread = std::thread::Builder::new().name(format!("names-{number}"));
            crew.threads.push(thread.spawn(move || work(model, &questions))?);
        }
        Ok(crew)
    }

    /// The answer that is coming; `None` where too many others wait. Who drops it is not worked for.
    pub(super) fn ask(
        &self,
        texts: BTreeSet<String>,
        min_confidence: f32,
    ) -> Option<oneshot::Receiver<Result<Found, FindError>>> {
        let (answer, coming) = oneshot::channel();
        let question = Question { texts, min_confidence, answer };
        self.queue.as_ref()?.try_send(question).ok()?;
        Some(coming)
    }
}

fn work(mut model: Model, questions: &Mutex<Receiver<Question>>) {
    loop {
        // One waits at the queue, the others for their turn to wait.
        let Ok(question) = questions.lock().recv() else { return };
        let found = names(&mut model, &question);
        // Nobody is there any more: the deadline has passed, or the client has hung up.
        let _ = question.answer.send(found);
    }
}

fn names(model: &mut Model, question: &Question) -> Result<Found, FindError> {
    let mut found = Found::new();
    for text in &question.texts {
        let mut go_on = || !question.answer.is_closed();
        let names = model.find(text, question.min_confidence, &mut go_on)?;
        let named = |name: Finding| Some((name.entity, text.get(name.start..name.end)?.to_owned()));
        found.extend(names.into_iter().filter_map(named));
    }
    Ok(found)
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}
