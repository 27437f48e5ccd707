//! The record of one call of the model: what was asked of whom, what it cost, how it ended. No word of
//! prompts and answers is in it.

use super::run::{Agent, Run, RunError};
use super::turn::Answer;
use crate::audit::{Draft, Kind};
use crate::provider::{ModelRequest, StopReason};
use serde_json::{Value, json};
use std::time::Instant;

/// A call that was begun.
pub(super) struct ModelCall {
    begun: Instant,
    turn: u32,
    messages: usize,
    tools: usize,
}

impl ModelCall {
    /// Takes note of what is asked.
    pub fn begin(state: &Run, request: &ModelRequest) -> Self {
        ModelCall {
            begun: Instant::now(),
            turn: state.spent.turns,
            messages: request.messages.len(),
            tools: request.tools.len(),
        }
    }

    /// Writes down how it ended.
    ///
    /// # Errors
    /// The audit log cannot be written: no further call may run.
    pub fn record(
        self,
        agent: &Agent<'_>,
        answer: &Result<Answer, RunError>,
    ) -> Result<(), RunError> {
        let mut body = json!({
            "provider": agent.provider.id(), "model": agent.model, "host": agent.provider.host(),
            "turn": self.turn, "messages": self.messages, "tools": self.tools,
            "duration_ms": u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
        let how = match answer {
            Ok(answer) => json!({
                "outcome": "success", "finish": finish(answer.stop), "usage": answer.usage,
                "calls": answer.calls.len(), "retries": answer.retries,
            }),
            Err(error) => failure(error),
        };
        if let (Value::Object(body), Value::Object(how)) = (&mut body, how) {
            body.extend(how);
        }
        let draft = Draft {
            kind: Kind::ModelCall,
            session: Some(agent.session.clone()),
            call_id: None,
            tool: None,
            decision: None,
            body: agent.redactor.for_log().json(&body),
        };
        agent.audit.append(&draft).map(drop).map_err(|error| RunError::Audit(error.to_string()))
    }
}

/// In the words of the GenAI conventions.
fn finish(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn => "stop",
        StopReason::ToolUse => "tool_call",
        StopReason::MaxTokens => "length",
        StopReason::Filtered => "content_filter",
    }
}

/// A provider's own words may repeat what it was asked.
fn failure(error: &RunError) -> Value {
    match error {
        RunError::Provider(error) => json!({
            "outcome": "failure", "error": error.code, "http_status": error.http_status,
        }),
        RunError::Cancelled => json!({"outcome": "cancelled", "error": "cancelled"}),
        _ => json!({"outcome": "failure", "error": "output"}),
    }
}
