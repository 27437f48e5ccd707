//! What a worker does to itself before it learns what to run, and what it then finds in force.
//!
//! Order: limits, privileges, Landlock, seccomp last (each later step takes away what an earlier
//! one needs). The report is read back from the kernel, not assembled from good intentions.

pub mod bpf;
pub mod landlock;
pub mod limits;
pub mod mounts;
pub mod seccomp;

use crate::worker::backend::Backend;
use crate::worker::view;
use crate::worker::wire::{Report, Setup};

/// Applies `setup` to this process. A failure is part of the report; the parent then never
/// sends a call.
pub fn apply(setup: &Setup) -> Report {
    match try_apply(setup) {
        Ok(report) => report,
        Err(cause) => Report { failed: Some(cause), ..Report::default() },
    }
}

fn try_apply(setup: &Setup) -> Result<Report, String> {
    // Read first: Landlock may take the right to look at some of it.
    let namespaces = separate_namespaces(setup);
    if setup.backend.has_view() {
        mounts::verify(setup)?;
    }
    if setup.backend == Backend::Birdcage {
        mounts::verify_openings(setup)?;
        // While the root in memory can still be written to.
        view::link_streams()?;
    }
    limits::apply(setup)?;
    let mut landlock_version = 0;
    if setup.backend.confines() {
        limits::drop_capabilities()?;
        rustix::thread::set_no_new_privs(true).map_err(|e| format!("no_new_privs: {e}"))?;
        landlock_version = landlock::apply(setup)?;
        seccomp::apply(setup)?;
    }
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|e| format!("reading /proc/self/status: {e}"))?;
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let empty = |name| field(name).is_some_and(|value| value.bytes().all(|b| b == b'0'));
    Ok(Report {
        failed: None,
        namespaces,
        first_process: std::process::id() == 1 && field("Pid") == Some("1"),
        no_new_privs: field("NoNewPrivs") == Some("1"),
        seccomp: field("Seccomp") == Some("2"),
        no_capabilities: empty("CapEff") && empty("CapPrm") && empty("CapInh"),
        landlock: landlock_version,
    })
}

/// The parent's namespaces that this process does not share.
fn separate_namespaces(setup: &Setup) -> Vec<String> {
    let differs = |name: &str, outside: &str| {
        std::fs::read_link(format!("/proc/self/ns/{name}"))
            .is_ok_and(|inside| inside.to_string_lossy() != outside)
    };
    let pairs = setup.outside.iter();
    pairs.filter(|(name, id)| differs(name, id)).map(|(name, _)| name.clone()).collect()
}
