//! The meter of a single gate: a book behind a lock, gone when the process ends.

use bartizan_core::limit::{
    Book, Capacity, Draw, Expired, Meter, ReservationId, Settlement, Told, Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;

/// Counters in memory. A restart forgets them; budgets that must hold across one belong in a
/// durable store.
#[derive(Debug)]
pub struct MemoryMeter {
    book: Mutex<Book>,
}

impl Default for MemoryMeter {
    fn default() -> Self {
        Self::with_capacity(Capacity::default())
    }
}

impl MemoryMeter {
    /// A meter that has counted nothing, of the default capacity.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A meter that holds so much.
    #[must_use]
    pub fn with_capacity(capacity: Capacity) -> Self {
        Self { book: Mutex::new(Book::with_capacity(capacity)) }
    }
}

// No call waits for anything but the lock, which is held for microseconds.
impl Meter for MemoryMeter {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::now(self.book.lock().reserve(id, draws, deadline, now))
    }

    fn spend<'a>(
        &'a self,
        _: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::now(self.book.lock().spend(draws, now))
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        Told::now(self.book.lock().depart(id, now))
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        Told::now(Ok(self.book.lock().extend(id, deadline, now)))
    }

    fn report<'a>(
        &'a self,
        id: ReservationId,
        used: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::now(Ok(self.book.lock().report(id, used, now)))
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::now(Ok(self.book.lock().settle(id, actual, now)))
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::now(Ok(self.book.lock().expire(now)))
    }
}
