//! `ion tour`: what a newcomer sees first.

use crate::support::{Home, stderr, stdout};

#[test]
fn the_tour_shows_every_part_and_leaves_nothing_behind() {
    let home = Home::new();
    let temporary = home.write("tmp/.keep", "");
    let temporary = temporary.parent().unwrap();
    let output = home.ion(&["tour"]).env("TMPDIR", temporary).output().unwrap();
    let text = stdout(&output);
    assert!(output.status.success(), "{text}\n{}", stderr(&output));
    for part in [
        "the model is scripted",
        "1. allowed  Read  notes.txt",
        "2. allowed  Bash",
        "3. masked   Read  deploy.log",
        "[secret:",
        "4. refused  Bash  curl",
        "5. refused  Bash",
        "rm -rf ~/",
        "What the audit log says of the refused calls:",
        "chain intact",
        "nothing was left behind",
        "ion policy check",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!text.contains("ghp_"), "the token was shown");
    let left: Vec<_> = std::fs::read_dir(temporary).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(!home.home().join(".ion").exists());
}

#[test]
fn a_tour_that_has_nowhere_to_go_fails_clearly() {
    let home = Home::new();
    let output = home.ion(&["tour"]).env("TMPDIR", "/nonexistent").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("throw-away folder"), "{}", stderr(&output));
}
