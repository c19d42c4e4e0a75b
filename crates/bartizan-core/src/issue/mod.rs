//! Who may have a token? The rules of the token endpoint (RFC 6749), and no I/O.
//!
//! | file | question |
//! |---|---|
//! | [`form`] | What stands in the form? |
//! | [`request`] | What is asked for, and by which client? |
//! | [`account`] | Who has an account, and with which rights? |
//! | [`assertion`] | Did the client itself sign this, only once? |
//! | [`target`] | For which resource is the token? |
//! | [`throttle`] | Has this been guessed too often? |
//! | [`refresh`] | May this session go on? |
//! | [`exchange`] | May this client act for that one? |
//! | [`access`] | What does the token say? |
//! | [`signing`] | With which key is it signed? |
//! | [`keyring`] | Which key signs now, and which still count? |
//! | [`answer`] | What does the client read? |
//! | [`identities`] | What must a store do for identities? |
//! | [`documents`] | What does the endpoint say about itself? |

pub mod form;
pub mod request;
pub mod account;
pub mod assertion;
pub mod target;
pub mod throttle;
pub mod refresh;
pub mod exchange;
pub mod access;
pub mod signing;
pub mod keyring;
pub mod identities;
pub mod answer;
pub mod documents;

pub use access::Access;
pub use account::{Client, User};
pub use answer::Refused;
pub use identities::{Identities, Unreachable};
pub use keyring::{Keyring, StoredKey};
pub use refresh::{Refresh, Rotation};
pub use request::{GrantType, TokenRequest};
pub use signing::SigningKey;
pub use target::Targets;
pub use throttle::Throttle;
