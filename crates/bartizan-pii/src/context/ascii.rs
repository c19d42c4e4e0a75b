//! Where are the words of a short text of ASCII? Eight bytes at a time, then as bits.

/// The most bytes that are looked at.
pub(super) const MOST: usize = 64;

const ONES: u64 = 0x0101_0101_0101_0101;

/// Gives where each word begins and ends, in the sense of [`mentions`](super::mentions).
pub(super) fn each_word(text: &[u8], mut take: impl FnMut(usize, usize)) {
    let Bits { letter, small, digit } = Bits::of(text);
    let inside = letter | digit;
    // Digits before a word are no part of it; a sum carries a bit through all of them.
    let leading = digit & !(inside << 1);
    let behind_digits = digit.wrapping_add(leading) & !digit;
    let capital_behind_small = letter & !small & small << 1;
    let mut starts = letter & (!(inside << 1) | behind_digits) | capital_behind_small;
    let ends = !inside | capital_behind_small;
    while starts != 0 {
        let start = starts.trailing_zeros();
        starts &= starts - 1;
        let length = 1 + (ends >> start >> 1).trailing_zeros();
        let end = (start + length).min(u64::BITS);
        take(start as usize, end as usize);
    }
}

/// One bit for each byte, the first one lowest.
#[derive(Default)]
struct Bits {
    letter: u64,
    small: u64,
    digit: u64,
}

impl Bits {
    fn of(text: &[u8]) -> Self {
        let mut padded = [0; MOST];
        if let Some(start) = padded.get_mut(..text.len()) {
            start.copy_from_slice(text);
        }
        let mut bits = Self::default();
        for (index, eight) in padded.as_chunks().0.iter().enumerate() {
            let eight = u64::from_le_bytes(*eight);
            let shift = 8 * index;
            bits.letter |= between(eight | (0x20 * ONES), b'a', b'z') << shift;
            bits.small |= between(eight, b'a', b'z') << shift;
            bits.digit |= between(eight, b'0', b'9') << shift;
        }
        bits
    }
}

/// Which of eight bytes, all below 128, lie within bounds, as the lowest eight bits.
fn between(eight: u64, first: u8, last: u8) -> u64 {
    // The highest bit of a byte tells whether the sum went beyond 127.
    let at_least = eight + u64::from(0x80 - first) * ONES;
    let above = eight + u64::from(0x7F - last) * ONES;
    let tops = (at_least & !above) >> 7 & ONES;
    tops.wrapping_mul(0x0102_0408_1020_4080) >> 56
}
