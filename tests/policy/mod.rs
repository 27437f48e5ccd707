//! Tests of `policy` from outside the crate.
