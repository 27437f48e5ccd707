//! One refusal value, rendered everywhere: terminal, JSON, model, audit.

use crate::model::{CallId, Decision, Seq, ToolName};
use crate::redact::Redacted;
use serde::Serialize;
use serde_json::Value;

/// What decided against a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// A rule of some tier.
    Rule,
    /// A dangerous pattern.
    Danger,
    /// The mode: nothing else had an opinion.
    Mode,
    /// An ask that nobody could answer.
    HeadlessAsk,
    /// A person said no, now or earlier to the same call.
    Person,
    /// A question that nobody answered in time.
    Expired,
    /// The run was cancelled while the call waited.
    Cancelled,
    /// A hook denied, failed while it guards, or rewrote the call too often.
    Hook,
    /// The classifier.
    Classifier,
    /// The call could not be understood.
    Malformed,
    /// The tool is unknown or withdrawn by policy.
    Tool,
    /// The machine cannot hold the required confinement.
    Sandbox,
    /// The decision could not be recorded, or those who must have the records lack too many.
    Audit,
}

/// The rule behind a decision, as outsiders see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleRef {
    /// Stable id.
    pub id: String,
    /// `builtin`, `user`, `project` or `enterprise`.
    pub tier: String,
    /// `file:line`.
    pub source: String,
}

/// The simple command of a compound call that decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unit {
    /// 0-based position in the list of simple commands.
    pub index: usize,
    /// Its text.
    pub text: Redacted<String>,
}

/// Why a call did not run, and what to do next.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The tool.
    pub tool_name: ToolName,
    /// The provider's id of the call.
    pub tool_use_id: CallId,
    /// The input after redaction.
    pub tool_input: Redacted<Value>,
    /// `deny`; `ask` never leaves the gate as a refusal.
    pub decision: Decision,
    /// What decided.
    pub decided_by: DecidedBy,
    /// The guilty part of a compound command.
    pub unit: Option<Unit>,
    /// The rule's own reason.
    pub reason: Redacted<String>,
    /// The rule, where one decided.
    pub rule: Option<RuleRef>,
    /// What to do instead.
    pub hint: Option<Redacted<String>>,
    /// Why an ask became a denial.
    pub ask_resolved: Option<Redacted<String>>,
    /// Whether the same call can succeed later without a change of policy.
    pub retryable: bool,
    /// The audit record, `None` only when the log itself failed.
    pub audit_seq: Option<Seq>,
}
