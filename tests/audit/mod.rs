//! Tests of `audit` from outside the crate.

mod commands;
mod export;
mod faults;
mod forward;
mod forward_faults;
mod offline;
mod report;
mod sweep;
