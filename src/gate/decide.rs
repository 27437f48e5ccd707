//! The gate: a proposed call becomes a permit, a question or a refusal, recorded first.
//!
//! One story: understand, check that the tool exists for this run, judge, confine, record,
//! answer. No flag travels through it, and no arm of it can turn an error into an allow.

use super::advisers::Advisers;
use super::combine::{Answer, Stages, Standing, admits, standing};
use super::confiner::Confiner;
use super::permit::Permit;
use super::propose::{Place, Proposed, propose};
use super::question::Question;
use super::recorder::Recorder;
use super::refusal::{DecidedBy, Refusal, RuleRef, Unit};
use super::withdrawn::{Withdrawn, withdrawn};
use crate::audit::{Draft, Kind};
use crate::config::effective::{SandboxSettings, ToolRestrictions};
use crate::model::{
    AbsPath, CallId, Decision, Effects, Requirement, Seq, SessionId, ToolCall, ToolName,
};
use crate::policy::{
    Basis, CallLimits, Circumstances, Confinement, Judgement, Origin, RuleSet, confinement_for,
    evaluate, withheld,
};
use crate::redact::Redactor;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that the gate needs, fixed for one run.
pub struct GateParts {
    /// The rules in force.
    pub rules: Arc<RuleSet>,
    /// What every call is confined by.
    pub sandbox: SandboxSettings,
    /// Time and output limits.
    pub limits: CallLimits,
    /// Where decisions are recorded.
    pub audit: Arc<dyn Recorder>,
    /// What masks secrets.
    pub redactor: Arc<Redactor>,
    /// Whether this machine can hold a confinement.
    pub confiner: Arc<dyn Confiner>,
    /// The conversation.
    pub session: Option<SessionId>,
    /// `main`, or the path of a sub-agent.
    pub agent: String,
    /// SHA-256 (hex) of the effective policy.
    pub policy_digest: String,
    /// Tools removed by policy.
    pub restrictions: ToolRestrictions,
    /// What each registered tool can do.
    pub effects: BTreeMap<ToolName, Effects>,
    /// The workspace, links resolved.
    pub workspace: AbsPath,
    /// The user's home.
    pub home: Option<AbsPath>,
    /// Who asks, and what the session has seen.
    pub circumstances: Circumstances,
    /// Hooks, classifier, people.
    pub advisers: Advisers,
}

/// The gate's answer to one call.
#[must_use = "an unanswered call must not be forgotten"]
#[derive(Debug)]
pub enum Verdict {
    /// It may run, once, under the permit's confinement.
    Allow(Permit),
    /// A person has to answer.
    Ask(Question),
    /// It does not run.
    Deny(Refusal),
}

/// Judges every call of one agent.
pub struct Gate {
    parts: GateParts,
}

/// Why a call is refused, before it is recorded.
pub(in crate::gate) struct Cause {
    pub by: DecidedBy,
    pub rule: Option<Origin>,
    pub reason: String,
    pub hint: Option<String>,
    pub asked: Option<&'static str>,
    pub retryable: bool,
}

impl Gate {
    /// A gate for one agent.
    pub fn new(parts: GateParts) -> Self {
        Gate { parts }
    }

    /// Judges one call that would run in `cwd`.
    pub fn judge(&self, call: ToolCall, cwd: &AbsPath) -> Verdict {
        let parts = &self.parts;
        let effects = parts.effects.get(&call.name).copied();
        let place = self.place(cwd);
        let proposed = propose(call, effects, &place);
        let judgement = evaluate(&parts.rules, &proposed.facts);
        let name = &proposed.call.name;
        if let Some(cause) = self.withdrawn(name).or_else(|| self.unknown(name)) {
            return Verdict::Deny(self.refuse(&proposed, &judgement, cause));
        }
        match standing(&stages(&judgement)) {
            Standing::Refused => {
                Verdict::Deny(self.refuse(&proposed, &judgement, cause_of(&judgement)))
            }
            Standing::Open => Verdict::Ask(Question::new(proposed, judgement)),
            Standing::Clear => self.admit(proposed, &judgement),
        }
    }

    /// Refuses a call whose input was not a JSON object: recorded like any other refusal.
    pub fn spoilt(&self, id: CallId, name: ToolName, problem: &str, cwd: &AbsPath) -> Refusal {
        let parts = &self.parts;
        let call = ToolCall { id, name, input: serde_json::Map::new() };
        let place = self.place(cwd);
        let proposed = propose(call, None, &place);
        let judgement = evaluate(&parts.rules, &proposed.facts);
        let cause = Cause {
            by: DecidedBy::Malformed,
            rule: None,
            reason: format!("the input is not usable: {problem}"),
            hint: None,
            asked: None,
            retryable: true,
        };
        self.refuse(&proposed, &judgement, cause)
    }

    fn place<'a>(&'a self, cwd: &'a AbsPath) -> Place<'a> {
        let parts = &self.parts;
        Place {
            cwd,
            workspace: &parts.workspace,
            home: parts.home.as_ref(),
            circumstances: &parts.circumstances,
        }
    }

    /// Whether no tool of this run has that name.
    fn unknown(&self, tool: &ToolName) -> Option<Cause> {
        let known = self.parts.effects.contains_key(tool);
        (!known).then(|| Cause {
            by: DecidedBy::Tool,
            rule: None,
            reason: format!("Unknown tool: {tool}"),
            hint: None,
            asked: None,
            retryable: false,
        })
    }

    /// Whether policy took the tool away.
    fn withdrawn(&self, tool: &ToolName) -> Option<Cause> {
        let Withdrawn { rule, reason } = withdrawn(&self.parts.restrictions, tool)?;
        let rule = Some(rule);
        Some(Cause { by: DecidedBy::Tool, rule, reason, hint: None, asked: None, retryable: false })
    }

    fn admit(&self, proposed: Proposed, judgement: &Judgement) -> Verdict {
        let mut confinement =
            confinement_for(&self.parts.sandbox, &self.parts.limits, &proposed.facts);
        if proposed.call.name.as_str() == "Grep" {
            confinement.withheld = withheld(&self.parts.rules);
        }
        let (tool, cwd) = (&proposed.call.name, &proposed.facts.cwd);
        let backend = match self.parts.confiner.make_ready(&confinement, tool, cwd) {
            Ok(backend) => backend,
            Err(missing) => {
                let cause = Cause {
                    by: DecidedBy::Sandbox,
                    rule: None,
                    reason: missing,
                    hint: None,
                    asked: None,
                    retryable: false,
                };
                return Verdict::Deny(self.refuse(&proposed, judgement, cause));
            }
        };
        // The record goes to disk before the permit exists: a crash may lose work, never evidence.
        let recorded = self.record(
            &proposed,
            judgement,
            Decision::Allow,
            None,
            Some((&confinement, &backend)),
        );
        let seq = match recorded {
            Ok(seq) => seq,
            Err(message) => return Verdict::Deny(self.unrecorded(&proposed, judgement, &message)),
        };
        // The same table that the tests enumerate has the last word.
        if !admits(&stages(judgement), Answer::Silence, true, true, true) {
            return Verdict::Deny(self.refuse(&proposed, judgement, cause_of(judgement)));
        }
        let Proposed { call, facts, paths, digest } = proposed;
        Verdict::Allow(Permit::issue(call, paths, facts.cwd, confinement, digest, seq))
    }

    /// Records a denial and renders it as a value.
    pub(in crate::gate) fn refuse(
        &self,
        proposed: &Proposed,
        judgement: &Judgement,
        cause: Cause,
    ) -> Refusal {
        match self.record(proposed, judgement, Decision::Deny, Some(&cause), None) {
            Ok(seq) => self.refusal(proposed, judgement, &cause, Some(seq)),
            Err(message) => self.unrecorded(proposed, judgement, &message),
        }
    }

    fn unrecorded(&self, proposed: &Proposed, judgement: &Judgement, message: &str) -> Refusal {
        let cause = Cause {
            by: DecidedBy::Audit,
            rule: None,
            reason: format!("the audit log cannot be written: {message}"),
            hint: None,
            asked: None,
            retryable: true,
        };
        self.refusal(proposed, judgement, &cause, None)
    }

    fn refusal(
        &self,
        proposed: &Proposed,
        judgement: &Judgement,
        cause: &Cause,
        seq: Option<Seq>,
    ) -> Refusal {
        let redactor = &self.parts.redactor;
        let about_policy =
            !matches!(cause.by, DecidedBy::Tool | DecidedBy::Audit | DecidedBy::Sandbox);
        let unit = judgement.unit.filter(|_| about_policy).and_then(|index| {
            let unit = proposed.facts.command.as_ref()?.units.get(index)?;
            Some(Unit { index, text: redactor.text(&unit.text) })
        });
        Refusal {
            tool_name: proposed.call.name.clone(),
            tool_use_id: proposed.call.id.clone(),
            tool_input: redactor.json(&Value::Object(proposed.call.input.clone())),
            decision: Decision::Deny,
            decided_by: cause.by,
            unit,
            reason: redactor.text(&cause.reason),
            rule: cause.rule.as_ref().map(rule_ref),
            hint: cause.hint.as_deref().map(|hint| redactor.text(hint)),
            ask_resolved: cause.asked.map(crate::redact::Redacted::literal),
            retryable: cause.retryable,
            audit_seq: seq,
        }
    }

    fn record(
        &self,
        proposed: &Proposed,
        judgement: &Judgement,
        decision: Decision,
        cause: Option<&Cause>,
        confined: Option<(&Confinement, &str)>,
    ) -> Result<Seq, String> {
        let parts = &self.parts;
        let body = body(parts, proposed, judgement, cause, confined);
        let draft = Draft {
            kind: Kind::Decision,
            session: parts.session.clone(),
            call_id: Some(proposed.call.id.clone()),
            tool: Some(proposed.call.name.clone()),
            decision: Some(decision),
            body: parts.redactor.for_log().json(&body),
        };
        parts.audit.append(&draft).map_err(|error| error.to_string())
    }
}

/// What goes into the record, before redaction.
fn body(
    parts: &GateParts,
    proposed: &Proposed,
    judgement: &Judgement,
    cause: Option<&Cause>,
    confined: Option<(&Confinement, &str)>,
) -> Value {
    let origin = cause.map_or(judgement.rule.as_ref(), |cause| cause.rule.as_ref());
    let steps: Vec<Value> = judgement
        .trace
        .iter()
        .take(64)
        .map(|step| {
            json!({
                "decision": step.decision, "basis": step.basis, "subject": step.subject,
                "rule": step.origin.as_ref().map(|origin| origin.id.as_str()),
            })
        })
        .collect();
    let confinement = confined.map(|(confinement, backend)| {
        json!({
            "requirement": confinement.requirement, "backend": backend, "network": confinement.network,
            "workspace_writable": confinement.workspace_writable,
            "open": confinement.requirement == Requirement::Open,
        })
    });
    json!({
        "call": {
            "tool": proposed.call.name,
            "input": Value::Object(proposed.call.input.clone()),
        },
        "digest": proposed.digest,
        "cwd": proposed.facts.cwd,
        "paths": proposed.paths,
        "decided_by": cause.map_or_else(|| decided_by(judgement.decided_by), |cause| cause.by),
        "rule": origin.map(rule_ref),
        "reason": cause.map_or(judgement.reason.as_str(), |cause| cause.reason.as_str()),
        "ask_resolved": cause.and_then(|cause| cause.asked),
        "unit": judgement.unit,
        "danger": judgement.danger,
        "commands": judgement.commands,
        "steps": steps,
        "confinement": confinement,
        "agent": parts.agent,
        "policy": { "digest": parts.policy_digest, "rules": parts.rules.digest(), "mode": parts.rules.mode().value },
    })
}

/// The stages of a judgement; hooks and the classifier are not asked yet.
pub(in crate::gate) fn stages(judgement: &Judgement) -> Stages {
    Stages {
        sealed: judgement.sealed,
        rules: judgement.lower,
        danger: judgement.danger_decision,
        hook: None,
        classifier: None,
    }
}

pub(in crate::gate) fn cause_of(judgement: &Judgement) -> Cause {
    Cause {
        by: decided_by(judgement.decided_by),
        rule: judgement.rule.clone(),
        reason: judgement.reason.clone(),
        hint: judgement.hint.clone(),
        asked: None,
        retryable: false,
    }
}

fn decided_by(basis: Basis) -> DecidedBy {
    match basis {
        Basis::Rule | Basis::ReadOnlyPath => DecidedBy::Rule,
        Basis::Danger | Basis::SensitivePath => DecidedBy::Danger,
        Basis::Opaque | Basis::Malformed => DecidedBy::Malformed,
        Basis::Mode => DecidedBy::Mode,
    }
}

fn rule_ref(origin: &Origin) -> RuleRef {
    RuleRef {
        id: origin.id.clone(),
        tier: origin.tier.as_str().to_owned(),
        source: origin.source.to_string(),
    }
}

#[cfg(test)]
mod tests;
