//! Tests of `sandbox` from outside the crate.
