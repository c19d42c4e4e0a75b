//! At which places of a text can a value begin at all? One pass over it, 64 bytes at a time, as bits.
//!
//! What is not known yet counts as whatever would make a beginning: so a place that is passed over
//! stays passed over, however the text goes on. The places are too many rather than too few; a test
//! holds what is found through here against asking every row everywhere.
//!
//! The pass keeps a few blocks: what is behind the one that places are taken from, and what is before
//! it. Most blocks of most texts hold no place, and the pass runs over them without a stop.

mod assign;
mod bits;
mod hidden;
mod mark;
mod rows;
mod signals;

use crate::{
    Window,
    dispatch::Dispatch,
    simd::{BLOCK, Isa, Kernel, Kinds, Work, with_block},
};
use mark::Near;
pub(crate) use signals::{FEWEST_LONG, Signals};
use signals::{Loud, Told};

/// So many blocks are kept: one before that in question, and two behind it.
const RING: usize = 4;

/// A text of so many blocks is looked at as a whole.
const FEW: usize = 3;

/// The kinds of the bytes around a place of a text, and where values can begin. Kept from one search
/// to the next.
#[derive(Debug, Default)]
pub(crate) struct Sweep {
    /// The text was encoded: no word of it is looked into again.
    decoded: bool,
    /// Words count as context everywhere.
    hinted: bool,
    /// More text may come.
    partial: bool,
    active: bool,
    /// Values on the allow list that were passed over: from here to there.
    passed: Vec<(usize, usize)>,
    /// Where the first block begins in the text.
    origin: usize,
    /// So many bytes of text stand from there on.
    known: usize,
    /// The blocks before this one are marked as far as they can tell themselves,
    marked: usize,
    /// and the places of those before this one are complete. Only those of the last are kept.
    ready: usize,
    /// What the next blocks may hold.
    told: Told,
    kinds: Ring<Kinds>,
    found: Ring<Found>,
}

/// Where numbers and codes may begin, what stands before an `@`, what stands around each of the marks,
/// all else that is built in, patterns of the user's own, what is assigned, and words that may be
/// encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Sign,
    Colons,
    Dashes,
    Dots,
    Other,
    Custom,
    Assigned,
    Encoded,
}

const KINDS: usize = 9;

/// The kinds of the dispatch's marks, in their order.
const MARKS: [Kind; 3] = [Kind::Colons, Kind::Dashes, Kind::Dots];

/// The places of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    /// Of any kind.
    any: u64,
    by_kind: [u64; KINDS],
}

/// The last blocks, by their number.
#[derive(Debug, Default)]
struct Ring<T>([T; RING]);

impl<T: Copy + Default> Ring<T> {
    #[inline(always)]
    fn get(&self, block: usize) -> T {
        self.0.get(block % RING).copied().unwrap_or_default()
    }

    /// A part of one of them.
    #[inline(always)]
    fn one(&self, block: usize, part: impl Fn(&T) -> u64) -> u64 {
        self.0.get(block % RING).map_or(0, part)
    }

    #[inline(always)]
    fn set(&mut self, block: usize, value: T) {
        if let Some(slot) = self.0.get_mut(block % RING) {
            *slot = value;
        }
    }
}

impl Ring<Found> {
    /// Whether a kind was noted at a bit.
    #[inline(always)]
    fn has(&self, kind: Kind, block: usize, bit: u32) -> bool {
        let found = self.0.get(block % RING).and_then(|found| found.by_kind.get(kind as usize));
        found.is_some_and(|bits| bits >> bit & 1 == 1)
    }

    /// Notes a place by its distance from the origin.
    #[inline(always)]
    fn note(&mut self, kind: Kind, at: usize) {
        self.note_all(kind, at / BLOCK, 1 << (at % BLOCK));
    }

    #[inline(always)]
    fn note_all(&mut self, kind: Kind, block: usize, bits: u64) {
        if let Some(found) = self.0.get_mut(block % RING)
            && let Some(slot) = found.by_kind.get_mut(kind as usize)
        {
            *slot |= bits;
            found.any |= bits;
        }
    }
}

/// A place where a value may begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: usize,
    block: usize,
    bit: u32,
}

impl Sweep {
    /// For a text that was encoded itself.
    pub(crate) fn of_decoded() -> Self {
        Self { decoded: true, ..Self::default() }
    }

    /// Forgets the text.
    pub(crate) fn reset(&mut self) {
        self.active = false;
        self.passed.clear();
    }

    /// Remembers a value that is passed over.
    pub(crate) fn pass(&mut self, from: usize, to: usize) {
        self.passed.push((from, to));
    }

    /// Where the value begins that was passed over and holds this place inside of it.
    pub(crate) fn passed_around(&self, place: usize) -> Option<usize> {
        let mut passed = self.passed.iter();
        passed.find(|(from, to)| *from < place && place < *to).map(|(from, _)| *from)
    }

    /// The first place from `from` on where a value may begin. The window must be the one of the
    /// calls before, until [`reset`](Self::reset).
    pub(crate) fn next(
        &mut self,
        dispatch: &Dispatch,
        isa: Isa,
        window: &Window<'_>,
        from: usize,
    ) -> Option<Place> {
        let length = window.bytes().len();
        let mut from = from;
        while from < length {
            if !self.is_near(from) {
                isa.run(Begin { sweep: self, dispatch, window, from });
            }
            let block = (from - self.origin) / BLOCK;
            if block < self.ready {
                if let Some(place) = self.next_found(block, from) {
                    return (place.at < length).then_some(place);
                }
                from = self.origin + (block + 1) * BLOCK;
                continue;
            }
            isa.run(Advance { sweep: self, dispatch, isa, window });
            from = from.max(self.origin + self.ready.saturating_sub(1) * BLOCK);
        }
        None
    }

    /// Whether the places from `from` on are kept, or come next.
    fn is_near(&self, from: usize) -> bool {
        let earliest = self.origin + self.ready.saturating_sub(1) * BLOCK;
        let latest = self.origin + (self.marked + RING) * BLOCK;
        self.active && from >= earliest && from < latest
    }

    fn next_found(&self, block: usize, from: usize) -> Option<Place> {
        let ahead =
            self.found.one(block, |found| found.any) & u64::MAX << ((from - self.origin) % BLOCK);
        if ahead == 0 {
            return None;
        }
        let bit = ahead.trailing_zeros();
        Some(Place { at: self.origin + block * BLOCK + bit as usize, block, bit })
    }

    /// Of the last place that was given, whether it is of a kind.
    #[inline]
    fn is(&self, place: Place, kind: Kind) -> bool {
        self.found.has(kind, place.block, place.bit)
    }

    /// Whether a word may begin there that says something in another writing.
    pub(crate) fn is_encoded(&self, place: Place) -> bool {
        self.is(place, Kind::Encoded)
    }

    /// Whether a pattern of the user's own may match there.
    pub(crate) fn is_custom(&self, place: Place) -> bool {
        self.is(place, Kind::Custom)
    }

    /// The last block: the one of the byte that comes next, if one does.
    fn last(&self) -> usize {
        self.known / BLOCK
    }

    /// Tells the kinds of a block.
    #[inline(always)]
    fn classify(&mut self, kernel: impl Kernel, dispatch: &Dispatch, text: &[u8], block: usize) {
        let rest = text.get(self.origin + block * BLOCK..).unwrap_or_default();
        match rest.first_chunk() {
            Some(bytes) => self.kinds.set(block, kernel.kinds(bytes, &dispatch.tables)),
            None => self.kinds.set(block, self.kinds_of_end(kernel, dispatch, rest)),
        }
    }

    /// Tells where literals may begin, if that was not told with the kinds.
    #[inline(always)]
    fn find_literals(
        &mut self,
        kernel: impl Kernel,
        dispatch: &Dispatch,
        window: &Window<'_>,
        block: usize,
    ) {
        let Some(literals) = &dispatch.tables.literals else { return };
        if dispatch.tables.literals_first {
            return;
        }
        let rest = window.bytes().get(self.origin + block * BLOCK..).unwrap_or_default();
        let found = with_block(rest, |bytes| kernel.literals(bytes, literals));
        if let Some(kinds) = self.kinds.0.get_mut(block % RING) {
            kinds.literal |= found;
        }
    }

    /// The same of a block at the end of what is known: bytes behind that have the kinds that they may
    /// have.
    #[cold]
    #[inline(never)]
    fn kinds_of_end(&self, kernel: impl Kernel, dispatch: &Dispatch, rest: &[u8]) -> Kinds {
        if rest.is_empty() && !self.partial {
            return Kinds::NONE;
        }
        let kinds = with_block(rest, |bytes| kernel.kinds(bytes, &dispatch.tables));
        let known = if rest.len() < BLOCK { !(u64::MAX << rest.len()) } else { u64::MAX };
        let unknown = if self.partial { &Kinds::ANY } else { &Kinds::NONE };
        let mut kinds = kinds.blend(known, unknown);
        if self.partial
            && let Some(literals) = &dispatch.tables.literals
        {
            for at in rest.len().saturating_sub(2)..rest.len().min(BLOCK) {
                let byte = |offset: usize| rest.get(at + offset).copied();
                if literals.may_begin([byte(0), byte(1), byte(2)]) {
                    kinds.literal |= 1 << at;
                }
            }
        }
        kinds
    }
}

/// Turns to a place of the text that is far from the last one, or in another text.
struct Begin<'a, 't> {
    sweep: &'a mut Sweep,
    dispatch: &'a Dispatch,
    window: &'a Window<'t>,
    from: usize,
}

impl Work for Begin<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, kernel: impl Kernel) {
        let Self { sweep, dispatch, window, from } = self;
        sweep.active = true;
        sweep.hinted = !window.hint().is_empty();
        sweep.partial = !window.is_complete();
        // One block before the place is seen with it.
        sweep.origin = from.saturating_sub(BLOCK);
        sweep.known = window.bytes().len() - sweep.origin;
        let first = usize::from(from >= BLOCK);
        (sweep.marked, sweep.ready) = (first, first);
        sweep.told.forget();
        sweep.kinds.set(RING - 1, Kinds::NONE);
        sweep.found.set(first, Found::default());
        for block in 0..=first {
            sweep.classify(kernel, dispatch, window.bytes(), block);
        }
    }
}

/// Goes on to the next block with a place, or to the end.
struct Advance<'a, 't> {
    sweep: &'a mut Sweep,
    dispatch: &'a Dispatch,
    isa: Isa,
    window: &'a Window<'t>,
}

impl Work for Advance<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, kernel: impl Kernel) {
        let Self { sweep, dispatch, isa, window } = self;
        let (text, last) = (window.bytes(), sweep.last());
        // From this block on anything may begin.
        let loud_from = match (dispatch.signals.always, sweep.partial) {
            (true, _) => 0,
            // Of a few blocks more is told than is worth it.
            _ if last < FEW => 0,
            (_, true) => last.saturating_sub(1),
            (_, false) => last + 1,
        };
        while sweep.marked <= last {
            let loud = if sweep.marked < loud_from {
                sweep.pass_quiet(kernel, dispatch, isa, window, loud_from)
            } else {
                Loud::ALL
            };
            let block = sweep.marked;
            if block > last {
                break;
            }
            sweep.classify(kernel, dispatch, text, block + 1);
            sweep.found.set(block + 1, Found::default());
            if loud.is_any() {
                isa.run(Mark { sweep, dispatch, window, block, loud });
            }
            sweep.marked += 1;
            // What begins in a block may be seen in the next one.
            if block > sweep.ready {
                sweep.ready = block;
                if sweep.found.one(block - 1, |found| found.any) != 0 {
                    return;
                }
            }
        }
        sweep.ready = (sweep.ready + 1).min(last + 1);
    }
}

impl Sweep {
    /// Passes over blocks that hold nothing, if it is worth it, and tells what the next one may hold;
    /// that is not known from `end` on.
    #[inline(always)]
    fn pass_quiet(
        &mut self,
        kernel: impl Kernel,
        dispatch: &Dispatch,
        isa: Isa,
        window: &Window<'_>,
        end: usize,
    ) -> Loud {
        let (text, first) = (window.bytes(), self.marked);
        let (mut block, mut loud, mut kinds) = (first, Loud::ALL, None);
        while block < end {
            loud = match self.told.of(block) {
                Some(loud) => loud,
                None => {
                    self.tell(kernel, dispatch, text, block, &mut kinds);
                    continue;
                }
            };
            debug_assert!(
                self.is_all(kernel, dispatch, isa, window, block, loud),
                "{loud:?} {text:?}"
            );
            if loud.is_any() || self.has_places_near(first) {
                break;
            }
            block += 1;
            loud = Loud::ALL;
        }
        if block < first + 3 {
            return self.told.of(first).unwrap_or(Loud::ALL);
        }
        // What is seen of what stands before a place.
        for near in block - 2..=block {
            self.classify(kernel, dispatch, text, near);
        }
        self.found.set(block - 1, Found::default());
        self.found.set(block, Found::default());
        (self.marked, self.ready) = (block, block - 1);
        loud
    }

    /// Whether places of a block, or of the one before, were not given yet.
    #[inline(always)]
    fn has_places_near(&self, block: usize) -> bool {
        let any = |block: usize| self.found.one(block, |found| found.any);
        any(block.wrapping_sub(1)) | any(block) != 0
    }

    /// Whether marking all of a block notes no more than marking what it may hold.
    fn is_all(
        &self,
        kernel: impl Kernel,
        dispatch: &Dispatch,
        isa: Isa,
        window: &Window<'_>,
        block: usize,
        loud: Loud,
    ) -> bool {
        let [some, all] = [loud, Loud::ALL].map(|loud| {
            let Self { decoded, hinted, partial, origin, known, .. } = *self;
            let mut sweep = Self { decoded, hinted, partial, origin, known, ..Self::default() };
            for near in block.saturating_sub(2)..=block + 1 {
                sweep.classify(kernel, dispatch, window.bytes(), near);
            }
            isa.run(Mark { sweep: &mut sweep, dispatch, window, block, loud });
            sweep.found.0
        });
        some == all
    }
}

/// Marks a block that is not quiet: a function of its own, so that the loop over the others is short.
struct Mark<'a, 't> {
    sweep: &'a mut Sweep,
    dispatch: &'a Dispatch,
    window: &'a Window<'t>,
    block: usize,
    loud: Loud,
}

impl Work for Mark<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self, kernel: impl Kernel) {
        let Self { sweep, dispatch, window, block, loud } = self;
        if loud.has(Loud::RARE) || loud.has(Loud::SOLID) {
            sweep.find_literals(kernel, dispatch, window, block);
        }
        let known = match sweep.known - block * BLOCK {
            rest @ 0..BLOCK => u64::MAX >> (BLOCK - 1 - rest),
            _ => u64::MAX,
        };
        let [before, here, next] =
            [block.wrapping_sub(1), block, block + 1].map(|block| sweep.kinds.get(block));
        sweep.mark(dispatch, window, Near { block, before, here, next, known }, loud);
    }
}
