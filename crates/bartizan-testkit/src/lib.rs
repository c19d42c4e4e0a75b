//! Fakes, and the conformance suites that every store runs.
