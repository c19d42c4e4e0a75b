//! What moved from which account of a budget to which?
//!
//! A budget has three accounts: what is free, what calls under way have reserved, and what was
//! settled. Every movement is one [`Transfer`] from one of them to another, so the sum of the three
//! never changes, and a counter is nothing but the sum of its transfers.

use super::book::Book;
use super::counter::Counter;
use super::meter::{Expired, ReservationId, Settlement};
use super::reservation::{Reservation, Take};
use super::{Kind, MeterKey};
use crate::time::Timestamp;

/// One movement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transfer {
    /// For which reservation; none where an operator moved it.
    pub reservation: Option<ReservationId>,
    /// The counter.
    pub key: MeterKey,
    /// The first instant of the period; where a budget rolls, the entry.
    pub start: Timestamp,
    /// The first instant that is no longer in the period; the start again where a budget rolls.
    pub end: Timestamp,
    /// Where it came from.
    pub debit: Account,
    /// Where it went.
    pub credit: Account,
    /// How much, in the budget's measure; never zero.
    pub amount: u64,
    /// Why.
    pub cause: Cause,
}

/// Where the money of a budget is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Account {
    /// It may be reserved.
    Free,
    /// A call under way may spend it.
    Reserved,
    /// It is spent.
    Settled,
}

/// Why it moved.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// A late word on a reservation that had expired.
    Corrected,
    /// The deadline passed.
    Expired,
    /// More was used than was reserved.
    Overdrawn,
    /// A call took it.
    Reserved,
    /// An operator began anew.
    Reset,
    /// A call ended.
    Settled,
}

impl Account {
    /// The word for it in stores.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Reserved => "reserved",
            Self::Settled => "settled",
        }
    }

    /// The account that a store wrote.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Free, Self::Reserved, Self::Settled].into_iter().find(|one| one.code() == code)
    }
}

impl Cause {
    /// The word for it in stores.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Expired => "expired",
            Self::Overdrawn => "overdrawn",
            Self::Reserved => "reserved",
            Self::Reset => "reset",
            Self::Settled => "settled",
        }
    }
}

/// What a reservation that was just made moved.
#[must_use]
pub fn held(id: ReservationId, reservation: &Reservation, book: &Book) -> Vec<Transfer> {
    let moves = reservation.takes.iter().filter_map(|take| {
        let free = (Account::Free, Account::Reserved);
        Slip::of(id, take, book)?.moved(free, take.amount, Cause::Reserved)
    });
    moves.collect()
}

/// What a settlement moved; `was` is how the reservation stood before it.
#[must_use]
pub fn settled(
    id: ReservationId,
    was: &Reservation,
    settlement: &Settlement,
    book: &Book,
) -> Vec<Transfer> {
    let mut moves = Vec::new();
    for charge in &settlement.charges {
        let Some(take) = was.takes.iter().find(|take| take.key == charge.key) else { continue };
        let Some(slip) = Slip::of(id, take, book) else { continue };
        if was.is_open() {
            moves.extend(slip.closed(take.amount, charge.actual, Cause::Settled));
            continue;
        }
        // A late word changes what the counter says now, and only that: a period that is over
        // stays as it was, and what an operator has forgiven is not taken back.
        let more = charge.after.saturating_sub(charge.before);
        let less = charge.before.saturating_sub(charge.after);
        moves.extend(slip.moved((Account::Free, Account::Settled), more, Cause::Corrected));
        moves.extend(slip.moved((Account::Settled, Account::Free), less, Cause::Corrected));
    }
    moves
}

/// What was charged of a reservation that stays open; `was` is how it stood before.
#[must_use]
pub fn reported(
    id: ReservationId,
    was: &Reservation,
    settlement: &Settlement,
    book: &Book,
) -> Vec<Transfer> {
    let moves = settlement.charges.iter().filter_map(|charge| {
        let take = was.takes.iter().find(|take| take.key == charge.key)?;
        let slip = Slip::of(id, take, book)?;
        Some(slip.closed(charge.reserved, charge.actual, Cause::Settled))
    });
    moves.flatten().collect()
}

/// What an expiry moved.
#[must_use]
pub fn lapsed(expired: &Expired, reservation: &Reservation, book: &Book) -> Vec<Transfer> {
    let moves = reservation.takes.iter().filter_map(|take| {
        let actual = take.stands(reservation.state);
        Some(Slip::of(expired.id, take, book)?.closed(take.amount, actual, Cause::Expired))
    });
    moves.flatten().collect()
}

/// An operator forgave what was settled in the period from `start` to `end`.
#[must_use]
pub fn forgiven(key: &MeterKey, start: Timestamp, end: Timestamp, amount: u64) -> Option<Transfer> {
    let slip = Slip { reservation: None, key, start, end };
    slip.moved((Account::Settled, Account::Free), amount, Cause::Reset)
}

/// Of which reservation, counter and period a movement is.
struct Slip<'a> {
    reservation: Option<ReservationId>,
    key: &'a MeterKey,
    start: Timestamp,
    end: Timestamp,
}

impl<'a> Slip<'a> {
    /// None for what is no budget.
    fn of(id: ReservationId, take: &'a Take, book: &Book) -> Option<Self> {
        let start = take.mark.period().filter(|_| take.kind == Kind::Budget)?;
        let end = match book.counter(&take.key) {
            Some(Counter::Budget(budget)) => {
                budget.ledgers().find(|ledger| ledger.start == start).map(|ledger| ledger.end)
            }
            _ => None,
        };
        Some(Self { reservation: Some(id), key: &take.key, start, end: end.unwrap_or(start) })
    }

    /// A reservation of `reserved` came to `actual`.
    fn closed(&self, reserved: u64, actual: u64, cause: Cause) -> Vec<Transfer> {
        let spent = (Account::Reserved, Account::Settled);
        let back = (Account::Reserved, Account::Free);
        let over = (Account::Free, Account::Settled);
        let moves = [
            self.moved(spent, reserved.min(actual), cause),
            self.moved(back, reserved.saturating_sub(actual), cause),
            self.moved(over, actual.saturating_sub(reserved), Cause::Overdrawn),
        ];
        moves.into_iter().flatten().collect()
    }

    fn moved(&self, from: (Account, Account), amount: u64, cause: Cause) -> Option<Transfer> {
        let (debit, credit) = from;
        let Self { reservation, start, end, .. } = *self;
        let key = self.key.clone();
        let made = Transfer { reservation, key, start, end, debit, credit, amount, cause };
        (amount > 0).then_some(made)
    }
}
