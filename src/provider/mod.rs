//! Ways to stream a turn from a model. STUB: the interface below is final, the rest is not.
use crate::conversation::{Message, ToolDeclaration};
use crate::model::{CallId, Usage};
use crate::redact::Redacted;
use futures_util::Stream;
use serde_json::{Map, Value};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// One question to a model. Redacted by type: nothing else can be sent.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The model's id, resolved.
    pub model: String,
    /// System text; `None` sends none.
    pub system: Option<Redacted<String>>,
    /// The conversation so far.
    pub messages: Arc<[Message]>,
    /// The tools on offer.
    pub tools: Arc<[ToolDeclaration]>,
    /// Largest answer in tokens.
    pub max_tokens: u64,
}

/// What a model says, in the order it says it, whatever the dialect.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelEvent {
    /// The answer begins.
    Started {
        /// The provider's id of the message.
        id: String,
    },
    /// More text.
    Text(String),
    /// More thinking, where the provider shows it.
    Thinking(String),
    /// A tool call begins. `index` counts the calls of this answer from 0.
    ToolStarted {
        /// Position among the calls of this answer.
        index: usize,
        /// The provider's id, or a made-up one where it gives none.
        id: CallId,
        /// The tool, in the model's spelling.
        name: String,
    },
    /// A piece of the call's JSON input.
    ToolInput {
        /// Position among the calls of this answer.
        index: usize,
        /// A fragment of JSON text.
        fragment: String,
    },
    /// The call is whole. Sent once for each call that started, or the stream is an error.
    ToolReady {
        /// Position among the calls of this answer.
        index: usize,
        /// The input, or why it is not a JSON object (the call is then answered with an
        /// error and never proposed to the gate).
        input: Result<Map<String, Value>, String>,
    },
    /// Token counts so far in this answer; a later one replaces an earlier one.
    Usage(Usage),
    /// The attempt is thrown away and starts anew; forget its text and calls.
    Reset,
    /// The answer is whole. Nothing follows.
    Stopped(StopReason),
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It is done.
    EndTurn,
    /// It waits for tool results.
    ToolUse,
    /// It ran out of output tokens.
    MaxTokens,
    /// The provider's filter stopped it.
    Filtered,
}

/// Why a request failed, in words that hold no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ProviderError {
    /// Stable code: `auth`, `rate_limit`, `overloaded`, `network`, `timeout`,
    /// `stream_truncated`, `prompt_too_long`, `invalid_model`, `invalid_request`,
    /// `content_filter`, `protocol`, `unknown`.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// The HTTP status, where there was one.
    pub http_status: Option<u16>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

/// A stream of events; dropping it cancels the request.
pub type ModelStream = Pin<Box<dyn Stream<Item = Result<ModelEvent, ProviderError>> + Send>>;

/// A source of answers.
pub trait Provider: Send + Sync {
    /// The provider's id.
    fn id(&self) -> &str;

    /// Sends one request and streams the answer. Retries happen inside, each announced by
    /// [`ModelEvent::Reset`] once something was streamed.
    fn stream<'a>(
        &'a self,
        request: ModelRequest,
    ) -> Pin<Box<dyn Future<Output = Result<ModelStream, ProviderError>> + Send + 'a>>;
}
