//! A host program that reads the events of a run and answers on its standard input.

use super::{home, script};
use crate::support::Home;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// A running `ion prompt --answers`.
pub struct Host {
    child: Child,
    answers: Option<ChildStdin>,
    events: BufReader<ChildStdout>,
}

impl Host {
    pub fn start(home: &Home) -> Self {
        Host::start_with(home, &[])
    }

    /// As `start`, with more variables in its environment.
    pub fn start_with(home: &Home, variables: &[(&str, &str)]) -> Self {
        let args =
            ["prompt", "--model", "scripted:s.toml", "--output", "stream-json", "--answers", "go"];
        let mut command = home.ion(&args);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("ion starts");
        let (answers, events) = (child.stdin.take(), child.stdout.take().unwrap());
        Host { child, answers, events: BufReader::new(events) }
    }

    /// The next event of this kind.
    pub fn event(&mut self, kind: &str) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.events.read_line(&mut line).unwrap() > 0, "no {kind} came");
            let event: Value = serde_json::from_str(&line).expect("an event");
            if event["type"] == kind {
                return event;
            }
        }
    }

    fn says(&mut self, line: &str) {
        let answers = self.answers.as_mut().expect("an open stream");
        writeln!(answers, "{line}").unwrap();
        answers.flush().unwrap();
    }

    pub fn answer(&mut self, id: &str, option: &str) {
        let line =
            json!({"cmd": "permission_response", "key": "s", "questionId": id, "optionId": option});
        self.says(&line.to_string());
    }

    /// Waits for the end of the run.
    pub fn ended(mut self) {
        drop(self.answers.take());
        self.child.wait().unwrap();
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn asked(&mut self) -> String {
        self.event("permission_request")["questionId"].as_str().expect("an id").to_owned()
    }
}

#[test]
fn a_host_program_answers_what_it_is_asked() {
    let home = home(&json!({"waitMs": 60_000}));
    script(&home, &["touch one", "touch two"]);
    let mut host = Host::start(&home);
    let id = host.asked();
    host.answer(&id, "allow");
    assert_eq!(host.event("permission_resolved")["outcome"], "allowed");
    let second = host.asked();
    // The first answer was for the first question alone.
    host.answer(&id, "allow");
    host.answer(&second, "deny");
    let resolved = host.event("permission_resolved");
    assert_eq!((&resolved["outcome"], &resolved["questionId"]), (&json!("denied"), &json!(second)));
    let end = host.event("task_complete");
    assert_eq!(end["permissionDenials"][0]["decidedBy"], "person", "{end}");
    assert!(host.child.wait().unwrap().success());
    assert!(home.work().join("one").exists() && !home.work().join("two").exists());
}

#[test]
fn nonsense_is_no_answer_and_the_end_of_the_stream_is_a_denial() {
    let home = home(&json!({"waitMs": 60_000}));
    script(&home, &["touch one", "touch two"]);
    let mut host = Host::start(&home);
    let id = host.asked();
    host.says("allow");
    host.answer("q-000000000000000000000000", "allow");
    host.answer(&id, "yes");
    host.says(&format!("{{\"cmd\":\"prompt\",\"questionId\":\"{id}\",\"optionId\":\"allow\"}}"));
    drop(host.answers.take());
    assert_eq!(host.event("permission_resolved")["outcome"], "expired");
    // Nobody is there any more: the second one is denied without a question.
    let end = host.event("task_complete");
    assert_eq!(end["permissionDenials"].as_array().unwrap().len(), 2, "{end}");
    assert_eq!(end["permissionDenials"][1]["decidedBy"], "headless-ask");
    host.child.wait().unwrap();
    assert!(!home.work().join("one").exists() && !home.work().join("two").exists());
}

#[test]
fn a_switch_takes_the_host_program_away() {
    let home = home(&json!({"host": false}));
    script(&home, &["touch one"]);
    let mut host = Host::start(&home);
    let end = host.event("task_complete");
    assert_eq!(end["permissionDenials"][0]["decidedBy"], "headless-ask", "{end}");
    host.child.wait().unwrap();
}

#[test]
fn the_prompt_cannot_come_from_where_the_answers_come_from() {
    let home = home(&json!({}));
    for words in [&["-"][..], &[]] {
        let mut args = vec!["prompt", "--model", "scripted:s.toml", "--answers"];
        args.extend(words);
        assert_eq!(home.run(&args).status.code(), Some(2));
    }
}
