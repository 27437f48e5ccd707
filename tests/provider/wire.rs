//! What goes over the wire: headers, bodies, and fields that a server does not know.

use super::{DIALECTS, KEY, ask, ask_once, provider, question, run};
use crate::support::loopback::{Loopback, Reply, anthropic_text, openai_text};
use futures_util::StreamExt;
use ion::provider::dialect::Dialect;
use ion::provider::{ModelEvent, Provider};
use serde_json::json;

#[test]
fn messages_is_asked_with_its_version_its_key_and_a_stream() {
    let server = Loopback::start(vec![Reply::sse(anthropic_text("hello there"))]);
    let heard = ask_once(&provider(Dialect::Messages, &server, 0));
    assert_eq!(heard.text(), "hello there");
    let request = &server.requests()[0];
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/v1/messages"));
    assert_eq!(request.header("x-api-key"), Some(KEY));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    let body = request.json();
    assert_eq!((&body["stream"], &body["max_tokens"]), (&json!(true), &json!(100)));
    assert_eq!(body["system"][0]["text"], "be brief");
}

#[test]
fn chat_completions_is_asked_for_usage_with_a_bearer_key() {
    let server = Loopback::start(vec![Reply::sse(openai_text("hello there"))]);
    let heard = ask_once(&provider(Dialect::ChatCompletions, &server, 0));
    assert_eq!(heard.text(), "hello there");
    let request = &server.requests()[0];
    assert_eq!(request.target, "/v1/chat/completions");
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let body = request.json();
    assert_eq!(body["stream_options"]["include_usage"], true);
    assert_eq!(body["max_completion_tokens"], 100);
    assert_eq!(body["messages"][0]["role"], "system");
}

#[test]
fn a_field_that_the_server_rejects_is_left_out_and_stays_out() {
    let rejects = |field: &str| {
        let message = format!("Unsupported parameter: '{field}' is not supported with this model");
        Reply::json(400, &json!({"error": {"message": message}}))
    };
    let server = Loopback::start(vec![
        rejects("max_completion_tokens"),
        rejects("stream_options"),
        Reply::sse(openai_text("one")),
        Reply::sse(openai_text("two")),
    ]);
    let provider = provider(Dialect::ChatCompletions, &server, 0);
    run(async {
        assert_eq!(ask(&provider).await.text(), "one");
        assert_eq!(ask(&provider).await.text(), "two");
    });
    let bodies: Vec<_> = server.requests().iter().map(|request| request.json()).collect();
    assert_eq!(bodies.len(), 4);
    for body in &bodies[2..] {
        assert_eq!(body["max_tokens"], 100);
        assert!(
            body.get("max_completion_tokens").is_none() && body.get("stream_options").is_none()
        );
    }
}

#[test]
fn a_server_that_rejects_both_names_of_the_limit_is_asked_twice_and_no_more() {
    let body = json!({"error": {"message": "unsupported: max_completion_tokens, max_tokens"}});
    let server = Loopback::start(vec![Reply::json(400, &body).times(9)]);
    let heard = ask_once(&provider(Dialect::ChatCompletions, &server, 5));
    assert_eq!(heard.code(), "invalid_request");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_repeat_after_partial_output_takes_it_back_first() {
    for dialect in DIALECTS {
        let whole = match dialect {
            Dialect::Messages => anthropic_text("one two three"),
            Dialect::ChatCompletions => openai_text("one two three"),
        };
        let half = whole.find("two").unwrap();
        let half = half + whole[half..].find("\n\n").unwrap() + 2;
        let cut = Reply::sse(whole.as_bytes()).chunks_of(64).cut_at(half);
        let server = Loopback::start(vec![cut, Reply::status(529), Reply::sse(whole)]);
        let heard = ask_once(&provider(dialect, &server, 5));
        assert_eq!(heard.error, None);
        let at = heard.events.iter().position(|event| *event == ModelEvent::Reset).unwrap();
        assert_eq!(heard.events.iter().filter(|e| **e == ModelEvent::Reset).count(), 1);
        let texts = |events: &[ModelEvent]| -> String {
            let text = |e: &ModelEvent| match e {
                ModelEvent::Text(text) => Some(text.clone()),
                _ => None,
            };
            events.iter().filter_map(text).collect()
        };
        assert_eq!(texts(&heard.events[..at]), "one two ", "{dialect:?}");
        assert_eq!(texts(&heard.events[at..]), "one two three", "{dialect:?}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn a_repeat_before_any_output_is_silent() {
    let server = Loopback::start(vec![Reply::status(529), Reply::sse(openai_text("fine"))]);
    let heard = ask_once(&provider(Dialect::ChatCompletions, &server, 5));
    assert!(!heard.events.contains(&ModelEvent::Reset));
    assert_eq!(heard.text(), "fine");
}

#[test]
fn dropping_the_answer_hangs_up() {
    let body = anthropic_text("one two");
    let server = Loopback::start(vec![Reply::sse(body.as_bytes()).keeps_alive_at(body.len() / 2)]);
    let provider = provider(Dialect::Messages, &server, 0);
    run(async {
        let mut stream = provider.stream(question()).await.unwrap();
        assert!(stream.next().await.unwrap().is_ok());
        assert_eq!(server.connections(), 1);
        drop(stream);
        while server.connections() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    });
}
