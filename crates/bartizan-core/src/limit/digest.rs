//! What stands for the text of a key?

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::LazyLock;

/// What stands for the text of a key: SipHash-1-3 of 128 bits, under a key of this process that was made by
/// chance. Two keys of the same digest would share a counter. Nobody who does not know the key can
/// look for such a pair, and among a million keys there is one by accident once in 2^88 tries: so
/// the digest decides, and the text of the key is not read.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Digest {
    pub(super) high: u64,
    pub(super) low: u64,
}

/// The key of this process; it never leaves it.
static KEY: LazyLock<[u64; 2]> = LazyLock::new(|| {
    let chance = RandomState::new();
    [chance.hash_one(0_u8), chance.hash_one(1_u8)]
});

impl Digest {
    pub(super) fn of(text: &str) -> Self {
        let [high, low] = siphash(*KEY, text.as_bytes());
        // All zeros stand for a place that is free.
        Self { high: high | 1 << 63, low }
    }
}

/// SipHash-1-3 with 128 bits of result (Aumasson and Bernstein, 2012, and their reference code), of a
/// text that is there as a whole: a third of the work of a hasher that is fed piece by piece.
pub(super) fn siphash([k0, k1]: [u64; 2], bytes: &[u8]) -> [u64; 2] {
    let mut state = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = absorb(state, u64::from_le_bytes(*word));
    }
    let length = (bytes.len() as u64) << 56;
    let rest = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    let [v0, v1, v2, v3] = absorb(state, length | rest);
    let [v0, v1, v2, v3] = finish([v0, v1, v2 ^ 0xee, v3]);
    let high = v0 ^ v1 ^ v2 ^ v3;
    let [v0, v1, v2, v3] = finish([v0, v1 ^ 0xdd, v2, v3]);
    [high, v0 ^ v1 ^ v2 ^ v3]
}

fn absorb([v0, v1, v2, v3]: [u64; 4], word: u64) -> [u64; 4] {
    let [v0, v1, v2, v3] = round([v0, v1, v2, v3 ^ word]);
    [v0 ^ word, v1, v2, v3]
}

fn finish(state: [u64; 4]) -> [u64; 4] {
    round(round(round(state)))
}

#[inline(always)]
fn round([mut v0, mut v1, mut v2, mut v3]: [u64; 4]) -> [u64; 4] {
    (v0, v2) = (v0.wrapping_add(v1), v2.wrapping_add(v3));
    (v1, v3) = (v1.rotate_left(13) ^ v0, v3.rotate_left(16) ^ v2);
    v0 = v0.rotate_left(32);
    (v2, v0) = (v2.wrapping_add(v1), v0.wrapping_add(v3));
    (v1, v3) = (v1.rotate_left(17) ^ v2, v3.rotate_left(21) ^ v0);
    v2 = v2.rotate_left(32);
    [v0, v1, v2, v3]
}
