//! What the audit log holds beside decisions: starts, refused ones, another policy, what was masked.

use super::prompt::home_with;
use crate::support::loopback::{Loopback, Reply, anthropic_text, anthropic_tool_call};
use crate::support::{Home, stderr};
use serde_json::{Value, json};

fn records(home: &Home, kind: &str) -> Vec<Value> {
    let path = home.home().join(".ion/audit/audit.jsonl");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["kind"] == kind).collect()
}

fn answering(replies: usize) -> Loopback {
    Loopback::start((0..replies).map(|_| Reply::sse(anthropic_text("Done."))).collect())
}

#[test]
fn a_start_that_was_refused_is_a_record_with_its_reason() {
    let bare = Home::new();
    assert_eq!(bare.run(&["prompt", "hello"]).status.code(), Some(2));
    assert!(!bare.home().join(".ion").exists(), "nothing ever ran here");
    let server = answering(1);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    let unknown = ["prompt", "--resume", "1778320000000-a1b2c3d4e5f6", "hello"];
    assert!(home.run(&["prompt", "hello"]).status.success());
    assert!(!home.run(&unknown).status.success());
    home.write("home/.ion/engine.json", "{}");
    let output = home.run(&["prompt", "hello"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let refused = records(&home, "refused_start");
    assert_eq!(refused.len(), 2);
    let reason = |at: usize| refused[at]["body"]["reason"].as_str().unwrap().to_owned();
    assert!(reason(0).starts_with("no conversation `1778320000000-a1b2c3d4e5f6`"), "{}", reason(0));
    assert_eq!(reason(1), "no model is configured");
    assert_eq!(server.requests().len(), 1);
    assert!(home.run(&["audit", "verify"]).status.success());
}

#[test]
fn another_policy_than_in_the_run_before_is_a_record() {
    let server = answering(4);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    let run = || {
        let output = home.run(&["prompt", "hello"]);
        assert!(output.status.success(), "{}", stderr(&output));
        (records(&home, "session_start"), records(&home, "policy_changed"))
    };
    let (starts, changed) = run();
    assert_eq!(changed.len(), 0);
    let files = starts[0]["body"]["files"].as_array().unwrap();
    let engine = files.iter().find(|f| f["path"].as_str().unwrap().ends_with("engine.json"));
    assert_eq!(engine.unwrap()["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(starts[0]["body"]["audit"]["sync"], "always");
    assert_eq!(run().1.len(), 0, "nothing changed");
    let path = home.home().join(".ion/engine.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["permissions"] = json!({"rules": [{"tool": "Write", "decision": "deny"}]});
    std::fs::write(&path, config.to_string()).unwrap();
    let (starts, changed) = run();
    assert_eq!(changed.len(), 1);
    for key in ["policy_digest", "config_digest"] {
        let told = &changed[0]["body"][key];
        assert_eq!(told["before"], starts[1]["body"][key]);
        assert_eq!(told["now"], starts[2]["body"][key]);
        assert_ne!(told["before"], told["now"]);
    }
    assert_eq!(changed[0]["body"]["since"], starts[1]["seq"]);
    assert_eq!(run().1.len(), 1, "it is said once");
}

#[test]
fn an_outcome_tells_how_many_secrets_of_each_kind_were_masked() {
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN2pQ4rS6tU8vWxYz1C0aB3d");
    let server = Loopback::start(vec![
        Reply::sse(anthropic_tool_call("Read", &json!({"file_path": "alpha.txt"}))),
        Reply::sse(anthropic_text("Done.")),
    ]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    home.write("work/alpha.txt", &format!("one {token}\ntwo {token}\n"));
    let output = home.run(&["prompt", "read it"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let outcomes = records(&home, "outcome");
    let redactions = outcomes[0]["body"]["redactions"].as_object().unwrap();
    let counted: u64 = redactions.values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!((redactions.len(), counted), (1, 2), "{redactions:?}");
    assert!(redactions.keys().all(|kind| kind.starts_with("github")), "{redactions:?}");
}

#[test]
fn the_log_is_rotated_and_old_files_go_as_the_configuration_says_and_a_project_has_no_say() {
    let server = answering(12);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    let path = home.home().join(".ion/engine.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["audit"] = json!({"rotateBytes": 3000});
    std::fs::write(&path, config.to_string()).unwrap();
    home.write("work/.ion/engine.json", "{\"audit\": {\"rotateBytes\": 100, \"keepDays\": 1}}");
    for _ in 0..6 {
        let output = home.run(&["prompt", "hello"]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let closed = std::fs::read_dir(home.home().join(".ion/audit")).unwrap();
    let names: Vec<String> =
        closed.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let closed = names.iter().filter(|name| name.starts_with("audit.jsonl.0")).count();
    assert!((1..8).contains(&closed), "{names:?}");
    let output = home.run(&["audit", "list", "--json"]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let starts = listed.lines().filter(|line| line.contains("\"session_start\"")).count();
    assert_eq!(starts, 6, "all files are listed");
    assert!(home.run(&["audit", "verify"]).status.success());
}

#[test]
fn a_call_of_the_model_is_a_record_without_words_also_where_the_provider_repeats_them() {
    let quoting = json!({"error": {"type": "invalid_request_error",
        "message": "cannot make sense of: words of the user"}});
    let server = Loopback::start(vec![
        Reply::sse(anthropic_tool_call("Read", &json!({"file_path": "alpha.txt"}))),
        Reply::json(400, &quoting),
    ]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    assert!(!home.run(&["prompt", "words of the user"]).status.success());
    let calls = records(&home, "model_call");
    assert_eq!(calls.len(), 2, "{calls:?}");
    let (first, second) = (&calls[0]["body"], &calls[1]["body"]);
    for (key, value) in [
        ("outcome", json!("success")),
        ("finish", json!("tool_call")),
        ("provider", json!("anthropic")),
        ("model", json!("claude-sonnet-4-6")),
        ("host", json!("127.0.0.1")),
        ("turn", json!(1)),
        ("calls", json!(1)),
        ("retries", json!(0)),
    ] {
        assert_eq!(first[key], value, "{key} in {first}");
    }
    assert!(first["usage"]["output_tokens"].as_u64().unwrap() > 0, "{first}");
    assert_eq!((&second["outcome"], &second["http_status"]), (&json!("failure"), &json!(400)));
    assert!(second["error"].is_string(), "{second}");
    for call in &calls {
        for words in ["words of the user", "cannot make sense"] {
            assert!(!call.to_string().contains(words), "{call}");
        }
    }
}
