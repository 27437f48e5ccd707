//! STUB interface: to be replaced. Append-only, hash-chained, already redacted.
use crate::model::{AbsPath, CallId, Decision, Seq, SessionId, ToolName};
use crate::redact::Redacted;
use serde_json::Value;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A call was judged; on disk before the tool starts.
    Decision,
    /// How an allowed call ended.
    Outcome,
    /// A run began, with the policy in force.
    SessionStart,
    /// A run ended.
    SessionEnd,
    /// A lower tier was overruled by the sealed one.
    Enforcement,
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
/// The log.
pub struct AuditLog;
/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AuditError {
    /// What went wrong, with the file.
    pub message: String,
}
impl AuditLog {
    /// Opens or creates the log.
    pub fn open(_file: &AbsPath) -> Result<Self, AuditError> {
        todo!()
    }
    /// Writes one record durably and gives its number.
    pub fn append(&self, _draft: &Draft) -> Result<Seq, AuditError> {
        todo!()
    }
}
