//! A word on a call that somebody else would run: other agents are governed by the same policy.
//!
//! Nothing is permitted here and no person is asked: `Ask` goes back to the agent, whose own
//! user answers. It is recorded like any decision, before it is given.

use super::decide::{Case, Cause, Gate};
use super::inquiry::Inquiry;
use super::judge::Runner;
use super::record::rule_ref;
use super::refusal::{DecidedBy, RuleRef};
use crate::model::{AbsPath, Decision, Seq, ToolCall};
use crate::redact::Redacted;
use serde_json::json;

/// What Ion says about a call of another agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Advice {
    /// The verdict.
    pub decision: Decision,
    /// What decided.
    pub decided_by: DecidedBy,
    /// Why.
    pub reason: Redacted<String>,
    /// The rule, where one decided.
    pub rule: Option<RuleRef>,
    /// What to do instead.
    pub hint: Option<Redacted<String>>,
    /// The call that is meant, where a hook of Ion rewrote it. INVARIANT (judged is run): an
    /// agent that cannot take the rewritten call must not run the first one.
    pub rewritten: Option<ToolCall>,
    /// The audit record; `None` when it could not be written, and the decision is a denial then.
    pub audit_seq: Option<Seq>,
}

impl Gate {
    /// Judges a call that `runner` (`claude`, `codex`) would run in `cwd` under its own
    /// confinement, or none: Ion can promise nothing about that.
    pub async fn advise(
        &self,
        call: ToolCall,
        cwd: &AbsPath,
        runner: &str,
        inquiry: &Inquiry<'_>,
    ) -> Advice {
        match self.hear(call, cwd, inquiry.cancel, Runner::Other).await {
            Err(refused) => self.advice(&refused.0, runner, Decision::Deny, Some(refused.1)),
            Ok(mut case) => match self.opined(&mut case, inquiry).await {
                Ok(decision) => self.advice(&case, runner, decision, None),
                Err(cause) => self.advice(&case, runner, Decision::Deny, Some(cause)),
            },
        }
    }

    fn advice(
        &self,
        case: &Case,
        runner: &str,
        decision: Decision,
        cause: Option<Cause>,
    ) -> Advice {
        let held = json!({"runner": runner, "backend": null});
        let cause = cause.or_else(|| (decision == Decision::Ask).then(|| Cause::open(case)));
        let recorded = self.record(case, decision, cause.as_ref(), held);
        let by = case.decided_by();
        let cause = cause.unwrap_or_else(|| Cause { by, ..Cause::of(&case.judgement) });
        let (seq, decision, cause) = match recorded {
            Ok(seq) => (Some(seq), decision, cause),
            Err(message) => {
                let reason = format!("the audit log cannot be written: {message}");
                (None, Decision::Deny, Cause::new(DecidedBy::Audit, reason))
            }
        };
        let rewritten = !case.story.rewrites.is_empty();
        // An ask may be answered over there: it is marked as if it were.
        if decision != Decision::Deny {
            self.mark(&case.proposed);
        }
        Advice {
            decision,
            decided_by: cause.by,
            reason: self.shown(&cause.reason),
            rule: cause.rule.as_deref().map(rule_ref),
            hint: cause.hint.as_deref().map(|hint| self.shown(hint)),
            rewritten: rewritten.then(|| case.proposed.call.clone()),
            audit_seq: seq,
        }
    }
}
