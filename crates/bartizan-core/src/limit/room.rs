//! Is there room for a draw?

use crate::time::Timestamp;

/// Is there room for a draw?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Room {
    /// Not now, but from this instant on if nobody else draws.
    At(Timestamp),
    /// Yes.
    Free,
    /// The draw is larger than the rule ever allows.
    Never,
}
