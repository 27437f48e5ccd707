//! Seeing first what a command does: from outside, over the real sandbox.

use super::host::Host;
use super::{home, script};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;

/// One call that needs a person, over all the ways that a copy can be changed.
const CALL: &str = "touch new; echo TWO >> a; rm gone; echo printed; ./connect";

fn begun(command: &str, approvals: &Value) -> (crate::support::Home, Host) {
    let home = home(approvals);
    script(&home, &[command]);
    home.write("work/a", "one\n");
    home.write("work/gone", "g");
    // What a program does cannot be told from its name.
    for (name, text) in [
        ("connect", "#!/bin/bash\ncat < /dev/tcp/192.0.2.1/80\n"),
        ("evil", "#!/bin/sh\nmkdir -p .git/hooks; echo evil > .git/hooks/post-commit\n"),
    ] {
        let path = home.write(&format!("work/{name}"), text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let host = Host::start(&home);
    (home, host)
}

fn options(event: &Value) -> Vec<String> {
    let options = event["options"].as_array().expect("options");
    options.iter().map(|option| option["id"].as_str().unwrap().to_owned()).collect()
}

fn nothing_is_left(home: &crate::support::Home) {
    let left = std::fs::read_dir(home.home().join(".ion/previews")).map(Iterator::count);
    assert_eq!(left.unwrap_or(0), 0, "nothing is left of a preview");
}

#[test]
fn a_command_is_seen_on_a_copy_and_exactly_its_changes_are_applied() {
    let (home, mut host) = begun(CALL, &json!({"waitMs": 60_000}));
    let first = host.event("permission_request");
    assert!(options(&first).contains(&"preview".to_owned()), "{first}");
    assert!(!options(&first).contains(&"apply".to_owned()));
    host.answer(first["questionId"].as_str().unwrap(), "preview");
    assert_eq!(host.event("permission_resolved")["outcome"], "previewed");
    let second = host.event("permission_request");
    assert!(options(&second).contains(&"apply".to_owned()), "{second}");
    let shown = &second["question"]["preview"];
    assert_eq!(
        (&shown["added"], &shown["changed"], &shown["removed"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert!(shown["changes"].as_str().unwrap().contains("+TWO"), "{shown}");
    assert!(shown["output"].as_str().unwrap().contains("printed"), "{shown}");
    assert!(shown["refused"].to_string().contains("connect to 192.0.2.1"), "{shown}");
    // Nothing of it happened.
    assert_eq!(std::fs::read_to_string(home.work().join("a")).unwrap(), "one\n");
    assert!(!home.work().join("new").exists() && home.work().join("gone").exists());
    host.answer(second["questionId"].as_str().unwrap(), "apply");
    assert_eq!(host.event("permission_resolved")["outcome"], "allowed");
    let result = host.event("tool_result");
    let output = result["output"].as_str().unwrap();
    assert!(output.contains("printed") && output.contains("were approved and applied"), "{output}");
    host.event("task_complete");
    host.ended();
    assert_eq!(std::fs::read_to_string(home.work().join("a")).unwrap(), "one\nTWO\n");
    assert!(home.work().join("new").exists() && !home.work().join("gone").exists());
    let log = crate::support::stdout(&home.run(&["audit", "list", "--json"]));
    let outcome = log.lines().find(|line| line.contains("\"kind\":\"outcome\"")).unwrap();
    let outcome: Value = serde_json::from_str(outcome).unwrap();
    let files = outcome["body"]["files"].as_array().unwrap();
    let told: Vec<_> = files.iter().map(|file| file["op"].as_str().unwrap()).collect();
    assert_eq!(told, ["changed", "removed", "created"], "a, gone, new: {outcome}");
    nothing_is_left(&home);
}

#[test]
fn a_refused_preview_leaves_the_workspace_as_it_was() {
    for last in ["deny", "deny_always"] {
        let (home, mut host) = begun(CALL, &json!({"waitMs": 60_000}));
        let first = host.asked();
        host.answer(&first, "preview");
        let second = host.asked();
        host.answer(&second, last);
        host.event("task_complete");
        host.ended();
        assert_eq!(std::fs::read_to_string(home.work().join("a")).unwrap(), "one\n");
        assert!(!home.work().join("new").exists() && home.work().join("gone").exists());
        nothing_is_left(&home);
    }
}

#[test]
fn what_somebody_changed_meanwhile_is_not_overwritten() {
    let (home, mut host) = begun(CALL, &json!({"waitMs": 60_000}));
    let first = host.asked();
    host.answer(&first, "preview");
    let second = host.asked();
    home.write("work/a", "mine\n");
    host.answer(&second, "apply");
    let result = host.event("tool_result");
    assert!(result["output"].as_str().unwrap().contains("nothing was applied"), "{result}");
    assert_eq!(result["isError"], true, "{result}");
    host.ended();
    assert_eq!(std::fs::read_to_string(home.work().join("a")).unwrap(), "mine\n");
    assert!(!home.work().join("new").exists() && home.work().join("gone").exists());
}

#[test]
fn changes_of_protected_names_are_shown_and_cannot_be_approved() {
    let (home, mut host) = begun("touch x; ./evil", &json!({"waitMs": 60_000}));
    let first = host.asked();
    host.answer(&first, "preview");
    let second = host.event("permission_request");
    let unfit = second["question"]["preview"]["unfit"].as_str().expect("a reason");
    assert!(unfit.contains(".git/hooks"), "{unfit}");
    assert!(!options(&second).contains(&"apply".to_owned()), "{second}");
    // It is asked for all the same.
    host.answer(second["questionId"].as_str().unwrap(), "apply");
    assert_eq!(host.event("permission_resolved")["outcome"], "denied");
    host.ended();
    assert!(!home.work().join(".git").exists() && !home.work().join("x").exists());
    nothing_is_left(&home);
}

#[test]
fn a_preview_can_be_forbidden() {
    let (home, mut host) = begun(CALL, &json!({"waitMs": 60_000, "preview": false}));
    let first = host.event("permission_request");
    assert!(!options(&first).contains(&"preview".to_owned()), "{first}");
    host.answer(first["questionId"].as_str().unwrap(), "preview");
    assert_eq!(host.event("permission_resolved")["outcome"], "denied");
    host.ended();
    assert!(!home.work().join("new").exists());
}

#[test]
fn a_killed_run_leaves_no_copy_for_long_and_nothing_happened() {
    let (home, mut host) = begun(CALL, &json!({"waitMs": 60_000}));
    let first = host.asked();
    host.answer(&first, "preview");
    host.asked();
    host.kill();
    assert_eq!(std::fs::read_to_string(home.work().join("a")).unwrap(), "one\n");
    // The next one takes away what it left.
    let mut again = Host::start(&home);
    let first = again.asked();
    again.answer(&first, "preview");
    let second = again.asked();
    let left = std::fs::read_dir(home.home().join(".ion/previews")).unwrap().count();
    assert_eq!(left, 1, "its own");
    again.answer(&second, "deny");
    again.ended();
    nothing_is_left(&home);
}

#[test]
fn what_a_preview_shows_and_what_the_model_gets_of_it_is_masked() {
    let canary = format!("hunter-{}-Q9x", std::process::id());
    let home = home(&json!({"waitMs": 60_000}));
    script(&home, &["touch new; echo more >> a; cat a"]);
    home.write("work/a", &format!("token of the project: {canary}\n"));
    let mut host = Host::start_with(&home, &[("DEPLOY_TOKEN", &canary)]);
    let first = host.asked();
    host.answer(&first, "preview");
    let second = host.event("permission_request");
    let shown = second["question"]["preview"].to_string();
    assert!(shown.contains("token of the project") && shown.contains("+more"), "{shown}");
    assert!(!second.to_string().contains(&canary), "{second}");
    host.answer(second["questionId"].as_str().unwrap(), "apply");
    let result = host.event("tool_result");
    assert!(result["output"].as_str().unwrap().contains("token of the project"), "{result}");
    assert!(!result.to_string().contains(&canary), "{result}");
    host.ended();
    let log = std::fs::read_to_string(home.home().join(".ion/audit/audit.jsonl")).unwrap();
    assert!(!log.contains(&canary));
    // The file itself keeps what it held.
    let file = std::fs::read_to_string(home.work().join("a")).unwrap();
    assert_eq!(file, format!("token of the project: {canary}\nmore\n"));
}
