//! Appending: under a lock, in one write, synced, and only then promised.
//!
//! Several processes share one log. Each append takes the file's lock, looks whether
//! somebody else wrote since, and continues the chain from what is really there. FAIL
//! CLOSED: whatever goes wrong is an error, and the caller must refuse the tool call.

use super::checkpoint::Signer;
use super::head::{Head, HeadFile};
use super::record::{self, Draft, Kind, Origin};
use super::{AuditError, place, tail, verify};
use crate::model::{AbsPath, Seq};
use crate::redact::Redactor;
use rustix::fs::{FlockOperation, OFlags, Stat};
use serde_json::json;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long to wait for other writers. Each holds the lock for one sync.
const PATIENCE: Duration = Duration::from_secs(10);

/// The log. Usable from several threads; several processes may open the same file.
pub struct AuditLog {
    file: AbsPath,
    origin: Origin,
    state: Mutex<State>,
}

struct State {
    log: File,
    head_file: HeadFile,
    signer: Signer,
    /// The newest record that this object knows of, and the size of the log then.
    head: Head,
    size: u64,
    /// Why nothing can be appended any more.
    spoiled: Option<String>,
}

impl AuditLog {
    /// Opens or creates the log. A torn last line is moved aside and recorded.
    ///
    /// # Errors
    /// When the file or its folder is not safe, is damaged, or cannot be written.
    pub fn open(file: &AbsPath) -> Result<Self, AuditError> {
        AuditLog::open_as(file, Origin::here(None))
    }

    /// Opens the log for records of this origin.
    ///
    /// # Errors
    /// As [`AuditLog::open`].
    pub fn open_as(file: &AbsPath, origin: Origin) -> Result<Self, AuditError> {
        place::folder(file)?;
        let (log, _) = place::open(file.as_path(), OFlags::RDWR | OFlags::APPEND)?;
        let lock = Lock::take(file.as_path(), &log, false)?;
        let size = stat(file.as_path(), &log)?.st_size;
        let head_file = HeadFile::open(file.as_path(), size == 0)?;
        let signer = Signer::open(file.as_path(), size == 0)?;
        let (head, size) = (Head::none(), u64::MAX);
        let mut state = State { log, head_file, signer, head, size, spoiled: None };
        state.catch_up(file, &origin)?;
        drop(lock);
        Ok(AuditLog { file: file.clone(), origin, state: Mutex::new(state) })
    }

    /// Writes one record durably and gives its number.
    ///
    /// # Errors
    /// Always when the record may not be on disk. After a failed sync every later append
    /// fails too: the kernel may have dropped the pages and report success next time.
    pub fn append(&self, draft: &Draft) -> Result<Seq, AuditError> {
        let path = self.file.as_path();
        // FAIL CLOSED: a thread that panicked here may have left the state half changed.
        let mut state = self.state.lock().map_err(|_| {
            AuditError::new(format!(
                "audit log {}: an earlier append ended in a panic",
                path.display()
            ))
        })?;
        if let Some(reason) = &state.spoiled {
            return Err(AuditError::new(reason.clone()));
        }
        let mut lock = Lock::take(path, &state.log, false)?;
        if state.reopen_if_replaced(path)? {
            lock = Lock::take(path, &state.log, false)?;
            if state.reopen_if_replaced(path)? {
                return Err(AuditError::io("append", path, "it is being replaced again and again"));
            }
        }
        state.catch_up(&self.file, &self.origin)?;
        let seq = state.write(path, draft, &self.origin)?;
        drop(lock);
        Ok(seq)
    }

    /// The file.
    pub fn file(&self) -> &AbsPath {
        &self.file
    }
}

impl State {
    /// Follows the name to a new file when somebody moved or replaced the old one. What is
    /// there then must continue where the head stands, or `catch_up` refuses it.
    fn reopen_if_replaced(&mut self, path: &Path) -> Result<bool, AuditError> {
        let ours = stat(path, &self.log)?;
        let there = rustix::fs::lstat(path).map_err(|error| {
            AuditError::io("find it again, it was removed while Ion ran", path, error)
        })?;
        let replaced = (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino);
        if replaced {
            let (log, _) = place::open(path, OFlags::RDWR | OFlags::APPEND)?;
            self.log = log;
            self.size = u64::MAX;
        }
        Ok(replaced)
    }

    /// Brings `head` and `size` up to what is on disk, under the lock.
    fn catch_up(&mut self, file: &AbsPath, origin: &Origin) -> Result<(), AuditError> {
        let path = file.as_path();
        let size = u64::try_from(stat(path, &self.log)?.st_size).unwrap_or(0);
        if size == self.size {
            return Ok(());
        }
        let tail = tail::read(path, &self.log, size)?;
        let stated = self.head_file.read(path)?;
        let contradicts = match stated.seq.cmp(&tail.head.seq) {
            Ordering::Greater => true,
            Ordering::Equal => stated.hash != tail.head.hash,
            // A process was killed between the record and the head, or power was lost. The
            // attack: a longer log in the place of ours, which going on would make good.
            Ordering::Less => !continues(file, tail.length, stated.clone())?,
        };
        if contradicts {
            return Err(AuditError::new(format!(
                "audit log {}: record {} was written but the log ends at {}: its end was cut off or \
                 replaced; next: ion audit verify, then move the log and the files beside it aside to begin \
                 a new one",
                path.display(),
                stated.seq,
                tail.head.seq
            )));
        }
        let signed = self.signer.newest(path)?;
        if signed.seq > tail.head.seq || (signed.seq == tail.head.seq && *signed != tail.head) {
            return Err(AuditError::new(format!(
                "audit log {}: record {} was signed and is not there: the log was cut off or replaced; \
                 next: ion audit verify, then move the log and the files beside it aside to begin a new one",
                path.display(),
                signed.seq
            )));
        }
        self.head = tail.head.clone();
        self.size = tail.length;
        if !tail.torn.is_empty() {
            let moved_to = tail::set_aside(path, &self.log, &tail)?;
            let body =
                json!({"reason": "torn_line", "bytes": tail.torn.len(), "moved_to": moved_to});
            let body = Redactor::new(true, Vec::new()).for_log().json(&body);
            let (session, call_id, tool, decision) = (None, None, None, None);
            let kind = Kind::Recovered;
            self.write(path, &Draft { kind, session, call_id, tool, decision, body }, origin)?;
        }
        Ok(())
    }

    fn write(&mut self, path: &Path, draft: &Draft, origin: &Origin) -> Result<Seq, AuditError> {
        let seq = Seq(self.head.seq.0.saturating_add(1));
        let time = format!("{:.3}", jiff::Timestamp::now());
        let (line, hash) = record::line(draft, origin, seq, &time, &self.head.hash)
            .map_err(|e| AuditError::io("write a record", path, e))?;
        if line.len() > record::LONGEST_LINE {
            return Err(AuditError::io("write a record", path, "it is too long"));
        }
        let doing = format!("write record {seq}");
        let outcome = match self.log.write(line.as_bytes()) {
            Ok(written) if written == line.len() => Ok(()),
            Ok(written) => Err(format!("only {written} of {} bytes fitted", line.len())),
            Err(error) => Err(error.to_string()),
        };
        if let Err(reason) = outcome {
            // Takes the fragment off again. If that fails too, it is a torn line, and the
            // next append moves it aside.
            let _ = self.log.set_len(self.size);
            self.size = u64::MAX;
            return Err(AuditError::io(&doing, path, reason));
        }
        if let Err(error) = self.log.sync_data() {
            let failed = AuditError::io(&format!("make record {seq} durable"), path, error);
            self.spoiled = Some(format!("{}; the log is closed for good", failed.message));
            return Err(failed);
        }
        self.size = self.size.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        self.head = Head { seq, hash };
        self.head_file.write(path, &self.head)?;
        let ends = matches!(draft.kind, Kind::SessionEnd);
        if let Err(failed) = self.signer.after(path, &self.head, ends) {
            // A sync that failed once says nothing the next time.
            self.spoiled = Some(format!("{}; the log is closed for good", failed.message));
            return Err(failed);
        }
        Ok(seq)
    }
}

/// Whether the whole log checks and holds the record that the head names.
fn continues(file: &AbsPath, length: u64, head: Head) -> Result<bool, AuditError> {
    let log =
        File::open(file.as_path()).map_err(|e| AuditError::io("read it", file.as_path(), e))?;
    Ok(verify::check(file, Some(log.take(length)), Ok(Some(head)))?.is_intact())
}

fn stat(path: &Path, file: &File) -> Result<Stat, AuditError> {
    rustix::fs::fstat(file).map_err(|e| AuditError::io("look at it", path, e))
}

/// The right to append, given up when dropped.
pub(in crate::audit) struct Lock(File);

impl Lock {
    /// Waits for the lock; `shared` is enough to see a state between two appends.
    pub(in crate::audit) fn take(
        path: &Path,
        file: &File,
        shared: bool,
    ) -> Result<Self, AuditError> {
        // The copy shares the lock; it is only there so that the state stays free to change.
        let file = file.try_clone().map_err(|e| AuditError::io("lock it", path, e))?;
        let wanted = match shared {
            true => FlockOperation::NonBlockingLockShared,
            false => FlockOperation::NonBlockingLockExclusive,
        };
        let begun = Instant::now();
        let mut pause = Duration::from_micros(100);
        loop {
            match rustix::fs::flock(&file, wanted) {
                Ok(()) => return Ok(Lock(file)),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(AuditError::io("lock it", path, error)),
            }
            if begun.elapsed() > PATIENCE {
                return Err(AuditError::io(
                    "lock it",
                    path,
                    "another process has held it for ten seconds",
                ));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::tests::{Log, draft};
    use crate::model::Seq;
    use std::fs::{File, OpenOptions};

    #[test]
    fn a_full_disk_is_an_error_and_the_log_goes_on_when_there_is_room() {
        let log = Log::with(2);
        let open = log.open();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        {
            let mut state = open.state.lock().unwrap();
            let good = std::mem::replace(&mut state.log, full);
            let error = state.write(&log.path(), &draft(0), &open.origin).unwrap_err();
            assert!(error.message.contains("record 3"), "{}", error.message);
            state.log = good;
        }
        assert_eq!(open.append(&draft(0)).unwrap(), Seq(3));
        assert_eq!(log.fault(), None);
    }

    #[test]
    fn a_failed_sync_is_final() {
        let log = Log::with(2);
        let open = log.open();
        let (_reader, pipe) = rustix::pipe::pipe().unwrap();
        {
            let mut state = open.state.lock().unwrap();
            let good = std::mem::replace(&mut state.log, File::from(pipe));
            assert!(
                state
                    .write(&log.path(), &draft(0), &open.origin)
                    .unwrap_err()
                    .message
                    .contains("durable")
            );
            state.log = good;
        }
        assert!(open.append(&draft(0)).unwrap_err().message.contains("closed for good"));
    }
}
