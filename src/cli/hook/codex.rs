//! OpenAI Codex CLI: `PreToolUse` and `PermissionRequest` hooks.
//!
//! It takes an answer with an unknown field, or one that it does not support (`ask`, a bare
//! `allow`), for a failed hook and goes on: what is printed here is exact, or nothing.
//! Formats and versions: docs/decisions/0009-guarding-other-agents.md.

use super::event::{self, Moment, Part, Waiting};
use super::format::{Answer, Format};
use super::patch;
use crate::model::Decision;
use serde_json::{Map, Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "codex",
    gating: &[("PreToolUse", Moment::BeforeTool), ("PermissionRequest", Moment::AtPrompt)],
    harmless: &[
        "Interrupt",
        "Notification",
        "PostCompact",
        "PostToolUse",
        "PreCompact",
        "SessionEnd",
        "SessionStart",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "UserPromptSubmit",
    ],
    project: &[],
    needs_stderr: true,
    parts,
    person,
    answer,
    settings: r#"[[hooks.PreToolUse]]
[[hooks.PreToolUse.hooks]]
type = "command"
command = "ion hook codex || exit 2"
timeout = 30
"#,
};

fn parts(call: &Waiting) -> Result<Vec<Part>, String> {
    let mut input = call.input.clone();
    match call.tool.as_str() {
        "Bash" | "shell" | "shell_command" | "local_shell" | "exec_command" | "container.exec" => {
            shell(input).map(|part| vec![part])
        }
        "apply_patch" => {
            event::rename(&mut input, &["input", "patch"], "command")?;
            match input.get("command") {
                Some(Value::String(text)) => patch::parts(text),
                _ => Err("`command` must be the text of the patch".to_owned()),
            }
        }
        "view_image" | "read_file" => {
            event::rename(&mut input, &["path"], "file_path")?;
            Ok(vec![Part::new("Read", input)])
        }
        "list_dir" => {
            event::rename(&mut input, &["dir_path"], "path")?;
            input.entry("pattern").or_insert_with(|| Value::String("*".to_owned()));
            Ok(vec![Part::new("Glob", input)])
        }
        "grep_files" => {
            event::rename(&mut input, &["include"], "glob")?;
            Ok(vec![Part::new("Grep", input)])
        }
        other => Ok(vec![FORMAT.foreign(other, input)]),
    }
}

/// Texts of a shell call that change nothing about what the line means.
const SHELL_TEXTS: &[&str] = &[
    "command",
    "description",
    "justification",
    "sandbox_permissions",
    "prefix_rule",
    "shell",
    "yield_time_ms",
    "additional_permissions",
];

fn shell(mut input: Map<String, Value>) -> Result<Part, String> {
    event::rename(&mut input, &["cmd"], "command")?;
    let cwd = event::folder(&mut input, &["workdir", "cwd"])?;
    event::no_strange_text(&input, SHELL_TEXTS)?;
    // The attack: `shell` names the program that reads the line.
    if let Some(Value::String(shell)) = input.get("shell") {
        let known = ["bash", "sh", "zsh", "dash"];
        let name = ["", "/bin/", "/usr/bin/"]
            .iter()
            .find_map(|dir| shell.strip_prefix(dir).filter(|name| known.contains(name)));
        if name.is_none() {
            return Err("`shell` is not a shell that Ion knows".to_owned());
        }
    }
    let command = match input.get("command") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(words)) => event::command_line(words)?,
        _ => return Err("`command` must be text or a list of texts".to_owned()),
    };
    if patch::hides_in(&command) {
        // The agent takes the patch out of the line and applies it itself, from a folder that
        // the line may have changed.
        return Err(
            "a patch inside a command line is not judged: use the tool `apply_patch`".to_owned()
        );
    }
    input.insert("command".to_owned(), Value::String(command));
    // Its meaning differs from Ion's; it changes nothing about what runs.
    input.remove("timeout");
    Ok(Part { cwd, ..Part::new("Bash", input) })
}

/// A hook cannot make Codex ask; at its own prompt a person is there already.
fn person(call: &Waiting) -> Result<(), &'static str> {
    match (call.moment, call.mode.as_deref()) {
        (Moment::AtPrompt, Some("default" | "acceptEdits" | "plan")) => Ok(()),
        (Moment::AtPrompt, _) => {
            Err("Codex's permission mode asks nobody; an allow rule would answer (docs/guard.md)")
        }
        (Moment::BeforeTool, _) => {
            Err("a hook cannot make Codex ask; an allow rule would answer (docs/guard.md)")
        }
    }
}

fn answer(call: Option<&Waiting>, answer: &Answer) -> String {
    if call.is_some_and(|call| call.moment == Moment::AtPrompt) {
        return super::format::permission_request(answer);
    }
    match answer.decision {
        // A bare `allow` is an error to Codex; silence leaves its own approvals in place.
        Decision::Allow | Decision::Ask => String::new(),
        Decision::Deny => json!({"hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": answer.text,
        }})
        .to_string(),
    }
}
