//! How a command ends: the exit codes of the contract, and one error shape for people.

use super::output::OutputError;
use serde_json::{Value, json};

/// Exit codes, as the contract lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Wrong usage or invalid configuration, or the sandbox cannot hold what is asked.
    Usage,
    /// Finished, but policy denied an action and `--fail-on-deny` was given.
    Denied,
    /// Timed out.
    TimedOut,
    /// Interrupted.
    Interrupted,
    /// As the command that Ion stood in for.
    Command(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Denied => 3,
            Exit::TimedOut => 124,
            Exit::Interrupted => 130,
            Exit::Command(code) => code,
        }
    }
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
    /// The provider's HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// Whether the same command may succeed later without a change.
    pub retryable: bool,
    /// The same for programs, where there is more to it than message and details.
    pub document: Option<Box<Value>>,
}

impl CommandError {
    /// An error with a code and a message.
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        CommandError {
            exit,
            code,
            message: message.into(),
            details: Vec::new(),
            http_status: None,
            retryable: false,
            document: None,
        }
    }

    /// The one document that a command with `--json` prints when it fails.
    pub fn to_json(&self) -> Value {
        match &self.document {
            Some(document) => (**document).clone(),
            None => json!({
                "schemaVersion": 1, "ok": false,
                "error": {"code": self.code, "message": self.message, "details": self.details},
            }),
        }
    }

    /// Whether nothing more can be said on standard output.
    pub fn is_about_output(&self) -> bool {
        matches!(self.code, "reader_gone" | "output")
    }

    /// Whether this is a reader of standard output who went away, which nobody needs to hear.
    pub fn is_reader_gone(&self) -> bool {
        self.code == "reader_gone"
    }

    /// Adds a line of detail.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }
}

impl std::fmt::Display for CommandError {
    /// As stderr shows it: `error: …`, then the details.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.details.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit.code())
    }
}

impl From<OutputError> for CommandError {
    fn from(error: OutputError) -> Self {
        let code = match error {
            OutputError::ReaderGone => "reader_gone",
            OutputError::Failed(_) => "output",
        };
        CommandError::new(Exit::Failed, code, error.to_string())
    }
}
