//! `ion audit export` as a command: streams, filters, exit codes, stored bytes.

use super::{HOSTILE, judged, open, path};
use crate::support::{Home, stderr, stdout};
use ion::audit::AuditError;
use ion::audit::export::NAMES;
use ion::audit::query::{self, Filter};
use ion::model::Decision;
use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use std::io::Write;
use std::time::Duration;

fn filled() -> Home {
    let home = Home::new();
    let log = open(&home);
    for n in 0..6 {
        let decision = if n % 2 == 0 { Decision::Deny } else { Decision::Allow };
        judged(&log, &format!("{HOSTILE} {n}"), decision);
    }
    home
}

#[test]
fn stored_lines_come_out_byte_for_byte_and_verify_elsewhere() {
    let home = filled();
    let output = home.run(&["audit", "export", "--format", "jsonl"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(output.stdout, std::fs::read(path(&home)).expect("the log"));
    assert_eq!(stderr(&output), "chain intact to record 6\n");
    let other = Home::new();
    std::fs::write(path(&other), &output.stdout).expect("a copy");
    for ending in [".head", ".checkpoints"] {
        let name = format!("audit.jsonl{ending}");
        let from = home.home().join(".ion/audit").join(&name);
        std::fs::copy(from, other.home().join(".ion/audit").join(&name)).expect("a copy");
    }
    let verified = other.run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}{}", stdout(&verified), stderr(&verified));
}

#[test]
fn every_format_takes_the_filters_and_one_line_is_one_record() {
    let home = filled();
    for format in NAMES {
        let output = home.run(&["audit", "export", "--format", format, "--decision", "deny"]);
        assert!(output.status.success(), "{format}: {}", stderr(&output));
        let lines = if format.starts_with("otlp") { 1 } else { 3 };
        assert_eq!(stdout(&output).lines().count(), lines, "{format}");
        let newest = home.run(&["audit", "export", "--format", format, "-n", "1"]);
        // An allowed call is no span before it ended.
        let lines = usize::from(!format.starts_with("otlp-"));
        assert_eq!(stdout(&newest).lines().count(), lines, "{format}");
    }
}

#[test]
fn an_outcome_is_exported_with_the_call_that_it_ends() {
    let home = Home::new();
    home.write("work/s.toml", "[[turn]]\n[[turn.call]]\nname = \"Read\"\ninput = { path = \"s.toml\" }\n[[turn]]\ntext = \"ok\"\n");
    assert!(home.run(&["prompt", "--model", "scripted:s.toml", "go"]).status.success());
    let text = stdout(&home.run(&["audit", "export", "--format", "ocsf"]));
    let mut events =
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let outcome = events.find(|event| event["class_uid"] == 1001).expect("an outcome");
    assert_eq!((&outcome["file"]["path"], &outcome["activity_id"]), (&"s.toml".into(), &2.into()));
}

#[test]
fn a_broken_log_is_exported_as_far_as_it_can_be_read_and_fails() {
    let home = filled();
    let text = std::fs::read_to_string(path(&home)).expect("the log");
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "{\"no\": \"record\"}";
    let torn = &text.lines().next().expect("a line")[..80];
    std::fs::write(path(&home), format!("{}\n{torn}", lines.join("\n"))).expect("a broken log");
    for format in NAMES {
        let output = home.run(&["audit", "export", "--format", format]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        let said = stderr(&output);
        assert!(said.contains("chain BROKEN at record 3 (line 3"), "{said}");
        assert!(said.contains("2 lines unreadable and not listed (the first is line 3)"), "{said}");
        assert_eq!(stdout(&output).lines().count(), if format.starts_with("otlp") { 1 } else { 5 });
    }
}

#[test]
fn an_unknown_format_is_wrong_usage_and_no_log_is_no_record() {
    let home = Home::new();
    let output = home.run(&["audit", "export", "--format", "leef"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("jsonl, ocsf, ecs, cef, otlp, syslog"), "{}", stderr(&output));
    assert_eq!(home.run(&["audit", "export"]).status.code(), Some(2));
    let nothing = home.run(&["audit", "export", "--format", "cef"]);
    assert!(nothing.status.success() && nothing.stdout.is_empty());
    assert!(stderr(&nothing).contains("no audit log at"));
}

#[test]
fn a_line_that_is_being_written_is_waited_for_and_not_taken_for_torn() {
    let home = filled();
    let text = std::fs::read(path(&home)).expect("the log");
    let (start, end) = text.split_at(text.len() - 40);
    let mut file = std::fs::File::create(path(&home)).expect("the log");
    flock(&file, FlockOperation::LockExclusive).expect("the lock of a writer");
    file.write_all(start).expect("half a line");
    let log = super::file(&home);
    let reader = std::thread::spawn(move || {
        let mut seen = 0;
        let skipped = query::each(&log, &Filter::default(), |_| {
            seen += 1;
            Ok::<(), AuditError>(())
        });
        (seen, skipped.expect("a readable log").unreadable)
    });
    std::thread::sleep(Duration::from_millis(200));
    file.write_all(end).expect("the other half");
    flock(&file, FlockOperation::Unlock).expect("the end of the append");
    assert_eq!(reader.join().expect("the reader"), (6, 0));
}
