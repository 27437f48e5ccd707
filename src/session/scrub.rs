//! Masking what was stored before a rule existed: a conversation on disk is read, masked anew and
//! replaced in one step, or left exactly as it was.
//!
//! FAIL CLOSED both ways: a text that the redactor fails on is never replaced by a notice (it would be
//! lost), and a conversation that a run has open is not touched (what the run adds would be lost).
//! Ids, and the signatures of providers, which must stay as they are, are left alone.

use super::transcript::{self, SessionError};
use crate::model::SessionId;
use crate::redact::{Redactor, redactor::WITHHELD};
use rustix::fs::{FlockOperation, OFlags};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Members that look like secrets, are none, and break the conversation when they change.
const KEPT: &[&str] =
    &["id", "parentId", "leafId", "signature", "tool_use_id", "tool_call_id", "encrypted_content"];

/// What became of one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// Texts in which something is to be masked.
    pub texts: usize,
    /// Whether the file was replaced.
    pub replaced: bool,
}

/// The conversations of a folder, oldest name first.
///
/// # Errors
/// [`SessionError::Read`].
pub fn all(folder: &Path) -> Result<Vec<SessionId>, SessionError> {
    let failed = |source| SessionError::Read { file: folder.to_path_buf(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut ids = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        ids.extend(name.strip_suffix(".jsonl").and_then(SessionId::parse));
    }
    ids.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(ids)
}

/// Masks one conversation; with `look` it is only counted.
///
/// # Errors
/// [`SessionError`]; the file then stands as it was.
pub fn scrub(
    folder: &Path,
    id: &SessionId,
    redactor: &Redactor,
    look: bool,
) -> Result<Scrubbed, SessionError> {
    let path = folder.join(format!("{id}.jsonl"));
    let read = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => {
            SessionError::Unknown { id: id.to_string(), folder: folder.to_path_buf() }
        }
        _ => SessionError::Read { file: path.clone(), source },
    };
    let mut file = transcript::open(&path, OFlags::RDONLY).map_err(read)?;
    if !look {
        free(&path, &file)?;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(read)?;
    let text = String::from_utf8_lossy(&bytes);
    let (mut out, mut texts) = (String::with_capacity(text.len()), 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let masked = masked(line, redactor, &mut texts).ok_or_else(|| SessionError::Malformed {
            file: path.clone(),
            line: index + 1,
            problem: "the redactor failed on it, so the file was left as it is".to_owned(),
        })?;
        out.push_str(&masked);
    }
    if look || texts == 0 {
        return Ok(Scrubbed { texts, replaced: false });
    }
    replace(&path, out.as_bytes())
        .map_err(|source| SessionError::Write { file: path.clone(), source })?;
    Ok(Scrubbed { texts, replaced: true })
}

/// Whether no run has the conversation open; runs hold a shared lock.
fn free(path: &Path, file: &File) -> Result<(), SessionError> {
    let same = std::fs::symlink_metadata(path)
        .and_then(|there| Ok((there, file.metadata()?)))
        .is_ok_and(|(there, ours)| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) if same => Ok(()),
        _ => {
            let source = std::io::Error::other("a run has it open; next: try again when it ended");
            Err(SessionError::Write { file: path.to_path_buf(), source })
        }
    }
}

/// One line; `None` when the redactor fails on it. A line that is no JSON (half of one, of a run that
/// was killed) is masked as text.
fn masked(line: &str, redactor: &Redactor, texts: &mut usize) -> Option<String> {
    let Ok(before) = serde_json::from_str::<Value>(line) else {
        let after = redactor.text(line);
        *texts += usize::from(after.as_str() != line);
        let failed = after.as_str().contains(WITHHELD) && !line.contains(WITHHELD);
        return (!failed).then(|| after.as_str().to_owned());
    };
    let mut after = redactor.json(&before).get().clone();
    let counted = *texts;
    if !settle(&before, &mut after, true, texts) {
        return None;
    }
    // Untouched lines stay byte for byte.
    if *texts == counted {
        return Some(line.to_owned());
    }
    let end = if line.ends_with('\n') { "\n" } else { "" };
    Some(format!("{after}{end}"))
}

/// Puts back what must not change and counts what did; `false` when a text was withheld.
///
/// ATTACK: a model names a member of its call `id` or `signature` to keep a secret in it. What a call was
/// given is no member of ours, so nothing there is `kept`.
fn settle(before: &Value, after: &mut Value, kept: bool, texts: &mut usize) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) if before.len() == after.len() => {
            before.iter().zip(after.iter_mut()).all(|((name, before), (shown, after))| {
                if kept && KEPT.contains(&name.as_str()) {
                    *after = before.clone();
                    return true;
                }
                *texts += usize::from(name != shown);
                settle(before, after, kept && name != "input", texts)
            })
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            before.iter().zip(after).all(|(before, after)| settle(before, after, kept, texts))
        }
        (before, after) => {
            *texts += usize::from(before != after);
            let withheld =
                |value: &Value| value.as_str().is_some_and(|text| text.contains(WITHHELD));
            !withheld(after) || withheld(before)
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary: PathBuf = path.with_extension("jsonl.new");
    let mut file = OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600);
    let mut file = file.custom_flags(libc::O_NOFOLLOW).open(&temporary)?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    // The old content must not come back with a power cut.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
