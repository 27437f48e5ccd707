//! The three answers a policy can give, and the one way to combine them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What policy says about a call. Ordered by strictness: `Allow < Ask < Deny`.
///
/// There is no `Default`: a decision that nobody took does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The call may run under its confinement.
    Allow,
    /// A person must answer; where nobody can, it is a denial.
    Ask,
    /// The call does not run.
    Deny,
}

impl Decision {
    /// The stricter of two decisions. INVARIANT (strictest wins): there is no `loosest`.
    #[must_use]
    pub fn strictest(self, other: Decision) -> Decision {
        self.max(other)
    }

    /// The spelling used in configuration files and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::Ask => "ask",
            Decision::Deny => "deny",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
