//! Every system call of the audit path fails in turn, once and for ever, with every error that a disk
//! gives: nothing that was told to be written is missing, and no failure is told as a success.

use super::faults::{LAZY, ROTATING, TELLING, TOLD};
use ion::audit::verify::{Fault, verify};
use ion::model::AbsPath;
use std::process::Command;

/// One run of the child with one call failing; gives what it told and which calls failed.
fn run(file: &AbsPath, call: &str, error: &str, when: &str, lazy: bool) -> (Vec<String>, usize) {
    let trace = file.as_path().with_extension("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-y", "-o"]).arg(&trace);
    for ending in ["", ".head", ".checkpoints", ".key", ".retired", ".000000000001"] {
        strace.arg("-P").arg(format!("{file}{ending}"));
    }
    strace.arg("-P").arg(file.as_path().parent().unwrap());
    strace.arg("-e").arg(format!("trace={call}"));
    strace.arg("-e").arg(format!("inject={call}:error={error}:when={when}"));
    strace.arg(std::env::current_exe().unwrap()).args(["--exact", TOLD, "--nocapture"]);
    strace.env(TELLING, file.to_string()).env(ROTATING, "1");
    if lazy {
        strace.env(LAZY, "1");
    }
    let output = strace.output().expect("strace");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = text.lines().filter_map(|line| line.strip_prefix("told: ")).map(str::to_owned);
    let injected = std::fs::read_to_string(&trace).unwrap_or_default();
    (told.collect(), injected.matches("(INJECTED)").count())
}

fn sweep(calls: &[&str], errors: &[&str]) {
    let mut failed = 0;
    for (call, error, on) in calls.iter().flat_map(|call| {
        errors.iter().flat_map(move |error| ["", "+"].map(|on| (*call, *error, on)))
    }) {
        for nth in 1..30 {
            let dir = tempfile::tempdir().unwrap();
            let file = AbsPath::new(dir.path().join("audit.jsonl")).unwrap();
            let (told, injected) = run(&file, call, error, &format!("{nth}{on}"), nth % 2 == 0);
            let at = format!("{call} {error} {nth}{on}: {told:?}");
            let appended = told.iter().filter(|told| *told == "appended").count();
            if injected == 0 {
                let least = if call == "renameat2" { 1 } else { 4 };
                assert!(nth > least, "called {} times: {at}", nth - 1);
                assert_eq!(appended, 4, "unharmed: {at}");
                break;
            }
            failed += 1;
            assert!(!told.is_empty(), "it ended without a word: {at}");
            // What follows is no worse than a torn line or a head that was not written.
            let report = verify(&file).unwrap();
            let records = report.as_ref().map_or(0, |report| report.last().0);
            let fault = report.and_then(|report| report.broken).map(|broken| broken.fault);
            let mild = [Fault::TornTail, Fault::Head, Fault::Signature];
            assert!(fault.is_none_or(|fault| mild.contains(&fault)), "{fault:?}: {at}");
            assert!(records >= appended as u64, "a record that was told is missing: {at}");
            if ["write", "pwrite64", "fdatasync", "fsync"].contains(&call) {
                assert!(appended < 4, "a failure was told as a success: {at}");
            }
        }
    }
    assert!(failed >= calls.len() * errors.len() * 2, "only {failed} runs met a failure");
}

#[test]
fn every_write_and_sync_of_the_log_fails_in_turn() {
    sweep(&["write", "pwrite64", "fdatasync", "fsync"], &["EIO", "ENOSPC", "EDQUOT"]);
}

#[test]
fn every_other_call_about_the_log_fails_in_turn() {
    sweep(&["openat", "flock", "renameat2"], &["EIO", "EROFS", "ENOSPC"]);
}
