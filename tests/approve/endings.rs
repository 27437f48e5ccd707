//! How questions end without a terminal: by the folder, by time, by a kill, and not at all.

use super::{
    answer, denied_by, document, home, killed_while_asking, prompt, question, questions, script,
};
use crate::support::{Home, stderr, stdout};
use serde_json::json;

fn open_folder() -> Home {
    home(&json!({"folder": true, "waitMs": 60_000}))
}

#[test]
fn an_answer_from_another_terminal_lets_the_call_run_and_is_on_record() {
    let home = open_folder();
    script(&home, &["touch made"]);
    let child = prompt(&home, &[]).spawn().unwrap();
    let id = question(&home, "open");
    let shown = stdout(&home.run(&["approvals", "show", &id]));
    assert!(shown.contains("  | touch made\n") && shown.contains("state    open"), "{shown}");
    assert!(!home.work().join("made").exists(), "nothing runs before the answer");
    let given = answer(&home, &id, "allow");
    assert!(stdout(&given).contains("allow by "), "{given:?}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(document(&output)["permissionDenials"], json!([]));
    assert!(home.work().join("made").exists());
    assert!(stderr(&output).contains(&format!("touch made` ({id})")), "{output:?}");
    assert!(questions(&home).is_empty());
    let records = stdout(&home.run(&["audit", "list", "--json"]));
    let answered = records.lines().find(|line| line.contains("\"answered\"")).expect("a record");
    for part in [id.as_str(), "approvals", "uid ", "because"] {
        assert!(answered.contains(part), "{part} is missing in {answered}");
    }
    let list = stdout(&home.run(&["audit", "list"]));
    let row = list.lines().find(|line| line.contains("  answered ")).expect("a row");
    assert!(row.contains("allow") && row.contains(&id), "{row}");
}

#[test]
fn a_no_is_told_to_the_model_with_its_reason() {
    let home = open_folder();
    script(&home, &["touch made"]);
    let child = prompt(&home, &[]).spawn().unwrap();
    assert!(answer(&home, &question(&home, "open"), "deny").status.success());
    let document = document(&child.wait_with_output().unwrap());
    assert_eq!(denied_by(&document, "person"), 1, "{document}");
    assert!(document.to_string().contains("said no through approvals: because"), "{document}");
    assert!(!home.work().join("made").exists());
}

#[test]
fn a_question_that_nobody_answers_is_a_denial_that_says_so() {
    let home = home(&json!({"folder": true, "waitMs": 300}));
    script(&home, &["touch made"]);
    let output = prompt(&home, &[]).output().unwrap();
    let document = document(&output);
    assert_eq!(denied_by(&document, "expired"), 1, "{document}");
    assert!(document.to_string().contains("nobody answered"), "{document}");
    assert!(!home.work().join("made").exists());
    assert!(questions(&home).is_empty());
}

#[test]
fn without_a_way_to_a_person_an_ask_is_denied_at_once_and_nothing_is_left() {
    let home = home(&json!({"waitMs": 3_600_000}));
    script(&home, &["touch made"]);
    let document = document(&prompt(&home, &[]).output().unwrap());
    assert_eq!(denied_by(&document, "headless-ask"), 1, "{document}");
    assert!(!home.home().join(".ion/approvals").exists());
}

#[test]
fn a_late_answer_is_void() {
    let home = open_folder();
    script(&home, &["touch made"]);
    let child = prompt(&home, &[]).spawn().unwrap();
    let id = question(&home, "open");
    assert!(answer(&home, &id, "deny").status.success());
    let late = answer(&home, &id, "allow");
    assert_eq!(late.status.code(), Some(1), "{late:?}");
    assert!(stderr(&late).contains("nothing was changed"), "{late:?}");
    child.wait_with_output().unwrap();
    assert_eq!(answer(&home, &id, "allow").status.code(), Some(1));
    assert!(!home.work().join("made").exists());
}

#[test]
fn an_answer_given_while_the_run_was_dead_is_used_once_when_it_is_resumed() {
    let home = open_folder();
    script(&home, &["touch made", "touch made"]);
    let id = killed_while_asking(&home);
    assert_eq!(question(&home, "orphaned"), id);
    let given = answer(&home, &id, "allow");
    assert!(stdout(&given).contains("ion prompt --resume "), "{given:?}");
    let settings = json!({"permissions": {"ask": ["Bash(touch:*)"]},
        "approvals": {"folder": true, "waitMs": 1500}});
    home.write("home/.ion/engine.json", &settings.to_string());
    let document = document(&prompt(&home, &["--resume", "latest"]).output().unwrap());
    assert!(home.work().join("made").exists(), "{document}");
    assert_eq!(denied_by(&document, "expired"), 1, "the second call asks again: {document}");
    let records = stdout(&home.run(&["audit", "list", "--json"]));
    assert!(records.contains(&format!("answered as {id} while")), "{records}");
}

#[test]
fn an_edited_call_or_another_conversation_does_not_get_the_answer_of_the_dead_run() {
    let home = open_folder();
    script(&home, &["touch made"]);
    let id = killed_while_asking(&home);
    assert!(answer(&home, &id, "allow").status.success());
    let settings = json!({"permissions": {"ask": ["Bash(touch:*)"]},
        "approvals": {"folder": true, "waitMs": 300}});
    home.write("home/.ion/engine.json", &settings.to_string());
    let other_conversation = document(&prompt(&home, &[]).output().unwrap());
    assert_eq!(denied_by(&other_conversation, "expired"), 1, "{other_conversation}");
    script(&home, &["touch made-too"]);
    let edited = document(&prompt(&home, &["--resume", "latest"]).output().unwrap());
    assert_eq!(denied_by(&edited, "expired"), 1, "{edited}");
    assert!(!home.work().join("made").exists() && !home.work().join("made-too").exists());
}

#[test]
fn a_question_of_a_dead_run_expires_to_a_denial_on_record() {
    let home = home(&json!({"folder": true, "waitMs": 2000}));
    script(&home, &["touch made"]);
    let id = killed_while_asking(&home);
    assert_eq!(question(&home, "expired"), id);
    let late = answer(&home, &id, "allow");
    assert!(stderr(&late).contains("it has expired"), "{late:?}");
    let document = document(&prompt(&home, &["--resume", "latest"]).output().unwrap());
    assert_eq!(denied_by(&document, "expired"), 1, "{document}");
    assert!(!home.work().join("made").exists() && questions(&home).is_empty());
    let list = stdout(&home.run(&["audit", "list"]));
    assert!(list.contains(&format!("{id} expired")), "{list}");
}

#[test]
fn a_yes_by_count_is_used_exactly_so_often() {
    let home = home(&json!({"folder": true, "waitMs": 3000}));
    script(&home, &["touch made", "touch made", "touch made"]);
    let child = prompt(&home, &[]).spawn().unwrap();
    assert!(answer(&home, &question(&home, "open"), "allow_times:2").status.success());
    let document = document(&child.wait_with_output().unwrap());
    assert_eq!(document["permissionDenials"].as_array().unwrap().len(), 1, "{document}");
    assert_eq!(denied_by(&document, "expired"), 1, "{document}");
}

#[test]
fn a_sealed_ask_takes_one_yes_at_a_time() {
    let home = open_folder();
    script(&home, &["touch made"]);
    let sealed = home.write("sealed.json", r#"{"permissions": {"ask": ["Bash(touch:*)"]}}"#);
    let child = prompt(&home, &[]).env("ION_ENTERPRISE_CONFIG", sealed).spawn().unwrap();
    let id = question(&home, "open");
    for wide in ["allow_always", "allow_times:2", "allow_until:5m"] {
        let refused = answer(&home, &id, wide);
        assert_eq!(refused.status.code(), Some(1), "{wide}: {refused:?}");
        assert!(stderr(&refused).contains("asks every time"), "{refused:?}");
    }
    assert!(answer(&home, &id, "allow").status.success());
    let document = document(&child.wait_with_output().unwrap());
    assert_eq!(document["permissionDenials"], json!([]));
}

#[test]
fn a_tool_can_neither_see_nor_write_the_approvals_folder() {
    let home = open_folder();
    home.write(
        "work/probe.sh",
        "ls -A $HOME/.ion/approvals > seen 2>&1\ncat $HOME/.ion/approvals/.key >> seen 2>&1\n\
         echo x > $HOME/.ion/approvals/q-000000000000000000000000.answer\ntouch ran\n",
    );
    script(&home, &["touch first; sh ./probe.sh"]);
    let child = prompt(&home, &[]).spawn().unwrap();
    assert!(answer(&home, &question(&home, "open"), "allow").status.success());
    let output = child.wait_with_output().unwrap();
    assert!(home.work().join("ran").exists(), "the probe did not run: {output:?}");
    let folder = home.home().join(".ion/approvals");
    let key = std::fs::read_to_string(folder.join(".key")).unwrap();
    let seen = std::fs::read_to_string(home.work().join("seen")).unwrap();
    assert!(!seen.contains(&key) && !seen.lines().any(|line| line == ".key"), "{seen}");
    assert!(!folder.join("q-000000000000000000000000.answer").exists());
}
