//! A record as the formats see it: its stored members, and what follows from them.
//!
//! Formats name a member by its JSON pointer (`/body/rule/id`), so that each of them is a table.
//! The members that are computed here have names that no record has at its top.

use crate::audit::record::Record;
use jiff::Timestamp;
use serde_json::{Value, json};

/// How much a record matters, in the words of syslog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// Everyday.
    Info,
    /// Worth a look in a summary.
    Notice,
    /// Something was refused or overruled.
    Warning,
    /// A critical pattern was refused.
    Error,
}

/// What a call works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// A command line.
    Process,
    /// A file or folder.
    File,
    /// An address on the network.
    Web,
    /// Anything else, or no call at all.
    Other,
}

/// One record.
pub(super) struct Facts {
    members: Value,
    pub(super) level: Level,
    pub(super) on: On,
}

impl Facts {
    pub(super) fn of(record: &Record) -> Self {
        let mut members = serde_json::to_value(record).unwrap_or_default();
        let body = &record.body;
        let decision = record.decision.map_or("", |decision| decision.as_str());
        let (event, title) = match (record.kind.as_str(), decision) {
            ("decision", "allow") => ("tool.decision", "Tool call allowed"),
            ("decision", "deny") => ("tool.decision", "Tool call denied"),
            ("decision", _) => ("tool.decision", "Tool call needs approval"),
            ("outcome", _) => ("tool.outcome", "Tool call ended"),
            ("asked", _) => ("tool.asked", "Approval requested"),
            ("answered", _) => ("tool.approval", "Approval answered"),
            ("preview", _) => ("tool.preview", "Tool call tried on a copy"),
            ("model_call", _) if record.text(&["outcome"]) == Some("success") => {
                ("llm.response", "Model answered")
            }
            ("model_call", _) => ("llm.response", "Model call failed"),
            ("session_start", _) => ("session.start", "Run started"),
            ("session_end", _) => ("session.end", "Run ended"),
            ("refused_start", _) => ("session.refused", "Run could not start"),
            ("policy_changed", _) => ("policy.load", "Another policy than in the run before"),
            ("enforcement", _) => ("policy.violation", "Setting overruled by sealed policy"),
            ("trust", _) => ("policy.change", "Trust in a folder changed"),
            ("forwarding", _) => ("audit.sink_error", "Audit forwarding stopped"),
            ("recovered", _) => ("audit.gap", "Audit log repaired after a crash"),
            ("scrubbed", _) => ("secret.scrubbed", "Stored conversations masked anew"),
            ("rotated", _) => ("chain.rotate", "Audit log goes on in a new file"),
            ("retired", _) if body.get("held").is_some() => {
                ("chain.retire", "Old audit records kept by a hold")
            }
            ("retired", _) => ("chain.retire", "Old audit records removed by retention"),
            // A newer kind: exported under its own name.
            (kind, _) => (kind, kind),
        };
        let said = record.text(&["outcome"]);
        let outcome = match (record.kind.as_str(), decision) {
            ("decision", "allow") => "success",
            ("decision", "deny") => "failure",
            ("outcome", _) if said == Some("success") => "success",
            ("outcome", _) => "failure",
            ("answered", _) if said == Some("allowed") => "success",
            ("answered", _) => "failure",
            ("model_call", _) if said == Some("success") => "success",
            ("model_call", _) => "failure",
            (
                "session_start" | "session_end" | "trust" | "policy_changed" | "rotated"
                | "retired",
                _,
            ) => "success",
            // Something tried to loosen what is sealed, and did not.
            ("enforcement" | "forwarding" | "refused_start", _) => "failure",
            _ => "unknown",
        };
        let critical = body.get("danger").and_then(Value::as_array).is_some_and(|patterns| {
            patterns.iter().any(|p| p.get("severity").and_then(Value::as_str) == Some("critical"))
        });
        let level = match (record.kind.as_str(), decision) {
            ("decision", "deny") if critical => Level::Error,
            ("decision", "deny")
            | ("enforcement" | "forwarding" | "recovered" | "refused_start", _) => Level::Warning,
            ("decision", "allow") | ("session_start" | "session_end" | "rotated", _) => Level::Info,
            ("outcome" | "model_call", _) if outcome == "success" => Level::Info,
            _ => Level::Notice,
        };
        let tool = record.tool.as_deref().unwrap_or_default();
        let input = |key: &str| body.pointer("/call/input").and_then(|input| input.get(key));
        let path = input("path").or(input("file_path")).cloned().unwrap_or_default();
        let on = if input("command").is_some() || tool == "Bash" {
            On::Process
        } else if input("url").is_some() {
            On::Web
        } else if !path.is_null() || matches!(tool, "Read" | "Write" | "Edit" | "Grep" | "Glob") {
            On::File
        } else {
            On::Other
        };
        let mut what = record.what();
        if what.is_empty() {
            // Records about no call: what happened to which setting, folder or run.
            let said = ["action", "key", "folder", "sink", "status"].map(|key| record.text(&[key]));
            what = said.into_iter().flatten().collect::<Vec<_>>().join(" ");
            if record.kind == "model_call" {
                what = record.text(&["model"]).unwrap_or_default().to_owned();
            }
        }
        let reason = record.text(&["reason"]).unwrap_or_default();
        let rule = record.rule().or(record.text(&["decided_by"])).unwrap_or_default();
        let why = match (rule.is_empty(), reason.is_empty()) {
            (false, false) => format!("{rule}: {reason}"),
            _ => format!("{rule}{reason}"),
        };
        let mut message = title.to_owned();
        for (before, part, after) in [(": ", &what, ""), (" (", &why, ")")] {
            if !part.is_empty() {
                message.extend([before, &super::cut(part, 300), after]);
            }
        }
        let time = record.time.parse::<Timestamp>().ok();
        let name = path.as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        for (key, value) in [
            ("event", json!(event)),
            ("title", json!(title)),
            ("outcome", json!(outcome)),
            ("message", json!(message)),
            ("what", json!(super::cut(&what, 4096))),
            ("rule", json!(rule)),
            ("ms", json!(time.map_or(0, |time| time.as_millisecond()))),
            // As text, because 64-bit numbers are text in OTLP.
            ("ns", json!(time.map_or(0, |time| time.as_nanosecond()).to_string())),
            ("uid", json!(record.uid.to_string())),
            ("command", input("command").cloned().unwrap_or_default()),
            ("url", input("url").cloned().unwrap_or_default()),
            ("file", json!(name)),
            ("path", path),
            ("version", json!(env!("CARGO_PKG_VERSION"))),
        ] {
            if let Value::Object(members) = &mut members {
                members.insert(key.to_owned(), value);
            }
        }
        Facts { members, level, on }
    }

    /// The member at this pointer; null where there is none.
    pub(super) fn get(&self, pointer: &str) -> Value {
        self.members.pointer(pointer).cloned().unwrap_or_default()
    }

    /// The member as text; empty where there is none.
    pub(super) fn text(&self, pointer: &str) -> String {
        match self.get(pointer) {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}
