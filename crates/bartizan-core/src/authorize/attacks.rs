//! What attackers try at the policy, and what fails open elsewhere. Each is named after what it proves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
