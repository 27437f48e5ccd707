//! What the processes of a call use together, and whether that is more than they may.

use super::family;
use crate::worker::wire::Setup;
use rustix::process::{Pid, Resource, Rlimit};
use std::time::Duration;

/// How often usage is looked at.
pub const TICK: Duration = Duration::from_millis(20);

/// A limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// More processes than this.
    Processes(u64),
    /// More memory than this, bytes.
    Memory(u64),
    /// More processor time than this, seconds.
    Processor(u64),
}

/// Whether there is anything to look at.
pub fn is_limited(setup: &Setup) -> bool {
    setup.processes.is_some() || setup.memory.is_some() || setup.cpu_seconds.is_some()
}

/// Has the kernel end each process of a command that uses too much processor time by itself, also
/// where nobody looks. What they use together is for [`excess`].
pub fn hold(child: Pid, setup: &Setup) {
    if let Some(most) = setup.cpu_seconds {
        // A second later than [`excess`], which can say why. The second limit kills what ignores the
        // signal of the first.
        let (current, maximum) = (Some(most.saturating_add(1)), Some(most.saturating_add(2)));
        let limit = Rlimit { current, maximum };
        let _ = rustix::process::prlimit(Some(child), Resource::Cpu, limit);
    }
}

/// The first limit that is passed at this moment.
pub fn excess(setup: &Setup) -> Option<Excess> {
    let pids = match setup.backend.has_view() {
        true => family::inside(),
        false => family::descendants(),
    };
    if let Some(most) = setup.processes
        && pids.len() as u64 > most
    {
        return Some(Excess::Processes(most));
    }
    if let Some(most) = setup.memory {
        let page = rustix::param::page_size() as u64;
        let used: u64 = pids.iter().filter_map(|pid| resident_pages(pid.as_raw_pid())).sum();
        if used.saturating_mul(page) > most {
            return Some(Excess::Memory(most));
        }
    }
    let most = setup.cpu_seconds?;
    let used: u64 = pids.iter().filter_map(|pid| times(&pid.as_raw_pid().to_string())).sum();
    // Of this process itself only what it has collected counts.
    let collected = stat("self").map_or(0, |stat| stat.collected);
    let second = rustix::param::clock_ticks_per_second();
    (used.saturating_add(collected) > most.saturating_mul(second))
        .then_some(Excess::Processor(most))
}

/// The second field of `statm`, see `proc(5)`.
fn resident_pages(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

/// Processor time in ticks: of a process, and of those children that it has waited for. A child
/// that was waited for counts in exactly one living process, so that sums count nothing twice.
struct Times {
    own: u64,
    collected: u64,
}

fn times(pid: &str) -> Option<u64> {
    stat(pid).map(|times| times.own.saturating_add(times.collected))
}

/// Fields 14 to 17 of `stat`, see `proc(5)`.
fn stat(pid: &str) -> Option<Times> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The name in parentheses is the process's own choice and may hold anything.
    let after_name = text.rsplit_once(')')?.1;
    let mut ticks = after_name.split_whitespace().skip(11).map_while(|n| n.parse::<u64>().ok());
    let mut two = || Some(ticks.next()?.saturating_add(ticks.next()?));
    Some(Times { own: two()?, collected: two()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_child_counts_once_it_was_waited_for() {
        let begun = times("self").unwrap();
        #[expect(clippy::disallowed_methods, reason = "a child of the test's")]
        let mut child = std::process::Command::new("sh");
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(child.args(["-c", busy]).status().unwrap().success());
        let spent = times("self").unwrap() - begun;
        assert!(spent > 0, "{spent} ticks");
        assert!(stat("self").unwrap().collected > 0);
    }
}
