//! Arithmetic on bits that stand for bytes, the first one lowest, across the borders of blocks.

use crate::dispatch::TOKEN_REACH;

/// The 64 bits from the bit `at` of `here` on.
#[inline(always)]
pub(super) fn from(here: u64, next: u64, at: u32) -> u64 {
    here >> at | next << 1 << (63 - at)
}

/// All bits one place up, the last one of the block before coming in.
#[inline(always)]
pub(super) fn behind(before: u64, here: u64) -> u64 {
    here << 1 | before >> 63
}

/// All bits one place down.
#[inline(always)]
pub(super) fn ahead(here: u64, next: u64) -> u64 {
    here >> 1 | next << 63
}

/// Where so many bits follow each other, from each of them on that has enough behind it.
#[inline(always)]
pub(super) fn runs(here: u64, next: u64, least: u32) -> u64 {
    let least = least.clamp(1, TOKEN_REACH);
    // A run up to the end of the block is long enough if so many bits of the next one are set.
    let most_missing = least - 1;
    let missing = most_missing - next.trailing_ones().min(most_missing);
    // What is shifted in is the last bit.
    let mut run = here.cast_signed();
    let mut length = 1;
    while length < least {
        let step = length.min(least - length);
        run &= run >> step;
        length += step;
    }
    run.cast_unsigned() & u64::MAX >> missing
}

/// Where `least` bits, or fewer but enough to tell most places apart, follow each other.
#[inline(always)]
pub(super) fn about_runs(here: u64, next: u64, least: u32) -> u64 {
    match least {
        16.. => runs(here, next, 16),
        8.. => runs(here, next, 8),
        _ => u64::MAX,
    }
}

/// How many bits directly before the bit `at` of `here` are set, up to 64.
#[inline(always)]
pub(super) fn before(before: u64, here: u64, at: u32) -> usize {
    let bits = here << 1 << (63 - at) | before >> at;
    // At 0 nothing of `here` counts.
    bits.leading_ones() as usize
}

/// From which marks on so many stand in a row, each so far behind the one before as a bit of `apart`
/// tells.
#[cold]
#[inline(never)]
pub(super) fn chains(here: u64, next: u64, apart: u16, count: u8) -> u64 {
    let marks = u128::from(here) | u128::from(next) << 64;
    let mut chains = marks;
    for _ in 1..count {
        let mut before = 0;
        each(apart.into(), |distance| before |= chains >> distance);
        chains = marks & before;
        if chains == 0 {
            break;
        }
    }
    chains as u64
}

/// The bits below the first one that is set.
#[inline(always)]
pub(super) fn below_first(bits: u64) -> u64 {
    (bits & bits.wrapping_neg()).wrapping_sub(1)
}

/// Gives the places of the bits that are set.
#[inline(always)]
pub(super) fn each(bits: u64, mut take: impl FnMut(u32)) {
    let mut bits = bits;
    while bits != 0 {
        take(bits.trailing_zeros());
        bits &= bits - 1;
    }
}
