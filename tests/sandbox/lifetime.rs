//! Nothing that a call started outlives it, whoever dies first.

use super::stage::{ALL, EVERYBODY, Stage, everywhere};
use std::path::Path;
use std::time::{Duration, Instant};

/// Tries to survive: out of the group, out of the session, deaf to TERM, parents gone.
const SURVIVOR: &str = "(setsid bash -c 'trap \"\" TERM HUP INT; (while :; do touch alive; sleep 0.02; done) & \
                        while :; do touch alive; sleep 0.02; done' >/dev/null 2>&1 &)";

fn appears(path: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "{} never appeared", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether the file stays away once removed, looked at long enough for a survivor to betray
/// itself (it touches the file every 20 ms).
fn is_quiet(path: &Path) -> bool {
    let _ = std::fs::remove_file(path);
    std::thread::sleep(Duration::from_millis(300));
    !path.exists()
}

/// Quiet within two seconds.
fn falls_silent(path: &Path) {
    let until = Instant::now() + Duration::from_secs(2);
    while !is_quiet(path) {
        assert!(Instant::now() < until, "something goes on");
    }
}

#[test]
fn an_orphan_is_gone_before_the_reply() {
    for who in EVERYBODY {
        for backend in ALL {
            let stage = Stage::new(who);
            let command = format!("{SURVIVOR}; while [ ! -e alive ]; do sleep 0.01; done");
            stage.bash(backend, &command).play().ok();
            assert!(is_quiet(&stage.path("work/alive")), "{backend} as {who:?}");
        }
    }
}

#[test]
fn a_killed_ion_leaves_no_tool_process() {
    for who in EVERYBODY {
        for backend in ALL {
            let stage = Stage::new(who);
            let mut ion = stage.bash(backend, &format!("{SURVIVOR}; sleep 60")).start();
            appears(&stage.path("work/alive"));
            ion.kill().unwrap();
            ion.wait().unwrap();
            eprintln!("{backend} as {who:?}");
            falls_silent(&stage.path("work/alive"));
        }
    }
}

#[test]
fn a_kill_at_any_moment_of_the_start_leaves_no_tool_process() {
    for backend in ALL {
        let stage = Stage::new(EVERYBODY[0]);
        for delay in 0..20 {
            let mut ion = stage.bash(backend, &format!("{SURVIVOR}; sleep 60")).start();
            std::thread::sleep(Duration::from_millis(delay * 4));
            ion.kill().unwrap();
            ion.wait().unwrap();
        }
        eprintln!("{backend}");
        falls_silent(&stage.path("work/alive"));
    }
}

#[test]
fn a_killed_wrapper_takes_the_tree_along() {
    everywhere(|stage, backend| {
        let ion = stage.bash(backend, &format!("{SURVIVOR}; sleep 60")).start();
        appears(&stage.path("work/alive"));
        let children = format!("/proc/{0}/task/{0}/children", ion.id());
        let wrapper: i32 = std::fs::read_to_string(children)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        if backend == "landlock" {
            // The supervisor's child is the confined one; its end must end the rest.
            let children = format!("/proc/{wrapper}/task/{wrapper}/children");
            let body = std::fs::read_to_string(children).unwrap();
            let body: i32 = body.split_whitespace().next().unwrap().parse().unwrap();
            kill(body);
        } else {
            kill(wrapper);
        }
        let output = ion.wait_with_output().unwrap();
        let answer = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(answer.contains("\"error\":\"worker\""), "{answer}");
        falls_silent(&stage.path("work/alive"));
    });
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn cancelling_kills_the_tree_and_says_so() {
    for who in EVERYBODY {
        for backend in ALL {
            let stage = Stage::new(who);
            let command = format!("trap '' TERM; {SURVIVOR}; while :; do sleep 1; done");
            let ion = stage.bash(backend, &command).with("cancel_after_ms", 700).start();
            appears(&stage.path("work/alive"));
            let output = ion.wait_with_output().unwrap();
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(answer.contains("\"error\":\"cancelled\""), "{answer}");
            assert!(is_quiet(&stage.path("work/alive")), "{backend} as {who:?}");
        }
    }
}

#[test]
fn a_call_that_was_cancelled_before_it_began_never_starts() {
    for backend in ALL {
        let stage = Stage::new(EVERYBODY[0]);
        for ms in 0..12 {
            let command = "touch started; sleep 5; touch finished";
            let scene = stage.bash(backend, command).with("cancel_after_ms", ms);
            assert_eq!(scene.play().error(), Some("cancelled"));
        }
        assert!(!stage.path("work/finished").exists());
    }
}

#[test]
fn private_temporary_folders_are_removed() {
    let stage = Stage::new(EVERYBODY[0]);
    let played =
        stage.bash("landlock", "mkdir -p $TMPDIR/a/b; chmod 0 $TMPDIR/a; echo $TMPDIR").play();
    let folder = played.ok().trim().to_owned();
    assert!(folder.contains("/ion-"), "{folder}");
    assert!(!Path::new(&folder).exists() || !super::stage::is_root());
}

#[test]
fn a_descriptor_that_was_closed_at_the_start_is_noticed() {
    let stage = Stage::new(EVERYBODY[0]);
    let closed = |how| stage.bash("none", "true").inheriting(how).play().0["closed"].clone();
    assert_eq!(closed(""), serde_json::json!([false, false]));
    assert_eq!(closed("2>&-"), serde_json::json!([false, true]));
    assert_eq!(closed("2>/dev/null"), serde_json::json!([false, false]));
}

#[test]
fn the_memory_and_environment_of_ion_are_shut_to_the_same_user() {
    let stage = Stage::new(super::stage::Who::Nobody);
    let ion = stage.bash("bwrap", "touch started; sleep 2").start();
    appears(&stage.path("work/started"));
    for file in ["environ", "mem", "maps", "fd"] {
        let look =
            stage.shell(&format!("ls /proc/{0}/{file}/ || head -c1 /proc/{0}/{file}", ion.id()));
        assert!(!look.status.success(), "{file}: {look:?}");
    }
    assert!(stage.shell(&format!("head -c1 /proc/{}/status", ion.id())).status.success());
    ion.wait_with_output().unwrap();
}
