//! What was taken back, and how soon is it known? Before anything that is remembered counts for a second more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::authenticate::claims::Claims;
use bartizan_core::issue::{Identities, Unreachable};
use bartizan_core::time::{Repeated, Timestamp};
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// How long something that can be taken back counts without a look at the store.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// How often the store is asked whether anything was taken back: several times in [`FRESH`].
const LOOK: Duration = Duration::from_millis(200);

/// Tells those who remember that something was taken back: a count of how often.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<News>);

#[derive(Debug, Default)]
struct News {
    count: AtomicU64,
    /// When the store last said that the count is right, in microseconds.
    heard: AtomicU64,
}

impl Revocations {
    /// Something was taken back, in the store, a moment ago. From now on nothing that is
    /// remembered counts before the store has been asked again.
    pub fn announce(&self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Asks the store again and again whether anything was taken back, by any process, until
    /// `stop`. While it answers, what is remembered need not be looked up one by one; when it does
    /// not, everything counts for a second.
    pub async fn follow(self, identities: Arc<dyn Identities>, stop: CancellationToken) {
        let mut known = None;
        let mut silent = Repeated::default();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // What is changed while the store is asked is found the next time.
            let asked = clock::now();
            match identities.changes().await {
                Ok(Some(number)) => {
                    if known.replace(number) != Some(number) {
                        self.announce();
                    }
                    self.0.heard.store(asked.0, Ordering::Release);
                    if silent.over() {
                        tracing::info!("it is known again what was taken back");
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    if let Some(untold) = silent.again(asked) {
                        tracing::warn!(%error, untold, "it is not known what was taken back");
                    }
                }
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }

    /// Until when what rests on the store counts, as far as the store was heard.
    pub(super) fn fresh(&self) -> Timestamp {
        Timestamp(self.0.heard.load(Ordering::Acquire)).plus(FRESH)
    }
}

/// Whether a token of ours, or the session that it came of, has been taken back.
pub(crate) async fn revoked(
    identities: &dyn Identities,
    claims: &Claims,
) -> Result<bool, Unreachable> {
    let names = ["jti", "sid"].into_iter().filter_map(|name| claims.get(name)?.as_str());
    // Those from which it was got in exchange (RFC 8693).
    let origins = claims.get("via").and_then(Value::as_array).into_iter().flatten();
    let names = names.chain(origins.filter_map(Value::as_str));
    identities.is_revoked(&names.collect::<Vec<_>>()).await
}
