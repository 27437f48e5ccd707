//! What a person, a script and the model see when policy says no.

use crate::support::{Home, stderr, stdout};
use serde_json::Value;

const SCRIPT: &str = r#"
[[turn]]
text = "Cleaning up."
[[turn.call]]
name = "Bash"
input = { command = "echo one; rm -rf /" }

[[turn]]
text = "I was stopped."
"#;

fn home() -> Home {
    let home = Home::new();
    home.write("work/s.toml", SCRIPT);
    home
}

fn denied(args: &[&str]) -> (Home, std::process::Output) {
    let home = home();
    let mut all = vec!["prompt", "--model", "scripted:s.toml"];
    all.extend(args);
    all.push("go");
    let output = home.run(&all);
    (home, output)
}

#[test]
fn a_denial_is_told_on_stderr_at_once_with_rule_tier_and_record() {
    let (home, output) = denied(&[]);
    assert_eq!(output.status.code(), Some(0));
    let text = stderr(&output);
    for part in [
        "ion: denied Bash",
        "rm -rf /",
        "(builtin)",
        "details: ion audit show ",
        "1 call was denied",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(stdout(&output).ends_with("I was stopped.\n"));
    let number = text.split("ion audit show ").nth(1).unwrap();
    let number: String = number.chars().take_while(char::is_ascii_digit).collect();
    let shown = home.run(&["audit", "show", &number]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    assert!(stdout(&shown).contains("rm -rf /"), "{}", stdout(&shown));
}

#[test]
fn fail_on_deny_turns_it_into_exit_3() {
    assert_eq!(denied(&["--fail-on-deny"]).1.status.code(), Some(3));
}

#[test]
fn json_output_lists_the_denial_with_everything_a_script_needs() {
    let (_home, output) = denied(&["--output", "json"]);
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(document["status"], "completed_with_denials");
    let denial = &document["permissionDenials"][0];
    assert_eq!(denial["toolName"], "Bash");
    assert_eq!(denial["decision"], "deny");
    assert_eq!(denial["toolInput"]["command"], "echo one; rm -rf /");
    assert!(denial["unit"]["text"].as_str().unwrap().contains("rm -rf /"));
    assert_eq!(denial["unit"]["index"], 1);
    assert!(denial["auditSeq"].as_u64().is_some());
    assert_eq!(denial["retryable"], false);
    for key in ["toolUseId", "decidedBy", "reason", "rule", "hint", "askResolved"] {
        assert!(denial.get(key).is_some(), "{key} is missing in {denial}");
    }
}

#[test]
fn an_ask_that_nobody_can_answer_is_a_denial_that_says_so() {
    let home = Home::new();
    home.write("work/s.toml", &SCRIPT.replace("echo one; rm -rf /", "git push origin main"));
    let output = home.run(&["prompt", "--output", "json", "--model", "scripted:s.toml", "go"]);
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let denial = &document["permissionDenials"][0];
    assert_eq!(denial["decision"], "deny");
    assert_eq!(denial["decidedBy"], "headless-ask");
    assert!(denial["askResolved"].as_str().unwrap().contains("no terminal"), "{denial}");
}

#[test]
fn the_model_is_told_the_rule_and_nothing_ran() {
    let home = Home::new();
    home.write("work/keep.txt", "keep");
    home.write("work/s.toml", &SCRIPT.replace("rm -rf /", "rm -rf ~/"));
    let output =
        home.run(&["prompt", "--output", "stream-json", "--model", "scripted:s.toml", "go"]);
    let events: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |name: &str| events.iter().find(|event| event["type"] == name).expect(name).clone();
    assert_eq!(kind("permission_denied")["toolName"], "Bash");
    let result = kind("tool_result");
    assert_eq!(result["isError"], true);
    assert!(result["output"].as_str().unwrap().starts_with("Permission denied: "), "{result}");
    assert!(home.work().join("keep.txt").exists());
}

#[test]
fn a_tool_that_policy_removed_is_neither_offered_nor_run() {
    let home = home();
    home.write("home/.ion/engine.json", r#"{"toolRestrictions": {"deny": ["Bash"]}}"#);
    let output =
        home.run(&["prompt", "--output", "stream-json", "--model", "scripted:s.toml", "go"]);
    let first: Value = serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert!(!first["tools"].to_string().contains("Bash"), "{first}");
    assert!(first["removedTools"].to_string().contains("Bash"), "{first}");
    assert!(stdout(&output).contains("permission_denied"));
}

#[test]
fn each_denial_is_on_record_before_the_next_turn() {
    let (home, _) = denied(&[]);
    let listed = home.run(&["audit", "denials"]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    assert!(stdout(&listed).contains("rm -rf /"), "{}", stdout(&listed));
    let verified = home.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", stdout(&verified));
}

#[test]
fn a_recorded_call_can_be_explained_again_and_a_changed_answer_is_said() {
    let (home, _) = denied(&[]);
    let explained = home.run(&["policy", "explain", "--record", "3"]);
    let text = stdout(&explained);
    assert!(text.contains("destroy.outside"), "{text}{}", stderr(&explained));
    assert!(text.contains("deny in record 3: unchanged"), "{text}");
    home.write("work/s.toml", "[[turn]]\n[[turn.call]]\nname = \"Bash\"\ninput = { command = \"ls\" }\n[[turn]]\ntext = \"ok\"\n");
    assert!(home.run(&["prompt", "--model", "scripted:s.toml", "go"]).status.success());
    home.write("home/.ion/engine.json", r#"{"permissions": {"rules": [{"tool": "Bash", "decision": "deny", "commandPatterns": ["ls"]}]}}"#);
    let explained = home.run(&["policy", "explain", "--record", "8"]);
    assert!(stdout(&explained).contains("CHANGED"), "{}{}", stdout(&explained), stderr(&explained));
    let missing = home.run(&["policy", "explain", "--record", "99"]);
    assert_eq!(missing.status.code(), Some(1));
}
