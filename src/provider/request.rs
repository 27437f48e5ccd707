//! One question to a model. Read [`super::event`] for the answer.

use crate::conversation::{Message, ToolDeclaration};
use crate::redact::Redacted;
use std::sync::Arc;

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
