//! Tests of `config` from outside the crate.
