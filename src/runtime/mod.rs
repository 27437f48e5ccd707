//! Wiring: the only room that knows all the parts.
//!
//! It builds a run from configuration and decides nothing itself. Read [`start`] for the order
//! in which parts are made, [`error`] for what can be missing, [`machine`] for the one-line
//! picture of this machine, [`account`] for who runs it, [`guard`] for the gate that judges other
//! agents, [`log`] for the audit log, [`backlog`] for what runs have to do with forwarding it.

pub mod account;
pub mod backlog;
pub mod classifier;
pub mod error;
pub mod guard;
pub mod log;
pub mod machine;
pub mod start;

pub use error::StartError;
pub use machine::{Machine, machine};
pub use start::{Model, Runtime, StartRequest};
