//! The files of one log: `audit.jsonl` takes the records, and what was full or a day old lies
//! beside it as `audit.jsonl.000000000001`, named after its first record.
//!
//! Number and chain go on from file to file, so the files in order are one log. A new file
//! takes the name by an exchange of two names: at no moment is there none, and a killed
//! process leaves at most an empty file, which nobody counts. Reads, and changes names only.

use super::lock::Lock;
use super::{AuditError, place};
use crate::model::Seq;
use rustix::fs::{CWD, OFlags, RenameFlags};
use std::fs::File;
use std::io::{BufReader, Read, Take};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Digits of a closed file's name, at least.
const DIGITS: usize = 12;

/// One file of a log, as it was when it was opened.
pub(in crate::audit) struct Part {
    /// Its name without the folder.
    pub(in crate::audit) name: String,
    pub(in crate::audit) path: PathBuf,
    pub(in crate::audit) file: File,
    pub(in crate::audit) size: u64,
    /// The number that its name states; `None` for the file that takes the records.
    pub(in crate::audit) first: Option<Seq>,
}

impl Part {
    /// Its lines from the start, up to the size that it had when it was opened.
    pub(in crate::audit) fn lines(self) -> BufReader<Take<File>> {
        BufReader::with_capacity(256 * 1024, self.file.take(self.size))
    }
}

/// Number and time of the first record of a file; `None` when there is none.
pub(in crate::audit) fn beginning(file: &File) -> Option<(Seq, jiff::Timestamp)> {
    let mut text = [0; 128];
    let read = file.read_at(&mut text, 0).ok()?;
    let (seq, time) = super::record::beginning(text.get(..read)?)?;
    Some((seq, time.parse().ok()?))
}

/// The name of the closed file that begins with this record.
pub(in crate::audit) fn path(log: &Path, first: Seq) -> PathBuf {
    place::beside(log, &format!(".{:0width$}", first.0, width = DIGITS))
}

/// All files of a log, oldest first; the one that takes the records is last, where there is one.
/// A log is seen between two changes of its files, without waiting for anybody.
pub(in crate::audit) fn all(log: &Path) -> Result<Vec<Part>, AuditError> {
    again(log, |opened| with_closed(log, opened))
}

/// The same under a shared lock, between two appends, with what else was read under it.
pub(in crate::audit) fn all_locked<T>(
    log: &Path,
    read: impl Fn() -> Result<T, AuditError>,
) -> Result<(Vec<Part>, T), AuditError> {
    again(log, |opened| {
        let _lock = opened.as_ref().map(|file| Lock::take(log, file, true)).transpose()?;
        if opened.as_ref().is_some_and(|file| !stands_at(file, log)) {
            return Ok(None);
        }
        let read = read()?;
        Ok(with_closed(log, opened)?.map(|parts| (parts, read)))
    })
}

/// Tries until no new file was begun meanwhile.
fn again<T>(
    log: &Path,
    seen: impl Fn(Option<File>) -> Result<Option<T>, AuditError>,
) -> Result<T, AuditError> {
    for _ in 0..100 {
        if let Some(found) = seen(place::read(log)?)? {
            return Ok(found);
        }
    }
    Err(AuditError::io("read it", log, "it is being replaced again and again"))
}

fn with_closed(log: &Path, opened: Option<File>) -> Result<Option<Vec<Part>>, AuditError> {
    let mut parts = closed(log)?;
    let Some(file) = opened else { return Ok(Some(parts)) };
    // A file that was closed meanwhile stands in the list already, under another name.
    if !stands_at(&file, log) {
        return Ok(None);
    }
    let size = size(log, &file)?;
    parts.push(Part { name: name(log), path: log.to_owned(), file, size, first: None });
    Ok(Some(parts))
}

/// The closed files, oldest first.
pub(in crate::audit) fn closed(log: &Path) -> Result<Vec<Part>, AuditError> {
    let failed = |e| AuditError::io("look for its closed files", log, e);
    let folder = log.parent().unwrap_or(Path::new("/"));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        // A folder that cannot be listed is opened all the same by whoever may only pass it:
        // then the log has one file for them, and what is missing is seen by its number.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let stem = format!("{}.", name(log));
    let mut parts = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        let Some(digits) = entry.strip_prefix(&stem) else { continue };
        if digits.len() < DIGITS || !digits.bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let Some(first) = digits.parse().ok().map(Seq) else { continue };
        let path = path(log, first);
        let Some(file) = place::read(&path)? else { continue };
        let size = size(&path, &file)?;
        if size > 0 {
            parts.push(Part { name: entry, path, file, size, first: Some(first) });
        }
    }
    parts.sort_by_key(|part| part.first);
    Ok(parts)
}

/// Closes the file that took the records until now, and puts an empty one in its place; `false`
/// where the file system cannot exchange two names, and nothing was changed. Runs under the lock.
pub(in crate::audit) fn close(log: &Path, first: Seq) -> Result<bool, AuditError> {
    use rustix::io::Errno;
    let closed = path(log, first);
    let doing = "begin a new file";
    let (fresh, _) = place::open(&closed, OFlags::RDWR | OFlags::APPEND)?;
    // Empty: what a process left that was killed right here.
    if size(&closed, &fresh)? > 0 {
        let what = format!("{} stands in the way", closed.display());
        return Err(AuditError::io(doing, log, what));
    }
    match rustix::fs::renameat_with(CWD, log, CWD, &closed, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::remove_file(&closed).map_err(|e| AuditError::io(doing, log, e))?;
            return Ok(false);
        }
        Err(error) => return Err(AuditError::io(doing, log, error)),
    }
    place::sync_folder(log)?;
    Ok(true)
}

/// Whether the name still leads to this file.
fn stands_at(file: &File, log: &Path) -> bool {
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::symlink_metadata(log)) else {
        return false;
    };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

fn size(path: &Path, file: &File) -> Result<u64, AuditError> {
    let meta = file.metadata().map_err(|e| AuditError::io("look at it", path, e))?;
    Ok(meta.len())
}

fn name(log: &Path) -> String {
    log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Reads without moving the place where another handle reads.
pub(in crate::audit) struct At<'a> {
    pub(in crate::audit) file: &'a File,
    pub(in crate::audit) at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read_at(into, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}
