//! Each system call that the confinement is made of is refused in turn (by `strace`, at its
//! first, second and third use, in every process): no tool body starts below what is required,
//! and nothing hangs or stays.

use super::stage::{CONFINING, Played, Stage, Who};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CALLS: &[&str] = &[
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    "seccomp",
    "prctl",
    "capset",
    "prlimit64",
    "mount",
    "unshare",
    "clone",
    "clone3",
    "setsid",
    "openat2",
    "close_range",
    "pidfd_open",
];
/// What only a view of Ion's own is made of.
const OF_A_VIEW: &[&str] = &[
    "open_tree",
    "move_mount",
    "mount_setattr",
    "fsopen",
    "fsconfig",
    "fsmount",
    "pivot_root",
    "umount2",
    "sethostname",
    "mkdirat",
    "symlinkat",
    "ioctl",
];
/// Where a lack of memory is an answer that the kernel gives.
const MEMORY: &[&str] = &["landlock_create_ruleset", "seccomp", "mount", "clone", "clone3"];
/// A fault may cost waiting for a report, but never longer than this.
const LONGEST: Duration = Duration::from_secs(25);

/// Says what holds inside with nothing but what the shell has built in.
const PROBE: &str = "echo > started; while read -r line; do case $line in \
    NoNewPrivs*|Seccomp:*|CapEff*) echo $line;; esac; done < /proc/self/status; \
    echo > ../outside/escaped; exit 0";

struct Fault {
    backend: &'static str,
    call: &'static str,
    error: &'static str,
    nth: u32,
}

fn faults() -> Vec<Fault> {
    let mut all = Vec::new();
    let everywhere = CALLS.iter().map(|call| (call, &CONFINING[..]));
    for (call, backends) in everywhere.chain(OF_A_VIEW.iter().map(|call| (call, &["userns"][..]))) {
        for backend in backends {
            for nth in 1..=3 {
                let more = (nth == 1 && MEMORY.contains(call)).then_some("ENOMEM");
                for error in ["EPERM", "ENOSYS"].into_iter().chain(more) {
                    all.push(Fault { backend, call, error, nth });
                }
            }
        }
    }
    all
}

#[test]
fn a_refused_set_up_call_never_lets_a_body_start_with_less() {
    let (faults, next) = (faults(), AtomicUsize::new(0));
    let (ran, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // All failures are told, not only the first; the panic's message says which.
                    match std::panic::catch_unwind(|| holds(fault)) {
                        Ok(started) => ran.fetch_add(usize::from(started), Ordering::Relaxed),
                        Err(_) => failed.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });
    assert_eq!(failed.into_inner(), 0);
    // Both outcomes have to occur, or the sweep shows nothing.
    let ran = ran.into_inner();
    assert!(ran > 0 && ran < faults.len(), "{ran} of {} ran", faults.len());
}

/// Whether the call ran; fails when it ran with less than all.
fn holds(fault: &Fault) -> bool {
    let Fault { backend, call, error, nth } = fault;
    let what = format!("{backend}: {call} number {nth} gives {error}");
    let stage = Stage::new(Who::Me);
    let inject = format!("inject={call}:error={error}:when={nth}");
    let trace = format!("trace={call}");
    let strace = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let began = Instant::now();
    let mut ion = stage.bash(backend, PROBE).under(&strace).start();
    drop(ion.stderr.take());
    let output = loop {
        if ion.try_wait().unwrap().is_some() {
            break ion.wait_with_output().unwrap();
        }
        assert!(began.elapsed() < LONGEST, "{what}: hangs");
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(!stage.path("outside/escaped").exists(), "{what}: got out");
    let started = stage.path("work/started").exists();
    let Ok(answer) = serde_json::from_slice(&output.stdout) else {
        // Ion itself could not start.
        assert!(!started, "{what}: {}", String::from_utf8_lossy(&output.stdout));
        return false;
    };
    let played = Played(answer);
    match played.error() {
        Some("worker") => {}
        Some(_) => assert!(!started, "{what}: {:#}", played.0),
        None if started => {
            for line in ["NoNewPrivs: 1", "Seccomp: 2", "CapEff: 0000000000000000"] {
                assert!(played.content().contains(line), "{what}: {:#}", played.0);
            }
            let layers = played.0["enforced"]["layers"].to_string();
            for layer in ["landlock-abi-", "seccomp", "no-new-privs"] {
                assert!(layers.contains(layer), "{what}: {:#}", played.0);
            }
            assert_eq!(played.0["enforced"]["backend"], **backend, "{what}");
            let view = super::stage::has_view(backend);
            assert_eq!(layers.contains("\"namespaces\""), view, "{what}");
            if *backend == "birdcage" {
                for name in ["user", "mnt", "pid", "ipc", "net"] {
                    assert!(layers.contains(&format!("namespace-{name}")), "{what}: {layers}");
                }
            }
        }
        None => {}
    }
    nothing_stuck(&stage, &what);
    started
}

/// A process that waits for ever for somebody who has failed is a leak as well.
fn nothing_stuck(stage: &Stage, what: &str) {
    let until = Instant::now() + Duration::from_secs(3);
    loop {
        let left = super::leftovers::processes(stage);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "{what}: left {left:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
