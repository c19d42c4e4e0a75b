//! Where does a value lie while a placeholder stands for it? In the vault of one request.

use std::{
    cmp::Ordering,
    fmt,
    io::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use zeroize::Zeroizing;

use crate::{Entity, json::escaped, mask::Found};

/// How many different values a vault holds at most. A message with more of them does not pass.
pub const MAX_VALUES: usize = 16_384;

/// So many bytes longer than it came an answer may be with the values that were put back into it,
/// whatever they are.
pub const GROWTH: u64 = 1024 * 1024;

/// And so many times what was put aside.
pub const GROWTH_TIMES: u64 = 4;

/// How far an answer has grown in which there is no room any more.
const SPENT: u64 = u64::MAX;

/// The most digits of a number in a placeholder.
const DIGITS: usize = 5;

/// The letters that end every placeholder of a vault, and the `_` before them.
const ENDING: usize = 1 + 8;

/// The values that were taken out of one request, to be put back into its answer.
///
/// `EMAIL_ADDRESS_1_WKZRTQBN` stands for the first of them. The eight letters are chance, and those
/// of this vault alone: a placeholder of another request means nothing here, and nobody can write
/// one beforehand. The same value of the same entity has the same placeholder, different ones never.
///
/// It is made of capitals, digits and `_` so that it comes back as it went: no encoding of JSON,
/// URLs, HTML or Markdown changes them. The values are wiped from memory when the vault is dropped.
///
/// Whoever answers decides how often a placeholder is there, and a value may be as long as the request
/// was. So what comes back is bounded: all values together make an answer longer by [`GROWTH`] bytes
/// and [`GROWTH_TIMES`] what was put aside, at most. From the first one on for which there is no room
/// they stay the placeholders that they are, but for those that are no longer than these.
pub struct Vault {
    ending: [u8; ENDING],
    rows: Vec<Row>,
    /// Places of rows, in the order of entity and value.
    sorted: Vec<u16>,
    /// The entities of the rows, each once.
    entities: Vec<Entity>,
    has_numbers: bool,
    /// How many bytes the values are.
    size: u64,
    /// By how many bytes the answer has grown so far.
    grown: AtomicU64,
}

struct Row {
    entity: Entity,
    value: Zeroizing<Vec<u8>>,
    is_number: bool,
}

/// A vault holds [`MAX_VALUES`] values already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the vault holds 16384 values, and no more fit in")]
pub struct Full;

/// A value of a vault.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'v> {
    pub(crate) value: &'v [u8],
    /// It was a number of a JSON document.
    pub(crate) is_number: bool,
}

impl Vault {
    /// An empty vault. `chance` are bits that nobody can guess, different for every request.
    pub fn new(mut chance: u128) -> Self {
        let mut ending = [b'_'; ENDING];
        for letter in ending.iter_mut().skip(1) {
            *letter = b'A' + u8::try_from(chance % 26).unwrap_or_default();
            chance /= 26;
        }
        let (rows, sorted, entities) = (Vec::new(), Vec::new(), Vec::new());
        let (size, grown) = (0, AtomicU64::new(0));
        Self { ending, rows, sorted, entities, has_numbers: false, size, grown }
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether nothing was taken out.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Keeps a value, and writes its placeholder.
    pub(crate) fn take(&mut self, found: &Found<'_>, out: &mut Vec<u8>) -> Result<(), Full> {
        let place = match self.sorted.binary_search_by(|place| self.compare(*place, found)) {
            Ok(at) => self.sorted.get(at).copied().ok_or(Full)?,
            Err(at) => self.keep(at, found)?,
        };
        // Writing to memory cannot fail.
        let _ = write!(out, "{}_{}", found.entity, place + 1);
        out.extend_from_slice(&self.ending);
        Ok(())
    }

    fn keep(&mut self, at: usize, found: &Found<'_>) -> Result<u16, Full> {
        if self.rows.len() >= MAX_VALUES {
            return Err(Full);
        }
        let place = u16::try_from(self.rows.len()).map_err(|_| Full)?;
        let entity = found.entity.clone();
        if !self.entities.contains(&entity) {
            self.entities.push(entity.clone());
        }
        let is_number = found.number.is_some();
        self.has_numbers |= is_number;
        let value = Zeroizing::new(found.number.unwrap_or(found.value).to_vec());
        self.size = self.size.saturating_add(value.len() as u64);
        self.rows.push(Row { entity, value, is_number });
        self.sorted.insert(at, place);
        Ok(place)
    }

    fn compare(&self, place: u16, found: &Found<'_>) -> Ordering {
        let Some(row) = self.rows.get(usize::from(place)) else { return Ordering::Less };
        let kept = (&row.entity, row.value.as_slice(), row.is_number);
        let value = found.number.unwrap_or(found.value);
        kept.cmp(&(found.entity, value, found.number.is_some()))
    }

    /// What follows is another answer: what came back before counts no more.
    pub fn begin_anew(&self) {
        self.grown.store(0, Relaxed);
    }

    /// Whether a value stayed its placeholder because there was no room for it.
    pub fn is_spent(&self) -> bool {
        self.grown.load(Relaxed) == SPENT
    }

    /// Whether there is room for a value where its placeholder stood in so many bytes, in a text that
    /// stands in so many strings. Then it is taken; else there is none any more, for a value that is
    /// too long must not be looked at each time that somebody asks for it.
    pub(crate) fn takes(&self, kept: Kept<'_>, placeholder: usize, strings: usize) -> bool {
        if kept.value.len() > placeholder && self.is_spent() {
            return false;
        }
        let growth = escaped(kept.value, strings).saturating_sub(placeholder) as u64;
        if growth == 0 {
            return true;
        }
        let most = GROWTH.saturating_add(self.size.saturating_mul(GROWTH_TIMES));
        let take = |grown: u64| grown.checked_add(growth).filter(|grown| *grown <= most);
        let taken = self.grown.fetch_update(Relaxed, Relaxed, take).is_ok();
        if !taken {
            self.grown.store(SPENT, Relaxed);
        }
        taken
    }

    /// Whether a number of a JSON document is among the values.
    pub(crate) fn has_numbers(&self) -> bool {
        self.has_numbers
    }

    /// What ends every placeholder: `_WKZRTQBN`.
    pub(crate) fn ending(&self) -> &[u8] {
        &self.ending
    }

    /// The value of the placeholder with which `text` ends, and how long the placeholder is.
    pub(crate) fn value_at_end(&self, text: &[u8]) -> Option<(Kept<'_>, usize)> {
        let before = text.strip_suffix(&self.ending)?;
        let digits = before.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (name, number) = before.split_at_checked(before.len() - digits)?;
        let number: usize = str::from_utf8(number).ok()?.parse().ok()?;
        let name = name.strip_suffix(b"_")?;
        let row = self.rows.get(number.checked_sub(1)?)?;
        let entity = row.entity.as_str();
        // One number, one spelling: `01` is none of ours.
        let plain = digits == number.ilog10() as usize + 1;
        let length = entity.len() + 1 + digits + ENDING;
        let kept = Kept { value: &row.value, is_number: row.is_number };
        (plain && name.ends_with(entity.as_bytes())).then_some((kept, length))
    }

    /// How much of the end of `text` may be the beginning of a placeholder that has not come whole.
    pub(crate) fn beginning_at_end(&self, text: &[u8]) -> usize {
        if self.rows.is_empty() {
            return 0;
        }
        let letter =
            |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_';
        let longest = crate::entity::MAX_NAME + 1 + DIGITS + ENDING - 1;
        let run = text.iter().rev().take(longest).take_while(letter).count();
        let begins = |length: &usize| {
            let end = text.get(text.len() - length..).unwrap_or_default();
            self.entities.iter().any(|entity| self.is_beginning(entity.as_str().as_bytes(), end))
        };
        (1..=run).rev().find(begins).unwrap_or_default()
    }

    fn is_beginning(&self, name: &[u8], text: &[u8]) -> bool {
        let Some(rest) = text.strip_prefix(name) else { return name.starts_with(text) };
        let Some(rest) = rest.strip_prefix(b"_") else { return rest.is_empty() };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let ending = rest.get(digits..).unwrap_or_default();
        let counts = digits > 0 || ending.is_empty();
        counts && digits <= DIGITS && ending.len() < ENDING && self.ending.starts_with(ending)
    }
}

/// Says how much is in it, and nothing of what.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("values", &self.rows.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn take(vault: &mut Vault, entity: &Entity, value: &str) -> Result<String, Full> {
        let mut out = Vec::new();
        let found = Found { entity, value: value.as_bytes(), number: None };
        vault.take(&found, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn one_value_has_one_placeholder_and_two_values_have_two() {
        let mut vault = Vault::new(25);
        let mail = Entity::EMAIL_ADDRESS;
        assert_eq!(take(&mut vault, &mail, "a@b.example").unwrap(), "EMAIL_ADDRESS_1_ZAAAAAAA");
        assert_eq!(take(&mut vault, &mail, "b@b.example").unwrap(), "EMAIL_ADDRESS_2_ZAAAAAAA");
        assert_eq!(take(&mut vault, &mail, "a@b.example").unwrap(), "EMAIL_ADDRESS_1_ZAAAAAAA");
        assert_eq!(take(&mut vault, &Entity::PERSON, "a@b.example").unwrap(), "PERSON_3_ZAAAAAAA");
        assert_eq!(format!("{vault:?}"), "Vault { values: 3, .. }");
    }

    #[test]
    fn a_vault_is_bounded_and_knows_what_it_has_when_it_is_full() {
        let mut vault = Vault::new(0);
        for number in 0..MAX_VALUES {
            take(&mut vault, &Entity::IP_ADDRESS, &number.to_string()).unwrap();
        }
        assert_eq!(take(&mut vault, &Entity::IP_ADDRESS, "other"), Err(Full));
        let last = take(&mut vault, &Entity::IP_ADDRESS, "16383").unwrap();
        assert_eq!(last, "IP_ADDRESS_16384_AAAAAAAA");
        let (kept, length) = vault.value_at_end(last.as_bytes()).unwrap();
        assert_eq!((kept.value, length), (&b"16383"[..], last.len()));
    }

    #[test]
    fn what_is_no_placeholder_of_this_vault_is_none() {
        let mut vault = Vault::new(0);
        take(&mut vault, &Entity::IP_ADDRESS, "10.0.0.1").unwrap();
        for text in [
            "IP_ADDRESS_1_AAAAAAAB",
            "IP_ADDRESS_01_AAAAAAAA",
            "IP_ADDRESS_2_AAAAAAAA",
            "IP_ADDRESS_0_AAAAAAAA",
            "PERSON_1_AAAAAAAA",
            "IP_ADDRESS__AAAAAAAA",
            "_AAAAAAAA",
        ] {
            assert!(vault.value_at_end(text.as_bytes()).is_none(), "{text}");
        }
    }
}
