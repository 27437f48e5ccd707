//! What is special about the backend `birdcage`: the processes that stand around the worker, and a
//! view that somebody else's code made. What it shares with the other backends is tested there.

use super::leftovers::processes;
use super::stage::{CANARY, EVERYBODY, Stage, Who, is_root};
use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// The processes from `pid` on, each the first child of the one before.
fn chain(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    while let Some(last) = all.last() {
        let children = fs::read_to_string(format!("/proc/{last}/task/{last}/children"));
        let children = children.unwrap_or_default();
        let Some(next) = children.split_whitespace().next() else { break };
        all.push(next.parse().unwrap());
    }
    all
}

fn appears(stage: &Stage, name: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while !stage.path("work").join(name).exists() {
        assert!(Instant::now() < until, "{name} does not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn its_first_process_is_shut_to_a_tool() {
    for who in EVERYBODY {
        let stage = Stage::new(who);
        // The numbers of its descriptors can be listed; what they lead to cannot be seen.
        let command = "for file in environ mem maps auxv fd/* root cwd exe; do \
                       for file in /proc/1/$file; do head -c1 $file && echo OPEN $file; \
                       readlink $file && echo OPEN $file; done; done 2>/dev/null; \
                       ls /proc/1/root/ 2>/dev/null; echo done";
        let played = stage.bash("birdcage", command).play();
        assert_eq!(played.ok(), "done\n", "{who:?}");
    }
}

/// ATTACK: that process can be read by whoever has the same user, so it must know nothing.
#[test]
fn what_stands_around_the_worker_does_not_know_what_ion_knows() {
    if !is_root() {
        return;
    }
    let stage = Stage::new(Who::Me);
    let script = "touch ready; sleep 60";
    let words = ["sandbox", "run", "--backend", "birdcage", "--", "/bin/sh", "-c", script];
    let mut ion = stage.program(&words);
    ion.current_dir(stage.work()).stdin(Stdio::null());
    let mut ion = ion.spawn().unwrap();
    appears(&stage, "ready");
    let all = chain(ion.id());
    let knowing: Vec<bool> = all.iter().map(|pid| knows(*pid)).collect();
    ion.kill().unwrap();
    ion.wait().unwrap();
    // Ion itself shows that the search finds something: it was started with the canary.
    assert!(all.len() >= 6, "{all:?}");
    assert_eq!(knowing.iter().position(|knows| *knows), Some(0), "{knowing:?}");
    assert_eq!(knowing.iter().filter(|knows| **knows).count(), 1, "{knowing:?}");
}

/// Whether the canary stands anywhere in the memory of a process.
fn knows(pid: u32) -> bool {
    let Ok(memory) = fs::File::open(format!("/proc/{pid}/mem")) else { return false };
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    maps.lines().filter(|line| line.contains(" rw")).any(|line| {
        let (from, to) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut part = vec![0; (to - from) as usize];
        let read = memory.read_at(&mut part, from).unwrap_or(0);
        part[..read].windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes())
    })
}

#[test]
fn whichever_of_its_processes_is_killed_nothing_stays() {
    // The supervisor, the keeper, birdcage's first process, the worker.
    for depth in 1..=4 {
        let stage = Stage::new(Who::Me);
        let command = "(setsid sleep 78 &); touch ready; sleep 79";
        let mut ion = stage.bash("birdcage", command).start();
        appears(&stage, "ready");
        let all = chain(ion.id());
        let pid = rustix::process::Pid::from_raw(all[depth] as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        if depth == 2 {
            // Nothing waits for the keeper: the call goes on without it.
            std::thread::sleep(Duration::from_millis(200));
            assert!(ion.try_wait().unwrap().is_none());
            ion.kill().unwrap();
        }
        ion.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(3);
        while !processes(&stage).is_empty() {
            assert!(Instant::now() < until, "{depth}: {:#?}", processes(&stage));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
