//! Where may a value begin that is assigned to a name? Behind `:`, `=`, `>`, and some words.

use super::{Kind, Sweep, bits, mark::Near};
use crate::{
    Window,
    dispatch::{ASSIGN_REACH, Dispatch, VERBS},
    simd::{BLOCK, Kinds},
};

/// The longest word that assigns.
const LONGEST_VERB: usize = 10;

/// The end of a block from which a sign or word may assign what stands in the next one.
const NEAR_THE_END: u64 = u64::MAX << (BLOCK - LONGEST_VERB - ASSIGN_REACH);

impl Sweep {
    /// What stands behind the signs and words that assign. Where only long values are looked for,
    /// nothing is asked but before `long` runs without a blank.
    #[inline(always)]
    pub(super) fn assigned(
        &mut self,
        dispatch: &Dispatch,
        window: &Window<'_>,
        near: Near,
        long: u64,
    ) {
        let Near { here, before, .. } = near;
        let known = !self.unknown(near.block);
        let long = long & near.known & assignable(&before, &here);
        if dispatch.only_long_assigned() {
            let (earlier, reach) = within_reach(long);
            bits::each(here.assign & reach & known, |bit| {
                self.sign_assigns(dispatch, window, near.at(bit));
            });
            // Of a sign at the end of the block before, what stands in this one is not known there.
            bits::each(before.assign & earlier, |bit| {
                if let Some(at) = near.at(bit).checked_sub(BLOCK) {
                    self.sign_assigns(dispatch, window, at);
                }
            });
            bits::each(long, |bit| self.verb_assigns(dispatch, window, near.at(bit)));
        } else {
            let signs = (here.assign | here.literal) & known;
            bits::each(signs, |bit| self.sign_assigns(dispatch, window, near.at(bit)));
            // Where a search begins in this block, nobody has looked at the one before.
            bits::each(near_the_end(&before), |bit| {
                if let Some(at) = near.at(bit).checked_sub(BLOCK) {
                    self.sign_assigns(dispatch, window, at);
                }
            });
        }
    }

    /// Marks what stands behind a sign or word that assigns, if one begins here.
    #[inline(never)]
    fn sign_assigns(&mut self, dispatch: &Dispatch, window: &Window<'_>, at: usize) {
        let (text, place) = (window.bytes(), self.origin + at);
        let rest = text.get(place..).unwrap_or_default();
        let Some(width) = assigning(rest) else { return };
        let address = rest.get(1) == Some(&b'/');
        if !address && !is_named(dispatch, text, place) {
            return;
        }
        for distance in width..=width + ASSIGN_REACH {
            let Some(byte) = rest.get(distance) else { break };
            if !self.assigned_rows(dispatch, text, place + distance).is_empty() {
                self.found.note(Kind::Assigned, at + distance);
            }
            if !is_between(*byte) {
                break;
            }
        }
    }

    /// Looks for a word that assigns what stands at the beginning of a long run.
    #[inline(never)]
    fn verb_assigns(&mut self, dispatch: &Dispatch, window: &Window<'_>, at: usize) {
        let place = self.origin + at;
        let reach = (ASSIGN_REACH + LONGEST_VERB).min(at);
        let before = window.bytes().get(place - reach..place).unwrap_or_default();
        let blanks = before.iter().rev().take_while(|byte| is_between(**byte)).count();
        let last = before.iter().rev().nth(blanks).copied().unwrap_or_default();
        // The last letters of all verbs.
        if !matches!(last | 0x20, b's' | b't' | b'r' | b'y' | b'd') && last != 0xA9 {
            return;
        }
        for (distance, first) in (1..).zip(before.iter().rev()) {
            // The first letters of all verbs.
            if matches!(first | 0x20, b' ' | b'b' | b'p') {
                self.sign_assigns(dispatch, window, at - distance);
            }
        }
    }
}

/// Where a long value may begin: a letter or digit behind a sign, or behind what is no part of a key.
#[inline(always)]
pub(super) fn assignable(before: &Kinds, here: &Kinds) -> u64 {
    let open = |kinds: &Kinds| kinds.assign | !kinds.solid;
    here.word() & bits::behind(open(before), open(here))
}

/// Whether a sign at the end of the block before may assign a short value in this one.
#[inline(always)]
pub(super) fn assigns_from_before(dispatch: &Dispatch, near: Near) -> bool {
    !dispatch.only_long_assigned() && near_the_end(&near.before) != 0
}

/// The signs and words at the end of a block that may assign what stands in the next one.
#[inline(always)]
fn near_the_end(kinds: &Kinds) -> u64 {
    (kinds.assign | kinds.literal) & NEAR_THE_END
}

/// Those bits of the block before and of this one behind which a long run begins as closely as a
/// value stands behind a sign.
#[inline(always)]
fn within_reach(long: u64) -> (u64, u64) {
    let long = u128::from(long) << 64;
    let two = long >> 1 | long >> 2;
    let four = two | two >> 2;
    let reach = four | four >> 4 | long >> (ASSIGN_REACH + 1);
    (reach as u64, (reach >> 64) as u64)
}

/// The width of the sign or word at `place` that assigns what follows.
fn assigning(rest: &[u8]) -> Option<usize> {
    if let Some(b':' | b'=' | b'>') = rest.first() {
        return Some(1);
    }
    // The first letters of all verbs.
    if !matches!(rest.first()? | 0x20, b' ' | b'b' | b'p') {
        return None;
    }
    let verb = VERBS
        .iter()
        .find(|verb| rest.get(..verb.len()).is_some_and(|here| here.eq_ignore_ascii_case(verb)));
    verb.map(|verb| verb.len())
}

/// Whether the name before a sign or word ends like one that something is assigned to, or is a part of
/// that word itself.
fn is_named(dispatch: &Dispatch, text: &[u8], place: usize) -> bool {
    // `bearer`, ` by '` and `password '` are names themselves.
    if matches!(text.get(place..), Some([b'b' | b'B' | b'p' | b'P', ..] | [b' ', b'b' | b'B', ..]))
    {
        return true;
    }
    let before = text.get(..place).unwrap_or_default();
    let between = before.iter().rev().take(ASSIGN_REACH).take_while(|byte| is_between(**byte));
    match before.get(..before.len() - between.count()) {
        Some([.., first, last]) => is_between(*last) || dispatch.names.has((*first, *last)),
        _ => false,
    }
}

/// What may stand between a name and its value, beside one sign or word.
fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'\'' | b'`' | b'\\' | b'/' | b'*' | b':' | b'=' | b'>')
}
