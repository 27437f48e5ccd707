//! OpenAI's Chat Completions, as its vendor and a dozen others speak it.
//!
//! Calls are told apart by their `index`, since servers interleave them. The end is a
//! `finish_reason` followed by `[DONE]` or the end of the stream; an end without a reason was
//! a cut. Usage may come in a chunk of its own after the reason. Read [`super::super::http`]
//! for how a request field that a vendor does not know is left out.

use super::{Reader, json, text, tokens};
use crate::conversation::{Block, Message, Role};
use crate::model::Usage;
use crate::net::sse::SseEvent;
use crate::provider::calls::Calls;
use crate::provider::classify::{Report, printable};
use crate::provider::error::ProviderError;
use crate::provider::event::{ModelEvent, StopReason};
use crate::provider::request::ModelRequest;
use crate::provider::transcript;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// The field that limits the answer; vendors disagree about its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitField {
    /// The newer name.
    MaxCompletionTokens,
    /// The older name, the only one that many compatible servers know.
    MaxTokens,
}

impl LimitField {
    /// The name in the request.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitField::MaxCompletionTokens => "max_completion_tokens",
            LimitField::MaxTokens => "max_tokens",
        }
    }

    /// The other name, tried when a server rejects this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            LimitField::MaxCompletionTokens => LimitField::MaxTokens,
            LimitField::MaxTokens => LimitField::MaxCompletionTokens,
        }
    }
}

/// What a server is known to accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepts {
    /// The field for the limit.
    pub limit: LimitField,
    /// Whether `stream_options` may be sent.
    pub stream_options: bool,
}

/// The body of a request.
pub(in crate::provider) fn body(request: &ModelRequest, accepts: Accepts) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    if let Some(system) = request.system.as_ref().filter(|s| !s.as_str().is_empty()) {
        messages.push(json!({"role": "system", "content": system}));
    }
    for message in transcript::acceptable(&request.messages) {
        write(&message, &mut messages);
    }
    let mut body = json!({"model": request.model, "stream": true, "messages": messages});
    body[accepts.limit.as_str()] = json!(request.max_tokens);
    if accepts.stream_options {
        body["stream_options"] = json!({"include_usage": true});
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({"type": "function", "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
            }})
        });
        body["tools"] = tools.collect();
    }
    body
}

/// Tool results come first: they must follow the assistant message directly.
fn write(message: &Message, messages: &mut Vec<Value>) {
    let mut words: Vec<&str> = Vec::new();
    let mut calls: Vec<Value> = Vec::new();
    for block in &message.content {
        match block {
            Block::Text { text } => words.push(text.as_str()),
            Block::ToolUse { id, name, input } => calls.push(json!({
                "id": id,
                "type": "function",
                "function": {"name": name, "arguments": input.get().to_string()},
            })),
            Block::ToolResult { tool_use_id, content, is_error } => {
                // The dialect has no place for `is_error`, so the text says it.
                let prefix = if *is_error { "Error: " } else { "" };
                let content = format!("{prefix}{}", content.as_str());
                messages.push(json!({
                    "role": "tool", "tool_call_id": tool_use_id, "content": content,
                }));
            }
        }
    }
    if words.is_empty() && calls.is_empty() {
        return;
    }
    let content = if words.is_empty() { Value::Null } else { json!(words.join("\n")) };
    let mut value = json!({"role": message.role, "content": content});
    if message.role == Role::Assistant && !calls.is_empty() {
        value["tool_calls"] = Value::Array(calls);
    }
    messages.push(value);
}

/// One answer while it arrives.
#[derive(Debug, Default)]
pub(in crate::provider) struct Answer {
    calls: Calls,
    /// The server's index to the id it gave first and our position.
    open: BTreeMap<u64, (String, usize)>,
    started: bool,
    stop: Option<StopReason>,
    done: bool,
}

impl Reader for Answer {
    fn read(
        &mut self,
        event: &SseEvent,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError> {
        if event.data.trim() == "[DONE]" {
            return self.end(out);
        }
        let value = json(event)?;
        if value.get("error").is_some_and(|error| !error.is_null()) || event.name == "error" {
            let report = Report::of_json(&value).unwrap_or_else(|| Report::of_body(&event.data));
            return Err(report.into_stream_error());
        }
        if !self.started {
            self.started = true;
            out.push_back(ModelEvent::Started { id: text(&value, "id").to_owned() });
        }
        if let Some(choice) = value.pointer("/choices/0") {
            self.choice(choice, out)?;
        }
        // Groq puts the count below its own name.
        let usage = value.get("usage").filter(|usage| usage.is_object());
        if let Some(usage) = usage.or_else(|| value.pointer("/x_groq/usage")) {
            out.push_back(ModelEvent::Usage(count(usage)));
        }
        Ok(())
    }

    fn end(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderError> {
        if self.done {
            return Ok(());
        }
        let Some(reason) = self.stop else {
            return Err(ProviderError::truncated("the stream ended before a `finish_reason`"));
        };
        self.done = true;
        self.calls.finish(reason, out);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Answer {
    fn choice(
        &mut self,
        choice: &Value,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError> {
        let delta = choice.get("delta").unwrap_or(&Value::Null);
        let grows = ["content", "tool_calls"].iter().any(|field| match delta.get(field) {
            Some(Value::String(words)) => !words.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            _ => false,
        });
        if grows && self.stop.is_some() {
            return Err(ProviderError::protocol("content after the `finish_reason`"));
        }
        for field in ["reasoning_content", "reasoning"] {
            let words = text(delta, field);
            if !words.is_empty() {
                out.push_back(ModelEvent::Thinking(words.to_owned()));
                break;
            }
        }
        say(delta.get("content"), out);
        say(delta.get("refusal"), out);
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.call(call, out)?;
        }
        let reason = choice.get("finish_reason").and_then(Value::as_str);
        if let Some(reason) = reason.filter(|reason| !reason.is_empty() && self.stop.is_none()) {
            self.stop = Some(stop_reason(reason)?);
        }
        Ok(())
    }

    fn call(&mut self, call: &Value, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderError> {
        let id = text(call, "id");
        let function = call.get("function").unwrap_or(&Value::Null);
        let key = match call.get("index").and_then(Value::as_u64) {
            Some(index) => index,
            // Without an index an id begins a call and anything else continues the last one.
            None => {
                let known = self.open.iter().find(|(_, (known, _))| known == id);
                let last = self.open.keys().next_back().copied();
                match (known, last) {
                    (Some((key, _)), _) if !id.is_empty() => *key,
                    (_, Some(last)) if id.is_empty() => last,
                    (_, last) => last.map_or(0, |last| last.saturating_add(1)),
                }
            }
        };
        let position = match self.open.get(&key) {
            // Some servers number every call 0 and tell them apart by id alone.
            Some((known, position)) if id.is_empty() || known == id => *position,
            _ => {
                let position = self.calls.start(id, text(function, "name"), out)?;
                self.open.insert(key, (id.to_owned(), position));
                position
            }
        };
        match function.get("arguments") {
            Some(Value::String(fragment)) => self.calls.fragment(position, fragment, out),
            Some(whole @ Value::Object(_)) => {
                self.calls.fragment(position, &whole.to_string(), out)
            }
            _ => Ok(()),
        }
    }
}

/// Text, or Mistral's list of text and thinking parts.
fn say(content: Option<&Value>, out: &mut VecDeque<ModelEvent>) {
    match content {
        Some(Value::String(words)) if !words.is_empty() => {
            out.push_back(ModelEvent::Text(words.clone()));
        }
        Some(Value::Array(parts)) => {
            for part in parts {
                let words = text(part, "text");
                if !words.is_empty() {
                    out.push_back(ModelEvent::Text(words.to_owned()));
                }
                let thoughts = part.get("thinking").and_then(Value::as_array);
                for thought in thoughts.into_iter().flatten() {
                    let words = text(thought, "text");
                    if !words.is_empty() {
                        out.push_back(ModelEvent::Thinking(words.to_owned()));
                    }
                }
            }
        }
        _ => {}
    }
}

/// The prompt count contains the cached tokens; they are priced apart.
fn count(usage: &Value) -> Usage {
    let prompt = tokens(usage, "prompt_tokens").unwrap_or(0);
    let details = usage.get("prompt_tokens_details").unwrap_or(&Value::Null);
    let cached = tokens(details, "cached_tokens")
        .or_else(|| tokens(usage, "prompt_cache_hit_tokens"))
        .unwrap_or(0)
        .min(prompt);
    Usage {
        input_tokens: prompt.saturating_sub(cached),
        output_tokens: tokens(usage, "completion_tokens").unwrap_or(0),
        cache_read_input_tokens: cached,
        cache_creation_input_tokens: 0,
    }
}

fn stop_reason(reason: &str) -> Result<StopReason, ProviderError> {
    match reason {
        "stop" | "end_turn" | "eos" => Ok(StopReason::EndTurn),
        "tool_calls" | "function_call" | "tool_use" => Ok(StopReason::ToolUse),
        "length" | "model_length" | "max_tokens" => Ok(StopReason::MaxTokens),
        "content_filter" => Ok(StopReason::Filtered),
        "insufficient_system_resource" | "error" => {
            Err(ProviderError::new("overloaded", "the server gave up inside the answer"))
        }
        other => {
            Err(ProviderError::protocol(format!("unknown finish reason `{}`", printable(other))))
        }
    }
}

#[cfg(test)]
#[path = "openai_tests.rs"]
mod tests;
