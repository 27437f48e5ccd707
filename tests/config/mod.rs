//! Tests of `config` from outside the crate.

mod command;
mod files;
mod invalid;
mod properties;
mod rules;
mod samples;
mod sealed;
mod strangers;
pub mod world;
