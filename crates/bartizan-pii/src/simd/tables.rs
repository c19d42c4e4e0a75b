//! Which bytes are looked for beside the fixed kinds? Small tables by nibbles, as registers hold them.

/// What to look for beside the fixed kinds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) literals: Option<Literals>,
    /// They are looked for in every block, not only where asked.
    pub(crate) literals_first: bool,
    pub(crate) set: Option<Set>,
}

impl Tables {
    /// The literals that are looked for in every block.
    #[inline(always)]
    pub(super) fn first_literals(&self) -> Option<&Literals> {
        self.literals.as_ref().filter(|_| self.literals_first)
    }
}

/// The first three bytes of literals in eight buckets, as nibbles: a literal of a bucket may begin
/// where that bucket's bit is set for both nibbles of all three bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Literals {
    pub(super) low: [[u8; 16]; 3],
    pub(super) high: [[u8; 16]; 3],
}

/// Any set of bytes, exactly: for each low nibble the high nibbles, below and above 8.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set {
    pub(super) below: [u8; 16],
    pub(super) above: [u8; 16],
}

impl Literals {
    /// Adds a byte of a literal at a place from 0 to 2 of the bucket of that literal.
    pub(crate) fn add(&mut self, bucket: u8, place: usize, byte: u8) {
        let bit = 1 << (bucket & 7);
        for (tables, nibble) in [(&mut self.low, byte & 15), (&mut self.high, byte >> 4)] {
            if let Some(slot) = tables.get_mut(place).and_then(|t| t.get_mut(usize::from(nibble))) {
                *slot |= bit;
            }
        }
    }

    fn buckets(&self, place: usize, byte: u8) -> u8 {
        let of = |tables: &[[u8; 16]; 3], nibble: u8| {
            tables.get(place).and_then(|t| t.get(usize::from(nibble))).copied().unwrap_or_default()
        };
        of(&self.low, byte & 15) & of(&self.high, byte >> 4)
    }

    /// Whether a literal may begin with these bytes; one that is not known may be any.
    pub(crate) fn may_begin(&self, bytes: [Option<u8>; 3]) -> bool {
        let buckets = bytes.iter().enumerate();
        buckets.fold(0xFF, |all, (place, byte)| all & byte.map_or(0xFF, |b| self.buckets(place, b)))
            != 0
    }
}

impl Set {
    pub(crate) fn new(holds: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        for byte in (0..=u8::MAX).filter(|byte| holds(*byte)) {
            let table = if byte < 0x80 { &mut set.below } else { &mut set.above };
            if let Some(slot) = table.get_mut(usize::from(byte & 15)) {
                *slot |= 1 << (byte >> 4 & 7);
            }
        }
        set
    }

    pub(crate) fn holds(&self, byte: u8) -> bool {
        let table = if byte < 0x80 { &self.below } else { &self.above };
        table.get(usize::from(byte & 15)).is_some_and(|bits| bits >> (byte >> 4 & 7) & 1 == 1)
    }
}
