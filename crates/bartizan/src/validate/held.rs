//! How many bytes of bodies are held? No more than there is room for, and nobody has the room of all.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bartizan_core::admit::ClientAddress;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock;
use crate::serve::Bound;

/// The room for bodies where nothing is said, in bytes.
pub const MAX_BODY_MEMORY: u64 = 128 * 1024 * 1024;

/// What is not counted, in bytes: a body that is no longer than many a head, and bounded as heads are, by how
/// many connections and streams there may be. So small calls ask nobody for room.
const SMALL: usize = 4096;

/// The room for bodies that are read whole, from their first byte until nobody holds them any more.
///
/// An address, of IPv6 a /64, may hold as much as is left for all others: alone it has half of the room, two
/// have a third each, and whoever comes next finds as much as those before have. So nobody needs to say how
/// many share the room, and where all calls come from one address, half of it is theirs.
#[derive(Debug)]
pub struct Bodies {
    most: AtomicU64,
    held: Mutex<Held>,
    full: Bound,
}

/// Who holds how much, in bytes. There are no more entries than bodies of more than [`SMALL`].
#[derive(Debug, Default)]
struct Held {
    all: u64,
    by: HashMap<IpAddr, u64>,
}

/// There is no room for one more byte of this address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

/// Where the bytes of one body are counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room<'a> {
    bodies: &'a Arc<Bodies>,
    bucket: IpAddr,
}

/// The room that one body takes, until it is dropped.
struct Share {
    bodies: Arc<Bodies>,
    bucket: IpAddr,
    bytes: u64,
}

/// Bytes, and the room that they take.
struct Kept<T> {
    bytes: T,
    _share: Share,
}

/// A body on its way in.
pub(super) struct Gathering<'a> {
    room: Room<'a>,
    /// The most that it may have, in bytes.
    most: usize,
    share: Option<Share>,
    /// Most bodies come in one frame: that one is not copied.
    first: Bytes,
    more: Vec<u8>,
}

impl Bodies {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self { most: most.into(), held: Mutex::default(), full: Bound::default() }
    }

    /// Makes it so many from now on. What is held beyond them stays until it is given back.
    pub fn allow(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// The most that one body may have, in bytes: a larger one would find no room if it were alone.
    pub(super) fn most_of_one(&self) -> u64 {
        (self.most.load(Ordering::Relaxed) / 2).max(SMALL as u64)
    }

    /// How many bytes are held.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.lock().all
    }

    /// How many bodies found no room, since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.full.reached()
    }

    pub(super) fn room(self: &Arc<Self>, address: ClientAddress) -> Room<'_> {
        Room { bodies: self, bucket: address.bucket() }
    }

    fn take(&self, bucket: IpAddr, bytes: u64) -> Result<(), Full> {
        let mut held = self.held.lock();
        let left = self.most.load(Ordering::Relaxed).saturating_sub(held.all);
        let own = held.by.get(&bucket).copied().unwrap_or_default();
        if own + bytes <= left.saturating_sub(bytes) {
            held.all += bytes;
            held.by.insert(bucket, own + bytes);
            return Ok(());
        }
        drop(held);
        if let Some(times) = self.full.reach(clock::now()) {
            tracing::warn!(
                address = %bucket,
                times,
                "no room for a body (`max_body_memory`): its address holds as much as is left for all others"
            );
        }
        Err(Full)
    }

    fn give_back(&self, bucket: IpAddr, bytes: u64) {
        let mut held = self.held.lock();
        held.all -= bytes;
        if let Some(own) = held.by.get_mut(&bucket) {
            *own -= bytes;
            if *own == 0 {
                held.by.remove(&bucket);
            }
        }
    }
}

impl Default for Bodies {
    fn default() -> Self {
        Self::new(MAX_BODY_MEMORY)
    }
}

impl<'a> Gathering<'a> {
    /// Nothing has come of a body that has `most` bytes at the most.
    pub(super) fn new(room: Room<'a>, most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Self { room, most, share: None, first: Bytes::new(), more: Vec::new() }
    }

    /// How much has come, in bytes.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// Takes more of it.
    ///
    /// # Errors
    /// [`Full`] where there is no room for it.
    pub(super) fn add(&mut self, data: Bytes) -> Result<(), Full> {
        let length = self.len() + data.len();
        if self.len() == 0 {
            self.hold(length)?;
            self.first = data;
            return Ok(());
        }
        if length > self.more.capacity() {
            // Twice as much each time, as vectors do, and never more than the body can have.
            let wanted = length.next_power_of_two().min(self.most).max(length);
            self.hold(wanted)?;
            self.more.reserve_exact(wanted - self.more.len());
        }
        self.more.extend_from_slice(&std::mem::take(&mut self.first));
        self.more.extend_from_slice(&data);
        Ok(())
    }

    /// Sees to it that there is room for so many bytes.
    fn hold(&mut self, bytes: usize) -> Result<(), Full> {
        if bytes <= SMALL {
            return Ok(());
        }
        let Room { bodies, bucket } = self.room;
        let share = self.share.get_or_insert_with(|| Share {
            bodies: Arc::clone(bodies),
            bucket,
            bytes: 0,
        });
        let more = (bytes as u64).saturating_sub(share.bytes);
        bodies.take(bucket, more)?;
        share.bytes += more;
        Ok(())
    }

    /// All of it has come. Its room is given back with the last of these bytes.
    pub(super) fn whole(self) -> Bytes {
        let Self { share, first, more, .. } = self;
        match (share, more.is_empty()) {
            (None, true) => first,
            (None, false) => Bytes::from(more),
            (Some(share), true) => Bytes::from_owner(Kept { bytes: first, _share: share }),
            (Some(share), false) => Bytes::from_owner(Kept { bytes: more, _share: share }),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.bodies.give_back(self.bucket, self.bytes);
    }
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl fmt::Debug for Gathering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gathering({} bytes)", self.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn address(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    /// A body of `length` bytes from an address, in frames of 1000.
    fn body(bodies: &Arc<Bodies>, from: &str, length: usize) -> Result<Bytes, Full> {
        let mut gathering = Gathering::new(bodies.room(address(from)), 1_000_000);
        let all = vec![b'x'; length];
        for piece in all.chunks(1000) {
            gathering.add(Bytes::copy_from_slice(piece))?;
        }
        Ok(gathering.whole())
    }

    #[test]
    fn nobody_takes_the_room_of_all_and_it_is_given_back_with_the_last_bytes() {
        let bodies = Arc::new(Bodies::new(100_000));
        let mut first: Vec<Bytes> =
            std::iter::from_fn(|| body(&bodies, "192.0.2.1", 8_192).ok()).collect();
        assert!(first.len() >= 5 && bodies.held() <= 50_000, "{bodies:?}");
        let mut second: Vec<Bytes> =
            std::iter::from_fn(|| body(&bodies, "192.0.2.2", 8_192).ok()).collect();
        assert!(second.len() >= 2, "half of what was left: {bodies:?}");
        assert!(body(&bodies, "2001:db8::1", 8_192).is_ok(), "and some is left for the next");
        assert_eq!(bodies.refused(), 2);
        let clone = first.pop();
        let kept = clone.clone();
        drop((first, clone));
        second.clear();
        assert_eq!(bodies.held(), 8_192);
        drop(kept);
        assert!(bodies.held() == 0 && bodies.held.lock().by.is_empty());
    }

    #[test]
    fn what_is_small_needs_no_room_and_no_body_counts_for_more_than_it_can_have() {
        let bodies = Arc::new(Bodies::new(0));
        assert_eq!(body(&bodies, "192.0.2.1", SMALL).unwrap().len(), SMALL);
        assert_eq!(body(&bodies, "192.0.2.1", SMALL + 1), Err(Full));
        bodies.allow(40_000);
        let room = bodies.room(address("192.0.2.1"));
        let mut gathering = Gathering::new(room, 20_000);
        for _ in 0..20 {
            gathering.add(Bytes::from(vec![b'x'; 1000])).unwrap();
        }
        assert_eq!(bodies.held(), 20_000);
        assert_eq!(gathering.whole().len(), 20_000);
        assert_eq!(bodies.held(), 0);
    }
}
