//! When was a key last used? Noted beside the road, many at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bartizan_core::issue::Identities;
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;

/// How many keys may wait to be noted; of those beyond the use is noted another time.
const MOST: usize = 65_536;

/// Uses of keys that the store does not know of yet.
#[derive(Default)]
pub(super) struct Uses(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    uses: HashMap<Arc<str>, Timestamp>,
    /// Whether somebody is about to write them down.
    writing: bool,
}

impl Uses {
    /// Notes that a key was used. Nobody waits for it, and no request writes for itself.
    pub(super) fn note(
        self: &Arc<Self>,
        id: &Arc<str>,
        now: Timestamp,
        identities: &Arc<dyn Identities>,
    ) {
        let mut waiting = self.0.lock();
        if waiting.uses.len() < MOST || waiting.uses.contains_key(id) {
            waiting.uses.insert(Arc::clone(id), now);
        }
        if !std::mem::replace(&mut waiting.writing, true) {
            let (uses, identities) = (Arc::clone(self), Arc::clone(identities));
            tokio::spawn(async move { uses.write(&*identities).await });
        }
    }

    /// Writes until nothing waits.
    async fn write(&self, identities: &dyn Identities) {
        while let Some(batch) = self.take() {
            if let Err(error) = identities.touch_keys(&batch).await {
                // That a key was used is good to know, and no reason to refuse it.
                tracing::warn!(%error, keys = batch.len(), "the use of keys was not noted");
            }
        }
    }

    fn take(&self) -> Option<Vec<(Arc<str>, Timestamp)>> {
        let mut waiting = self.0.lock();
        let batch: Vec<_> = waiting.uses.drain().collect();
        waiting.writing = !batch.is_empty();
        waiting.writing.then_some(batch)
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uses").field("waiting", &self.0.lock().uses.len()).finish()
    }
}
