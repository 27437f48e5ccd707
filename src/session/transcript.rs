//! Writing a conversation: a header line, then one line an entry.
//!
//! Each entry is one `write` call on an append-only descriptor, so a killed process leaves a
//! file whose every complete line parses. The header is rewritten (temporary file, rename)
//! once, when the run ends, with the totals.

use crate::conversation::Message;
use crate::model::{AbsPath, SessionId, Usage};
use rustix::fs::OFlags;
use serde_json::{Value, json};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why a conversation could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The disk said no.
    #[error("cannot write the transcript {file}: {source}")]
    Write {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the transcript {file}: {source}")]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a transcript.
    #[error("{file}:{line}: {problem}")]
    Malformed {
        /// The file.
        file: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// No conversation of that id.
    #[error("no conversation `{id}` below {folder}")]
    Unknown {
        /// The id asked for.
        id: String,
        /// Where conversations lie.
        folder: PathBuf,
    },
}

/// An open conversation.
pub struct Transcript {
    file: File,
    path: PathBuf,
    header: Value,
    leaf: Option<String>,
    clock: fn() -> u64,
}

/// Milliseconds since 1970.
pub fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// A fresh conversation id.
pub fn new_id() -> io::Result<SessionId> {
    let mut random = [0u8; 6];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(SessionId::from_parts(unix_ms(), random))
}

/// The folder of conversations below the data folder.
pub fn folder(data_dir: &AbsPath) -> PathBuf {
    data_dir.as_path().join("conversations")
}

impl Transcript {
    /// Begins a conversation in `folder` (made 0700 when missing; files are 0600).
    ///
    /// # Errors
    /// [`SessionError::Write`]; also when a file of that id exists already.
    pub fn create(folder: PathBuf, id: &SessionId, model: &str) -> Result<Self, SessionError> {
        let path = folder.join(format!("{id}.jsonl"));
        let fail = |source| SessionError::Write { file: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(fail)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(fail)?;
        in_use(&file);
        let header = json!({
            "meta": true, "id": id, "version": 2, "model": model, "system": "",
            "totalInputTokens": 0, "totalOutputTokens": 0, "lastInputTokens": 0,
            "totalCost": 0.0, "createdAt": unix_ms(), "leafId": null,
        });
        let mut transcript = Transcript { file, path, header, leaf: None, clock: unix_ms };
        transcript.write_line(&transcript.header.clone())?;
        Ok(transcript)
    }

    /// Goes on with a conversation that [`super::load`] has read.
    ///
    /// # Errors
    /// [`SessionError::Write`].
    pub fn reopen(loaded: &super::Loaded) -> Result<Self, SessionError> {
        let path = loaded.path.clone();
        let fail = |source| SessionError::Write { file: path.clone(), source };
        let mut file = open(&path, OFlags::WRONLY | OFlags::APPEND).map_err(fail)?;
        in_use(&file);
        if loaded.torn_tail {
            // A killed run left half a line; end it, so that the next entry stands alone.
            file.write_all(b"\n").map_err(fail)?;
        }
        let (header, leaf) = (loaded.header.clone(), loaded.leaf.clone());
        Ok(Transcript { file, path, header, leaf, clock: unix_ms })
    }

    /// Adds a message after the last one.
    ///
    /// # Errors
    /// [`SessionError::Write`].
    pub fn append(&mut self, message: &Message, usage: Option<Usage>) -> Result<(), SessionError> {
        let id = entry_id().map_err(|source| self.failed(source))?;
        let mut data = json!({"role": message.role, "content": message.content});
        if let (Some(usage), Some(data)) = (usage, data.as_object_mut()) {
            data.insert("usage".to_owned(), json!(usage));
        }
        let entry = json!({
            "id": id, "parentId": self.leaf, "type": "message",
            "timestamp": (self.clock)(), "data": data,
        });
        self.write_line(&entry)?;
        self.leaf = Some(id);
        Ok(())
    }

    /// Writes the totals and the leaf into the header: a new file takes the old one's place.
    ///
    /// # Errors
    /// [`SessionError::Write`]; the old file then stands as it was.
    pub fn finish(mut self, usage: Usage, cost_usd: f64) -> Result<(), SessionError> {
        let add = |header: &mut Value, key: &str, more: u64| {
            let sum = header[key].as_u64().unwrap_or(0).saturating_add(more);
            header[key] = json!(sum);
        };
        add(&mut self.header, "totalInputTokens", usage.input_tokens);
        add(&mut self.header, "totalOutputTokens", usage.output_tokens);
        self.header["lastInputTokens"] = json!(usage.input_tokens);
        let cost = self.header["totalCost"].as_f64().unwrap_or(0.0) + cost_usd;
        self.header["totalCost"] = json!(cost);
        self.header["leafId"] = json!(self.leaf);
        self.replace_header().map_err(|source| self.failed(source))
    }

    fn replace_header(&self) -> io::Result<()> {
        let mut text = Vec::new();
        open(&self.path, OFlags::RDONLY)?.read_to_end(&mut text)?;
        let rest = text.iter().position(|&b| b == b'\n').map_or(&[][..], |at| &text[at + 1..]);
        let temporary = self.path.with_extension("jsonl.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        let written = writeln!(file, "{}", self.header)
            .and_then(|()| file.write_all(rest))
            .and_then(|()| std::fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    fn write_line(&mut self, value: &Value) -> Result<(), SessionError> {
        let line = format!("{value}\n");
        self.file.write_all(line.as_bytes()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SessionError {
        SessionError::Write { file: self.path.clone(), source }
    }
}

/// Opens an existing transcript. Another user's, a link, or a pipe is none: a link would have
/// Ion append to any file of the user's, a pipe would be waited for.
pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    use rustix::fs::{FileType, Mode};
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let stat = rustix::fs::fstat(&file)?;
    let refused = |why: &str| Err(io::Error::other(why.to_owned()));
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return refused("it is not a regular file");
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if stat.st_mode & 0o022 != 0 {
        return refused("others can write to it; next: chmod go-w");
    }
    Ok(file)
}

/// Tells `ion sessions scrub` that a run has the file open. Where locks do not work, nothing is told.
fn in_use(file: &File) {
    let _ = rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockShared);
}

fn entry_id() -> io::Result<String> {
    let mut random = [0u8; 4];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("{:08x}", u32::from_be_bytes(random)))
}
