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
mod blocks;
mod hidden;
mod mark;
mod rows;
mod signals;

use crate::{
    Window,
    dispatch::{Dispatch, Rows},
    simd::{BLOCK, Isa, Kernel, Kinds, Work, with_block},
};
use blocks::Blocks;
use mark::Near;
pub(crate) use signals::{FEWEST_LONG, Signals};
use signals::{Loud, Told};

/// The places of so many blocks are kept: of that in question, and of two behind it.
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
    blocks: Blocks,
    found: Ring,
    /// The number that was marked last, and the rows that may speak of it.
    number: (usize, Rows),
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

/// The places of the last blocks, by their number.
#[derive(Debug, Default)]
struct Ring([Found; RING]);

impl Ring {
    /// The places of any kind.
    #[inline(always)]
    fn any(&self, block: usize) -> u64 {
        self.0.get(block % RING).map_or(0, |found| found.any)
    }

    /// Forgets those of a block.
    #[inline(always)]
    fn clear(&mut self, block: usize) {
        if let Some(slot) = self.0.get_mut(block % RING) {
            *slot = Found::default();
        }
    }

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
                self.begin(window, from);
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

    /// Turns to a place of the text that is far from the last one, or in another text.
    fn begin(&mut self, window: &Window<'_>, from: usize) {
        self.active = true;
        self.hinted = !window.hint().is_empty();
        self.partial = !window.is_complete();
        // One block before the place is seen with it.
        self.origin = from.saturating_sub(BLOCK);
        self.known = window.bytes().len() - self.origin;
        let first = usize::from(from >= BLOCK);
        (self.marked, self.ready) = (first, first);
        self.told.forget();
        self.number.0 = usize::MAX;
        self.blocks.begin(first);
        self.found.clear(first);
    }

    /// Whether the places from `from` on are kept, or come next.
    fn is_near(&self, from: usize) -> bool {
        let earliest = self.origin + self.ready.saturating_sub(1) * BLOCK;
        let latest = self.origin + (self.marked + RING) * BLOCK;
        self.active && from >= earliest && from < latest
    }

    fn next_found(&self, block: usize, from: usize) -> Option<Place> {
        let ahead = self.found.any(block) & u64::MAX << ((from - self.origin) % BLOCK);
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

    /// Tells the kinds of all blocks up to `last`.
    #[inline(always)]
    fn classify(&mut self, kernel: impl Kernel, dispatch: &Dispatch, text: &[u8], last: usize) {
        for block in self.blocks.missing(last) {
            let rest = text.get(self.origin + block * BLOCK..).unwrap_or_default();
            let kinds = match rest.first_chunk() {
                Some(bytes) => kernel.kinds(bytes, &dispatch.tables),
                None => self.kinds_of_end(kernel, dispatch, rest),
            };
            self.blocks.put(block, &kinds);
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
        self.blocks.add_literals(block, found);
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
            sweep.found.clear(block + 1);
            if loud.is_any() {
                isa.run(Mark { sweep, dispatch, window, block, loud });
            }
            sweep.marked += 1;
            // What begins in a block may be seen in the next one.
            if block > sweep.ready {
                sweep.ready = block;
                if sweep.found.any(block - 1) != 0 {
                    return;
                }
            }
        }
        sweep.ready = (sweep.ready + 1).min(last + 1);
    }
}

impl Sweep {
    /// Passes over blocks that hold nothing, and tells what the next one may hold; that is not known
    /// from `end` on.
    #[inline(always)]
    fn pass_quiet(
        &mut self,
        kernel: impl Kernel,
        dispatch: &Dispatch,
        isa: Isa,
        window: &Window<'_>,
        end: usize,
    ) -> Loud {
        let first = self.marked;
        // Places that were not given yet are given first.
        let passes = self.found.any(first.wrapping_sub(1)) | self.found.any(first) == 0;
        let mut block = first;
        let loud = loop {
            if block == end {
                break Loud::ALL;
            }
            let Some(loud) = self.told.of(block) else {
                self.tell(kernel, dispatch, window.bytes(), block);
                continue;
            };
            debug_assert!(self.is_all(kernel, dispatch, isa, window, block, loud), "{loud:?}");
            if loud.is_any() || !passes {
                break loud;
            }
            block += 1;
        };
        if block > first {
            self.found.clear(block - 1);
            self.found.clear(block);
            (self.marked, self.ready) = (block, block - 1);
        }
        loud
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
            let blocks = self.blocks.clone();
            let mut sweep =
                Self { decoded, hinted, partial, origin, known, blocks, ..Self::default() };
            sweep.classify(kernel, dispatch, window.bytes(), block + 1);
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
            [block.wrapping_sub(1), block, block + 1].map(|block| sweep.blocks.one(block));
        sweep.mark(dispatch, window, Near { block, before, here, next, known }, loud);
    }
}
