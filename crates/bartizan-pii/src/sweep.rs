//! At which places of a text can a value begin at all? One pass over stretches of it, as bits.
//!
//! What is not known yet counts as whatever would make a beginning: so a place that is passed over
//! stays passed over, however the text goes on. The places are too many rather than too few; a test
//! holds what is found through here against asking every row everywhere.

use crate::{
    Window,
    dispatch::{
        ASSIGN_REACH, Dispatch, MARKS_REACH, MOST_LETTERS, NUMBER_REACH, Next, Rows, TOKEN_REACH,
        VERBS,
    },
    encoded,
    simd::{BLOCK, Isa},
    window::is_word,
};

/// So many blocks are looked through at a time.
const BODY: usize = 32;
/// Blocks before the body and behind it that are seen with it: what stands there may tell of values
/// in the body.
const MARGIN_BEFORE: usize = 1;
const MARGIN_BEHIND: usize = 2;
const BLOCKS: usize = MARGIN_BEFORE + BODY + MARGIN_BEHIND;
/// The longest local part of an e-mail address, and what else may stand before an `@`.
const SIGN_REACH: usize = 64;

/// Shorter words are not looked into. (Base64 of text has hardly a `+` or `/` in its first letters.)
const LONG_WORD: u32 = 10;

type Map = [u64; BLOCKS];

/// The kinds of the bytes of a stretch of text, and where in it values can begin. Kept from one
/// search to the next: to make it anew costs more than to search a short text.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Where the first bit stands in the text.
    origin: usize,
    /// The part of the text for which `found` tells: from here up to `end`.
    begin: usize,
    end: usize,
    /// So many bits are known; those behind are set if more text may come.
    known: usize,
    partial: bool,
    /// Words count as context everywhere.
    hinted: bool,
    /// The text was encoded: no word of it is looked into again.
    decoded: bool,
    digit: Map,
    word: Map,
    sign: Map,
    marks: [Map; 3],
    capital: Map,
    literal: Map,
    assign: Map,
    set: Map,
    /// Where numbers and codes may begin, what stands before an `@`, what stands around marks, all
    /// else that is built in, patterns of the user's own, what is assigned, and words that may be encoded.
    found: [Map; KINDS],
    /// Any of these.
    any: Map,
}

/// The places in [`Sweep::found`].
const NUMBER: usize = 0;
const SIGN: usize = 1;
const MARKS: usize = 2;
const OTHER: usize = 3;
const CUSTOM: usize = 4;
const ASSIGNED: usize = 5;
const ENCODED: usize = 6;
const KINDS: usize = 7;

/// A place where a value may begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) at: usize,
    kinds: u8,
}

impl Place {
    /// Whether a word may begin here that says something in another writing.
    pub(crate) fn encoded(self) -> bool {
        self.kinds >> ENCODED & 1 == 1
    }

    pub(crate) fn custom(self) -> bool {
        self.kinds >> CUSTOM & 1 == 1
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            origin: 0,
            begin: 0,
            end: 0,
            known: 0,
            partial: false,
            hinted: false,
            decoded: false,
            digit: [0; BLOCKS],
            word: [0; BLOCKS],
            sign: [0; BLOCKS],
            marks: [[0; BLOCKS]; 3],
            capital: [0; BLOCKS],
            literal: [0; BLOCKS],
            assign: [0; BLOCKS],
            set: [0; BLOCKS],
            found: [[0; BLOCKS]; KINDS],
            any: [0; BLOCKS],
        }
    }
}

impl Sweep {
    /// For a text that was encoded itself.
    pub(crate) fn of_decoded() -> Self {
        Self { decoded: true, ..Self::default() }
    }

    /// Forgets the text.
    pub(crate) fn reset(&mut self) {
        (self.begin, self.end) = (0, 0);
    }

    /// The first place from `from` on where a value may begin. The window must be the one of the
    /// calls before, until [`reset`](Self::reset).
    pub(crate) fn next(
        &mut self,
        dispatch: &Dispatch,
        isa: Isa,
        window: &Window<'_>,
        from: usize,
    ) -> Option<Place> {
        let mut from = from;
        loop {
            if !(self.begin..self.end).contains(&from) {
                if from >= window.bytes().len() {
                    return None;
                }
                self.look(dispatch, isa, window, from);
            }
            if let Some(place) = self.next_found(from) {
                return Some(place);
            }
            from = self.end;
        }
    }

    fn next_found(&self, from: usize) -> Option<Place> {
        let first = from - self.origin;
        let mut mask = u64::MAX << (first % BLOCK);
        let stretch = self.any.iter().enumerate().skip(first / BLOCK);
        for (index, any) in stretch.take_while(|(index, _)| self.origin + index * BLOCK < self.end)
        {
            let any = any & mask;
            mask = u64::MAX;
            if any != 0 {
                let bit = any.trailing_zeros();
                let at = self.origin + index * BLOCK + bit as usize;
                let kinds = self.found.iter().enumerate();
                let kinds = kinds.fold(0, |all, (kind, map)| {
                    all | ((word(map, index) >> bit & 1) as u8) << kind
                });
                return (at < self.end).then_some(Place { at, kinds });
            }
        }
        None
    }

    /// Looks through the stretch that begins at `from`.
    fn look(&mut self, dispatch: &Dispatch, isa: Isa, window: &Window<'_>, from: usize) {
        let bytes = window.bytes();
        self.origin = from.saturating_sub(MARGIN_BEFORE * BLOCK);
        self.begin = from;
        self.end = bytes.len().min(self.origin + (MARGIN_BEFORE + BODY) * BLOCK);
        let stretch = bytes.get(self.origin..).unwrap_or_default();
        let stretch = stretch.get(..BLOCKS * BLOCK).unwrap_or(stretch);
        self.known = stretch.len();
        self.partial = !window.is_complete() && self.origin + self.known == bytes.len();
        self.hinted = !window.hint().is_empty();
        self.classify(dispatch, isa, stretch);
        self.mark(dispatch, window);
    }

    fn classify(&mut self, dispatch: &Dispatch, isa: Isa, stretch: &[u8]) {
        let Self { digit, word, sign, marks, capital, literal, assign, set, .. } = self;
        let [colon, dash, dot] = marks;
        isa.classify(stretch, &dispatch.tables, |index, kinds| {
            let pairs = [
                (&mut *digit, kinds.digit),
                (&mut *word, kinds.word),
                (&mut *sign, kinds.sign),
                (&mut *colon, kinds.colon),
                (&mut *dash, kinds.dash),
                (&mut *dot, kinds.dot),
                (&mut *capital, kinds.capital),
                (&mut *literal, kinds.literal),
                (&mut *assign, kinds.assign),
                (&mut *set, kinds.set),
            ];
            for (map, bits) in pairs {
                if let Some(slot) = map.get_mut(index) {
                    *slot = bits;
                }
            }
        });
        self.fill_unknown(dispatch, stretch);
    }

    /// Sets what lies behind the known bytes to what may come.
    fn fill_unknown(&mut self, dispatch: &Dispatch, stretch: &[u8]) {
        let fill = if self.partial { u64::MAX } else { 0 };
        let known = self.known;
        let blocks = self.blocks();
        let [colon, dash, dot] = &mut self.marks;
        let maps = [
            &mut self.digit,
            &mut self.word,
            &mut self.sign,
            colon,
            dash,
            dot,
            &mut self.capital,
            &mut self.literal,
            &mut self.assign,
            &mut self.set,
        ];
        for map in maps {
            let used = map.iter_mut().enumerate().take(blocks);
            for (index, slot) in used.skip(known / BLOCK) {
                let keep = if index == known / BLOCK { !(u64::MAX << (known % BLOCK)) } else { 0 };
                *slot = *slot & keep | fill & !keep;
            }
        }
        if self.partial
            && let Some(literals) = &dispatch.tables.literals
        {
            for at in known.saturating_sub(2)..known {
                let byte = |offset: usize| stretch.get(at + offset).copied();
                if literals.may_begin([byte(0), byte(1), byte(2)]) {
                    set_bit(&mut self.literal, at);
                }
            }
        }
    }

    /// The blocks that hold something, and so many behind them as any question reaches.
    fn blocks(&self) -> usize {
        (self.known / BLOCK + 1 + MARGIN_BEHIND).min(BLOCKS)
    }

    fn mark(&mut self, dispatch: &Dispatch, window: &Window<'_>) {
        // One more than is known, for what may begin right behind it.
        let blocks = (self.known / BLOCK + 1).min(BLOCKS);
        for map in &mut self.found {
            map.iter_mut().take(blocks).for_each(|slot| *slot = 0);
        }
        let before = window.before(self.origin, 1);
        let mut word_before = u64::from(before.is_some_and(is_word));
        let mut digit_before = u64::from(before.is_some_and(|byte| byte.is_ascii_digit()));
        for index in 0..blocks {
            let (digits, words) = (word(&self.digit, index), word(&self.word, index));
            let behind_word = words << 1 | word_before;
            let behind_digit = digits << 1 | digit_before;
            (word_before, digit_before) = (words >> 63, digits >> 63);
            if digits != 0 {
                self.numbers(dispatch, window, index, digits & !behind_word);
                if dispatch.has_codes() {
                    self.codes(index, digits & behind_word & !behind_digit);
                }
            }
            if word(&self.sign, index) != 0 {
                self.signs(window, index);
            }
            self.marked(dispatch, index);
            self.others(dispatch, window, index, !(words & behind_word));
            if words != 0 && !self.decoded {
                self.encoded(window, index, words, behind_word);
            }
        }
        let [number, sign, marks, other, custom, assigned, encoded] = &self.found;
        let found =
            number.iter().zip(sign).zip(marks).zip(other).zip(custom).zip(assigned).zip(encoded);
        for (any, ((((((a, b), c), d), e), f), g)) in self.any.iter_mut().zip(found).take(blocks) {
            *any = a | b | c | d | e | f | g;
        }
    }

    /// Every digit that begins a word, and up to two marks before it; and the letters before that.
    fn numbers(&mut self, dispatch: &Dispatch, window: &Window<'_>, index: usize, starts: u64) {
        let text = window.bytes();
        let mut starts = starts;
        while starts != 0 {
            let at = index * BLOCK + starts.trailing_zeros() as usize;
            starts &= starts - 1;
            let digits = count(&self.digit, at);
            if dispatch.has_gaps() && digits >= dispatch.fewest_code {
                self.letters_before(at.saturating_sub(1));
            }
            if digits >= dispatch.fewest_number {
                let place = self.origin + at;
                let mut rows = self.shaped(dispatch, text, at, digits);
                if !rows.is_empty() && !self.hinted && !self.words_before(window, place) {
                    rows = rows.without(dispatch.weak);
                }
                if rows.is_empty() {
                    continue;
                }
                let fits = |place: usize| {
                    text.get(place).is_none_or(|byte| !rows.and(dispatch.starts(*byte)).is_empty())
                };
                if fits(place) {
                    set_bit(&mut self.found[NUMBER], at);
                }
                for distance in 1..=2.min(at) {
                    if text.get(place - distance).is_none_or(|byte| is_word(*byte)) {
                        break;
                    }
                    if fits(place - distance) {
                        set_bit(&mut self.found[NUMBER], at - distance);
                    }
                }
            }
        }
    }

    /// The rows for the number whose first digit stands at a bit.
    #[inline]
    fn shaped(&self, dispatch: &Dispatch, text: &[u8], first: usize, digits: u32) -> Rows {
        let run = bits_from(&self.digit, first).trailing_ones() as usize;
        let behind = first + run;
        let next = match text.get(self.origin + behind) {
            Some(byte) if behind < self.known => Next::Byte(*byte),
            _ if self.partial => Next::Unknown,
            _ => Next::End,
        };
        let run = run.min(self.known.saturating_sub(first));
        dispatch.number(run, next, digits as usize)
    }

    /// Every digit behind a letter.
    fn codes(&mut self, index: usize, digits: u64) {
        let mut digits = digits;
        while digits != 0 {
            let at = index * BLOCK + digits.trailing_zeros() as usize;
            digits &= digits - 1;
            self.letters_before(at);
        }
    }

    /// Marks the beginning of the word that ends before `at`, if it is short enough for a code.
    fn letters_before(&mut self, at: usize) {
        let length = before(&self.word, at);
        if (1..=MOST_LETTERS).contains(&length) {
            set_bit(&mut self.found[NUMBER], at - length);
        }
    }

    /// Every beginning of a word, or other letter, in what may be a local part before an `@`.
    fn signs(&mut self, window: &Window<'_>, index: usize) {
        let mut signs = word(&self.sign, index);
        while signs != 0 {
            let at = index * BLOCK + signs.trailing_zeros() as usize;
            // Of those that may come, the first.
            signs &= if at >= self.known { 0 } else { signs - 1 };
            let text = window.bytes();
            let place = self.origin + at;
            let comes = at >= self.known;
            let next = |offset| text.get(place + offset).copied();
            let percent = next(0) == Some(b'%');
            if !comes && percent && next(1).is_some_and(|b| b != b'4') {
                continue;
            }
            if at > self.known {
                continue;
            }
            let before = text.get(place.saturating_sub(SIGN_REACH).max(self.origin)..place);
            let before = before.unwrap_or_default();
            for (distance, byte) in (1..).zip(before.iter().rev()) {
                if !is_local(*byte) {
                    break;
                }
                let previous = place.checked_sub(distance + 1).and_then(|p| text.get(p)).copied();
                if !(is_word(*byte) && previous.is_some_and(is_word)) {
                    set_bit(&mut self.found[SIGN], at - distance);
                }
            }
        }
    }

    fn marked(&mut self, dispatch: &Dispatch, index: usize) {
        for (mark, apart) in dispatch.apart.into_iter().enumerate() {
            let Some(map) = self.marks.get(mark).filter(|_| apart != 0) else { continue };
            let here = word(map, index);
            if here == 0 {
                continue;
            }
            let next = word(map, index + 1);
            let mut pairs = 0;
            for distance in 1..=MARKS_REACH as u32 {
                if apart >> distance & 1 == 1 {
                    pairs |= here >> distance | next << (64 - distance);
                }
            }
            let mut pairs = pairs & here;
            while pairs != 0 {
                let at = index * BLOCK + pairs.trailing_zeros() as usize;
                pairs &= pairs - 1;
                if at > self.known {
                    break;
                }
                let length = before(&self.word, at);
                if length <= MARKS_REACH {
                    set_bit(&mut self.found[MARKS], at - length);
                }
                set_bit(&mut self.found[MARKS], at);
            }
        }
    }

    fn others(&mut self, dispatch: &Dispatch, window: &Window<'_>, index: usize, outside: u64) {
        let literal = word(&self.literal, index);
        let mut other = self.verified(dispatch, window, index, literal & outside);
        if let Some(least) = dispatch.shortest_token {
            let token = |index| word(&self.word, index) | word(&self.marks[1], index);
            other |= runs(token(index), token(index + 1), least);
        }
        if let Some(least) = dispatch.shortest_capitals {
            other |= runs(word(&self.capital, index), word(&self.capital, index + 1), least);
        }
        let set = word(&self.set, index);
        if !dispatch.anywhere.is_empty() {
            other |= set;
        }
        or_bits(&mut self.found[OTHER], index, other & outside);
        or_bits(&mut self.found[CUSTOM], index, set);
        if dispatch.tables.assigns {
            let signs = (word(&self.assign, index) | literal) & !self.unknown(index);
            self.assigned(dispatch, window, index, signs);
        }
    }

    /// Marks the beginnings of long words that may be text in base64 or hexadecimal digits, and of
    /// letters that stand one by one.
    fn encoded(&mut self, window: &Window<'_>, index: usize, words: u64, behind_word: u64) {
        let next = word(&self.word, index + 1);
        let mut long = runs(words, next, LONG_WORD) & !behind_word;
        while long != 0 {
            let at = index * BLOCK + long.trailing_zeros() as usize;
            long &= long - 1;
            let rest = window.bytes().get(self.origin + at..).unwrap_or_default();
            if encoded::may_begin(rest) {
                set_bit(&mut self.found[ENCODED], at);
            }
        }
        // What is not known yet may be letters one by one, too.
        let single = |index: usize| {
            let (words, unknown) = (word(&self.word, index), self.unknown(index));
            let words = words & !unknown;
            let carry = index.checked_sub(1).map_or(0, |index| word(&self.word, index) >> 63);
            let next = word(&self.word, index + 1) & !self.unknown(index + 1);
            words & !(words << 1 | carry) & !(words >> 1 | next << 63) | unknown
        };
        let here = single(index);
        if here & here >> 2 == 0 && here >> 60 == 0 {
            return;
        }
        let all = u128::from(here) | u128::from(single(index + 1)) << 64;
        let before = index.checked_sub(1).map_or(0, single) >> 62;
        let mut starts = (all & all >> 2 & all >> 4) as u64 & !(here << 2 | before);
        while starts != 0 {
            let at = index * BLOCK + starts.trailing_zeros() as usize;
            starts &= starts - 1;
            self.spread(window, at);
        }
    }

    /// Marks the first of letters that stand one by one, and what else does so before them.
    fn spread(&mut self, window: &Window<'_>, at: usize) {
        let text = window.bytes();
        set_bit(&mut self.found[ENCODED], at);
        // The same mark stands between all of them, as far as they are known.
        let mut mark = None;
        for distance in (2..=at.min(encoded::SPREAD_MARKS)).step_by(2) {
            let place = self.origin + at - distance;
            let between = text.get(place + 1).copied();
            let other_mark = between.is_some() && mark.is_some() && between != mark;
            let letter = |b: &u8| b.is_ascii_graphic() || *b == b' ';
            if other_mark || !text.get(place).is_none_or(letter) {
                break;
            }
            mark = mark.or(between);
            set_bit(&mut self.found[ENCODED], at - distance);
        }
    }

    /// The bits of a block that lie behind what is known, where more may come.
    fn unknown(&self, index: usize) -> u64 {
        match self.known.checked_sub(index * BLOCK) {
            _ if !self.partial => 0,
            Some(known @ 0..BLOCK) => u64::MAX << known,
            Some(_) => 0,
            None => u64::MAX,
        }
    }

    /// Those of the literals' beginnings that hold for a row.
    fn verified(&self, dispatch: &Dispatch, window: &Window<'_>, index: usize, hits: u64) -> u64 {
        let (mut rest, mut verified) = (hits, 0);
        while rest != 0 {
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            let at = self.origin + index * BLOCK + bit as usize;
            let holds = !self.literal_rows(dispatch, window.bytes(), at).is_empty();
            verified |= u64::from(holds) << bit;
        }
        verified
    }

    /// The rows with a literal that may stand at `at`.
    fn literal_rows(&self, dispatch: &Dispatch, bytes: &[u8], at: usize) -> Rows {
        let Some(&first) = bytes.get(at) else { return Rows::default() };
        // A byte behind the end of the text is no literal's; one that may come is any's.
        let byte = |offset: usize| match bytes.get(at + offset) {
            None if !self.partial => Some(0),
            byte => byte.copied(),
        };
        let rows = dispatch.literal([Some(first), byte(1), byte(2), byte(5)]);
        rows.and(dispatch.starts(first))
    }

    /// Marks what stands behind the signs and words that assign.
    fn assigned(&mut self, dispatch: &Dispatch, window: &Window<'_>, index: usize, signs: u64) {
        let text = window.bytes();
        let mut signs = signs;
        while signs != 0 {
            let at = index * BLOCK + signs.trailing_zeros() as usize;
            signs &= signs - 1;
            let place = self.origin + at;
            let rest = text.get(place..).unwrap_or_default();
            let before = text.get(place.saturating_sub(ASSIGN_REACH)..place).unwrap_or_default();
            let Some(width) = assigning(before, rest) else { continue };
            for distance in width..=width + ASSIGN_REACH {
                let Some(byte) = rest.get(distance) else { break };
                if !self.assigned_rows(dispatch, text, place + distance).is_empty() {
                    set_bit(&mut self.found[ASSIGNED], at + distance);
                }
                if !is_between(*byte) {
                    break;
                }
            }
        }
    }

    /// The rows whose values may begin behind a sign, at `at`.
    fn assigned_rows(&self, dispatch: &Dispatch, text: &[u8], at: usize) -> Rows {
        let Some(byte) = text.get(at) else { return Rows::default() };
        let mut rows = dispatch.assigned;
        if let Some((least, long)) = dispatch.assigned_long {
            let known = text.get(at..).unwrap_or_default();
            let run = known.iter().take(least).take_while(|byte| **byte > b' ').count();
            if run == least || (self.partial && run == known.len()) {
                rows = rows.or(long);
            }
        }
        rows.and(dispatch.starts(*byte))
    }

    /// The rows of which a value may begin at a place of the last stretch.
    pub(crate) fn rows(&self, dispatch: &Dispatch, window: &Window<'_>, place: Place) -> Rows {
        let Place { at, kinds } = place;
        let bytes = window.bytes();
        let Some(&byte) = bytes.get(at) else { return Rows::default() };
        let inside = is_word(byte) && window.before(at, 1).is_some_and(is_word);
        let is = |kind: usize| kinds >> kind & 1 == 1;
        if inside {
            return Rows::default();
        }
        let mut rows = Rows::default();
        if is(NUMBER) {
            rows = self.number_rows(dispatch, bytes, at, byte);
        }
        if is(SIGN) {
            rows = rows.or(dispatch.sign);
        }
        if is(MARKS) {
            rows = dispatch.marks.into_iter().fold(rows, Rows::or);
        }
        if is(ASSIGNED) {
            rows = rows.or(self.assigned_rows(dispatch, bytes, at));
        }
        if is(OTHER) {
            rows = rows.or(self.other_rows(dispatch, bytes, at));
        }
        let rows = rows.and(dispatch.starts(byte));
        let weak = rows.and(dispatch.weak);
        match weak.is_empty() || self.hinted || self.words_before(window, at) {
            true => rows,
            false => rows.without(weak),
        }
    }

    fn number_rows(&self, dispatch: &Dispatch, bytes: &[u8], at: usize, byte: u8) -> Rows {
        let bit = at - self.origin;
        if byte.is_ascii_alphabetic() {
            return self.code_rows(dispatch, bytes, bit);
        }
        let is_digit = |offset: usize| {
            word(&self.digit, (bit + offset) / BLOCK) >> ((bit + offset) % BLOCK) & 1 == 1
        };
        let Some(lead) = (0..=2).find(|lead| is_digit(*lead)) else { return Rows::default() };
        let first = bit + lead;
        self.shaped(dispatch, bytes, first, count(&self.digit, first))
    }

    /// Whether words may stand closely before `at`: two letters side by side, or other scripts.
    #[inline]
    pub(crate) fn words_before(&self, window: &Window<'_>, at: usize) -> bool {
        let bit = at - self.origin;
        let Some(first) = bit.checked_sub(BLOCK) else { return true };
        let letters = bits_from(&self.word, first) & !bits_from(&self.digit, first);
        letters & letters >> 1 != 0 || !window.left(at).is_ascii()
    }

    fn code_rows(&self, dispatch: &Dispatch, bytes: &[u8], bit: usize) -> Rows {
        let letter = |offset: usize| {
            bytes.get(self.origin + bit + offset).is_some_and(u8::is_ascii_alphabetic)
        };
        let letters = (0..=MOST_LETTERS).take_while(|offset| letter(*offset)).count();
        let behind = bit + letters;
        let digits = |first| count(&self.digit, first) as usize;
        if behind >= self.known && self.partial {
            // More letters may come, and then a digit.
            let lengths = letters..=MOST_LETTERS;
            return lengths.fold(Rows::default(), |all, letters| {
                all.or(dispatch.code(letters, true, NUMBER_REACH)).or(dispatch.code(
                    letters,
                    false,
                    NUMBER_REACH,
                ))
            });
        }
        let is_digit = |place: usize| bits_from(&self.digit, place) & 1 == 1;
        match bytes.get(self.origin + behind) {
            Some(b'0'..=b'9') => dispatch.code(letters, false, digits(behind)),
            Some(b' ' | b'-' | b'.' | b'/' | b':') if is_digit(behind + 1) => {
                dispatch.code(letters, true, digits(behind + 1))
            }
            _ => Rows::default(),
        }
    }

    fn other_rows(&self, dispatch: &Dispatch, bytes: &[u8], at: usize) -> Rows {
        let bit = at - self.origin;
        let mut rows = dispatch.anywhere;
        if bits_from(&self.literal, bit) & 1 == 1 {
            rows = rows.or(self.literal_rows(dispatch, bytes, at));
        }
        if dispatch.shortest_token.is_some() {
            let run = |map: &Map| bits_from(map, bit);
            let run = (run(&self.word) | run(&self.marks[1])).trailing_ones();
            rows = rows.or(dispatch.token(run));
        }
        if dispatch.shortest_capitals.is_some() {
            rows = rows.or(dispatch.capitals(bits_from(&self.capital, bit).trailing_ones()));
        }
        rows
    }
}

/// The width of the sign or word at the beginning of `rest` that assigns what follows to the name
/// before it.
fn assigning(before: &[u8], rest: &[u8]) -> Option<usize> {
    if let Some(b':' | b'=' | b'>') = rest.first() {
        let name = before.iter().rposition(|byte| !is_between(*byte)).and_then(|at| before.get(at));
        let address = rest.get(1) == Some(&b'/');
        let named = name.is_none_or(|b| b.is_ascii_alphabetic() || *b >= 0x80 || *b == b'_');
        return (named || address).then_some(1);
    }
    let verb = VERBS
        .iter()
        .find(|verb| rest.get(..verb.len()).is_some_and(|here| here.eq_ignore_ascii_case(verb)));
    verb.map(|verb| verb.len())
}

/// What may stand between a name and its value, beside one sign or word.
fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'"' | b'\'' | b'`' | b'\\' | b'/' | b'*' | b':' | b'=' | b'>')
}

fn is_local(byte: u8) -> bool {
    is_word(byte) || byte >= 0x80 || matches!(byte, b'.' | b'-' | b'+' | b'%' | b'\'')
}

/// Where so many bits follow each other, from each of them on that has enough behind it.
fn runs(here: u64, next: u64, least: u32) -> u64 {
    let all = u128::from(here) | u128::from(next) << 64;
    let mut run = all;
    let mut length = 1;
    let least = least.clamp(1, TOKEN_REACH);
    while length < least {
        let step = length.min(least - length);
        run &= run >> step;
        length += step;
    }
    run as u64
}

#[inline]
fn word(map: &Map, index: usize) -> u64 {
    map.get(index).copied().unwrap_or_default()
}

fn set_bit(map: &mut Map, at: usize) {
    or_bits(map, at / BLOCK, 1 << (at % BLOCK));
}

#[inline]
fn or_bits(map: &mut Map, index: usize, bits: u64) {
    if let Some(slot) = map.get_mut(index) {
        *slot |= bits;
    }
}

/// The 64 bits from `at` on.
#[inline]
fn bits_from(map: &Map, at: usize) -> u64 {
    let (index, shift) = (at / BLOCK, at % BLOCK);
    let behind = word(map, index + 1);
    word(map, index) >> shift | if shift == 0 { 0 } else { behind << (64 - shift) }
}

/// How many bits directly before `at` are set, up to 64.
#[inline]
fn before(map: &Map, at: usize) -> usize {
    let (index, shift) = (at / BLOCK, at % BLOCK);
    let below = index.checked_sub(1).map_or(0, |index| word(map, index));
    let here = word(map, index);
    let bits = if shift == 0 { below } else { here << (64 - shift) | below >> shift };
    bits.leading_ones() as usize
}

/// The digits of a number.
#[inline]
fn count(map: &Map, at: usize) -> u32 {
    (bits_from(map, at) as u32).count_ones()
}
