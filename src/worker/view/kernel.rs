//! `/proc` and `/dev` of a view: fresh ones, without anything that reaches the host.

use super::tree::{Loose, clone_of, file_system, memory, place, put};
use crate::sys::{self, MountLimits};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use std::path::Path;

/// Devices that reach nobody. `tty` is whatever terminal the process has of its own.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Links that programs expect: the standard streams and other descriptors.
const STREAMS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];
/// The one to terminals.
const TERMINALS: (&str, &str) = ("ptmx", "pts/ptmx");
/// Size of `/dev/shm`, bytes.
const SHARED_MEMORY: &str = "134217728";

/// Takes the host's harmless devices, while the host can still be seen.
///
/// # Errors
/// In a person's words.
pub fn take_devices() -> Result<Vec<Loose>, String> {
    let take = |name: &&str| {
        let path = Path::new("/dev").join(name);
        // Written to it can be all the same. What cannot be changed is its mode and its owner, which
        // are the host's own.
        let limits = MountLimits { read_only: true, no_devices: false, below: false };
        clone_of(&path, limits).map_err(|e| format!("view: {}: {e}", path.display()))
    };
    DEVICES.iter().map(take).collect()
}

/// Makes the links to the standard streams in the `/dev` of a view that another program made
/// without them.
///
/// # Errors
/// In a person's words.
pub fn link_streams() -> Result<(), String> {
    for (name, target) in STREAMS {
        match rustix::fs::symlinkat(*target, CWD, Path::new("/dev").join(name)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(format!("view: /dev/{name}: {error}")),
        }
    }
    Ok(())
}

/// Mounts `/proc` and `/dev` below `root`.
///
/// # Errors
/// In a person's words.
pub fn attach(root: BorrowedFd<'_>, devices: &[Loose]) -> Result<(), String> {
    processes(root).map_err(|e| format!("view: Can't mount proc: {e}"))?;
    device_folder(root, devices).map_err(|e| format!("view: /dev: {e}"))
}

/// Read-only: the superuser of the host owns its switches, and would inside as well.
fn processes(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_RDONLY;
    let proc = file_system("proc", &[], attributes)?;
    put(proc.as_fd(), &place(root, Path::new("/proc"), true)?)
}

fn device_folder(root: BorrowedFd<'_>, devices: &[Loose]) -> std::io::Result<()> {
    let folder = file_system(
        "tmpfs",
        &[("size", "65536"), ("mode", "0755")],
        MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )?;
    put(folder.as_fd(), &place(root, Path::new("/dev"), true)?)?;
    for name in DEVICES {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(&folder, *name, flags, Mode::from_raw_mode(0o444))?;
    }
    for name in ["pts", "shm"] {
        rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755))?;
    }
    for (name, target) in STREAMS.iter().chain([&TERMINALS]) {
        rustix::fs::symlinkat(*target, &folder, *name)?;
    }
    // Shut before the rest is mounted on it, so that only this folder becomes read-only.
    let shut = MountLimits { read_only: true, no_devices: false, below: false };
    sys::restrict_mount(folder.as_fd(), shut)?;
    let terminals = [("mode", "0620"), ("ptmxmode", "0666")];
    let terminals = file_system("devpts", &terminals, MountAttrFlags::MOUNT_ATTR_NOEXEC)?;
    put(terminals.as_fd(), &place(folder.as_fd(), Path::new("/pts"), true)?)?;
    let shared = memory(&[("size", SHARED_MEMORY), ("mode", "1777")], MountAttrFlags::empty())?;
    put(shared.as_fd(), &place(folder.as_fd(), Path::new("/shm"), true)?)?;
    for (name, device) in DEVICES.iter().zip(devices) {
        put(device.fd(), &place(folder.as_fd(), &Path::new("/").join(name), false)?)?;
    }
    Ok(())
}
