//! Tests of `cli` from outside the crate.
