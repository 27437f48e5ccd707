//! One test binary. Each room below mirrors a room of `src`; `architecture.rs` fails when a
//! file here is not listed.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used)]

mod approve;
mod audit;
mod cli;
mod config;
mod policy;
mod provider;
mod sandbox;
mod support;
