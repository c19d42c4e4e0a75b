//! What does a window hold that has counted a few single draws?

use super::log::Entry;
use super::room::Room;
use crate::time::Timestamp;

/// A window of up to eight units, each with its instant, in three quarters of a line of the cache: that is
/// all that most keys ever have. What does not fit here stands elsewhere, in full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Few {
    /// The instant of the oldest unit. Everything else is told as a distance from it, in microseconds.
    base: Timestamp,
    /// When the other units came, the oldest first.
    others: [u32; OTHERS],
    /// The latest instant it was told.
    latest: u32,
    /// Of the window.
    length: u32,
    limit: u16,
    /// How many other units there are.
    many: u8,
    /// Is there a unit at the base?
    any: bool,
}

const OTHERS: usize = 7;

impl Few {
    /// An empty one, whose clock stands at `latest`; none where limit or length are too large.
    pub(super) fn new(limit: u64, length: u64, latest: Timestamp) -> Option<Self> {
        let (limit, length) = (u16::try_from(limit).ok()?, u32::try_from(length).ok()?);
        let others = [0; OTHERS];
        Some(Self { base: latest, others, latest: 0, length, limit, many: 0, any: false })
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.into()
    }

    /// Microseconds.
    pub(super) fn length(&self) -> u64 {
        self.length.into()
    }

    fn shape(&self) -> (u64, u64) {
        (self.limit.into(), self.length.into())
    }

    pub(super) fn latest(&self) -> Timestamp {
        self.after(self.latest.into())
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    pub(super) fn total(&self) -> u64 {
        u64::from(self.many) + u64::from(self.any)
    }

    /// The instant of the oldest unit.
    pub(super) fn oldest(&self) -> Timestamp {
        self.base
    }

    /// The instant of the newest unit.
    pub(super) fn newest(&self) -> Timestamp {
        self.units().last().unwrap_or(self.base)
    }

    /// What it holds, units of one instant together.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + use<> {
        let mut units = self.units().peekable();
        std::iter::from_fn(move || {
            let at = units.next()?;
            let mut sum = 1;
            while units.next_if_eq(&at).is_some() {
                sum += 1;
            }
            Some(Entry(at, at, sum))
        })
    }

    /// Sets another limit and length; false where they do not fit.
    pub(super) fn fit(&mut self, limit: u64, length: u64) -> bool {
        if (limit, length) == self.shape() {
            return true;
        }
        let (Ok(limit), Ok(length)) = (u16::try_from(limit), u32::try_from(length)) else {
            return false;
        };
        (self.limit, self.length) = (limit, length);
        true
    }

    /// Moves the clock, never back; what has left is forgotten.
    pub(super) fn advance(&mut self, now: Timestamp) {
        let later = now.0.saturating_sub(self.base.0).max(self.latest.into());
        if !self.any {
            (self.base, self.latest) = (self.after(later), 0);
        } else if later < self.length.into() {
            // Less than the length, which fits.
            self.latest = u32::try_from(later).unwrap_or(u32::MAX);
        } else {
            self.drop_oldest(self.after(later));
        }
    }

    /// Is there room for `amount`, which the limit allows?
    pub(super) fn room(&self, amount: u64) -> Room {
        match self.total().saturating_add(amount).saturating_sub(self.limit.into()) {
            0 => Room::Free,
            over => {
                let last = usize::try_from(over - 1).ok().and_then(|last| self.units().nth(last));
                let last = last.unwrap_or_else(|| self.latest());
                Room::At(Timestamp(last.0.saturating_add(self.length.into())))
            }
        }
    }

    /// Counts `amount` at the latest instant; false where it does not fit, and then nothing is counted.
    pub(super) fn add(&mut self, amount: u64) -> bool {
        if self.total().saturating_add(amount) > OTHERS as u64 + 1 {
            return false;
        }
        for _ in 0..amount {
            if !self.any {
                (self.base, self.latest, self.any) = (self.latest(), 0, true);
            } else if let Some(unit) = self.others.get_mut(usize::from(self.many)) {
                *unit = self.latest;
                self.many += 1;
            }
        }
        true
    }

    /// Fits, advances, looks for room and adds, where nothing leaves and one unit has room: most often it
    /// is so, and then all of it is a few comparisons. How many units there are then, and when the oldest
    /// leaves; none where it is not so, and then nothing is done.
    #[inline(always)]
    pub(super) fn add_one(
        &mut self,
        limit: u64,
        length: u64,
        now: Timestamp,
    ) -> Option<(u64, Timestamp)> {
        let later = now.0.saturating_sub(self.base.0).max(self.latest.into());
        let held = u64::from(self.many) + 2;
        if !self.any || later >= length || held > limit || (limit, length) != self.shape() {
            return None;
        }
        let unit = self.others.get_mut(usize::from(self.many))?;
        // Less than the length, which fits.
        self.latest = u32::try_from(later).unwrap_or(u32::MAX);
        *unit = self.latest;
        self.many += 1;
        Some((held, self.after(length)))
    }

    /// Takes as much as there is of `amount` from what was counted at `mark`.
    pub(super) fn reduce(&mut self, mark: Timestamp, amount: u64) {
        let mut left = amount;
        let mut stays = |unit: &Timestamp| {
            let goes = *unit == mark && left > 0;
            left -= u64::from(goes);
            !goes
        };
        if amount > 0 {
            *self = self.holding(self.units().filter(&mut stays), self.latest());
        }
    }

    /// The instants of all units, the oldest first.
    fn units(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let Self { base, others, many, any, .. } = *self;
        let others = others.into_iter().take(many.into());
        let at = move |distance: u32| Timestamp(base.0.saturating_add(distance.into()));
        any.then_some(base).into_iter().chain(others.map(at))
    }

    /// The oldest unit has left, and others may have: what comes after them is the new base.
    fn drop_oldest(&mut self, now: Timestamp) {
        let length = u64::from(self.length);
        let stays = |at: &Timestamp| at.0.saturating_add(length) > now.0;
        *self = self.holding(self.units().filter(stays), now);
    }

    /// The same window with these units, and no others.
    fn holding(self, units: impl Iterator<Item = Timestamp>, latest: Timestamp) -> Self {
        let mut kept = Self { base: latest, latest: 0, many: 0, any: false, ..self };
        for unit in units {
            let distance = kept.distance(unit);
            if !kept.any {
                (kept.base, kept.any) = (unit, true);
            } else if let Some(other) = kept.others.get_mut(usize::from(kept.many)) {
                *other = distance;
                kept.many += 1;
            }
        }
        kept.latest = kept.distance(latest);
        kept
    }

    /// How far after the base: less than the length, since nothing older is held.
    fn distance(&self, at: Timestamp) -> u32 {
        u32::try_from(at.0.saturating_sub(self.base.0)).unwrap_or(u32::MAX)
    }

    fn after(&self, distance: u64) -> Timestamp {
        Timestamp(self.base.0.saturating_add(distance))
    }
}
