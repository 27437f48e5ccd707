//! Several processes, killed processes, limits. The children are this test binary again,
//! running the one test that does nothing unless it is told to.

use ion::audit::{AuditLog, Draft, Kind, verify::Fault, verify::verify};
use ion::model::{AbsPath, Decision};
use ion::redact::Redactor;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const FILE: &str = "ION_TEST_AUDIT_FILE";
const COUNT: &str = "ION_TEST_AUDIT_COUNT";
const CHILD: &str = "audit::faults::child_appends_as_it_is_told";

pub fn draft(n: usize) -> Draft {
    let body = json!({"n": n, "call": {"tool": "Bash", "input": {"command": "x".repeat(100)}}});
    let body = Redactor::new(true, Vec::new()).for_log().json(&body);
    let decision = Some(Decision::Allow);
    Draft { kind: Kind::Decision, session: None, call_id: None, tool: None, decision, body }
}

#[test]
fn child_appends_as_it_is_told() {
    let Ok(file) = std::env::var(FILE) else { return };
    let count: usize = std::env::var(COUNT).unwrap().parse().unwrap();
    let log = AuditLog::open(&AbsPath::new(file).unwrap()).unwrap();
    for n in 0..count {
        if let Err(error) = log.append(&draft(n)) {
            println!("refused: {error}");
            return;
        }
    }
}

fn child(file: &Path, count: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", CHILD, "--nocapture"]).env(FILE, file).env(COUNT, count.to_string());
    command.stdout(Stdio::null());
    command
}

fn log() -> (tempfile::TempDir, AbsPath) {
    let dir = tempfile::tempdir().unwrap();
    let file = AbsPath::new(dir.path().join("audit.jsonl")).unwrap();
    (dir, file)
}

#[test]
fn two_processes_share_one_chain() {
    let (_dir, file) = log();
    let mut children: Vec<_> =
        (0..2).map(|_| child(file.as_path(), 200).spawn().unwrap()).collect();
    assert!(children.iter_mut().all(|child| child.wait().unwrap().success()));
    let report = verify(&file).unwrap().unwrap();
    assert_eq!((report.records, report.broken), (400, None));
}

#[test]
fn a_killed_writer_leaves_a_torn_tail_at_most() {
    let (_dir, file) = log();
    let mut repaired = 0;
    for run in 0..50u64 {
        let mut child = child(file.as_path(), 100_000).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(4000 + run * 377));
        child.kill().unwrap();
        child.wait().unwrap();
        if !file.as_path().exists() {
            continue;
        }
        // Killed between making the log and its head: there is no record to lose yet.
        if let Some(report) = verify(&file).unwrap() {
            let torn = |fault| fault == Fault::TornTail;
            assert!(report.broken.as_ref().is_none_or(|b| torn(b.fault)), "{:?}", report.broken);
        }
        AuditLog::open(&file).unwrap().append(&draft(0)).unwrap();
        let report = verify(&file).unwrap().unwrap();
        assert_eq!(report.broken, None, "the next run repairs it");
        repaired += 1;
    }
    // On a busy machine the first ones die before they make the log.
    assert!(repaired > 10 && verify(&file).unwrap().unwrap().records >= repaired);
}

#[test]
fn at_the_file_size_limit_the_record_is_refused_and_the_log_stays_good() {
    let (_dir, file) = log();
    let exe = std::env::current_exe().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg("trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact \"$1\" --nocapture");
    shell.arg(exe).arg(CHILD).env(FILE, file.as_path()).env(COUNT, "1000");
    let output = shell.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("refused: audit log") && told.contains("cannot write record"), "{told}");
    let report = verify(&file).unwrap().unwrap();
    assert_eq!(report.broken, None);
    assert!(report.records > 1);
    AuditLog::open(&file).unwrap().append(&draft(0)).unwrap();
    assert_eq!(verify(&file).unwrap().unwrap().records, report.records + 1);
}

const TOLD: &str = "audit::faults::child_tells_how_each_append_went";
const TELLING: &str = "ION_TEST_AUDIT_TELLING";

#[test]
fn child_tells_how_each_append_went() {
    let Ok(file) = std::env::var(TELLING) else { return };
    let Ok(log) = AuditLog::open(&AbsPath::new(file).unwrap()) else {
        return println!("\ntold: not opened");
    };
    let end = Draft { kind: Kind::SessionEnd, ..draft(1) };
    for draft in [&draft(0), &end, &draft(2), &draft(3)] {
        let went = if log.append(draft).is_ok() { "appended" } else { "refused" };
        println!("\ntold: {went}");
    }
}

#[test]
fn a_sync_that_fails_once_closes_the_log_for_good() {
    for (end, when, expected) in [
        ("", 1, vec!["refused"; 4]),
        ("", 2, vec!["appended", "refused", "refused", "refused"]),
        (".checkpoints", 1, vec!["not opened"]),
        (".checkpoints", 2, vec!["appended", "refused", "refused", "refused"]),
        (".checkpoints", 3, vec!["appended"; 4]),
    ] {
        let (_dir, file) = log();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(format!("{file}{end}"));
        strace.args(["-e", "trace=fdatasync", "-e"]);
        strace.arg(format!("inject=fdatasync:error=EIO:when={when}"));
        strace.arg(std::env::current_exe().unwrap()).args(["--exact", TOLD, "--nocapture"]);
        let output = strace.env(TELLING, file.to_string()).output().expect("strace");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("told: ")).collect();
        assert_eq!(told, expected, "{end} {when}: {text}");
        // What was given out as written is there, and what follows is no worse than a torn line.
        let appended = told.iter().filter(|went| **went == "appended").count() as u64;
        if let Some(report) = verify(&file).unwrap() {
            assert!(report.records >= appended, "{end} {when}: {report:?}");
            assert!(report.broken.is_none_or(|b| b.fault == Fault::TornTail));
        }
    }
}
