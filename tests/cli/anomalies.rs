//! Full disks, closed descriptors, broken streams: each ends in a clear message, the right exit
//! code, and no call without a record.

use super::prompt::home_with;
use crate::support::loopback::{Loopback, Reply, anthropic_text, anthropic_tool_call};
use crate::support::{Home, stderr, stdout};
use serde_json::json;
use std::process::{Command, Output};

const SCRIPT: &str = r#"
[[turn]]
text = "Writing."
[[turn.call]]
name = "Bash"
input = { command = "touch ran.txt" }

[[turn]]
text = "Done, at some length so that there is something to write."
"#;

fn home() -> Home {
    let home = Home::new();
    home.write("work/s.toml", SCRIPT);
    home
}

/// Runs `ion` through a shell line that spoils its surroundings; `$ION` is the binary.
fn spoilt(home: &Home, line: &str) -> Output {
    Command::new("bash")
        .args(["-c", line])
        .current_dir(home.work())
        .env_clear()
        .env("HOME", home.home())
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("ION", env!("CARGO_BIN_EXE_ion"))
        .output()
        .unwrap()
}

#[test]
fn a_full_standard_output_ends_the_run_with_a_message() {
    let output = spoilt(&home(), "\"$ION\" prompt --model scripted:s.toml go > /dev/full");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write to standard output"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("panic"));
}

#[test]
fn a_closed_standard_output_is_not_taken_for_a_written_one() {
    let output = spoilt(&home(), "\"$ION\" prompt --model scripted:s.toml go >&-");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write to standard output"), "{}", stderr(&output));
}

#[test]
fn the_null_device_as_standard_output_is_fine() {
    let output = spoilt(&home(), "\"$ION\" prompt --model scripted:s.toml go > /dev/null");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_reader_who_leaves_ends_the_run_quietly() {
    let output = spoilt(
        &home(),
        "set -o pipefail; \"$ION\" prompt --output stream-json --model scripted:s.toml go | head -1 > /dev/null; echo \"code ${PIPESTATUS[0]}\"",
    );
    // The run may be over before head is gone; then it has simply ended well.
    let text = stdout(&output);
    assert!(text.contains("code 1") || text.contains("code 0"), "{text}");
    assert!(!stderr(&output).contains("panic"), "{}", stderr(&output));
    let help = spoilt(&home(), "\"$ION\" prompt --help | head -1; echo \"code ${PIPESTATUS[0]}\"");
    assert!(!stderr(&help).contains("panic") && !stdout(&help).contains("code 101"));
}

#[test]
fn a_closed_standard_error_does_not_stop_the_work() {
    let output = spoilt(&home(), "\"$ION\" prompt --model scripted:s.toml go 2>&-");
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("Done"));
}

#[test]
fn a_file_size_limit_refuses_instead_of_killing() {
    let home = home();
    let output = spoilt(&home, "ulimit -f 0; \"$ION\" prompt --model scripted:s.toml go");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(!home.work().join("ran.txt").exists(), "a call ran without a record");
    assert!(stderr(&output).contains("error:"), "{}", stderr(&output));
}

#[test]
fn an_audit_log_that_cannot_be_written_stops_everything() {
    let home = home();
    // A folder where the log should be: nobody, not even root, can append to it.
    std::fs::create_dir_all(home.home().join(".ion/audit/audit.jsonl")).unwrap();
    let output = home.run(&["prompt", "--model", "scripted:s.toml", "go"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("audit"), "{}", stderr(&output));
    assert!(!home.work().join("ran.txt").exists(), "a call ran without a record");
}

#[test]
fn an_audit_log_on_a_full_disk_refuses_the_call() {
    if !rustix::process::geteuid().is_root() {
        return; // mounting needs root; `ulimit -f` above covers everybody else
    }
    let home = home();
    let line = "mkdir -p \"$HOME/.ion\" && unshare -m bash -c 'mount -t tmpfs -o size=16k none \"$HOME/.ion\" && \
                dd if=/dev/zero of=\"$HOME/.ion/fill\" bs=1k count=64 2>/dev/null; \
                exec \"$ION\" prompt --model scripted:s.toml go'";
    let output = spoilt(&home, line);
    assert_ne!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(!home.work().join("ran.txt").exists(), "a call ran without a record");
}

#[test]
fn few_descriptors_are_a_clear_failure() {
    // From 4 on: below that the dynamic loader of a debug build cannot open its libraries.
    for limit in [4, 5, 6, 8, 10, 12, 16] {
        let home = home();
        let output = spoilt(
            &home,
            &format!("ulimit -n {limit}; \"$ION\" prompt --model scripted:s.toml go"),
        );
        assert!(matches!(output.status.code(), Some(0..=2)), "{limit}: {:?}", output.status);
        assert!(!stderr(&output).contains("panic"), "{limit}: {}", stderr(&output));
        let recorded = home.run(&["audit", "verify"]);
        let ran = home.work().join("ran.txt").exists();
        assert!(!ran || recorded.status.success(), "{limit}: ran without a good record");
    }
}

#[test]
fn no_home_is_said_and_nothing_runs() {
    let home = home();
    let output = home
        .ion(&["prompt", "--model", "scripted:s.toml", "go"])
        .env_remove("HOME")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no home folder"), "{}", stderr(&output));
    assert!(!home.work().join("ran.txt").exists());
}

fn against(replies: Vec<Reply>) -> Output {
    let server = Loopback::start(replies);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    home.run(&["prompt", "--output", "stream-json", "--timeout", "60s", "hi"])
}

fn last_event(output: &Output) -> serde_json::Value {
    let text = stdout(output);
    serde_json::from_str(text.lines().last().expect("a line")).expect("JSON")
}

#[test]
fn a_server_that_refuses_for_good_is_exit_1_with_its_status() {
    let body =
        json!({"type": "error", "error": {"type": "authentication_error", "message": "bad key"}});
    let output = against(vec![Reply::json(401, &body)]);
    assert_eq!(output.status.code(), Some(1));
    let event = last_event(&output);
    assert_eq!((&event["type"], &event["errorCode"]), (&json!("error"), &json!("auth")));
    assert_eq!(event["httpStatus"], 401);
    assert!(stderr(&output).contains("bad key"), "{}", stderr(&output));
}

#[test]
fn a_server_error_is_tried_again() {
    let output = against(vec![
        Reply::status(500).header("retry-after", "0"),
        Reply::sse(anthropic_text("Back.")),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(last_event(&output)["result"], "Back.");
}

#[test]
fn a_call_that_was_cut_off_never_runs() {
    let body = anthropic_tool_call("Bash", &json!({"command": "touch ran.txt"}));
    let server = Loopback::start(vec![Reply::sse(body.clone()).cut_at(body.len() / 2).times(20)]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    let output = home.run(&["prompt", "--output", "json", "--timeout", "8s", "hi"]);
    assert!(matches!(output.status.code(), Some(1 | 124)), "{:?}", output.status);
    assert!(!home.work().join("ran.txt").exists());
    let listed = home.run(&["audit", "list", "--json"]);
    assert!(!stdout(&listed).contains("ran.txt"), "a half call was judged");
}

#[test]
fn a_hung_server_ends_at_the_timeout_with_124() {
    let body = anthropic_text("never");
    let server = Loopback::start(vec![Reply::sse(body).stalls_at(40)]);
    let home = home_with("anthropic", "claude-sonnet-4-6", &server);
    let output = home.run(&["prompt", "--timeout", "700ms", "hi"]);
    assert_eq!(output.status.code(), Some(124), "{}", stderr(&output));
    assert!(stderr(&output).contains("Timeout: prompt exceeded"), "{}", stderr(&output));
}
