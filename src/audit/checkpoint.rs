//! Signed checkpoints: number and hash of a record under an Ed25519 signature.
//!
//! Chain and head can be made anew by anybody who can write them; a checkpoint needs the
//! key. Checkpoints stand in a file beside the log, one a line, only ever appended to, and
//! are written under the log's lock after the record they name is durable. `docs/audit.md`
//! holds the format. What they cannot tell: that the log, its head and the newest
//! checkpoints were all put back to an earlier state; a checkpoint kept elsewhere can.

use super::head::Head;
use super::segment::At;
use super::{AuditError, key, place};
use crate::model::{Seq, bytes_of_hex, hex};
use crate::redact::Secret;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustix::fs::OFlags;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::path::Path;

/// Records between two checkpoints, at most.
const EVERY: u64 = 1000;
/// Seconds between two checkpoints of a log that is written to, at most.
const SECONDS: i64 = 60;
/// What is signed before the bytes of the line, so that no other signature fits here.
const CONTEXT: &[u8] = b"ion-audit-checkpoint-v1\n";

/// One signed statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) struct Checkpoint {
    pub(in crate::audit) head: Head,
    time: i64,
}

#[derive(Deserialize)]
struct Line {
    v: u32,
    seq: Seq,
    hash: String,
    time: String,
    key: String,
}

/// The key and the file of checkpoints of an open log.
pub(in crate::audit) struct Signer {
    key: Ed25519KeyPair,
    file: File,
    last: Checkpoint,
}

impl Signer {
    /// Opens both, or makes them for a log without a record. Runs under the log's lock.
    pub(in crate::audit) fn open(
        log: &Path,
        log_is_empty: bool,
        secret: Option<&Secret>,
    ) -> Result<Self, AuditError> {
        let (path, key_path) = (place::beside(log, ".checkpoints"), place::beside(log, ".key"));
        let gone = |path: &Path| {
            AuditError::new(format!(
                "audit log {}: {} is gone, so a log put in its place could not be seen; next: ion \
                 audit verify, then move the log and the files beside it aside to begin a new one",
                log.display(),
                path.display()
            ))
        };
        if !log_is_empty && !path.exists() {
            return Err(gone(&path));
        }
        let (file, _) = place::open(&path, OFlags::RDWR | OFlags::APPEND)?;
        let text = content(log, &file)?;
        if !log_is_empty && text.is_empty() {
            return Err(gone(&path));
        }
        let key = key::of(log, text.is_empty(), secret)?.ok_or_else(|| gone(&key_path))?;
        let none = Checkpoint { head: Head::none(), time: 0 };
        let mut signer = Signer { key, file, last: none };
        if text.is_empty() {
            signer.sign(log, &Head::none())?;
        }
        Ok(signer)
    }

    /// Reads the newest checkpoint: another process may have written it. A line that a
    /// killed process left without an end was never relied on, and is taken off.
    pub(in crate::audit) fn newest(&mut self, log: &Path) -> Result<&Head, AuditError> {
        let (text, skipped) = end_of(log, &self.file)?;
        let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            let cut = self.file.set_len(skipped.saturating_add(u64::try_from(whole).unwrap_or(0)));
            cut.map_err(|e| failed(log, e))?;
        }
        let lines = text.get(..whole).and_then(|text| text.strip_suffix(b"\n")).unwrap_or_default();
        let line = lines.rsplit(|&b| b == b'\n').next().unwrap_or_default();
        self.last = checked(line, &self.public()).map_err(|what| {
            AuditError::new(format!(
                "audit log {}: its newest checkpoint {what}; next: ion audit verify",
                log.display()
            ))
        })?;
        Ok(&self.last.head)
    }

    /// Signs this record, whether or not it is time to.
    pub(in crate::audit) fn sign(&mut self, log: &Path, head: &Head) -> Result<(), AuditError> {
        let now = jiff::Timestamp::now();
        let line = self.signed(
            CONTEXT,
            format!(
                "{{\"v\":1,\"seq\":{},\"hash\":\"{}\",\"time\":\"{now:.3}\"",
                head.seq.0, head.hash
            ),
        );
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|e| failed(log, e))?;
        self.last = Checkpoint { head: head.clone(), time: now.as_second() };
        Ok(())
    }

    /// Completes the beginning of a line with the public key and the signature over what stands
    /// before it, in a context that keeps it from fitting anywhere else.
    pub(in crate::audit) fn signed(&self, context: &[u8], beginning: String) -> String {
        let public = self.public();
        let stated = format!("{beginning},\"key\":\"{public}\"");
        let signature = hex(self.key.sign(&[context, stated.as_bytes()].concat()).as_ref());
        format!("{stated},\"sig\":\"{signature}\"}}\n")
    }

    /// The public key, hexadecimal.
    pub(in crate::audit) fn public(&self) -> String {
        hex(self.key.public_key().as_ref())
    }

    /// Whether the next record is to be signed, or this is the end of a run.
    pub(in crate::audit) fn is_due(&self, head: &Head, ends: bool) -> bool {
        let now = jiff::Timestamp::now().as_second();
        let many = head.seq.0.saturating_sub(self.last.head.seq.0) >= EVERY;
        // A clock that was set back must not put the next checkpoint off for long.
        let long = now.abs_diff(self.last.time) >= SECONDS.unsigned_abs();
        ends || many || long
    }
}

/// The checkpoints of a log that is verified: hash by number, and the key that signed them.
#[derive(Debug, Clone, Default)]
pub(in crate::audit) struct Signed {
    pub(in crate::audit) hashes: BTreeMap<u64, String>,
    pub(in crate::audit) key: String,
}

/// Which checkpoints are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::audit) enum Which {
    /// Every line of the file.
    All,
    /// The newest: the chain up to it follows from its hash, so the older ones add no proof.
    Newest,
    /// Those about these records.
    About(RangeInclusive<u64>),
}

/// Reads and checks these. `Ok(None)` when there are none; `Err` holds what is
/// wrong.
///
/// # Errors
/// The outer one when the file cannot be read.
pub(in crate::audit) fn of(
    log: &Path,
    pinned: Option<&str>,
    which: Which,
) -> Result<Result<Option<Signed>, String>, AuditError> {
    let Some(file) = place::read(&place::beside(log, ".checkpoints"))? else {
        return Ok(Ok(None));
    };
    let text = content(log, &file)?;
    let own = key::public(log);
    let mut signed = Signed {
        key: pinned.map_or(own, |pin| Some(pin.to_owned())).unwrap_or_default(),
        ..Signed::default()
    };
    let newest = memchr::memchr_iter(b'\n', &text).count().saturating_sub(1);
    for (index, line) in text.split_inclusive(|&b| b == b'\n').enumerate() {
        // Without its end it is what a killed process left; nothing relies on it.
        let Some(line) = line.strip_suffix(b"\n") else { break };
        if signed.key.is_empty() {
            let first: Option<Line> = serde_json::from_slice(line).ok();
            signed.key = first.map(|line| line.key).unwrap_or_default();
        }
        let passed_over = match &which {
            Which::All => false,
            Which::Newest => index < newest,
            Which::About(range) => serde_json::from_slice::<Line>(line)
                .is_ok_and(|about| !range.contains(&about.seq.0)),
        };
        if passed_over {
            continue;
        }
        match checked(line, &signed.key) {
            Ok(found) => signed.hashes.insert(found.head.seq.0, found.head.hash),
            Err(what) => return Ok(Err(format!("checkpoint {} {what}", index + 1))),
        };
    }
    Ok(Ok((!signed.hashes.is_empty()).then_some(signed)))
}

/// Checks one line without its `\n`.
fn checked(line: &[u8], key: &str) -> Result<Checkpoint, &'static str> {
    let said: Line = signed_by(line, CONTEXT, key)?;
    if said.v != 1 {
        return Err("has an unknown version");
    }
    if said.key != key {
        return Err("is signed by another key");
    }
    let time = said.time.parse::<jiff::Timestamp>().map_err(|_| CANNOT)?.as_second();
    Ok(Checkpoint { head: Head { seq: said.seq, hash: said.hash }, time })
}

const CANNOT: &str = "cannot be read";

/// What a line without its `\n` says, when this key signed it in this context.
pub(in crate::audit) fn signed_by<T: DeserializeOwned>(
    line: &[u8],
    context: &[u8],
    key: &str,
) -> Result<T, &'static str> {
    const SUFFIX: usize = 8 + 128 + 2;
    let at = line.len().checked_sub(SUFFIX).ok_or(CANNOT)?;
    let (stated, suffix) = line.split_at_checked(at).ok_or(CANNOT)?;
    let suffix = std::str::from_utf8(suffix).map_err(|_| CANNOT)?;
    let signature = suffix.strip_prefix(",\"sig\":\"").and_then(|s| s.strip_suffix("\"}"));
    let signature = signature.and_then(bytes_of_hex).ok_or(CANNOT)?;
    let public = UnparsedPublicKey::new(&ED25519, bytes_of_hex(key).ok_or("names no key")?);
    let message = [context, stated].concat();
    public
        .verify(&message, &signature)
        .map_err(|_| "does not fit its signature, or another key signed it")?;
    serde_json::from_slice(line).map_err(|_| CANNOT)
}

/// The end of the file, which holds the newest line and what a killed process left, and how many bytes
/// stand before it.
fn end_of(log: &Path, file: &File) -> Result<(Vec<u8>, u64), AuditError> {
    const MOST: u64 = 4096;
    let size = file.metadata().map_err(|e| failed(log, e))?.len();
    let skipped = size.saturating_sub(MOST);
    let mut text = Vec::new();
    let mut reader = At { file, at: skipped }.take(size - skipped);
    reader.read_to_end(&mut text).map_err(|e| failed(log, e))?;
    Ok((text, skipped))
}

/// All of the file; it grows by some 300 bytes a minute of use.
fn content(log: &Path, file: &File) -> Result<Vec<u8>, AuditError> {
    let size = file.metadata().map_err(|e| failed(log, e))?.len();
    let mut text = Vec::new();
    let mut reader = std::io::BufReader::new(At { file, at: 0 }).take(size);
    reader.read_to_end(&mut text).map_err(|e| failed(log, e))?;
    Ok(text)
}

fn failed(log: &Path, error: impl std::fmt::Display) -> AuditError {
    AuditError::io("sign or read a checkpoint", log, error)
}
