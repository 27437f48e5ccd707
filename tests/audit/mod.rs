//! Tests of `audit` from outside the crate.
