//! In how many ways is a text read? As it stands, and around everything that hides text also with
//! that undone; what is found first in either way is found.
//!
//! Both readings give answers that hold for every continuation of the text, so does their union:
//! of two findings the one that begins first wins, at the same byte the one that the search itself
//! would prefer, and the text as it stands before the other.

use crate::{
    Window,
    scan::{Candidate, Scanner, Search, rank},
    sweep::Sweep,
    unfold::{self, AHEAD, BEHIND, Folded},
};

/// The most of a text that is unfolded at a time, in bytes.
const STRETCH: usize = 32 * 1024;
/// Before a stretch begins so much more is unfolded than is seen from it, for units that are cut.
const MARGIN: usize = 64;

/// What is known of one text in both readings, kept from search to search.
#[derive(Debug, Default)]
pub(crate) struct Reader<'s> {
    sweep: Sweep,
    plain: Option<Search<'s>>,
    unfolded: Option<Box<Unfolded<'s>>>,
    /// No unit stands before this place that was not unfolded.
    searched: usize,
}

/// A stretch of the text with its units undone.
#[derive(Debug, Default)]
struct Unfolded<'s> {
    active: bool,
    folded: Folded,
    sweep: Sweep,
    /// Values are looked for that begin before this place of the text.
    valid: usize,
    /// The stretch ends with what is known of the text.
    at_end: bool,
    /// What was found and not taken yet.
    next: Option<Candidate<'s>>,
}

/// What the second reading says of values up to a limit.
enum Reading<'s> {
    Found(Candidate<'s>),
    /// From here on more must be known.
    Undecided(usize),
    Nothing,
}

/// What stands next in the second reading.
enum Begun {
    Nothing,
    /// A stretch with units.
    Stretch,
    /// A unit that is not known to be one yet.
    Cut,
}

impl<'s> Reader<'s> {
    /// Forgets the text.
    pub(crate) fn reset(&mut self) {
        self.sweep.reset();
        (self.plain, self.searched) = (None, 0);
        if let Some(unfolded) = &mut self.unfolded {
            unfolded.active = false;
            unfolded.sweep.reset();
        }
    }

    /// The first value that begins at `from` or later, as far as the window can tell. The window
    /// must be the one of the searches before, until [`reset`](Self::reset).
    pub(crate) fn search(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
    ) -> Search<'s> {
        match self.search_both(scanner, window, from) {
            // Half an escape does not go out before it is known what begins behind it.
            Search::ClearUpTo(end) => {
                // Nor does a part of an allowed value, of which the rest would be searched anew.
                let end = self.passed_around(end).filter(|value| *value >= from).unwrap_or(end);
                let whole = unfold::around(window, end).filter(|unit| *unit >= from);
                Search::ClearUpTo(whole.unwrap_or(end))
            }
            found @ Search::Found(_) => found,
        }
    }

    /// Where the value of the allow list begins that holds this place inside of it, in either reading.
    fn passed_around(&self, place: usize) -> Option<usize> {
        let unfolded = || self.unfolded.as_ref()?.passed_around(place);
        self.sweep.passed_around(place).or_else(unfolded)
    }

    fn search_both(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
    ) -> Search<'s> {
        let plain = self.plain(scanner, window, from);
        let limit = match &plain {
            Search::Found(found) => {
                if let Some(unit) = unfold::around(window, found.start).filter(|at| *at >= from) {
                    let found = Candidate { start: unit, ..*found };
                    return self.inside_of_unit(scanner, window, from, found);
                }
                found.start
            }
            Search::ClearUpTo(end) => *end,
        };
        match (plain, self.unfolded(scanner, window, from, limit)) {
            (_, Reading::Undecided(place)) => Search::ClearUpTo(place),
            (plain, Reading::Nothing) => plain,
            (Search::Found(plain), Reading::Found(other)) => {
                let earlier = other.start < plain.start;
                let better = other.start == plain.start && rank(&other) > rank(&plain);
                Search::Found(if earlier || better { other } else { plain })
            }
            // At the limit itself the text as it stands is not decided yet.
            (Search::ClearUpTo(end), Reading::Found(other)) if other.start >= end => {
                Search::ClearUpTo(end)
            }
            (Search::ClearUpTo(_), Reading::Found(other)) => Search::Found(other),
        }
    }

    /// What begins in the middle of a unit, like `njane@example.com` behind a backslash, is a value
    /// behind it more often than one with a part of it. Where it is none, all of the unit is taken
    /// along: half an escape must not stay.
    fn inside_of_unit(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
        plain: Candidate<'s>,
    ) -> Search<'s> {
        match self.unfolded(scanner, window, from, plain.end) {
            Reading::Found(other) if other.start < plain.end => Search::Found(other),
            Reading::Found(_) | Reading::Nothing => Search::Found(plain),
            Reading::Undecided(place) => Search::ClearUpTo(place.min(plain.start)),
        }
    }

    fn plain(&mut self, scanner: &'s Scanner, window: &Window<'_>, from: usize) -> Search<'s> {
        let still_ahead = match &self.plain {
            Some(Search::Found(found)) => found.start >= from,
            Some(Search::ClearUpTo(end)) => *end >= from,
            None => false,
        };
        if !still_ahead {
            self.plain = Some(scanner.search(&mut self.sweep, window, None, from));
        }
        self.plain.unwrap_or(Search::ClearUpTo(from))
    }

    fn unfolded(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
        limit: usize,
    ) -> Reading<'s> {
        loop {
            if !self.unfolded.as_ref().is_some_and(|unfolded| unfolded.active) {
                match self.begin(scanner, window, from, limit) {
                    Begun::Stretch => {}
                    Begun::Nothing => return Reading::Nothing,
                    Begun::Cut => return self.before_cut(scanner, window, from, limit),
                }
            }
            let Some(unfolded) = &mut self.unfolded else { return Reading::Nothing };
            match unfolded.search(scanner, window, from) {
                Some(Search::Found(found)) if found.start > limit => return Reading::Nothing,
                Some(Search::Found(found)) => return Reading::Found(found),
                Some(Search::ClearUpTo(place)) if place > limit => return Reading::Nothing,
                Some(Search::ClearUpTo(place)) => return Reading::Undecided(place.max(from)),
                None => {
                    self.searched = self.searched.max(unfolded.valid.saturating_sub(BEHIND));
                    unfolded.active = false;
                }
            }
        }
    }

    /// Unfolds the next stretch with a unit that may be a part of a value up to `limit`, if any.
    fn begin(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
        limit: usize,
    ) -> Begun {
        let earliest = self.searched.max(from.saturating_sub(BEHIND + MARGIN));
        if earliest > limit.saturating_add(AHEAD) {
            return Begun::Nothing;
        }
        let unit = unfold::next(scanner.isa, window, earliest);
        self.searched = unit.unwrap_or(usize::MAX);
        if self.searched > limit.saturating_add(AHEAD) {
            return Begun::Nothing;
        }
        if unfold::unit(window, self.searched).is_err() {
            return Begun::Cut;
        }
        self.unfolded.get_or_insert_default().begin(self.searched);
        Begun::Stretch
    }

    /// The second reading where the first unit is one that is cut by the end of what is known: both
    /// readings are the same before it, and behind it anything may come.
    fn before_cut(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
        limit: usize,
    ) -> Reading<'s> {
        let known = window.bytes().get(..self.searched).unwrap_or_default();
        let known = Window::partial(known).with_hint(window.hint());
        let sweep = &mut self.unfolded.get_or_insert_default().sweep;
        sweep.reset();
        match scanner.search(sweep, &known, None, from) {
            // The text as it stands holds this, too.
            Search::Found(_) => Reading::Nothing,
            Search::ClearUpTo(place) if place > limit => Reading::Nothing,
            Search::ClearUpTo(place) => Reading::Undecided(place.max(from)),
        }
    }
}

impl<'s> Unfolded<'s> {
    fn begin(&mut self, unit: usize) {
        self.folded.begin(unit.saturating_sub(AHEAD + BEHIND + MARGIN));
        self.sweep.reset();
        (self.active, self.valid, self.next) = (true, 0, None);
    }

    /// The first value from `from` on that a unit is near to; `None` where the stretch ends before
    /// there is one.
    fn search(
        &mut self,
        scanner: &'s Scanner,
        window: &Window<'_>,
        from: usize,
    ) -> Option<Search<'s>> {
        if let Some(next) = self.next.take_if(|next| next.start >= from) {
            self.next = Some(next);
            return Some(Search::Found(next));
        }
        if self.valid == 0 {
            self.unfold(window, 0);
        }
        let mut at = self.folded.at(from);
        loop {
            match self.search_at(scanner, window, at) {
                Search::Found(found) => {
                    at = found.end;
                    let found = self.in_text(found);
                    if found.start >= self.valid {
                        return None;
                    }
                    if found.start >= from && self.folded.matters(found.start) {
                        self.next = Some(found);
                        return Some(Search::Found(found));
                    }
                }
                Search::ClearUpTo(clear) => {
                    let place = self.folded.start(clear);
                    if place >= self.valid {
                        return None;
                    }
                    if self.at_end {
                        let done = window.is_complete() && clear >= self.folded.bytes.len();
                        return (!done).then_some(Search::ClearUpTo(place));
                    }
                    // A long value wants to see more than it usually takes.
                    at = clear;
                    self.unfold(window, self.folded.end + STRETCH);
                    self.sweep.reset();
                }
            }
        }
    }

    /// Where the value begins, in the text, that was passed over here and holds this place inside of it.
    fn passed_around(&self, place: usize) -> Option<usize> {
        let value = self.sweep.passed_around(self.folded.at(place))?;
        Some(self.folded.start(value))
    }

    fn search_at(&mut self, scanner: &'s Scanner, window: &Window<'_>, at: usize) -> Search<'s> {
        let shown = &self.folded.bytes;
        let all = self.at_end && window.is_complete();
        let shown = if all { Window::whole(shown) } else { Window::partial(shown) };
        let shown = shown.with_hint(window.hint());
        scanner.search(&mut self.sweep, &shown, Some(&self.folded), at)
    }

    /// Unfolds up to `least`, and for as long as units follow each other closely.
    fn unfold(&mut self, window: &Window<'_>, least: usize) {
        let length = window.bytes().len();
        let most = (self.folded.end + STRETCH).max(least);
        let mut known = true;
        loop {
            let near = (self.folded.last_unit() + BEHIND + AHEAD).max(self.folded.end.min(least));
            let wanted = near.max(least).min(length).min(most);
            if !known || (self.folded.end >= wanted && self.valid != 0) {
                break;
            }
            // The first time, up to the unit for which the stretch began, and a little further.
            let first = self.folded.end + 2 * AHEAD + BEHIND + MARGIN;
            let wanted = if self.valid == 0 { wanted.max(first).min(length) } else { wanted };
            self.valid = 1;
            known = self.folded.go_on(window, wanted);
        }
        self.at_end = !known || self.folded.end >= length;
        self.valid = if self.at_end {
            usize::MAX
        } else if self.folded.end >= most {
            self.folded.end - AHEAD
        } else {
            self.folded.last_unit() + BEHIND
        };
    }

    /// A value of the stretch as one of the text.
    fn in_text(&self, found: Candidate<'s>) -> Candidate<'s> {
        let (start, end) = (self.folded.start(found.start), self.folded.end_before(found.end));
        Candidate { start, end, ..found }
    }
}
