//! Tests of [`super`]: requests as the vendors want them, answers however they come.

use super::*;
use crate::provider::transcript::tests::{call, result, said};
use crate::redact::Redacted;
use proptest::prelude::*;
use serde_json::Map;

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

fn inputs(events: &[ModelEvent]) -> Vec<Result<Map<String, Value>, String>> {
    let ready = events.iter().filter_map(|event| match event {
        ModelEvent::ToolReady { input, .. } => Some(input.clone()),
        _ => None,
    });
    ready.collect()
}

fn delta(delta: Value) -> String {
    json!({"id": "c1", "choices": [{"delta": delta}]}).to_string()
}

fn finish(reason: &str) -> String {
    json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string()
}

fn piece(index: u64, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}})
}

#[test]
fn interleaved_calls_do_not_mix() {
    let (events, ended) = read(&[
        &delta(json!({"tool_calls": [piece(0, Some("a"), Some("Read"), "")]})),
        &delta(json!({"tool_calls": [piece(1, Some("b"), Some("Bash"), "{\"x\"")]})),
        &delta(
            json!({"tool_calls": [piece(0, None, None, "{\"p\":"), piece(1, None, None, ":1")]}),
        ),
        &delta(json!({"tool_calls": [piece(1, None, None, "}"), piece(0, None, None, "2}")]})),
        &finish("tool_calls"),
        "[DONE]",
    ]);
    ended.unwrap();
    let inputs: Vec<Value> =
        inputs(&events).into_iter().map(|input| Value::Object(input.unwrap())).collect();
    assert_eq!(inputs, [json!({"p": 2}), json!({"x": 1})]);
    assert_eq!(events.last(), Some(&ModelEvent::Stopped(StopReason::ToolUse)));
}

#[test]
fn calls_that_all_claim_index_zero_are_told_apart_by_id() {
    let (events, _) = read(&[
        &delta(json!({"tool_calls": [piece(0, Some("a"), Some("Read"), "{\"p\":1}")]})),
        &delta(json!({"tool_calls": [piece(0, Some("b"), Some("Read"), "{\"p\":2}")]})),
        &finish("stop"),
    ]);
    assert_eq!(inputs(&events).len(), 2);
    assert_eq!(events.last(), Some(&ModelEvent::Stopped(StopReason::ToolUse)));
}

#[test]
fn usage_is_read_from_a_chunk_without_choices_and_cached_tokens_are_subtracted() {
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":80}}}"#;
    let (events, ended) =
        read(&[&delta(json!({"content": "hi"})), &finish("stop"), usage, "[DONE]"]);
    ended.unwrap();
    let expected = Usage {
        input_tokens: 20,
        output_tokens: 5,
        cache_read_input_tokens: 80,
        cache_creation_input_tokens: 0,
    };
    assert!(events.contains(&ModelEvent::Usage(expected)), "{events:?}");
}

#[test]
fn more_cached_than_prompt_tokens_do_not_underflow() {
    let usage = json!({"prompt_tokens": 1, "prompt_cache_hit_tokens": 9, "completion_tokens": -3});
    let counted = count(&usage);
    assert_eq!((counted.input_tokens, counted.cache_read_input_tokens), (0, 1));
    assert_eq!(counted.output_tokens, 0);
}

#[test]
fn the_length_limit_is_told_from_the_end() {
    for (reason, stop) in [
        ("length", StopReason::MaxTokens),
        ("stop", StopReason::EndTurn),
        ("content_filter", StopReason::Filtered),
    ] {
        let (events, _) = read(&[&delta(json!({"content": "hi"})), &finish(reason), "[DONE]"]);
        assert_eq!(events.last(), Some(&ModelEvent::Stopped(stop)), "{reason}");
    }
}

#[test]
fn an_end_without_a_finish_reason_is_a_cut_even_after_done() {
    let begun = delta(json!({"tool_calls": [piece(0, Some("a"), Some("Bash"), "{}")]}));
    for events in [vec![begun.as_str()], vec![begun.as_str(), "[DONE]"], vec![]] {
        let (seen, ended) = read(&events);
        assert_eq!(ended.unwrap_err().code, "stream_truncated");
        assert!(inputs(&seen).is_empty());
    }
}

#[test]
fn a_call_cut_by_the_length_limit_is_an_error_for_the_model() {
    let (events, _) = read(&[
        &delta(json!({"tool_calls": [piece(0, Some("a"), Some("Bash"), "{\"command\":\"rm")]})),
        &finish("length"),
    ]);
    assert!(inputs(&events)[0].is_err());
}

#[test]
fn thinking_is_read_under_both_names() {
    let (events, _) = read(&[
        &delta(json!({"reasoning_content": "a"})),
        &delta(json!({"reasoning": "b"})),
        &delta(json!({"content": [{"type": "thinking", "thinking": [{"text": "c"}]}]})),
        &finish("stop"),
    ]);
    for thought in ["a", "b", "c"] {
        assert!(events.contains(&ModelEvent::Thinking(thought.into())), "{events:?}");
    }
}

#[test]
fn an_error_inside_a_chunk_is_classified() {
    let (_, ended) = read(&[r#"{"error":{"message":"slow down","code":429}}"#]);
    assert_eq!(ended.unwrap_err().code, "rate_limit");
}

#[test]
fn a_second_finish_and_a_second_done_change_nothing() {
    let (events, ended) = read(&[&finish("stop"), &finish("length"), "[DONE]", "[DONE]"]);
    ended.unwrap();
    let stops: Vec<_> = events.iter().filter(|e| matches!(e, ModelEvent::Stopped(_))).collect();
    assert_eq!(stops, [&ModelEvent::Stopped(StopReason::EndTurn)]);
}

#[test]
fn tool_results_follow_the_call_directly_and_errors_say_so() {
    let mut late = said(Role::User, "and now");
    late.content.push(result("t1", "ok"));
    let request = ModelRequest {
        model: "gpt-x".into(),
        system: Some(Redacted::literal("be brief")),
        messages: [
            said(Role::User, "go"),
            Message { role: Role::Assistant, content: vec![call("t1"), call("t2")] },
            late,
        ]
        .into(),
        tools: [].into(),
        max_tokens: 10,
    };
    let accepts = Accepts { limit: LimitField::MaxTokens, stream_options: true };
    let body = body(&request, accepts);
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user"]);
    assert_eq!(
        body["messages"][2]["tool_calls"][0]["function"]["arguments"],
        r#"{"command":"ls"}"#
    );
    assert!(body["messages"][4]["content"].as_str().unwrap().starts_with("Error: "));
    assert_eq!(body["max_tokens"], 10);
    assert_eq!(body["stream_options"]["include_usage"], true);
}

proptest! {
    #[test]
    fn no_event_makes_it_panic(words in "\\PC{0,60}", n in any::<i64>()) {
        let _ = read(&[&words]);
        for value in [
            json!({"choices": [{"delta": {"tool_calls": [{"index": n, "id": words}]}}]}),
            json!({"choices": [{"delta": {"tool_calls": words, "content": n}}]}),
            json!({"choices": n, "usage": {"prompt_tokens": n, "completion_tokens": words}}),
            json!({"choices": [{"finish_reason": words}]}),
            json!({"error": words}),
            json!([words, n]),
        ] {
            let _ = read(&[&value.to_string(), &value.to_string()]);
        }
    }
}
