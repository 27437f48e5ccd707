//! Opens the paths that were judged, and nothing that took their place.
//!
//! A permit's paths have their links resolved. Here no link is followed any more, at any
//! component, in the same system call that opens: a link swapped in between check and use is an
//! error, not another file.

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path};

fn open(path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    if !path.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an absolute path"));
    }
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(CWD, path, flags | OFlags::CLOEXEC, mode, resolve) {
            // The kernel could not prove that nothing moved; its advice is to ask again.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Opens a file for reading. A FIFO does not block: the caller looks at the type first.
///
/// # Errors
/// From the system; `ELOOP` where a link stands in the way.
pub fn read(path: &Path) -> io::Result<File> {
    open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).map(File::from)
}

/// Opens an existing file for writing in place.
///
/// # Errors
/// From the system.
pub fn write_in_place(path: &Path) -> io::Result<File> {
    open(path, OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY, Mode::empty()).map(File::from)
}

/// Opens the folder that holds `path`, making missing folders (0755), and gives the last name.
///
/// # Errors
/// From the system.
pub fn parent(path: &Path, create: bool) -> io::Result<(OwnedFd, &OsStr)> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(invalid());
    };
    // Only a place, not a right to list it: Landlock need not grant the folders on the way.
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    match open(folder, flags, Mode::empty()) {
        Err(error) if create && error.kind() == io::ErrorKind::NotFound => {}
        other => return Ok((other?, name)),
    }
    let mut at = open(Path::new("/"), flags, Mode::empty())?;
    for part in folder.components() {
        let Component::Normal(part) = part else { continue };
        match rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755)) {
            // Not ours to judge: a component that cannot be made may well exist.
            Ok(()) | Err(_) => {}
        }
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        at = rustix::fs::openat2(&at, part, flags | OFlags::CLOEXEC, Mode::empty(), resolve)?;
    }
    Ok((at, name))
}
