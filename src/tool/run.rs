//! Runs a permit, records the outcome, and gives back redacted text only.

use crate::audit::{AuditLog, Draft, Kind};
use crate::gate::Permit;
use crate::model::{CallId, Seq, SessionId, ToolName};
use crate::redact::{Raw, Redacted, Redactor};
use crate::sandbox::{Ran, RunError, Sandbox};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// What the model, the transcript and the events are told about a call.
#[derive(Debug, Clone)]
pub struct ToolOutcome {
    /// The answer.
    pub content: Redacted<String>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// The outcome could not be recorded: the run must stop, because the next decision
    /// could not be recorded either.
    pub unrecorded: Option<Redacted<String>>,
    /// The confinement could not be had, so the tool did not start.
    pub unheld: Option<Redacted<String>>,
}

/// The parts that every call of a session shares.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// The only spawner.
    pub sandbox: &'a Sandbox,
    /// The only maker of redacted text.
    pub redactor: &'a Redactor,
    /// Where the outcome goes.
    pub audit: &'a AuditLog,
    /// The conversation.
    pub session: &'a SessionId,
}

/// Uses a permit up: runs the call under its confinement and records how it ended.
pub async fn run(permit: Permit, bench: Bench<'_>, cancel: CancellationToken) -> ToolOutcome {
    let (call_id, tool, seq) = (permit.call_id().clone(), permit.tool().clone(), permit.seq());
    let result = bench.sandbox.run(permit, bench.redactor, cancel).await;
    let mut body = outcome_body(seq, &result);
    let unheld = match &result {
        Err(RunError::Unavailable(why)) => Some(bench.redactor.text(why)),
        _ => None,
    };
    let (content, is_error) = match result {
        Ok(ran) => {
            let (content, masked) = bench.redactor.raw_counted(ran.content);
            if !masked.is_empty() {
                body["redactions"] = json!(masked);
            }
            (content, ran.is_error)
        }
        Err(error) => (explain(&tool, error, bench.redactor), true),
    };
    let recorded = record(&bench, call_id, tool, body);
    ToolOutcome { content, is_error, unrecorded: recorded.err(), unheld }
}

fn record(
    bench: &Bench<'_>,
    call_id: CallId,
    tool: ToolName,
    body: Value,
) -> Result<Seq, Redacted<String>> {
    let draft = Draft {
        kind: Kind::Outcome,
        session: Some(bench.session.clone()),
        call_id: Some(call_id),
        tool: Some(tool),
        decision: None,
        body: bench.redactor.for_log().json(&body),
    };
    bench.audit.append(&draft).map_err(|error| bench.redactor.text(&error.to_string()))
}

fn outcome_body(seq: Seq, result: &Result<Ran, RunError>) -> Value {
    let mut body = match result {
        Ok(ran) => json!({
            "decision_seq": seq,
            "outcome": if ran.is_error { "failure" } else { "success" },
            "exit_code": ran.exit_code,
            "duration_ms": u64::try_from(ran.elapsed.as_millis()).unwrap_or(u64::MAX),
            "bytes": ran.content.len(),
            "omitted_bytes": ran.omitted_bytes,
            "digest": ran.digest,
            "enforced": ran.enforced,
        }),
        Err(error) => json!({
            "decision_seq": seq,
            "outcome": match error {
                RunError::Unavailable(_) | RunError::Expired(_) => "not_started",
                RunError::Worker(_) => "worker_failed",
                RunError::TimedOut(_) => "timed_out",
                RunError::Cancelled => "cancelled",
            },
            "error": error.to_string(),
        }),
    };
    if let Ok(Ran { changes, .. }) = result
        && !changes.files.is_empty()
    {
        body["files"] = json!(changes.files);
        if changes.more > 0 {
            body["more_files"] = json!(changes.more);
        }
    }
    match result {
        Ok(Ran { put_back: Ok(placeholders), .. }) if !placeholders.is_empty() => {
            body["put_back"] = json!(placeholders);
        }
        Ok(Ran { put_back: Err(why), .. }) => body["not_put_back"] = json!(why),
        _ => {}
    }
    body
}

fn explain(tool: &ToolName, error: RunError, redactor: &Redactor) -> Redacted<String> {
    let text = match &error {
        RunError::Cancelled => format!("Error: {tool} cancelled."),
        RunError::Unavailable(why) => format!("Sandbox blocked: {why}"),
        other => format!("Error: {other}"),
    };
    redactor.raw(Raw::new(text))
}
