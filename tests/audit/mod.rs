//! Tests of `audit` from outside the crate.

mod commands;
mod faults;
mod offline;
