//! Is this an address of a cryptocurrency? Base58Check and Bech32 carry checksums.

use sha2::{Digest, Sha256};

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, window::is_word};

/// Bech32's bound (BIP 173).
const MAX: usize = 90;
/// 25 bytes in Base58 are at least so many letters.
const MIN: usize = 26;

const WORDS: &[&str] = &[
    "bitcoin", "btc", "wallet", "crypto", "eth", "ethereum", "litecoin", "ltc", "dogecoin",
    "address",
];

pub(crate) const ROWS: &[Recognizer] = &[Recognizer {
    entity: Entity::CRYPTO,
    finds: "an address of Bitcoin and its kin with its checksum, or one of Ethereum",
    starts: |b| b.is_ascii_alphanumeric(),
    anchors: &[Anchor::Token(26)],
    check,
    score: 0.8,
    context: WORDS,
    against: &[],
    max_len: MAX + 1,
    yes: &[
        "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "0x52908400098527886E0F7030069857D2E4169EE7",
    ],
    no: &[
        "16Yeky6GMjeNkAiNcBY7ZhrLoMSgg1BoyZ2",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdr",
        "0x52908400098527886E0F7030069857D2E4169EE7F",
    ],
}];

fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let length = window.count(at, MAX + 1, |b| b.is_ascii_alphanumeric())?;
    let end = at + length;
    if !(MIN..=MAX).contains(&length) || window.is(end, is_word)? {
        return Ok(None);
    }
    let text = window.bytes().get(at..end).unwrap_or_default();
    let found = base58_check(text) || bech32(text) || ethereum(text);
    Ok(found.then_some(End::At(end)))
}

/// Forty hexadecimal digits behind `0x`.
fn ethereum(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"0x").unwrap_or_default();
    digits.len() == 40
        && digits.iter().all(u8::is_ascii_hexdigit)
        && digits.iter().any(|digit| *digit != b'0')
}

/// The versions of Bitcoin, Litecoin, Dogecoin, Dash, Tron and Zcash's short ones.
const VERSIONS: &[u8] = &[0x00, 0x05, 0x30, 0x32, 0x1E, 0x16, 0x4C, 0x10, 0x41];

/// A version, 20 bytes, and the first four of their double SHA-256.
fn base58_check(text: &[u8]) -> bool {
    const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    if text.len() > 35 {
        return false;
    }
    let mut bytes = [0_u8; 25];
    for letter in text {
        let Some(value) = ALPHABET.iter().position(|known| known == letter) else { return false };
        let mut carry = u32::try_from(value).unwrap_or_default();
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = u8::try_from(carry & 0xFF).unwrap_or_default();
            carry >>= 8;
        }
        if carry != 0 {
            return false;
        }
    }
    let (body, sum) = bytes.split_at(21);
    let digest = Sha256::digest(Sha256::digest(body));
    body.first().is_some_and(|version| VERSIONS.contains(version)) && digest.starts_with(sum)
}

/// BIP 173 and BIP 350: one of two constants remains of the polynomial over prefix and data.
fn bech32(text: &[u8]) -> bool {
    const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const PREFIXES: [&[u8]; 3] = [b"bc", b"tb", b"ltc"];
    let mixed = text.iter().any(u8::is_ascii_uppercase) && text.iter().any(u8::is_ascii_lowercase);
    let Some(prefix) = PREFIXES.iter().find(|prefix| {
        text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            && text.get(prefix.len()) == Some(&b'1')
    }) else {
        return false;
    };
    let high = prefix.iter().map(|letter| letter >> 5);
    let low = prefix.iter().map(|letter| letter & 31);
    let mut state = high.chain([0]).chain(low).fold(1, step);
    for letter in text.iter().skip(prefix.len() + 1) {
        let letter = letter.to_ascii_lowercase();
        let Some(value) = ALPHABET.iter().position(|known| *known == letter) else { return false };
        state = step(state, u8::try_from(value).unwrap_or_default());
    }
    !mixed && matches!(state, 1 | 0x2BC8_30A3)
}

fn step(state: u32, value: u8) -> u32 {
    const GENERATOR: [u32; 5] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3];
    let top = state >> 25;
    let shifted = (state & 0x1FF_FFFF) << 5 ^ u32::from(value);
    (0..).zip(GENERATOR).filter(|(bit, _)| top >> bit & 1 == 1).fold(shifted, |s, (_, g)| s ^ g)
}
