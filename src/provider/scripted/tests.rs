//! Tests of [`super`]: what a script plays, and what is wrong with a bad one.

use super::*;
use crate::model::CallId;
use crate::provider::StopReason;
use crate::redact::Redacted;
use futures_util::StreamExt;
use proptest::prelude::*;
use serde_json::Value;

fn script(text: &str) -> Script {
    Script::parse("demo.toml", text).unwrap()
}

fn user(text: &'static str) -> Message {
    Message { role: Role::User, content: vec![Block::Text { text: Redacted::literal(text) }] }
}

fn answered(text: &'static str) -> Message {
    let content = Redacted::literal(text);
    let id = CallId::new("x");
    Message {
        role: Role::User,
        content: vec![Block::ToolResult { tool_use_id: id, content, is_error: false }],
    }
}

fn ask(
    scripted: &Scripted,
    messages: &[Message],
) -> Result<Vec<Result<ModelEvent, ProviderError>>, ProviderError> {
    let request = ModelRequest {
        model: "scripted".into(),
        system: None,
        messages: messages.into(),
        tools: [].into(),
        max_tokens: 1,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { Ok(scripted.stream(request).await?.collect().await) })
}

fn words(events: &[Result<ModelEvent, ProviderError>]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Ok(ModelEvent::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn a_turn_plays_text_calls_counts_and_end_in_order() {
    let scripted = Scripted::new(script(
        r#"
        [[turn]]
        text = ["hel", "lo"]
        chunk = 2
        usage = { input_tokens = 3, output_tokens = 4 }
        [[turn.call]]
        id = "c1"
        name = "Bash"
        input = { command = "ls", nested = { n = [1, 2.5, true] } }
        "#,
    ));
    let events: Vec<ModelEvent> =
        ask(&scripted, &[user("go")]).unwrap().into_iter().map(Result::unwrap).collect();
    assert!(matches!(events[0], ModelEvent::Started { .. }));
    assert_eq!(events[1], ModelEvent::Text("he".into()));
    let ready = events.iter().find_map(|event| match event {
        ModelEvent::ToolReady { input: Ok(input), .. } => Some(Value::Object(input.clone())),
        _ => None,
    });
    let expected = serde_json::json!({"command": "ls", "nested": {"n": [1, 2.5, true]}});
    assert_eq!(ready, Some(expected));
    assert_eq!(events.last(), Some(&ModelEvent::Stopped(StopReason::ToolUse)));
}

#[test]
fn templates_are_filled_in_text_once_and_only_there() {
    let scripted = Scripted::new(script(
        r#"
        [[turn]]
        text = "got {{last_tool_result}} {{other}}"
        [[turn.call]]
        name = "Bash"
        input = { command = "{{last_tool_result}}" }
        "#,
    ));
    let events = ask(&scripted, &[answered("{{last_user_text}}")]).unwrap();
    assert_eq!(words(&events), "got {{last_user_text}} {{other}}");
    let input = events.iter().find_map(|event| match event {
        Ok(ModelEvent::ToolReady { input, .. }) => Some(input.clone().unwrap()),
        _ => None,
    });
    assert_eq!(input.unwrap()["command"], "{{last_tool_result}}");
}

#[test]
fn when_skips_a_turn_and_expect_insists() {
    let text = r#"
        [[turn]]
        when = "refused"
        text = "sorry"
        [[turn]]
        expect = "fine"
        text = "good"
        "#;
    assert_eq!(
        words(&ask(&Scripted::new(script(text)), &[answered("refused!")]).unwrap()),
        "sorry"
    );
    assert_eq!(words(&ask(&Scripted::new(script(text)), &[answered("all fine")]).unwrap()), "good");
    let error = ask(&Scripted::new(script(text)), &[answered("other")]).unwrap_err();
    assert!(error.message.contains("demo.toml:5"), "{error}");
}

#[test]
fn after_the_last_turn_every_question_is_an_error() {
    let scripted = Scripted::new(script("[[turn]]\ntext = 'x'\n"));
    assert!(ask(&scripted, &[user("a")]).is_ok());
    for _ in 0..2 {
        let error = ask(&scripted, &[user("b")]).unwrap_err();
        assert!(error.message.contains("script has no further turn"), "{error}");
    }
}

#[test]
fn an_error_ends_the_turn_after_its_text() {
    let scripted = Scripted::new(script(
        "[[turn]]\ntext = 'par'\nerror = { code = 'rate_limit', http_status = 429, retry_after_ms = 5 }",
    ));
    let events = ask(&scripted, &[user("go")]).unwrap();
    assert_eq!(words(&events), "par");
    let error = events.last().unwrap().clone().unwrap_err();
    assert_eq!((error.code, error.http_status, error.retryable), ("rate_limit", Some(429), true));
    assert_eq!(error.retry_after, Some(Duration::from_millis(5)));
}

#[test]
fn malformed_input_reaches_the_loop_as_an_error() {
    let scripted = Scripted::new(script(
        "[[turn]]\ncall = [{ name = 'Bash', input_json = '{\"command\": ' }]",
    ));
    let events = ask(&scripted, &[user("go")]).unwrap();
    assert!(events.iter().any(|e| matches!(e, Ok(ModelEvent::ToolReady { input: Err(_), .. }))));
}

#[test]
fn only_a_script_with_prices_is_priced() {
    assert_eq!(script("[[turn]]\n").info().prices, None);
    let priced = script("[prices]\ninput_per_1k = 1\noutput_per_1k = 2.5\n[[turn]]\n");
    assert_eq!(priced.info().prices.map(|p| p.output), Some(2.5));
}

#[test]
fn every_mistake_is_named_with_its_file_and_line() {
    for (text, line, word) in [
        ("", 1, "turn"),
        ("[[turn]]\ntexd = 'x'\n", 2, "texd"),
        ("[[turn]]\n\ntext = 5\n", 3, "string"),
        ("[[turn]]\nstop = 'now'\n", 2, "end_turn"),
        ("[[turn]]\n[[turn.call]]\ninput = {}\n", 2, "name"),
        ("[[turn]]\n[[turn.call]]\nname = 'A'\ninput = 3\n", 4, "table"),
        ("[[turn]]\nusage = { input_tokens = -1 }\n", 2, "negative"),
        ("[[turn]]\nerror = { code = 'boom' }\n", 2, "code"),
        ("[[turn]]\ntext = \"open\n", 2, ""),
        ("turn = 3\n", 1, "turn"),
        ("[[turn]]\n[[turn.call]]\nname='A'\ninput={}\ninput_json='{}'\n", 2, "not both"),
    ] {
        let error = Script::parse("demo.toml", text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("script demo.toml:{line}:")), "{text:?}: {shown}");
        assert!(shown.contains(word), "{text:?}: {shown}");
    }
    let missing = Script::load("/nonexistent/script.toml").unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/script.toml"), "{missing}");
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(\\[\\[turn\\]\\]|[a-z_]{1,8} ?= ?|[\\[\\]{}'\"=.,\n]|\\PC){0,40}") {
        let _ = Script::parse("any", &text);
    }
}
