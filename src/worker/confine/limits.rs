//! Resource limits and privileges.

use crate::worker::wire::Setup;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;

/// Sets the limits. A limit that is already lower stays.
///
/// # Errors
/// Names the limit that the kernel refused.
pub fn apply(setup: &Setup) -> Result<(), String> {
    let mut wanted = vec![(Resource::Core, "core size", Some(0))];
    wanted.push((Resource::Fsize, "file size", setup.file_size));
    wanted.push((Resource::Nofile, "open files", setup.open_files));
    wanted.push((Resource::Nproc, "processes", process_limit(setup)));
    for (resource, name, value) in wanted {
        let Some(value) = value else { continue };
        let hard = rustix::process::getrlimit(resource).maximum;
        let value = hard.map_or(value, |hard| hard.min(value));
        let limit = Rlimit { current: Some(value), maximum: Some(value) };
        rustix::process::setrlimit(resource, limit).map_err(|e| format!("limit on {name}: {e}"))?;
    }
    Ok(())
}

/// In an own user namespace the kernel counts only what runs inside. Elsewhere it counts all
/// of the user's tasks, so the limit goes on top of what exists; the worker's own watch is the
/// precise one there, and the only one for the superuser, whom the kernel does not limit.
fn process_limit(setup: &Setup) -> Option<u64> {
    let limit = setup.processes?;
    if setup.backend.has_view() {
        return Some(limit);
    }
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running = load.split_whitespace().nth(3).and_then(|field| field.split('/').nth(1));
    Some(limit.saturating_add(running.and_then(|n| n.parse().ok()).unwrap_or(4096)))
}

/// Gives up every capability, for good: root keeps its user id and nothing else.
///
/// # Errors
/// A step that the kernel refused.
pub fn drop_capabilities() -> Result<(), String> {
    drop_all().map_err(|e| format!("capabilities: {e}"))
}

fn drop_all() -> io::Result<()> {
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            // A capability that this kernel does not know cannot be in the bounding set.
            match rustix::thread::remove_capability_from_bounding_set(capability) {
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)?;
    Ok(())
}
