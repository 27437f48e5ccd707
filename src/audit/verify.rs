//! Verifying: recomputes the chain of a whole file, as a stream, and names the first record
//! that was changed, removed, reordered, repeated or cut off.
//!
//! Reads only. What it cannot see: a log, head and checkpoints that were all put back to an
//! earlier state, and what a holder of the signing key made anew (`docs/audit.md`).

use super::append::Lock;
use super::place;
use super::record::{self, LONGEST_LINE, NO_HASH, VERSION};
use super::{AuditError, checkpoint, head};
use crate::model::{AbsPath, Seq};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read};

/// What was done to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The bytes of a record are not those that were hashed, or it follows another record.
    Changed,
    /// A record is missing.
    Removed,
    /// A record stands at another place than it was written.
    Reordered,
    /// A record stands there twice.
    Duplicated,
    /// The log ends before the newest record that the head file names.
    Cut,
    /// The last line has no end: a process was killed while it wrote. Ion repairs this when
    /// it next opens the log.
    TornTail,
    /// The head file is missing or damaged, so a cut end could not be seen.
    Head,
    /// The signed checkpoints are missing, damaged, by another key, or contradict the log.
    Signature,
}

/// What signatures vouch for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vouched {
    /// The public key, hexadecimal.
    pub key: String,
    /// How many checkpoints check.
    pub checkpoints: u64,
    /// The newest record that one names; the records after it are only chained.
    pub through: Seq,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The first record that cannot be trusted, by its place in the chain.
    pub seq: Seq,
    /// The 1-based line of the file.
    pub line: u64,
    /// What was done.
    pub fault: Fault,
    /// The same for a person.
    pub detail: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many records check, from the first on.
    pub records: u64,
    /// The hash of the last of them.
    pub head_hash: String,
    /// What is signed.
    pub signed: Option<Vouched>,
    /// The first fault.
    pub broken: Option<Broken>,
}

impl Report {
    /// Whether every record is as it was written and none is missing.
    pub fn is_intact(&self) -> bool {
        self.broken.is_none()
    }
}

#[derive(Deserialize)]
struct Envelope {
    v: u32,
    seq: Seq,
    prev: String,
}

/// Verifies a log. `None` when neither it nor its head file exists.
///
/// # Errors
/// When the file cannot be read.
pub fn verify(file: &AbsPath) -> Result<Option<Report>, AuditError> {
    verify_by(file, None)
}

/// Verifies a log whose checkpoints must be signed by this public key (hexadecimal), or by the
/// key beside the log where none is given.
///
/// # Errors
/// When the file cannot be read.
pub fn verify_by(file: &AbsPath, pinned: Option<&str>) -> Result<Option<Report>, AuditError> {
    let path = file.as_path();
    let opened = place::read(path)?;
    // Head and size are taken between two appends; what is appended meanwhile is left out.
    let lock = opened.as_ref().map(|opened| Lock::take(path, opened, true)).transpose()?;
    let stated = head::of(path);
    let signed = checkpoint::of(path, pinned)?;
    let size = opened.as_ref().map_or(Ok(0), |opened| opened.metadata().map(|meta| meta.len()));
    let size = size.map_err(|e| AuditError::io("look at it", path, e))?;
    drop(lock);
    // Without head and records there is no log, whether or not an empty file stands there: a
    // process may have been killed before it wrote anything, or somebody emptied it.
    let nothing_signed = match &signed {
        Ok(signed) => signed.as_ref().is_none_or(|s| s.hashes.keys().all(|&seq| seq == 0)),
        Err(_) => false,
    };
    let nothing_stated = match &stated {
        Ok(stated) => stated.as_ref().is_none_or(|head| head.seq == Seq(0)),
        Err(_) => false,
    };
    // A head without checkpoints and records is what a killed process leaves of a new log.
    let unborn = matches!(&signed, Ok(None)) && nothing_stated;
    if (opened.is_none() || size == 0) && (matches!(stated, Ok(None)) || unborn) && nothing_signed {
        return Ok(None);
    }
    check_signed(file, opened.map(|opened| opened.take(size)), stated, Some(signed)).map(Some)
}

/// Verifies what is read against what the head file says, without taking the lock.
pub(in crate::audit) fn check(
    file: &AbsPath,
    log: Option<impl Read>,
    stated: Result<Option<head::Head>, AuditError>,
) -> Result<Report, AuditError> {
    check_signed(file, log, stated, None)
}

/// The same, against the checkpoints too where they are given.
fn check_signed(
    file: &AbsPath,
    log: Option<impl Read>,
    stated: Result<Option<head::Head>, AuditError>,
    signed: Option<Result<Option<checkpoint::Signed>, String>>,
) -> Result<Report, AuditError> {
    let unreadable = |e| AuditError::io("read it", file.as_path(), e);
    let stated_seq = match &stated {
        Ok(Some(head)) => head.seq,
        _ => Seq(0),
    };
    let mut chain = Chain::new(stated_seq);
    if let Some(Ok(Some(signed))) = &signed {
        chain.signed = signed.hashes.clone();
    }
    if let Some(log) = log {
        let mut lines = BufReader::with_capacity(256 * 1024, log);
        while let Some(line) = next_line(&mut lines).map_err(unreadable)? {
            chain.take(&line);
            if chain.broken.is_some() {
                chain.tell_apart(&mut lines).map_err(unreadable)?;
                break;
            }
        }
    }
    if chain.broken.is_none() {
        chain.compare_with(stated);
    }
    let mut vouched = None;
    match signed {
        None => {}
        Some(Err(what)) => chain.unsigned(what),
        Some(Ok(None)) => {
            chain.unsigned(
                "there is no signed checkpoint, so a log put in its place could not be seen"
                    .to_owned(),
            );
        }
        Some(Ok(Some(signed))) => {
            let through = signed.hashes.keys().next_back().copied().unwrap_or(0);
            if through > chain.records {
                chain.unsigned(format!("record {through} was signed and is not there"));
            }
            let checkpoints = u64::try_from(signed.hashes.len()).unwrap_or(u64::MAX);
            vouched = Some(Vouched { key: signed.key, checkpoints, through: Seq(through) });
        }
    }
    let Chain { records, hash, broken, .. } = chain;
    Ok(Report { records, head_hash: hash, signed: vouched, broken })
}

/// One line with its `\n`, cut off where no line of Ion's can still go on.
fn next_line(lines: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let limit = u64::try_from(LONGEST_LINE + 1).unwrap_or(u64::MAX);
    let read = lines.take(limit).read_until(b'\n', &mut line)?;
    Ok((read > 0).then_some(line))
}

#[derive(Clone)]
struct Chain {
    records: u64,
    hash: String,
    broken: Option<Broken>,
    /// The number that the head file names, and the hash found at it.
    stated_seq: Seq,
    hash_at_stated: Option<String>,
    /// Hashes of the newest records, to tell a repeated record from a forged one.
    recent: VecDeque<String>,
    /// The hashes that checkpoints name.
    signed: BTreeMap<u64, String>,
}

impl Chain {
    fn new(stated_seq: Seq) -> Self {
        let hash_at_stated = (stated_seq == Seq(0)).then(|| NO_HASH.to_owned());
        let (hash, recent) = (NO_HASH.to_owned(), VecDeque::new());
        Chain {
            records: 0,
            hash,
            broken: None,
            stated_seq,
            hash_at_stated,
            recent,
            signed: BTreeMap::new(),
        }
    }

    fn take(&mut self, line: &[u8]) {
        let expected = Seq(self.records + 1);
        let Some(line) = line.strip_suffix(b"\n") else {
            let (fault, detail) = if line.len() > LONGEST_LINE {
                (Fault::Changed, "the line is longer than any record")
            } else {
                (Fault::TornTail, "the last line has no end")
            };
            return self.broken(expected, fault, detail.to_owned());
        };
        let envelope: Option<Envelope> = serde_json::from_slice(line).ok();
        let (Some(hash), Some(envelope)) = (record::checked_hash(line), envelope) else {
            let detail = "its bytes do not fit its hash".to_owned();
            return self.broken(expected, Fault::Changed, detail);
        };
        if envelope.v != VERSION {
            let detail = format!("version {} of the format is not known", envelope.v);
            return self.broken(expected, Fault::Changed, detail);
        }
        if envelope.seq < expected {
            let fault = match self.recent.iter().any(|recent| recent == hash) {
                true => Fault::Duplicated,
                false => Fault::Reordered,
            };
            let detail = format!("record {} stands here again", envelope.seq);
            return self.broken(expected, fault, detail);
        }
        if envelope.seq > expected {
            let detail = format!("record {} follows at once", envelope.seq);
            return self.broken(expected, Fault::Removed, detail);
        }
        if envelope.prev != self.hash {
            let detail = "it does not follow the record before it".to_owned();
            return self.broken(expected, Fault::Changed, detail);
        }
        if self.signed.get(&expected.0).is_some_and(|signed| signed != hash) {
            let detail = "it is not the record that was signed".to_owned();
            return self.broken(expected, Fault::Signature, detail);
        }
        self.records += 1;
        self.hash = hash.to_owned();
        if expected == self.stated_seq {
            self.hash_at_stated = Some(self.hash.clone());
        }
        if self.recent.len() == 1024 {
            self.recent.pop_front();
        }
        self.recent.push_back(self.hash.clone());
    }

    /// A missing record that turns up later was not removed but moved.
    fn tell_apart(&mut self, rest: &mut impl BufRead) -> std::io::Result<()> {
        let Some(broken) = self.broken.as_mut().filter(|broken| broken.fault == Fault::Removed)
        else {
            return Ok(());
        };
        while let Some(line) = next_line(rest)? {
            let envelope: Option<Envelope> = serde_json::from_slice(&line).ok();
            if envelope.is_some_and(|envelope| envelope.seq == broken.seq) {
                broken.fault = Fault::Reordered;
                break;
            }
        }
        Ok(())
    }

    fn compare_with(&mut self, stated: Result<Option<head::Head>, AuditError>) {
        let next = Seq(self.records + 1);
        match stated {
            Err(error) => self.broken(next, Fault::Head, error.message),
            Ok(None) => {
                let detail = "the head file is missing, so a cut end could not be seen";
                self.broken(next, Fault::Head, detail.to_owned());
            }
            Ok(Some(head)) if head.seq >= next => {
                let detail = format!("record {} was written and is not there", head.seq);
                self.broken(next, Fault::Cut, detail);
            }
            Ok(Some(head)) => {
                if self.hash_at_stated.as_ref() != Some(&head.hash) {
                    let detail = "it is not the record that the head file names".to_owned();
                    self.broken(head.seq, Fault::Changed, detail);
                }
            }
        }
    }

    /// What is wrong with the chain itself says more, and stands.
    fn unsigned(&mut self, detail: String) {
        if self.broken.is_none() {
            self.broken(Seq(self.records + 1), Fault::Signature, detail);
        }
    }

    fn broken(&mut self, seq: Seq, fault: Fault, detail: String) {
        self.broken = Some(Broken { seq, line: self.records + 1, fault, detail });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tests::Log;

    #[test]
    fn every_byte_of_fifty_records_is_covered() {
        let log = Log::with(50);
        let whole = std::fs::read(log.path()).unwrap();
        let lines: Vec<&[u8]> = whole.split_inclusive(|&b| b == b'\n').collect();
        let mut before = Chain::new(Seq(50));
        for (index, line) in lines.iter().enumerate() {
            for at in 0..line.len() {
                for flip in [1, 0x20, 0x80] {
                    let mut changed = line.to_vec();
                    changed[at] ^= flip;
                    // A changed line end joins the next line to this one.
                    if at + 1 == line.len() {
                        changed
                            .extend_from_slice(lines.get(index + 1).copied().unwrap_or_default());
                    }
                    let mut chain = before.clone();
                    for piece in changed.split_inclusive(|&b| b == b'\n') {
                        chain.take(piece);
                    }
                    assert!(chain.broken.is_some(), "byte {at} of record {} changed", index + 1);
                }
            }
            before.take(line);
        }
        assert_eq!((before.records, before.broken), (50, None));
    }
}
