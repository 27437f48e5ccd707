//! What the kernel and the system offer, looked up and not guessed.

use crate::sandbox::bwrap;
use crate::sys;
use std::path::Path;
use std::process::{Command, Stdio};

/// The facts.
#[derive(Debug)]
pub struct Facts {
    /// `uname -r`.
    pub kernel: String,
    /// Version of Landlock, 0 for none.
    pub landlock: u32,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// What bubblewrap says of itself, and where it is.
    pub bwrap: Option<String>,
    /// Signs of a container around Ion.
    pub container: bool,
    /// Whether a folder of the second version of control groups can be used.
    pub cgroup: bool,
    /// Whether the kernel still lets programs type into a terminal (`dev.tty.legacy_tiocsti`).
    pub legacy_tiocsti: bool,
}

impl Facts {
    /// Looks.
    pub fn look() -> Self {
        let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
        let setting = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Facts {
            kernel,
            landlock: sys::landlock_version(),
            seccomp: Path::new("/proc/sys/kernel/seccomp/actions_avail").exists(),
            bwrap: bubblewrap(),
            container: ["/.dockerenv", "/run/.containerenv"].iter().any(|p| Path::new(p).exists()),
            cgroup: delegated(),
            legacy_tiocsti: setting("/proc/sys/dev/tty/legacy_tiocsti").trim() == "1",
        }
    }
}

fn bubblewrap() -> Option<String> {
    let program = bwrap::program()?;
    #[expect(clippy::disallowed_methods, reason = "asks a program of the system for its version")]
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    let said = command.output().ok()?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    Some(format!("{version} ({})", program.display()))
}

/// Whether this process could make a group below its own.
fn delegated() -> bool {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::")) else { return false };
    let folder = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    folder.join("cgroup.controllers").exists()
        && rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_ok()
}
