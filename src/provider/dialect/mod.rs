//! How a question is written and an answer is read: Messages and Chat Completions.
//!
//! A dialect is pure: it has no clock, no socket and no key. Whatever a server sends, reading
//! it ends in events, in nothing, or in an error; never in a panic and never in a guess about
//! what a call meant. Read [`anthropic`], then [`openai`]; [`super::http`] drives them.

pub mod anthropic;
pub mod openai;

use super::error::ProviderError;
use super::event::ModelEvent;
use crate::net::sse::SseEvent;
use serde_json::Value;
use std::collections::VecDeque;

/// Reads the events of one answer.
pub(super) trait Reader: Send + Sync {
    /// Takes one event of the stream and appends what it means.
    fn read(
        &mut self,
        event: &SseEvent,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError>;

    /// The stream has ended properly: either the answer is whole or it was cut.
    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderError>;

    /// Whether `Stopped` was sent. What follows is not read.
    fn is_done(&self) -> bool;
}

/// Which dialect a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's Chat Completions.
    ChatCompletions,
}

/// A token count: a missing, negative or broken number is nothing, a huge one saturates.
fn tokens(object: &Value, field: &str) -> Option<u64> {
    let number = object.get(field)?;
    // A cast from float to integer saturates and turns NaN into 0.
    number.as_u64().or_else(|| number.as_f64().map(|n| n as u64))
}

/// The JSON of an event.
fn json(event: &SseEvent) -> Result<Value, ProviderError> {
    serde_json::from_str(&event.data)
        .map_err(|e| ProviderError::protocol(format!("an event of the stream is not JSON ({e})")))
}

/// A text field, empty when it is absent.
fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absurd_token_counts_become_harmless_numbers() {
        let usage = json!({"a": -5, "b": 1e300, "c": 7, "d": "x", "e": 3.9, "f": null});
        let read = ["a", "b", "c", "d", "e", "f"].map(|field| tokens(&usage, field));
        assert_eq!(read, [Some(0), Some(u64::MAX), Some(7), None, Some(3), None]);
    }
}
