//! Where does the counter of this key stand?

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::LazyLock;

use siphasher::sip128::SipHasher13;

use super::{Counter, MeterKey};

/// What stands for a key: SipHash-1-3 of 128 bits, under a key of this process that was made by
/// chance. Two keys of the same digest would share a counter. Nobody who does not know the key can
/// look for such a pair, and among a million keys there is one by accident once in 2^88 tries: so
/// the digest decides, and the text of the key is not read.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Digest {
    high: u64,
    low: u64,
}

/// The hash under the key of this process; it never leaves it.
static KEYED: LazyLock<SipHasher13> = LazyLock::new(|| {
    let chance = RandomState::new();
    SipHasher13::new_with_keys(chance.hash_one(0_u8), chance.hash_one(1_u8))
});

impl Digest {
    pub(super) fn of(key: &MeterKey) -> Self {
        let hash = KEYED.hash(key.as_str().as_bytes());
        // All zeros stand for a place that is free.
        Self { high: hash.h1 | 1 << 63, low: hash.h2 }
    }
}

/// Counters by key. Digest and counter stand side by side, at the place that the digest names or at
/// one soon after it: whoever asks waits for memory once, and not for an index first.
///
/// The table is cut into shards. Each grows on its own, so that no decision waits until all that is
/// counted has moved to a larger place.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// A table for few counters has no other.
    first: Shard,
    /// One less than a power of two.
    more: Box<[Shard]>,
    len: usize,
}

/// How many shards a table for many counters has.
const SHARDS: usize = 64;

impl Table {
    /// A table for many counters.
    pub(super) fn large() -> Self {
        let more = (1..SHARDS).map(|_| Shard::default()).collect();
        Self { more, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, digest: Digest) -> Option<&Counter> {
        let shard = self.more.get(self.which(digest)).unwrap_or(&self.first);
        shard.get(digest)
    }

    pub(super) fn get_mut(&mut self, digest: Digest) -> Option<&mut Counter> {
        self.shard(digest).get_mut(digest)
    }

    /// Puts in a counter, in the place of an older one.
    pub(super) fn insert(&mut self, digest: Digest, key: MeterKey, counter: Counter) {
        self.remove(digest);
        self.shard(digest).insert(Slot { digest, held: Some((key, counter)) });
        self.len += 1;
    }

    pub(super) fn remove(&mut self, digest: Digest) {
        if self.shard(digest).remove(digest) {
            self.len -= 1;
        }
    }

    /// Every counter, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&MeterKey, &Counter)> {
        let shards = std::iter::once(&self.first).chain(&self.more);
        let held = shards.flat_map(|shard| &shard.slots).filter_map(|slot| slot.held.as_ref());
        held.map(|(key, counter)| (key, counter))
    }

    fn shard(&mut self, digest: Digest) -> &mut Shard {
        let which = self.which(digest);
        self.more.get_mut(which).unwrap_or(&mut self.first)
    }

    /// Which shard a counter stands in; the number after the last is that of the first.
    fn which(&self, digest: Digest) -> usize {
        digest.high as usize & self.more.len()
    }
}

/// Places in a row, a power of two of them. A counter stands at its home or after it, and those who
/// share a stretch stand in the order of their homes (Robin Hood hashing): nobody is far from home.
#[derive(Debug, Default)]
struct Shard {
    slots: Vec<Slot>,
    taken: usize,
}

/// Three lines of the cache that lie side by side: one that is compared, one that is counted in, and
/// one of what was counted before.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    digest: Digest,
    held: Option<(MeterKey, Counter)>,
}

const _: () = assert!(size_of::<Slot>() == 192, "a counter outgrew its three lines of the cache");

/// The least number of places that are worth an allocation.
const FEWEST: usize = 8;

impl Slot {
    fn is_free(&self) -> bool {
        self.digest == Digest::default()
    }
}

impl Shard {
    fn get(&self, digest: Digest) -> Option<&Counter> {
        let place = self.find(digest)?;
        self.slots.get(place)?.held.as_ref().map(|(_, counter)| counter)
    }

    fn get_mut(&mut self, digest: Digest) -> Option<&mut Counter> {
        let place = self.find(digest)?;
        self.slots.get_mut(place)?.held.as_mut().map(|(_, counter)| counter)
    }

    /// Where it stands. Most stand at home, and that is looked at first and apart: the machine then
    /// guesses that it is there, and fetches the counter together with what it compares.
    fn find(&self, digest: Digest) -> Option<usize> {
        let home = self.home(digest);
        if self.slots.get(home)?.digest == digest {
            return Some(home);
        }
        self.find_from(home, digest)
    }

    #[cold]
    fn find_from(&self, home: usize, digest: Digest) -> Option<usize> {
        let mut place = home;
        for far in 0..self.slots.len() {
            let slot = self.slots.get(place)?;
            if slot.digest == digest {
                return Some(place);
            }
            // Who stands nearer to its home than we would came after us: we are not here.
            if slot.is_free() || self.far(slot.digest, place) < far {
                return None;
            }
            place = self.after(place);
        }
        None
    }

    /// Puts in what is not there.
    fn insert(&mut self, slot: Slot) {
        // Three of four places at the most: beyond that, homes are far.
        if (self.taken + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.taken += 1;
        self.settle(slot);
    }

    fn grow(&mut self) {
        let many = (self.slots.len() * 2).max(FEWEST);
        let larger = (0..many).map(|_| Slot::default()).collect();
        for slot in std::mem::replace(&mut self.slots, larger) {
            if !slot.is_free() {
                self.settle(slot);
            }
        }
    }

    /// Goes from its home on; who is nearer to its own home makes room, and goes on in its place.
    fn settle(&mut self, mut slot: Slot) {
        let (mut place, mut far) = (self.home(slot.digest), 0);
        loop {
            let theirs = self.slots.get(place).map_or(Digest::default(), |other| other.digest);
            let nearer = self.far(theirs, place);
            let Some(other) = self.slots.get_mut(place) else { return };
            if other.is_free() {
                *other = slot;
                return;
            }
            if nearer < far {
                std::mem::swap(other, &mut slot);
                far = nearer;
            }
            (place, far) = (self.after(place), far + 1);
        }
    }

    /// Takes one out; those behind it that are not at home move one nearer. Was it there?
    fn remove(&mut self, digest: Digest) -> bool {
        let Some(mut place) = self.find(digest) else { return false };
        self.taken -= 1;
        loop {
            let next = self.after(place);
            let behind = self.slots.get_mut(next).map(std::mem::take).unwrap_or_default();
            let stays = behind.is_free() || self.far(behind.digest, next) == 0;
            let [to, from] = [place, next];
            if stays {
                self.put(from, behind);
                self.put(to, Slot::default());
                return true;
            }
            self.put(to, behind);
            place = next;
        }
    }

    fn put(&mut self, place: usize, slot: Slot) {
        if let Some(old) = self.slots.get_mut(place) {
            *old = slot;
        }
    }

    fn home(&self, digest: Digest) -> usize {
        digest.low as usize & self.slots.len().wrapping_sub(1)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & self.slots.len().wrapping_sub(1)
    }

    /// How far from its home a counter at `place` stands.
    fn far(&self, digest: Digest, place: usize) -> usize {
        place.wrapping_sub(self.home(digest)) & self.slots.len().wrapping_sub(1)
    }
}
