//! One record: what goes in, and the exact bytes of its line.
//!
//! A line is one JSON object, then `\n`. It ends with `,"hash":"<64 hex>"}`; the hash is
//! SHA-256 over every byte of the line before that suffix, and those bytes hold `prev`, the
//! hash of the line before. No canonical form is needed to check it. Read `verify` next.

use crate::model::{CallId, Decision, Seq, SessionId, ToolName, hex};
use crate::redact::Redacted;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// The version of the format.
pub(in crate::audit) const VERSION: u32 = 1;
/// What record 1 names as the hash before it.
pub(in crate::audit) const NO_HASH: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";
/// A line is never longer, so that a reader can be bounded.
pub(in crate::audit) const LONGEST_LINE: usize = 256 * 1024;
/// A body beyond this is shortened.
const LONGEST_BODY: usize = 48 * 1024;
/// `,"hash":"` + 64 + `"}`
const SUFFIX: usize = 9 + 64 + 2;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call was judged; on disk before the tool starts.
    Decision,
    /// How an allowed call ended.
    Outcome,
    /// A question was put to a person; on disk before anybody sees it. The call is not decided.
    Asked,
    /// A call is about to run on a copy of the workspace, because whoever was asked wants to see
    /// what it does; on disk before it starts.
    Preview,
    /// The question is not open any more; the decision follows as a record of its own.
    Answered,
    /// A run began, with the policy in force.
    SessionStart,
    /// A run ended.
    SessionEnd,
    /// A run could not start: nothing was asked and nothing ran.
    RefusedStart,
    /// The policy or configuration of a folder is another one than in the run before.
    PolicyChanged,
    /// A model was asked and answered, or did not.
    ModelCall,
    /// A lower tier was overruled by the sealed one.
    Enforcement,
    /// A person trusted a folder, or took the trust back.
    Trust,
    /// A sink refused records and is sent nothing more until a person looks.
    Forwarding,
    /// Conversations on disk were masked anew.
    Scrubbed,
    /// The log itself was repaired after a crash; written by the log alone.
    Recovered,
    /// The records before this one lie in a file that was closed; written by the log alone.
    Rotated,
    /// An old file is about to be removed; written by the log alone.
    Retired,
}

/// A record before the log gives it a number, a time and its place in the chain.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it is about.
    pub kind: Kind,
    /// The conversation.
    pub session: Option<SessionId>,
    /// The call.
    pub call_id: Option<CallId>,
    /// The tool.
    pub tool: Option<ToolName>,
    /// The final decision.
    pub decision: Option<Decision>,
    /// Everything else, an object with snake_case keys.
    pub body: Redacted<Value>,
}

/// Who writes, on which machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The login name, where one is known.
    pub user: Option<String>,
    /// The real user id.
    pub uid: u32,
    /// The host name.
    pub host: String,
    /// The process.
    pub pid: u32,
}

impl Origin {
    /// This process. The name comes from `config::Environment`, because a variable can lie;
    /// `uid` cannot.
    pub fn here(user: Option<String>) -> Self {
        Origin {
            user,
            uid: rustix::process::getuid().as_raw(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            pid: std::process::id(),
        }
    }
}

/// A record as it was read. Unknown fields are ignored, missing ones are empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The version of the format.
    #[serde(default)]
    pub v: u32,
    /// Its number.
    pub seq: Seq,
    /// RFC 3339, UTC.
    pub time: String,
    /// What it is about; a string, so that a newer kind can be read.
    pub kind: String,
    /// The conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The provider's id of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The final decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user id.
    #[serde(default)]
    pub uid: u32,
    /// The host.
    #[serde(default)]
    pub host: String,
    /// The process.
    #[serde(default)]
    pub pid: u32,
    /// Set when the body was too long: its size and SHA-256 before it was shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Everything else.
    #[serde(default)]
    pub body: Value,
    /// The hash of the record before.
    pub prev: String,
    /// The hash of this one.
    pub hash: String,
}

/// What a shortened body was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Bytes of JSON.
    pub bytes: usize,
    /// SHA-256 over them, hex.
    pub sha256: String,
}

#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    seq: Seq,
    time: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a SessionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    uid: u32,
    host: &'a str,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    body: &'a Value,
    prev: &'a str,
}

/// Writes the line of a record, `\n` included, and gives its hash.
pub(in crate::audit) fn line(
    draft: &Draft,
    origin: &Origin,
    seq: Seq,
    time: &str,
    prev: &str,
) -> Result<(String, String), serde_json::Error> {
    let (body, cut) = shortened(draft.body.get())?;
    let text = serde_json::to_string(&Line {
        v: VERSION,
        seq,
        time,
        kind: draft.kind,
        session: draft.session.as_ref(),
        // A model chose these two: bounded, whatever it sent.
        call_id: draft.call_id.as_ref().map(|id| bounded(id.as_str())),
        tool: draft.tool.as_ref().map(|tool| bounded(tool.as_str())),
        decision: draft.decision,
        user: origin.user.as_deref(),
        uid: origin.uid,
        host: &origin.host,
        pid: origin.pid,
        cut,
        body: &body,
        prev,
    })?;
    let mut text = visible(&text);
    // The object goes on with its hash.
    text.pop();
    let hash = hex(&Sha256::digest(text.as_bytes()));
    text.push_str(",\"hash\":\"");
    text.push_str(&hash);
    text.push_str("\"}\n");
    Ok((text, hash))
}

/// Checks a line without its `\n`: the hash that it states, when it is the right one.
pub(in crate::audit) fn checked_hash(line: &[u8]) -> Option<&str> {
    let (covered, suffix) = line.split_at_checked(line.len().checked_sub(SUFFIX)?)?;
    let suffix = std::str::from_utf8(suffix).ok()?;
    let stated = suffix.strip_prefix(",\"hash\":\"")?.strip_suffix("\"}")?;
    (hex(&Sha256::digest(covered)) == stated).then_some(stated)
}

/// Number and time as they stand at the beginning of a line of Ion's own.
pub(in crate::audit) fn beginning(line: &[u8]) -> Option<(Seq, &str)> {
    let rest = line.strip_prefix(b"{\"v\":1,\"seq\":")?;
    let (digits, rest) = rest.split_at_checked(memchr::memchr(b',', rest)?)?;
    let seq = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let rest = rest.strip_prefix(b",\"time\":\"")?;
    let time = rest.get(..memchr::memchr(b'"', rest)?)?;
    Some((Seq(seq), std::str::from_utf8(time).ok()?))
}

/// The hash that a line of Ion's own, without its `\n`, names as the one before it.
pub(in crate::audit) fn prev(line: &[u8]) -> Option<&str> {
    let covered = line.get(..line.len().checked_sub(SUFFIX)?)?;
    let stated = covered.get(covered.len().checked_sub(SUFFIX - 1)?..)?;
    let stated = stated.strip_prefix(b",\"prev\":\"")?.strip_suffix(b"\"")?;
    std::str::from_utf8(stated).ok()
}

fn bounded(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(256) {
        Some((at, _)) => Cow::Owned(format!("{}…", text.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// JSON escapes only controls below the blank. The others that a terminal may act on, and
/// marks that turn the direction of text, stand inside strings too, so they can be escaped
/// in the finished text. The attack: a record that shows as another one. Outside JSON the
/// same form (`\u202e`) makes a mark visible.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 80);
    for c in text.chars() {
        if is_deceptive(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character can change how the text around it is shown.
pub fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

/// The body, with its long strings cut until it fits. What cannot be fitted is left out, and
/// size and hash of the whole are recorded: a call with a large input is still recorded.
fn shortened(body: &Value) -> Result<(Cow<'_, Value>, Option<Cut>), serde_json::Error> {
    let whole = serde_json::to_vec(body)?;
    if whole.len() <= LONGEST_BODY {
        return Ok((Cow::Borrowed(body), None));
    }
    let cut = Cut { bytes: whole.len(), sha256: hex(&Sha256::digest(&whole)) };
    let mut body = body.clone();
    for limit in [4096, 512, 64] {
        cut_strings(&mut body, limit);
        if serde_json::to_vec(&body)?.len() <= LONGEST_BODY {
            return Ok((Cow::Owned(body), Some(cut)));
        }
    }
    if let Value::Object(members) = &mut body {
        members.retain(|_, member| match member {
            Value::Array(_) | Value::Object(_) => {
                serde_json::to_vec(member).is_ok_and(|text| text.len() <= 2048)
            }
            _ => true,
        });
        if serde_json::to_vec(&body)?.len() <= LONGEST_BODY {
            return Ok((Cow::Owned(body), Some(cut)));
        }
    }
    Ok((Cow::Owned(Value::Null), Some(cut)))
}

fn cut_strings(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(limit) {
                let rest = text.len() - at;
                text.truncate(at);
                text.push_str(&format!("… [{rest} bytes more]"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut_strings(item, limit)),
        Value::Object(members) => members.values_mut().for_each(|item| cut_strings(item, limit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
