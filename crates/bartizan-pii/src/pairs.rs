//! With which two letters do some words begin, or end? A quick no for the most of what is none of them.

/// Pairs of letters in any case, one bit for each; other bytes count as some letter.
#[derive(Debug, Default)]
pub(crate) struct Pairs([u64; 16]);

impl Pairs {
    pub(crate) fn of(pairs: impl Iterator<Item = (u8, u8)>) -> Self {
        let mut all = Self::default();
        pairs.for_each(|pair| all.add(pair));
        all
    }

    fn add(&mut self, pair: (u8, u8)) {
        let (place, bit) = place(pair);
        if let Some(word) = self.0.get_mut(place) {
            *word |= 1 << bit;
        }
    }

    /// Adds the pairs with which some words end.
    pub(crate) fn add_ends(&mut self, words: &[&str]) {
        for word in words {
            if let [.., first, second] = word.as_bytes() {
                self.add((*first, *second));
            }
        }
    }

    /// The pairs with which some words begin.
    pub(crate) fn of_beginnings<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        Self::of(words.filter_map(|word| match word.as_bytes() {
            [first, second, ..] => Some((*first, *second)),
            _ => None,
        }))
    }

    #[inline]
    pub(crate) fn has(&self, pair: (u8, u8)) -> bool {
        let (place, bit) = place(pair);
        self.0.get(place).is_some_and(|word| word >> bit & 1 == 1)
    }
}

/// Five bits of each letter: the place of a word of 64 bits, and the bit.
#[inline]
fn place((first, second): (u8, u8)) -> (usize, u32) {
    let (first, second) = (u32::from(first & 31), u32::from(second & 31));
    ((first >> 1) as usize, (first & 1) << 5 | second)
}
