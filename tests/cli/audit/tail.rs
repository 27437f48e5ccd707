//! `ion audit tail`: the newest records, and those that come.

use super::{HOSTILE, judged, open, path};
use crate::support::{Home, stderr, stdout};
use ion::model::Decision;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A running `ion audit tail --follow`, its lines as they come.
struct Following {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

impl Following {
    fn start(home: &Home, args: &[&str]) -> Self {
        let mut command = home.ion(&[&["audit", "tail", "--follow"], args].concat());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ion runs");
        let out: ChildStdout = child.stdout.take().expect("stdout");
        let err: ChildStderr = child.stderr.take().expect("stderr");
        Following { child, out: lines(out), err: lines(err) }
    }

    fn prints(&self) -> String {
        self.out.recv_timeout(Duration::from_secs(20)).expect("a line of output")
    }

    fn says(&self) -> String {
        self.err.recv_timeout(Duration::from_secs(20)).expect("a line of diagnostics")
    }

    fn prints_nothing(&self) -> bool {
        self.out.recv_timeout(Duration::from_millis(700)).is_err()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn numbers(text: &str) -> Vec<String> {
    text.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn the_newest_ten_are_printed_or_as_many_as_wanted() {
    let home = Home::new();
    let log = open(&home);
    for n in 0..12 {
        let decision = if n % 4 == 0 { Decision::Deny } else { Decision::Allow };
        judged(&log, &format!("echo {n}"), decision);
    }
    let output = home.run(&["audit", "tail"]);
    let all: Vec<String> =
        ["N".to_owned()].into_iter().chain((3..13).map(|n| n.to_string())).collect();
    assert_eq!(numbers(&stdout(&output)), all);
    assert_eq!(stderr(&output), "chain intact to record 12\n");
    let few = home.run(&["audit", "tail", "-n", "2", "--decision", "deny"]);
    assert_eq!(numbers(&stdout(&few)), ["N", "5", "9"]);
    let json = stdout(&home.run(&["audit", "tail", "-n", "1", "--json"]));
    let stored = std::fs::read_to_string(path(&home)).expect("the log");
    assert_eq!(Some(json.trim_end()), stored.lines().last());
    assert!(stdout(&home.run(&["audit", "tail", "-n", "0", "--json"])).is_empty());
}

#[test]
fn without_a_log_there_is_nothing_and_that_is_said() {
    let home = Home::new();
    let output = home.run(&["audit", "tail"]);
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(stderr(&output).contains("no audit log at"), "{}", stderr(&output));
}

#[test]
fn a_log_that_does_not_exist_yet_is_followed_from_its_first_record() {
    let home = Home::new();
    let following = Following::start(&home, &["--json"]);
    assert!(following.says().contains("waiting for its first record"));
    let log = open(&home);
    judged(&log, HOSTILE, Decision::Deny);
    judged(&log, "echo two", Decision::Allow);
    let stored = std::fs::read_to_string(path(&home)).expect("the log");
    for line in stored.lines() {
        assert_eq!(following.prints(), line);
    }
}

#[test]
fn new_records_pass_the_filter_and_marks_are_made_visible() {
    let home = Home::new();
    let log = open(&home);
    judged(&log, "echo old", Decision::Deny);
    let following = Following::start(&home, &["-n", "0", "--decision", "deny"]);
    assert!(following.prints().contains("DECISION"));
    assert_eq!(following.says(), "chain intact to record 1");
    judged(&log, "echo allowed", Decision::Allow);
    judged(&log, HOSTILE, Decision::Deny);
    let line = following.prints();
    assert!(line.trim_start().starts_with("3 "), "{line}");
    assert!(line.contains(r"a\u000ab\u000d|c") && line.contains(r"i\u202ej\u009bk"), "{line}");
}

#[test]
fn half_a_record_is_never_printed_and_a_torn_one_is_replaced() {
    let home = Home::new();
    let log = open(&home);
    judged(&log, "echo one", Decision::Deny);
    judged(&log, "echo two", Decision::Deny);
    let text = std::fs::read(path(&home)).expect("the log");
    let second = text.iter().position(|&b| b == b'\n').expect("a line") + 1;
    // Another log with the same first record: it gets the second in two pieces.
    let slow = Home::new();
    std::fs::write(path(&slow), &text[..second]).expect("a log");
    let following = Following::start(&slow, &["--json"]);
    assert!(following.prints().contains("echo one"));
    following.says();
    let mut file = std::fs::OpenOptions::new().append(true).open(path(&slow)).expect("the log");
    let (start, end) = text[second..].split_at(100);
    file.write_all(start).expect("half a line");
    assert!(following.prints_nothing(), "half a line was printed");
    file.write_all(end).expect("the other half");
    assert!(following.prints().contains("echo two"));
    // A killed process leaves half a line; the next writer puts its own in that place.
    file.write_all(start).expect("half a line");
    assert!(following.prints_nothing(), "a torn line was printed");
    file.set_len(text.len() as u64).expect("taken off");
    file.write_all(b"{\"torn\": \"no record\"}\n").expect("another line");
    assert!(following.says().contains("line 3: no record"));
}

#[test]
fn a_forged_record_a_moved_log_and_a_cut_one_are_reported() {
    let home = Home::new();
    let log = open(&home);
    judged(&log, "echo one", Decision::Deny);
    judged(&log, "echo two", Decision::Deny);
    let following = Following::start(&home, &["--json", "-n", "0"]);
    following.says();
    let text = std::fs::read_to_string(path(&home)).expect("the log");
    let forged = text.lines().next().expect("a line").replace("echo one", "echo won");
    let mut file = std::fs::OpenOptions::new().append(true).open(path(&home)).expect("the log");
    file.write_all(format!("{forged}\n").as_bytes()).expect("a forged line");
    assert!(following.says().contains("line 3: changed, or not the successor"));
    assert!(following.prints().contains("echo won"));
    std::fs::rename(path(&home), home.home().join("aside")).expect("moved");
    assert!(following.says().contains("was moved or removed"));
    std::fs::write(path(&home), &text).expect("a new log");
    assert!(following.says().contains("is another log now"));
    assert!(following.prints().contains("echo one") && following.prints().contains("echo two"));
    let file = std::fs::OpenOptions::new().write(true).open(path(&home)).expect("the log");
    file.set_len(10).expect("cut");
    assert!(following.says().contains("were taken off while it was followed"));
    let mut following = following;
    assert_eq!(following.child.wait().expect("its end").code(), Some(1));
}

#[test]
fn following_ends_when_its_reader_leaves() {
    let home = Home::new();
    judged(&open(&home), "echo one", Decision::Deny);
    // Nothing is recorded any more, so no failing write tells it.
    let mut command = home.ion(&["audit", "tail", "--follow", "-n", "0"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ion runs");
    let mut said = String::new();
    let mut err = BufReader::new(child.stderr.take().expect("stderr"));
    err.read_line(&mut said).expect("the status of the chain");
    assert_eq!(said, "chain intact to record 1\n");
    assert!(child.try_wait().expect("a state").is_none(), "it ended by itself");
    drop(child.stdout.take());
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while child.try_wait().expect("a state").is_none() {
        if std::time::Instant::now() > end {
            let _ = child.kill();
            panic!("it still runs without a reader");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
