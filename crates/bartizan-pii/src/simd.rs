//! What kind of byte stands where? Sixty-four bytes at a time, by the widest registers there are.
//!
//! This is the only file of the workspace that may be `unsafe`: it loads vectors from references to
//! arrays of their size, and calls functions for instruction sets that were seen to be there. Every
//! kernel has the same twin, [`scalar`], and a test compares them at every alignment.
#![allow(unsafe_code, reason = "vector loads, and calls by instruction set, as stated above")]

/// The bytes of a block, and the two behind it that a literal's beginning may reach into.
pub(crate) const BLOCK: usize = 64;
pub(crate) const READ: usize = BLOCK + 2;

/// One bit for each of 64 bytes, the first one lowest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    /// Digits.
    pub(crate) digit: u64,
    /// Letters, digits and `_`.
    pub(crate) word: u64,
    /// `@` and `%`.
    pub(crate) sign: u64,
    /// `:`.
    pub(crate) colon: u64,
    /// `-`, if asked for, and so are all that follow.
    pub(crate) dash: u64,
    /// `.`.
    pub(crate) dot: u64,
    /// Capitals and digits.
    pub(crate) capital: u64,
    /// Where one of [`Tables::literals`] may begin.
    pub(crate) literal: u64,
    /// `:`, `=` and `>`.
    pub(crate) assign: u64,
    /// The bytes of [`Tables::set`].
    pub(crate) set: u64,
}

/// What to look for beside the fixed kinds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub(crate) assigns: bool,
    pub(crate) dashes: bool,
    pub(crate) dots: bool,
    pub(crate) capitals: bool,
    pub(crate) literals: Option<Literals>,
    pub(crate) set: Option<Set>,
}

/// The first three bytes of literals in eight buckets, as nibbles: a literal of a bucket may begin
/// where that bucket's bit is set for both nibbles of all three bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Literals {
    low: [[u8; 16]; 3],
    high: [[u8; 16]; 3],
}

/// Any set of bytes, exactly: for each low nibble the high nibbles, below and above 8.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set {
    below: [u8; 16],
    above: [u8; 16],
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

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isa {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Scalar,
}

impl Isa {
    /// The widest one here.
    pub(crate) fn detect() -> Self {
        *Self::here().first().unwrap_or(&Self::Scalar)
    }

    /// All that this machine has, the widest first.
    pub(crate) fn here() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut, reason = "other machines push"))]
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let narrow = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt");
            let wide = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
            all.extend((narrow && wide).then_some(Self::Avx512));
            all.extend(narrow.then_some(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            all.push(Self::Neon);
        }
        all.push(Self::Scalar);
        all
    }

    /// The places from `from` on of bytes with which a unit may begin (see `unfold`): `\\`, `%`, `&`,
    /// `*`, and all beyond ASCII.
    pub(crate) fn odd(self, text: &[u8], from: usize) -> Odd<'_> {
        Odd { isa: self, text, next: from, base: from, mask: 0 }
    }

    /// The first block from `from` on that holds an odd byte.
    fn next_odd(self, text: &[u8], from: usize) -> Option<(usize, u64)> {
        match self {
            // SAFETY: as below.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::odd_with_avx512(text, from) },
            // SAFETY: as below.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::odd_with_avx2(text, from) },
            // SAFETY: as below.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { arm::odd_with_neon(text, from) },
            Self::Scalar => first_block(text, from, scalar_odd),
        }
    }

    /// Gives the kinds of the bytes of `text`, block by block, to `take`; bytes behind the end are
    /// of no kind.
    pub(crate) fn classify(self, text: &[u8], tables: &Tables, take: impl FnMut(usize, Kinds)) {
        match self {
            // SAFETY: `here` gives an instruction set only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::with_avx512(text, tables, take) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::with_avx2(text, tables, take) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { arm::with_neon(text, tables, take) },
            Self::Scalar => each_block(text, |block| scalar(block, tables), take),
        }
    }
}

/// An iterator over the places of odd bytes.
#[derive(Debug)]
pub(crate) struct Odd<'t> {
    isa: Isa,
    text: &'t [u8],
    next: usize,
    base: usize,
    mask: u64,
}

impl Iterator for Odd<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.mask == 0 {
            (self.base, self.mask) = self.isa.next_odd(self.text, self.next)?;
            self.next = self.base + BLOCK;
        }
        let place = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(place)
    }
}

const ODD: [u8; 4] = [b'\\', b'%', b'&', b'*'];

fn scalar_odd(block: &[u8; READ]) -> u64 {
    let odd = |byte: &u8| !byte.is_ascii() || ODD.contains(byte);
    block.iter().take(BLOCK).rev().fold(0, |bits, byte| bits << 1 | u64::from(odd(byte)))
}

#[inline(always)]
fn first_block(
    text: &[u8],
    from: usize,
    kernel: impl Fn(&[u8; READ]) -> u64,
) -> Option<(usize, u64)> {
    let mut at = from;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let mask = match rest.first_chunk() {
            Some(block) => kernel(block),
            None => kernel(&padded(rest)),
        };
        if mask != 0 {
            return Some((at, mask));
        }
        at += BLOCK;
    }
    None
}

/// Cuts `text` into blocks; the last ones are copied, so that a kernel may read [`READ`] bytes.
#[inline(always)]
fn each_block(
    text: &[u8],
    kernel: impl Fn(&[u8; READ]) -> Kinds,
    mut take: impl FnMut(usize, Kinds),
) {
    for index in 0..text.len().div_ceil(BLOCK) {
        let rest = text.get(index * BLOCK..).unwrap_or_default();
        let kinds = match rest.first_chunk() {
            Some(block) => kernel(block),
            None => kernel(&padded(rest)),
        };
        take(index, kinds);
    }
}

#[cold]
#[inline(never)]
fn padded(rest: &[u8]) -> [u8; READ] {
    let mut block = [0; READ];
    block.iter_mut().zip(rest).for_each(|(slot, byte)| *slot = *byte);
    // What was not in the text is of no kind, but for a set that holds NUL.
    block
}

const DIGIT: u8 = 1;
const WORD: u8 = 0b1111;
const COLON: u8 = 1 << 4;
const ASSIGN: u8 = 1 << 5;
const PERCENT: u8 = 1 << 6;
const AT: u8 = 1 << 7;

/// The kinds of a byte below 128 are the bits that both of its nibbles have.
const LOW: [u8; 16] = low_nibbles();
const HIGH: [u8; 16] =
    [0, 0, PERCENT, DIGIT | COLON | ASSIGN, 2 | AT, 4 | 8, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0];

/// Bit 1: `A` to `O` and `a` to `o`; bit 2: `P` to `Z` and `p` to `z`; bit 3: `_`.
const fn low_nibbles() -> [u8; 16] {
    let mut table = [0; 16];
    let mut nibble = 0_u8;
    let mut rest: &mut [u8] = &mut table;
    while let [first, others @ ..] = rest {
        *first = match nibble {
            0 => DIGIT | 4 | AT,
            5 => DIGIT | 2 | 4 | PERCENT,
            1..=9 => DIGIT | 2 | 4,
            10 => 2 | 4 | COLON | ASSIGN,
            13 | 14 => 2 | ASSIGN,
            15 => 2 | 8,
            _ => 2,
        };
        nibble += 1;
        rest = others;
    }
    table
}

/// One byte after the other: what the other kernels must give, too.
fn scalar(block: &[u8; READ], tables: &Tables) -> Kinds {
    let mut kinds = Kinds::default();
    for (index, window) in block.windows(3).take(BLOCK).enumerate() {
        let &[byte, second, third] = window else { continue };
        let bit = 1_u64 << index;
        let mark = |kind: &mut u64, holds: bool| *kind |= if holds { bit } else { 0 };
        mark(&mut kinds.digit, byte.is_ascii_digit());
        mark(&mut kinds.word, byte.is_ascii_alphanumeric() || byte == b'_');
        mark(&mut kinds.sign, byte == b'@' || byte == b'%');
        mark(&mut kinds.colon, byte == b':');
        mark(&mut kinds.dash, tables.dashes && byte == b'-');
        mark(&mut kinds.dot, tables.dots && byte == b'.');
        mark(
            &mut kinds.capital,
            tables.capitals && (byte.is_ascii_digit() || byte.is_ascii_uppercase()),
        );
        mark(&mut kinds.assign, tables.assigns && matches!(byte, b':' | b'=' | b'>'));
        if let Some(literals) = &tables.literals {
            let bytes = [Some(byte), Some(second), Some(third)];
            mark(&mut kinds.literal, literals.may_begin(bytes));
        }
        if let Some(set) = &tables.set {
            mark(&mut kinds.set, set.holds(byte));
        }
    }
    kinds
}

/// The bit of a high nibble, for [`Set`].
const HIGH_BIT: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{
        ASSIGN, AT, COLON, DIGIT, HIGH, HIGH_BIT, Kinds, LOW, Literals, ODD, PERCENT, READ, Set,
        Tables, WORD, each_block, first_block,
    };

    #[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn with_avx512(text: &[u8], tables: &Tables, take: impl FnMut(usize, Kinds)) {
        each_block(text, |block| avx512(block, tables), take);
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn with_avx2(text: &[u8], tables: &Tables, take: impl FnMut(usize, Kinds)) {
        each_block(text, |block| avx2(block, tables), take);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn odd_with_avx512(text: &[u8], from: usize) -> Option<(usize, u64)> {
        first_block(text, from, |block| {
            let x = load512(block, 0);
            let marks =
                ODD.map(|byte| _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(byte.cast_signed())));
            marks.into_iter().fold(_mm512_movepi8_mask(x), |all, mask| all | mask)
        })
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    pub(super) fn odd_with_avx2(text: &[u8], from: usize) -> Option<(usize, u64)> {
        first_block(text, from, |block| {
            tops(load256(block, 0).map(|x| {
                let marks =
                    ODD.map(|byte| _mm256_cmpeq_epi8(x, _mm256_set1_epi8(byte.cast_signed())));
                marks.into_iter().fold(x, |all, mask| _mm256_or_si256(all, mask))
            }))
        })
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn load512(block: &[u8; READ], offset: usize) -> __m512i {
        debug_assert!(offset <= 2);
        // SAFETY: 64 bytes from an offset of at most 2 lie within the 66.
        unsafe { _mm512_loadu_si512(block.as_ptr().add(offset).cast()) }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn table512(table: &[u8; 16]) -> __m512i {
        // SAFETY: 16 bytes from an array of 16.
        _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn high512(x: __m512i) -> __m512i {
        _mm512_and_si512(_mm512_srli_epi16::<4>(x), _mm512_set1_epi8(15))
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn avx512(block: &[u8; READ], tables: &Tables) -> Kinds {
        let x = load512(block, 0);
        // A shuffle gives zero for a byte beyond ASCII.
        let class = _mm512_and_si512(
            _mm512_shuffle_epi8(table512(&LOW), x),
            _mm512_shuffle_epi8(table512(&HIGH), high512(x)),
        );
        let of = |bits: u8| _mm512_test_epi8_mask(class, _mm512_set1_epi8(bits.cast_signed()));
        let is = |byte: u8| _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(byte.cast_signed()));
        let digit = of(DIGIT);
        let capital = || {
            let shifted = _mm512_sub_epi8(x, _mm512_set1_epi8(b'A'.cast_signed()));
            digit | _mm512_cmple_epu8_mask(shifted, _mm512_set1_epi8(25))
        };
        Kinds {
            digit,
            word: of(WORD),
            sign: of(AT | PERCENT),
            colon: of(COLON),
            dash: if tables.dashes { is(b'-') } else { 0 },
            dot: if tables.dots { is(b'.') } else { 0 },
            capital: if tables.capitals { capital() } else { 0 },
            assign: if tables.assigns { of(ASSIGN) } else { 0 },
            literal: tables.literals.as_ref().map_or(0, |literals| literal512(block, x, literals)),
            set: tables.set.as_ref().map_or(0, |set| set512(x, set)),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn literal512(block: &[u8; READ], first: __m512i, literals: &Literals) -> u64 {
        let mut buckets = _mm512_set1_epi8(-1);
        let bytes = [first, load512(block, 1), load512(block, 2)];
        for ((x, low), high) in bytes.into_iter().zip(&literals.low).zip(&literals.high) {
            let low_nibble = _mm512_and_si512(x, _mm512_set1_epi8(15));
            let low = _mm512_shuffle_epi8(table512(low), low_nibble);
            let high = _mm512_shuffle_epi8(table512(high), high512(x));
            buckets = _mm512_and_si512(buckets, _mm512_and_si512(low, high));
        }
        _mm512_test_epi8_mask(buckets, buckets)
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn set512(x: __m512i, set: &Set) -> u64 {
        let low = _mm512_and_si512(x, _mm512_set1_epi8(15));
        let below = _mm512_shuffle_epi8(table512(&set.below), low);
        let above = _mm512_shuffle_epi8(table512(&set.above), low);
        let table = _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), below, above);
        let bit = _mm512_shuffle_epi8(table512(&HIGH_BIT), high512(x));
        _mm512_test_epi8_mask(table, bit)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load256(block: &[u8; READ], offset: usize) -> [__m256i; 2] {
        debug_assert!(offset <= 2);
        let at = |from: usize| {
            // SAFETY: 32 bytes from an offset of at most 34 lie within the 66.
            unsafe { _mm256_loadu_si256(block.as_ptr().add(from).cast()) }
        };
        [at(offset), at(offset + 32)]
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn table256(table: &[u8; 16]) -> __m256i {
        // SAFETY: 16 bytes from an array of 16.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn high256(x: __m256i) -> __m256i {
        _mm256_and_si256(_mm256_srli_epi16::<4>(x), _mm256_set1_epi8(15))
    }

    /// The highest bits of 64 bytes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn tops([low, high]: [__m256i; 2]) -> u64 {
        let low = u64::from(_mm256_movemask_epi8(low).cast_unsigned());
        low | u64::from(_mm256_movemask_epi8(high).cast_unsigned()) << 32
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn avx2(block: &[u8; READ], tables: &Tables) -> Kinds {
        let x = load256(block, 0);
        let class = x.map(|x| {
            _mm256_and_si256(
                _mm256_shuffle_epi8(table256(&LOW), x),
                _mm256_shuffle_epi8(table256(&HIGH), high256(x)),
            )
        });
        let zero = _mm256_setzero_si256();
        let none = |c: __m256i, bits: u8| {
            let bits = _mm256_set1_epi8(bits.cast_signed());
            _mm256_cmpeq_epi8(_mm256_and_si256(c, bits), zero)
        };
        let of = |bits: u8| !tops(class.map(|c| none(c, bits)));
        let is = |byte: u8| {
            let byte = _mm256_set1_epi8(byte.cast_signed());
            tops(x.map(|x| _mm256_cmpeq_epi8(x, byte)))
        };
        let upper = |x: __m256i| {
            let shifted = _mm256_sub_epi8(x, _mm256_set1_epi8(b'A'.cast_signed()));
            let most = _mm256_set1_epi8(25);
            _mm256_cmpeq_epi8(_mm256_min_epu8(shifted, most), shifted)
        };
        let digit = of(DIGIT);
        Kinds {
            digit,
            word: of(WORD),
            sign: of(AT | PERCENT),
            colon: of(COLON),
            dash: if tables.dashes { is(b'-') } else { 0 },
            dot: if tables.dots { is(b'.') } else { 0 },
            capital: if tables.capitals { digit | tops(x.map(upper)) } else { 0 },
            assign: if tables.assigns { of(ASSIGN) } else { 0 },
            literal: tables.literals.as_ref().map_or(0, |literals| literal256(block, x, literals)),
            set: tables.set.as_ref().map_or(0, |set| set256(x, set)),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn literal256(block: &[u8; READ], first: [__m256i; 2], literals: &Literals) -> u64 {
        let mut buckets = [_mm256_set1_epi8(-1); 2];
        let bytes = [first, load256(block, 1), load256(block, 2)];
        for ((x, low), high) in bytes.into_iter().zip(&literals.low).zip(&literals.high) {
            for (x, buckets) in x.into_iter().zip(&mut buckets) {
                let low_nibble = _mm256_and_si256(x, _mm256_set1_epi8(15));
                let low = _mm256_shuffle_epi8(table256(low), low_nibble);
                let high = _mm256_shuffle_epi8(table256(high), high256(x));
                *buckets = _mm256_and_si256(*buckets, _mm256_and_si256(low, high));
            }
        }
        !tops(buckets.map(|b| _mm256_cmpeq_epi8(b, _mm256_setzero_si256())))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn set256(x: [__m256i; 2], set: &Set) -> u64 {
        !tops(x.map(|x| {
            let low = _mm256_and_si256(x, _mm256_set1_epi8(15));
            let below = _mm256_shuffle_epi8(table256(&set.below), low);
            let above = _mm256_shuffle_epi8(table256(&set.above), low);
            let table = _mm256_blendv_epi8(below, above, x);
            let bit = _mm256_shuffle_epi8(table256(&HIGH_BIT), high256(x));
            _mm256_cmpeq_epi8(_mm256_and_si256(table, bit), _mm256_setzero_si256())
        }))
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::{
        ASSIGN, AT, COLON, DIGIT, HIGH, HIGH_BIT, Kinds, LOW, Literals, ODD, PERCENT, READ, Set,
        Tables, WORD, each_block, first_block,
    };

    type Quad = [uint8x16_t; 4];

    #[target_feature(enable = "neon")]
    pub(super) fn with_neon(text: &[u8], tables: &Tables, take: impl FnMut(usize, Kinds)) {
        each_block(text, |block| neon(block, tables), take);
    }

    #[target_feature(enable = "neon")]
    pub(super) fn odd_with_neon(text: &[u8], from: usize) -> Option<(usize, u64)> {
        first_block(text, from, |block| {
            bits(load(block, 0).map(|x| {
                let marks = ODD.map(|byte| vceqq_u8(x, vdupq_n_u8(byte)));
                marks
                    .into_iter()
                    .fold(vcgeq_u8(x, vdupq_n_u8(0x80)), |all, mask| vorrq_u8(all, mask))
            }))
        })
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn load(block: &[u8; READ], offset: usize) -> Quad {
        debug_assert!(offset <= 2);
        [0, 16, 32, 48].map(|from| {
            // SAFETY: 16 bytes from an offset of at most 50 lie within the 66.
            unsafe { vld1q_u8(block.as_ptr().add(offset + from)) }
        })
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn table(table: &[u8; 16]) -> uint8x16_t {
        // SAFETY: 16 bytes from an array of 16.
        unsafe { vld1q_u8(table.as_ptr()) }
    }

    /// One bit for each of 64 bytes that are all ones or all zeros.
    #[target_feature(enable = "neon")]
    #[inline]
    fn bits(masks: Quad) -> u64 {
        let place = table(&HIGH_BIT);
        let [a, b, c, d] = masks.map(|mask| vandq_u8(mask, place));
        let pairs = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
        vgetq_lane_u64::<0>(vreinterpretq_u64_u8(vpaddq_u8(pairs, pairs)))
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn neon(block: &[u8; READ], tables: &Tables) -> Kinds {
        let x = load(block, 0);
        // An index beyond the table gives zero, and so does the high nibble of such a byte.
        let class = x.map(|x| {
            let low = vqtbl1q_u8(table(&LOW), vandq_u8(x, vdupq_n_u8(15)));
            vandq_u8(low, vqtbl1q_u8(table(&HIGH), vshrq_n_u8::<4>(x)))
        });
        let of = |kind: u8| bits(class.map(|c| vtstq_u8(c, vdupq_n_u8(kind))));
        let is = |byte: u8| bits(x.map(|x| vceqq_u8(x, vdupq_n_u8(byte))));
        let upper = |x| vcleq_u8(vsubq_u8(x, vdupq_n_u8(b'A')), vdupq_n_u8(25));
        let digit = of(DIGIT);
        Kinds {
            digit,
            word: of(WORD),
            sign: of(AT | PERCENT),
            colon: of(COLON),
            dash: if tables.dashes { is(b'-') } else { 0 },
            dot: if tables.dots { is(b'.') } else { 0 },
            capital: if tables.capitals { digit | bits(x.map(upper)) } else { 0 },
            assign: if tables.assigns { of(ASSIGN) } else { 0 },
            literal: tables.literals.as_ref().map_or(0, |literals| literal(block, x, literals)),
            set: tables.set.as_ref().map_or(0, |set| of_set(x, set)),
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn literal(block: &[u8; READ], first: Quad, literals: &Literals) -> u64 {
        let mut buckets = [vdupq_n_u8(0xFF); 4];
        let bytes = [first, load(block, 1), load(block, 2)];
        for ((x, low), high) in bytes.into_iter().zip(&literals.low).zip(&literals.high) {
            for (x, buckets) in x.into_iter().zip(&mut buckets) {
                let low = vqtbl1q_u8(table(low), vandq_u8(x, vdupq_n_u8(15)));
                let high = vqtbl1q_u8(table(high), vshrq_n_u8::<4>(x));
                *buckets = vandq_u8(*buckets, vandq_u8(low, high));
            }
        }
        bits(buckets.map(|b| vtstq_u8(b, b)))
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn of_set(x: Quad, set: &Set) -> u64 {
        bits(x.map(|x| {
            let low = vandq_u8(x, vdupq_n_u8(15));
            let (below, above) =
                (vqtbl1q_u8(table(&set.below), low), vqtbl1q_u8(table(&set.above), low));
            let held = vbslq_u8(vcgeq_u8(x, vdupq_n_u8(0x80)), above, below);
            vtstq_u8(held, vqtbl1q_u8(table(&HIGH_BIT), vshrq_n_u8::<4>(x)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        let mut literals = Literals::default();
        for (bucket, literal) in (0..).zip(["eyJ", "sk-", "ghp", "---", "größe", "PaS"]) {
            for (place, byte) in literal.bytes().take(3).enumerate() {
                literals.add(bucket, place, byte);
            }
        }
        let set = Set::new(|byte| b"aZ09 \xC3\xFF{".contains(&byte));
        Tables {
            assigns: true,
            dashes: true,
            dots: true,
            capitals: true,
            literals: Some(literals),
            set: Some(set),
        }
    }

    fn all(isa: Isa, text: &[u8]) -> Vec<Kinds> {
        let mut all = Vec::new();
        isa.classify(text, &tables(), |_, kinds| all.push(kinds));
        all
    }

    #[test]
    fn every_instruction_set_sees_the_same_at_every_alignment_and_length() {
        // Every byte beside many others, and literals across the borders of blocks.
        let mut text: Vec<u8> = (0..=u8::MAX)
            .flat_map(|byte| [byte, byte.wrapping_mul(31), b'e', b'y', b'J'])
            .collect();
        text.extend((0..2_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
        for isa in Isa::here() {
            for start in 0..=BLOCK {
                for length in [0, 1, 2, 63, 64, 65, 66, 67, 129, 190, 1_000, text.len() - start] {
                    let part = &text[start..start + length];
                    assert_eq!(all(isa, part), all(Isa::Scalar, part), "{isa:?} {start} {length}");
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_sees_the_same_odd_bytes() {
        let text: Vec<u8> =
            (0..4_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 25) as u8).collect();
        let text = [text, b"plain ".repeat(40), (0..=u8::MAX).collect()].concat();
        for isa in Isa::here() {
            for start in (0..=BLOCK).chain([3_990, text.len() - 3, text.len()]) {
                let odd: Vec<usize> = isa.odd(&text, start).collect();
                let expected = (start..text.len())
                    .filter(|at| !text[*at].is_ascii() || ODD.contains(&text[*at]));
                assert!(odd.iter().copied().eq(expected), "{isa:?} from {start}");
            }
        }
    }

    #[test]
    fn a_literal_is_seen_wherever_it_stands() {
        for isa in Isa::here() {
            for place in 0..200 {
                let text = [&b" ".repeat(place)[..], b"sk-"].concat();
                let seen = all(isa, &text);
                assert_eq!(seen[place / 64].literal >> (place % 64) & 1, 1, "{isa:?} {place}");
            }
        }
    }
}
