//! `ion prompt` against loopback servers that speak the real wire formats.

use crate::support::loopback::{
    Loopback, Reply, anthropic_text, anthropic_tool_call, openai_text, openai_tool_call,
};
use crate::support::{Home, stderr, stdout};
use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;

const QUESTION: &str = "What files are in the current directory?";

/// A home whose provider `id` is the server.
pub fn home_with(id: &str, model: &str, server: &Loopback) -> Home {
    let home = Home::new();
    let config = json!({
        "defaultModel": model,
        "providers": {id: {"apiKey": "test-key-of-the-loopback", "baseURL": server.url()}},
    });
    home.write("home/.ion/engine.json", &config.to_string());
    home.write("work/alpha.txt", "first\n");
    home
}

fn anthropic(replies: Vec<Reply>) -> (Loopback, Home) {
    let server = Loopback::start(replies);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    (server, home)
}

fn listing() -> Vec<Reply> {
    vec![
        Reply::sse(anthropic_tool_call("Bash", &json!({"command": "ls"}))).chunks_of(7),
        Reply::sse(anthropic_text("There is alpha.txt.")),
    ]
}

#[test]
fn an_anthropic_server_gets_the_tool_result_and_the_answer_is_printed() {
    let (server, home) = anthropic(listing());
    let output = home.run(&["prompt", QUESTION]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).ends_with("There is alpha.txt.\n"), "{}", stdout(&output));
    let second = server.requests()[1].json();
    let result = second["messages"].as_array().unwrap().last().unwrap()["content"][0].clone();
    assert_eq!(result["type"], "tool_result");
    assert!(result.to_string().contains("alpha.txt"), "{result}");
}

#[test]
fn an_openai_compatible_server_gets_the_tool_result_and_the_answer_is_printed() {
    let server = Loopback::start(vec![
        Reply::sse(openai_tool_call("Bash", &json!({"command": "ls"}))).chunks_of(5),
        Reply::sse(openai_text("There is alpha.txt.")),
    ]);
    let home = home_with("gateway", "gateway/any-model", &server);
    let output = home.run(&["prompt", QUESTION]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "There is alpha.txt.\n");
    let second = server.requests()[1].json();
    let last = second["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["role"], "tool");
    assert!(last["content"].as_str().unwrap().contains("alpha.txt"), "{last}");
}

#[test]
fn json_output_is_one_document_with_a_result() {
    let (_server, home) = anthropic(listing());
    let output = home.run(&["prompt", "--output", "json", QUESTION]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let document: Value = serde_json::from_str(&text).expect("one JSON document");
    assert_eq!(document["type"], "task_complete");
    assert_eq!(document["result"], "There is alpha.txt.");
    assert_eq!(document["numTurns"], 2);
    assert_eq!(document["status"], "completed");
    assert_eq!(document["permissionDenials"], json!([]));
    assert!(document["costUsd"].as_f64().unwrap() > 0.0);
    assert!(document["usage"]["input_tokens"].as_u64().unwrap() > 0);
    assert!(document["sessionId"].as_str().is_some());
}

#[test]
fn every_line_of_stream_json_parses_and_the_last_one_ends_the_run() {
    let (_server, home) = anthropic(listing());
    let output = home.run(&["prompt", "--output", "stream-json", QUESTION]);
    let events: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).expect("every line parses"))
        .collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types.first(), Some(&"session_init"));
    assert_eq!(types.last(), Some(&"task_complete"));
    let at = |kind: &str| types.iter().position(|seen| *seen == kind).expect(kind);
    assert!(at("tool_call") < at("tool_call_complete"));
    assert!(at("tool_call_complete") < at("tool_result"));
    let result = &events[at("tool_result")];
    assert_eq!(result["output"], result["content"]);
    let call = &events[at("tool_call")];
    assert_eq!((&call["toolName"], &call["toolId"]), (&json!("Bash"), &result["toolId"]));
    let pieces: String = events
        .iter()
        .filter(|event| event["type"] == "tool_call_update")
        .map(|event| event["partialInput"].as_str().unwrap())
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&pieces).unwrap(), json!({"command": "ls"}));
}

#[test]
fn piped_text_and_the_argument_are_both_in_the_request() {
    let (server, home) = anthropic(vec![Reply::sse(anthropic_text("ok"))]);
    let mut child = home
        .ion(&["prompt", "sum up"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let piped = "x".repeat(200 * 1024);
    child.stdin.take().unwrap().write_all(piped.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let sent = server.requests()[0].json()["messages"][0]["content"].to_string();
    assert!(sent.contains("sum up") && sent.contains(&piped));
}

#[test]
fn a_dash_reads_the_prompt_from_standard_input() {
    let (server, home) = anthropic(vec![Reply::sse(anthropic_text("ok"))]);
    let mut child =
        home.ion(&["prompt", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from the pipe\r\n").unwrap();
    assert!(child.wait().unwrap().success());
    let request = server.requests()[0].json();
    assert_eq!(request["messages"][0]["content"][0]["text"], "from the pipe");
}

#[test]
fn nothing_is_sent_as_a_system_prompt() {
    let (server, home) = anthropic(vec![Reply::sse(anthropic_text("ok"))]);
    assert!(home.run(&["prompt", "hi"]).status.success());
    assert!(server.requests()[0].json().get("system").is_none());
}

#[test]
fn a_resumed_conversation_carries_its_history() {
    let (server, home) = anthropic(vec![
        Reply::sse(anthropic_text("I am Ada.")),
        Reply::sse(anthropic_text("Still Ada.")),
    ]);
    assert!(home.run(&["prompt", "Who are you?"]).status.success());
    let output = home.run(&["prompt", "--resume", "latest", "And now?"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let messages = server.requests()[1].json()["messages"].to_string();
    for text in ["Who are you?", "I am Ada.", "And now?"] {
        assert!(messages.contains(text), "{text} is missing in {messages}");
    }
}

#[test]
fn calls_of_one_answer_run_side_by_side_and_are_answered_in_their_order() {
    let home = Home::new();
    // Each call waits for the file that the other one makes: only parallel calls can end.
    let wait = |mine: &str, other: &str| {
        format!(
            "touch {mine}; for i in $(seq 500); do [ -e {other} ] && echo met {other} && exit 0; sleep 0.02; done; exit 1"
        )
    };
    home.write(
        "work/s.toml",
        &format!(
            "[[turn]]\n[[turn.call]]\nname = \"Bash\"\ninput = {{ command = '''{}''' }}\n\
             [[turn.call]]\nname = \"Bash\"\ninput = {{ command = '''{}''' }}\n\
             [[turn]]\ntext = \"done\"\n",
            wait("a", "b"),
            wait("b", "a"),
        ),
    );
    let output = home.run(&["prompt", "--output", "json", "--model", "scripted:s.toml", "go"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let folder = home.home().join(".ion/conversations");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let transcript = std::fs::read_to_string(file).unwrap();
    let (first, second) = (transcript.find("met b").unwrap(), transcript.find("met a").unwrap());
    assert!(first < second, "the results are not in call order");
}

#[test]
fn prompts_that_follow_each_other_at_once_all_end() {
    // The older engine lost an event when the server answered before it listened.
    let rounds = 200;
    let (_server, home) = anthropic(vec![Reply::sse(anthropic_text("ok")).times(rounds)]);
    for round in 0..rounds {
        let output = home.run(&["prompt", "hi"]);
        assert_eq!(stdout(&output), "ok\n", "round {round}: {}", stderr(&output));
    }
}
