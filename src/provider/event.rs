//! What a model says, whatever the dialect. Read [`super::error`] for how it can fail.

use crate::model::{CallId, Usage};
use serde_json::{Map, Value};

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
    /// The call is whole. Sent once for each call that started, or the stream is an error;
    /// only sent when the whole answer has arrived, directly before [`ModelEvent::Stopped`].
    ToolReady {
        /// Position among the calls of this answer.
        index: usize,
        /// The input, or why it is not a JSON object (the call is then answered with an
        /// error and never proposed to the gate).
        input: Result<Map<String, Value>, String>,
    },
    /// Token counts so far in this answer; a later one replaces an earlier one.
    Usage(Usage),
    /// The request failed and is sent again after a wait.
    Retrying {
        /// Which repeat this is, from 1.
        retry: u32,
        /// The most repeats.
        of: u32,
        /// How long until then.
        wait: std::time::Duration,
        /// Why, without the key.
        reason: String,
    },
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
