//! Limits, interruption, and the sudden death of `ion`.

use crate::support::{Home, stderr, stdout};
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn scripted(script: &str) -> Home {
    let home = Home::new();
    home.write("work/s.toml", script);
    home
}

fn sleeping() -> Home {
    scripted(
        "[[turn]]\n[[turn.call]]\nname = \"Bash\"\n\
         input = { command = '''touch started; (setsid sleep 4242 &) ; sleep 4343''' }\n",
    )
}

fn start(home: &Home, args: &[&str]) -> Child {
    let mut all = vec!["prompt", "--model", "scripted:s.toml"];
    all.extend(args);
    all.push("go");
    home.ion(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen in 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes whose working folder is the workspace: everything that a tool of it started,
/// seen from outside.
fn left_in(home: &Home) -> Vec<String> {
    let workspace = std::fs::canonicalize(home.work()).unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        if std::fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == workspace) {
            let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
            if !command.is_empty() {
                found.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
        }
    }
    found
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn ctrl_c_stops_the_tools_and_says_how_to_go_on() {
    let home = sleeping();
    let child = start(&home, &[]);
    wait_until("the call", || home.work().join("started").exists());
    let begun = Instant::now();
    signal(&child, rustix::process::Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(stderr(&output).contains("ion prompt --resume"), "{}", stderr(&output));
    wait_until("the end of every tool process", || left_in(&home).is_empty());
    let listed = home.run(&["audit", "list", "--json"]);
    assert!(stdout(&listed).contains("cancelled"), "{}", stdout(&listed));
}

#[test]
fn a_timeout_stops_the_tools_with_124() {
    let home = sleeping();
    let output = start(&home, &["--timeout", "1s"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(124), "{}", stderr(&output));
    wait_until("the end of every tool process", || left_in(&home).is_empty());
}

#[test]
fn a_killed_ion_leaves_no_tool_and_a_log_that_verifies() {
    for round in 0..25u64 {
        let home = sleeping();
        let mut child = start(&home, &[]);
        // From before the first byte is read to well after the command has started.
        std::thread::sleep(Duration::from_millis(round * 3));
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the end of every tool process", || left_in(&home).is_empty());
        let log = home.home().join(".ion/audit/audit.jsonl");
        if log.exists() {
            let verified = home.run(&["audit", "verify"]);
            let text = stdout(&verified) + &stderr(&verified);
            let torn = text.contains("torn") || text.contains("no audit log with a record");
            assert!(verified.status.success() || torn, "round {round}: {text}");
        }
        for line in transcripts(&home) {
            serde_json::from_str::<Value>(&line).expect("every whole line parses");
        }
        // The next run works.
        home.write("work/s.toml", "[[turn]]\ntext = \"fine\"\n");
        let next = home.run(&["prompt", "--model", "scripted:s.toml", "again"]);
        assert_eq!(stdout(&next), "fine\n", "round {round}: {}", stderr(&next));
    }
}

/// Every line that ends in a line end, of every transcript.
fn transcripts(home: &Home) -> Vec<String> {
    let folder = home.home().join(".ion/conversations");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let texts = entries.flatten().map(|entry| std::fs::read_to_string(entry.path()).unwrap());
    texts
        .flat_map(|text| {
            text.split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

const LOOPING: &str = "[[turn]]\nusage = { input_tokens = 1000, output_tokens = 1000 }\n\
    [[turn.call]]\nname = \"Glob\"\ninput = { pattern = \"*\" }\n";

#[test]
fn the_turn_limit_is_a_stated_stop() {
    let home = scripted(&LOOPING.repeat(5));
    let output =
        start(&home, &["--max-turns", "3", "--output", "json"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(document["result"], "Reached max turns (3)");
    assert_eq!(document["numTurns"], 3);
    assert_eq!(document["status"], "max_turns");
}

#[test]
fn the_budget_stops_before_the_call_that_would_pass_it() {
    let prices = "[prices]\ninput_per_1k = 0.01\noutput_per_1k = 0.01\n";
    let home = scripted(&format!("{prices}{}", LOOPING.repeat(5)));
    let args = ["--max-budget", "0.03", "--output", "stream-json"];
    let output = start(&home, &args).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let events: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [.., error, complete] = events.as_slice() else { panic!("too few events") };
    assert_eq!(error["errorCode"], "budget_exceeded");
    assert_eq!(complete["status"], "budget_exceeded");
    assert_eq!(complete["numTurns"], 2);
    assert!((complete["costUsd"].as_f64().unwrap() - 0.04).abs() < 1e-9);
}

#[test]
fn a_budget_on_a_model_without_a_price_is_said_aloud() {
    let home = scripted("[[turn]]\ntext = \"ok\"\n");
    let output = start(&home, &["--max-budget", "1"]).wait_with_output().unwrap();
    assert!(stderr(&output).contains("no price is known"), "{}", stderr(&output));
}
