//! Tests of `provider` from outside the crate.
