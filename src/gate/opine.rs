//! How the classifier is asked about an open call, and what of its answer counts: in a run, and in
//! `ion policy check --classify`, which must not give another answer.

use super::classifier::{Classifier, Opinion, Question};
use super::consult::opinion;
use super::propose::Proposed;
use crate::model::Decision;
use crate::policy::Judgement;
use crate::redact::{Redacted, Redactor};
use serde_json::Value;

/// Asks `classifier` about a call. `policy` is what the rules said, in a few lines. It never fails:
/// an error is an opinion that asks.
pub async fn opine(
    classifier: &dyn Classifier,
    redactor: &Redactor,
    user_request: &[Redacted<String>],
    policy_digest: &str,
    (proposed, policy): (&Proposed, &str),
) -> Opinion {
    let input = redactor.json(&Value::Object(proposed.call.input.clone()));
    let policy = redactor.text(policy);
    let question = Question {
        user_request,
        tool: &proposed.call.name,
        input: &input,
        cwd: &proposed.facts.cwd,
        policy: &policy,
        digest: proposed.digest(),
        policy_digest,
    };
    opinion(classifier, &question).await
}

/// Whether an allow of the classifier would count: where policy lets it, and never for what the
/// sealed tier asks (G2).
#[must_use]
pub fn may_allow(judgement: &Judgement, lift: bool) -> bool {
    lift && judgement.sealed != Decision::Ask
}

/// What of an opinion counts.
#[must_use]
pub fn what_counts(opinion: &Opinion, judgement: &Judgement, lift: bool) -> Option<Decision> {
    Some(opinion.decision).filter(|said| may_allow(judgement, lift) || *said != Decision::Allow)
}

/// What policy said, for the classifier; `None` where no step of it asks.
#[must_use]
pub fn summary(judgement: &Judgement) -> Option<String> {
    let asks = judgement.trace.iter().filter(|step| step.decision == Decision::Ask);
    let lines: Vec<String> = asks
        .take(16)
        .map(|step| {
            let id = step.origin.as_ref().map_or("the mode", |origin| origin.id.as_str());
            format!("{id} asks about {}: {}", step.subject, step.reason)
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
