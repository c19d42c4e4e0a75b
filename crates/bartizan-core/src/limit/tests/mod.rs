//! What would break.
