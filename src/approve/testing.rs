//! Questions for the tests of this room.

use super::store::now;
use crate::gate::{Asked, Offers, Previewed, QuestionId, RuleRef};
use crate::model::{CallId, SessionId, ToolName};
use crate::redact::Redactor;
use serde_json::json;
use std::time::Duration;

/// A question about a command, open for a minute.
pub fn asked(command: &str) -> Asked {
    let redactor = Redactor::new(true, Vec::new());
    let text = |text: &str| redactor.text(text);
    Asked {
        id: QuestionId::random().unwrap(),
        session: SessionId::parse("1778320000000-a1b2c3d4e5f6"),
        call_id: CallId::new("toolu_1"),
        agent: "main".to_owned(),
        tool: ToolName::resolve("Bash"),
        input: redactor.json(&json!({"command": command})),
        subject: text(command),
        digest: "d".repeat(64),
        cwd: text("/work"),
        unit: None,
        would: vec![text("writes .git")],
        rule: Some(RuleRef {
            id: "git.force-push".to_owned(),
            tier: "project".to_owned(),
            source: ".ion/engine.json:9".to_owned(),
        }),
        reason: text("rewrites a remote branch"),
        hint: None,
        confinement: text("bwrap, network none"),
        untrusted: Vec::new(),
        opinion: None,
        asked_at: now(),
        expires_at: now() + 60,
        patience: Duration::from_secs(60),
        offers: Offers::Remembered,
        can_preview: false,
        preview: None,
    }
}

/// What a command did on a copy: it printed and changed this.
pub fn previewed(output: &str, changes: &str, unfit: Option<&str>) -> Previewed {
    let redactor = Redactor::new(true, Vec::new());
    let text = |text: &str| redactor.text(text);
    Previewed {
        digest: "c".repeat(64),
        exit_code: Some(3),
        added: 1,
        changed: 0,
        removed: 0,
        changes: text(changes),
        output: text(output),
        refused: vec![text("connect to example.org")],
        unfit: unfit.map(text),
    }
}
