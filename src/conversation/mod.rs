//! What was said, in a form that may leave the process: messages made of redacted blocks.
//!
//! Shared by providers (which send it), sessions (which store it) and the agent (which grows
//! it). Holds no behaviour beyond building and reading. Read [`crate::provider`] next.

use crate::model::{CallId, ToolName};
use crate::redact::Redacted;
use serde::Serialize;
use serde_json::Value;

/// Who speaks. Tool results travel as user messages, as the Messages dialect has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person, or a tool's answer.
    User,
    /// The model.
    Assistant,
}

/// One piece of a message.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Plain text.
    Text {
        /// The text.
        text: Redacted<String>,
    },
    /// A tool call that the model made.
    ToolUse {
        /// The provider's id of the call.
        id: CallId,
        /// The tool, in the model's spelling.
        name: ToolName,
        /// The arguments after redaction.
        input: Redacted<Value>,
    },
    /// The answer to a tool call.
    ToolResult {
        /// The id of the call that is answered.
        tool_use_id: CallId,
        /// What the tool said, after redaction and cutting.
        content: Redacted<String>,
        /// Whether the tool failed or was refused.
        is_error: bool,
    },
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The pieces, in order.
    pub content: Vec<Block>,
}

/// How a tool is offered to a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToolDeclaration {
    /// The canonical name.
    pub name: ToolName,
    /// What the model is told about it.
    pub description: Redacted<String>,
    /// JSON Schema of the input object.
    pub input_schema: Redacted<Value>,
}
