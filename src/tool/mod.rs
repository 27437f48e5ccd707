//! What tools there are, and the one way to run them: with a [`Permit`](crate::gate::Permit).
//!
//! The bodies live in [`crate::worker`], inside the sandbox. This module must never start a
//! program or open a file that a model named. Read [`spec`], then [`run`].

pub mod registry;
pub mod run;
pub mod spec;

pub use registry::Registry;
pub use run::{ToolOutcome, run};
pub use spec::ToolSpec;
