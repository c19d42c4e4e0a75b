//! Where does the counter of this key stand?

use super::digest::Digest;
use super::{Counter, MeterKey};
use crate::id::ChanceMap;

/// Counters by key. Digest and counter stand side by side, at the place that the digest names or at
/// one soon after it: whoever asks waits for memory once, and not for an index first.
///
/// The table is cut into shards. Each grows on its own, so that no decision waits until all that is
/// counted has moved to a larger place.
#[derive(Debug)]
pub(super) struct Table {
    /// A table for few counters has no other.
    first: Shard,
    /// One less than a power of two.
    more: Box<[Shard]>,
    len: usize,
    /// How many steps lead once through all places.
    steps: usize,
    /// The texts of the keys, where somebody lists them: they take as much as their counters.
    keys: Option<ChanceMap<Digest, MeterKey>>,
    /// Where the walk through all places stands: in which shard, at which place.
    hand: (usize, usize),
}

/// How many shards a table for many counters has.
const SHARDS: usize = 64;

/// A table for few counters, that can be listed.
impl Default for Table {
    fn default() -> Self {
        let (first, more) = (Shard::default(), Box::default());
        Self { first, more, len: 0, steps: 1, keys: Some(ChanceMap::default()), hand: (0, 0) }
    }
}

impl Table {
    /// A table for many counters. It does not keep the texts of their keys, and lists nothing.
    pub(super) fn large() -> Self {
        let more = (1..SHARDS).map(|_| Shard::default()).collect();
        Self { more, steps: SHARDS, keys: None, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many steps lead once through the whole table.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    pub(super) fn get(&self, digest: Digest) -> Option<&Counter> {
        let shard = self.more.get(self.which(digest)).unwrap_or(&self.first);
        shard.slots.get(shard.find(digest)?)?.held.as_ref()
    }

    pub(super) fn get_mut(&mut self, digest: Digest) -> Option<&mut Counter> {
        let shard = self.shard(self.which(digest));
        let place = shard.find(digest)?;
        shard.slots.get_mut(place)?.held.as_mut()
    }

    /// Puts in a counter, in the place of an older one.
    pub(super) fn insert(&mut self, key: &MeterKey, counter: Counter) {
        let digest = key.digest;
        self.remove(digest);
        if let Some(keys) = &mut self.keys {
            keys.insert(digest, key.clone());
        }
        self.steps += self.shard(self.which(digest)).insert(Slot { digest, held: Some(counter) });
        self.len += 1;
    }

    pub(super) fn remove(&mut self, digest: Digest) {
        let which = self.which(digest);
        if let Some(place) = self.shard(which).find(digest) {
            self.take_out(which, place);
        }
    }

    /// Goes on so many steps from where it stopped the last time, a place each, and takes out what
    /// `goes`.
    pub(super) fn walk(
        &mut self,
        steps: usize,
        mut goes: impl FnMut(Digest, &mut Counter) -> bool,
    ) {
        for _ in 0..steps {
            let (which, place) = self.hand;
            self.hand.1 += 1;
            match self.shard(which).slots.get_mut(place) {
                Some(Slot { held: None, .. }) => {}
                Some(Slot { digest, held: Some(counter) }) => {
                    if goes(*digest, counter) {
                        self.take_out(which, place);
                        // Another may stand there now.
                        self.hand.1 = place;
                    }
                }
                None => self.hand = ((which + 1) & self.more.len(), 0),
            }
        }
    }

    /// Every counter, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&MeterKey, &Counter)> {
        let slots = self.shards().flat_map(|shard| &shard.slots);
        let key = |digest| self.keys.as_ref()?.get(digest);
        slots.filter_map(move |slot| Some((key(&slot.digest)?, slot.held.as_ref()?)))
    }

    fn shards(&self) -> impl Iterator<Item = &Shard> {
        std::iter::once(&self.first).chain(&self.more)
    }

    fn shard(&mut self, which: usize) -> &mut Shard {
        self.more.get_mut(which).unwrap_or(&mut self.first)
    }

    /// Which shard a counter stands in; the number after the last is that of the first.
    fn which(&self, digest: Digest) -> usize {
        digest.high as usize & self.more.len()
    }

    fn take_out(&mut self, which: usize, place: usize) {
        let digest = self.shard(which).take_out(place);
        self.len -= 1;
        if let Some(keys) = &mut self.keys {
            keys.remove(&digest);
        }
    }
}

/// Places in a row. A counter stands at its home or after it, and those who share a stretch stand in the
/// order of their homes (Robin Hood hashing): nobody is far from home.
#[derive(Debug, Default)]
struct Shard {
    /// More than there are homes: the last counters go on beyond the last home.
    slots: Vec<Slot>,
    homes: usize,
    taken: usize,
}

/// One line of the cache.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    digest: Digest,
    held: Option<Counter>,
}

const _: () = assert!(size_of::<Slot>() == 64, "a counter outgrew its line of the cache");

/// The least number of homes that are worth an allocation.
const FEWEST: usize = 8;
/// So many places lie beyond the last home, or as many as there are homes.
const BEYOND: usize = 32;

impl Shard {
    /// Where it stands. Most stand at home, and that is looked at first and apart: the machine then
    /// guesses that it is there, and goes on to what follows before it knows.
    fn find(&self, digest: Digest) -> Option<usize> {
        let home = self.home(digest);
        if self.slots.get(home)?.digest == digest {
            return Some(home);
        }
        self.find_from(home, digest)
    }

    #[cold]
    fn find_from(&self, home: usize, digest: Digest) -> Option<usize> {
        for (far, slot) in self.slots.get(home..)?.iter().enumerate() {
            let place = home + far;
            if slot.digest == digest {
                return Some(place);
            }
            // Who stands nearer to its home than we would came after us: we are not here.
            if slot.held.is_none() || self.far(slot.digest, place) < far {
                return None;
            }
        }
        None
    }

    /// Puts in what is not there; how many places there are more.
    fn insert(&mut self, slot: Slot) -> usize {
        let before = self.slots.len();
        // Half of the homes at the most: who does not stand at home costs a wait more.
        if (self.taken + 1) * 2 > self.homes {
            self.grow();
        }
        self.taken += 1;
        self.settle(slot);
        self.slots.len() - before
    }

    fn grow(&mut self) {
        self.homes = (self.homes + self.homes / 4).max(FEWEST);
        let places = self.homes + self.homes.min(BEYOND);
        let larger = std::iter::repeat_with(Slot::default).take(places).collect();
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot.held.is_some() {
                self.settle(slot);
            }
        }
    }

    /// Goes from its home on; who is nearer to its own home makes room, and goes on in its place.
    fn settle(&mut self, mut slot: Slot) {
        let (mut place, mut far) = (self.home(slot.digest), 0);
        while let Some(theirs) = self.slots.get(place).map(|other| other.digest) {
            let nearer = self.far(theirs, place);
            let Some(other) = self.slots.get_mut(place) else { return };
            if other.held.is_none() {
                *other = slot;
                return;
            }
            if nearer < far {
                std::mem::swap(other, &mut slot);
                far = nearer;
            }
            (place, far) = (place + 1, far + 1);
        }
        self.slots.reserve_exact(1);
        self.slots.push(slot);
    }

    /// Takes out who stands there; those behind it that are not at home move one nearer.
    fn take_out(&mut self, mut place: usize) -> Digest {
        self.taken -= 1;
        let digest = self.slots.get_mut(place).map(std::mem::take).unwrap_or_default().digest;
        loop {
            let behind = self.slots.get(place + 1).map_or(Digest::default(), |slot| slot.digest);
            if behind == Digest::default() || self.far(behind, place + 1) == 0 {
                return digest;
            }
            self.slots.swap(place, place + 1);
            place += 1;
        }
    }

    fn home(&self, digest: Digest) -> usize {
        // As far into the homes as the digest is into all digests.
        ((u128::from(digest.low) * self.homes as u128) >> 64) as usize
    }

    /// How far from its home a counter at `place` stands.
    fn far(&self, digest: Digest, place: usize) -> usize {
        place.saturating_sub(self.home(digest))
    }
}
