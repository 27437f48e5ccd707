//! Finding the newest record, and moving a torn one aside.
//!
//! Runs under the log's lock. A line without its end is what a killed process or a full
//! disk leaves: it was never promised to anybody, so it is kept in a file of its own and
//! the log goes on. A complete line that does not check is something else: the log is
//! refused, because going on would cover the traces.

use super::head::Head;
use super::record::{self, LONGEST_LINE};
use super::{AuditError, place};
use crate::model::Seq;
use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The end of a log.
pub(in crate::audit) struct Tail {
    /// The newest complete record.
    pub(in crate::audit) head: Head,
    /// Bytes up to and including it.
    pub(in crate::audit) length: u64,
    /// What stands behind it.
    pub(in crate::audit) torn: Vec<u8>,
    /// When the newest record was written, in seconds; never, when that cannot be told.
    pub(in crate::audit) time: i64,
}

#[derive(Deserialize)]
struct Numbered {
    seq: Seq,
    time: String,
}

/// Reads the end of the log.
pub(in crate::audit) fn read(log: &Path, file: &File, size: u64) -> Result<Tail, AuditError> {
    let reach = u64::try_from(2 * LONGEST_LINE).unwrap_or(u64::MAX).min(size);
    let mut bytes = vec![0; usize::try_from(reach).unwrap_or(0)];
    file.read_exact_at(&mut bytes, size - reach)
        .map_err(|e| AuditError::io("read its end", log, e))?;
    let complete = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let torn = bytes.split_off(complete);
    let length = size - u64::try_from(torn.len()).unwrap_or(0);
    if bytes.is_empty() {
        if length > 0 {
            return Err(damaged(log, "its last line has no end"));
        }
        return Ok(Tail { head: Head::none(), length, torn, time: i64::MAX });
    }
    bytes.pop();
    let from = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    if from == 0 && reach < size {
        return Err(damaged(log, "its last line is too long"));
    }
    let line = bytes.get(from..).unwrap_or_default();
    let hash =
        record::checked_hash(line).ok_or_else(|| damaged(log, "its last record was changed"))?;
    let Numbered { seq, time } =
        serde_json::from_slice(line).map_err(|_| damaged(log, "its last record cannot be read"))?;
    let time = time.parse::<jiff::Timestamp>().map_or(i64::MAX, |time| time.as_second());
    Ok(Tail { head: Head { seq, hash: hash.to_owned() }, length, torn, time })
}

/// Moves a torn line to `<log>.torn-<n>`, durably, before it is taken off the log. Gives
/// the name of the new file.
pub(in crate::audit) fn set_aside(
    log: &Path,
    file: &File,
    tail: &Tail,
) -> Result<String, AuditError> {
    let doing = "move its torn last line aside";
    for n in 1..10_000 {
        let path = place::beside(log, &format!(".torn-{n}"));
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut aside = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => File::from(fd),
            Err(rustix::io::Errno::EXIST) => continue,
            Err(error) => return Err(AuditError::io(doing, log, error)),
        };
        let kept = aside.write_all(&tail.torn).and_then(|()| aside.sync_all());
        kept.map_err(|e| AuditError::io(doing, log, e))?;
        file.set_len(tail.length).map_err(|e| AuditError::io(doing, log, e))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        return Ok(name.unwrap_or_default());
    }
    Err(AuditError::new(format!(
        "audit log {}: too many torn lines were moved aside",
        log.display()
    )))
}

fn damaged(log: &Path, what: &str) -> AuditError {
    AuditError::new(format!(
        "audit log {}: {what}; next: ion audit verify, then move the log and the files beside it aside to \
         begin a new one",
        log.display()
    ))
}
