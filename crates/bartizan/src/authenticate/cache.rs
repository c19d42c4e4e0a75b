//! Who was this a moment ago? Credentials that have been verified, bounded, found by digest.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use bartizan_core::authenticate::Credential;
use bartizan_core::authenticate::holder::Holder;
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::issuer::Provider;
use crate::clock;

/// How a credential is found again: never as itself, so that a memory dump holds none. Half of a
/// digest: whoever looks for a second text with the fingerprint of somebody else's has 2^128 to
/// try, and two of one's own are worth nothing. What is small is found sooner among a million.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Of a digest that was made elsewhere.
    pub(crate) fn of(digest: &[u8; 32]) -> Self {
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// A part of a digest is nearly a hash: nothing is gained by hashing all of it again.
impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self([_, part @ ..]) = self;
        let part = part.last_chunk::<8>().unwrap_or(&[0; 8]);
        state.write_u64(u64::from_ne_bytes(*part));
    }
}

/// Folds a chosen number in, so that nobody can look for credentials that share a place.
#[derive(Clone, Copy, Debug)]
struct Folded {
    chosen: u64,
    hash: u64,
}

impl Default for Folded {
    fn default() -> Self {
        // Half of what is unguessable is unguessable.
        let [chosen, _] = halves(clock::chance());
        Self { chosen: chosen | 1, hash: 0 }
    }
}

impl BuildHasher for Folded {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.hash
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.hash ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, part: u64) {
        let [low, high] = halves(u128::from(part ^ self.chosen) * u128::from(self.chosen));
        self.hash = low ^ high;
    }
}

/// The low and the high half.
fn halves(number: u128) -> [u64; 2] {
    let half = |number: u128| u64::try_from(number & u128::from(u64::MAX)).unwrap_or_default();
    [half(number), half(number >> 64)]
}

type Table<T> = HashMap<Fingerprint, T, Folded>;

/// A credential, taken apart.
pub(super) struct Shown<'a> {
    /// What it says for everybody to read: header and claims of a JWT, which are compared as they
    /// are. Nothing of any other credential.
    pub(super) claims: &'a str,
    /// Of the rest, and of where it stood: what may be shown in one place may not be shown in the
    /// other. Without its signature a JWT is none, and the digest of a signature takes an eighth of
    /// the time that the digest of a token takes.
    pub(super) fingerprint: Fingerprint,
}

impl<'a> Shown<'a> {
    pub(super) fn new(credential: &Credential<'a>) -> Self {
        let (place, text): (u8, &'a str) = match credential {
            Credential::ApiKey(key) => (b'k', key),
            Credential::Bearer(token) => (b'b', token),
            Credential::Dpop(token) => (b'd', token),
        };
        let jwt = text.rsplit_once('.').filter(|(claims, _)| place != b'k' && is_two(claims));
        let (claims, secret) = jwt.unwrap_or(("", text));
        let digest = Sha256::new().chain_update([place]).chain_update(secret).finalize();
        Self { claims, fingerprint: Fingerprint(digest.first_chunk().copied().unwrap_or_default()) }
    }
}

/// Whether it has two parts, as the part of a JWT that is signed.
fn is_two(claims: &str) -> bool {
    claims.split_once('.').is_some_and(|(_, claims)| !claims.contains('.'))
}

/// A verified credential, and what it rests on.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Who it is, if it is theirs to show.
    pub(super) holder: Holder,
    /// When it ends by itself.
    pub(super) ends: Timestamp,
    /// Until when nothing needs to be looked at again.
    pub(super) fresh: Timestamp,
    /// The revocations that were known then.
    pub(super) revocations: u64,
    /// Whose keys verified it, and which set of them.
    pub(super) issuer: Option<(Arc<Provider>, u64)>,
}

/// An entry, and what its credential says, see [`Shown`]: another one is not this one, whatever its
/// fingerprint.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) claims: Box<str>,
    pub(super) entry: Entry,
}

/// Shards, so that cores do not wait for each other; a power of two.
const SHARDS: usize = 16;

/// What is known of credentials: of at most about twice `capacity` of them.
pub(crate) struct Cache<T> {
    shards: Vec<Mutex<Shard<T>>>,
    /// How many a generation of one shard holds.
    generation: usize,
}

/// Two generations: when the young one is full it becomes the old one, and what was old and not
/// asked for since is forgotten.
struct Shard<T> {
    young: Table<T>,
    old: Table<T>,
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { young: Table::default(), old: Table::default() }
    }
}

impl<T> Cache<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, generation: (capacity / SHARDS).max(1) }
    }

    /// What `look` takes of the entry, while its shard is locked: nothing more is copied.
    pub(super) fn get<R>(
        &self,
        fingerprint: Fingerprint,
        look: impl FnOnce(&T) -> Option<R>,
    ) -> Option<R> {
        let mut shard = self.shard(fingerprint)?.lock();
        if let Some(entry) = shard.young.get(&fingerprint) {
            return look(entry);
        }
        let entry = shard.old.remove(&fingerprint)?;
        let found = look(&entry);
        shard.put(fingerprint, entry, self.generation);
        found
    }

    /// The entry, which `make` makes where there is none yet.
    pub(crate) fn get_or_put(&self, fingerprint: Fingerprint, make: impl FnOnce() -> T) -> T
    where
        T: Clone,
    {
        let Some(shard) = self.shard(fingerprint) else { return make() };
        let mut shard = shard.lock();
        if let Some(entry) = shard.young.get(&fingerprint) {
            return entry.clone();
        }
        let entry = shard.old.remove(&fingerprint).unwrap_or_else(make);
        shard.put(fingerprint, entry.clone(), self.generation);
        entry
    }

    pub(super) fn put(&self, fingerprint: Fingerprint, entry: T) {
        if let Some(shard) = self.shard(fingerprint) {
            shard.lock().put(fingerprint, entry, self.generation);
        }
    }

    pub(super) fn remove(&self, fingerprint: Fingerprint) {
        if let Some(shard) = self.shard(fingerprint) {
            let mut shard = shard.lock();
            shard.young.remove(&fingerprint);
            shard.old.remove(&fingerprint);
        }
    }

    fn shard(&self, Fingerprint(digest): Fingerprint) -> Option<&Mutex<Shard<T>>> {
        // Not one of the bytes that decide on the place within a shard.
        let [first, ..] = digest;
        self.shards.get(usize::from(first) % SHARDS)
    }
}

impl<T> Shard<T> {
    fn put(&mut self, fingerprint: Fingerprint, entry: T, generation: usize) {
        if self.young.len() >= generation && !self.young.contains_key(&fingerprint) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(fingerprint, entry);
    }
}

impl<T> fmt::Debug for Cache<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bartizan_core::authenticate::Caller;

    use super::*;

    fn entry() -> Entry {
        let ends = Timestamp(u64::MAX);
        let holder = Holder::bearer(Caller::anonymous());
        Entry { holder, ends, fresh: ends, revocations: 0, issuer: None }
    }

    #[test]
    fn a_flood_of_credentials_takes_no_more_than_its_room() {
        let cache = Cache::new(64);
        for i in 0..10_000 {
            let token = format!("token{i}");
            cache.put(Shown::new(&Credential::Bearer(&token)).fingerprint, entry());
        }
        let held = |shard: &Mutex<Shard<Entry>>| {
            let shard = shard.lock();
            shard.young.len() + shard.old.len()
        };
        let held: usize = cache.shards.iter().map(held).sum();
        assert!(held <= 128, "{held}");
        let last = Shown::new(&Credential::Bearer("token9999")).fingerprint;
        assert!(cache.get(last, |_| Some(())).is_some());
        cache.remove(last);
        assert!(cache.get(last, |_| Some(())).is_none());
    }

    #[test]
    fn what_is_asked_for_outlives_what_is_not() {
        let cache = Cache::new(1);
        let often = Fingerprint([0; 16]);
        cache.put(often, entry());
        for i in 1..100u8 {
            let mut other = [0; 16];
            other[1] = i;
            cache.put(Fingerprint(other), entry());
            assert!(cache.get(often, |_| Some(())).is_some(), "{i}");
        }
    }

    #[test]
    fn the_place_of_a_credential_is_part_of_it() {
        let print = |credential| Shown::new(&credential).fingerprint;
        for text in ["x", "a.b.c"] {
            let [key, bearer, dpop] =
                [Credential::ApiKey(text), Credential::Bearer(text), Credential::Dpop(text)];
            let [key, bearer, dpop] = [key, bearer, dpop].map(print);
            assert!(key != bearer && bearer != dpop && dpop != key, "{text}");
        }
    }

    #[test]
    fn of_a_credential_nothing_is_kept_that_proves_it() {
        for (credential, claims) in [
            (Credential::ApiKey("a.b.c"), ""),
            (Credential::Bearer("opaque"), ""),
            (Credential::Bearer("half.opaque"), ""),
            (Credential::Bearer("header.claims.signature"), "header.claims"),
            (Credential::Dpop("header.claims.signature"), "header.claims"),
        ] {
            assert_eq!(Shown::new(&credential).claims, claims);
        }
    }
}
