//! The house: everything around the road that makes it a program.

pub mod config;
pub mod demo;
