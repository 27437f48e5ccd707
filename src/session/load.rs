//! Reading a conversation back. Every text is scanned again on the way in.

use super::transcript::{SessionError, open};
use crate::conversation::{Block, Message, Role};
use crate::model::{CallId, SessionId, ToolName};
use crate::redact::{Raw, Redactor};
use rustix::fs::OFlags;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest transcript in bytes that is gone on with. No model takes more.
const LARGEST: u64 = 64 << 20;

/// A conversation as it stands on disk.
pub struct Loaded {
    /// Its id.
    pub id: SessionId,
    /// Its file.
    pub path: PathBuf,
    /// The header line.
    pub header: Value,
    /// The last entry.
    pub leaf: Option<String>,
    /// The messages in order, redacted anew.
    pub messages: Vec<Message>,
    /// The last line is half a line: a run was killed while writing it.
    pub torn_tail: bool,
}

/// The newest conversation in `folder`, if there is one.
pub fn latest(folder: &Path) -> Option<SessionId> {
    let entries = std::fs::read_dir(folder).ok()?;
    let conversations = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let id = SessionId::parse(name.strip_suffix(".jsonl")?)?;
        Some((entry.metadata().ok()?.modified().ok()?, id))
    });
    conversations.max().map(|(_, id)| id)
}

/// Reads the conversation `id` of `folder`.
///
/// # Errors
/// [`SessionError`]: unknown, unreadable, or a line other than a torn last one that is not
/// an entry.
pub fn load(folder: &Path, id: &SessionId, redactor: &Redactor) -> Result<Loaded, SessionError> {
    let path = folder.join(format!("{id}.jsonl"));
    let text = read(&path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            SessionError::Unknown { id: id.to_string(), folder: folder.to_path_buf() }
        }
        _ => SessionError::Read { file: path.clone(), source },
    })?;
    // The values behind its placeholders are gone; the same numbers must not come to mean others.
    redactor.pass_over(&text);
    let malformed = |line: usize, problem: &str| SessionError::Malformed {
        file: path.clone(),
        line,
        problem: problem.to_owned(),
    };
    let mut lines = text.split_inclusive('\n').enumerate();
    let header: Value = lines
        .next()
        .and_then(|(_, line)| serde_json::from_str(line).ok())
        .filter(|value: &Value| value["meta"] == Value::Bool(true))
        .ok_or_else(|| malformed(1, "the first line is not a transcript header"))?;
    let (mut messages, mut leaf, mut torn_tail) = (Vec::new(), None, false);
    for (index, line) in lines {
        if line.trim().is_empty() {
            continue;
        }
        let Ok(entry) = serde_json::from_str::<Value>(line) else {
            if !line.ends_with('\n') {
                torn_tail = true;
                break;
            }
            // A run that was killed and then resumed leaves its half line in the middle.
            continue;
        };
        leaf = entry["id"].as_str().map(str::to_owned).or(leaf);
        if entry["type"] == "message" {
            let message = message(&entry["data"], redactor)
                .ok_or_else(|| malformed(index + 1, "the entry is not a message"))?;
            messages.push(message);
        }
    }
    drop_unanswered(&mut messages);
    Ok(Loaded { id: id.clone(), path, header, leaf, messages, torn_tail })
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    open(path, OFlags::RDONLY)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(std::io::Error::other("it holds more than 64 MiB"));
    }
    Ok(text)
}

fn message(data: &Value, redactor: &Redactor) -> Option<Message> {
    let role = match data["role"].as_str()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        _ => return None,
    };
    let seen = |text: &str| redactor.raw(Raw::new(text.to_owned()));
    let content = match &data["content"] {
        Value::String(text) => vec![Block::Text { text: seen(text) }],
        Value::Array(blocks) => {
            blocks.iter().map(|block| self::block(block, redactor)).collect::<Option<_>>()?
        }
        _ => return None,
    };
    Some(Message { role, content })
}

fn block(block: &Value, redactor: &Redactor) -> Option<Block> {
    let seen = |text: &str| redactor.raw(Raw::new(text.to_owned()));
    Some(match block["type"].as_str()? {
        "text" => Block::Text { text: seen(block["text"].as_str()?) },
        "tool_use" => Block::ToolUse {
            id: CallId::new(block["id"].as_str()?),
            name: ToolName::resolve(block["name"].as_str()?),
            input: redactor.json(&block["input"]),
        },
        "tool_result" => Block::ToolResult {
            tool_use_id: CallId::new(block["tool_use_id"].as_str()?),
            content: seen(block["content"].as_str()?),
            is_error: block["is_error"].as_bool().unwrap_or(false),
        },
        _ => return None,
    })
}

/// A killed run can end in calls without answers, which providers refuse to take: such a last
/// message is left out of what is sent (it stays in the file).
fn drop_unanswered(messages: &mut Vec<Message>) {
    let unanswered = messages.last().is_some_and(|last| {
        last.role == Role::Assistant
            && last.content.iter().any(|block| matches!(block, Block::ToolUse { .. }))
    });
    if unanswered {
        messages.pop();
    }
}
