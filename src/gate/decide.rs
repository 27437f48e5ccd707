//! The gate: a proposed call becomes a permit or a refusal, recorded first.
//!
//! One story: understand and judge (`judge`), hear the hooks, the classifier and people
//! (`consent`), confine, record, answer. No flag travels through it, no arm of it turns an error
//! into an allow, and `combine` has the first word and the last.

use super::advisers::{Advisers, Lift};
use super::clock::Clock;
use super::combine::{Stages, admits};
use super::confiner::Confiner;
use super::consent::Consent;
use super::grant::Grants;
use super::inquiry::Inquiry;
use super::permit::Permit;
use super::propose::Proposed;
use super::record::{decided_by, held};
use super::recorder::Recorder;
use super::refusal::{DecidedBy, Refusal};
use super::story::Story;
use super::trial::Tried;
use super::untrusted::{Marks, sources_of};
use crate::config::effective::{SandboxSettings, ToolRestrictions};
use crate::model::{AbsPath, CallId, Decision, Effects, SessionId, ToolCall, ToolName};
use crate::policy::{
    CallLimits, Circumstances, Confinement, Judgement, Origin, RuleSet, confinement_for, withheld,
};
use crate::redact::Redactor;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that the gate needs, fixed for one run.
#[derive(Clone)]
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
    /// The account that Ion runs as. The gate itself fills in agent, depth, moment, who is
    /// there and what was read, for each call.
    pub circumstances: Circumstances,
    /// Hooks, classifier, people.
    pub advisers: Advisers,
    /// Which of them may answer an ask, beside people.
    pub lift: Lift,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// MCP servers whose content configuration trusts.
    pub trusted_servers: BTreeSet<String>,
}

/// The gate's answer to one call.
#[must_use = "an unanswered call must not be forgotten"]
#[derive(Debug)]
pub enum Verdict {
    /// It may run, once, under the permit's confinement.
    Allow(Permit),
    /// It does not run.
    Deny(Refusal),
}

/// Judges every call of one agent.
pub struct Gate {
    pub(in crate::gate) parts: GateParts,
    /// Rules of the agents above: a call needs all of them (T4).
    pub(in crate::gate) above: Vec<Arc<RuleSet>>,
    /// What a session shares.
    pub(in crate::gate) shared: Arc<Shared>,
}

/// What an agent and its children share.
#[derive(Default)]
pub(in crate::gate) struct Shared {
    pub grants: Grants,
    pub marks: Marks,
    /// Held while a person reads a question: nobody can read two at once.
    pub question: tokio::sync::Mutex<()>,
}

/// A call on its way.
pub(in crate::gate) struct Case {
    pub proposed: Proposed,
    pub judgement: Judgement,
    /// What of the hooks counts.
    pub hook: Option<Decision>,
    /// What of the classifier counts.
    pub classifier: Option<Decision>,
    pub story: Story,
    /// What the call did on a copy, while somebody is asked about it.
    pub tried: Option<Tried>,
}

impl Case {
    /// The row of the truth table, but for the person.
    pub fn stages(&self) -> Stages {
        Stages {
            sealed: self.judgement.sealed,
            rules: self.judgement.lower,
            danger: self.judgement.danger_decision,
            hook: self.hook,
            classifier: self.classifier,
        }
    }

    /// What decided an allowed call.
    pub fn decided_by(&self) -> DecidedBy {
        if self.story.person.is_some() || self.story.grant.is_some() {
            DecidedBy::Person
        } else if self.judgement.decision == Decision::Allow {
            decided_by(&self.judgement)
        } else if self.hook == Some(Decision::Allow) {
            DecidedBy::Hook
        } else {
            DecidedBy::Classifier
        }
    }
}

/// Why a call is refused, before it is recorded.
#[derive(Debug)]
pub(in crate::gate) struct Cause {
    pub by: DecidedBy,
    pub rule: Option<Box<Origin>>,
    pub reason: String,
    pub hint: Option<String>,
    pub asked: Option<String>,
    pub retryable: bool,
}

impl Cause {
    /// A cause without a rule.
    pub fn new(by: DecidedBy, reason: String) -> Self {
        Cause { by, rule: None, reason, hint: None, asked: None, retryable: false }
    }

    /// The run was cancelled while the call waited.
    pub fn cancelled() -> Self {
        let reason = "the run was cancelled while the call waited".to_owned();
        Cause { retryable: true, ..Cause::new(DecidedBy::Cancelled, reason) }
    }

    /// Why a case is open: what policy says, or a hook where policy would allow.
    pub fn open(case: &Case) -> Self {
        let hook = case.story.heard.iter().find(|heard| heard.counts == Some(Decision::Ask));
        match hook {
            Some(heard) if case.judgement.decision == Decision::Allow => {
                let reason = heard.reason.as_deref().unwrap_or("it gives no reason");
                Cause::new(DecidedBy::Hook, format!("hook `{}` asks: {reason}", heard.hook))
            }
            _ => Cause::of(&case.judgement),
        }
    }

    /// What policy said.
    pub fn of(judgement: &Judgement) -> Self {
        Cause {
            by: decided_by(judgement),
            rule: judgement.rule.clone().map(Box::new),
            reason: judgement.reason.clone(),
            hint: judgement.hint.clone(),
            asked: None,
            retryable: false,
        }
    }
}

impl Gate {
    /// A gate for the main agent.
    pub fn new(parts: GateParts) -> Self {
        Gate { parts, above: Vec::new(), shared: Arc::new(Shared::default()) }
    }

    /// Decides one call that would run in `cwd`. It may wait: for hooks, the classifier and a
    /// person, each within its time.
    pub async fn decide(&self, call: ToolCall, cwd: &AbsPath, inquiry: &Inquiry<'_>) -> Verdict {
        let mut case = match self.hear(call, cwd, inquiry.cancel).await {
            Ok(case) => case,
            Err(refused) => return Verdict::Deny(self.refuse(&refused.0, refused.1)),
        };
        match self.consent(&mut case, inquiry).await {
            Ok(consent) => self.admit(case, consent, inquiry),
            Err(cause) => Verdict::Deny(self.refuse(&case, cause)),
        }
    }

    /// Refuses a call whose input was not a JSON object: recorded like any other refusal.
    pub fn spoilt(&self, id: CallId, name: ToolName, problem: &str, cwd: &AbsPath) -> Refusal {
        let call = ToolCall { id, name, input: serde_json::Map::new() };
        let case = self.judge(self.understand(call, cwd), Story::default());
        let reason = format!("the input is not usable: {problem}");
        let cause = Cause { retryable: true, ..Cause::new(DecidedBy::Malformed, reason) };
        self.refuse(&case, cause)
    }

    /// Marks what earlier calls of a resumed conversation have read: it is still in the context.
    /// Whether they were refused is not looked at.
    pub fn recall(&self, calls: impl IntoIterator<Item = ToolCall>, cwd: &AbsPath) {
        for call in calls {
            self.mark(&self.understand(call, cwd));
        }
    }

    /// Untrusted sources that the conversation has read from, oldest first.
    pub fn untrusted(&self) -> Vec<String> {
        self.shared.marks.sources()
    }

    /// Marks what a permitted call reads from.
    pub(in crate::gate) fn mark(&self, proposed: &Proposed) {
        self.shared.marks.add(sources_of(proposed, &self.parts.trusted_servers));
    }

    /// What a call would be confined by.
    pub(in crate::gate) fn confinement(&self, proposed: &Proposed) -> Confinement {
        let parts = &self.parts;
        let mut confinement = confinement_for(&parts.sandbox, &parts.limits, &proposed.facts);
        if proposed.call.name.as_str() == "Grep" {
            let rules = self.above.iter().chain([&parts.rules]);
            confinement.withheld = rules.flat_map(|rules| withheld(rules)).collect();
        }
        confinement
    }

    /// Whether those who must have the records of earlier calls have them. The refusal is a record too.
    pub(in crate::gate) fn reported(&self) -> Result<(), Cause> {
        let behind = |why| Cause { retryable: true, ..Cause::new(DecidedBy::Audit, why) };
        self.parts.audit.ready().map_err(behind)
    }

    /// Makes ready what holds the call. Changes that were approved have run already.
    fn ready(&self, case: &Case) -> Result<(Confinement, String), Cause> {
        if let Some(tried) = &case.tried {
            return Ok((tried.confinement.clone(), tried.backend.clone()));
        }
        let confinement = self.confinement(&case.proposed);
        let (tool, cwd) = (&case.proposed.call.name, &case.proposed.facts.cwd);
        let backend = self.parts.confiner.make_ready(&confinement, tool, cwd);
        let backend = backend.map_err(|missing| Cause::new(DecidedBy::Sandbox, missing))?;
        Ok((confinement, backend))
    }

    fn admit(&self, mut case: Case, consent: Consent, inquiry: &Inquiry<'_>) -> Verdict {
        let (confinement, backend) = match self.ready(&case) {
            Ok(ready) => ready,
            Err(cause) => return Verdict::Deny(self.refuse(&case, cause)),
        };
        if let Err(cause) = self.reported() {
            return Verdict::Deny(self.refuse(&case, cause));
        }
        // T6: what is cancelled is not even recorded as allowed.
        if inquiry.cancel.is_cancelled() {
            return Verdict::Deny(self.refuse(&case, Cause::cancelled()));
        }
        // The same table that the tests enumerate has the last word.
        if !admits(&case.stages(), consent.answer, consent.headless, true, true) {
            return Verdict::Deny(self.refuse(&case, Cause::of(&case.judgement)));
        }
        // The record goes to disk before the permit exists: a crash may lose work, never evidence.
        let mut held = held(&confinement, &backend);
        if let Some(tried) = &case.tried {
            held["applies"] = json!(tried.applies.digest);
        }
        let recorded = self.record(&case, Decision::Allow, None, held);
        let seq = match recorded {
            Ok(seq) => seq,
            Err(message) => return Verdict::Deny(self.unrecorded(&case, &message)),
        };
        self.mark(&case.proposed);
        let digest = case.proposed.digest().to_owned();
        let applies = case.tried.take().map(Tried::keep);
        let Proposed { call, facts, paths, .. } = case.proposed;
        let permit = Permit::issue(call, paths, facts.cwd, confinement, digest, seq);
        Verdict::Allow(match applies {
            Some(applies) => permit.applying(applies),
            None => permit,
        })
    }
}
