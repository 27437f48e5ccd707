//! Following a log that grows, from any moment of its life: before it exists, while a process
//! writes, after it was moved aside.
//!
//! A line is taken when its end is there and never before, so half a record is never given
//! out. What was taken must go on as one chain, also from file to file; where it does not,
//! that is news too.

use super::record::{self, LONGEST_LINE, NO_HASH, Record};
use super::{AuditError, place, segment};
use crate::model::{AbsPath, Seq};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

/// What happened to the log.
#[derive(Debug)]
pub enum News {
    /// A record was added.
    Record(Box<Record>),
    /// This 1-based line is no record.
    Unreadable(u64),
    /// The record on this 1-based line was changed, or does not follow the one before it.
    Unlinked(u64),
    /// The log was moved away or removed; it is followed on when a new one appears.
    Gone,
    /// Another file stands under the name now; it is read from its start.
    Replaced,
}

/// A place in a log, from the oldest record that is kept on.
pub struct Follow {
    file: AbsPath,
    open: Option<File>,
    gone: bool,
    /// Another file was opened, and its first record is not there yet.
    switched: bool,
    /// Bytes and lines of the open file up to the end of the last whole line.
    at: u64,
    line: u64,
    /// The newest record that was given out; no hash where nobody can tell what it follows.
    seq: Seq,
    hash: Option<String>,
}

impl Follow {
    /// Before the first record. The log need not exist yet.
    pub fn new(file: &AbsPath) -> Self {
        let (open, gone, switched) = (None, false, false);
        let hash = Some(NO_HASH.to_owned());
        Follow { file: file.clone(), open, gone, switched, at: 0, line: 0, seq: Seq(0), hash }
    }

    /// Gives out what was added since the last time; does not wait.
    ///
    /// # Errors
    /// When the file cannot be read or became shorter, or `each` fails.
    pub fn news<E: From<AuditError>>(
        &mut self,
        each: &mut dyn FnMut(News) -> Result<(), E>,
    ) -> Result<(), E> {
        let there = place::read(self.file.as_path())?;
        let id = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino())).ok();
        let same = match (&self.open, &there) {
            (Some(open), Some(there)) => id(open) == id(there),
            (None, None) => true,
            _ => false,
        };
        if same {
            return self.read(each);
        }
        // The last lines of the old file come before the new one.
        self.read(each)?;
        if there.is_none() {
            return match std::mem::replace(&mut self.gone, true) {
                true => Ok(()),
                false => each(News::Gone),
            };
        }
        self.gone = false;
        for part in segment::all(self.file.as_path())? {
            if part.first.is_some_and(|first| first <= self.seq) {
                continue;
            }
            if self.open.is_none() && part.first.is_some_and(|first| first > Seq(1)) {
                self.hash = None;
            }
            self.switched = self.open.is_some();
            (self.open, self.at, self.line) = (Some(part.file), 0, 0);
            self.read(each)?;
        }
        Ok(())
    }

    fn read<E: From<AuditError>>(
        &mut self,
        each: &mut dyn FnMut(News) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(mut open) = self.open.as_ref() else { return Ok(()) };
        let path = self.file.as_path();
        let failed = |e| AuditError::io("read it", path, e);
        let size = open.metadata().map_err(failed)?.len();
        if size < self.at {
            return Err(E::from(AuditError::new(format!(
                "audit log {}: line {} and others before it were taken off while it was followed; \
                 next: ion audit verify",
                path.display(),
                self.line
            ))));
        }
        open.seek(SeekFrom::Start(self.at)).map_err(failed)?;
        // Only up to this size, so that a log that grows fast does not keep others waiting.
        let mut lines = BufReader::with_capacity(64 * 1024, open.take(size - self.at));
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = u64::try_from(LONGEST_LINE + 1).unwrap_or(u64::MAX);
            lines.by_ref().take(limit).read_until(b'\n', &mut line).map_err(failed)?;
            let too_long = line.len() > LONGEST_LINE;
            // Not at its end yet: read again next time, from the start of the line.
            if !line.ends_with(b"\n") && !too_long {
                return Ok(());
            }
            self.at = self.at.saturating_add(u64::try_from(line.len()).unwrap_or(0));
            self.line = self.line.saturating_add(1);
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let Ok(record) = serde_json::from_slice::<Record>(text) else {
                each(News::Unreadable(self.line))?;
                continue;
            };
            let follows = |hash: &Option<String>| hash.as_ref().is_none_or(|h| *h == record.prev);
            if std::mem::take(&mut self.switched) && !follows(&self.hash) {
                each(News::Replaced)?;
                self.hash = Some(NO_HASH.to_owned());
            }
            if record::checked_hash(text).is_none() || !follows(&self.hash) {
                each(News::Unlinked(self.line))?;
            }
            (self.seq, self.hash) = (record.seq, Some(record.hash.clone()));
            each(News::Record(Box::new(record)))?;
        }
    }
}
