//! Verifying: recomputes the chain of a whole file, as a stream, and names the first record
//! that was changed, removed, reordered, repeated or cut off.
//!
//! Reads only. What it cannot see: a log, head and checkpoints that were all put back to an
//! earlier state, and what a holder of the signing key made anew (`docs/audit.md`).

use super::record::{self, LONGEST_LINE, VERSION};
use super::retired::{self, Retired};
use super::segment::{self, Part};
use super::{AuditError, checkpoint, head};
use crate::model::{AbsPath, Seq};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    /// The 1-based line of its file.
    pub line: u64,
    /// The name of the file, without its folder.
    pub file: String,
    /// What was done.
    pub fault: Fault,
    /// The same for a person.
    pub detail: String,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many records check, from the first that is kept.
    pub records: u64,
    /// How many records before them were removed because they were old, under a signature.
    pub retired: u64,
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

    /// The number of the newest record that checks.
    pub fn last(&self) -> Seq {
        Seq(self.retired.saturating_add(self.records))
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    v: u32,
    seq: Seq,
    #[serde(borrow)]
    prev: Cow<'a, str>,
}

impl<'a> Envelope<'a> {
    /// Of a line without its `\n`. Ion's own have everything at its place, and nothing needs to be
    /// parsed: a log of a million records is read at every listing.
    fn of(line: &'a [u8]) -> Option<Self> {
        if let (Some((seq, _)), Some(prev)) = (record::beginning(line), record::prev(line)) {
            return Some(Envelope { v: VERSION, seq, prev: prev.into() });
        }
        serde_json::from_slice(line).ok()
    }
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
    checked(file, pinned, &checkpoint::Which::All)
}

/// As [`verify`], with the newest signature alone, from which the chain before it follows: for a
/// listing that states whether the log is whole. A changed older checkpoint is not seen.
///
/// # Errors
/// When the file cannot be read.
pub fn glance(file: &AbsPath) -> Result<Option<Report>, AuditError> {
    checked(file, None, &checkpoint::Which::Newest)
}

fn checked(
    file: &AbsPath,
    pinned: Option<&str>,
    which: &checkpoint::Which,
) -> Result<Option<Report>, AuditError> {
    let path = file.as_path();
    // All is taken between two appends; what is appended meanwhile is left out.
    let (parts, (stated, signed)) = segment::all_locked(path, || {
        Ok((head::of(path), checkpoint::of(path, pinned, which.clone())?))
    })?;
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
    let empty = parts.iter().all(|part| part.size == 0);
    if empty && (matches!(stated, Ok(None)) || unborn) && nothing_signed {
        return Ok(None);
    }
    let retired = match &signed {
        Ok(Some(signed)) => retired::of(path, &signed.key)?,
        _ => Ok(Vec::new()),
    };
    let (retired, wrong) = match retired {
        Ok(retired) => (retired, None),
        Err(what) => (Vec::new(), Some(what)),
    };
    let mut chain = Chain::after(&beginning(&parts, &retired));
    if let Ok(Some(signed)) = &signed {
        chain.signed = Arc::new(signed.hashes.clone());
    }
    chain.stated(&stated);
    chain.take_all(path, parts)?;
    if chain.broken.is_none() {
        chain.compare_with(stated);
    }
    if let Some(what) = wrong {
        chain.unsigned(what);
    }
    let signed = chain.vouched(signed);
    let Chain { began, last, hash, broken, .. } = chain;
    Ok(Some(Report { records: last - began, retired: began, head_hash: hash, signed, broken }))
}

/// What stood before the first record that is kept. A file that was about to be removed when its
/// process was killed is still there, although it is stated as removed.
fn beginning(parts: &[Part], retired: &[Retired]) -> head::Head {
    let first = parts.iter().find(|part| part.size > 0).and_then(|part| part.first);
    let before = first.and_then(|first| first.0.checked_sub(1));
    let stated = match before {
        Some(0) => None,
        Some(before) => retired.iter().find(|file| file.last.0 == before).or(retired.last()),
        None => retired.last(),
    };
    stated.map_or_else(head::Head::none, |file| head::Head {
        seq: file.last,
        hash: file.hash.clone(),
    })
}

/// Whether the records from that of the head on check and go on from it, up to the end of the log.
/// Runs under the lock. A head falls behind when a process is killed or power is lost.
pub(in crate::audit) fn continues(log: &AbsPath, head: head::Head) -> Result<bool, AuditError> {
    let path = log.as_path();
    let mut parts = segment::all(path)?;
    // Files before the one that holds its record have nothing to say about it.
    let before = parts
        .iter()
        .filter(|part| segment::beginning(&part.file).is_some_and(|(seq, _)| seq <= head.seq))
        .count();
    parts.drain(..before.saturating_sub(1));
    let mut chain = match parts.first() {
        Some(part) if part.first.is_some_and(|first| first.0 > 1) || before > 0 => {
            Chain::after(&beside(part)?)
        }
        _ => Chain::after(&head::Head::none()),
    };
    let stated = Ok(Some(head));
    chain.stated(&stated);
    chain.take_all(path, parts)?;
    if chain.broken.is_none() {
        chain.compare_with(stated);
    }
    Ok(chain.broken.is_none())
}

/// Whether the oldest closed file, up to this record, is whole and follows what was removed.
pub(in crate::audit) fn part_checks(
    log: &Path,
    part: Part,
    last: Seq,
    key: &str,
) -> Result<bool, AuditError> {
    let before = beside(&part)?;
    let mut chain = Chain::after(&before);
    let records = checkpoint::Which::About(before.seq.0..=last.0);
    if let Ok(Some(signed)) = checkpoint::of(log, Some(key), records)? {
        chain.signed = Arc::new(signed.hashes);
    }
    let retired = retired::of(log, key)?.unwrap_or_default();
    let stated = retired.iter().find(|file| file.last == before.seq);
    // The first file of all follows nothing, and every other one what was removed before it.
    let follows = match stated {
        Some(file) => file.hash == before.hash,
        None => before == head::Head::none(),
    };
    chain.take_all(log, vec![part])?;
    Ok(follows && chain.broken.is_none() && chain.last == last.0)
}

/// What a file says stood before its first record.
fn beside(part: &Part) -> Result<head::Head, AuditError> {
    let failed = |e| AuditError::io("read it", &part.path, e);
    let copy = part.file.try_clone().map_err(failed)?;
    let mut lines = std::io::BufReader::new(segment::At { file: &copy, at: 0 });
    let mut first = Vec::new();
    next_line(&mut lines, &mut first).map_err(failed)?;
    let first = first.strip_suffix(b"\n").unwrap_or(&first);
    Ok(Envelope::of(first).map_or_else(head::Head::none, |first| head::Head {
        seq: Seq(first.seq.0.saturating_sub(1)),
        hash: first.prev.into_owned(),
    }))
}

/// One line with its `\n`, cut off where no line of Ion's can still go on; `false` at the end.
fn next_line(lines: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    let limit = u64::try_from(LONGEST_LINE + 1).unwrap_or(u64::MAX);
    Ok(lines.take(limit).read_until(b'\n', line)? > 0)
}

#[derive(Clone)]
struct Chain {
    /// The numbers before the first record, and of the newest that checks.
    began: u64,
    last: u64,
    hash: String,
    broken: Option<Broken>,
    /// The file that is read, and how many of its lines check.
    file: String,
    line: u64,
    /// The number that the head file names, and the hash found at it.
    stated_seq: Seq,
    hash_at_stated: Option<String>,
    /// Hashes of the newest records, to tell a repeated record from a forged one.
    recent: VecDeque<String>,
    /// The hashes that checkpoints name.
    signed: Arc<BTreeMap<u64, String>>,
}

impl Chain {
    /// Goes on after this record.
    fn after(head: &head::Head) -> Self {
        Chain {
            began: head.seq.0,
            last: head.seq.0,
            hash: head.hash.clone(),
            broken: None,
            file: String::new(),
            line: 0,
            stated_seq: Seq(0),
            hash_at_stated: None,
            recent: VecDeque::new(),
            signed: Arc::default(),
        }
    }

    /// The record to compare with the head file.
    fn stated(&mut self, stated: &Result<Option<head::Head>, AuditError>) {
        if let Ok(Some(head)) = stated {
            self.stated_seq = head.seq;
        }
        if self.stated_seq.0 == self.last {
            self.hash_at_stated = Some(self.hash.clone());
        }
    }

    /// Takes the lines of all files, up to the first that does not fit.
    fn take_all(&mut self, log: &Path, parts: Vec<Part>) -> Result<(), AuditError> {
        // Most logs are whole, and then their files can be read side by side.
        if parts.len() > 2 && self.take_side_by_side(&parts) {
            return Ok(());
        }
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        self.file = name(log).unwrap_or_default();
        let (mut parts, mut line) = (parts.into_iter(), Vec::new());
        while let Some(part) = parts.next() {
            let path = part.path.clone();
            let unreadable = |e| AuditError::io("read it", &path, e);
            (self.file, self.line) = (part.name.clone(), 0);
            let mut lines = part.lines();
            while next_line(&mut lines, &mut line).map_err(unreadable)? {
                self.take(&line);
                if self.broken.is_some() {
                    self.tell_apart(&mut lines).map_err(unreadable)?;
                    for part in parts {
                        self.tell_apart(&mut part.lines()).map_err(unreadable)?;
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Checks every file by itself and then that each goes on from the one before; `false`, with
    /// nothing changed, when anything is wrong: what it is, is found out line by line.
    fn take_side_by_side(&mut self, parts: &[Part]) -> bool {
        let next = AtomicUsize::new(0);
        let alone = Chain { recent: VecDeque::new(), ..self.clone() };
        let work = || {
            let mut checked = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(part) = parts.get(index) else { return Some(checked) };
                checked.push((index, alone.of_part(part)?));
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(4));
        let checked: Option<Vec<_>> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut all = vec![work()];
            all.extend(others.into_iter().map(|other| other.join().ok().flatten()));
            all.into_iter().collect()
        });
        let Some(checked) = checked else { return false };
        let mut checked: Vec<(usize, (head::Head, Chain))> =
            checked.into_iter().flatten().collect();
        checked.sort_by_key(|(index, _)| *index);
        let (mut last, mut hash) = (self.last, self.hash.clone());
        for (_, (before, chain)) in &checked {
            if (before.seq.0, &before.hash) != (last, &hash) {
                return false;
            }
            (last, hash) = (chain.last, chain.hash.clone());
        }
        let at_stated = checked.iter().find_map(|(_, (_, chain))| chain.hash_at_stated.clone());
        self.hash_at_stated = self.hash_at_stated.take().or(at_stated);
        if let Some((_, (_, chain))) = checked.pop() {
            (self.file, self.line) = (chain.file, chain.line);
        }
        (self.last, self.hash) = (last, hash);
        true
    }

    /// What stands before a file by its own words, and its chain after that; `None` when it breaks.
    fn of_part(&self, part: &Part) -> Option<(head::Head, Chain)> {
        let before = match part.size {
            // A file that was just begun follows the one before it.
            0 => return None,
            _ => beside(part).ok()?,
        };
        let mut chain = Chain { hash_at_stated: None, ..self.clone() };
        (chain.last, chain.hash) = (before.seq.0, before.hash.clone());
        (chain.file, chain.line) = (part.name.clone(), 0);
        let bytes = segment::At { file: &part.file, at: 0 }.take(part.size);
        let mut lines = std::io::BufReader::with_capacity(256 * 1024, bytes);
        let mut line = Vec::new();
        while next_line(&mut lines, &mut line).ok()? {
            chain.take(&line);
            if chain.broken.is_some() {
                return None;
            }
        }
        Some((before, chain))
    }

    /// What the signatures vouch for; what is wrong with them, where nothing else is.
    fn vouched(&mut self, signed: Result<Option<checkpoint::Signed>, String>) -> Option<Vouched> {
        match signed {
            Err(what) => self.unsigned(what),
            Ok(None) => {
                self.unsigned(
                    "there is no signed checkpoint, so a log put in its place could not be seen"
                        .to_owned(),
                );
            }
            Ok(Some(signed)) => {
                let through = signed.hashes.keys().next_back().copied().unwrap_or(0);
                if through > self.last {
                    self.unsigned(format!("record {through} was signed and is not there"));
                }
                let checkpoints = u64::try_from(signed.hashes.len()).unwrap_or(u64::MAX);
                return Some(Vouched { key: signed.key, checkpoints, through: Seq(through) });
            }
        }
        None
    }

    fn take(&mut self, line: &[u8]) {
        let expected = Seq(self.last + 1);
        let Some(line) = line.strip_suffix(b"\n") else {
            let (fault, detail) = if line.len() > LONGEST_LINE {
                (Fault::Changed, "the line is longer than any record")
            } else {
                (Fault::TornTail, "the last line has no end")
            };
            return self.broken(expected, fault, detail.to_owned());
        };
        let (Some(hash), Some(envelope)) = (record::checked_hash(line), Envelope::of(line)) else {
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
        self.last += 1;
        self.line += 1;
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
        let mut line = Vec::new();
        while next_line(rest, &mut line)? {
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if Envelope::of(line).is_some_and(|envelope| envelope.seq == broken.seq) {
                broken.fault = Fault::Reordered;
                break;
            }
        }
        Ok(())
    }

    fn compare_with(&mut self, stated: Result<Option<head::Head>, AuditError>) {
        let next = Seq(self.last + 1);
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
            self.broken(Seq(self.last + 1), Fault::Signature, detail);
        }
    }

    fn broken(&mut self, seq: Seq, fault: Fault, detail: String) {
        let file = self.file.clone();
        self.broken = Some(Broken { seq, line: self.line + 1, file, fault, detail });
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
        let mut before = Chain::after(&head::Head::none());
        before.stated_seq = Seq(50);
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
        assert_eq!((before.last, before.broken), (50, None));
    }
}
