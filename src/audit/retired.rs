//! Files of a log that were removed because they were old enough: what stood in them last is
//! kept under a signature, so that a gap by retention is not taken for one by tampering.
//!
//! `audit.jsonl.retired` holds one line a removed file, only ever appended to, written and
//! synced before the file goes. `docs/audit.md` holds the format. What it cannot tell: that a
//! holder of the key removed a file too early.

use super::checkpoint::{self, Signer};
use super::{AuditError, place};
use crate::model::Seq;
use rustix::fs::OFlags;
use serde::Deserialize;
use std::io::{Read, Write};
use std::path::Path;

/// What is signed before the bytes of the line.
const CONTEXT: &[u8] = b"ion-audit-retired-v1\n";

/// One removed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct Retired {
    pub(in crate::audit) first: Seq,
    pub(in crate::audit) last: Seq,
    /// The hash of its last record.
    pub(in crate::audit) hash: String,
}

#[derive(Deserialize)]
struct Line {
    v: u32,
    first: Seq,
    last: Seq,
    hash: String,
    key: String,
}

/// States durably that a file is about to be removed. Runs under the log's lock.
pub(in crate::audit) fn state(
    log: &Path,
    signer: &Signer,
    file: &Retired,
) -> Result<(), AuditError> {
    let failed = |e| AuditError::io("state that an old file is removed", log, e);
    let (mut list, _) =
        place::open(&place::beside(log, ".retired"), OFlags::RDWR | OFlags::APPEND)?;
    let size = list.metadata().map_err(failed)?.len();
    let mut text = Vec::new();
    std::io::Read::take(&mut list, size).read_to_end(&mut text).map_err(failed)?;
    // A line without its end was never relied on.
    let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    list.set_len(u64::try_from(whole).unwrap_or(0)).map_err(failed)?;
    let (first, last, hash) = (file.first.0, file.last.0, &file.hash);
    let now = jiff::Timestamp::now();
    let line = signer.signed(
        CONTEXT,
        format!(
            "{{\"v\":1,\"first\":{first},\"last\":{last},\"hash\":\"{hash}\",\"time\":\"{now:.3}\""
        ),
    );
    list.write_all(line.as_bytes()).and_then(|()| list.sync_data()).map_err(failed)
}

/// Reads and checks the list; `Err` inside holds what is wrong with it.
///
/// # Errors
/// The outer one when the file cannot be read.
pub(in crate::audit) fn of(
    log: &Path,
    key: &str,
) -> Result<Result<Vec<Retired>, String>, AuditError> {
    let Some(file) = place::read(&place::beside(log, ".retired"))? else {
        return Ok(Ok(Vec::new()));
    };
    let mut text = Vec::new();
    let mut reader = std::io::BufReader::new(file);
    reader.read_to_end(&mut text).map_err(|e| AuditError::io("read its removed files", log, e))?;
    let mut files: Vec<Retired> = Vec::new();
    for (index, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let wrong = |what| Ok(Err(format!("line {} of its removed files {what}", index + 1)));
        let file = match checked(line, key) {
            Ok(file) => file,
            Err(what) => return wrong(what),
        };
        // The same line again: a process was killed after it, and the file was still there.
        if files.last() == Some(&file) {
            continue;
        }
        if file.first.0 != files.last().map_or(0, |file| file.last.0).saturating_add(1) {
            return wrong("does not follow the line before");
        }
        files.push(file);
    }
    Ok(Ok(files))
}

fn checked(line: &[u8], key: &str) -> Result<Retired, &'static str> {
    let said: Line = checkpoint::signed_by(line, CONTEXT, key)?;
    if said.v != 1 || said.key != key || said.last < said.first {
        return Err("cannot be read");
    }
    Ok(Retired { first: said.first, last: said.last, hash: said.hash })
}
