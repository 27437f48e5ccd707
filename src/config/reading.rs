//! Reads a configuration file once, through one descriptor, and never waits for it.
//!
//! What was checked is what is read: type, owner and mode come from `fstat` on the descriptor
//! that the bytes come from. Read [`super::sealed`] for who owns what under `/etc/ion`.

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// The largest configuration file, bytes.
pub const LARGEST: u64 = 1024 * 1024;

/// Why a file that exists cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The system said no.
    #[error("cannot be read: {0}")]
    System(String),
    /// A link where only a plain file is accepted.
    #[error("is a symbolic link (or lies behind one); a plain file is needed here")]
    Link,
    /// A folder, FIFO, socket or device.
    #[error("is {0}; a regular file is needed")]
    NotAFile(&'static str),
    /// Larger than [`LARGEST`].
    #[error("is larger than 1 MiB")]
    TooLarge,
    /// Not UTF-8.
    #[error("is not UTF-8 (first bad byte at offset {0})")]
    NotUtf8(usize),
    /// Somebody else could have written it.
    #[error("{0}")]
    Owner(String),
}

/// Whether links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// A person may keep their settings behind a link.
    Follow,
    /// FAIL CLOSED: a repository that links its settings to another file of the reader would
    /// have that file quoted in error messages.
    Refuse,
}

/// Reads `path`; `None` when nothing is there.
///
/// # Errors
/// [`Fault`] for anything that exists and is not a readable, regular, small UTF-8 file.
pub fn read(path: &Path, links: Links) -> Result<Option<String>, Fault> {
    read_checked(path, links, |_| Ok(()))
}

/// As [`read`]; `check` sees the status of the opened descriptor before any byte is read.
///
/// # Errors
/// As [`read`], and whatever `check` says.
pub(super) fn read_checked(
    path: &Path,
    links: Links,
    check: impl FnOnce(&Stat) -> Result<(), Fault>,
) -> Result<Option<String>, Fault> {
    match rustix::fs::open(path, flags(links), Mode::empty()) {
        Ok(file) => text_of(file, check).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

/// Reads `name` inside the already opened folder `dir`, never through a link. `check` sees
/// the status of the opened descriptor before any byte is read.
///
/// # Errors
/// As [`read`], and whatever `check` says.
pub(super) fn read_in(
    dir: impl AsFd,
    name: &str,
    check: impl FnOnce(&Stat) -> Result<(), Fault>,
) -> Result<Option<String>, Fault> {
    match rustix::fs::openat(dir, name, flags(Links::Refuse), Mode::empty()) {
        Ok(file) => text_of(file, check).map(Some),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

/// Opens the folder `name` below `dir` without following a link; `None` when it is absent.
///
/// # Errors
/// [`Fault`] when something else is there.
pub(super) fn folder_in(dir: impl AsFd, name: &str) -> Result<Option<OwnedFd>, Fault> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
    match rustix::fs::openat(&dir, name, flags, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT) => Ok(None),
        // NOFOLLOW and DIRECTORY together say ENOTDIR for a link, so look at what it is.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            let stat = rustix::fs::statat(&dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
            match stat.map(|s| FileType::from_raw_mode(s.st_mode)) {
                Ok(FileType::Symlink) => Err(Fault::Link),
                _ => Err(Fault::System("a parent is not a folder".to_owned())),
            }
        }
        Err(error) => Err(fault(error)),
    }
}

// NONBLOCK: opening a FIFO that nobody writes to would otherwise wait for ever.
fn flags(links: Links) -> OFlags {
    let base = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    if links == Links::Refuse { base | OFlags::NOFOLLOW } else { base }
}

pub(super) fn fault(error: Errno) -> Fault {
    match error {
        Errno::LOOP => Fault::Link,
        // Opening a socket gives ENXIO.
        Errno::NXIO => Fault::NotAFile("a socket or device"),
        other => Fault::System(std::io::Error::from(other).to_string()),
    }
}

fn text_of(file: OwnedFd, check: impl FnOnce(&Stat) -> Result<(), Fault>) -> Result<String, Fault> {
    let stat = rustix::fs::fstat(&file).map_err(fault)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Fault::NotAFile("a folder")),
        FileType::Fifo => return Err(Fault::NotAFile("a FIFO")),
        FileType::Socket => return Err(Fault::NotAFile("a socket")),
        _ => return Err(Fault::NotAFile("a device")),
    }
    check(&stat)?;
    let mut bytes = Vec::new();
    let system = |error: std::io::Error| Fault::System(error.to_string());
    // One byte more than allowed: the size may have grown since fstat.
    std::fs::File::from(file).take(LARGEST + 1).read_to_end(&mut bytes).map_err(system)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Fault::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| Fault::NotUtf8(error.utf8_error().valid_up_to()))
}
