//! The worker's half of the conversation, spoken to directly.

use super::stage::{Stage, Who, text};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};

fn setup(stage: &Stage, backend: &str) -> Value {
    json!({
        "backend": backend, "cwd": text(&stage.work()), "environment": [], "read": ["/usr", "/bin", "/lib", "/lib64", "/proc"],
        "write": [text(&stage.work())], "devices": ["/dev/null"],
        "workspace": text(&stage.work()), "pinned": [], "network": "none", "errand": "tool", "temporary": null,
        "outside": [], "processes": null, "file_size": null, "open_files": null,
    })
}

fn call(command: &str) -> Value {
    json!({
        "id": "c", "digest": "d", "tool": "Bash", "input": {"command": command}, "paths": [],
        "wall_ms": 5000, "output_bytes": 1000, "writable": [],
    })
}

#[test]
fn a_body_starts_only_after_a_report_and_one_complete_call() {
    for role in ["run", "supervise"] {
        let stage = Stage::new(Who::Me);
        let whole = call("touch ran").to_string();
        // Every way in which a parent can go away before the last byte of the call.
        let cuts = [0, 1, whole.len() / 2, whole.len()];
        for cut in cuts {
            let mut worker = stage.start(&["__worker", role]);
            let mut input = worker.stdin.take().unwrap();
            writeln!(input, "{}", setup(&stage, "landlock")).unwrap();
            let mut output = BufReader::new(worker.stdout.take().unwrap());
            let mut report = String::new();
            output.read_line(&mut report).unwrap();
            let report: Value = serde_json::from_str(&report).unwrap();
            assert_eq!(report["seccomp"], true, "{report}");
            input.write_all(&whole.as_bytes()[..cut]).unwrap();
            drop(input);
            let mut rest = String::new();
            output.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "", "{role} answered half a call");
            worker.wait().unwrap();
            assert!(!stage.path("work/ran").exists(), "{role} ran after {cut} bytes");
        }
    }
}

#[test]
fn a_malformed_setup_or_call_ends_the_worker_without_a_reply() {
    let stage = Stage::new(Who::Me);
    let good = setup(&stage, "landlock").to_string();
    let mut extra = call("touch ran");
    extra["sudo"] = true.into();
    let unknown = extra.to_string();
    let cases: [&[&str]; 4] =
        [&["{}"], &["nonsense"], &[good.as_str(), "{}"], &[good.as_str(), unknown.as_str()]];
    for lines in cases {
        for role in ["run", "supervise"] {
            let mut worker = stage.start(&["__worker", role]);
            let mut input = worker.stdin.take().unwrap();
            for line in lines {
                let _ = writeln!(input, "{line}");
            }
            let mut text = String::new();
            worker.stdout.take().unwrap().read_to_string(&mut text).unwrap();
            assert!(text.lines().count() < 2, "{role}: {text}");
            assert!(!worker.wait().unwrap().success(), "{role} {lines:?}");
        }
    }
    assert!(!stage.path("work/ran").exists());
}

#[test]
fn a_promise_that_is_not_kept_is_found_from_inside() {
    // `bwrap` was promised, but nobody made a view: the worker's own report gives it away.
    let stage = Stage::new(Who::Me);
    let mut worker = stage.start(&["__worker", "run"]);
    let mut input = worker.stdin.take().unwrap();
    let mut lie = setup(&stage, "bwrap");
    let own = |name: &str| std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    lie["outside"] = ["user", "pid", "net"].map(|name| json!([name, own(name)])).to_vec().into();
    writeln!(input, "{lie}").unwrap();
    let mut report = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["first_process"], false, "{report}");
    assert_eq!(report["namespaces"], json!([]), "{report}");
    drop(input);
    worker.wait().unwrap();
}

#[test]
fn a_mount_that_shows_another_folder_than_planned_is_found_from_inside() {
    let stage = Stage::new(Who::Me);
    let (work, outside) = (text(&stage.work()), text(&stage.path("outside")));
    let pinned = text(&stage.path("work/sub"));
    let bound = |from: &str| vec!["--bind".to_owned(), from.to_owned(), pinned.clone()];
    let empty = vec!["--tmpfs".to_owned(), pinned.clone()];
    let cases = [
        ("pinned", bound(&pinned), true),
        ("pinned", bound(&outside), false),
        ("pinned", empty.clone(), false),
        ("pinned", vec![], false),
        ("sealed", empty, true),
        ("sealed", bound(&pinned), false),
        ("sealed", bound(&outside), false),
        ("sealed", vec![], false),
    ];
    for (kind, mount, right) in cases {
        let mut bwrap = std::process::Command::new("bwrap");
        bwrap.args(["--unshare-all", "--as-pid-1", "--ro-bind", "/", "/", "--proc", "/proc"]);
        bwrap.args(["--bind", &work, &work]).args(mount);
        bwrap.arg("--").arg(stage.path("ion")).args(["__worker", "run"]);
        bwrap.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        bwrap.stderr(std::process::Stdio::null());
        let mut worker = bwrap.spawn().unwrap();
        let mut plan = setup(&stage, "bwrap");
        plan[kind] = json!([pinned]);
        let mut input = worker.stdin.take().unwrap();
        writeln!(input, "{plan}").unwrap();
        let mut report = String::new();
        BufReader::new(worker.stdout.take().unwrap()).read_line(&mut report).unwrap();
        let report: Value = serde_json::from_str(&report).unwrap();
        let failed = report["failed"].as_str().unwrap_or_default();
        assert_eq!(failed.is_empty(), right, "{report}");
        assert!(right || failed.contains("the workspace changed"), "{report}");
        drop(input);
        worker.wait().unwrap();
    }
}

#[test]
fn the_binary_without_a_role_does_nothing() {
    let stage = Stage::new(Who::Me);
    for role in [&["__worker"][..], &["__worker", "launch"]] {
        let output = stage.start(role).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
    }
}
