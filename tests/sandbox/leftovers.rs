//! Whoever is killed, cancelled or dropped, and whenever: no process, mount or temporary folder
//! of a call stays. Processes are counted, not their effects: an idle one is a leak as well.

use super::stage::{ALL, CONFINING, EVERYBODY, Scene, Stage, Who, text};
use serde_json::json;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

fn random_below(bound: u64) -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish() % bound
}

/// Every process that has to do with the stage: its path is in the command line, or mounted.
pub fn processes(stage: &Stage) -> Vec<(i32, String)> {
    let marker = text(&stage.path(""));
    let marker = marker.trim_end_matches('/');
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |file: &str| {
            let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let line = read("cmdline");
        if line.contains(marker) || read("mountinfo").contains(marker) {
            found.push((pid, format!("{} {line}", read("wchan"))));
        }
    }
    found
}

/// Fails unless all are gone within three seconds, and the temporary folder is empty.
fn nothing_is_left(stage: &Stage, what: &str) {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        let left = processes(stage);
        let folders = std::fs::read_dir(stage.path("tmp")).unwrap().count();
        if left.is_empty() && folders == 0 {
            return;
        }
        assert!(Instant::now() < until, "{what}: {left:#?}, {folders} temporary folders");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn kill_at_random(scene: Scene<'_>, longest_us: u64) {
    let delay = random_below(longest_us);
    let mut ion = scene.start();
    std::thread::sleep(Duration::from_micros(delay));
    ion.kill().unwrap();
    ion.wait().unwrap();
}

#[test]
fn a_kill_of_ion_at_any_moment_leaves_no_process() {
    for backend in ALL {
        let stage = Stage::new(Who::Me);
        for round in 0..100 {
            // Builds without optimisation need longer than 30 ms to get anywhere.
            let longest = if round % 2 == 0 { 30_000 } else { 120_000 };
            kill_at_random(stage.bash(backend, "sleep 60"), longest);
        }
        nothing_is_left(&stage, backend);
    }
}

/// The narrow place: bubblewrap has made its child, which waits for one write of its parent. The
/// write is held up (by `strace`), so that the kill falls between the two.
#[test]
fn a_kill_of_ion_while_bubblewrap_makes_namespaces_leaves_no_process() {
    let stage = Stage::new(Who::Me);
    let slow = "inject=write:delay_enter=60000";
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=write", "-e", slow];
    for _ in 0..6 {
        let mut tracer = stage.bash("bwrap", "sleep 60").under(&strace).start();
        let until = Instant::now() + Duration::from_secs(20);
        let ion = loop {
            let all = processes(&stage);
            let count = |part: &str| all.iter().filter(|(_, line)| line.contains(part)).count();
            let ion = all
                .iter()
                .find(|(_, line)| line.contains("__worker rehearse") && !line.contains("strace"));
            if let Some((pid, _)) = ion
                && count("/usr/bin/bwrap --unshare") >= 2
            {
                break *pid;
            }
            assert!(Instant::now() < until, "bubblewrap never came: {all:#?}");
        };
        let pid = rustix::process::Pid::from_raw(ion).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        nothing_is_left(&stage, "bwrap");
        tracer.wait().unwrap();
    }
}

#[test]
fn a_kill_of_ion_during_a_file_tool_leaves_no_process() {
    for backend in ALL {
        let stage = Stage::new(Who::Me);
        for _ in 0..12 {
            let input = json!({"pattern": "no such text", "path": "/usr"});
            let scene = stage.scene(backend, "Grep", input).with("paths", vec!["/usr"]);
            kill_at_random(scene, 300_000);
        }
        nothing_is_left(&stage, backend);
    }
}

#[test]
fn cancelling_at_any_moment_leaves_no_process() {
    for who in EVERYBODY {
        for backend in ALL {
            let stage = Stage::new(who);
            for round in 0..20 {
                let scene = match round % 4 {
                    0 => {
                        let input = json!({"pattern": "no such text", "path": "/usr"});
                        stage.scene(backend, "Grep", input).with("paths", vec!["/usr"])
                    }
                    _ => stage.bash(backend, "sleep 60"),
                };
                let ms = random_below(100);
                let played = scene.with("cancel_after_ms", ms).play();
                assert_eq!(played.error(), Some("cancelled"), "{:#}", played.0);
            }
            nothing_is_left(&stage, backend);
        }
    }
}

#[test]
fn a_time_out_during_the_start_or_the_call_leaves_no_process() {
    for backend in ALL {
        let stage = Stage::new(Who::Me);
        for ms in [0, 1, 5, 50] {
            stage.bash(backend, "sleep 60").with("wall_ms", ms).play();
            let input = json!({"pattern": "no such text", "path": "/usr"});
            let scene = stage.scene(backend, "Grep", input).with("paths", vec!["/usr"]);
            scene.with("wall_ms", ms).play();
        }
        nothing_is_left(&stage, backend);
    }
}

#[test]
fn a_killed_supervisor_takes_its_descendants_along() {
    for backend in ALL.into_iter().filter(|name| !super::stage::has_view(name)) {
        let stage = Stage::new(Who::Me);
        let command =
            "(setsid sleep 61 &); (setsid sh -c 'sleep 62; true' &) ; touch ready; sleep 60";
        let mut ion = stage.bash(backend, command).start();
        while !stage.path("work/ready").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let children = format!("/proc/{0}/task/{0}/children", ion.id());
        let supervisor = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(supervisor).unwrap();
        let before = sleepers();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        ion.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(3);
        while before.iter().any(|pid| sleepers().contains(pid)) {
            assert!(Instant::now() < until, "{backend}: {:?}", sleepers());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Process numbers of the sleepers of the test above.
fn sleepers() -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line == b"sleep\x0061\0" || line == b"sleep\x0062\0" {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    assert!(found.len() < 1000);
    found
}

#[test]
fn a_worker_made_ready_for_another_tool_is_not_used_and_ends() {
    for backend in CONFINING {
        let stage = Stage::new(Who::Me);
        for ready in ["Read", "Bash", "-"] {
            let scene = stage.bash(backend, "echo x > made && cat made").with("ready", ready);
            assert_eq!(scene.play().ok(), "x\n", "{backend} after {ready}");
        }
        let path = text(&stage.path("work/made"));
        let input = json!({"file_path": path});
        let scene = stage.scene(backend, "Read", input).with("paths", vec![path]);
        assert!(scene.with("ready", "Bash").play().ok().contains('x'));
        nothing_is_left(&stage, backend);
    }
}
