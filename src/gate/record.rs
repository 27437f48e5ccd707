//! What the gate writes into the audit log, and the refusal that goes with it.
//!
//! INVARIANT (G5): a decision that cannot be recorded is a refusal. Whatever is written is
//! redacted for the log, which is never off.

use super::decide::{Case, Cause, Gate};
use super::refusal::{DecidedBy, Refusal, RuleRef, Unit};
use crate::audit::{Draft, Kind};
use crate::model::{Decision, Requirement, Seq};
use crate::policy::{Basis, Confinement, Judgement, Origin};
use crate::redact::Redacted;
use serde_json::{Value, json};

/// Most steps of the trace that are recorded.
const MOST_STEPS: usize = 64;

impl Gate {
    /// Records a denial and renders it as a value.
    pub(in crate::gate) fn refuse(&self, case: &Case, cause: Cause) -> Refusal {
        match self.record(case, Decision::Deny, Some(&cause), Value::Null) {
            Ok(seq) => self.refusal(case, &cause, Some(seq)),
            Err(message) => self.unrecorded(case, &message),
        }
    }

    /// The refusal of a call whose decision is not surely on disk.
    pub(in crate::gate) fn unrecorded(&self, case: &Case, message: &str) -> Refusal {
        let reason = format!("the audit log cannot be written: {message}");
        let cause = Cause { retryable: true, ..Cause::new(DecidedBy::Audit, reason) };
        self.refusal(case, &cause, None)
    }

    pub(in crate::gate) fn refusal(&self, case: &Case, cause: &Cause, seq: Option<Seq>) -> Refusal {
        let redactor = &self.parts.redactor;
        let proposed = &case.proposed;
        Refusal {
            tool_name: proposed.call.name.clone(),
            tool_use_id: proposed.call.id.clone(),
            tool_input: redactor.json(&Value::Object(proposed.call.input.clone())),
            decision: Decision::Deny,
            decided_by: cause.by,
            unit: if is_about_policy(cause.by) { self.unit(case) } else { None },
            reason: redactor.text(&cause.reason),
            rule: cause.rule.as_deref().map(rule_ref),
            hint: cause.hint.as_deref().map(|hint| redactor.text(hint)),
            ask_resolved: cause.asked.as_deref().map(|asked| redactor.text(asked)),
            retryable: cause.retryable,
            audit_seq: seq,
        }
    }

    /// The simple command that decided.
    pub(in crate::gate) fn unit(&self, case: &Case) -> Option<Unit> {
        let index = case.judgement.unit?;
        let unit = case.proposed.facts.command.as_ref()?.units.get(index)?;
        Some(Unit { index, text: self.parts.redactor.text(&unit.text) })
    }

    /// Writes the decision. `confinement` is what holds, for an allowed call.
    pub(in crate::gate) fn record(
        &self,
        case: &Case,
        decision: Decision,
        cause: Option<&Cause>,
        confinement: Value,
    ) -> Result<Seq, String> {
        self.write(case, Kind::Decision, Some(decision), &self.body(case, cause, confinement))
    }

    /// Writes any record about a call.
    pub(in crate::gate) fn write(
        &self,
        case: &Case,
        kind: Kind,
        decision: Option<Decision>,
        body: &Value,
    ) -> Result<Seq, String> {
        let parts = &self.parts;
        let draft = Draft {
            kind,
            session: parts.session.clone(),
            call_id: Some(case.proposed.call.id.clone()),
            tool: Some(case.proposed.call.name.clone()),
            decision,
            body: parts.redactor.for_log().json(body),
        };
        parts.audit.append(&draft).map_err(|error| error.to_string())
    }

    /// The body of a decision, before redaction.
    pub(in crate::gate) fn body(
        &self,
        case: &Case,
        cause: Option<&Cause>,
        confinement: Value,
    ) -> Value {
        let (parts, proposed, judgement) = (&self.parts, &case.proposed, &case.judgement);
        let origin = cause.map_or(judgement.rule.as_ref(), |cause| cause.rule.as_deref());
        let around = &proposed.facts.circumstances;
        let mut body = json!({
            "call": {
                "tool": proposed.call.name,
                "input": Value::Object(proposed.call.input.clone()),
            },
            "digest": proposed.digest(),
            "cwd": proposed.facts.cwd,
            "paths": proposed.paths,
            "decided_by": cause.map_or_else(|| case.decided_by(), |cause| cause.by),
            "rule": origin.map(rule_ref),
            "reason": cause.map_or(judgement.reason.as_str(), |cause| cause.reason.as_str()),
            "ask_resolved": cause.and_then(|cause| cause.asked.as_deref()),
            "unit": judgement.unit,
            "danger": judgement.danger,
            "commands": judgement.commands,
            "steps": judgement.trace.iter().take(MOST_STEPS).map(step).collect::<Vec<_>>(),
            "stages": stages(case),
            "confinement": confinement,
            "agent": around.agent,
            "depth": around.depth,
            "interactive": around.interactive,
            "untrusted": around.untrusted,
            "policy": {
                "digest": parts.policy_digest, "rules": parts.rules.digest(),
                "mode": parts.rules.mode().value,
            },
        });
        if let Value::Object(body) = &mut body {
            for (key, value) in case.story.told() {
                body.insert(key.to_owned(), value);
            }
        }
        body
    }

    /// Text for people, redacted.
    pub(in crate::gate) fn shown(&self, text: &str) -> Redacted<String> {
        self.parts.redactor.text(text)
    }
}

/// Unit and command say nothing where it was not policy that decided.
fn is_about_policy(by: DecidedBy) -> bool {
    match by {
        DecidedBy::Tool | DecidedBy::Audit | DecidedBy::Sandbox | DecidedBy::Cancelled => false,
        DecidedBy::Rule
        | DecidedBy::Danger
        | DecidedBy::Mode
        | DecidedBy::HeadlessAsk
        | DecidedBy::Person
        | DecidedBy::Expired
        | DecidedBy::Hook
        | DecidedBy::Classifier
        | DecidedBy::Malformed => true,
    }
}

/// The row of the truth table.
fn stages(case: &Case) -> Value {
    let stages = case.stages();
    json!({
        "sealed": stages.sealed, "rules": stages.rules, "danger": stages.danger,
        "hook": stages.hook, "classifier": stages.classifier,
    })
}

fn step(step: &crate::policy::Considered) -> Value {
    json!({
        "decision": step.decision, "basis": step.basis, "subject": step.subject,
        "rule": step.origin.as_ref().map(|origin| origin.id.as_str()),
    })
}

/// What holds while an allowed call runs.
pub(in crate::gate) fn held(confinement: &Confinement, backend: &str) -> Value {
    json!({
        "requirement": confinement.requirement, "backend": backend,
        "network": confinement.network,
        "workspace_writable": confinement.workspace_writable,
        "open": confinement.requirement == Requirement::Open,
    })
}

/// What decided, in the words of a judgement.
pub(in crate::gate) fn decided_by(judgement: &Judgement) -> DecidedBy {
    match judgement.decided_by {
        Basis::Rule | Basis::ReadOnlyPath | Basis::Untrusted | Basis::Report => DecidedBy::Rule,
        Basis::Danger | Basis::SensitivePath => DecidedBy::Danger,
        Basis::Opaque | Basis::Malformed => DecidedBy::Malformed,
        Basis::Mode => DecidedBy::Mode,
    }
}

/// The rule behind a decision, for outsiders.
pub(in crate::gate) fn rule_ref(origin: &Origin) -> RuleRef {
    RuleRef {
        id: origin.id.clone(),
        tier: origin.tier.as_str().to_owned(),
        source: origin.source.to_string(),
    }
}
