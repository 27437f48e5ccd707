//! What the kernel and the system offer, looked up and not guessed.

use crate::sandbox::bwrap;
use crate::sandbox::cgroup::Delegated;
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
    /// Why Ion can make no control groups; `None` where it can.
    pub no_cgroup: Option<String>,
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
            no_cgroup: Delegated::find().err(),
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
