//! What the processes of a call use together, and whether that is more than they may.

use super::family;
use crate::worker::wire::Setup;
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
}

/// Whether there is anything to look at.
pub fn is_limited(setup: &Setup) -> bool {
    setup.processes.is_some() || setup.memory.is_some()
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
    let most = setup.memory?;
    let page = rustix::param::page_size() as u64;
    let used: u64 = pids.iter().filter_map(|pid| resident_pages(pid.as_raw_pid())).sum();
    (used.saturating_mul(page) > most).then_some(Excess::Memory(most))
}

/// The second field of `statm`, see `proc(5)`.
fn resident_pages(pid: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}
