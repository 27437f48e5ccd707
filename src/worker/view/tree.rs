//! The mounts of a view, by the kernel's descriptors for mounts (`open_tree(2)`,
//! `move_mount(2)`): every source is taken before anything is covered.
//!
//! INVARIANT (no link leads a mount astray): a place in the new tree is looked up without
//! following any link, below the new root only.

use super::kernel;
use crate::sys::{self, MountLimits};
use crate::worker::wire::Mount;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Folders of which one exists, to hang the new root on before it takes over.
const HOOKS: &[&str] = &["/tmp", "/usr", "/etc", "/proc"];

/// A mount that is not attached yet, and whether its root is a folder.
pub(super) struct Loose {
    mount: OwnedFd,
    folder: bool,
}

/// Builds the tree and makes it the root of this process.
///
/// # Errors
/// The step that failed, with its path.
pub fn build(mounts: &[Mount]) -> Result<(), String> {
    // What is mounted on the host later must not appear inside.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).map_err(|e| format!("view: propagation: {e}"))?;
    let sources: Vec<Option<Loose>> = mounts.iter().map(take).collect::<Result<_, _>>()?;
    let devices = kernel::take_devices()?;
    let empty = memory(&[("size", "4096"), ("mode", "0555")], MountAttrFlags::MOUNT_ATTR_RDONLY)
        .map_err(|e| format!("view: an empty folder: {e}"))?;
    let root = memory(&[("size", "16m"), ("mode", "0755")], MountAttrFlags::empty())
        .map_err(|e| format!("view: a new root: {e}"))?;
    hang(&root)?;
    for (mount, source) in mounts.iter().zip(sources) {
        attach(root.as_fd(), mount, source, &empty)?;
        if matches!(mount, Mount::Kernel) {
            kernel::attach(root.as_fd(), &devices)?;
        }
    }
    enter(&root).map_err(|e| format!("view: pivot_root: {e}"))?;
    let shut = MountLimits { read_only: true, no_devices: true, below: false };
    sys::restrict_mount(root.as_fd(), shut).map_err(|e| format!("view: sealing the root: {e}"))
}

/// Takes what a mount shows from the host.
fn take(mount: &Mount) -> Result<Option<Loose>, String> {
    let (path, read_only, no_devices) = match mount {
        Mount::ReadOnly(path) => (path.to_path(), true, true),
        Mount::Writable(path) => (path.to_path(), false, true),
        Mount::Masked { folder: false, .. } => (PathBuf::from("/dev/null"), true, false),
        Mount::Layered { at, upper, work } => {
            let at = at.to_path();
            let mount = layered(&at, &upper.to_path(), &work.to_path())
                .map_err(|e| format!("view: copy-on-write of {}: {e}", at.display()))?;
            return Ok(Some(Loose { mount, folder: true }));
        }
        _ => return Ok(None),
    };
    let limits = MountLimits { read_only, no_devices, below: true };
    clone_of(&path, limits).map(Some).map_err(|e| format!("view: {}: {e}", path.display()))
}

/// An overlay with marks in extended attributes that a user may set (Linux 5.11).
fn layered(lower: &Path, upper: &Path, work: &Path) -> std::io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // A list of folders is separated by colons.
    let mut escaped = Vec::new();
    for byte in lower.as_os_str().as_bytes() {
        if matches!(byte, b':' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    let set =
        |name: &str, value: &[u8]| rustix::mount::fsconfig_set_string(context.as_fd(), name, value);
    set("lowerdir", &escaped)?;
    set("upperdir", upper.as_os_str().as_bytes())?;
    set("workdir", work.as_os_str().as_bytes())?;
    rustix::mount::fsconfig_set_flag(context.as_fd(), "userxattr")?;
    // What is written is read by Ion and thrown away. Without this the end of the mount writes
    // the whole file system of the folder back first, and on a busy machine that takes seconds in
    // which nothing can end the process (Linux 5.10).
    rustix::mount::fsconfig_set_flag(context.as_fd(), "volatile")?;
    rustix::mount::fsconfig_create(context.as_fd())?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// A copy of a part of the host's tree, with everything mounted below it.
pub(super) fn clone_of(path: &Path, limits: MountLimits) -> std::io::Result<Loose> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let mount = rustix::mount::open_tree(CWD, path, flags)?;
    sys::restrict_mount(mount.as_fd(), limits)?;
    let about = rustix::fs::statat(&mount, "", AtFlags::EMPTY_PATH)?;
    Ok(Loose { mount, folder: FileType::from_raw_mode(about.st_mode) == FileType::Directory })
}

impl Loose {
    /// The mount.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.mount.as_fd()
    }
}

/// A new file system in memory.
pub(super) fn memory(options: &[(&str, &str)], more: MountAttrFlags) -> Result<OwnedFd, Errno> {
    file_system("tmpfs", options, more | MountAttrFlags::MOUNT_ATTR_NODEV)
}

/// A new file system, not attached yet.
pub(super) fn file_system(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        rustix::mount::fsconfig_set_string(context.as_fd(), *name, *value)?;
    }
    rustix::mount::fsconfig_create(context.as_fd())?;
    let attributes = attributes | MountAttrFlags::MOUNT_ATTR_NOSUID;
    rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

fn attach(
    root: BorrowedFd<'_>,
    mount: &Mount,
    source: Option<Loose>,
    empty: &OwnedFd,
) -> Result<(), String> {
    let failed = |at: &Path, e: Errno| format!("view: {}: {e}", at.display());
    match mount {
        Mount::ReadOnly(path)
        | Mount::Writable(path)
        | Mount::Layered { at: path, .. }
        | Mount::Masked { at: path, folder: false } => {
            let (at, source) = (path.to_path(), source.ok_or("view: a mount without a source")?);
            let place = place(root, &at, source.folder).map_err(|e| failed(&at, e))?;
            put(source.mount.as_fd(), &place).map_err(|e| failed(&at, e))
        }
        Mount::Empty { at, bytes } => {
            let at = at.to_path();
            let size = bytes.to_string();
            let folder = memory(&[("size", &size), ("mode", "0755")], MountAttrFlags::empty());
            let place = place(root, &at, true).map_err(|e| failed(&at, e))?;
            put(folder.map_err(|e| failed(&at, e))?.as_fd(), &place).map_err(|e| failed(&at, e))
        }
        Mount::Sealed(path) | Mount::Masked { at: path, folder: true } => {
            let at = path.to_path();
            let place = place(root, &at, true).map_err(|e| failed(&at, e))?;
            let flags = OpenTreeFlags::OPEN_TREE_CLONE
                | OpenTreeFlags::OPEN_TREE_CLOEXEC
                | OpenTreeFlags::AT_EMPTY_PATH;
            let copy = rustix::mount::open_tree(empty, "", flags).map_err(|e| failed(&at, e))?;
            put(copy.as_fd(), &place).map_err(|e| failed(&at, e))
        }
        Mount::Link { at, target } => {
            let at = at.to_path();
            let (Some(above), Some(name)) = (at.parent(), at.file_name()) else {
                return Err(format!("view: no place for the link {}", at.display()));
            };
            let above = place(root, above, true).map_err(|e| failed(&at, e))?;
            rustix::fs::symlinkat(target.to_path(), &above, name).map_err(|e| failed(&at, e))
        }
        Mount::Kernel => Ok(()),
    }
}

/// Finds a place below `root`, making it (and the folders above it) where nothing is.
pub(super) fn place(root: BorrowedFd<'_>, path: &Path, folder: bool) -> Result<OwnedFd, Errno> {
    let below = path.strip_prefix("/").map_err(|_| Errno::INVAL)?;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::BENEATH;
    let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |at: BorrowedFd<'_>, name: &Path| loop {
        match rustix::fs::openat2(at, name, look, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    };
    if below.as_os_str().is_empty() {
        return open(root, Path::new("."));
    }
    match open(root, below) {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    let mut at = open(root, Path::new("."))?;
    let mut parts = below.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else { return Err(Errno::INVAL) };
        let made = if folder || parts.peek().is_some() {
            rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755))
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::openat(&at, name, flags, Mode::from_raw_mode(0o444)).map(drop)
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        at = open(at.as_fd(), Path::new(name))?;
    }
    Ok(at)
}

/// Attaches a mount at a place.
pub(super) fn put(mount: BorrowedFd<'_>, place: &OwnedFd) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", place, "", flags)
}

/// A root must be attached somewhere before a process can move into it.
fn hang(root: &OwnedFd) -> Result<(), String> {
    let mut last = Errno::NOENT;
    for hook in HOOKS {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        match rustix::mount::move_mount(root, "", CWD, *hook, flags) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(format!("view: attaching a new root: {last}"))
}

/// Moves into the new root and lets go of the old one with all that was mounted there.
fn enter(root: &OwnedFd) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}
