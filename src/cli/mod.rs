//! Commands in, exit codes out.
pub mod audit;
pub mod exit;
pub mod output;
pub use exit::{CommandError, Exit};
pub use output::Output;
