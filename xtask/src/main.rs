//! Everything about the project that is not the product: tests, conformance, tidy.

fn main() {}
