//! The binary `bartizan`.

fn main() {}
