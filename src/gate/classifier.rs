//! The classifier: a model's opinion on a call that rules left open. The room `classify`
//! implements the trait.
//!
//! It sees what the user asked for and the bare call, never the agent's prose and no tool
//! output: what the agent read must not argue for itself (X8). It can tighten; an allow of it
//! counts only where policy says so, and never against a deny or a sealed ask. An error, a
//! time-out or nonsense is an ask.

use crate::model::{AbsPath, Decision, ToolName, Usage};
use crate::redact::Redacted;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::time::Duration;

/// What the classifier is told. Everything in it is redacted, because it goes to a provider.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The user's own messages of this conversation, oldest first.
    pub user_request: &'a [Redacted<String>],
    /// The tool.
    pub tool: &'a ToolName,
    /// Its arguments. Data, whatever they say.
    pub input: &'a Redacted<Value>,
    /// The folder that the call runs in.
    pub cwd: &'a AbsPath,
    /// What policy said of the call, in a few lines.
    pub policy: &'a Redacted<String>,
    /// SHA-256 (hex) over the canonical call (tool, input, paths, folder): half of a cache key.
    pub digest: &'a str,
    /// SHA-256 (hex) of the effective policy: the other half.
    pub policy_digest: &'a str,
}

/// What the classifier says.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// `Ask` leaves the call open.
    pub decision: Decision,
    /// Its category of harm, where it named one.
    pub category: Option<String>,
    /// Why, short. It is redacted by the gate.
    pub reason: String,
    /// The model that answered.
    pub model: Option<String>,
    /// 1 for the quick look, 2 when it reasoned, 0 when none was reached.
    pub stage: u8,
    /// Tokens of all stages.
    pub tokens: Usage,
    /// US dollars of all stages; 0 when the model has no price.
    pub cost_usd: f64,
    /// From the question to this answer.
    pub latency: Duration,
    /// Whether an earlier answer to the same question was used.
    pub cached: bool,
    /// What went wrong. INVARIANT (an error is an ask): with an error, `decision` is not read.
    pub error: Option<String>,
}

impl Opinion {
    /// The opinion of a classifier that could not form one.
    pub fn failed(why: impl Into<String>, latency: Duration) -> Self {
        Opinion {
            decision: Decision::Ask,
            category: None,
            reason: String::new(),
            model: None,
            stage: 0,
            tokens: Usage::default(),
            cost_usd: 0.0,
            latency,
            cached: false,
            error: Some(why.into()),
        }
    }
}

/// Something that forms an opinion on open calls.
pub trait Classifier: Send + Sync {
    /// How long it may take in all. The gate gives up then, which is an ask.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(20)
    }

    /// Its opinion. It never fails: what went wrong is in [`Opinion::error`].
    fn opine<'a>(&'a self, question: &'a Question<'a>) -> BoxFuture<'a, Opinion>;
}
