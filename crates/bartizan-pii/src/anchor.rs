//! Where can a value begin at all? What a row says of that is tested many bytes at a time.
//!
//! An [`Anchor`] is a necessary condition: where none of a row's anchors holds, its
//! [`check`](crate::Recognizer::check) is not asked, so an anchor that is too narrow loses values.
//! (A test holds every row's answers with its anchors against those without.) All anchors look at
//! the text alone, not at its context, and at a bounded number of bytes.

/// What stands where a value begins. A value begins at a byte that
/// [`starts`](crate::Recognizer::starts) admits, and never inside of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// A number: the value begins with a run of digits, or one or two bytes before it that are
    /// neither letter nor digit nor `_` (`+`, `(`, `-`).
    Number {
        /// The fewest and the most digits in the first run. 24 stands for any number above it.
        first: (u8, u8),
        /// The bytes that may follow the first run, where the text does not end; empty for any.
        /// Told apart are space and the marks `-.,:()/`; of all other marks, of letters with `_`,
        /// and of bytes beyond ASCII, one stands for its kind.
        then: &'static [u8],
        /// So many digits at least stand in the 32 bytes from the first digit on, and before any
        /// letter, `_` or `,` among them.
        digits: u8,
    },
    /// The same, and no day in numbers begins with the first digit (see `phone::is_date`).
    Undated {
        /// As of a number.
        first: (u8, u8),
        /// As of a number.
        then: &'static [u8],
        /// As of a number.
        digits: u8,
    },
    /// As a number, and the first letter, `_` or `,` within 64 bytes is a letter that stands behind a
    /// digit and one or two of space, `-` and `(`, or an `x` or `e` that stands behind a digit.
    Labelled {
        /// As of a number.
        first: (u8, u8),
        /// As of a number.
        then: &'static [u8],
        /// As of a number.
        digits: u8,
    },
    /// Letters and then a digit: the value begins with a run of ASCII letters that a digit follows,
    /// with one of the bytes space, `-`, `.`, `/` or `:` between if `gap` is set.
    Code {
        /// The fewest and the most letters in the run. At most 8.
        letters: (u8, u8),
        /// Whether one separator may stand before the digit.
        gap: bool,
        /// So many digits at least stand in the 32 bytes from the first digit on.
        digits: u8,
    },
    /// An `@` before a letter, digit, `_` or byte beyond ASCII, or `%40`, stands behind at most 64 bytes
    /// that are letters, digits, bytes beyond ASCII or one of `_.-+%'`; the value begins with one of
    /// them.
    Sign,
    /// Some bytes `mark`, one of `:`, `-` and `.`, stand at least so far and at most so far from
    /// each other (1 is side by side, at most 8); the value begins with the first of them or with
    /// the word that ends before it.
    Marks {
        /// The byte.
        mark: u8,
        /// The least and the greatest distance from one to the next.
        apart: (u8, u8),
        /// So many of them at least, 2 to 7.
        count: u8,
        /// The fewest and the most bytes of the word, 1 to 8.
        word: (u8, u8),
    },
    /// The same of `.`, and each of them stands between two digits.
    Points {
        /// The least and the greatest distance from one to the next.
        apart: (u8, u8),
        /// So many of them at least, 2 to 7.
        count: u8,
        /// The fewest and the most bytes of the word, 1 to 8.
        word: (u8, u8),
    },
    /// Two `:` stand side by side, and before them at most 40 bytes that are letters, digits, `_` or
    /// `:`; the value begins with the first of these, or with the first `:`.
    Pair,
    /// The value begins with one of these, of at least two bytes, in any case of ASCII letters.
    Literals(&'static [&'static str]),
    /// The same, and so many bytes from its beginning on are letters, digits or of `_-.+/=~`.
    Prefixes {
        /// The beginnings.
        literals: &'static [&'static str],
        /// So many bytes at least.
        least: u8,
    },
    /// Something is assigned: before the value stands `:`, `=` or `>`, or one of the words `is`,
    /// `ist`, `est`, `es`, `é` and `bearer` and a space, with at most seven blanks, quotation marks,
    /// backslashes, slashes, asterisks and more such signs between. A name that ends with
    /// one of these, of two bytes at least, stands before that, or `://` does.
    Behind(&'static [&'static str]),
    /// The same, the first bytes of the value are letters, digits or of `_-.+/=~`, and the byte before
    /// it is none of these but `=`.
    Assigned {
        /// With one of these a name ends.
        names: &'static [&'static str],
        /// So many bytes at least.
        least: u8,
    },
    /// The value begins with so many letters, digits, `-` or `_`, 32 at most.
    Token(u8),
    /// The value begins with so many capitals or digits, 32 at most.
    Capitals(u8),
    /// The value begins like one of these forms, written with `9` for a digit, `A` for a letter, `X`
    /// for either, `_` or `~` for a separator that may be missing, `?` behind a place that may be
    /// missing, and small letters and marks for themselves.
    Forms(&'static [&'static str]),
    /// A digit stands among so many bytes from the beginning of the value on, 60 at most.
    BeforeDigit(u8),
    /// What stands before the value announces the name of a person.
    Announced,
    /// Nothing more can be said. Dear: the row is asked at every byte that `starts` admits.
    Anywhere,
}

impl Anchor {
    /// What may follow a run of digits that is all of a number: everything but letters and `_`.
    pub const NO_WORD: &[u8] = b" -.,:()/?\xC3";
}
