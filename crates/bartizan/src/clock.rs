//! What time is it, and what is chance? The only place that asks the machine.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use bartizan_core::time::Timestamp;

/// The time of day, taken once when an exchange opens and once when it ends.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the argument comes from")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// How much chance is fetched from the kernel at once, in bytes.
const POOL: usize = 1024;

thread_local! {
    static CHANCE: RefCell<(Vec<u8>, usize)> = const { RefCell::new((Vec::new(), POOL)) };
}

/// 128 unguessable bits, for names. Keys and secrets ask the kernel themselves.
///
/// # Panics
/// Where the kernel has no randomness to give: nothing sound could be done without.
#[must_use]
pub fn chance() -> u128 {
    CHANCE.with_borrow_mut(|(pool, used)| {
        let mut name = [0; 16];
        if *used + name.len() > pool.len() {
            pool.resize(POOL, 0);
            fill(pool);
            *used = 0;
        }
        if let Some(fresh) = pool.get(*used..*used + name.len()) {
            name.copy_from_slice(fresh);
        }
        *used += name.len();
        u128::from_ne_bytes(name)
    })
}

#[expect(clippy::panic, reason = "without chance every name could be guessed: stop")]
fn fill(pool: &mut [u8]) {
    if let Err(error) = getrandom::fill(pool) {
        panic!("the kernel gives no randomness: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn no_two_names_are_alike() {
        let names: HashSet<u128> = (0..10_000).map(|_| super::chance()).collect();
        assert_eq!(names.len(), 10_000);
    }
}
