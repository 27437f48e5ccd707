//! Ways to reach a person, from the outside: runs that wait, and people who answer.

mod endings;
pub mod host;
mod preview;
mod screen;
mod settings;
mod together;
mod webhook;

use crate::support::{Home, stdout};
use serde_json::{Value, json};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a crowded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A home in which `touch` needs a person, with more settings.
pub fn home(approvals: &Value) -> Home {
    let home = Home::new();
    let settings = json!({"permissions": {"ask": ["Bash(touch:*)"]}, "approvals": approvals});
    home.write("home/.ion/engine.json", &settings.to_string());
    home
}

/// A script whose turns call `Bash` with these commands, one a turn.
pub fn script(home: &Home, commands: &[&str]) {
    let mut text = String::new();
    for command in commands {
        text.push_str(&format!(
            "[[turn]]\ntext = \"Now.\"\n[[turn.call]]\nname = \"Bash\"\ninput = {{ command = {} }}\n",
            json!(command)
        ));
    }
    text.push_str("[[turn]]\ntext = \"The end.\"\n");
    home.write("work/s.toml", &text);
}

/// `ion prompt` with the script, no terminal anywhere.
pub fn prompt(home: &Home, more: &[&str]) -> Command {
    let mut args = vec!["prompt", "--model", "scripted:s.toml", "--output", "json"];
    args.extend(more);
    args.push("go");
    let mut command = home.ion(&args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The document that a run printed.
pub fn document(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// How often `denials` name this decider.
pub fn denied_by(document: &Value, decider: &str) -> usize {
    let denials = document["permissionDenials"].as_array().expect("denials");
    denials.iter().filter(|denial| denial["decidedBy"] == decider).count()
}

/// Asks `look` until it sees something.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// The questions as `ion approvals list` tells them.
pub fn questions(home: &Home) -> Vec<Value> {
    let output = home.run(&["approvals", "list", "--json"]);
    assert!(output.status.success(), "{output:?}");
    document(&output)["questions"].as_array().expect("questions").clone()
}

/// The id of the one question in this state.
pub fn question(home: &Home, state: &str) -> String {
    until(state, || {
        let all = questions(home);
        let found = all.iter().find(|question| question["state"] == state)?;
        Some(found["id"].as_str().expect("an id").to_owned())
    })
}

pub fn answer(home: &Home, id: &str, choice: &str) -> Output {
    home.run(&["approvals", "answer", id, choice, "--reason", "because"])
}

/// Starts a run and kills it without mercy while its question is open. Gives the question.
pub fn killed_while_asking(home: &Home) -> String {
    let mut child: Child = prompt(home, &[]).spawn().expect("ion starts");
    let id = question(home, "open");
    child.kill().expect("a kill");
    child.wait().expect("an end");
    id
}
