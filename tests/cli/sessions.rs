//! `ion sessions scrub`: a rule is younger than what was stored.

use super::prompt::home_with;
use crate::support::loopback::{Loopback, Reply, anthropic_text, anthropic_tool_call};
use crate::support::{Home, stderr, stdout};
use serde_json::{Value, json};
use std::path::PathBuf;

const SECRET: &str = "ACMESEC-qwmzrtkv-8842";

/// A home with a stored conversation that holds what nothing knew to be a secret.
fn stored() -> (Loopback, Home, PathBuf) {
    let server = Loopback::start(vec![
        Reply::sse(anthropic_tool_call("Bash", &json!({"command": "cat alpha.txt | sort"}))),
        Reply::sse(anthropic_text(&format!("It says {SECRET}."))),
        Reply::sse(anthropic_text("Done.")),
    ]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    home.write("work/alpha.txt", &format!("value {SECRET}\n"));
    let output = home.run(&["prompt", "read it"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let folder = home.home().join(".ion/conversations");
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let path = files.next().unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains(SECRET));
    (server, home, path)
}

fn teach(home: &Home) {
    let path = home.home().join(".ion/engine.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["security"] = json!({"redactPatterns": ["acme=ACMESEC-[a-z]{8}-[0-9]{4}"]});
    std::fs::write(&path, config.to_string()).unwrap();
}

#[test]
fn what_a_new_rule_knows_is_masked_on_disk_and_the_conversation_goes_on() {
    let (server, home, path) = stored();
    let before = std::fs::read_to_string(&path).unwrap();
    let output = home.run(&["sessions", "scrub"]);
    assert_eq!(stdout(&output), "1 conversation looked at, 0 texts masked\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before, "byte for byte");
    teach(&home);
    let output = home.run(&["sessions", "scrub", "--check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&told["changed"], &told["looked_at"]), (&json!(false), &json!(1)));
    assert!(told["texts"].as_u64().unwrap() >= 2, "{told}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), before, "a look changes nothing");
    let output = home.run(&["sessions", "scrub"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).contains("texts masked"), "{}", stdout(&output));
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(!after.contains(SECRET) && after.contains("[secret:acme]"), "{after}");
    // Ids stay, so that the conversation is still one.
    let ids = |text: &str| {
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["id"].clone(), line["parentId"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(ids(&before), ids(&after));
    assert!(home.run(&["sessions", "scrub", "--check"]).status.success(), "twice changes nothing");
    assert!(!path.with_extension("jsonl.new").exists());
    let log = std::fs::read_to_string(home.home().join(".ion/audit/audit.jsonl")).unwrap();
    assert_eq!(log.matches("\"kind\":\"scrubbed\"").count(), 1);
    let output = home.run(&["prompt", "--resume", "latest", "go on"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let asked = server.requests()[2].body.clone();
    assert!(asked.contains("It says") && !asked.contains(SECRET));
}

#[test]
fn half_a_line_is_masked_and_a_conversation_in_use_or_of_another_kind_is_left_alone() {
    let (_server, home, path) = stored();
    teach(&home);
    let whole = std::fs::read_to_string(&path).unwrap();
    let hidden = json!({"id": SECRET, "a": [{"signature": SECRET}]});
    let call = json!({"id": "2", "data": {"content": [{"id": "toolu_9", "input": hidden}]}});
    let torn = format!("{whole}{call}\n{{\"id\": \"1\", \"text\": \"{SECRET}");
    std::fs::write(&path, torn).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    file.lock_shared().unwrap();
    let output = home.run(&["sessions", "scrub"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("a run has it open"), "{}", stderr(&output));
    assert!(std::fs::read_to_string(&path).unwrap().contains(SECRET));
    drop(file);
    assert!(home.run(&["sessions", "scrub"]).status.success());
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(after.contains("toolu_9"), "ids of calls stay");
    assert!(
        !after.contains("qwmzrtkv") && after.contains("{\"id\": \"1\", \"text\": \"[secret:acme]")
    );
    // A link leads anywhere: it is no conversation.
    let target = home.write("work/precious.txt", SECRET);
    let link = path.with_file_name("1778320000000-a1b2c3d4e5f6.jsonl");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let output = home.run(&["sessions", "scrub"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert_eq!(std::fs::read_to_string(&target).unwrap(), SECRET);
    let output = home.run(&["sessions", "scrub", "1778320000001-a1b2c3d4e5f6"]);
    assert!(stderr(&output).contains("no conversation"), "{}", stderr(&output));
    assert_eq!(home.run(&["sessions", "scrub", "../x"]).status.code(), Some(2));
}
