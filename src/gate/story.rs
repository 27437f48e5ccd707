//! What happened to one call on its way through the gate, for the record of its decision.
//!
//! It only collects: nothing reads it to decide. Everything in it is raw until the record is
//! redacted as a whole. Read `record` next.

use super::asked::{Choice, QuestionId, Scope};
use super::classifier::Opinion;
use super::consult::Heard;
use super::grant::Past;
use crate::model::ToolCall;
use serde_json::{Value, json};
use std::time::Duration;

/// Everything beside the judgement that the record tells.
#[derive(Debug, Default)]
pub(in crate::gate) struct Story {
    /// The class and the hook that gave it.
    pub class: Option<(String, String)>,
    /// What the hooks said about the call that was decided.
    pub heard: Vec<Heard>,
    /// Earlier forms of the call: who rewrote them.
    pub rewrites: Vec<Rewrite>,
    /// The classifier.
    pub opinion: Option<Opinion>,
    /// The answer of a person.
    pub person: Option<Person>,
    /// An earlier answer that was used.
    pub grant: Option<Used>,
}

/// A call that a hook replaced.
#[derive(Debug)]
pub(in crate::gate) struct Rewrite {
    pub hook: String,
    pub before: ToolCall,
    pub digest: String,
}

/// What a person said.
#[derive(Debug)]
pub(in crate::gate) struct Person {
    pub question: QuestionId,
    pub choice: Option<Choice>,
    /// How far a yes reaches in the end.
    pub granted: Option<Scope>,
    pub by: String,
    pub via: String,
    pub reason: Option<String>,
    pub waited: Duration,
}

/// A remembered answer.
#[derive(Debug)]
pub(in crate::gate) struct Used {
    pub past: Past,
    /// `None` for a remembered no.
    pub scope: Option<Scope>,
    pub remaining: Option<u32>,
}

impl Story {
    /// The part of the record that tells it, to be merged into the body.
    pub fn told(&self) -> Vec<(&'static str, Value)> {
        let hooks: Vec<Value> = self.heard.iter().map(heard).collect();
        let rewrites: Vec<Value> = self.rewrites.iter().map(rewrite).collect();
        vec![
            (
                "class",
                self.class.as_ref().map(|(by, class)| json!({"by": by, "class": class})).into(),
            ),
            ("hooks", hooks.into()),
            ("rewrites", rewrites.into()),
            ("classifier", self.opinion.as_ref().map(opinion).into()),
            ("person", self.person.as_ref().map(person).into()),
            ("grant", self.grant.as_ref().map(used).into()),
        ]
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn heard(heard: &Heard) -> Value {
    json!({
        "hook": heard.hook, "decision": heard.said, "counts_as": heard.counts,
        "reason": heard.reason, "failed": heard.failed, "rewrote": heard.rewrote,
        "ms": ms(heard.took),
    })
}

fn rewrite(rewrite: &Rewrite) -> Value {
    json!({
        "hook": rewrite.hook, "digest": rewrite.digest,
        "before": {"tool": rewrite.before.name, "input": rewrite.before.input},
    })
}

/// An opinion as records and reports show it, not redacted yet.
pub fn opinion(opinion: &Opinion) -> Value {
    json!({
        "decision": opinion.decision, "category": opinion.category, "reason": opinion.reason,
        "model": opinion.model, "stage": opinion.stage, "tokens": opinion.tokens,
        "cost_usd": opinion.cost_usd, "ms": ms(opinion.latency), "cached": opinion.cached,
        "error": opinion.error,
    })
}

/// The answer to a question, also for the `answered` record.
pub(in crate::gate) fn person(person: &Person) -> Value {
    json!({
        "question": person.question, "choice": person.choice.map(Choice::id),
        "granted": person.granted,
        "by": person.by, "via": person.via, "reason": person.reason,
        "waited_ms": ms(person.waited),
    })
}

fn used(used: &Used) -> Value {
    json!({
        "question": used.past.question, "by": used.past.by, "scope": used.scope,
        "remaining": used.remaining,
    })
}
