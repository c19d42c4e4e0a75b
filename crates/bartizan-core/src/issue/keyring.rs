//! Which key signs now, and which ones still count? A new key is published before it signs, and
//! an old one verifies until its last token has ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::signing::{SigningKey, SigningKeyError};
use crate::time::Timestamp;

/// How long before it signs a key should be published: as long as others may keep the set of
/// keys that they have (`Cache-Control: max-age` of the JWK Set).
pub const AHEAD: Duration = Duration::from_mins(5);

/// How much longer than its tokens a key verifies, for clocks that differ.
const GRACE: Duration = Duration::from_mins(1);

/// A signing key as it is stored.
#[derive(Clone)]
pub struct StoredKey {
    /// The key, in PKCS#8 form.
    pub pkcs8: Zeroizing<Vec<u8>>,
    /// From when on it signs.
    pub signs_from: Timestamp,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey").field("signs_from", &self.signs_from).finish_non_exhaustive()
    }
}

/// The signing keys of a token endpoint, in the order in which they come to sign.
#[derive(Clone, Debug)]
pub struct Keyring(Vec<(Timestamp, Arc<SigningKey>)>);

impl Keyring {
    /// A ring of stored keys, given newest first.
    ///
    /// # Errors
    /// [`SigningKeyError::Unusable`] where there is none that can be used.
    pub fn stored(keys: &[StoredKey]) -> Result<Self, SigningKeyError> {
        let read = |key: &StoredKey| {
            let signing = SigningKey::from_pkcs8(&key.pkcs8).ok()?;
            Some((key.signs_from, Arc::new(signing)))
        };
        // Stable: of two that begin at once the one that was made later signs.
        let mut ring: Vec<_> = keys.iter().rev().filter_map(read).collect();
        ring.sort_by_key(|(from, _)| *from);
        if ring.is_empty() { Err(SigningKeyError::Unusable) } else { Ok(Self(ring)) }
    }

    /// A ring of keys that the operator keeps: the first signs, all verify.
    #[must_use]
    pub fn kept(first: Arc<SigningKey>, others: Vec<Arc<SigningKey>>) -> Self {
        let beginning = Timestamp(0);
        // Those that only verify come to sign at the end of time.
        let others = others.into_iter().map(|key| (Timestamp(u64::MAX), key));
        Self(std::iter::once((beginning, first)).chain(others).collect())
    }

    /// The key that signs now.
    #[must_use]
    pub fn signer(&self, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let current = self.0.iter().rev().find(|(from, _)| *from <= now);
        current.or_else(|| self.0.first()).map(|(_, key)| key)
    }

    /// The keys to publish, where tokens live for `ttl`: the one that signs, those that will, and
    /// those whose tokens may still count.
    pub fn published(
        &self,
        now: Timestamp,
        ttl: Duration,
    ) -> impl Iterator<Item = &SigningKey> + '_ {
        let successors = self.0.iter().skip(1).map(|(from, _)| Some(*from));
        let ended = move |next: Option<Timestamp>| {
            next.is_some_and(|from| now >= from.plus(ttl).plus(GRACE))
        };
        let keys = self.0.iter().zip(successors.chain([None]));
        keys.filter(move |(_, next)| !ended(*next))
            .map(|((_, key), _)| &**key)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(from: u64) -> StoredKey {
        StoredKey {
            pkcs8: SigningKey::generate_pkcs8().unwrap(),
            signs_from: Timestamp::from_secs(from),
        }
    }

    fn id(key: &StoredKey) -> Arc<str> {
        Arc::clone(SigningKey::from_pkcs8(&key.pkcs8).unwrap().id())
    }

    #[test]
    fn a_new_key_is_published_before_it_signs_and_an_old_one_after() {
        let (old, new) = (key(0), key(1000));
        let ring = Keyring::stored(&[new.clone(), old.clone()]).unwrap();
        let signer = |at| Arc::clone(ring.signer(Timestamp::from_secs(at)).unwrap().id());
        let published = |at| {
            let keys = ring.published(Timestamp::from_secs(at), Duration::from_secs(900));
            keys.map(|key| Arc::clone(key.id())).collect::<Vec<_>>()
        };
        assert_eq!(signer(999), id(&old));
        assert_eq!(published(999), [id(&new), id(&old)]);
        assert_eq!(signer(1000), id(&new));
        assert_eq!(
            published(1000 + 900 + 59),
            [id(&new), id(&old)],
            "its last token has just ended"
        );
        assert_eq!(published(1000 + 900 + 60), [id(&new)]);
    }

    #[test]
    fn two_rotations_at_once_come_to_sign_in_turn() {
        let (first, late, soon) = (key(0), key(500), key(100));
        let ring = Keyring::stored(&[soon.clone(), late.clone(), first.clone()]).unwrap();
        let signer = |at| Arc::clone(ring.signer(Timestamp::from_secs(at)).unwrap().id());
        assert_eq!([signer(0), signer(100), signer(500)], [id(&first), id(&soon), id(&late)]);
        let (one, other) = (key(100), key(100));
        let ring = Keyring::stored(&[other.clone(), one]).unwrap();
        assert_eq!(*ring.signer(Timestamp::from_secs(100)).unwrap().id(), id(&other));
    }

    #[test]
    fn a_first_key_signs_whenever_it_begins() {
        let only = key(1000);
        let ring = Keyring::stored(std::slice::from_ref(&only)).unwrap();
        assert_eq!(*ring.signer(Timestamp(0)).unwrap().id(), id(&only));
        let broken = StoredKey { pkcs8: Zeroizing::new(vec![1]), signs_from: Timestamp(0) };
        assert!(Keyring::stored(&[broken]).is_err());
    }

    #[test]
    fn of_kept_keys_the_first_signs_and_all_are_published() {
        let keys: Vec<_> = [key(0), key(0)]
            .iter()
            .map(|key| Arc::new(SigningKey::from_pkcs8(&key.pkcs8).unwrap()))
            .collect();
        let ring = Keyring::kept(Arc::clone(&keys[0]), vec![Arc::clone(&keys[1])]);
        let now = Timestamp::from_secs(1_800_000_000);
        assert_eq!(ring.signer(now).unwrap().id(), keys[0].id());
        assert_eq!(ring.published(now, Duration::from_secs(1)).count(), 2);
    }
}
