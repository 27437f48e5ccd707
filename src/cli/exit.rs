//! How a command ends: the exit codes of the contract, and one error shape for people.

use super::output::OutputError;

/// Exit codes, as the contract lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong usage or invalid configuration, or the sandbox cannot hold what is asked.
    Usage = 2,
    /// Finished, but policy denied an action and `--fail-on-deny` was given.
    Denied = 3,
    /// Timed out.
    TimedOut = 124,
    /// Interrupted.
    Interrupted = 130,
}

/// An error at the edge: what happened, then lines that help. Never a backtrace.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code.
    pub exit: Exit,
    /// Stable code for JSON output, for example `config` or `auth`.
    pub code: &'static str,
    /// The first line, without `error:`. It makes sense alone.
    pub message: String,
    /// Indented lines below it: `looked for: …`, `next: …`.
    pub details: Vec<String>,
}

impl CommandError {
    /// An error with a code and a message.
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        CommandError { exit, code, message: message.into(), details: Vec::new() }
    }

    /// Adds a line of detail.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }
}

impl From<OutputError> for CommandError {
    fn from(error: OutputError) -> Self {
        CommandError::new(Exit::Failed, "output", error.to_string())
    }
}
