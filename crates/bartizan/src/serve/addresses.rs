//! How many connections has an address? One that takes them all would leave none to others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use bartizan_core::admit::ClientAddress;
use parking_lot::Mutex;

/// The open connections of each address; of IPv6 those of a /64 together. It holds no more entries
/// than there are connections.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A connection of an address, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    bucket: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Addresses {
    /// At most so many for each.
    pub(super) fn new(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// A place for one more connection of this address; none where it has them all.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let bucket = ClientAddress::from(address).bucket();
        let mut open = self.open.lock();
        let many = open.entry(bucket).or_default();
        // At least one is open where there is none left: an entry is not made in vain.
        if *many >= self.most.max(1) {
            return None;
        }
        *many += 1;
        Some(Place { bucket, open: Arc::clone(&self.open) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(many) = open.get_mut(&self.bucket) {
            *many -= 1;
            if *many == 0 {
                open.remove(&self.bucket);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_room_for_others_and_is_forgotten_when_it_is_gone() {
        let addresses = Addresses::new(2);
        let take = |text: &str| addresses.take(text.parse().unwrap());
        let (first, second) = (take("192.0.2.1").unwrap(), take("::ffff:192.0.2.1").unwrap());
        assert!(take("192.0.2.1").is_none());
        let other = take("192.0.2.2").unwrap();
        // A subscriber has a whole /64.
        let (six, more) = (take("2001:db8::1").unwrap(), take("2001:db8::2").unwrap());
        assert!(take("2001:db8::3").is_none() && take("2001:db8:0:1::1").is_some());
        drop(first);
        let again = take("192.0.2.1").unwrap();
        drop((again, second, other, six, more));
        assert!(addresses.open.lock().is_empty());
    }
}
