//! Has this been guessed too often? By name and address together, and by address.

use std::sync::Arc;
use std::time::Duration;

use crate::admit::ClientAddress;
use crate::limit::{Draw, Measure, Rule, Shape};

/// How often a secret may be tried before it must be waited.
///
/// What counts is failures: every attempt reserves one draw before it is looked at, and an
/// attempt that succeeds gives it back. A name is never throttled as such, so guessing from one
/// address does not lock its owner out at another.
#[derive(Clone, Debug)]
pub struct Throttle {
    pair: Arc<Rule>,
    address: Arc<Rule>,
}

/// Ten failures for a name from one address, a hundred for an address, in a quarter of an hour.
impl Default for Throttle {
    fn default() -> Self {
        Self::new(10, 100, Duration::from_mins(15))
    }
}

impl Throttle {
    /// How many failures in any `window` are borne for a name from one address, and for an
    /// address in all.
    #[must_use]
    pub fn new(pair: u64, address: u64, window: Duration) -> Self {
        let rule = |name: &str, limit| {
            let shape = Shape::Window { limit, length: window };
            Arc::new(Rule::new(name, Measure::Requests, shape))
        };
        Self { pair: rule("guesses-by-name", pair), address: rule("guesses-by-address", address) }
    }

    /// What an attempt on `name` from `address` draws.
    #[must_use]
    pub fn draws(&self, name: &str, address: ClientAddress) -> Vec<Draw> {
        let address = address.bucket().to_string();
        let pair = format!("{address} {name}");
        vec![
            Draw::new(Arc::clone(&self.pair), &pair, 1),
            Draw::new(Arc::clone(&self.address), &address, 1),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::limit::{Book, ReservationId, Verdict, nothing_used};
    use crate::time::Timestamp;

    struct Door {
        book: Book,
        throttle: Throttle,
        next: u128,
    }

    impl Door {
        fn knock(&mut self, name: &str, address: &str, right: bool, at: u64) -> bool {
            let address: IpAddr = address.parse().unwrap();
            let draws = self.throttle.draws(name, address.into());
            let (id, now) = (ReservationId(self.next), Timestamp::from_secs(at));
            self.next += 1;
            let deadline = now.plus(Duration::from_mins(1));
            let verdict = self.book.reserve(id, &draws, deadline, now).unwrap();
            let let_in = matches!(verdict, Verdict::Taken { .. });
            if let_in {
                let actual = if right { nothing_used(&draws) } else { draws };
                self.book.settle(id, &actual, now);
            }
            let_in
        }
    }

    fn door() -> Door {
        Door { book: Book::default(), throttle: Throttle::default(), next: 0 }
    }

    #[test]
    fn guessing_a_name_stops_and_its_owner_elsewhere_goes_on() {
        let mut door = door();
        for second in 0..10 {
            assert!(door.knock("agent1", "192.0.2.1", false, second));
        }
        assert!(!door.knock("agent1", "192.0.2.1", false, 10));
        assert!(!door.knock("agent1", "192.0.2.1", true, 10), "the right password looks the same");
        assert!(door.knock("agent1", "198.51.100.7", true, 10));
        assert!(door.knock("agent1", "192.0.2.1", true, 15 * 60 + 10));
    }

    #[test]
    fn one_address_cannot_try_one_password_on_every_name() {
        let mut door = door();
        let tried =
            (0..200).filter(|i| door.knock(&format!("user{i}"), "192.0.2.1", false, *i / 10));
        assert_eq!(tried.count(), 100);
    }

    #[test]
    fn logging_in_is_not_guessing() {
        let mut door = door();
        assert!((0..500).all(|i| door.knock("agent1", "192.0.2.1", true, i / 10)));
    }
}
