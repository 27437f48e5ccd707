//! Resource limits and privileges.

use crate::worker::wire::Setup;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use std::io;
use std::os::unix::fs::MetadataExt;

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
/// of the user's tasks, so the limit goes on top of what exists. The superuser is not limited by
/// the kernel: there the worker's own watch is all there is.
fn process_limit(setup: &Setup) -> Option<u64> {
    let limit = setup.processes?;
    match setup.backend.has_view() {
        true => Some(limit),
        false => Some(limit.saturating_add(tasks_of_this_user())),
    }
}

/// Tasks, threads included, of this user's processes. Those that hide their memory show as the
/// superuser's and are left out, which makes the limit a little tighter.
fn tasks_of_this_user() -> u64 {
    let own = rustix::process::geteuid().as_raw();
    let tasks = |entry: std::fs::DirEntry| {
        entry.file_name().to_str()?.parse::<u32>().ok()?;
        // A folder has a link from each folder below it, and two of its own.
        let about = std::fs::metadata(entry.path().join("task")).ok()?;
        (about.uid() == own).then(|| about.nlink().saturating_sub(2))
    };
    std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(tasks).sum()
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
