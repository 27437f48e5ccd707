//! Finds and ends processes: all of a pid namespace, or all descendants of a subreaper.
//!
//! A process group is not enough: `setsid` leaves it. A subreaper inherits every orphan, so
//! "no child left" is proof that no descendant is left.

use crate::sys;
use rustix::fd::AsFd;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, pidfd_open};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Longest time spent on ending a tree. A process in an uninterruptible sleep cannot be ended.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What a child that has answered gets to end by itself.
const LEAVING: Duration = Duration::from_millis(4);

/// Collects one ended child, if there is one. `Err(())` when there is no child at all.
#[expect(clippy::result_unit_err, reason = "there is exactly one way to have no child")]
pub fn reap() -> Result<Option<(Pid, WaitStatus)>, ()> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(found) => return Ok(found),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(()),
        }
    }
}

/// Ends every other process of the pid namespace that this process is the first of.
pub fn end_everyone_inside() {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let _ = sys::signal_everyone_inside(libc::SIGKILL);
        match reap() {
            Err(()) => return,
            Ok(Some(_)) => {}
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Ends every descendant of this subreaper; `false` when some would not end in time. `last` is
/// the child that is on its way out, if one is: looking through `/proc` can then be spared.
pub fn end_descendants(last: Option<Pid>) -> bool {
    let until = Instant::now() + PATIENCE;
    if let Some(pidfd) = last.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) {
        let _ = sys::wait_readable(&[pidfd.as_fd()], LEAVING);
    }
    while let Ok(Some(_)) = reap() {}
    if reap().is_err() {
        return true;
    }
    while Instant::now() < until {
        for pid in descendants() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        // All that have ended by now, then look again: one may have forked meanwhile.
        loop {
            match reap() {
                Err(()) => return true,
                Ok(Some(_)) => {}
                Ok(None) => break,
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Descendants of this process, by parent links in `/proc`.
pub fn descendants() -> Vec<Pid> {
    let parents = parents();
    let own = std::process::id() as i32;
    let below = |mut pid: i32| {
        // Bounded, because the table is not a snapshot and could show a loop.
        for _ in 0..4096 {
            match parents.get(&pid) {
                Some(parent) if *parent == own => return true,
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    parents.keys().filter(|pid| below(**pid)).filter_map(|pid| Pid::from_raw(*pid)).collect()
}

fn parents() -> HashMap<i32, i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return HashMap::new() };
    let pair = |entry: std::fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read(entry.path().join("stat")).ok()?;
        let stat = String::from_utf8_lossy(&stat);
        // The name in parentheses is the process's own choice and may hold anything.
        let after_name = stat.rsplit_once(')')?.1;
        Some((pid, after_name.split_whitespace().nth(1)?.parse().ok()?))
    };
    entries.flatten().filter_map(pair).collect()
}

/// Every other process of this pid namespace.
pub fn inside() -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id() as i32;
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let others = entries.flatten().filter_map(number).filter(|pid| *pid != own);
    others.filter_map(Pid::from_raw).collect()
}

/// Sends a signal to every other process of the namespace that this process is the first of.
pub fn signal_inside_except_this(signal: i32) {
    let _ = sys::signal_everyone_inside(signal);
}

/// Sends a signal to every descendant of this process.
pub fn signal_descendants(signal: Signal) {
    for pid in descendants() {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
