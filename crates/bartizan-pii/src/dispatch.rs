//! Which rows are asked at a place? Tables made of the rows' anchors, so that a row costs nothing
//! where its values cannot begin.

mod forms;
mod rows;

#[cfg(test)]
pub(crate) use rows::MOST_ROWS;
pub(crate) use rows::Rows;

use crate::{
    Anchor, Recognizer,
    custom::Custom,
    pairs::Pairs,
    simd::{Set, Tables},
    sweep::{FEWEST_LONG, Signals},
    window::is_word,
};

/// First runs of more digits are counted as so many.
pub(crate) const LONGEST_RUN: usize = 24;
/// The most letters before a digit in a code.
pub(crate) const MOST_LETTERS: usize = 8;
/// In so many bytes from its first digit on the digits of a number are counted.
pub(crate) const NUMBER_REACH: usize = 32;
/// The farthest two marks, and the longest word before the first of them.
pub(crate) const MARKS_REACH: usize = 8;
/// The longest run that a row may ask for.
pub(crate) const TOKEN_REACH: u32 = 32;
/// So many bytes without a blank are rare enough to be looked for first.
pub(crate) const LONG: u32 = 16;
/// A value begins within so many bytes behind what assigns it.
pub(crate) const ASSIGN_REACH: usize = 8;
/// Words that assign, in small letters, with what must stand around them.
pub(crate) const VERBS: &[&[u8]] =
    &[b" is ", b" ist ", b" est ", b" es ", b" \xC3\xA9 ", b"bearer ", b" by '", b"password '"];

/// What follows a run of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Byte(u8),
    /// The text ends here.
    End,
    /// Not known yet; the run may go on.
    Unknown,
}

/// The places of the bytes by which literals are told apart: the first ones, and one that tells the
/// frame of a key from a ruled line.
pub(crate) const LITERAL_PLACES: [usize; 4] = [0, 1, 2, 5];

const NEXT_KINDS: usize = 13;

impl Next {
    #[inline]
    fn kind(self) -> usize {
        match self {
            Self::Byte(byte) => BYTE_KINDS.get(usize::from(byte)).copied().unwrap_or(10).into(),
            Self::End => 11,
            Self::Unknown => 12,
        }
    }
}

/// A table, because this is asked of every number.
static BYTE_KINDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        *first = match byte {
            b' ' => 0,
            b'-' => 1,
            b'.' => 2,
            b',' => 3,
            b':' => 4,
            b'(' => 5,
            b')' => 6,
            b'/' => 7,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => 8,
            0x80.. => 9,
            _ => 10,
        };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

type ByNext = [Rows; NEXT_KINDS];

/// The rows whose values hold some of a mark, how far from each other these stand, as bits, and how
/// many there are at least.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks {
    pub(crate) rows: Rows,
    pub(crate) apart: u16,
    pub(crate) count: u8,
    /// The fewest and the most bytes of the word before the first of them.
    pub(crate) word: (u8, u8),
    /// All of them stand between digits.
    pub(crate) between_digits: bool,
}

impl Marks {
    fn of((least, most): (u8, u8), count: u8, word: (u8, u8), between_digits: bool) -> Self {
        let distances = least..=most.min(MARKS_REACH as u8);
        let apart = distances.fold(0, |apart, distance| apart | 1 << distance);
        Self { rows: Rows::default(), apart, count, word, between_digits }
    }

    /// What is common to both; the rows of this one.
    fn or(self, other: Self) -> Self {
        Self {
            rows: self.rows,
            apart: self.apart | other.apart,
            count: self.count.min(other.count),
            word: (self.word.0.min(other.word.0), self.word.1.max(other.word.1)),
            between_digits: self.between_digits && other.between_digits,
        }
    }
}

/// The tables.
#[derive(Debug)]
pub(crate) struct Dispatch {
    /// The rows of which a value may begin with a byte.
    starts: [Rows; 256],
    /// The rows of which one may go on with a byte behind none and behind a mark: told apart where a row has
    /// forms.
    seconds: [[Rows; 256]; 2],
    /// By the length of the first run, by what follows it.
    numbers: [ByNext; LONGEST_RUN + 1],
    /// By the digits within reach and before any letter or comma.
    number_digits: [Rows; NUMBER_REACH + 1],
    /// Marks with which the values of such rows may begin.
    leads: [bool; 256],
    /// By the number of letters, without a gap and with one.
    codes: [[Rows; 2]; MOST_LETTERS + 1],
    code_digits: [Rows; NUMBER_REACH + 1],
    /// The numbers of letters that any code without a gap begins with, as bits.
    pub(crate) code_lengths: u32,
    pub(crate) sign: Rows,
    /// Of `:`, `-` and `.`.
    pub(crate) marks: [Marks; 3],
    /// Two `:` side by side make a place.
    pub(crate) pairs: bool,
    /// Numbers that are no days.
    pub(crate) undated: Rows,
    /// Numbers that need a label behind them.
    pub(crate) labelled: Rows,
    /// The rows with a literal that has this byte at one of [`LITERAL_PLACES`].
    literals: [[Rows; 256]; LITERAL_PLACES.len()],
    /// The rows whose values are assigned to a name.
    pub(crate) assigned: Rows,
    /// Those whose values have so many bytes at least, without a blank.
    pub(crate) assigned_long: Option<(u32, Rows)>,
    /// With what two letters the names end to which values are assigned.
    pub(crate) names: Pairs,
    /// Anything is assigned at all.
    pub(crate) assigns: bool,
    /// The rows that speak only where a word supports them.
    pub(crate) weak: Rows,
    tokens: Vec<(u32, Rows)>,
    capitals: Vec<(u32, Rows)>,
    /// Those with a digit among so many bytes from the beginning on.
    before_digits: Vec<(u32, Rows)>,
    pub(crate) most_before_digit: Option<u32>,
    /// Those with what announces a person before them.
    pub(crate) announced: Rows,
    pub(crate) anywhere: Rows,
    /// There are patterns of the user's own.
    pub(crate) custom: bool,
    /// For the sweep: the fewest digits that any number needs, and any code.
    pub(crate) fewest_number: u32,
    pub(crate) fewest_code: u32,
    gaps: bool,
    letters_only: bool,
    plain_literal: bool,
    /// The first bytes of literals, in the order of their buckets.
    buckets: Vec<u8>,
    /// All literals that begin with a dash begin with five, and a letter.
    pub(crate) letter_behind_dashes: bool,
    /// While rows are added: the values of this one are long.
    secret: bool,
    pub(crate) shortest_token: Option<u32>,
    pub(crate) shortest_capitals: Option<u32>,
    /// The fewest bytes without a blank that any of these, and what is assigned, has.
    pub(crate) shortest_solid: u32,
    pub(crate) tables: Tables,
    pub(crate) signals: Signals,
}

impl Dispatch {
    /// Of rows, of which those with a score below `min_confidence` need a word beside their values.
    pub(crate) fn new(
        rows: &[&'static Recognizer],
        custom: &[Custom],
        min_confidence: f32,
    ) -> Box<Self> {
        Self::with_anchors(rows, custom, min_confidence, |row| row.anchors)
    }

    /// Asks the rows where `anchors` says.
    pub(crate) fn with_anchors(
        rows: &[&'static Recognizer],
        custom: &[Custom],
        min_confidence: f32,
        anchors: impl Fn(&Recognizer) -> &'static [Anchor],
    ) -> Box<Self> {
        let mut dispatch = Box::new(Self {
            starts: [Rows::default(); 256],
            seconds: [[Rows::default(); 256]; 2],
            numbers: [[Rows::default(); NEXT_KINDS]; LONGEST_RUN + 1],
            number_digits: [Rows::default(); NUMBER_REACH + 1],
            leads: [false; 256],
            codes: [[Rows::default(); 2]; MOST_LETTERS + 1],
            code_digits: [Rows::default(); NUMBER_REACH + 1],
            code_lengths: 0,
            sign: Rows::default(),
            marks: [Marks::default(); 3],
            pairs: false,
            undated: Rows::default(),
            labelled: Rows::default(),
            literals: [[Rows::default(); 256]; LITERAL_PLACES.len()],
            assigned: Rows::default(),
            assigned_long: None,
            names: Pairs::default(),
            assigns: false,
            weak: Rows::of(rows, |row| row.score < min_confidence),
            tokens: Vec::new(),
            capitals: Vec::new(),
            before_digits: Vec::new(),
            most_before_digit: None,
            announced: Rows::default(),
            anywhere: Rows::default(),
            custom: !custom.is_empty(),
            fewest_number: u32::MAX,
            fewest_code: u32::MAX,
            gaps: false,
            letters_only: false,
            plain_literal: false,
            buckets: Vec::new(),
            letter_behind_dashes: true,
            secret: false,
            shortest_token: None,
            shortest_capitals: None,
            shortest_solid: TOKEN_REACH,
            tables: Tables::default(),
            signals: Signals::default(),
        });
        for (place, row) in rows.iter().enumerate() {
            for (byte, rows) in (0..=u8::MAX).zip(&mut dispatch.starts) {
                if (row.starts)(byte) {
                    rows.insert(place);
                }
            }
            for (behind_mark, seconds) in [false, true].into_iter().zip(&mut dispatch.seconds) {
                for (byte, rows) in (0..=u8::MAX).zip(seconds) {
                    if forms::may_be_second(anchors(row), behind_mark, byte) {
                        rows.insert(place);
                    }
                }
            }
            dispatch.secret = row.entity.is_secret();
            anchors(row).iter().for_each(|anchor| dispatch.add(place, *anchor));
        }
        dispatch.prepare(custom);
        dispatch
    }

    fn add(&mut self, row: usize, anchor: Anchor) {
        match anchor {
            Anchor::Number { first, then, digits } => self.add_number(row, first, then, digits),
            Anchor::Undated { first, then, digits } => {
                self.undated.insert(row);
                self.add_number(row, first, then, digits);
            }
            Anchor::Labelled { first, then, digits } => {
                self.labelled.insert(row);
                self.add_number(row, first, then, digits);
            }
            Anchor::Code { letters, gap, digits } => self.add_code(row, letters, gap, digits),
            Anchor::Sign => self.sign.insert(row),
            Anchor::Marks { mark, apart, count, word } => {
                self.add_marks(row, mark, Marks::of(apart, count, word, false));
            }
            Anchor::Points { apart, count, word } => {
                self.add_marks(row, b'.', Marks::of(apart, count, word, true));
            }
            Anchor::Pair => {
                self.pairs = true;
                let [colons, ..] = &mut self.marks;
                colons.rows.insert(row);
            }
            Anchor::Literals(literals) => {
                // Of what begins with a dash, the dashes show it.
                self.tables.literals_first |= literals.iter().any(|l| !l.starts_with("-----"));
                literals.iter().for_each(|literal| self.add_literal(row, literal.as_bytes()));
            }
            Anchor::Prefixes { literals, least } => {
                self.tables.literals_first |= u32::from(least) < LONG;
                literals.iter().for_each(|literal| self.add_literal(row, literal.as_bytes()));
            }
            Anchor::Behind(names) => {
                self.names.add_ends(names);
                self.assigned.insert(row);
            }
            Anchor::Assigned { names, least } => {
                self.names.add_ends(names);
                let least = u32::from(least);
                let (shortest, rows) = self.assigned_long.get_or_insert((least, Rows::default()));
                *shortest = least.min(*shortest);
                rows.insert(row);
            }
            Anchor::Token(least) => add_run(&mut self.tokens, row, least.min(TOKEN_REACH as u8)),
            Anchor::Capitals(least) => {
                add_run(&mut self.capitals, row, least.min(TOKEN_REACH as u8));
            }
            Anchor::Forms(forms) => {
                forms.iter().for_each(|form| self.add_form(row, form.as_bytes()));
            }
            Anchor::BeforeDigit(most) => add_run(&mut self.before_digits, row, most),
            Anchor::Announced => self.announced.insert(row),
            Anchor::Anywhere => self.anywhere.insert(row),
        }
    }

    fn add_number(&mut self, row: usize, (least, most): (u8, u8), then: &[u8], digits: u8) {
        let (least, most) = (usize::from(least), usize::from(most).min(LONGEST_RUN));
        let kinds: Vec<usize> = if then.is_empty() {
            (0..NEXT_KINDS).collect()
        } else {
            let named = then.iter().map(|byte| Next::Byte(*byte).kind());
            named.chain([Next::End.kind()]).collect()
        };
        for (length, by_next) in self.numbers.iter_mut().enumerate() {
            if (least..=most).contains(&length) {
                for (kind, rows) in by_next.iter_mut().enumerate() {
                    if kinds.contains(&kind) {
                        rows.insert(row);
                    }
                }
            }
            // Where the run may go on, every longer one is possible, and every follower of this.
            if length <= most
                && let Some(unknown) = by_next.get_mut(Next::Unknown.kind())
            {
                unknown.insert(row);
            }
        }
        add_count(&mut self.number_digits, row, digits);
        self.fewest_number = self.fewest_number.min(u32::from(digits));
    }

    fn add_code(&mut self, row: usize, letters: (u8, u8), gap: bool, digits: u8) {
        for length in usize::from(letters.0)..=usize::from(letters.1).min(MOST_LETTERS) {
            if let Some([joined, spaced]) = self.codes.get_mut(length) {
                joined.insert(row);
                self.code_lengths |= 1 << length;
                if gap {
                    spaced.insert(row);
                }
            }
        }
        self.gaps |= gap;
        add_count(&mut self.code_digits, row, digits);
        self.fewest_code = self.fewest_code.min(u32::from(digits));
    }

    fn add_marks(&mut self, row: usize, mark: u8, marks: Marks) {
        let place = b":-.".iter().position(|known| *known == mark);
        let Some(known) = place.and_then(|place| self.marks.get_mut(place)) else {
            return self.anywhere.insert(row);
        };
        let rows = known.rows;
        *known = if known.apart == 0 { marks } else { known.or(marks) };
        known.rows = rows;
        known.rows.insert(row);
    }

    fn add_literal(&mut self, row: usize, literal: &[u8]) {
        if literal.len() < 2 {
            return self.anywhere.insert(row);
        }
        for (place, by_byte) in LITERAL_PLACES.into_iter().zip(&mut self.literals) {
            for (byte, rows) in (0..=u8::MAX).zip(by_byte) {
                if literal.get(place).is_none_or(|wanted| wanted.eq_ignore_ascii_case(&byte)) {
                    rows.insert(row);
                }
            }
        }
        // Keys are all longer than plain words.
        let plain = literal.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b'\''));
        self.plain_literal |= plain && !self.secret;
        let letter = literal.get(5).is_some_and(u8::is_ascii_alphabetic);
        let framed = literal.starts_with(b"-----") && letter;
        self.letter_behind_dashes &= framed || literal.first() != Some(&b'-');
        self.add_fingerprint(literal);
    }

    fn add_fingerprint(&mut self, literal: &[u8]) {
        // Literals that begin alike share a bucket, so that their bytes do not mix with others'.
        let first = literal.first().copied().unwrap_or_default().to_ascii_lowercase();
        let known = self.buckets.iter().position(|known| *known == first);
        let bucket = known.unwrap_or_else(|| {
            self.buckets.push(first);
            self.buckets.len() - 1
        }) as u8;
        let literals = self.tables.literals.get_or_insert_default();
        for place in 0..3 {
            for byte in 0..=u8::MAX {
                if literal.get(place).is_none_or(|wanted| wanted.eq_ignore_ascii_case(&byte)) {
                    literals.add(bucket, place, byte);
                }
            }
        }
    }

    fn prepare(&mut self, custom: &[Custom]) {
        let any = |rows: Rows| !rows.is_empty();
        self.most_before_digit = self.before_digits.iter().map(|(most, _)| *most).max();
        let of_words =
            self.before_digits.iter().fold(self.announced, |all, (_, rows)| all.or(*rows));
        let of_words = of_words.or(self.anywhere);
        self.shortest_token = self.tokens.iter().map(|(least, _)| *least).min();
        self.shortest_capitals = self.capitals.iter().map(|(least, _)| *least).min();
        let assigned = if self.assigned.is_empty() {
            self.assigned_long.map(|(least, _)| least)
        } else {
            Some(1)
        };
        let runs = [self.shortest_token, self.shortest_capitals, assigned];
        self.shortest_solid = runs.into_iter().flatten().fold(TOKEN_REACH, u32::min);
        self.tables.literals_first |= self.shortest_solid < LONG || !self.letter_behind_dashes;
        self.assigns = assigned.is_some();
        // Where only long values are assigned, these are found first.
        if !self.assigned.is_empty() {
            VERBS.iter().for_each(|verb| self.add_fingerprint(verb));
            self.tables.literals_first = true;
        }
        let short = |least: Option<u32>| least.is_some_and(|least| least < 10);
        self.letters_only = of_words.is_empty()
            && self.assigned.is_empty()
            && self.assigned_long.is_none_or(|(least, _)| least >= 10)
            && !self.gaps
            && !self.plain_literal
            && (0..=u8::MAX)
                .filter(u8::is_ascii_alphabetic)
                .all(|letter| self.starts(letter).and(self.marks[2].rows).is_empty())
            && !short(self.shortest_token)
            && !short(self.shortest_capitals);
        let wanted = |byte: u8| {
            let of_words = any(self.starts(byte).and(of_words));
            of_words || custom.iter().any(|custom| custom.may_start(byte))
        };
        let set = (0..=u8::MAX).any(&wanted).then(|| Set::new(wanted));
        self.tables.set = set;
        self.prepare_numbers();
        self.signals = self.signals();
    }

    /// By what the sweep knows blocks in which nothing begins.
    fn signals(&self) -> Signals {
        let [colons, dashes, dots] = self.marks;
        let farthest = (colons.apart | dots.apart).checked_ilog2().unwrap_or_default();
        let lone = |mark: u8, rows: Rows| !rows.and(self.starts(mark)).is_empty();
        let all_if = |holds: bool| if holds { u64::MAX } else { 0 };
        Signals {
            framed: all_if(self.tables.literals.is_some() && !self.tables.literals_first),
            codes: all_if(self.has_codes()),
            one_letter: all_if(self.code_lengths & 0b10 != 0),
            gaps: all_if(self.gaps),
            apart: farthest.max(4),
            free_dots: all_if(!dots.between_digits),
            dashes: (dashes.apart.trailing_zeros() & 15, dashes.apart.count_ones() == 1),
            lone: all_if(lone(b'-', dashes.rows) || lone(b'.', dots.rows)),
            number: self.fewest_number,
            short_numbers: all_if(self.fewest_number < FEWEST_LONG),
            solid: if self.shortest_solid >= LONG { LONG } else { 8 },
            any_solid: all_if(self.shortest_capitals.is_some()),
            token: self.shortest_token.unwrap_or_default().max(8),
            tokens: all_if(self.shortest_token.is_some()),
            always: self.shortest_solid < 8,
        }
    }

    fn prepare_numbers(&mut self) {
        let numbers =
            self.numbers.iter().flatten().fold(Rows::default(), |all, rows| all.or(*rows));
        for (byte, slot) in (0..=u8::MAX).zip(&mut self.leads) {
            let starts = self.starts.get(usize::from(byte)).copied().unwrap_or_default();
            *slot = !is_word(byte) && !starts.and(numbers).is_empty();
        }
    }

    /// Whether all values hold a digit, a mark or a long word: no value is a few words of letters.
    #[inline]
    pub(crate) fn only_needs_marks(&self) -> bool {
        self.letters_only
    }

    /// The rows of which a value may begin with this byte.
    #[inline]
    pub(crate) fn starts(&self, byte: u8) -> Rows {
        self.starts.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// The rows of which a value may begin with these bytes, of which the second may not be known.
    #[inline]
    pub(crate) fn begins(&self, first: u8, second: Option<u8>) -> Rows {
        let starts = self.starts(first);
        let seconds = self.seconds.get(usize::from(!is_word(first)));
        match (seconds, second) {
            (Some(seconds), Some(second)) => {
                starts.and(seconds.get(usize::from(second)).copied().unwrap_or_default())
            }
            _ => starts,
        }
    }

    /// Whether any value begins with letters and then a digit.
    #[inline]
    pub(crate) fn has_codes(&self) -> bool {
        self.fewest_code != u32::MAX
    }

    /// Whether any does with a separator between.
    #[inline]
    pub(crate) fn has_gaps(&self) -> bool {
        self.gaps
    }

    /// The most letters that any code without a gap begins with.
    #[inline]
    pub(crate) fn most_letters(&self) -> usize {
        (u32::BITS - self.code_lengths.leading_zeros()).saturating_sub(1) as usize
    }

    /// Whether all that is assigned has [`shortest_solid`](Self::shortest_solid) bytes without a blank.
    #[inline]
    pub(crate) fn only_long_assigned(&self) -> bool {
        self.assigned.is_empty()
    }

    /// Whether a number may begin with this mark.
    #[inline]
    pub(crate) fn leads_number(&self, byte: u8) -> bool {
        self.leads.get(usize::from(byte)).copied().unwrap_or_default()
    }

    /// The rows for a number whose first run has so many digits.
    #[inline]
    pub(crate) fn number(&self, run: usize, next: Next, digits: usize) -> Rows {
        let by_next = self.numbers.get(run.min(LONGEST_RUN));
        let shaped = by_next.and_then(|rows| rows.get(next.kind())).copied().unwrap_or_default();
        let counted = self.number_digits.get(digits.min(NUMBER_REACH)).copied().unwrap_or_default();
        shaped.and(counted)
    }

    /// The rows for a code that begins with so many letters.
    #[inline]
    pub(crate) fn code(&self, letters: usize, gap: bool, digits: usize) -> Rows {
        let shaped = self.codes.get(letters).and_then(|rows| rows.get(usize::from(gap)));
        let counted = self.code_digits.get(digits.min(NUMBER_REACH)).copied().unwrap_or_default();
        shaped.copied().unwrap_or_default().and(counted)
    }

    /// The rows with a literal that may begin with these bytes, of which an unknown one may be any.
    #[inline]
    pub(crate) fn literal(&self, bytes: [Option<u8>; LITERAL_PLACES.len()]) -> Rows {
        let mut rows = Rows::ALL;
        for (by_byte, byte) in self.literals.iter().zip(bytes) {
            if let Some(byte) = byte {
                rows = rows.and(by_byte.get(usize::from(byte)).copied().unwrap_or_default());
            }
        }
        rows
    }

    pub(crate) fn token(&self, run: u32) -> Rows {
        of_run(&self.tokens, run)
    }

    /// The rows whose values begin so many bytes before a digit.
    pub(crate) fn before_digit(&self, distance: u32) -> Rows {
        let near = self.before_digits.iter().filter(|(most, _)| distance < *most);
        near.fold(Rows::default(), |all, (_, rows)| all.or(*rows))
    }

    pub(crate) fn capitals(&self, run: u32) -> Rows {
        of_run(&self.capitals, run)
    }
}

fn add_count(counts: &mut [Rows], row: usize, least: u8) {
    counts.iter_mut().skip(usize::from(least)).for_each(|rows| rows.insert(row));
}

fn add_run(runs: &mut Vec<(u32, Rows)>, row: usize, least: u8) {
    let least = u32::from(least);
    let mut rows = Rows::default();
    rows.insert(row);
    match runs.iter_mut().find(|(known, _)| *known == least) {
        Some((_, known)) => *known = known.or(rows),
        None => runs.push((least, rows)),
    }
}

fn of_run(runs: &[(u32, Rows)], run: u32) -> Rows {
    let long_enough = runs.iter().filter(|(least, _)| run >= *least);
    long_enough.fold(Rows::default(), |all, (_, rows)| all.or(*rows))
}
