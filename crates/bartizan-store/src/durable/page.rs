//! What becomes of a batch of calls? What they touch in, what is to be written out. No I/O.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bartizan_core::limit::treasury::rebuilt;
use bartizan_core::limit::{
    Book, Counter, Draw, Expired, Kind, MeterKey, Period, Reservation, ReservationId, Settlement,
    Shape, Sum, Transfer, Unavailable, Verdict, transfer,
};
use bartizan_core::time::Timestamp;

use super::rows::{CounterRow, ReservationRow, id, parse, reservation};

/// A call on the meter.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Depart { id: ReservationId, now: Timestamp },
    Expire { now: Timestamp },
    Extend { id: ReservationId, deadline: Timestamp, now: Timestamp },
    Report { id: ReservationId, used: Vec<Draw>, now: Timestamp },
    Reserve { id: ReservationId, draws: Vec<Draw>, deadline: Timestamp, now: Timestamp },
    Settle { id: ReservationId, actual: Vec<Draw>, now: Timestamp },
}

/// What it is answered.
#[derive(Debug)]
pub(crate) enum Said {
    Departed(Result<(), Unavailable>),
    /// What ran out of time stands in [`Done::lapsed`].
    Expired,
    Extended(bool),
    Settled(Settlement),
    Verdict(Result<Verdict, Unavailable>),
}

/// How many overdue reservations any batch closes in passing.
const IN_PASSING: i64 = 8;
/// How many one for that purpose closes.
pub(crate) const IN_BULK: i64 = 256;
/// The most that one draw counts: the sums of all that were ever made stay within 64 bits. In
/// money a billion dollars a call.
const MOST: u64 = 1 << 60;

impl Call {
    fn id(&self) -> Option<ReservationId> {
        match self {
            Self::Depart { id, .. }
            | Self::Extend { id, .. }
            | Self::Report { id, .. }
            | Self::Reserve { id, .. }
            | Self::Settle { id, .. } => Some(*id),
            Self::Expire { .. } => None,
        }
    }

    fn draws(&self) -> &[Draw] {
        match self {
            Self::Report { used: draws, .. }
            | Self::Reserve { draws, .. }
            | Self::Settle { actual: draws, .. } => draws,
            Self::Depart { .. } | Self::Expire { .. } | Self::Extend { .. } => &[],
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::Depart { now, .. }
            | Self::Expire { now }
            | Self::Extend { now, .. }
            | Self::Report { now, .. }
            | Self::Reserve { now, .. }
            | Self::Settle { now, .. } => *now,
        }
    }
}

/// What a batch touches, beside the counters of the reservations that are found.
pub(crate) struct Touched {
    pub(crate) ids: Vec<ReservationId>,
    pub(crate) keys: Vec<MeterKey>,
    /// How many reservations that are overdue are closed as well.
    pub(crate) overdue: i64,
}

impl Touched {
    pub(crate) fn by(calls: &[Call]) -> Self {
        let keys = calls.iter().flat_map(|call| call.draws().iter().map(|draw| draw.key.clone()));
        let bulk = calls.iter().any(|call| matches!(call, Call::Expire { .. }));
        Self {
            ids: calls.iter().filter_map(Call::id).collect(),
            keys: keys.collect(),
            overdue: if bulk { IN_BULK } else { IN_PASSING },
        }
    }

    /// The keys of all counters: those of the calls, and those of the reservations found.
    pub(crate) fn all_keys(&self, before: &Before) -> Vec<String> {
        let takes = before.reservations.values().flat_map(|reservation| &reservation.takes);
        let keys = self.keys.iter().chain(takes.map(|take| &take.key));
        let mut keys: Vec<String> = keys.map(|key| key.as_str().to_owned()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

/// Budgets that the calls name and that have no counter, and since when what the ledger knows of each
/// still counts. A counter is forgotten when its period is over, by a clock that may have been wrong:
/// then the ledger says what was spent, and nobody begins at zero.
pub(crate) fn forgotten(
    calls: &[Call],
    before: &Before,
    clock: Timestamp,
) -> BTreeMap<MeterKey, Timestamp> {
    let draws = calls.iter().flat_map(Call::draws);
    let unknown = draws.filter(|draw| !before.counters.contains_key(&draw.key));
    let since = unknown.filter_map(|draw| match &draw.rule.shape {
        // One entry of a window may have begun before the window.
        Shape::Budget { period: Period::Rolling(length), .. } => {
            Some((draw.key.clone(), clock.minus(*length * 2)))
        }
        Shape::Budget { period, .. } => Some((draw.key.clone(), period.bounds(clock).0)),
        Shape::Concurrency { .. } | Shape::Gcra { .. } | Shape::Window { .. } => None,
    });
    since.collect()
}

/// What stood in the store.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) counters: HashMap<MeterKey, Counter>,
    pub(crate) reservations: HashMap<ReservationId, Reservation>,
    /// Limits that stand in the place of the configured ones.
    pub(crate) limits: HashMap<MeterKey, u64>,
}

/// What is to be written, in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) counters: Vec<(MeterKey, Counter)>,
    pub(crate) reservations: Vec<(ReservationId, Reservation)>,
    /// Counters of budgets on which open reservations draw, and until when these are open: a call may
    /// outlive the window of a budget that rolls, and its counter says what the call came to.
    pub(crate) held: Vec<(MeterKey, Timestamp)>,
    pub(crate) transfers: Vec<Transfer>,
    pub(crate) clock: Timestamp,
}

/// What a batch came to. It counts when it is written.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) said: Vec<Said>,
    pub(crate) lapsed: Vec<Expired>,
    /// There may be more that is overdue.
    pub(crate) more: bool,
}

impl Before {
    /// Takes up reservations that were read.
    pub(crate) fn hold_reservations(
        &mut self,
        rows: Vec<ReservationRow>,
    ) -> Result<(), Unavailable> {
        for (key, state, deadline, takes) in rows {
            self.reservations.insert(id(&key)?, reservation(&state, deadline, &takes)?);
        }
        Ok(())
    }

    /// Takes up counters and limits that were read.
    pub(crate) fn hold_counters(&mut self, rows: Vec<CounterRow>) -> Result<(), Unavailable> {
        for (key, state, limit) in rows {
            let key = MeterKey::from(&*key);
            if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) {
                self.limits.insert(key.clone(), limit);
            }
            if let Some(state) = state {
                self.counters.insert(key, parse(&state)?);
            }
        }
        Ok(())
    }

    /// Takes up what the ledger says of budgets whose counters are gone.
    pub(crate) fn hold_sums(&mut self, sums: &[Sum], clock: Timestamp) {
        self.counters.extend(rebuilt(&BTreeMap::new(), sums, clock));
    }

    /// Decides on the calls one after the other. `clock` is the latest instant that the store was
    /// told; `own` is its own clock, where that decides.
    pub(crate) fn decide(
        &self,
        calls: &[Call],
        clock: Timestamp,
        own: Option<Timestamp>,
    ) -> (Done, Written) {
        let mut book = Book::page(clock);
        for (key, counter) in &self.counters {
            book.hold_counter(key, counter.clone());
        }
        for (id, reservation) in &self.reservations {
            book.hold_reservation(*id, reservation.clone());
        }
        let mut transfers = Vec::new();
        let latest = calls.iter().map(Call::now).max().unwrap_or_default();
        let said = calls.iter().map(|call| self.one(call, own, &mut book, &mut transfers));
        let said = said.collect();
        let lapsed = book.expire(own.unwrap_or(latest));
        for expired in &lapsed {
            if let Some(reservation) = self.lapsed(expired, &book) {
                transfers.extend(transfer::lapsed(expired, &reservation, &book));
            }
        }
        let more = i64::try_from(lapsed.len()).unwrap_or(i64::MAX) >= IN_BULK;
        let clock = clock.max(own.unwrap_or(latest));
        (Done { said, lapsed, more }, self.written(&book, transfers, clock))
    }

    fn one(
        &self,
        call: &Call,
        own: Option<Timestamp>,
        book: &mut Book,
        transfers: &mut Vec<Transfer>,
    ) -> Said {
        match call {
            Call::Expire { .. } => Said::Expired,
            Call::Depart { id, now } => Said::Departed(book.depart(*id, own.unwrap_or(*now))),
            Call::Extend { id, deadline, now } => {
                let at = own.unwrap_or(*now);
                Said::Extended(book.extend(*id, at.plus(deadline.since(*now)), at))
            }
            Call::Report { id, used, now } => {
                let was = book.reservation(*id).cloned();
                let settlement = book.report(*id, &self.limited(used), own.unwrap_or(*now));
                if let Some(was) = was {
                    transfers.extend(transfer::reported(*id, &was, &settlement, book));
                }
                Said::Settled(settlement)
            }
            Call::Reserve { id, draws, deadline, now } => {
                let at = own.unwrap_or(*now);
                let new = book.reservation(*id).is_none();
                let draws = self.limited(draws);
                let verdict = book.reserve(*id, &draws, at.plus(deadline.since(*now)), at);
                if let Some(reservation) = book.reservation(*id).filter(|_| new) {
                    transfers.extend(transfer::held(*id, reservation, book));
                }
                Said::Verdict(verdict)
            }
            Call::Settle { id, actual, now } => {
                let was = book.reservation(*id).cloned();
                let settlement = book.settle(*id, &self.limited(actual), own.unwrap_or(*now));
                if let Some(was) = was {
                    transfers.extend(transfer::settled(*id, &was, &settlement, book));
                }
                Said::Settled(settlement)
            }
        }
    }

    /// A reservation that ran out, with what it had taken. Settled late in the same batch, it has
    /// let go of that; but then it stood in the store.
    fn lapsed(&self, expired: &Expired, book: &Book) -> Option<Reservation> {
        let now = book.reservation(expired.id)?;
        if !now.takes.is_empty() {
            return Some(now.clone());
        }
        let mut was = self.reservations.get(&expired.id)?.clone();
        was.state = if expired.departed {
            bartizan_core::limit::State::Charged
        } else {
            bartizan_core::limit::State::GivenBack
        };
        Some(was)
    }

    /// The draws as they count: within bounds, and under the limit that an operator has set.
    fn limited(&self, draws: &[Draw]) -> Vec<Draw> {
        let limited = |draw: &Draw| {
            let mut draw = draw.clone();
            draw.amount = draw.amount.min(MOST);
            if let Some(limit) = self.limits.get(&draw.key) {
                draw.rule = Arc::new(draw.rule.with_limit(*limit));
            }
            draw
        };
        draws.iter().map(limited).collect()
    }

    /// What has changed.
    fn written(&self, book: &Book, transfers: Vec<Transfer>, clock: Timestamp) -> Written {
        let counters = book.counters().filter(|(key, now)| self.counters.get(key) != Some(now));
        let reservations =
            book.reservations().filter(|(id, now)| self.reservations.get(id) != Some(now));
        let reservations: Vec<_> = reservations.map(|(id, one)| (id, one.clone())).collect();
        let open = reservations.iter().filter(|(_, one)| one.is_open());
        let held = open.flat_map(|(_, one)| {
            let budgets = one.takes.iter().filter(|take| take.kind == Kind::Budget);
            budgets.map(|take| (take.key.clone(), one.deadline))
        });
        Written {
            counters: counters.map(|(key, counter)| (key.clone(), counter.clone())).collect(),
            held: held.collect(),
            reservations,
            transfers,
            clock,
        }
    }
}
