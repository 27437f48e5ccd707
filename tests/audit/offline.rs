//! The program that `docs/audit.md` gives to outsiders does what it says.

use super::faults::draft;
use ion::audit::{AuditLog, Draft, Kind, Origin, Settings};
use ion::model::AbsPath;
use std::process::Command;

#[test]
fn the_documented_python_program_agrees_with_ion() {
    let page = include_str!("../../docs/audit.md");
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let log = AuditLog::open(&AbsPath::new(&path).unwrap()).unwrap();
    for n in 0..20 {
        log.append(&draft(n)).unwrap();
    }
    let check = || {
        let output = Command::new("python3").arg("-c").arg(program).arg(&path).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(check(), (true, "intact: 20 records\n".to_owned()));
    let whole = std::fs::read(&path).unwrap();
    let line = whole.iter().rposition(|&b| b == b'"').unwrap();
    for damaged in [
        [&whole[..100], b"#", &whole[101..]].concat(),
        whole[whole.iter().position(|&b| b == b'\n').unwrap() + 1..].to_vec(),
        whole[..=whole[..line].iter().rposition(|&b| b == b'\n').unwrap()].to_vec(),
        whole[..whole.len() - 1].to_vec(),
    ] {
        std::fs::write(&path, damaged).unwrap();
        assert!(!check().0, "the program saw nothing");
    }
}

#[test]
fn the_documented_program_checks_the_signatures_with_openssl() {
    let page = include_str!("../../docs/audit.md");
    let program = page.split("```python\n").nth(2).unwrap().split("```").next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let checkpoints = dir.path().join("audit.jsonl.checkpoints");
    let log = AuditLog::open(&AbsPath::new(&path).unwrap()).unwrap();
    for n in 0..3 {
        log.append(&draft(n)).unwrap();
    }
    log.append(&Draft { kind: Kind::SessionEnd, ..draft(3) }).unwrap();
    let check = |key: &str| {
        let mut python = Command::new("python3");
        python.arg("-c").arg(program).arg(&path);
        if !key.is_empty() {
            python.arg(key);
        }
        let output = python.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(check(""), (true, "signed: 2 statements\n".to_owned()));
    assert!(!check(&"0".repeat(64)).0, "another key");
    let whole = std::fs::read(&checkpoints).unwrap();
    for at in [8, 30, 100, 200, whole.len() - 10] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&checkpoints, &bytes).unwrap();
        assert!(!check("").0, "byte {at}");
    }
}

/// The `index`-th program of the page on this log.
fn program(index: usize, path: &std::path::Path) -> (bool, String) {
    let page = include_str!("../../docs/audit.md");
    let program = page.split("```python\n").nth(index).unwrap().split("```").next().unwrap();
    let output = Command::new("python3").arg("-c").arg(program).arg(path).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn the_documented_programs_read_a_log_of_several_files_of_which_some_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let file = AbsPath::new(&path).unwrap();
    let open = |keep_seconds| {
        let settings = Settings { rotate_bytes: 2000, keep_seconds, ..Settings::default() };
        AuditLog::open_as(&file, Origin::here(None), settings).unwrap()
    };
    let all = open(None);
    for n in 0..20 {
        all.append(&draft(n)).unwrap();
    }
    let (fine, told) = program(1, &path);
    assert!(fine && told.starts_with("intact: ") && !told.contains("from"), "{told}");
    let forgetful = open(Some(0));
    for n in 0..10 {
        forgetful.append(&draft(n)).unwrap();
    }
    // One closed file stays beside what was removed.
    for n in 0..6 {
        all.append(&draft(n)).unwrap();
    }
    let report = ion::audit::verify::verify(&file).unwrap().unwrap();
    assert!(report.retired > 0 && report.broken.is_none(), "{report:?}");
    let expected = format!("intact: {} records, from {} on\n", report.records, report.retired + 1);
    assert_eq!(program(1, &path), (true, expected));
    assert!(program(2, &path).0);
    let list = dir.path().join("audit.jsonl.retired");
    let whole = std::fs::read(&list).unwrap();
    for at in [20, 60, 150, whole.len() - 10] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&list, &bytes).unwrap();
        assert!(!program(2, &path).0, "byte {at}");
    }
    std::fs::remove_file(&list).unwrap();
    assert!(!program(1, &path).0, "the removed files are not stated any more");
}
