//! `Write`: the whole file or nothing, by a temporary file in the same folder.

use super::{Arguments, Outcome, read, say};
use crate::worker::open;
use crate::worker::wire::Changed;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Runs the tool.
///
/// # Errors
/// The tool error.
pub fn run(arguments: &Arguments<'_>) -> Result<Outcome, String> {
    let path = arguments.path()?;
    let content = arguments.required("content")?;
    if !arguments.call.held.is_empty() {
        arguments
            .still_held(&path, &String::from_utf8_lossy(&read::contents(&path, "reading")?))?;
    }
    let changed = Some(replace(&path, content.as_bytes())?);
    let words = format!("Successfully wrote to {}", path.display());
    Ok(Outcome { changed, ..Outcome::done(words) })
}

/// Puts `bytes` in the place of the file, keeping its mode; folders are made as needed.
///
/// # Errors
/// The tool error.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<Changed, String> {
    let failed = |e: io::Error| format!("Error writing file: {}", say("open", path, &e));
    let (folder, name) = open::parent(path, true).map_err(failed)?;
    let existing = existing(&folder, name).map_err(failed)?;
    let mode = existing.map(|(mode, _)| mode);
    let changed = Changed { before: existing.map(|(_, size)| size), after: bytes.len() as u64 };
    match by_rename(&folder, name, mode, bytes) {
        Ok(()) => Ok(changed),
        // A single writable file in a folder that is not: written in place, or not at all.
        Err(error) if mode.is_some() && folder_is_shut(&error) => {
            in_place(path, bytes).map_err(failed).map(|()| changed)
        }
        Err(error) => Err(failed(error)),
    }
}

fn folder_is_shut(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EROFS | libc::EBUSY | libc::EPERM))
}

/// Permission bits and size of an existing regular file; set-id bits do not survive a new content.
fn existing(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<(Mode, u64)>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(about) => match FileType::from_raw_mode(about.st_mode) {
            FileType::RegularFile => {
                let size = u64::try_from(about.st_size).unwrap_or(0);
                Ok(Some((Mode::from_raw_mode(about.st_mode & 0o777), size)))
            }
            FileType::Directory => Err(io::Error::from_raw_os_error(libc::EISDIR)),
            FileType::Symlink => Err(io::Error::from_raw_os_error(libc::ELOOP)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        },
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn by_rename(folder: &OwnedFd, name: &OsStr, mode: Option<Mode>, bytes: &[u8]) -> io::Result<()> {
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
    let temporary = format!(".ion-write-{:016x}", u64::from_ne_bytes(random));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, &temporary, flags, Mode::from_raw_mode(0o644))?;
    let written = (|| {
        let mut file = File::from(file);
        file.write_all(bytes)?;
        if let Some(mode) = mode {
            rustix::fs::fchmod(&file, mode)?;
        }
        rustix::fs::renameat(folder, &temporary, folder, name)?;
        Ok(())
    })();
    if written.is_err() {
        let _ = rustix::fs::unlinkat(folder, &temporary, AtFlags::empty());
    }
    written
}

fn in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = open::write_in_place(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    file.set_len(0)?;
    file.write_all(bytes)
}
