//! Appending: under a lock, in one write, synced, and only then promised.
//!
//! Several processes share one log. Each append takes the file's lock, looks whether
//! somebody else wrote since, and continues the chain from what is really there. FAIL
//! CLOSED: whatever goes wrong is an error, and the caller must refuse the tool call.

use super::checkpoint::Signer;
use super::head::{Head, HeadFile};
use super::lock::Lock;
use super::record::{self, Draft, Kind, Origin};
use super::retired::{self, Retired};
use super::settings::{Settings, Sync};
use super::{AuditError, cursor, place, segment, tail, verify};
use crate::model::{AbsPath, Seq};
use crate::redact::Redactor;
use rustix::fs::{OFlags, Stat};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

/// How often one append finds that another process began a new file, at most.
const PATIENCE: usize = 100;

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
    settings: Settings,
    /// The newest record that this object knows of, and the size of the file then.
    head: Head,
    size: u64,
    /// Number and time (seconds) of the first record of the file; `None` when it has none.
    began: Option<(Seq, i64)>,
    /// The file system cannot exchange two names, so the log stays in one file.
    stays: bool,
    /// Why nothing can be appended any more.
    spoiled: Option<String>,
}

impl AuditLog {
    /// Opens or creates the log. A torn last line is moved aside and recorded.
    ///
    /// # Errors
    /// When the file or its folder is not safe, is damaged, or cannot be written.
    pub fn open(file: &AbsPath) -> Result<Self, AuditError> {
        AuditLog::open_as(file, Origin::here(None), Settings::default())
    }

    /// Opens the log for records of this origin, to be kept like this.
    ///
    /// # Errors
    /// As [`AuditLog::open`].
    pub fn open_as(file: &AbsPath, origin: Origin, settings: Settings) -> Result<Self, AuditError> {
        place::folder(file)?;
        let path = file.as_path();
        for _ in 0..PATIENCE {
            let (log, _) = place::open(path, OFlags::RDWR | OFlags::APPEND)?;
            let lock = Lock::take(path, &log, false)?;
            // An empty file behind a closed one is no new log.
            let unborn = stat(path, &log)?.st_size == 0 && segment::closed(path)?.is_empty();
            let head_file = HeadFile::open(path, unborn)?;
            let signer = Signer::open(path, unborn, settings.key_secret.as_ref())?;
            let (head, size, settings) = (Head::none(), u64::MAX, settings.clone());
            let (began, stays, spoiled) = (None, false, None);
            let mut state =
                State { log, head_file, signer, settings, head, size, began, stays, spoiled };
            if state.reopen_if_replaced(path)? {
                continue;
            }
            state.catch_up(file, &origin)?;
            drop(lock);
            return Ok(AuditLog { file: file.clone(), origin, state: Mutex::new(state) });
        }
        Err(replaced_again_and_again(path))
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
        for _ in 0..PATIENCE {
            let lock = Lock::take(path, &state.log, false)?;
            if state.reopen_if_replaced(path)? {
                continue;
            }
            state.catch_up(&self.file, &self.origin)?;
            if state.is_full() && state.close(path)? {
                continue;
            }
            let seq = state.write(path, draft, &self.origin)?;
            drop(lock);
            return Ok(seq);
        }
        Err(replaced_again_and_again(path))
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
            (self.log, self.size, self.began) = (log, u64::MAX, None);
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
        let mut tail = tail::read(path, &self.log, size)?;
        let fresh = tail.length == 0;
        if fresh {
            tail.head = before(path, &self.signer)?;
        }
        let stated = self.head_file.read(path)?;
        let contradicts = match stated.seq.cmp(&tail.head.seq) {
            Ordering::Greater => true,
            Ordering::Equal => stated.hash != tail.head.hash,
            // A process was killed between the record and the head, or power was lost. The
            // attack: a longer log in the place of ours, which going on would make good.
            Ordering::Less => !verify::continues(file, stated.clone())?,
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
        self.began = segment::beginning(&self.log).map(|(seq, time)| (seq, time.as_second()));
        if !tail.torn.is_empty() {
            let moved_to = tail::set_aside(path, &self.log, &tail)?;
            let body =
                json!({"reason": "torn_line", "bytes": tail.torn.len(), "moved_to": moved_to});
            self.note(path, Kind::Recovered, &body, origin)?;
        }
        if fresh && tail.head.seq > Seq(0) {
            let closed = segment::closed(path)?.pop().map(|part| part.name);
            let body = json!({"closed": closed, "last": tail.head.seq, "hash": tail.head.hash});
            self.note(path, Kind::Rotated, &body, origin)?;
            self.retire(path, origin)?;
        }
        Ok(())
    }

    /// Whether the next record begins a new file. The first record of one never is the last.
    fn is_full(&self) -> bool {
        let Some((first, began)) = self.began.filter(|_| !self.stays) else { return false };
        let age = jiff::Timestamp::now().as_second().saturating_sub(began);
        let old = self
            .settings
            .rotate_seconds
            .is_some_and(|most| u64::try_from(age).is_ok_and(|age| age >= most));
        self.head.seq > first && (old || self.size >= self.settings.rotate_bytes)
    }

    /// Begins a new file. What was closed is signed to its last record.
    fn close(&mut self, path: &Path) -> Result<bool, AuditError> {
        let Some((first, _)) = self.began else { return Ok(false) };
        self.sign(path)?;
        self.head_file.sync(path)?;
        self.stays = !segment::close(path, first)?;
        Ok(!self.stays)
    }

    /// Removes files whose newest record is older than is kept, oldest first. One that does not
    /// verify stays, with all after it: it is evidence.
    fn retire(&mut self, path: &Path, origin: &Origin) -> Result<(), AuditError> {
        let Some(keep) = self.settings.keep_seconds else { return Ok(()) };
        let now = jiff::Timestamp::now().as_second();
        for part in segment::closed(path)? {
            let Ok(tail) = tail::read(&part.path, &part.file, part.size) else { return Ok(()) };
            let age = u64::try_from(now.saturating_sub(tail.time)).unwrap_or(0);
            let (Some(first), false) = (part.first, age < keep) else { return Ok(()) };
            if place::beside(path, ".hold").symlink_metadata().is_ok() {
                let body = json!({"held": true, "file": part.name});
                return self.note(path, Kind::Retired, &body, origin).map(|_| ());
            }
            let (name, place) = (part.name.clone(), part.path.clone());
            let Head { seq: last, hash } = tail.head;
            // What a receiver lacks stays, however old it is.
            if !cursor::all_have(path, last) {
                return Ok(());
            }
            if !verify::part_checks(path, part, last, &self.signer.public())? {
                return Ok(());
            }
            let file = Retired { first, last, hash };
            retired::state(path, &self.signer, &file)?;
            let body = json!({"file": name, "first": first, "last": last, "hash": file.hash});
            self.note(path, Kind::Retired, &body, origin)?;
            let removed = std::fs::remove_file(&place);
            removed.map_err(|e| AuditError::io(&format!("remove {name}"), path, e))?;
            place::sync_folder(path)?;
        }
        Ok(())
    }

    /// A record about the log itself.
    fn note(
        &mut self,
        path: &Path,
        kind: Kind,
        body: &Value,
        origin: &Origin,
    ) -> Result<Seq, AuditError> {
        let body = Redactor::new(true, Vec::new()).for_log().json(body);
        let (session, call_id, tool, decision) = (None, None, None, None);
        self.write(path, &Draft { kind, session, call_id, tool, decision, body }, origin)
    }

    /// Signs the newest record. A checkpoint names nothing that a power cut could still take.
    fn sign(&mut self, path: &Path) -> Result<(), AuditError> {
        if self.settings.sync != Sync::Always {
            self.log.sync_data().map_err(|e| {
                let failed = AuditError::io("make its records durable", path, e);
                self.spoiled = Some(format!("{}; the log is closed for good", failed.message));
                failed
            })?;
        }
        self.signer.sign(path, &self.head).inspect_err(|failed| {
            // A sync that failed once says nothing the next time.
            self.spoiled = Some(format!("{}; the log is closed for good", failed.message));
        })
    }

    fn write(&mut self, path: &Path, draft: &Draft, origin: &Origin) -> Result<Seq, AuditError> {
        let seq = Seq(self.head.seq.0.saturating_add(1));
        let now = jiff::Timestamp::now();
        let time = format!("{now:.3}");
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
        if self.settings.sync == Sync::Always
            && let Err(error) = self.log.sync_data()
        {
            let failed = AuditError::io(&format!("make record {seq} durable"), path, error);
            self.spoiled = Some(format!("{}; the log is closed for good", failed.message));
            return Err(failed);
        }
        self.size = self.size.saturating_add(u64::try_from(line.len()).unwrap_or(0));
        self.head = Head { seq, hash };
        if self.began.is_none() {
            self.began = Some((seq, now.as_second()));
        }
        self.head_file.write(path, &self.head)?;
        if self.signer.is_due(&self.head, matches!(draft.kind, Kind::SessionEnd)) {
            self.sign(path)?;
        }
        Ok(seq)
    }
}

/// The newest record before a file that has none: that of the closed file before it.
fn before(path: &Path, signer: &Signer) -> Result<Head, AuditError> {
    if let Some(part) = segment::closed(path)?.pop() {
        return Ok(tail::read(&part.path, &part.file, part.size)?.head);
    }
    let retired = retired::of(path, &signer.public())?.map_err(AuditError::new)?;
    let last = retired.into_iter().next_back();
    Ok(last.map_or_else(Head::none, |file| Head { seq: file.last, hash: file.hash }))
}

fn replaced_again_and_again(path: &Path) -> AuditError {
    AuditError::io("append", path, "it is being replaced again and again")
}

fn stat(path: &Path, file: &File) -> Result<Stat, AuditError> {
    rustix::fs::fstat(file).map_err(|e| AuditError::io("look at it", path, e))
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
