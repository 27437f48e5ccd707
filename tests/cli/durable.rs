//! No tool starts without a durable record of the decision, whatever fails and whenever Ion is killed.
//!
//! Started tools are counted by what they leave behind, records by what the log holds afterwards.

use crate::support::Home;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

const CALLS: usize = 3;

/// A home in which a scripted model runs a few commands, each of which leaves a line behind.
fn stage() -> Home {
    let home = Home::new();
    let call = "[[turn]]\n[[turn.call]]\nname = \"Bash\"\n\
                input = { command = \"echo started >> started.txt\" }\n\n";
    home.write("script.toml", &format!("{}[[turn]]\ntext = \"Done.\"\n", call.repeat(CALLS)));
    let rule = r#"{"permissions": {"rules": [{"tool": "Bash", "decision": "allow"}]}}"#;
    home.write("home/.ion/engine.json", rule);
    home
}

fn prompt(home: &Home) -> Command {
    let mut command = home.ion(&["prompt", "--model", "scripted:../script.toml", "go"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn started(home: &Home) -> usize {
    std::fs::read_to_string(home.work().join("started.txt")).map_or(0, |text| text.lines().count())
}

/// How many allowed calls the first `records` of the log hold.
fn decided(home: &Home, records: usize) -> usize {
    let text = std::fs::read_to_string(home.home().join(".ion/audit/audit.jsonl"));
    let text = text.unwrap_or_default();
    let lines = text.lines().take(records).filter_map(|line| serde_json::from_str(line).ok());
    let allowed = |record: &Value| record["kind"] == "decision" && record["decision"] == "allow";
    lines.filter(allowed).count()
}

#[test]
fn a_sync_or_write_of_the_log_that_fails_starts_no_tool() {
    let mut refused = 0;
    for call in ["fdatasync", "write"] {
        for on in ["", "+"] {
            for nth in 1..20_usize {
                let home = stage();
                let log = home.home().join(".ion/audit/audit.jsonl");
                let trace = home.write("trace", "");
                let mut strace = Command::new("strace");
                strace.args(["-qq", "-o"]).arg(&trace).arg("-P").arg(&log);
                strace.args(["-e", &format!("trace={call}")]);
                strace.args(["-e", &format!("inject={call}:error=EIO:when={nth}{on}")]);
                let run = prompt(&home);
                strace.arg(run.get_program()).args(run.get_args()).current_dir(home.work());
                strace
                    .env_clear()
                    .env("HOME", home.home())
                    .env("PATH", "/usr/local/bin:/usr/bin:/bin");
                let ended = strace.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                let injected = std::fs::read_to_string(&trace).unwrap().contains("(INJECTED)");
                if !injected {
                    // A start, two records a call: each of them is written and synced.
                    assert!(nth > 1 + 2 * CALLS, "{call} was called {} times", nth - 1);
                    assert!(ended.success() && started(&home) == CALLS, "unharmed: {call} {nth}");
                    break;
                }
                // What was synced before the failure is what the tools may rest on.
                let durable = match call {
                    "fdatasync" => decided(&home, nth - 1),
                    _ => decided(&home, usize::MAX),
                };
                let ran = started(&home);
                assert!(ran <= durable, "{call} {nth}{on}: {ran} ran, {durable} were recorded");
                refused += usize::from(ran < CALLS);
                // A single write that fails is a refused call, and the log goes on.
                assert!(call == "write" && on.is_empty() || !ended.success(), "{call} {nth}{on}");
            }
        }
    }
    assert!(refused > 10, "only {refused} runs were stopped");
}

#[test]
fn killed_at_any_moment_no_tool_has_run_without_its_record() {
    let home = stage();
    let mut stopped = 0;
    for run in 0..60u64 {
        let before = started(&home);
        let mut child = prompt(&home).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(run * 17 % 900));
        let _ = child.kill();
        stopped += usize::from(!child.wait().unwrap().success());
        let ran = started(&home);
        let durable = decided(&home, usize::MAX);
        assert!(ran <= durable, "run {run}: {ran} ran, {durable} were recorded, {before} before");
    }
    assert!(stopped > 10 && started(&home) > 5, "{stopped} were killed");
    let verified = home.run(&["audit", "verify"]);
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() || told.contains("torn_tail"), "{told}");
}
