//! An own view of the system, made by the worker itself where no other program does it.
//!
//! Runs in a fresh copy of the supervisor that is the first process of its namespaces and holds
//! every capability over them, and over nothing else. Whoever calls [`enter`] goes on to give them
//! all up. Read [`tree`] for the mounts. Needs Linux 5.12 (`mount_setattr`).

mod kernel;
mod tree;

pub use kernel::link_streams;

use crate::sys;
use crate::worker::wire::{Network, Setup};
use rustix::process::{DumpableBehavior, Gid, Uid, set_dumpable_behavior};

/// Who runs Ion, looked up before the namespaces exist: afterwards nobody is known inside.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    user: Uid,
    group: Gid,
}

impl Owner {
    /// The user of this process.
    pub fn of_this_process() -> Self {
        Owner { user: rustix::process::geteuid(), group: rustix::process::getegid() }
    }
}

/// Makes the view and moves into it.
///
/// # Errors
/// The step that failed, in a person's words; nothing may run after one.
pub fn enter(setup: &Setup, owner: Owner) -> Result<(), String> {
    keep_identity(owner).map_err(|e| format!("view: uid map: {e}"))?;
    rustix::process::setsid().map_err(|e| format!("view: setsid: {e}"))?;
    rustix::system::sethostname(b"ion").map_err(|e| format!("view: hostname: {e}"))?;
    if setup.network != Network::Host {
        sys::loopback_up().map_err(|e| format!("view: loopback: {e}"))?;
    }
    tree::build(&setup.mounts)
}

/// Maps the user to itself and nobody else. The files that say so belong to root while this
/// process hides its memory, so it is shown for that moment; nobody else is inside yet.
fn keep_identity(owner: Owner) -> std::io::Result<()> {
    let (user, group) = (owner.user.as_raw(), owner.group.as_raw());
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1\n"))?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1\n"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
