//! Hears hooks and the classifier: within their time, whatever they do.
//!
//! X17: a guard that is slow, dead or senseless denies. A classifier that is any of these asks.
//! Nothing here decides about the call; `combine` does, with what is heard here.

use super::classifier::{Classifier, Opinion, Question};
use super::hook::{Hook, HookOpinion, HookReply, HookRole, Proposal};
use crate::model::{Decision, ToolCall};
use crate::policy::Judgement;
use futures_util::FutureExt;
use futures_util::future::join_all;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What one hook said, and what of it counts.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::gate) struct Heard {
    pub hook: String,
    pub said: Option<Decision>,
    /// After its role was looked at. A failure of a guard is a deny here.
    pub counts: Option<Decision>,
    pub reason: Option<String>,
    pub failed: Option<String>,
    pub rewrote: bool,
    pub took: Duration,
}

/// What all hooks said about one proposal.
#[derive(Debug, Default)]
pub(in crate::gate) struct Round {
    pub heard: Vec<Heard>,
    /// The first rewrite, in the order of the hooks.
    pub rewrite: Option<ToolCall>,
}

impl Round {
    /// The strictest of what counts; `Allow` only where no hook objects.
    pub fn decision(&self) -> Option<Decision> {
        self.heard.iter().filter_map(|heard| heard.counts).max()
    }
}

/// The class of a call, by the first hook that names one.
///
/// # Errors
/// A guard failed: its name and what happened.
pub(in crate::gate) async fn class_of(
    hooks: &[Arc<dyn Hook>],
    proposal: &Proposal<'_>,
) -> Result<Option<(String, String)>, (String, String)> {
    for hook in hooks.iter().filter(|hook| hook.classifies()) {
        let answer = bounded(hook.time_limit(), async { hook.classify(proposal).await }).await;
        match answer.and_then(|answer| answer) {
            Ok(Some(class)) if !class.is_empty() => {
                return Ok(Some((hook.name().to_owned(), class)));
            }
            Ok(_) => {}
            Err(why) => match hook.role() {
                HookRole::Gates => return Err((hook.name().to_owned(), why)),
                HookRole::Observes => {}
            },
        }
    }
    Ok(None)
}

/// Consults all hooks side by side.
pub(in crate::gate) async fn consult(
    hooks: &[Arc<dyn Hook>],
    proposal: &Proposal<'_>,
    judgement: &Judgement,
) -> Round {
    let answers = hooks.iter().map(|hook| async move {
        let begun = Instant::now();
        let reply =
            bounded(hook.time_limit(), async { hook.consult(proposal, judgement).await }).await;
        let reply = reply.unwrap_or_else(HookReply::Failed);
        weigh(hook.as_ref(), reply, begun.elapsed())
    });
    let mut round = Round::default();
    for (heard, rewrite) in join_all(answers).await {
        round.heard.push(heard);
        round.rewrite = round.rewrite.or(rewrite);
    }
    round
}

fn weigh(hook: &dyn Hook, reply: HookReply, took: Duration) -> (Heard, Option<ToolCall>) {
    let mut heard = Heard {
        hook: hook.name().to_owned(),
        said: None,
        counts: None,
        reason: None,
        failed: None,
        rewrote: false,
        took,
    };
    match (reply, hook.role()) {
        (HookReply::Opinion(HookOpinion { decision, reason, rewrite }), role) => {
            let observes = role == HookRole::Observes;
            heard.said = decision;
            heard.reason = reason;
            // Whoever looks on can tighten and do nothing else.
            heard.counts = decision.filter(|said| !(observes && *said == Decision::Allow));
            let rewrite = rewrite.filter(|_| !observes);
            heard.rewrote = rewrite.is_some();
            (heard, rewrite)
        }
        (HookReply::Failed(why), role) => {
            // FAIL CLOSED: no answer of a guard is its no.
            heard.counts = (role == HookRole::Gates).then_some(Decision::Deny);
            heard.failed = Some(why);
            (heard, None)
        }
    }
}

/// The classifier's opinion, or a failed one.
pub(in crate::gate) async fn opinion(
    classifier: &dyn Classifier,
    question: &Question<'_>,
) -> Opinion {
    let begun = Instant::now();
    let answer = bounded(classifier.time_limit(), async { classifier.opine(question).await }).await;
    let mut opinion = answer.unwrap_or_else(|why| Opinion::failed(why, begun.elapsed()));
    if opinion.error.is_some() {
        opinion.decision = Decision::Ask;
    }
    opinion
}

/// Runs foreign code: within its time, and a panic is an error like any other.
async fn bounded<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, String> {
    let guarded = AssertUnwindSafe(work).catch_unwind();
    match tokio::time::timeout(limit, guarded).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err("it crashed".to_owned()),
        Err(_) => Err(format!("it gave no answer within {} ms", limit.as_millis())),
    }
}
