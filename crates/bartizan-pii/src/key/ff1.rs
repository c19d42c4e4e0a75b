//! How is a number enciphered to a number of as many digits? FF1 of NIST SP 800-38G, radix 10.

use std::ops::RangeInclusive;

use aes::{
    Aes256,
    cipher::{BlockCipherEncrypt, KeyInit},
};

/// How many digits: at least a million numbers, as the standard asks for, and halves that 128 bits
/// can hold.
pub(super) const LENGTHS: RangeInclusive<usize> = 6..=56;

const ROUNDS: u8 = 10;

/// Enciphers digits, 0 to 9 each, in place.
pub(super) fn encrypt(key: &[u8; 32], tweak: &[u8], digits: &mut [u8]) {
    let rounds = Rounds::new(key, tweak, digits.len());
    let (mut a, mut b) = rounds.halves(digits);
    for round in 0..ROUNDS {
        let modulus = rounds.modulus(round);
        (a, b) = (b, (a + rounds.number(round, b) % modulus) % modulus);
    }
    rounds.write(a, b, digits);
}

/// Undoes [`encrypt`].
pub(super) fn decrypt(key: &[u8; 32], tweak: &[u8], digits: &mut [u8]) {
    let rounds = Rounds::new(key, tweak, digits.len());
    let (mut a, mut b) = rounds.halves(digits);
    for round in (0..ROUNDS).rev() {
        let modulus = rounds.modulus(round);
        (a, b) = ((b + modulus - rounds.number(round, a) % modulus) % modulus, a);
    }
    rounds.write(a, b, digits);
}

/// The round function. The names of the standard: `u` and `v` are the lengths of the halves, `b` the
/// bytes of the longer one as a number, `P` the first block.
struct Rounds<'t> {
    cipher: Aes256,
    tweak: &'t [u8],
    first: [u8; 16],
    u: usize,
    v: usize,
    b: usize,
}

impl<'t> Rounds<'t> {
    fn new(key: &[u8; 32], tweak: &'t [u8], length: usize) -> Self {
        let (u, v) = (length / 2, length - length / 2);
        let bits = 128 - power(v).leading_zeros();
        let small = |number: usize| number.to_le_bytes().first().copied().unwrap_or_default();
        let (n, t) = (big(length), big(tweak.len()));
        let [n0, n1, n2, n3] = n;
        let [t0, t1, t2, t3] = t;
        let first = [1, 2, 1, 0, 0, 10, ROUNDS, small(u), n0, n1, n2, n3, t0, t1, t2, t3];
        let b = usize::try_from(bits.div_ceil(8)).unwrap_or(16);
        Self { cipher: Aes256::new(key.into()), tweak, first, u, v, b }
    }

    fn halves(&self, digits: &[u8]) -> (u128, u128) {
        let (a, b) = digits.split_at(self.u);
        (number(a), number(b))
    }

    fn write(&self, a: u128, b: u128, digits: &mut [u8]) {
        let (first, second) = digits.split_at_mut(self.u);
        for (mut number, half) in [(a, first), (b, second)] {
            for digit in half.iter_mut().rev() {
                *digit = (number % 10).to_le_bytes().first().copied().unwrap_or_default();
                number /= 10;
            }
        }
    }

    fn modulus(&self, round: u8) -> u128 {
        power(if round.is_multiple_of(2) { self.u } else { self.v })
    }

    /// NUM(S) of steps 6.i to 6.iv. `d` is at most 16, so that S is the beginning of R.
    fn number(&self, round: u8, half: u128) -> u128 {
        let padding = (16 - (self.tweak.len() + self.b + 1) % 16) % 16;
        let mut q = Vec::with_capacity(self.tweak.len() + padding + self.b + 1);
        q.extend_from_slice(self.tweak);
        q.resize(self.tweak.len() + padding, 0);
        q.push(round);
        q.extend_from_slice(half.to_be_bytes().get(16 - self.b..).unwrap_or_default());
        let mut block = self.first.into();
        self.cipher.encrypt_block(&mut block);
        for chunk in q.chunks_exact(16) {
            block.iter_mut().zip(chunk).for_each(|(place, byte)| *place ^= byte);
            self.cipher.encrypt_block(&mut block);
        }
        let d = 4 * self.b.div_ceil(4) + 4;
        block.iter().take(d).fold(0, |number, byte| (number << 8) | u128::from(*byte))
    }
}

fn big(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes()
}

fn number(digits: &[u8]) -> u128 {
    digits.iter().fold(0, |number, digit| number * 10 + u128::from(*digit))
}

fn power(digits: usize) -> u128 {
    10_u128.pow(u32::try_from(digits).unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [
        0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF, 0x4F,
        0x3C, 0xEF, 0x43, 0x59, 0xD8, 0xD5, 0x80, 0xAA, 0x4F, 0x7F, 0x03, 0x6D, 0x6F, 0x04, 0xFC,
        0x6A, 0x94,
    ];

    #[test]
    fn the_samples_of_the_standard_come_out() {
        // Samples 7 and 8 of FF1, published by NIST beside the standard.
        for (tweak, enciphered) in [("", "6657667009"), ("9876543210", "1001623463")] {
            let mut digits: Vec<u8> = (0..10).collect();
            encrypt(&KEY, tweak.as_bytes(), &mut digits);
            let shown: String = digits.iter().map(ToString::to_string).collect();
            assert_eq!(shown, enciphered);
            decrypt(&KEY, tweak.as_bytes(), &mut digits);
            assert_eq!(digits, (0..10).collect::<Vec<u8>>());
        }
    }

    #[test]
    fn every_length_comes_back_and_the_longest_does_not_overflow() {
        for length in LENGTHS {
            let plain: Vec<u8> = (0..length).map(|_| 9).collect();
            let mut digits = plain.clone();
            encrypt(&KEY, b"CREDIT_CARD", &mut digits);
            assert!(digits.iter().all(|digit| *digit < 10) && digits != plain, "{length}");
            decrypt(&KEY, b"CREDIT_CARD", &mut digits);
            assert_eq!(digits, plain, "{length}");
        }
    }
}
