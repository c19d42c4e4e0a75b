//! The eye: finds and masks personal data. Pure, knows no HTTP, useful alone.
