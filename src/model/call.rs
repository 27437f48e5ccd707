//! A tool call as a model asked for it: unjudged, untrusted.

use super::CallId;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;

/// The canonical name of a tool, for example `Bash` or `mcp__server__tool`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ToolName(String);

impl ToolName {
    /// Resolves spellings that older clients, models and rule files use for the same tool:
    /// surrounding blanks, a `functions.` prefix, and the aliases of `Bash`.
    pub fn resolve(spelling: &str) -> Self {
        let trimmed = spelling.trim();
        let bare = trimmed.strip_prefix("functions.").unwrap_or(trimmed);
        let canonical = match bare {
            "bash" | "Bash" | "ExecCommand" | "exec_command" | "shell" => "Bash",
            "read" => "Read",
            "write" => "Write",
            "edit" => "Edit",
            "grep" => "Grep",
            "glob" => "Glob",
            other => other,
        };
        ToolName(canonical.to_owned())
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One tool call as proposed by a model. The input is raw: it may hold secrets and lies.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// The provider's id, echoed back with the result.
    pub id: CallId,
    /// The tool asked for.
    pub name: ToolName,
    /// The arguments, an object by construction.
    pub input: Map<String, Value>,
}

impl ToolCall {
    /// The argument `key` when it is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.input.get(key).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_aliases_resolve_to_one_tool() {
        for alias in ["Bash", "bash", "ExecCommand", "exec_command", "shell", " functions.Bash "] {
            assert_eq!(ToolName::resolve(alias).as_str(), "Bash", "{alias:?}");
        }
        assert_eq!(ToolName::resolve("mcp__a__b").as_str(), "mcp__a__b");
    }
}
