//! `ion sandbox run`: what passes through, what ends a command, what it refuses.

use super::leftovers::processes;
use super::stage::{CANARY, CONFINING, EVERYBODY, Stage, Who, everywhere};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// With a view of their own.
const VIEWS: [&str; 2] = ["bwrap", "userns"];

fn ion(stage: &Stage, backend: &str, options: &[&str], command: &[&str]) -> Command {
    let mut words = vec!["sandbox", "run", "--backend", backend];
    words.extend(options);
    words.push("--");
    words.extend(command);
    let mut ion = stage.program(&words);
    ion.current_dir(stage.work());
    ion
}

fn shell(stage: &Stage, backend: &str, options: &[&str], script: &str) -> Output {
    ion(stage, backend, options, &["/bin/bash", "-c", script])
        .stdin(Stdio::null())
        .output()
        .expect("ion runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn streams_and_exit_codes_pass_through() {
    everywhere(|stage, backend| {
        let mut child = ion(stage, backend, &[], &["/bin/sh", "-c", "cat; echo e >&2; exit 7"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"hello").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(out(&output), "hello", "{backend}");
        assert!(err(&output).ends_with("e\n"), "{}", err(&output));
        assert_eq!(output.status.code(), Some(7));
        assert_eq!(shell(stage, backend, &[], "kill -9 $$").status.code(), Some(137));
        let missing = ion(stage, backend, &[], &["/no/such"]).output().unwrap();
        assert_eq!(missing.status.code(), Some(127), "{}", err(&missing));
        let refused = ion(stage, backend, &[], &["/etc/passwd"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(126), "{}", err(&refused));
    });
}

#[test]
fn what_the_starter_holds_stays_outside() {
    everywhere(|stage, backend| {
        let script = format!(
            "env; cat /proc/*/environ; cat {0}/home/.ssh/id_rsa {0}/outside/file; \
             cat /proc/1/root{0}/outside/file; echo > {0}/outside/new; true",
            stage.path("").display()
        );
        let output = shell(stage, backend, &[], &script);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(!out(&output).contains(CANARY), "{backend}: {}", out(&output));
        assert!(!stage.path("outside/new").exists());
    });
}

#[test]
fn a_signal_reaches_the_command_and_a_limit_ends_it_with_all_it_started() {
    everywhere(|stage, backend| {
        let script = "trap 'echo got; exit 3' TERM; echo ready > ready; sleep 30 & wait";
        let child = ion(stage, backend, &[], &["/bin/bash", "-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while !stage.path("work/ready").exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((out(&output).as_str(), output.status.code()), ("got\n", Some(3)), "{backend}");
        let slow = "trap '' TERM; (setsid sleep 99 &); sleep 30; sleep 30";
        let output = shell(stage, backend, &["--timeout", "200ms"], slow);
        assert_eq!(output.status.code(), Some(124), "{}", err(&output));
        let many = "for i in $(seq 200); do sleep 9 & done; wait";
        let output = shell(stage, backend, &["--pids", "20"], many);
        assert!(!output.status.success(), "{backend}: {}", err(&output));
        let much = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo done";
        let output = shell(stage, backend, &["--memory", "40M"], much);
        assert_eq!(output.status.code(), Some(137), "{backend}: {}", err(&output));
        assert!(err(&output).contains("--memory"), "{}", err(&output));
        // Each for itself stays below the limit.
        let busy = "for i in 1 2 3 4; do (while :; do :; done) & done; wait";
        let output = shell(stage, backend, &["--cpu", "1"], busy);
        assert_eq!(output.status.code(), Some(137), "{backend}: {}", err(&output));
        assert!(err(&output).contains("--cpu"), "{}", err(&output));
        assert!(processes(stage).is_empty(), "{:#?}", processes(stage));
    });
}

#[test]
fn killed_at_any_moment_nothing_of_it_stays() {
    for who in EVERYBODY {
        for backend in CONFINING {
            let stage = Stage::new(who);
            for round in 0..12_u64 {
                let script = "(setsid sleep 77 &); sleep 77";
                let mut child = ion(&stage, backend, &[], &["/bin/sh", "-c", script])
                    .stdin(Stdio::null())
                    .spawn()
                    .unwrap();
                std::thread::sleep(Duration::from_millis(round * 4));
                child.kill().unwrap();
                assert_eq!(child.wait().unwrap().signal(), Some(9));
                let until = Instant::now() + Duration::from_secs(4);
                while !processes(&stage).is_empty() {
                    assert!(Instant::now() < until, "{backend}: {:#?}", processes(&stage));
                    std::thread::sleep(Duration::from_millis(10));
                }
                let left = std::fs::read_dir(stage.path("tmp")).unwrap().count();
                assert_eq!(left, 0, "{backend}, round {round}: a temporary folder stays");
            }
        }
    }
}

#[test]
fn below_what_is_asked_nothing_runs() {
    let stage = Stage::new(Who::Me);
    for (backend, options) in [
        ("landlock", &["--profile", "strict"][..]),
        ("birdcage", &["--profile", "strict"]),
        ("none", &[]),
        ("nonsense", &[]),
    ] {
        let output = shell(&stage, backend, options, "echo ran > ran");
        assert_eq!(output.status.code(), Some(2), "{backend}: {}", err(&output));
        assert!(err(&output).contains("did not run"), "{}", err(&output));
        assert!(!stage.path("work/ran").exists());
    }
    let folder = std::fs::File::open(stage.path("outside")).unwrap();
    let output = ion(&stage, "userns", &[], &["/bin/sh", "-c", "cat /proc/self/fd/0/file"])
        .stdin(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(!out(&output).contains(CANARY));
}

#[test]
fn a_stream_cannot_be_opened_again_for_more_than_it_was() {
    everywhere(|stage, backend| {
        let file = std::fs::File::open(stage.path("outside/file")).unwrap();
        let script = "cat; echo pwned > /proc/self/fd/0; echo pwned > /dev/stdin";
        let output =
            ion(stage, backend, &[], &["/bin/sh", "-c", script]).stdin(file).output().unwrap();
        assert!(out(&output).contains(CANARY), "it was given to read: {}", err(&output));
        assert_eq!(std::fs::read_to_string(stage.path("outside/file")).unwrap(), CANARY);
    });
}

#[test]
fn a_repository_planted_in_the_workspace_itself_is_undone() {
    everywhere(|stage, backend| {
        let script = "mkdir objects refs; echo 'ref: refs/heads/x' > HEAD; echo > config";
        let output = shell(stage, backend, &[], script);
        assert_eq!(output.status.code(), Some(1), "{}", err(&output));
        assert!(!stage.path("work/HEAD").exists() && stage.path("work/refs").exists());
    });
}

#[test]
fn a_commondir_planted_in_a_repository_is_undone() {
    everywhere(|stage, backend| {
        assert!(stage.shell(&format!("git init -q {}", stage.work().display())).status.success());
        stage.hand_over();
        let output = shell(stage, backend, &[], "echo /tmp/evil > .git/commondir");
        assert!(!output.status.success(), "{backend}: {}", err(&output));
        assert!(!stage.path("work/.git/commondir").exists());
    });
}

/// In a view of its own; under Landlock there are neither sockets nor terminals.
#[test]
fn a_server_and_its_client_and_a_shell_with_job_control_work() {
    for who in EVERYBODY {
        for backend in VIEWS {
            let stage = Stage::new(who);
            let program = "
import socket, threading, pty, os
s = socket.create_server(('127.0.0.1', 0))
t = threading.Thread(target=lambda: s.accept()[0].sendall(b'served'))
t.start()
print(socket.create_connection(s.getsockname()).recv(9))
pid, fd = pty.fork()
if pid == 0: os.execv('/bin/bash', ['bash', '--norc', '-i'])
os.write(fd, b'sleep 60 &\\nkill %1\\nwait\\necho end$((1+1))\\nexit\\n')
said = b''
try:
    while chunk := os.read(fd, 999): said += chunk
except OSError: pass
print(said.decode())
";
            let output = ion(&stage, backend, &[], &["/usr/bin/python3", "-c", program])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = out(&output);
            assert!(said.contains("served") && said.contains("end2"), "{said}{}", err(&output));
            assert!(!said.contains("no job control"), "{said}");
        }
    }
}

/// Groups of Ion's in the control groups of version 2, wherever they are mounted.
fn groups() -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let tree = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let Some(tree) = tree.and_then(|line| line.split(' ').nth(4)) else { return Vec::new() };
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(tree)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                found.extend(name.starts_with("ion-").then_some(name));
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Where this machine delegates control groups the kernel holds the limit, also of root under
/// Landlock alone; elsewhere `doctor` says why not, and no group is made.
#[test]
fn the_kernel_holds_a_limit_on_processes_where_groups_are_delegated() {
    let asked = std::cell::Cell::new(None);
    everywhere(|stage, backend| {
        // Once for each user; it takes its time.
        if backend == CONFINING[0] {
            let doctor = stage.program(&["sandbox", "doctor", "--json"]).output().unwrap();
            let told: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
            asked.set(told["kernel"]["cgroupDelegated"].as_bool());
        }
        // `RLIMIT_NPROC` holds everybody else.
        let root = stage.who == Who::Me && super::stage::is_root();
        let delegated = asked.get().expect("an answer of doctor") && root;
        let script = "import os, time\n\
                      made = 0\n\
                      try:\n\
                      \x20   while made < 400:\n\
                      \x20       if os.fork() == 0:\n\
                      \x20           time.sleep(3); os._exit(0)\n\
                      \x20       made += 1\n\
                      except OSError: pass\n\
                      open('made', 'w').write(str(made))\n\
                      time.sleep(0.3)\n";
        let child = ion(stage, backend, &["--pids", "40"], &["/usr/bin/python3", "-c", script])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let own = format!("ion-{}-", child.id());
        let (mut seen, until) = (false, Instant::now() + Duration::from_secs(20));
        let mut child = child;
        while child.try_wait().unwrap().is_none() && Instant::now() < until {
            seen |= groups().iter().any(|name| name.starts_with(&own));
            std::thread::sleep(Duration::from_millis(2));
        }
        child.wait().unwrap();
        assert_eq!(
            seen, delegated,
            "{backend}: a group is made where one may be, and nowhere else"
        );
        assert!(!groups().iter().any(|name| name.starts_with(&own)), "{backend}: it stays");
        let made = std::fs::read_to_string(stage.path("work/made")).unwrap_or_default();
        if delegated {
            // Killed by the watch before it could write, or stopped by the kernel.
            assert!(made.is_empty() || made.parse::<u32>().unwrap() <= 41, "{backend}: {made}");
        }
        let _ = std::fs::remove_file(stage.path("work/made"));
    });
}
