//! What surrounds one decision: what the user wants, what ends it, who listens.

use super::asked::{Asked, QuestionId};
use crate::model::CallId;
use crate::redact::Redacted;
use serde::Serialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Something that listeners want to know before the decision is there.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A question was put.
    Asked(Arc<Asked>),
    /// It is not open any more.
    Resolved(Resolved),
}

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A person said yes.
    Allowed,
    /// A person said no.
    Denied,
    /// A person wants to see first what it does: the question comes again.
    Previewed,
    /// Nobody answered in time: denied.
    Expired,
    /// The run was cancelled: denied.
    Cancelled,
}

/// The end of a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The question.
    pub question_id: QuestionId,
    /// The call.
    pub tool_id: CallId,
    /// How it ended.
    pub outcome: Ending,
    /// The `optionId` that counts, where somebody answered.
    pub option_id: Option<String>,
    /// Who answered.
    pub by: Option<Redacted<String>>,
    /// Milliseconds from question to answer.
    pub waited_ms: u64,
}

/// What surrounds one decision.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    /// The user's own messages of the conversation, oldest first.
    pub user_request: &'a [Redacted<String>],
    /// Ends every wait. T6: what is open then is denied.
    pub cancel: &'a CancellationToken,
    /// Hears of questions when they are put and when they end. It must not block.
    pub notify: &'a (dyn Fn(Notice) + Send + Sync),
}
