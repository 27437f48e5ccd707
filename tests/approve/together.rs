//! Two ways to a person at once: the first answer counts, the other one is closed.

use super::screen::{PROMPT, Screen};
use super::{answer, home, question, questions, script};
use crate::support::stderr;
use serde_json::json;

#[test]
fn an_answer_from_the_folder_takes_the_question_off_the_terminal() {
    let home = home(&json!({"folder": true, "waitMs": 60_000}));
    script(&home, &["touch made"]);
    let screen = Screen::new();
    let child = screen.start(&home, &PROMPT);
    screen.shows("[?] more");
    assert!(answer(&home, &question(&home, "open"), "allow").status.success());
    screen.shows("this question is closed");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && home.work().join("made").exists(), "{output:?}");
    assert!(screen.is_cooked());
}

#[test]
fn an_answer_at_the_terminal_makes_the_folders_void() {
    let home = home(&json!({"folder": true, "waitMs": 60_000}));
    script(&home, &["touch made", "sleep 2"]);
    let screen = Screen::new();
    let child = screen.start(&home, &PROMPT);
    screen.shows("[?] more");
    let id = question(&home, "open");
    screen.types("n");
    screen.shows("-> denied");
    super::until("the end of the question", || questions(&home).is_empty().then_some(()));
    let late = answer(&home, &id, "allow");
    assert_eq!(late.status.code(), Some(1), "{late:?}");
    assert!(stderr(&late).contains("no such question is open"), "{late:?}");
    child.wait_with_output().unwrap();
    assert!(!home.work().join("made").exists());
}
