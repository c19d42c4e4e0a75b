//! Which TLS handshakes are under way? As many as there is room for; the oldest makes way for the next.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bartizan_core::admit::ClientAddress;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The handshakes of a listener of which the first byte has come.
///
/// Nobody waits for room here. Whoever does not go on with a handshake would else hold up all others, and a
/// handshake that goes on is over within a few round trips. So where all places are taken, the address that has
/// most of them gives up its oldest: only who begins handshakes faster than honest ones take loses any.
#[derive(Clone, Debug)]
pub(super) struct Handshakes {
    most: usize,
    under_way: Arc<Mutex<UnderWay>>,
}

#[derive(Debug, Default)]
struct UnderWay {
    all: usize,
    begun: u64,
    /// By address, of IPv6 by /64, the oldest first.
    by: HashMap<IpAddr, VecDeque<(u64, Arc<Notify>)>>,
}

/// The place of a handshake, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    bucket: IpAddr,
    gives_way: Arc<Notify>,
    under_way: Arc<Mutex<UnderWay>>,
}

impl Handshakes {
    /// At most so many at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), under_way: Arc::default() }
    }

    /// A place for one more; and whether another had to give way.
    pub(super) fn begin(&self, address: IpAddr) -> (Place, bool) {
        let bucket = ClientAddress::from(address).bucket();
        let gives_way = Arc::new(Notify::new());
        let mut under_way = self.under_way.lock();
        let full = under_way.all >= self.most;
        if full {
            under_way.oldest_of_most();
        }
        under_way.all += 1;
        under_way.begun += 1;
        let number = under_way.begun;
        under_way.by.entry(bucket).or_default().push_back((number, Arc::clone(&gives_way)));
        let place = Place { number, bucket, gives_way, under_way: Arc::clone(&self.under_way) };
        (place, full)
    }
}

impl UnderWay {
    /// Has the oldest handshake give way of the address that has most.
    fn oldest_of_most(&mut self) {
        let most = self.by.iter().max_by_key(|(_, places)| places.len());
        let Some((number, bucket, gives_way)) = most.and_then(|(bucket, places)| {
            places.front().map(|(number, gives_way)| (*number, *bucket, Arc::clone(gives_way)))
        }) else {
            return;
        };
        self.leave(bucket, number);
        gives_way.notify_one();
    }

    /// Frees a place, unless that has been done.
    fn leave(&mut self, bucket: IpAddr, number: u64) {
        let Some(places) = self.by.get_mut(&bucket) else { return };
        let Ok(at) = places.binary_search_by_key(&number, |(number, _)| *number) else { return };
        places.remove(at);
        self.all -= 1;
        if places.is_empty() {
            self.by.remove(&bucket);
        }
    }
}

impl Place {
    /// Ends when this handshake has to give way.
    pub(super) async fn gives_way(&self) {
        self.gives_way.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.under_way.lock().leave(self.bucket, self.number);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_oldest_of_the_address_with_most_gives_way_and_places_become_free() {
        let handshakes = Handshakes::new(4);
        let begin = |text: &str| handshakes.begin(text.parse().unwrap());
        let gone = |place: &Place| place.gives_way().now_or_never().is_some();
        let (honest, _) = begin("192.0.2.1");
        let flood: Vec<Place> = (0..3).map(|_| begin("192.0.2.9").0).collect();
        let (next, full) = begin("192.0.2.2");
        assert!(full && gone(&flood[0]) && !gone(&flood[1]));
        let (_more, full) = begin("192.0.2.9");
        assert!(full && gone(&flood[1]) && !gone(&flood[2]) && !gone(&honest) && !gone(&next));
        drop((flood, honest));
        let (_third, full) = begin("192.0.2.3");
        assert!(!full);
        drop((next, _more, _third));
        let under_way = handshakes.under_way.lock();
        assert!(under_way.all == 0 && under_way.by.is_empty());
    }
}
