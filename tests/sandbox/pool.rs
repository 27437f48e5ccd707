//! Workers that answer one file tool's call after the other, over whole runs: that they are used
//! again, and that nothing which changed meanwhile is missed by it.

use crate::approve::host::Host;
use crate::support::Home;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A home with settings, and a script of calls, one a turn.
fn home(settings: &Value, calls: &[(&str, Value)]) -> Home {
    let home = Home::new();
    home.write("home/.ion/engine.json", &settings.to_string());
    let mut text = String::new();
    for (tool, input) in calls {
        let input: Vec<String> = input
            .as_object()
            .unwrap()
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        text.push_str(&format!(
            "[[turn]]\ntext = \"Now.\"\n[[turn.call]]\nname = \"{tool}\"\ninput = {{ {} }}\n",
            input.join(", ")
        ));
    }
    text.push_str("[[turn]]\ntext = \"The end.\"\n");
    home.write("work/s.toml", &text);
    home.write("work/a", "one\n");
    home
}

/// Settings under which `touch` asks, so that a test has time.
fn with_a_pause(sandbox: &Value) -> Value {
    json!({"permissions": {"ask": ["Bash(touch:*)"]}, "approvals": {"waitMs": 60_000}, "sandbox": sandbox})
}

/// Tool, outcome and how often the worker was used before, of each call.
fn outcomes(home: &Home) -> Vec<(String, String, u64)> {
    let output = home.run(&["audit", "list", "--json"]);
    let records = String::from_utf8(output.stdout).unwrap();
    let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_calls = records.filter(|record| record["kind"] == "outcome");
    let told = of_calls.map(|record| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let reused = record["body"]["enforced"]["reused"].as_u64().unwrap_or(0);
        (text(&record["tool"]), text(&record["body"]["outcome"]), reused)
    });
    told.collect()
}

/// All processes below one.
fn below(pid: u32) -> BTreeSet<u32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children: Vec<u32> =
        children.unwrap_or_default().split_whitespace().map(|n| n.parse().unwrap()).collect();
    children.iter().flat_map(|child| below(*child).into_iter().chain([*child])).collect()
}

fn all_gone(pids: &BTreeSet<u32>) {
    let until = Instant::now() + Duration::from_secs(5);
    let alive = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    while pids.iter().any(alive) {
        assert!(Instant::now() < until, "{:?} stay", pids.iter().filter(|p| alive(p)));
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn run(home: &Home) -> Value {
    let args = ["prompt", "--model", "scripted:s.toml", "--output", "json", "go"];
    let output = home.run(&args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn readers_share_one_worker_writers_another_and_commands_none() {
    for backend in ["bwrap", "userns", "landlock"] {
        let calls = [
            ("Read", json!({"file_path": "a"})),
            ("Write", json!({"file_path": "new", "content": "text"})),
            ("Grep", json!({"pattern": "on."})),
            ("Bash", json!({"command": "cat a"})),
            ("Edit", json!({"file_path": "new", "old_string": "text", "new_string": "more"})),
            ("Read", json!({"file_path": "nothing"})),
            ("Glob", json!({"pattern": "*"})),
            ("Bash", json!({"command": "cat new"})),
        ];
        let home = home(&json!({"sandbox": {"backend": backend}}), &calls);
        let end = run(&home);
        assert_eq!(end["permissionDenials"], json!([]), "{backend}: {end}");
        let told = outcomes(&home);
        let told: Vec<_> =
            told.iter().map(|(tool, ended, n)| (tool.as_str(), ended.as_str(), *n)).collect();
        let expected = [
            ("Read", "success", 0),
            ("Write", "success", 0),
            ("Grep", "success", 1),
            ("Bash", "success", 0),
            ("Edit", "success", 1),
            // A tool that fails has answered well.
            ("Read", "failure", 2),
            ("Glob", "success", 3),
            ("Bash", "success", 0),
        ];
        assert_eq!(told, expected, "{backend}");
        assert_eq!(std::fs::read_to_string(home.work().join("new")).unwrap(), "more");
        let output = home.run(&["audit", "list", "--json"]);
        let records = String::from_utf8(output.stdout).unwrap();
        let files: Vec<Value> = records
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|record| record["kind"] == "outcome")
            .map(|record| record["body"]["files"].clone())
            .filter(|files| !files.is_null())
            .collect();
        let path = home.work().join("new");
        let change = |op: &str, before: Value| {
            let mut file = json!({"path": path, "op": op, "after_bytes": 4});
            if !before.is_null() {
                file["before_bytes"] = before;
            }
            json!([file])
        };
        assert_eq!(
            files,
            [change("created", Value::Null), change("changed", json!(4))],
            "{backend}"
        );
        // The protection of the writer's worker went with it.
        let left: Vec<_> = std::fs::read_dir(home.work()).unwrap().flatten().collect();
        let left: BTreeSet<_> = left.iter().map(std::fs::DirEntry::file_name).collect();
        assert_eq!(left, ["a", "new", "s.toml"].map(Into::into).into(), "{backend}");
    }
}

#[test]
fn a_hidden_file_that_comes_or_is_replaced_meanwhile_is_not_seen() {
    for before in [None, Some("TOP old\n")] {
        for backend in ["bwrap", "userns"] {
            let calls = [
                ("Grep", json!({"pattern": "TOP", "output_mode": "content"})),
                ("Bash", json!({"command": "touch x"})),
                ("Grep", json!({"pattern": "TOP", "output_mode": "content"})),
                ("Read", json!({"file_path": "hidden"})),
            ];
            let home = home(&json!({}), &calls);
            let hidden = home.work().join("hidden");
            let sandbox = json!({"backend": backend, "hide": [hidden.display().to_string()]});
            home.write("home/.ion/engine.json", &with_a_pause(&sandbox).to_string());
            if let Some(text) = before {
                home.write("work/hidden", text);
            }
            let mut host = Host::start(&home);
            let first = host.event("tool_result");
            let id = host.asked();
            // As an editor saves: a new file in the place of the old one.
            home.write("work/.save", "TOP new\n");
            std::fs::rename(home.work().join(".save"), &hidden).unwrap();
            host.answer(&id, "allow");
            host.event("tool_result");
            let (second, third) = (host.event("tool_result"), host.event("tool_result"));
            for result in [first, second, third] {
                let output = result["output"].as_str().unwrap();
                assert!(!output.contains("TOP "), "{backend} {before:?}: {output}");
            }
            host.ended();
            let told = outcomes(&home);
            assert_eq!((told[2].2, told[3].2), (0, 1), "{backend}: a fresh one: {told:?}");
        }
    }
}

/// How a program of the host puts a new content at a name, `old` being what stood there.
type Renewal = fn(&std::path::Path);

/// ATTACK: the number of a removed file is given to the next one that is made, so that what stands
/// there looks like what was covered, while the covering went with the old file.
const RENEWALS: &[(&str, Renewal)] = &[
    ("unlink and create", |path| {
        std::fs::remove_file(path).unwrap();
        std::fs::write(path, "TOP new\n").unwrap();
    }),
    ("link, unlink and link back", |path| {
        let aside = path.with_extension("aside");
        std::fs::hard_link(path, &aside).unwrap();
        std::fs::remove_file(path).unwrap();
        std::fs::hard_link(&aside, path).unwrap();
        std::fs::remove_file(&aside).unwrap();
    }),
    ("unlink and create, over and over", |path| {
        for _ in 0..50 {
            std::fs::remove_file(path).unwrap();
            std::fs::write(path, "TOP new\n").unwrap();
        }
    }),
];

#[test]
fn a_hidden_file_that_is_made_anew_under_its_old_number_is_not_seen() {
    for (how, renew) in RENEWALS {
        for backend in ["bwrap", "userns"] {
            let calls = [
                ("Grep", json!({"pattern": "TOP", "output_mode": "content"})),
                ("Bash", json!({"command": "touch x"})),
                ("Grep", json!({"pattern": "TOP", "output_mode": "content"})),
                ("Read", json!({"file_path": "hidden"})),
            ];
            let home = home(&json!({}), &calls);
            let hidden = home.write("work/hidden", "TOP old\n");
            let sandbox = json!({"backend": backend, "hide": [hidden.display().to_string()]});
            home.write("home/.ion/engine.json", &with_a_pause(&sandbox).to_string());
            let mut host = Host::start(&home);
            host.event("tool_result");
            let id = host.asked();
            renew(&hidden);
            host.answer(&id, "allow");
            host.event("tool_result");
            for _ in 0..2 {
                let result = host.event("tool_result");
                let output = result["output"].as_str().unwrap();
                assert!(!output.contains("TOP "), "{backend}, {how}: {output}");
            }
            host.ended();
        }
    }
}

#[test]
fn a_protected_file_that_is_made_anew_under_its_old_number_stays_as_it_is() {
    for (how, renew) in RENEWALS {
        for backend in ["bwrap", "userns"] {
            let calls = [
                ("Write", json!({"file_path": "first", "content": "x"})),
                ("Bash", json!({"command": "touch x"})),
                ("Write", json!({"file_path": ".kept", "content": "evil"})),
            ];
            let sandbox = json!({"backend": backend, "protect": [".kept"]});
            let home = home(&with_a_pause(&sandbox), &calls);
            let kept = home.write("work/.kept", "old\n");
            let mut host = Host::start(&home);
            host.event("tool_result");
            let id = host.asked();
            renew(&kept);
            let before = std::fs::read_to_string(&kept).unwrap();
            host.answer(&id, "allow");
            host.event("tool_result");
            let last = host.event("tool_result");
            host.ended();
            assert_eq!(std::fs::read_to_string(&kept).unwrap(), before, "{backend}, {how}: {last}");
            assert_eq!(last["isError"], true, "{backend}, {how}: {last}");
        }
    }
}

#[test]
fn a_worker_that_was_killed_while_it_waited_is_not_missed() {
    for backend in ["bwrap", "userns", "landlock"] {
        let calls = [
            ("Read", json!({"file_path": "a"})),
            ("Bash", json!({"command": "touch x"})),
            ("Read", json!({"file_path": "a"})),
        ];
        let home = home(&with_a_pause(&json!({"backend": backend})), &calls);
        let mut host = Host::start(&home);
        host.event("tool_result");
        let id = host.asked();
        let workers = below(host.id());
        assert!(!workers.is_empty(), "{backend}: one waits");
        for pid in &workers {
            let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        host.answer(&id, "allow");
        host.event("tool_result");
        let last = host.event("tool_result");
        assert!(last["output"].as_str().unwrap().contains("one"), "{backend}: {last}");
        host.ended();
        let told = outcomes(&home);
        assert_eq!((told[2].1.as_str(), told[2].2), ("success", 0), "{backend}: {told:?}");
    }
}

#[test]
fn workers_that_wait_end_with_ion_however_it_ends() {
    for backend in ["bwrap", "userns", "landlock"] {
        for killed in [true, false] {
            let calls = [
                ("Read", json!({"file_path": "a"})),
                ("Write", json!({"file_path": "b", "content": "x"})),
                ("Bash", json!({"command": "touch x"})),
            ];
            let home = home(&with_a_pause(&json!({"backend": backend})), &calls);
            let mut host = Host::start(&home);
            let id = host.asked();
            let workers = below(host.id());
            assert!(workers.len() >= 2, "{backend}: {workers:?}");
            match killed {
                true => host.kill(),
                false => {
                    host.answer(&id, "deny");
                    host.ended();
                }
            }
            all_gone(&workers);
        }
    }
}
