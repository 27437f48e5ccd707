//! `ion audit tail`, `export` and `report` on logs with known and with hostile content.

mod export;
mod report;
mod tail;

use crate::support::Home;
use ion::audit::{AuditLog, Draft, Kind, Origin};
use ion::model::{AbsPath, CallId, Decision, SessionId, ToolName};
use ion::redact::Redactor;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Everything that some format, terminal or page gives a meaning.
const HOSTILE: &str =
    "echo a\nb\r|c=d]e\"f'g\\h\u{1b}[2Ji\u{202e}j\u{9b}k\tl<script>alert(1)</script></style>&amp;";

/// The log of this home, opened as `lena` on `build-7`.
fn open(home: &Home) -> AuditLog {
    let origin =
        Origin { user: Some("lena".to_owned()), uid: 1000, host: "build-7".to_owned(), pid: 42 };
    AuditLog::open_as(&file(home), origin, ion::audit::Settings::default()).expect("a log")
}

fn file(home: &Home) -> AbsPath {
    AbsPath::new(path(home)).expect("an absolute path")
}

fn path(home: &Home) -> PathBuf {
    let folder = home.home().join(".ion/audit");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("audit.jsonl")
}

/// Appends a record; `tool` is empty for one that is about no call.
fn add(log: &AuditLog, kind: Kind, tool: &str, decision: Option<Decision>, body: &Value) {
    log.append(&Draft {
        kind,
        session: SessionId::parse("s-1"),
        call_id: (!tool.is_empty()).then(|| CallId::new("toolu_1")),
        tool: (!tool.is_empty()).then(|| ToolName::resolve(tool)),
        decision,
        body: Redactor::new(true, Vec::new()).for_log().json(body),
    })
    .expect("an appended record");
}

/// A decision about a command by a rule.
fn judged(log: &AuditLog, command: &str, decision: Decision) {
    let body = json!({
        "call": {"tool": "Bash", "input": {"command": command}}, "digest": "d1", "cwd": "/w",
        "decided_by": "rule", "reason": "said by a test",
        "rule": {"id": "test.rule", "tier": "user", "source": "/etc/x.toml:7"},
        "steps": [{"decision": "deny", "basis": "rule", "subject": command, "rule": "test.rule"}],
        "agent": "main", "policy": {"digest": "p1", "mode": "ask"}
    });
    add(log, Kind::Decision, "Bash", Some(decision), &body);
}
