//! A model that is a file: it plays prepared turns through the same interface as any other.
//!
//! For `ion tour`, for trying a policy and for tests. It is a provider like the others: what
//! it asks for is judged, confined and recorded in the same way, and nothing in Ion knows
//! that it is not a real model. Read [`script`] for the file and its errors.

pub mod script;
mod toml;

pub use script::{Script, ScriptError};

use super::calls::Calls;
use super::error::ProviderError;
use super::event::ModelEvent;
use super::request::ModelRequest;
use super::{ModelStream, Provider};
use crate::conversation::{Block, Message, Role};
use script::{Input, Turn};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A provider that plays a [`Script`].
#[derive(Debug)]
pub struct Scripted {
    script: Script,
    /// The next turn.
    position: Mutex<usize>,
}

impl Scripted {
    /// Plays a script from its beginning.
    pub fn new(script: Script) -> Self {
        Scripted { script, position: Mutex::new(0) }
    }

    /// Reads and plays a file.
    pub fn load(path: &str) -> Result<Self, ScriptError> {
        Script::load(path).map(Scripted::new)
    }

    /// Finds the turn for this question and steps behind it.
    fn turn(&self, heard: &Heard<'_>) -> Result<Turn, ProviderError> {
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(turn) = self.script.turns.get(*position) {
            *position += 1;
            if turn.when.as_ref().is_some_and(|wanted| !heard.last.contains(wanted.as_str())) {
                continue;
            }
            if let Some(wanted) = turn.expect.as_ref().filter(|w| !heard.last.contains(w.as_str()))
            {
                let place = format!("{}:{}", self.script.name, turn.line);
                let message = format!("script {place} expects to hear `{wanted}` and does not");
                return Err(ProviderError::new("invalid_request", message));
            }
            return Ok(turn.clone());
        }
        let message = format!("script has no further turn ({})", self.script.name);
        Err(ProviderError::new("invalid_request", message))
    }
}

impl Provider for Scripted {
    fn id(&self) -> &str {
        "scripted"
    }

    fn stream<'a>(
        &'a self,
        request: ModelRequest,
    ) -> Pin<Box<dyn Future<Output = Result<ModelStream, ProviderError>> + Send + 'a>> {
        Box::pin(async move {
            let heard = Heard::of(&request.messages);
            let turn = self.turn(&heard)?;
            let steps = steps(&turn, &heard)?;
            let delay = turn.delay;
            let stream = futures_util::stream::unfold(steps, move |mut steps| async move {
                let step = steps.pop_front()?;
                let slow = matches!(step, Ok(ModelEvent::Text(_) | ModelEvent::ToolInput { .. }));
                if slow && delay > Duration::ZERO {
                    tokio::time::sleep(delay).await;
                }
                Some((step, steps))
            });
            let stream: ModelStream = Box::pin(stream);
            Ok(stream)
        })
    }
}

/// What the conversation ends with.
struct Heard<'a> {
    /// The last text of the user or the last answer of a tool, whichever came later.
    last: &'a str,
    user: &'a str,
    tool: &'a str,
}

impl<'a> Heard<'a> {
    fn of(messages: &'a [Message]) -> Self {
        let mut heard = Heard { last: "", user: "", tool: "" };
        let spoken = messages.iter().filter(|message| message.role == Role::User);
        for block in spoken.flat_map(|message| &message.content) {
            match block {
                Block::Text { text } => {
                    heard.user = text.as_str();
                    heard.last = heard.user;
                }
                Block::ToolResult { content, .. } => {
                    heard.tool = content.as_str();
                    heard.last = heard.tool;
                }
                Block::ToolUse { .. } => {}
            }
        }
        heard
    }

    /// Text with its templates filled in, in one pass: what is filled in is not looked at
    /// again, so a tool's output cannot pull in anything.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            let (before, from) = rest.split_at(start);
            filled.push_str(before);
            let known = [("{{last_tool_result}}", self.tool), ("{{last_user_text}}", self.user)];
            match known.iter().find(|(template, _)| from.starts_with(template)) {
                Some((template, value)) => {
                    filled.push_str(value);
                    rest = from.get(template.len()..).unwrap_or_default();
                }
                None => {
                    filled.push_str("{{");
                    rest = from.get(2..).unwrap_or_default();
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}

/// Everything a turn says, in order, ending in `Stopped` or an error.
fn steps(
    turn: &Turn,
    heard: &Heard<'_>,
) -> Result<VecDeque<Result<ModelEvent, ProviderError>>, ProviderError> {
    let mut events = VecDeque::from([ModelEvent::Started { id: format!("script_{}", turn.line) }]);
    for piece in &turn.text {
        let text = heard.fill(piece);
        for part in cut(&text, turn.chunk) {
            events.push_back(ModelEvent::Text(part));
        }
    }
    let mut calls = Calls::default();
    for call in &turn.calls {
        let index = calls.start(call.id.as_deref().unwrap_or_default(), &call.name, &mut events)?;
        let json = match &call.input {
            Input::Object(object) => serde_json::Value::Object(object.clone()).to_string(),
            Input::Verbatim(text) => text.clone(),
        };
        for part in cut(&json, turn.chunk) {
            calls.fragment(index, &part, &mut events)?;
        }
    }
    if let Some(usage) = turn.usage {
        events.push_back(ModelEvent::Usage(usage));
    }
    if let Some(error) = &turn.error {
        let error = error.clone();
        return Ok(events.into_iter().map(Ok).chain([Err(error)]).collect());
    }
    calls.finish(turn.stop, &mut events);
    Ok(events.into_iter().map(Ok).collect())
}

/// `text` in pieces of at most `size` characters; whole without a size.
fn cut(text: &str, size: Option<usize>) -> Vec<String> {
    let Some(size) = size else {
        return if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    };
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size.max(1)).map(|part| part.iter().collect()).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
