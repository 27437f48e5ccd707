//! How far a sink has got: a small file beside the log for each, `audit.jsonl.sent-NAME`.
//!
//! The log itself is the queue; the cursor holds number and hash of the last record that the
//! receiver took. It is replaced whole (written, synced, renamed), so that a killed process leaves the
//! old one or the new one, and at worst a batch is sent twice. One process at a time holds the lock of
//! a sink. FAIL CLOSED: a cursor that cannot be read is an error and never "nothing was sent" or
//! "all was sent". Read [`super::query::after`] next.

use super::record::NO_HASH;
use super::{AuditError, head, place};
use crate::model::{AbsPath, Seq};
use rustix::fs::{FlockOperation, OFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// What a sink's receiver has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The last record that it took; 0 before the first.
    pub seq: Seq,
    /// The hash of that record.
    pub hash: String,
    /// Whether nothing more is sent until a person looked at `trouble`.
    pub parked: bool,
    /// What went wrong last; `None` after a success.
    pub trouble: Option<String>,
}

impl Default for Sent {
    fn default() -> Self {
        Sent { seq: Seq(0), hash: NO_HASH.to_owned(), parked: false, trouble: None }
    }
}

/// Whether a sink can have this name: it becomes a part of file names and of configuration keys.
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

/// The files of a sink beside the log: cursor, the next cursor, lock.
pub fn files(name: &str) -> [String; 3] {
    ["", ".new", ".lock"].map(|end| format!(".sent-{name}{end}"))
}

fn path(log: &AbsPath, name: &str, which: usize) -> PathBuf {
    let ending = files(name).into_iter().nth(which).unwrap_or_default();
    place::beside(log.as_path(), &ending)
}

/// Reads the cursor of a sink. No file means that nothing was sent.
///
/// # Errors
/// It is there and cannot be read, or is not what Ion writes.
pub fn read(log: &AbsPath, name: &str) -> Result<Sent, AuditError> {
    read_at(path(log, name, 0), name)
}

/// Whether every sink that was ever sent something has this record. FAIL CLOSED: what cannot be read
/// has nothing.
pub(in crate::audit) fn all_have(log: &Path, seq: Seq) -> bool {
    let (Some(folder), Some(stem)) = (log.parent(), log.file_name()) else { return false };
    let stem = format!("{}.sent-", stem.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.into_iter().all(|entry| {
        let Ok(entry) = entry else { return false };
        let entry = entry.file_name();
        let name = entry.to_str().and_then(|text| text.strip_prefix(&stem)).filter(|n| is_name(n));
        name.is_none_or(|name| read_at(folder.join(&entry), name).is_ok_and(|s| s.seq >= seq))
    })
}

fn read_at(path: PathBuf, name: &str) -> Result<Sent, AuditError> {
    let Some(file) = place::read(&path)? else { return Ok(Sent::default()) };
    let mut text = Vec::new();
    let read = file.take(64 * 1024).read_to_end(&mut text);
    read.map_err(|e| AuditError::io("read it", &path, e))?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let sent = serde_json::from_slice::<Sent>(&text).ok();
    let sent = sent.filter(|sent| sent.hash.len() == 64 && sent.hash.bytes().all(hex));
    sent.ok_or_else(|| {
        AuditError::new(format!(
            "{} is damaged: how far sink `{name}` has got is not known; next: remove the file, and \
             the whole log is sent again (receivers drop what they have by `hash`)",
            path.display()
        ))
    })
}

/// How many records the receiver of a sink does not have yet. Reads two small files.
///
/// # Errors
/// One of them cannot be read, or they are not about the same log.
pub fn backlog(log: &AbsPath, name: &str) -> Result<u64, AuditError> {
    let newest = head::of(log.as_path())?.map_or(Seq(0), |head| head.seq);
    let sent = read(log, name)?.seq;
    newest.0.checked_sub(sent.0).ok_or_else(|| another_log(log, name, sent))
}

/// The cursor is ahead of its log, or names a record that the log does not have.
pub(in crate::audit) fn another_log(log: &AbsPath, name: &str, seq: Seq) -> AuditError {
    AuditError::new(format!(
        "sink `{name}` was sent record {seq}, which is not in {log}: the log was cut off or replaced; \
         next: ion audit verify; then remove {} to send this log from its start",
        path(log, name, 0).display()
    ))
}

/// The right to move the cursor of a sink, given up when dropped.
pub struct Cursor {
    log: AbsPath,
    name: String,
    /// Closing it gives the lock back, also when the process is killed.
    _lock: File,
}

impl Cursor {
    /// Takes the lock of a sink; `None` while another process has it.
    ///
    /// # Errors
    /// The folder is not safe, or the lock file cannot be made.
    pub fn take(log: &AbsPath, name: &str) -> Result<Option<Self>, AuditError> {
        place::folder(log)?;
        let path = path(log, name, 2);
        let (lock, _) = place::open(&path, OFlags::RDWR)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Cursor { log: log.clone(), name: name.to_owned(), _lock: lock })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(AuditError::io("lock it", &path, error)),
        }
    }

    /// Where the sink is.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(&self) -> Result<Sent, AuditError> {
        read(&self.log, &self.name)
    }

    /// Moves the cursor durably.
    ///
    /// # Errors
    /// It is not surely on disk; the receiver may then get records again.
    pub fn write(&self, sent: &Sent) -> Result<(), AuditError> {
        let (to, new) = (path(&self.log, &self.name, 0), path(&self.log, &self.name, 1));
        let failed = |e: std::io::Error| AuditError::io("write it", &to, e);
        let (mut file, _) = place::open(&new, OFlags::RDWR)?;
        let mut text = serde_json::to_string(sent).map_err(|e| failed(e.into()))?;
        text.push('\n');
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
        file.sync_all().and_then(|()| std::fs::rename(&new, &to)).map_err(failed)?;
        let Some(folder) = to.parent() else { return Ok(()) };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::query::after;
    use crate::audit::tests::Log;

    fn seqs(log: &AbsPath, sent: &Sent, most: usize) -> Result<Vec<u64>, AuditError> {
        let mut found = Vec::new();
        after(log, "s", sent, most, &mut |record, line| {
            assert!(line.ends_with(b"\n"));
            found.push(record.seq.0);
            Ok::<(), AuditError>(())
        })?;
        Ok(found)
    }

    fn at(log: &AbsPath, seq: u64) -> Sent {
        let mut sent = Sent::default();
        after(log, "s", &Sent::default(), usize::MAX, &mut |record, _| {
            if record.seq.0 == seq {
                sent = Sent { seq: record.seq, hash: record.hash, ..Sent::default() };
            }
            Ok::<(), AuditError>(())
        })
        .unwrap();
        sent
    }

    #[test]
    fn what_comes_after_any_record_is_found_in_a_long_log() {
        let log = Log::with(700);
        let file = AbsPath::new(log.path()).unwrap();
        for seq in [0, 1, 2, 255, 256, 257, 433, 698, 699, 700] {
            let wanted: Vec<u64> = (seq + 1..=700).take(100).collect();
            assert_eq!(seqs(&file, &at(&file, seq), 100).unwrap(), wanted, "after {seq}");
        }
        let none = AbsPath::new("/nonexistent/a.jsonl").unwrap();
        assert!(seqs(&none, &Sent::default(), 9).unwrap().is_empty());
    }

    #[test]
    fn a_record_that_was_changed_or_belongs_to_another_log_is_not_given_out() {
        let log = Log::with(9);
        let file = AbsPath::new(log.path()).unwrap();
        let fourth = at(&file, 4);
        let other = Sent { hash: "ab".repeat(32), ..fourth.clone() };
        assert!(seqs(&file, &other, 9).unwrap_err().message.contains("was sent record 4"));
        let ahead = Sent { seq: Seq(12), ..fourth.clone() };
        assert!(seqs(&file, &ahead, 9).unwrap_err().message.contains("was sent record 12"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("x.example/6", "y.example/6")).unwrap();
        let mut given = Vec::new();
        let error = after(&file, "s", &fourth, 9, &mut |record, _| {
            given.push(record.seq.0);
            Ok::<(), AuditError>(())
        });
        assert!(error.unwrap_err().message.contains("after record 6"), "what is before it is sent");
        assert_eq!(given, [5, 6]);
        // A line whose writer is not done is no news yet.
        std::fs::write(&file, text.trim_end()).unwrap();
        assert_eq!(seqs(&file, &fourth, 9).unwrap(), [5, 6, 7, 8]);
    }

    #[test]
    fn a_cursor_is_whole_or_an_error_and_has_one_writer() {
        let log = Log::with(3);
        let file = AbsPath::new(log.path()).unwrap();
        assert_eq!(backlog(&file, "s").unwrap(), 3);
        let cursor = Cursor::take(&file, "s").unwrap().unwrap();
        assert!(Cursor::take(&file, "s").unwrap().is_none(), "one at a time");
        assert!(Cursor::take(&file, "other").unwrap().is_some());
        let sent = Sent { trouble: Some("down\n".to_owned()), ..at(&file, 2) };
        cursor.write(&sent).unwrap();
        assert_eq!((cursor.read().unwrap(), backlog(&file, "s").unwrap()), (sent.clone(), 1));
        cursor.write(&Sent { seq: Seq(4), ..sent }).unwrap();
        assert!(backlog(&file, "s").unwrap_err().message.contains("was sent record 4"));
        for damaged in ["", "{}", "{\"seq\":1", "{\"seq\":1,\"hash\":\"\",\"parked\":false}"] {
            std::fs::write(path(&file, "s", 0), damaged).unwrap();
            assert!(backlog(&file, "s").unwrap_err().message.contains("is damaged"), "{damaged}");
        }
        drop(cursor);
        assert!(Cursor::take(&file, "s").unwrap().is_some());
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        assert!(is_name("siem-1") && is_name("a"));
        for bad in ["", "a/b", "..", "A", "a.lock", "a b", &"a".repeat(33)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
