//! Some of the rows, as bits: so that many of them are chosen or left out at once.

/// The most rows of one scanner.
pub(crate) const MOST_ROWS: usize = 256;

/// Some of the rows, by their places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Rows([u64; MOST_ROWS / 64]);

impl Rows {
    pub(crate) const ALL: Self = Self([u64::MAX; MOST_ROWS / 64]);

    pub(crate) fn insert(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    fn zip(mut self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word = join(*word, other));
        self
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0.iter().fold(0, |any, word| any | word) == 0
    }

    pub(crate) fn without(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    pub(crate) fn has(self, row: usize) -> bool {
        self.0.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The first of them, which is taken out.
    #[inline]
    pub(crate) fn take_first(&mut self) -> Option<usize> {
        for (index, word) in self.0.iter_mut().enumerate() {
            if *word != 0 {
                let row = index * 64 + word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(row);
            }
        }
        None
    }

    /// Those for which `holds`.
    pub(crate) fn of<T>(all: &[T], holds: impl Fn(&T) -> bool) -> Self {
        let mut rows = Self::default();
        for (place, _) in all.iter().enumerate().filter(|(_, one)| holds(one)) {
            rows.insert(place);
        }
        rows
    }
}
