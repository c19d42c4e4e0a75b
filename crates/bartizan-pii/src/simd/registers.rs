//! Which instruction set has this machine, and what does it see?
//!
//! This is the only file of the workspace that may be `unsafe`: it loads vectors from references to
//! arrays of their size, and calls functions for instruction sets that were seen to be there. Every
//! kernel has the same twin, [`Scalar`], and a test compares them at every alignment.
#![allow(unsafe_code, reason = "vector loads, and calls by instruction set, as stated above")]

use super::{Work, scalar::Scalar};

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

    /// Does `work` with this instruction set.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            // SAFETY: `here` gives an instruction set only where the machine has it.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { x86::with_avx512(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { x86::with_avx2(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Neon => unsafe { arm::with_neon(work) },
            Self::Scalar => with_scalar(work),
        }
    }
}

/// Not a part of its caller, whose way is mostly another.
#[inline(never)]
fn with_scalar<W: Work>(work: W) -> W::Output {
    work.run(Scalar)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::super::{
        ASSIGN, AT, COLON, DIGIT, HIGH, HIGH_BIT, Kernel, Kinds, LETTER, LOW, Literals, ODD,
        PERCENT, READ, SOLID, Set, Tables, Work,
    };

    #[derive(Clone, Copy)]
    struct Avx512;

    #[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,popcnt,lzcnt")]
    #[inline(never)]
    pub(super) fn with_avx512<W: Work>(work: W) -> W::Output {
        work.run(Avx512)
    }

    impl Kernel for Avx512 {
        #[inline(always)]
        fn kinds(self, block: &[u8; READ], tables: &Tables) -> Kinds {
            // SAFETY: only `with_avx512` makes this kernel.
            unsafe { avx512(block, tables) }
        }

        #[inline(always)]
        fn literals(self, block: &[u8; READ], literals: &Literals) -> u64 {
            // SAFETY: as above.
            unsafe { literal512(block, literals) }
        }

        #[inline(always)]
        fn odd(self, block: &[u8; READ]) -> u64 {
            // SAFETY: as above.
            unsafe { odd512(block) }
        }
    }

    #[derive(Clone, Copy)]
    struct Avx2;

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,lzcnt")]
    #[inline(never)]
    pub(super) fn with_avx2<W: Work>(work: W) -> W::Output {
        work.run(Avx2)
    }

    impl Kernel for Avx2 {
        #[inline(always)]
        fn kinds(self, block: &[u8; READ], tables: &Tables) -> Kinds {
            // SAFETY: only `with_avx2` makes this kernel.
            unsafe { avx2(block, tables) }
        }

        #[inline(always)]
        fn literals(self, block: &[u8; READ], literals: &Literals) -> u64 {
            // SAFETY: as above.
            unsafe { literal256(block, 0, literals) | literal256(block, 32, literals) << 32 }
        }

        #[inline(always)]
        fn odd(self, block: &[u8; READ]) -> u64 {
            // SAFETY: as above.
            unsafe { odd256(block) }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn odd512(block: &[u8; READ]) -> u64 {
        let x = load512(block, 0);
        marks512(x, &ODD) | _mm512_movepi8_mask(x)
    }

    /// Where one of some marks stands (see [`marks`](super::super::marks)). A shuffle gives zero for a
    /// byte beyond ASCII.
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn marks512(x: __m512i, marks: &[u8; 16]) -> u64 {
        _mm512_cmpeq_epi8_mask(x, _mm512_shuffle_epi8(table512(marks), x))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn odd256(block: &[u8; READ]) -> u64 {
        let half = |x: __m256i| tops(_mm256_or_si256(x, marks256(x, &ODD)));
        half(load256(block, 0)) | half(load256(block, 32)) << 32
    }

    /// As [`marks512`], ones for each byte that is one.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn marks256(x: __m256i, marks: &[u8; 16]) -> __m256i {
        _mm256_cmpeq_epi8(x, _mm256_shuffle_epi8(table256(marks), x))
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
        let shifted = _mm512_sub_epi8(x, _mm512_set1_epi8(b'A'.cast_signed()));
        let (digit, letter) = (of(DIGIT), of(LETTER));
        let (dash, dot) = (is(b'-'), is(b'.'));
        Kinds {
            digit,
            letter,
            sign: of(AT | PERCENT),
            colon: of(COLON),
            solid: digit | letter | dash | dot | marks512(x, &SOLID),
            dash,
            dot,
            capital: digit | _mm512_cmple_epu8_mask(shifted, _mm512_set1_epi8(25)),
            beyond: _mm512_movepi8_mask(x),
            assign: of(ASSIGN),
            comma: is(b','),
            literal: tables.first_literals().map_or(0, |literals| literal512(block, literals)),
            set: tables.set.as_ref().map_or(0, |set| set512(x, set)),
        }
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn literal512(block: &[u8; READ], literals: &Literals) -> u64 {
        let buckets = |x: __m512i, low: &[u8; 16], high: &[u8; 16]| {
            let low_nibble = _mm512_and_si512(x, _mm512_set1_epi8(15));
            let low = _mm512_shuffle_epi8(table512(low), low_nibble);
            let high = _mm512_shuffle_epi8(table512(high), high512(x));
            _mm512_and_si512(low, high)
        };
        let Literals { low, high } = literals;
        let first = buckets(load512(block, 0), &low[0], &high[0]);
        let second = buckets(load512(block, 1), &low[1], &high[1]);
        let third = buckets(load512(block, 2), &low[2], &high[2]);
        _mm512_test_epi8_mask(_mm512_and_si512(first, second), third)
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

    /// 32 bytes of the block.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn load256(block: &[u8; READ], offset: usize) -> __m256i {
        debug_assert!(offset <= 34);
        // SAFETY: 32 bytes from an offset of at most 34 lie within the 66.
        unsafe { _mm256_loadu_si256(block.as_ptr().add(offset).cast()) }
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

    /// The highest bits of 32 bytes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn tops(x: __m256i) -> u64 {
        u64::from(_mm256_movemask_epi8(x).cast_unsigned())
    }

    /// Of both halves of the block.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn avx2(block: &[u8; READ], tables: &Tables) -> Kinds {
        let low = half(block, 0, tables);
        let high = half(block, 32, tables);
        let both = |kind: fn(&Kinds) -> u64| kind(&low) | kind(&high) << 32;
        Kinds {
            digit: both(|kinds| kinds.digit),
            letter: both(|kinds| kinds.letter),
            sign: both(|kinds| kinds.sign),
            colon: both(|kinds| kinds.colon),
            solid: both(|kinds| kinds.solid),
            dash: both(|kinds| kinds.dash),
            dot: both(|kinds| kinds.dot),
            capital: both(|kinds| kinds.capital),
            beyond: both(|kinds| kinds.beyond),
            literal: both(|kinds| kinds.literal),
            assign: both(|kinds| kinds.assign),
            comma: both(|kinds| kinds.comma),
            set: both(|kinds| kinds.set),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(block: &[u8; READ], offset: usize, tables: &Tables) -> Kinds {
        let x = load256(block, offset);
        let class = _mm256_and_si256(
            _mm256_shuffle_epi8(table256(&LOW), x),
            _mm256_shuffle_epi8(table256(&HIGH), high256(x)),
        );
        let splat = |byte: u8| _mm256_set1_epi8(byte.cast_signed());
        let of = |bits: u8| any256(_mm256_and_si256(class, splat(bits)));
        let is = |byte: u8| tops(_mm256_cmpeq_epi8(x, splat(byte)));
        let shifted = _mm256_sub_epi8(x, splat(b'A'));
        let upper = _mm256_cmpeq_epi8(_mm256_min_epu8(shifted, splat(25)), shifted);
        let (digit, letter) = (of(DIGIT), of(LETTER));
        let (dash, dot) = (is(b'-'), is(b'.'));
        let literals = tables.first_literals();
        Kinds {
            digit,
            letter,
            sign: of(AT | PERCENT),
            colon: of(COLON),
            solid: digit | letter | dash | dot | tops(marks256(x, &SOLID)),
            dash,
            dot,
            capital: digit | tops(upper),
            beyond: tops(x),
            assign: of(ASSIGN),
            comma: is(b','),
            literal: literals.map_or(0, |literals| literal256(block, offset, literals)),
            set: tables.set.as_ref().map_or(0, |set| set256(x, set)),
        }
    }

    /// Which of 32 bytes have any bit.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn any256(x: __m256i) -> u64 {
        tops(_mm256_cmpeq_epi8(x, _mm256_setzero_si256())) ^ u64::from(u32::MAX)
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn literal256(block: &[u8; READ], offset: usize, literals: &Literals) -> u64 {
        let buckets = |x: __m256i, low: &[u8; 16], high: &[u8; 16]| {
            let low_nibble = _mm256_and_si256(x, _mm256_set1_epi8(15));
            let low = _mm256_shuffle_epi8(table256(low), low_nibble);
            let high = _mm256_shuffle_epi8(table256(high), high256(x));
            _mm256_and_si256(low, high)
        };
        let Literals { low, high } = literals;
        let first = buckets(load256(block, offset), &low[0], &high[0]);
        let second = buckets(load256(block, offset + 1), &low[1], &high[1]);
        let third = buckets(load256(block, offset + 2), &low[2], &high[2]);
        any256(_mm256_and_si256(_mm256_and_si256(first, second), third))
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn set256(x: __m256i, set: &Set) -> u64 {
        let low = _mm256_and_si256(x, _mm256_set1_epi8(15));
        let below = _mm256_shuffle_epi8(table256(&set.below), low);
        let above = _mm256_shuffle_epi8(table256(&set.above), low);
        let table = _mm256_blendv_epi8(below, above, x);
        let bit = _mm256_shuffle_epi8(table256(&HIGH_BIT), high256(x));
        any256(_mm256_and_si256(table, bit))
    }
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use std::arch::aarch64::*;

    use super::super::{
        ASSIGN, AT, COLON, DIGIT, HIGH, HIGH_BIT, Kernel, Kinds, LETTER, LOW, Literals, ODD,
        PERCENT, READ, SOLID, Set, Tables, Work,
    };

    type Quad = [uint8x16_t; 4];

    #[derive(Clone, Copy)]
    struct Neon;

    #[target_feature(enable = "neon")]
    #[inline(never)]
    pub(super) fn with_neon<W: Work>(work: W) -> W::Output {
        work.run(Neon)
    }

    impl Kernel for Neon {
        #[inline(always)]
        fn kinds(self, block: &[u8; READ], tables: &Tables) -> Kinds {
            // SAFETY: only `with_neon` makes this kernel.
            unsafe { neon(block, tables) }
        }

        #[inline(always)]
        fn literals(self, block: &[u8; READ], literals: &Literals) -> u64 {
            // SAFETY: as above.
            unsafe { literal(block, literals) }
        }

        #[inline(always)]
        fn odd(self, block: &[u8; READ]) -> u64 {
            // SAFETY: as above.
            unsafe { odd(block) }
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn odd(block: &[u8; READ]) -> u64 {
        bits(load(block, 0).map(|x| vorrq_u8(beyond(x), marks(x, &ODD))))
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn beyond(x: uint8x16_t) -> uint8x16_t {
        vcgeq_u8(x, vdupq_n_u8(0x80))
    }

    /// Ones for each byte that is one of some marks (see [`marks`](super::super::marks)).
    #[target_feature(enable = "neon")]
    #[inline]
    fn marks(x: uint8x16_t, marks: &[u8; 16]) -> uint8x16_t {
        vceqq_u8(x, vqtbl1q_u8(table(marks), vandq_u8(x, vdupq_n_u8(15))))
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
        let (digit, letter) = (of(DIGIT), of(LETTER));
        let (dash, dot) = (is(b'-'), is(b'.'));
        Kinds {
            digit,
            letter,
            sign: of(AT | PERCENT),
            colon: of(COLON),
            solid: digit | letter | dash | dot | bits(x.map(|x| marks(x, &SOLID))),
            dash,
            dot,
            capital: digit | bits(x.map(upper)),
            beyond: bits(x.map(|x| beyond(x))),
            assign: of(ASSIGN),
            comma: is(b','),
            literal: tables.first_literals().map_or(0, |literals| literal(block, literals)),
            set: tables.set.as_ref().map_or(0, |set| of_set(x, set)),
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn literal(block: &[u8; READ], literals: &Literals) -> u64 {
        let mut buckets = [vdupq_n_u8(0xFF); 4];
        let bytes = [load(block, 0), load(block, 1), load(block, 2)];
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
