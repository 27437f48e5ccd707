//! Commands in, exit codes out.
pub mod exit;
pub mod output;
pub mod policy;
pub use exit::{CommandError, Exit};
pub use output::Output;
