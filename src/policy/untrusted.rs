//! What could carry data out of a session that has read untrusted content.
//!
//! The attack: a page tells the model to send what it knows elsewhere. Reading the page cannot
//! be told from obeying it, so once a session has read untrusted content every *sink* is one
//! step stricter: what was allowed asks, what asked is denied. Which calls make that mark is not
//! decided here. INVARIANT (unknown is a sink): a tool or command of which nobody knows what it
//! reaches counts as one.

use super::facts::CallFacts;
use super::match_around::annotations;
use super::shell::Unit;
use crate::model::ToolName;

/// The id that explanations show, and that an allow rule names in `overrides` to lift the rise.
pub const ID: &str = "untrusted-content";

/// Tools that hand a text to somebody else.
const MESSAGES: &[&str] = &[
    "SendMessage",
    "SendUserMessage",
    "SendEmail",
    "SendFile",
    "PostMessage",
    "PostComment",
    "PushNotification",
    "Notify",
    "Webhook",
];

/// Tools that stay on this machine, for calls of which nobody said what they can do.
const LOCAL: &[&str] =
    &["Read", "Write", "Edit", "Grep", "Glob", "NotebookEdit", "TodoWrite", "Skill", "LSP", "Bash"];

/// Whether one command could carry data out.
pub fn unit_is_sink(unit: &Unit, unconfined: bool) -> bool {
    let reaches = !unit.hosts.is_empty() || unit.unknown_host || !unit.sockets.is_empty();
    let runs = !unit.words.is_empty();
    reaches || unit.remote || unit.opaque.is_some() || unconfined && runs
}

/// Whether the call as a whole could, apart from the commands of its line.
pub fn call_is_sink(facts: &CallFacts) -> bool {
    let name = facts.tool.as_str();
    if !facts.hosts.is_empty() || is_message(&facts.tool) {
        return true;
    }
    if name.starts_with("mcp__") {
        return annotations(facts).read_only != Some(true);
    }
    if facts.command.is_some() {
        return false;
    }
    match facts.effects {
        Some(effects) => effects.network || effects.executes && facts.unconfined,
        None => !LOCAL.contains(&name),
    }
}

fn is_message(tool: &ToolName) -> bool {
    MESSAGES.iter().any(|name| name.eq_ignore_ascii_case(tool.as_str()))
}
