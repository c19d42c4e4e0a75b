//! Is this proof of possession good, and new? The rules of DPoP, and a memory of what was shown.

use std::fmt;

use bartizan_core::authenticate::Rejection;
use bartizan_core::authenticate::dpop::{self, Asked, Rules, Seen, Sighting};
use bartizan_core::authenticate::holder::Thumbprint;
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::time::Timestamp;
use http::request::Parts;
use http::{Method, Uri};
use parking_lot::Mutex;

/// The method and the address of a request as its client wrote them. Put into the extensions of a
/// request that carries a proof, before routing rewrites either.
#[derive(Clone, Debug)]
pub(crate) struct AsSent {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
}

/// Shards, by the key that made the proof: whoever fills one refuses few others.
const SHARDS: usize = 64;

/// Checks proofs of possession (RFC 9449). One for a process: what was seen is remembered here.
pub struct Proofs {
    rules: Rules,
    seen: Vec<Mutex<Seen>>,
}

impl Proofs {
    /// Checks by these rules, and remembers at most about `most` proofs.
    #[must_use]
    pub fn new(rules: Rules, most: usize) -> Self {
        let each = (most / SHARDS).max(1);
        let shard = || Mutex::new(Seen::new(rules.replay_window(), each));
        Self { seen: (0..SHARDS).map(|_| shard()).collect(), rules }
    }

    /// The key of the proof that came with `token`.
    ///
    /// # Errors
    /// [`NotAuthenticated::Rejected`] where the proof does not fit or was shown before,
    /// [`NotAuthenticated::Overload`] where nobody can say whether it was.
    pub(super) fn check(
        &self,
        head: &Parts,
        token: &str,
        now: Timestamp,
    ) -> Result<Thumbprint, NotAuthenticated> {
        let text = dpop::proof(&head.headers)?;
        let sent = head.extensions.get::<AsSent>();
        let (method, uri) =
            sent.map_or((&head.method, &head.uri), |sent| (&sent.method, &sent.uri));
        let asked = Asked { method: method.as_str(), path: uri.path() };
        let proof = self.rules.verify(text, &asked, token, now)?;
        let thumbprint = proof.thumbprint();
        let [first, ..] = thumbprint.bytes();
        let shard = self.seen.get(usize::from(*first) % SHARDS);
        match shard.map(|seen| seen.lock().note(&proof, now)) {
            Some(Sighting::First) => Ok(thumbprint),
            Some(Sighting::Again) => Err(Rejection::Proof("it was shown before").into()),
            Some(Sighting::Full) | None => Err(NotAuthenticated::Overload),
        }
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proofs").field("rules", &self.rules).finish_non_exhaustive()
    }
}
