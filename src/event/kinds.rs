//! The normalized events: names and fields that clients of the older engine already read.
//!
//! Order inside a run: `session_init`, then for each turn `text_chunk`, `tool_call`,
//! `tool_call_update`, `tool_call_complete`, `usage`, then for each call in completion order
//! `permission_request` and `permission_resolved` (where a person is asked), `permission_denied`
//! (where refused) and `tool_result`; at the end `task_complete` or
//! `error` (a budget stop sends `error`, then `task_complete`).

use crate::gate::{Asked, Choice, QuestionId, Refusal, Resolved, Scope};
use crate::model::{CallId, SessionId, ToolName, Usage};
use crate::redact::Redacted;
use serde::Serialize;
use serde_json::Value;

/// One event. Serialises to one JSON object with a `type`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Event {
    /// The run begins.
    SessionInit {
        /// Version of this vocabulary.
        schema_version: u32,
        /// The conversation's id, good for `--resume`.
        session_id: SessionId,
        /// Tools offered to the model.
        tools: Vec<ToolName>,
        /// Tools that policy wholly removed.
        removed_tools: Vec<ToolName>,
        /// The resolved model.
        model: Redacted<String>,
        /// The provider that serves it.
        provider: Redacted<String>,
        /// The profile in force.
        profile: Redacted<String>,
        /// SHA-256 of the compiled policy.
        policy_digest: String,
        /// MCP servers; always empty for now, expected by clients.
        mcp_servers: Vec<()>,
        /// Skills; always empty for now, expected by clients.
        skills: Vec<()>,
        /// Ion's version.
        version: &'static str,
    },
    /// More text of the answer.
    TextChunk {
        /// The text.
        text: Redacted<String>,
    },
    /// The model begins a tool call.
    ToolCall {
        /// The tool.
        tool_name: ToolName,
        /// The call's id.
        tool_id: CallId,
        /// Position among the calls of the run, counted from 0.
        index: usize,
    },
    /// A piece of a call's input.
    ToolCallUpdate {
        /// The call's id.
        tool_id: CallId,
        /// JSON fragment.
        partial_input: Redacted<String>,
    },
    /// A call's input is whole.
    ToolCallComplete {
        /// Position, as in `tool_call`.
        index: usize,
        /// The call's id.
        tool_id: CallId,
    },
    /// A person is asked; sent when the question is put. `permission_resolved` follows.
    PermissionRequest {
        /// Names the question in `permission_response`.
        question_id: QuestionId,
        /// The call's id.
        tool_id: CallId,
        /// The tool.
        tool_name: ToolName,
        /// Why it asks, in one line.
        tool_description: Redacted<String>,
        /// The whole input.
        tool_input: Redacted<Value>,
        /// What may be answered.
        options: Vec<PermissionOption>,
        /// Everything that an approver sees.
        question: Box<Asked>,
    },
    /// A question is not open any more; later answers are void.
    PermissionResolved {
        /// How it ended.
        #[serde(flatten)]
        resolved: Box<Resolved>,
    },
    /// A call was refused; sent at the moment it happens.
    PermissionDenied {
        /// Everything about the refusal.
        #[serde(flatten)]
        refusal: Box<Refusal>,
    },
    /// A call's answer, as the model sees it.
    ToolResult {
        /// The call's id.
        tool_id: CallId,
        /// The answer.
        output: Redacted<String>,
        /// The same answer under the other name that clients read.
        content: Redacted<String>,
        /// Whether the tool failed or was refused.
        is_error: bool,
    },
    /// Token counts of one model call.
    Usage {
        /// The counts.
        usage: Usage,
    },
    /// Forget the partial text and calls of this attempt: the provider is asked again.
    StreamReset,
    /// The provider failed and is asked again after a wait.
    ProviderRetry {
        /// Which repeat this is, from 1.
        retry: u32,
        /// The most repeats.
        of: u32,
        /// Milliseconds until then.
        after_ms: u64,
        /// Why.
        reason: Redacted<String>,
    },
    /// A tool has run for a while and still runs.
    ToolStalled {
        /// The call's id.
        tool_id: CallId,
        /// The tool.
        tool_name: ToolName,
        /// Seconds so far.
        elapsed: u64,
    },
    /// The run is over.
    TaskComplete(Box<TaskComplete>),
    /// The run failed.
    Error {
        /// What happened, and what to do next.
        message: Redacted<String>,
        /// Always true; older clients test it.
        is_error: bool,
        /// Stable code.
        error_code: String,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// The provider's HTTP status, where there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        http_status: Option<u16>,
        /// The conversation, where one was begun.
        #[serde(skip_serializing_if = "Option::is_none")]
        session_id: Option<SessionId>,
    },
}

/// One answer that a question takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PermissionOption {
    /// What to send back: `allow`, `allow_always`, `apply`, `preview`, `deny`, `deny_always`.
    pub id: String,
    /// For a person.
    pub label: &'static str,
    /// `allow_once`, `allow_always`, `preview`, `deny_once` or `deny_always`: what kind of answer it is,
    /// for clients that draw icons.
    pub kind: &'static str,
}

impl Event {
    /// The event for a question that was put.
    pub fn permission_request(asked: &Asked) -> Self {
        let option = |(choice, label): (Choice, &'static str)| PermissionOption {
            id: choice.id(),
            label,
            kind: match choice {
                Choice::Allow(Scope::Once) | Choice::Apply => "allow_once",
                Choice::Allow(_) => "allow_always",
                Choice::Preview => "preview",
                Choice::Deny => "deny_once",
                Choice::Never => "deny_always",
            },
        };
        Event::PermissionRequest {
            question_id: asked.id.clone(),
            tool_id: asked.call_id.clone(),
            tool_name: asked.tool.clone(),
            tool_description: asked.reason.clone(),
            tool_input: asked.input.clone(),
            options: asked.choices().into_iter().map(option).collect(),
            question: Box::new(asked.clone()),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Nothing was refused.
    Completed,
    /// The model finished, but policy refused at least one call.
    CompletedWithDenials,
    /// The turn limit stopped it.
    MaxTurns,
    /// The budget stopped it.
    BudgetExceeded,
}

/// The body of `task_complete`, and of `--output json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskComplete {
    /// All text of the last turn.
    pub result: Redacted<String>,
    /// How it ended.
    pub status: RunStatus,
    /// US dollars; 0 when the model has no price.
    pub cost_usd: f64,
    /// Wall-clock milliseconds.
    pub duration_ms: u64,
    /// Model calls.
    pub num_turns: u32,
    /// Sum of the provider's own counts.
    pub usage: Usage,
    /// The conversation.
    pub session_id: SessionId,
    /// Every refused call; empty when there was none.
    pub permission_denials: Vec<Refusal>,
    /// Version of this vocabulary.
    pub schema_version: u32,
}

/// Version of the vocabulary; a change of meaning raises it, a new field does not.
pub const SCHEMA_VERSION: u32 = 1;
