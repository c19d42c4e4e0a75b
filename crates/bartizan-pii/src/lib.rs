//! The eye: finds and masks personal data and secrets in text. Pure, knows no HTTP, useful alone.
//!
//! ```
//! use bartizan_pii::{Action, Config, Masker, Scanner};
//!
//! let masker = Masker::new(Scanner::new(&Config::default())?.into(), Action::MASK);
//! assert_eq!(masker.mask_text("ssn 123-45-6789").text, "ssn ***********");
//!
//! // The same in pieces, wherever they are cut: nothing of a value goes out before it is decided.
//! let (mut stream, mut out) = (masker.stream(), Vec::new());
//! stream.feed(b"ssn 123-4", &mut out);
//! assert_eq!(out, b"ssn ");
//! stream.feed(b"5-6789", &mut out);
//! stream.finish(&mut out);
//! assert_eq!(out, b"ssn ***********");
//! # Ok::<(), bartizan_pii::ConfigError>(())
//! ```
//!
//! Nothing is hidden by escapes, encodings or look-alikes: `\u0040`, `%40`, `&#64;`, base64, digits of
//! other alphabets and letters that nobody sees are read for what they mean, and found where they
//! stand.
//!
//! A [`Scanner`] finds, by the rows of [`RECOGNIZERS`] and patterns of the user's own; a [`Masker`]
//! acts on what is found, in texts, JSON documents and [`Stream`]s. There is no I/O and no clock
//! here, and the work is linear in the length of the text: every row answers from a bounded number
//! of bytes.

mod entity;
mod window;
mod anchor;
mod recognizer;
mod digits;
mod pairs;
mod email;
mod phone;
mod ssn;
mod card;
mod ip;
mod iban;
mod secret;
mod context;
mod custom;
mod simd;
mod dispatch;
mod encoded;
mod unfold;
mod sweep;
mod reader;
mod prose;
mod config;
mod scan;
mod key;
mod vault;
mod mask;
mod stream;
mod json;
mod restore;
pub mod report;

pub use anchor::Anchor;
pub use config::{Config, ConfigError, MAX_REGIONS};
pub use custom::CustomPattern;
pub use entity::{Entity, EntityError};
pub use json::{
    Hand, JsonError, Located, MAX_DEPTH, MaskedJson, push_name, rewrite_json, write_string,
};
pub use key::{Decrypted, Key, KeyError, Keyring, OpenError};
pub use mask::{Action, Masked, Masker, Tally};
pub use recognizer::{CONTEXT_BOOST, COUNTER_WEIGHT, End, RECOGNIZERS, Recognizer, Run};
pub use restore::{Restorer, Spelling};
pub use scan::{Finding, Scanner};
pub use stream::Stream;
pub use vault::{Full, GROWTH, GROWTH_TIMES, MAX_VALUES, Vault};
pub use window::{LOOK_BEHIND, More, Peek, Window};
