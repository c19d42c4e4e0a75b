//! How many of what there is may one have? One who takes all of them would leave none to others.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;

/// Places that several share: connections of addresses, WebSockets of callers. It holds no more entries than there
/// are places.
///
/// Where no number is said, one may have as many as are left for all others: alone half, of two each a third.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    all: usize,
    of_one: Option<usize>,
    taken: Arc<Mutex<Taken<K>>>,
}

#[derive(Debug)]
struct Taken<K> {
    all: usize,
    by: HashMap<K, usize>,
}

/// A place of one of them, until it is dropped.
pub(crate) struct Place<K: Eq + Hash> {
    whose: K,
    taken: Arc<Mutex<Taken<K>>>,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// So many places, and at most `of_one` for each who has any.
    pub(crate) fn new(all: usize, of_one: Option<usize>) -> Self {
        let taken = Taken { all: 0, by: HashMap::new() };
        Self { all, of_one, taken: Arc::new(Mutex::new(taken)) }
    }

    /// One more place; none where there is none left, or where this one has its share.
    pub(crate) fn take(&self, whose: K) -> Option<Place<K>> {
        let mut taken = self.taken.lock();
        let left = self.all.checked_sub(taken.all).filter(|left| *left > 0)?;
        let own = taken.by.get(&whose).copied().unwrap_or_default();
        if own >= self.of_one.unwrap_or(left).max(1) {
            return None;
        }
        taken.all += 1;
        taken.by.insert(whose.clone(), own + 1);
        drop(taken);
        Some(Place { whose, taken: Arc::clone(&self.taken) })
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.all -= 1;
        if let Some(own) = taken.by.get_mut(&self.whose) {
            *own -= 1;
            if *own == 0 {
                taken.by.remove(&self.whose);
            }
        }
    }
}

impl<K: Eq + Hash + fmt::Debug> fmt::Debug for Place<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({:?})", self.whose)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::net::IpAddr;

    use bartizan_core::admit::ClientAddress;

    use super::*;

    #[test]
    fn one_leaves_room_for_others_and_is_forgotten_when_it_is_gone() {
        let addresses = Shares::new(100, Some(2));
        let take = |text: &str| {
            addresses.take(ClientAddress::from(text.parse::<IpAddr>().unwrap()).bucket())
        };
        let (first, second) = (take("192.0.2.1").unwrap(), take("::ffff:192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let other = take("192.0.2.2").unwrap();
        // A subscriber has a whole /64.
        let (six, more) = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_none() && take("2001:db8:0:1::1").is_some());
        drop(first);
        let again = take("192.0.2.1").unwrap();
        drop((again, second, other, six, more));
        assert!(addresses.taken.lock().all == 0 && addresses.taken.lock().by.is_empty());
    }

    #[test]
    fn without_a_number_one_has_as_many_as_are_left_for_all_others() {
        let shares = Shares::new(12, None);
        let all = |whose: &str| -> Vec<_> {
            std::iter::from_fn(|| shares.take(whose.to_owned())).collect()
        };
        let places = [all("a"), all("b"), all("c"), all("d")];
        assert_eq!(places.map(|places| places.len()), [6, 3, 2, 1]);
        let few = Shares::new(1, None);
        let only = few.take("a");
        assert!(only.is_some() && few.take("b").is_none());
    }
}
