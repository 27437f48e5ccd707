//! A stream that ends at any byte, or arrives in any pieces.

use super::{DIALECTS, ask, ask_once, provider, run};
use crate::support::loopback::{Loopback, Reply, anthropic_tool_call, openai_tool_call};
use ion::provider::dialect::Dialect;
use ion::provider::{ModelEvent, StopReason};
use serde_json::json;

fn tool_call(dialect: Dialect) -> String {
    let input = json!({"command": "ls é✓"});
    match dialect {
        Dialect::Messages => anthropic_tool_call("Bash", &input),
        Dialect::ChatCompletions => openai_tool_call("Bash", &input),
    }
}

fn whole(dialect: Dialect, body: &str) -> Vec<ModelEvent> {
    let server = Loopback::start(vec![Reply::sse(body)]);
    let heard = ask_once(&provider(dialect, &server, 0));
    assert_eq!(heard.error, None);
    heard.events
}

/// The byte from which an end may count as the proper one.
fn last_word(dialect: Dialect, body: &str) -> usize {
    match dialect {
        Dialect::Messages => body.rfind("\"message_stop\"").unwrap(),
        Dialect::ChatCompletions => body.rfind("\"finish_reason\"").unwrap(),
    }
}

#[test]
fn a_messages_stream_cut_at_any_byte_yields_no_call_and_a_retryable_error() {
    cut_everywhere(Dialect::Messages);
}

#[test]
fn a_chat_completions_stream_cut_at_any_byte_yields_no_call_and_a_retryable_error() {
    cut_everywhere(Dialect::ChatCompletions);
}

fn cut_everywhere(dialect: Dialect) {
    let body = tool_call(dialect);
    let expected = whole(dialect, &body);
    let may_end = last_word(dialect, &body);
    let cut = |at| Reply::sse(body.as_bytes()).cut_at(at);
    let ended = |at| Reply::sse(body.as_bytes()).ends_at(at);
    let replies = (0..body.len()).flat_map(|at| [cut(at), ended(at)]).collect();
    let server = Loopback::start(replies);
    let provider = provider(dialect, &server, 0);
    run(async {
        for at in 0..body.len() {
            for how in ["cut", "ended"] {
                let heard = ask(&provider).await;
                let place = format!("{dialect:?} {how} at {at} of {}", body.len());
                match &heard.error {
                    Some(error) => {
                        assert_eq!(error.code, "stream_truncated", "{place}: {error}");
                        assert!(error.retryable && !heard.is_ready(), "{place}");
                        assert!(expected.starts_with(&heard.events), "{place}: {heard:?}");
                    }
                    None => {
                        assert!(at > may_end, "{place}: taken for whole");
                        assert_eq!(uncounted(&heard.events), uncounted(&expected), "{place}");
                    }
                }
            }
        }
    });
}

/// Without the counts: those of Chat Completions come after the end of the answer.
fn uncounted(events: &[ModelEvent]) -> Vec<&ModelEvent> {
    events.iter().filter(|event| !matches!(event, ModelEvent::Usage(_))).collect()
}

#[test]
fn any_chunking_gives_the_events_of_the_whole() {
    for dialect in DIALECTS {
        let body = tool_call(dialect);
        let expected = whole(dialect, &body);
        let sizes = [1, 2, 3, 7, 64, 1000];
        let chunked = sizes.map(|size| Reply::sse(body.as_bytes()).chunks_of(size));
        let carriage = Reply::sse(body.replace('\n', "\r\n")).chunks_of(5);
        let server = Loopback::start(chunked.into_iter().chain([carriage]).collect());
        let provider = provider(dialect, &server, 0);
        run(async {
            for _ in 0..=sizes.len() {
                assert_eq!(ask(&provider).await.events, expected);
            }
        });
    }
}

#[test]
fn the_whole_answer_is_the_same_in_both_dialects() {
    for dialect in DIALECTS {
        let events = whole(dialect, &tool_call(dialect));
        let input = events.iter().find_map(|event| match event {
            ModelEvent::ToolReady { index: 0, input } => input.clone().ok(),
            _ => None,
        });
        assert_eq!(input.unwrap()["command"], "ls é✓");
        let usage = events.iter().rev().find_map(|event| match event {
            ModelEvent::Usage(usage) => Some(*usage),
            _ => None,
        });
        let usage = usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (20, 9), "{dialect:?}");
        assert_eq!(usage.cache_read_input_tokens, 8, "{dialect:?}");
        assert_eq!(events.last(), Some(&ModelEvent::Stopped(StopReason::ToolUse)));
    }
}
