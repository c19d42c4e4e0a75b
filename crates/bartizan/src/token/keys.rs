//! With which key does the endpoint sign now? A key that is added to the store signs without a restart.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::issue::{Identities, Keyring, SigningKey, StoredKey, Unreachable};
use bartizan_core::time::Timestamp;
use parking_lot::RwLock;

use super::OpenError;
use crate::authenticate::OwnKeys;

/// How often the store is asked for keys, while tokens are asked for.
const LOOK: Duration = Duration::from_secs(2);

/// Keys that could not be read again for so long sign no more: one of them may have been taken
/// back.
const KEEP: Duration = Duration::from_mins(1);

/// The keys of the endpoint.
pub(super) struct Keys {
    source: OwnKeys,
    held: RwLock<Held>,
    /// Whoever reads them again holds it; the others go on with those at hand.
    reading: tokio::sync::Mutex<()>,
}

struct Held {
    ring: Keyring,
    /// Not before the first request: opening has no time.
    read: Option<Timestamp>,
}

impl Keys {
    /// Those of the operator, or else of the store, made there if there is none.
    pub(super) async fn open(
        kept: &[Arc<SigningKey>],
        store: Arc<dyn Identities>,
    ) -> Result<Self, OpenError> {
        let (source, ring) = match kept.split_first() {
            Some((first, others)) => {
                let ring = Keyring::kept(Arc::clone(first), others.to_vec());
                (OwnKeys::Kept(ring.clone()), ring)
            }
            None => {
                let stored = store.signing_keys(&SigningKey::generate_pkcs8()?).await?;
                (OwnKeys::Stored(store), Keyring::stored(&stored)?)
            }
        };
        Ok(Self { source, held: RwLock::new(Held { ring, read: None }), reading: <_>::default() })
    }

    /// Where they come from, for those who check what they signed.
    pub(super) fn source(&self) -> OwnKeys {
        self.source.clone()
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// [`Unreachable`] where the store has not answered for a minute.
    pub(super) async fn signer(&self, now: Timestamp) -> Result<Arc<SigningKey>, Unreachable> {
        if let OwnKeys::Stored(store) = &self.source
            && self.is_older(LOOK, now)
            && let Ok(_reading) = self.reading.try_lock()
        {
            match store.signing_keys(&[]).await {
                Ok(stored) => self.take(&stored, now),
                Err(error) if self.is_older(KEEP, now) => return Err(error),
                Err(error) => tracing::warn!(%error, "the signing keys were not read again"),
            }
        }
        let held = self.held.read();
        let signer = held.ring.signer(now).map(Arc::clone);
        signer.ok_or_else(|| Unreachable::new("there is no signing key"))
    }

    fn is_older(&self, than: Duration, now: Timestamp) -> bool {
        self.held.read().read.is_none_or(|read| now.since(read) >= than)
    }

    fn take(&self, stored: &[StoredKey], now: Timestamp) {
        match Keyring::stored(stored) {
            Ok(ring) => *self.held.write() = Held { ring, read: Some(now) },
            Err(error) => tracing::error!(%error, "the signing keys of the store"),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("source", &self.source).finish_non_exhaustive()
    }
}
