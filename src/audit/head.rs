//! The head: number and hash of the newest record, in a small file beside the log.
//!
//! A chain alone cannot tell that its end was cut off; the head can. It is overwritten in
//! place with one write of fixed length under the log's lock, which costs a few
//! microseconds and cannot be torn by a killed process. It is not synced: the record is
//! durable before the head names it, so after a power loss the head is at worst behind.

use super::record::NO_HASH;
use super::{AuditError, place};
use crate::model::Seq;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The newest record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct Head {
    pub(in crate::audit) seq: Seq,
    pub(in crate::audit) hash: String,
}

impl Head {
    /// Before the first record.
    pub(in crate::audit) fn none() -> Self {
        Head { seq: Seq(0), hash: NO_HASH.to_owned() }
    }

    /// `{"v":1,"seq":00000000000000000007,…}` would not be JSON, so the number is a string.
    fn text(&self) -> String {
        format!("{{\"v\":1,\"seq\":\"{:020}\",\"hash\":\"{}\"}}\n", self.seq.0, self.hash)
    }

    fn parse(text: &str) -> Option<Head> {
        let rest = text.strip_prefix("{\"v\":1,\"seq\":\"")?;
        let (seq, rest) = rest.split_once("\",\"hash\":\"")?;
        let hash = rest.strip_suffix("\"}\n")?;
        let head = Head { seq: Seq(seq.parse().ok()?), hash: hash.to_owned() };
        // Only what Ion itself writes: any other spelling was made by somebody else.
        (head.text() == text && hash.len() == 64).then_some(head)
    }
}

/// The open head file.
pub(in crate::audit) struct HeadFile(File);

impl HeadFile {
    /// Opens it, or makes it for a log that has no record yet.
    pub(in crate::audit) fn open(log: &Path, log_is_empty: bool) -> Result<Self, AuditError> {
        let path = place::beside(log, ".head");
        if !log_is_empty && !path.exists() {
            return Err(AuditError::new(format!(
                "audit log {}: its head file {} is gone, so a cut end could not be seen; next: \
                 ion audit verify, then move the log and the files beside it aside to begin a new one",
                log.display(),
                path.display()
            )));
        }
        let (file, created) = place::open(&path, OFlags::RDWR)?;
        let length =
            file.metadata().map_err(|e| AuditError::io("look at its head file", log, e))?.len();
        let file = HeadFile(file);
        // Empty: a process was killed right after it made the file.
        if created || (log_is_empty && length == 0) {
            file.write(log, &Head::none())?;
        }
        Ok(file)
    }

    pub(in crate::audit) fn write(&self, log: &Path, head: &Head) -> Result<(), AuditError> {
        let written = self.0.write_all_at(head.text().as_bytes(), 0);
        written.map_err(|e| AuditError::io("write its head file", log, e))
    }

    /// Makes what was written durable: before a new file is begun, so that a head that lost its
    /// newest state in a power cut never lies before the newest closed file.
    pub(in crate::audit) fn sync(&self, log: &Path) -> Result<(), AuditError> {
        self.0.sync_data().map_err(|e| AuditError::io("write its head file", log, e))
    }

    pub(in crate::audit) fn read(&self, log: &Path) -> Result<Head, AuditError> {
        let mut text = [0; 256];
        let read = self
            .0
            .read_at(&mut text, 0)
            .map_err(|e| AuditError::io("read its head file", log, e))?;
        parse(log, text.get(..read).unwrap_or_default())
    }
}

/// Reads the head of a log that nobody has opened. `None` when there is none.
pub(in crate::audit) fn of(log: &Path) -> Result<Option<Head>, AuditError> {
    let Some(file) = place::read(&place::beside(log, ".head"))? else { return Ok(None) };
    let mut text = Vec::new();
    file.take(256)
        .read_to_end(&mut text)
        .map_err(|error| AuditError::io("read its head file", log, error))?;
    // Empty: a process was killed right after it made the file.
    if text.is_empty() { Ok(None) } else { parse(log, &text).map(Some) }
}

fn parse(log: &Path, text: &[u8]) -> Result<Head, AuditError> {
    std::str::from_utf8(text).ok().and_then(Head::parse).ok_or_else(|| {
        AuditError::new(format!(
            "audit log {}: its head file is damaged; next: ion audit verify",
            log.display()
        ))
    })
}
