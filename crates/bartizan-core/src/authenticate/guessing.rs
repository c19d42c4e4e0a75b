//! Who keeps showing credentials that are none? Counted by address, bounded, forgiven by time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Rejection;
use crate::admit::ClientAddress;
use crate::time::Timestamp;

/// How many bad credentials an address may show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// So many at once.
    pub failures: u32,
    /// In so long; as fast as that they are forgiven.
    pub period: Duration,
    /// How many addresses are remembered; about twice as many at most.
    pub addresses: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 20, period: Duration::from_mins(1), addresses: 10_000 }
    }
}

/// The addresses that lately showed bad credentials.
#[derive(Debug, Default)]
pub struct Guessing {
    patience: Patience,
    /// When an address would be forgiven everything.
    young: HashMap<IpAddr, Timestamp>,
    old: HashMap<IpAddr, Timestamp>,
}

impl Guessing {
    /// Nobody has guessed yet.
    #[must_use]
    pub fn new(patience: Patience) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Whether so bad a credential may be a guess. Who comes with an old one, or with none, or
    /// speaks another dialect is mistaken, and guesses nothing.
    #[must_use]
    pub fn counts(rejection: Rejection) -> bool {
        match rejection {
            Rejection::Forged
            | Rejection::Malformed
            | Rejection::Proof(_)
            | Rejection::Unknown
            | Rejection::Untrusted(_) => true,
            Rejection::Ambiguous
            | Rejection::Expired
            | Rejection::InQuery
            | Rejection::Missing
            | Rejection::Nonce(_)
            | Rejection::NotExchangeable
            | Rejection::NotYetValid
            | Rejection::Revoked
            | Rejection::Scheme => false,
        }
    }

    /// Counts a bad credential. Tells how long the address must wait, where it was one too many.
    pub fn failed(&mut self, from: ClientAddress, now: Timestamp) -> Option<Duration> {
        let wait = self.waits(from, now);
        if wait.is_some() {
            // Not counted: else whoever goes on would never be forgiven.
            return wait;
        }
        let forgiven = self.forgiven(from).unwrap_or(now).max(now).plus(self.each());
        if self.young.len() >= self.patience.addresses.max(1) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(from.bucket(), forgiven);
        None
    }

    /// How long the address must wait before another guess is looked at; none where it need not.
    #[must_use]
    pub fn waits(&self, from: ClientAddress, now: Timestamp) -> Option<Duration> {
        let room = self.each() * self.patience.failures.saturating_sub(1);
        let next = self.forgiven(from)?.minus(room);
        (next > now).then(|| next.since(now))
    }

    fn forgiven(&self, from: ClientAddress) -> Option<Timestamp> {
        let bucket = from.bucket();
        self.young.get(&bucket).or_else(|| self.old.get(&bucket)).copied()
    }

    /// In how long one guess is forgiven.
    fn each(&self) -> Duration {
        self.patience.period / self.patience.failures.max(1)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::admit::Proxies;

    fn at(text: &str) -> ClientAddress {
        Proxies::default().client(text.parse().unwrap(), &HeaderMap::new())
    }

    #[test]
    fn an_address_may_be_wrong_so_often_and_again_after_a_while() {
        let patience = Patience { failures: 3, period: Duration::from_secs(60), addresses: 10 };
        let (mut guessing, one) = (Guessing::new(patience), at("192.0.2.1"));
        let now = Timestamp::from_secs(1_000);
        for _ in 0..3 {
            assert_eq!(guessing.failed(one, now), None);
        }
        assert_eq!(guessing.failed(one, now), Some(Duration::from_secs(20)));
        assert_eq!(guessing.waits(one, now), Some(Duration::from_secs(20)));
        assert_eq!(guessing.waits(at("192.0.2.2"), now), None);
        let later = now.plus(Duration::from_secs(20));
        assert_eq!(guessing.waits(one, later), None);
        assert_eq!(guessing.failed(one, later), None);
        assert_eq!(guessing.failed(one, later), Some(Duration::from_secs(20)));
        assert_eq!(guessing.waits(one, now.plus(Duration::from_secs(100))), None);
    }

    #[test]
    fn a_subscriber_has_one_count_and_a_flood_of_them_little_room() {
        let patience = Patience { failures: 1, period: Duration::from_secs(60), addresses: 100 };
        let mut guessing = Guessing::new(patience);
        let now = Timestamp::from_secs(1_000);
        assert_eq!(guessing.failed(at("2001:db8::1"), now), None);
        assert!(guessing.waits(at("2001:db8::2"), now).is_some(), "the same /64");
        for i in 0..10_000u32 {
            let v4 = std::net::Ipv4Addr::from(0x0a00_0000 + i).to_string();
            guessing.failed(at(&v4), now);
        }
        assert!(guessing.young.len() + guessing.old.len() <= 200);
    }
}
