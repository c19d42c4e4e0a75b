//! The same kinds, one byte after the other: for machines without wide registers, and the twin that
//! every other kernel is compared with.

use super::{BLOCK, Kernel, Kinds, Literals, READ, Tables, is_odd};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

impl Kernel for Scalar {
    fn kinds(self, block: &[u8; READ], tables: &Tables) -> Kinds {
        let mut kinds = Kinds::default();
        for (index, window) in block.windows(3).take(BLOCK).enumerate() {
            let &[byte, second, third] = window else { continue };
            let bit = 1_u64 << index;
            let mark = |kind: &mut u64, holds: bool| *kind |= if holds { bit } else { 0 };
            mark(&mut kinds.digit, byte.is_ascii_digit());
            mark(&mut kinds.letter, byte.is_ascii_alphabetic() || byte == b'_');
            mark(&mut kinds.sign, byte == b'@' || byte == b'%');
            mark(&mut kinds.colon, byte == b':');
            mark(&mut kinds.solid, byte.is_ascii_alphanumeric() || b"_-.+/=~".contains(&byte));
            mark(&mut kinds.dash, byte == b'-');
            mark(&mut kinds.dot, byte == b'.');
            mark(&mut kinds.capital, byte.is_ascii_digit() || byte.is_ascii_uppercase());
            mark(&mut kinds.beyond, !byte.is_ascii());
            mark(&mut kinds.comma, byte == b',');
            mark(&mut kinds.assign, matches!(byte, b':' | b'=' | b'>'));
            if let Some(literals) = tables.first_literals() {
                let bytes = [Some(byte), Some(second), Some(third)];
                mark(&mut kinds.literal, literals.may_begin(bytes));
            }
            if let Some(set) = &tables.set {
                mark(&mut kinds.set, set.holds(byte));
            }
        }
        kinds
    }

    fn literals(self, block: &[u8; READ], literals: &Literals) -> u64 {
        let begins = |bytes: &[u8]| {
            literals
                .may_begin([bytes.first(), bytes.get(1), bytes.get(2)].map(|byte| byte.copied()))
        };
        let windows = block.windows(3).take(BLOCK).rev();
        windows.fold(0, |bits, bytes| bits << 1 | u64::from(begins(bytes)))
    }

    fn odd(self, block: &[u8; READ]) -> u64 {
        let odd = |byte: &u8| is_odd(*byte);
        block.iter().take(BLOCK).rev().fold(0, |bits, byte| bits << 1 | u64::from(odd(byte)))
    }
}
