//! Where a setting came from: its tier, and the file and line inside it.

use serde::Serialize;
use std::fmt;

/// The layers of configuration, weakest authority first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Compiled into the binary (defaults, profiles, shipped policies).
    Builtin,
    /// `~/.ion`, written by the person who runs Ion.
    User,
    /// `.ion` of the workspace: a stranger until the folder is trusted.
    Project,
    /// An environment variable of this run.
    Environment,
    /// A command-line flag of this run.
    Flag,
    /// `/etc/ion` and its like: sealed, nothing below can loosen it.
    Enterprise,
}

impl Tier {
    /// The lower-case name used in output and audit records.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Builtin => "builtin",
            Tier::User => "user",
            Tier::Project => "project",
            Tier::Environment => "environment",
            Tier::Flag => "flag",
            Tier::Enterprise => "enterprise",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The exact place a value was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// The tier that the place belongs to.
    pub tier: Tier,
    /// A file path as a person would type it, or a name such as `--model`,
    /// `ION_DATA_DIR` or `profiles/standard.toml` (built in).
    pub file: String,
    /// 1-based line, where the file has lines and it could be found.
    pub line: Option<u32>,
}

impl Source {
    /// A place without a line.
    pub fn new(tier: Tier, file: impl Into<String>) -> Self {
        Source { tier, file: file.into(), line: None }
    }

    /// The same place at a 1-based line.
    #[must_use]
    pub fn at(mut self, line: u32) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}
