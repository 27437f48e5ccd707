//! One entry of `permissions.tests`: a call and the decision that it must get.
//!
//! Nothing here takes part in a decision: `ion policy test` reads it, `evaluate` never sees it.

use crate::model::Decision;
use serde_json::{Map, Value};

/// The keys of one case; `headless = true` is `interactive = false`.
pub const CASE: &[&str] = &[
    "name",
    "tool",
    "command",
    "path",
    "input",
    "cwd",
    "interactive",
    "headless",
    "untrusted",
    "agent",
    "user",
    "at",
    "expect",
    "rule",
];

/// One entry of `permissions.tests`.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseSpec {
    /// What the case is about, for people.
    pub name: Option<String>,
    /// The tool; `Bash` where only a command is given.
    pub tool: Option<String>,
    /// The command line.
    pub command: Option<String>,
    /// The path that the call names.
    pub path: Option<String>,
    /// The whole input, where command and path do not say it.
    pub input: Option<Map<String, Value>>,
    /// The folder that the call runs in, relative to the workspace.
    pub cwd: Option<String>,
    /// Whether somebody can answer; where not, `ask` is a denial.
    pub interactive: Option<bool>,
    /// Untrusted sources that the session has read from.
    pub untrusted: Option<Vec<String>>,
    /// The agent that asks.
    pub agent: Option<String>,
    /// The account that Ion runs as.
    pub user: Option<String>,
    /// When, in RFC 3339.
    pub at: Option<String>,
    /// The decision that the call must get.
    pub expect: Decision,
    /// The id of the rule that must decide.
    pub rule: Option<String>,
}
