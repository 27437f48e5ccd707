//! Servers that fail, lie, hang, or never stop.

use super::{DIALECTS, KEY, ask_once, endpoint, network, provider};
use crate::support::loopback::{Loopback, Reply, anthropic_text, openai_text};
use ion::net::{retry, sse};
use ion::provider::dialect::Dialect;
use ion::provider::http::HttpProvider;
use ion::provider::{ModelEvent, StopReason};
use serde_json::json;
use std::net::TcpListener;
use std::time::Duration;

fn text(dialect: Dialect) -> String {
    match dialect {
        Dialect::Messages => anthropic_text("one two"),
        Dialect::ChatCompletions => openai_text("one two"),
    }
}

#[test]
fn a_failing_server_is_asked_as_often_as_allowed_and_the_error_says_so() {
    for (status, code) in [(429, "rate_limit"), (500, "overloaded"), (529, "overloaded")] {
        let server = Loopback::start(vec![Reply::status(status).times(9)]);
        let heard = ask_once(&provider(Dialect::Messages, &server, 3));
        assert_eq!(heard.code(), code);
        let error = heard.error.unwrap();
        assert_eq!(server.requests().len(), 4, "{status}");
        assert!(error.message.contains("after 4 attempts"), "{error}");
        assert!(error.message.contains("loopback"), "{error}");
        assert_eq!(error.http_status, Some(status));
    }
}

#[test]
fn what_will_not_pass_is_not_repeated() {
    for status in [400, 401, 403, 404] {
        let server = Loopback::start(vec![Reply::status(status).times(9)]);
        let heard = ask_once(&provider(Dialect::ChatCompletions, &server, 3));
        assert!(!heard.error.unwrap().retryable);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn the_wait_that_a_server_asks_for_is_reported() {
    let server = Loopback::start(vec![Reply::status(429).header("retry-after", "7")]);
    let heard = ask_once(&provider(Dialect::Messages, &server, 0));
    assert_eq!(heard.error.unwrap().retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn the_wait_that_a_server_asks_for_is_waited() {
    let busy = Reply::json(429, &json!({"error": {"retry_after": 0.2}}));
    let server = Loopback::start(vec![busy, Reply::sse(text(Dialect::Messages))]);
    let mut endpoint = endpoint(Dialect::Messages, &server.url(), 1, &network(&[]));
    endpoint.policy = retry::Policy { server_cap: Duration::from_secs(60), ..endpoint.policy };
    let begun = std::time::Instant::now();
    assert_eq!(ask_once(&HttpProvider::new(endpoint)).error, None);
    // A lower bound: however slow the machine, it cannot be too early.
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn the_key_is_in_no_error_even_when_the_server_echoes_it() {
    let page = format!("<p>{}</p>", format!("bad key {KEY} ").repeat(5000));
    let error = json!({"type": "error", "error": {"type": "authentication_error",
        "message": format!("invalid {KEY}")}});
    for reply in [
        Reply::json(401, &json!({"error": {"message": format!("invalid {KEY}")}})),
        Reply::html(500, &page),
        Reply::html(200, &page),
        Reply::sse(format!("event: error\ndata: {error}\n\n")),
        Reply::redirect(&format!("http://{KEY}.example/")),
        Reply::sse("x").header("content-type", KEY),
        Reply::sse(format!(
            "data: {}\n\n",
            json!({"type": "message_delta",
            "delta": {"stop_reason": format!("{}{KEY}", "x".repeat(70))},
            "choices": [{"finish_reason": format!("{}{KEY}", "x".repeat(70))}]})
        )),
        Reply::json(400, &json!({"error": {"type": KEY, "code": KEY, "message": KEY}})),
    ] {
        for dialect in DIALECTS {
            let server = Loopback::start(vec![reply.clone()]);
            let heard = ask_once(&provider(dialect, &server, 0));
            let shown = format!("{heard:?} {}", heard.error.as_ref().unwrap());
            assert!(!shown.contains("sk-l") && !shown.contains("0123456789"), "{shown}");
            assert!(heard.error.unwrap().message.len() < 2048 + 200);
        }
    }
}

#[test]
fn half_a_key_at_the_cut_of_a_long_message_is_not_shown() {
    for before in (1980..2060).step_by(9) {
        let message = format!("{}{KEY}", "x".repeat(before));
        let error = json!({"type": "error", "error": {"type": "api_error", "message": message}});
        for reply in [Reply::sse(format!("data: {error}\n\n")), Reply::json(400, &error)] {
            let server = Loopback::start(vec![reply]);
            let heard = ask_once(&provider(Dialect::Messages, &server, 0));
            let shown = heard.error.unwrap().message;
            assert!(!shown.contains("sk-l"), "{before}: {shown}");
        }
    }
}

#[test]
fn a_redirect_is_an_error_and_no_key_follows_it() {
    let other = Loopback::start(vec![]);
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::status(status).header("location", &format!("{}/x", other.url()));
        let server = Loopback::start(vec![reply]);
        let heard = ask_once(&provider(Dialect::Messages, &server, 3));
        let error = heard.error.unwrap();
        assert_eq!((error.code, error.retryable), ("protocol", false));
        assert!(error.message.contains("redirect"), "{error}");
    }
    assert!(other.requests().is_empty());
}

#[test]
fn a_page_instead_of_a_stream_is_a_protocol_error() {
    let server = Loopback::start(vec![Reply::html(200, "<h1>Sign in</h1>")]);
    let heard = ask_once(&provider(Dialect::ChatCompletions, &server, 3));
    assert_eq!(heard.code(), "protocol");
    assert!(heard.error.unwrap().message.contains("text/html"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_silent_server_is_given_up_wherever_it_falls_silent() {
    for dialect in DIALECTS {
        let body = text(dialect);
        let word = body.find("two").unwrap();
        let half = word + body[word..].find("\n\n").unwrap() + 2;
        for reply in [
            Reply::sse(body.as_bytes()).stalls_at(0),
            Reply::sse(body.as_bytes()).stalls_at(half),
            Reply::sse(body.as_bytes()).keeps_alive_at(0),
            Reply::sse(body.as_bytes()).keeps_alive_at(half),
        ] {
            let server = Loopback::start(vec![reply]);
            let mut endpoint = endpoint(dialect, &server.url(), 0, &network(&[]));
            endpoint.idle = Duration::from_millis(60);
            endpoint.limits.total = 64 << 10;
            let heard = ask_once(&HttpProvider::new(endpoint));
            assert_eq!(heard.code(), "timeout", "{heard:?}");
            assert!(heard.error.unwrap().retryable);
        }
    }
}

#[test]
fn a_server_that_accepts_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut endpoint = endpoint(Dialect::Messages, &url, 0, &network(&[]));
    endpoint.idle = Duration::from_millis(60);
    assert_eq!(ask_once(&HttpProvider::new(endpoint)).code(), "timeout");
}

#[test]
fn a_stream_that_is_slow_but_speaks_is_heard_to_its_end() {
    let pings = ": still here\n\n".repeat(50) + &anthropic_text("well");
    let server = Loopback::start(vec![Reply::sse(pings).chunks_of(16)]);
    let heard = ask_once(&provider(Dialect::Messages, &server, 0));
    assert_eq!(heard.text(), "well");
}

#[test]
fn a_refused_connection_is_a_network_error_with_the_hint() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let mut endpoint = endpoint(Dialect::ChatCompletions, &url, 3, &network(&[]));
    endpoint.refused_hint = Some("start it");
    let heard = ask_once(&HttpProvider::new(endpoint));
    assert_eq!(heard.code(), "network");
    let message = heard.error.unwrap().message;
    assert!(message.contains("connection refused") && message.contains("start it"), "{message}");
}

#[test]
fn streams_without_end_meet_a_limit() {
    let limits = sse::Limits { line: 16 << 10, event: 24 << 10, total: 64 << 10 };
    let ping = "data: {\"type\":\"ping\"}\n\n";
    let line = "x".repeat(1 << 10);
    let event = format!("data: {line}\n");
    for piece in [ping, line.as_str(), event.as_str(), ": comment\n\n"] {
        let server = Loopback::start(vec![Reply::sse(": begin\n\n").then_endless(piece)]);
        let mut endpoint = endpoint(Dialect::Messages, &server.url(), 0, &network(&[]));
        endpoint.limits = limits;
        let heard = ask_once(&HttpProvider::new(endpoint));
        assert_eq!(heard.code(), "protocol", "{piece:.20}: {heard:?}");
    }
}

#[test]
fn calls_and_inputs_without_end_meet_a_limit() {
    let call = |n: usize| {
        let delta = json!({"tool_calls": [{"index": n, "id": format!("c{n}"),
            "function": {"name": "Bash", "arguments": "{}"}}]});
        format!("data: {}\n\n", json!({"choices": [{"delta": delta}]}))
    };
    let many: String = (0..100_000).map(call).collect();
    let fragment = json!({"choices": [{"delta": {"tool_calls": [
        {"index": 0, "function": {"arguments": "x".repeat(4096)}}]}}]});
    let long = call(0) + &format!("data: {fragment}\n\n").repeat(400);
    for (body, word) in [(many, "tool calls"), (long, "input")] {
        let server = Loopback::start(vec![Reply::sse(body)]);
        let heard = ask_once(&provider(Dialect::ChatCompletions, &server, 3));
        let error = heard.error.as_ref().unwrap();
        assert_eq!(error.code, "protocol");
        assert!(error.message.contains(word), "{error}");
        assert!(!heard.is_ready());
        assert!(heard.events.len() < 1000);
    }
}

#[test]
fn a_second_end_and_what_follows_it_are_not_read() {
    let after = anthropic_text("first") + &anthropic_text("second") + "garbage";
    let server = Loopback::start(vec![Reply::sse(after)]);
    let heard = ask_once(&provider(Dialect::Messages, &server, 0));
    assert_eq!((heard.text().as_str(), heard.code()), ("first", "none"));
    let stops = heard.events.iter().filter(|e| matches!(e, ModelEvent::Stopped(_))).count();
    assert_eq!(stops, 1);
    assert_eq!(heard.events.last(), Some(&ModelEvent::Stopped(StopReason::EndTurn)));
}

#[test]
fn malformed_answers_are_errors_and_not_panics() {
    for bytes in [
        &b"not http at all\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 5\r\n\r\nda",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: \xff\xfe\0\n\n",
        b"",
    ] {
        for dialect in DIALECTS {
            let server = Loopback::start(vec![Reply::verbatim(bytes)]);
            let heard = ask_once(&provider(dialect, &server, 0));
            let code = heard.code();
            assert!(["network", "stream_truncated", "protocol"].contains(&code), "{heard:?}");
            assert!(heard.events.is_empty(), "{heard:?}");
        }
    }
}
