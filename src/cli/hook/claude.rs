//! Claude Code: `PreToolUse` and `PermissionRequest` hooks.
//!
//! Its `allow` skips the person's own prompt, so Ion's allow is silence unless asked for.
//! Formats and versions: docs/decisions/0009-guarding-other-agents.md.

use super::event::{Moment, Part, Waiting};
use super::format::{Answer, Format};
use crate::model::Decision;
use serde_json::{Map, Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "claude",
    gating: &[("PreToolUse", Moment::BeforeTool), ("PermissionRequest", Moment::AtPrompt)],
    harmless: &[
        "ConfigChange",
        "CwdChanged",
        "DirectoryAdded",
        "Elicitation",
        "ElicitationResult",
        "FileChanged",
        "InstructionsLoaded",
        "MessageDisplay",
        "Notification",
        "PermissionDenied",
        "PostCompact",
        "PostToolBatch",
        "PostToolUse",
        "PostToolUseFailure",
        "PreCompact",
        "SessionEnd",
        "SessionStart",
        "Setup",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "TaskCompleted",
        "TaskCreated",
        "TeammateIdle",
        "UserPromptExpansion",
        "UserPromptSubmit",
        "WorktreeRemove",
    ],
    project: &["CLAUDE_PROJECT_DIR"],
    needs_stderr: false,
    parts,
    person,
    answer,
    settings: r#"{
  "hooks": {
    "PreToolUse": [
      { "matcher": "*", "hooks": [{ "type": "command", "command": "ion hook claude || exit 2", "timeout": 30 }] }
    ]
  }
}
"#,
};

fn parts(call: &Waiting) -> Result<Vec<Part>, String> {
    let mut input = call.input.clone();
    let tool = match call.tool.as_str() {
        "Bash" => {
            super::event::no_strange_text(&input, &["command", "description"])?;
            "Bash"
        }
        same @ ("Read" | "Write" | "Edit" | "NotebookEdit" | "Glob" | "Grep" | "WebFetch"
        | "WebSearch") => same,
        "MultiEdit" => {
            if !input.get("edits").is_some_and(Value::is_array) {
                return Err("`edits` must be a list".to_owned());
            }
            for key in ["old_string", "new_string"] {
                input.entry(key).or_insert_with(|| Value::String(String::new()));
            }
            "Edit"
        }
        "LS" => {
            input.entry("pattern").or_insert_with(|| Value::String("*".to_owned()));
            "Glob"
        }
        other => return Ok(vec![FORMAT.foreign(other, input)]),
    };
    Ok(vec![Part::new(tool, input)])
}

/// A mode that answers prompts without a person has nobody to ask. Unknown modes are like it.
fn person(call: &Waiting) -> Result<(), &'static str> {
    match call.mode.as_deref() {
        Some("default" | "acceptEdits" | "plan") => Ok(()),
        Some("bypassPermissions" | "dontAsk" | "auto") => Err(
            "Claude Code's permission mode asks nobody; an allow rule would answer (docs/guard.md)",
        ),
        _ => Err("Claude Code does not say that a person is there; an allow rule would answer"),
    }
}

fn answer(call: Option<&Waiting>, answer: &Answer) -> String {
    let event = call.map_or("PreToolUse", |call| call.event);
    let at_prompt = call.is_some_and(|call| call.moment == Moment::AtPrompt);
    if at_prompt {
        return super::format::permission_request(answer);
    }
    let decision = match answer.decision {
        Decision::Allow if !answer.approve => return String::new(),
        decision => decision.as_str(),
    };
    let mut output = Map::new();
    output.insert("hookEventName".to_owned(), json!(event));
    output.insert("permissionDecision".to_owned(), json!(decision));
    output.insert("permissionDecisionReason".to_owned(), json!(answer.text));
    json!({ "hookSpecificOutput": output }).to_string()
}
