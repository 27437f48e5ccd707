//! Several processes, killed processes, limits. The children are this test binary again,
//! running the one test that does nothing unless it is told to.

use ion::audit::settings::Sync;
use ion::audit::{AuditLog, Draft, Kind, Origin, Settings, verify::Fault, verify::verify};
use ion::model::{AbsPath, Decision};
use ion::redact::Redactor;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const FILE: &str = "ION_TEST_AUDIT_FILE";
const COUNT: &str = "ION_TEST_AUDIT_COUNT";
const OPENED: &str = "the log is open";
const CHILD: &str = "audit::faults::child_appends_as_it_is_told";

pub fn draft(n: usize) -> Draft {
    let body = json!({"n": n, "call": {"tool": "Bash", "input": {"command": "x".repeat(100)}}});
    // Masks nothing: to build one that does takes longer than many appends.
    let body = Redactor::new(false, Vec::new()).json(&body);
    let decision = Some(Decision::Allow);
    Draft { kind: Kind::Decision, session: None, call_id: None, tool: None, decision, body }
}

#[test]
fn child_appends_as_it_is_told() {
    let Ok(file) = std::env::var(FILE) else { return };
    let count: usize = std::env::var(COUNT).unwrap().parse().unwrap();
    // Small files, so that each of the moments at which one is begun and removed comes often.
    let settings = Settings { rotate_bytes: 20_000, keep_seconds: Some(0), ..Settings::default() };
    let settings = if count > 1000 { settings } else { Settings::default() };
    let log =
        AuditLog::open_as(&AbsPath::new(file).unwrap(), Origin::here(None), settings).unwrap();
    let draft = draft(0);
    println!("{OPENED}");
    for _ in 0..count {
        if let Err(error) = log.append(&draft) {
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
    let (mut by_children, repair) = (0, draft(0));
    for run in 0..500u64 {
        let before = verify(&file).unwrap().map_or(0, |report| report.last().0);
        let mut child = child(file.as_path(), 100_000).stdout(Stdio::piped()).spawn().unwrap();
        // Killed while it opens the log, and while it appends, begins files and removes them.
        if run % 5 != 0 {
            let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(told.any(|line| line.unwrap().contains(OPENED)), "{run}");
        }
        // Now and then long enough to see a file begun and removed to the end.
        let long = if run % 10 == 7 { 300_000 } else { 0 };
        std::thread::sleep(Duration::from_micros(run % 50 * 197 + long));
        child.kill().unwrap();
        child.wait().unwrap();
        if !file.as_path().exists() {
            continue;
        }
        // Killed between making the log and its head: there is no record to lose yet.
        if let Some(report) = verify(&file).unwrap() {
            let torn = |fault| fault == Fault::TornTail;
            assert!(report.broken.as_ref().is_none_or(|b| torn(b.fault)), "{:?}", report.broken);
            assert!(report.last().0 >= before, "nothing that was there is gone");
            by_children += report.last().0 - before;
        }
        AuditLog::open(&file).unwrap().append(&repair).unwrap();
        let report = verify(&file).unwrap().unwrap();
        assert_eq!(report.broken, None, "the next run repairs it");
    }
    let report = verify(&file).unwrap().unwrap();
    assert!(by_children > 1000, "the children wrote {by_children} records");
    assert!(report.retired > 0, "files were begun and removed meanwhile: {report:?}");
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

pub const TOLD: &str = "audit::faults::child_tells_how_each_append_went";
pub const TELLING: &str = "ION_TEST_AUDIT_TELLING";
pub const LAZY: &str = "ION_TEST_AUDIT_LAZY";
/// Begins and removes files all the time.
pub const ROTATING: &str = "ION_TEST_AUDIT_ROTATING";

#[test]
fn child_tells_how_each_append_went() {
    let Ok(file) = std::env::var(TELLING) else { return };
    let sync = match std::env::var(LAZY) {
        Ok(_) => Sync::Checkpoint,
        Err(_) => Sync::Always,
    };
    let settings = match std::env::var(ROTATING) {
        Ok(_) => Settings { sync, rotate_bytes: 800, keep_seconds: Some(0), ..Settings::default() },
        Err(_) => Settings { sync, ..Settings::default() },
    };
    let file = AbsPath::new(file).unwrap();
    let Ok(log) = AuditLog::open_as(&file, Origin::here(None), settings) else {
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

/// What is appended is synced before a signature vouches for it, or a power cut could leave a
/// signed record that is not there.
#[test]
fn records_that_are_not_synced_one_by_one_are_synced_before_a_signature() {
    for (when, expected) in [
        (1, ["appended", "refused", "refused", "refused"]),
        (2, ["appended", "appended", "appended", "appended"]),
    ] {
        let (_dir, file) = log();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-P"]).arg(file.to_string());
        strace.args(["-e", "trace=fdatasync", "-e"]);
        strace.arg(format!("inject=fdatasync:error=EIO:when={when}"));
        strace.arg(std::env::current_exe().unwrap()).args(["--exact", TOLD, "--nocapture"]);
        strace.env(TELLING, file.to_string()).env(LAZY, "1");
        let output = strace.output().expect("strace");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("told: ")).collect();
        assert_eq!(told, expected, "{when}: {text}");
    }
}
