//! Anthropic's Messages: blocks with an index, and an explicit end.
//!
//! An answer without `message_stop`, or with a block that was never closed, was cut and is
//! not an answer. Unknown events and block kinds are skipped, because the vendor adds some
//! without notice. Read [`super::openai`] next.

use super::{Reader, json, text, tokens};
use crate::conversation::{Message, Role};
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

/// The protocol version that is asked for.
pub(in crate::provider) const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
/// Points of a conversation that are cached; with the system text the vendor's limit of four.
const CACHED_MESSAGES: usize = 3;

/// The body of a request.
pub(in crate::provider) fn body(request: &ModelRequest) -> Value {
    let messages = transcript::acceptable(&request.messages);
    let mut body = json!({
        "model": request.model,
        "max_tokens": request.max_tokens,
        "stream": true,
        "messages": written(&messages),
    });
    if let Some(system) = request.system.as_ref().filter(|s| !s.as_str().is_empty()) {
        body["system"] = json!([
            {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}
        ]);
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            json!({
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.input_schema,
            })
        });
        body["tools"] = tools.collect();
    }
    body
}

fn written(messages: &[Message]) -> Value {
    let mut left = CACHED_MESSAGES;
    let mut written: Vec<Value> = Vec::with_capacity(messages.len());
    for message in messages.iter().rev() {
        let mut value = json!(message);
        if message.role == Role::User && left > 0 {
            let last = value.get_mut("content").and_then(Value::as_array_mut);
            if let Some(block) = last.and_then(|blocks| blocks.last_mut()) {
                block["cache_control"] = json!({"type": "ephemeral"});
                left -= 1;
            }
        }
        written.push(value);
    }
    written.reverse();
    Value::Array(written)
}

/// One answer while it arrives.
#[derive(Debug, Default)]
pub(in crate::provider) struct Answer {
    calls: Calls,
    open: BTreeMap<u64, Block>,
    usage: Usage,
    stop: Option<StopReason>,
    done: bool,
}

/// A block that has begun and not ended.
#[derive(Debug)]
enum Block {
    Text,
    Thinking,
    Call(usize),
    Other,
}

/// Most blocks that may be open at once. The vendor opens one.
const MAX_OPEN: usize = 256;

impl Reader for Answer {
    fn read(
        &mut self,
        event: &SseEvent,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError> {
        if event.data.trim() == "[DONE]" {
            return Ok(());
        }
        let value = json(event)?;
        match text(&value, "type") {
            "message_start" => {
                let message = value.get("message").unwrap_or(&Value::Null);
                out.push_back(ModelEvent::Started { id: text(message, "id").to_owned() });
                self.count(message.get("usage"), out);
            }
            "content_block_start" => self.begin(&value, out)?,
            "content_block_delta" => self.extend(&value, out)?,
            "content_block_stop" => drop(self.open.remove(&position(&value))),
            "message_delta" => {
                if let Some(reason) = value.pointer("/delta/stop_reason").and_then(Value::as_str) {
                    self.stop = Some(stop_reason(reason)?);
                }
                self.count(value.get("usage"), out);
            }
            "message_stop" => self.stop(out)?,
            "error" => {
                return Err(Report::of_json(&value).unwrap_or_default().into_stream_error());
            }
            _ if event.name == "error" => {
                return Err(Report::of_body(&event.data).into_stream_error());
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderError> {
        if self.done {
            return Ok(());
        }
        Err(ProviderError::truncated("the stream ended before `message_stop`"))
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

impl Answer {
    fn begin(
        &mut self,
        value: &Value,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError> {
        let index = position(value);
        if self.open.contains_key(&index) || self.open.len() >= MAX_OPEN {
            return Err(ProviderError::protocol("a content block begins twice"));
        }
        let block = value.get("content_block").unwrap_or(&Value::Null);
        let opened = match text(block, "type") {
            "text" => {
                say(ModelEvent::Text, text(block, "text"), out);
                Block::Text
            }
            "thinking" => {
                say(ModelEvent::Thinking, text(block, "thinking"), out);
                Block::Thinking
            }
            "tool_use" => {
                let call = self.calls.start(text(block, "id"), text(block, "name"), out)?;
                if let Some(Value::Object(input)) = block.get("input") {
                    self.calls.preset(call, input.clone());
                }
                Block::Call(call)
            }
            _ => Block::Other,
        };
        self.open.insert(index, opened);
        Ok(())
    }

    fn extend(
        &mut self,
        value: &Value,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), ProviderError> {
        let Some(block) = self.open.get(&position(value)) else {
            return Err(ProviderError::protocol("a piece of a content block that is not open"));
        };
        let delta = value.get("delta").unwrap_or(&Value::Null);
        match (block, text(delta, "type")) {
            (Block::Text, "text_delta") => say(ModelEvent::Text, text(delta, "text"), out),
            (Block::Thinking, "thinking_delta") => {
                say(ModelEvent::Thinking, text(delta, "thinking"), out);
            }
            (Block::Call(call), "input_json_delta") => {
                self.calls.fragment(*call, text(delta, "partial_json"), out)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Later counts replace earlier ones, field by field: the start has the input, the end
    /// the output, and some gateways repeat the input at the end.
    fn count(&mut self, usage: Option<&Value>, out: &mut VecDeque<ModelEvent>) {
        let Some(reported) = usage.filter(|usage| usage.is_object()) else { return };
        let usage = &mut self.usage;
        for (field, slot) in [
            ("input_tokens", &mut usage.input_tokens),
            ("output_tokens", &mut usage.output_tokens),
            ("cache_read_input_tokens", &mut usage.cache_read_input_tokens),
            ("cache_creation_input_tokens", &mut usage.cache_creation_input_tokens),
        ] {
            // A zero at the end does not take back what the start reported.
            if let Some(count) = tokens(reported, field).filter(|count| *count > 0) {
                *slot = count;
            }
        }
        out.push_back(ModelEvent::Usage(self.usage));
    }

    fn stop(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), ProviderError> {
        if !self.open.is_empty() {
            return Err(ProviderError::truncated("`message_stop` inside a content block"));
        }
        let Some(reason) = self.stop else {
            return Err(ProviderError::truncated("`message_stop` without a stop reason"));
        };
        self.done = true;
        self.calls.finish(reason, out);
        Ok(())
    }
}

fn position(value: &Value) -> u64 {
    value.get("index").and_then(Value::as_u64).unwrap_or(0)
}

fn say(event: impl FnOnce(String) -> ModelEvent, words: &str, out: &mut VecDeque<ModelEvent>) {
    if !words.is_empty() {
        out.push_back(event(words.to_owned()));
    }
}

fn stop_reason(reason: &str) -> Result<StopReason, ProviderError> {
    match reason {
        "end_turn" | "stop_sequence" | "stop" | "pause_turn" => Ok(StopReason::EndTurn),
        "tool_use" => Ok(StopReason::ToolUse),
        "max_tokens" | "model_context_window_exceeded" => Ok(StopReason::MaxTokens),
        "refusal" => Ok(StopReason::Filtered),
        other => {
            Err(ProviderError::protocol(format!("unknown stop reason `{}`", printable(other))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::ToolDeclaration;
    use crate::model::ToolName;
    use crate::provider::transcript::tests::{call, redacted, result, said};
    use crate::redact::Redacted;
    use proptest::prelude::*;

    fn read(events: &[&str]) -> (Vec<ModelEvent>, Result<(), ProviderError>) {
        let (mut answer, mut out) = (Answer::default(), VecDeque::new());
        for data in events {
            let event = SseEvent { name: String::new(), data: (*data).to_owned() };
            if let Err(error) = answer.read(&event, &mut out) {
                return (out.into(), Err(error));
            }
        }
        let ended = answer.end(&mut out);
        (out.into(), ended)
    }

    const START: &str = r#"{"type":"message_start","message":{"id":"m1","usage":{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":1}}}"#;
    const STOP: &str = r#"{"type":"message_stop"}"#;

    fn ends(reason: &str) -> String {
        format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":7}}}}"#
        )
    }

    #[test]
    fn usage_is_put_together_from_the_start_and_the_end() {
        let (events, ended) = read(&[START, &ends("end_turn"), STOP]);
        ended.unwrap();
        let expected = Usage {
            input_tokens: 9,
            output_tokens: 7,
            cache_read_input_tokens: 4,
            cache_creation_input_tokens: 0,
        };
        assert_eq!(events.iter().rev().nth(1), Some(&ModelEvent::Usage(expected)));
        assert_eq!(events.last(), Some(&ModelEvent::Stopped(StopReason::EndTurn)));
    }

    #[test]
    fn unknown_events_blocks_and_pings_are_skipped() {
        let (events, ended) = read(&[
            START,
            r#"{"type":"ping"}"#,
            r#"{"type":"brand_new","x":[1]}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"odd_delta"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":""}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"x"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            &ends("end_turn"),
            STOP,
        ]);
        ended.unwrap();
        assert!(events.contains(&ModelEvent::Thinking("hm".into())), "{events:?}");
    }

    #[test]
    fn a_call_that_was_not_closed_is_never_ready() {
        let begun = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"Bash","input":{}}}"#;
        let piece = r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#;
        let (events, ended) = read(&[START, begun, piece, &ends("tool_use"), STOP]);
        assert_eq!(ended.unwrap_err().code, "stream_truncated");
        assert!(!events.iter().any(|e| matches!(e, ModelEvent::ToolReady { .. })));
    }

    #[test]
    fn an_end_without_a_reason_or_without_message_stop_is_a_cut() {
        for events in [vec![START, STOP], vec![START], vec![]] {
            let error = read(&events).1.unwrap_err();
            assert_eq!((error.code, error.retryable), ("stream_truncated", true));
        }
    }

    #[test]
    fn an_error_event_after_content_is_classified() {
        let error =
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let (_, ended) = read(&[START, error]);
        assert_eq!(ended.unwrap_err().code, "overloaded");
    }

    #[test]
    fn a_refusal_is_filtered_and_an_unknown_reason_is_an_error() {
        let (events, _) = read(&[START, &ends("refusal"), STOP]);
        assert_eq!(events.last(), Some(&ModelEvent::Stopped(StopReason::Filtered)));
        assert_eq!(read(&[START, &ends("moonphase"), STOP]).1.unwrap_err().code, "protocol");
    }

    #[test]
    fn the_cache_marks_are_four_at_most_and_the_last_messages_carry_them() {
        let mut messages = Vec::new();
        for _ in 0..6 {
            messages.push(said(Role::User, "q"));
            messages.push(said(Role::Assistant, "a"));
        }
        messages.push(said(Role::User, "last"));
        let request = ModelRequest {
            model: "claude-x".into(),
            system: Some(Redacted::literal("be brief")),
            messages: messages.into(),
            tools: [].into(),
            max_tokens: 10,
        };
        let body = body(&request);
        assert_eq!(body.to_string().matches("cache_control").count(), 4);
        assert!(body["messages"][12]["content"][0]["cache_control"].is_object());
        assert!(body["messages"][0]["content"][0]["cache_control"].is_null());
        assert!(body.get("tools").is_none());
    }

    #[test]
    fn calls_results_and_tools_are_written_as_the_dialect_has_them() {
        let request = ModelRequest {
            model: "claude-x".into(),
            system: None,
            messages: [
                said(Role::User, "go"),
                Message { role: Role::Assistant, content: vec![call("t1")] },
                Message { role: Role::User, content: vec![result("t1", "ok")] },
            ]
            .into(),
            tools: [ToolDeclaration {
                name: ToolName::resolve("Bash"),
                description: Redacted::literal("runs"),
                input_schema: redacted(json!({"type": "object"})),
            }]
            .into(),
            max_tokens: 10,
        };
        let body = body(&request);
        assert!(body.get("system").is_none());
        assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object"}));
        let call =
            json!({"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}});
        assert_eq!(body["messages"][1]["content"][0], call);
        let answer = &body["messages"][2]["content"][0];
        assert_eq!((&answer["tool_use_id"], &answer["content"]), (&json!("t1"), &json!("ok")));
    }

    proptest! {
        #[test]
        fn no_event_makes_it_panic(data in "\\PC{0,80}", kind in "[a-z_]{0,20}", n in any::<i64>()) {
            let shaped = json!({"type": kind, "index": n, "delta": data, "content_block": data});
            let _ = read(&[&data, &shaped.to_string()]);
            for kind in ["message_start", "content_block_start", "content_block_delta",
                "content_block_stop", "message_delta", "message_stop", "error"] {
                let shaped = json!({"type": kind, "index": n, "delta": data, "error": n});
                let _ = read(&[&shaped.to_string()]);
            }
        }
    }
}
