//! An open call finds somebody who answers for it: an earlier answer, the classifier, a person.
//! Nobody is a no.
//!
//! Questions are put one at a time, because nobody can read two at once; other calls go on.
//! A question is on record before anybody sees it, and its answer before it counts.

use super::ask::{Ended, put};
use super::asked::{Asked, Choice, Offers, QuestionId, Scope};
use super::combine::{Answer, Standing, standing};
use super::decide::{Case, Cause, Gate};
use super::grant::{GrantKey, Past, Remembered};
use super::inquiry::{Ending, Inquiry, Notice, Resolved};
use super::opine::{may_allow, opine, summary, what_counts};
use super::record::rule_ref;
use super::refusal::DecidedBy;
use super::story::{Person, Used, person};
use super::trial::Previewed;
use super::would::would;
use crate::audit::Kind;
use crate::config::schema::permissions::Severity;
use crate::model::{Decision, Requirement};
use crate::policy::NetworkAccess;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How a headless ask ends, and the two honest ways out of it.
const HEADLESS: &str = "no terminal and no client that can approve; an allow rule would \
                        (docs/policy.md), or a run that a person can answer";

/// A person's part in the decision.
#[derive(Debug, Clone, Copy)]
pub(in crate::gate) struct Consent {
    pub answer: Answer,
    /// Nobody is there, and nobody was when it was answered.
    pub headless: bool,
}

impl Gate {
    /// Finds consent for a case that is open; a clear one needs none.
    ///
    /// # Errors
    /// Why there is none, not recorded yet.
    pub(in crate::gate) async fn consent(
        &self,
        case: &mut Case,
        inquiry: &Inquiry<'_>,
    ) -> Result<Consent, Cause> {
        let somebody = self.parts.advisers.somebody_is_there();
        let nobody_asked = Consent { answer: Answer::Silence, headless: !somebody };
        if standing(&case.stages()) != Standing::Open {
            return Ok(nobody_asked);
        }
        let key = key_of(case);
        if let Some(consent) = self.earlier(&key, case)? {
            return Ok(consent);
        }
        self.classify(case, inquiry, somebody).await?;
        match standing(&case.stages()) {
            Standing::Clear => return Ok(nobody_asked),
            Standing::Refused => return Err(refused_by_classifier(case)),
            Standing::Open => {}
        }
        if !somebody {
            return Err(Cause {
                by: DecidedBy::HeadlessAsk,
                asked: Some(HEADLESS.to_owned()),
                retryable: true,
                ..Cause::open(case)
            });
        }
        // What would not run after a yes either: nobody is asked about it.
        self.reported()?;
        let confinement = self.confinement(&case.proposed);
        let backend = self.parts.confiner.can_hold(&confinement);
        let backend = backend.map_err(|missing| Cause::new(DecidedBy::Sandbox, missing))?;
        let network = match confinement.network {
            NetworkAccess::None => "no network",
            NetworkAccess::Listed => "listed hosts only",
            NetworkAccess::Host => "with network",
        };
        let confined = match confinement.requirement {
            Requirement::Open => "not confined".to_owned(),
            _ => format!("confined by {backend}, {network}"),
        };
        let _turn = tokio::select! {
            biased;
            () = inquiry.cancel.cancelled() => return Err(Cause::cancelled()),
            turn = self.shared.question.lock() => turn,
        };
        // The same call may have been answered while this one waited for its turn.
        if let Some(consent) = self.earlier(&key, case)? {
            return Ok(consent);
        }
        self.ask(case, &key, &confined, inquiry).await
    }

    /// An earlier answer to exactly this call.
    fn earlier(&self, key: &GrantKey, case: &mut Case) -> Result<Option<Consent>, Cause> {
        match self.shared.grants.take(key, self.parts.clock.now()) {
            Remembered::Nothing => Ok(None),
            Remembered::Refused(past) => {
                let reason = format!(
                    "{} refused exactly this call earlier in this session (question {})",
                    past.by, past.question
                );
                case.story.grant = Some(Used { past, scope: None, remaining: None });
                let open = Cause::open(case);
                Err(Cause { by: DecidedBy::Person, reason, ..open })
            }
            // G2: no remembered yes answers the sealed tier.
            Remembered::Granted { .. } if offers(case) == Offers::OnlyOnce => Ok(None),
            Remembered::Granted { past, scope, remaining } => {
                case.story.grant = Some(Used { past, scope: Some(scope), remaining });
                Ok(Some(Consent { answer: Answer::Allow, headless: false }))
            }
        }
    }

    /// Asks the classifier, where its answer could change anything.
    async fn classify(
        &self,
        case: &mut Case,
        inquiry: &Inquiry<'_>,
        somebody: bool,
    ) -> Result<(), Cause> {
        let Some(classifier) = &self.parts.advisers.classifier else { return Ok(()) };
        let lift = self.parts.lift.classifier;
        if !somebody && !may_allow(&case.judgement, lift) {
            return Ok(());
        }
        let policy = summary(&case.judgement).unwrap_or_else(|| Cause::open(case).reason);
        let asked = opine(
            classifier.as_ref(),
            &self.parts.redactor,
            inquiry.user_request,
            &self.parts.policy_digest,
            (&case.proposed, &policy),
        );
        let said = tokio::select! {
            biased;
            () = inquiry.cancel.cancelled() => return Err(Cause::cancelled()),
            said = asked => said,
        };
        case.classifier = what_counts(&said, &case.judgement, lift);
        case.story.opinion = Some(said);
        Ok(())
    }

    async fn ask(
        &self,
        case: &mut Case,
        key: &GrantKey,
        confined: &str,
        inquiry: &Inquiry<'_>,
    ) -> Result<Consent, Cause> {
        let mut preview = None;
        loop {
            let id = QuestionId::random().map_err(|why| Cause::new(DecidedBy::Expired, why))?;
            let asked = Arc::new(self.question(case, id, confined, preview.take()));
            let ended = self.put(case, &asked, inquiry).await?;
            match ended {
                Ended::Answered { choice: Choice::Preview, .. } if asked.can_preview => {
                    preview = Some(self.try_out(case, &asked, inquiry).await);
                }
                ended => return self.settle(ended, case, &asked, key),
            }
        }
    }

    /// Puts one question, on record before and after.
    async fn put(
        &self,
        case: &mut Case,
        asked: &Arc<Asked>,
        inquiry: &Inquiry<'_>,
    ) -> Result<Ended, Cause> {
        let unrecorded = |why| Cause {
            retryable: true,
            ..Cause::new(DecidedBy::Audit, format!("the audit log cannot be written: {why}"))
        };
        self.write(case, Kind::Asked, Some(Decision::Ask), &put_body(asked)).map_err(unrecorded)?;
        (inquiry.notify)(Notice::Asked(Arc::clone(asked)));
        let begun = self.parts.clock.now().steady;
        let clock = self.parts.clock.as_ref();
        let ended = put(&self.parts.advisers.approvers, asked, inquiry.cancel, clock).await;
        let waited = clock.now().steady.saturating_sub(begun);
        let heard = heard(asked, &ended, waited);
        let mut body = person(&heard);
        body["outcome"] = json!(ending(asked, &ended));
        let written = self.write(case, Kind::Answered, None, &body);
        let outcome = if written.is_ok() { ending(asked, &ended) } else { Ending::Denied };
        (inquiry.notify)(Notice::Resolved(self.resolved(asked, outcome, &heard)));
        case.story.person = Some(heard);
        written.map_err(unrecorded)?;
        Ok(ended)
    }

    /// Makes the answer count: now, and for later calls as far as it reaches.
    fn settle(
        &self,
        ended: Ended,
        case: &mut Case,
        asked: &Asked,
        key: &GrantKey,
    ) -> Result<Consent, Cause> {
        let open = Cause::open(case);
        let yes = Consent { answer: Answer::Allow, headless: false };
        let (choice, by, via, reason) = match ended {
            Ended::Answered { choice, by, via, reason } => (choice, by, via, reason),
            Ended::Silent(why) => {
                let (by, asked) = (DecidedBy::Expired, Some(why));
                return Err(Cause { by, asked, retryable: true, ..open });
            }
            Ended::Cancelled => return Err(Cause::cancelled()),
        };
        let past = Past { question: asked.id.clone(), by: by.clone() };
        let grants = &self.shared.grants;
        match choice {
            Choice::Allow(scope) => {
                // It runs for good: what it did on a copy is nobody's business any more.
                case.tried = None;
                grants.allow(key, reach(scope, asked.offers), past, self.parts.clock.now());
                return Ok(yes);
            }
            Choice::Apply if asked.may_be_applied() && case.tried.is_some() => return Ok(yes),
            // FAIL CLOSED: answered to something that was not offered, such as a question of a
            // run that was killed.
            Choice::Apply | Choice::Preview => {
                let reason = format!(
                    "{by} answered `{}` through {via}, which this question does not offer",
                    choice.id()
                );
                return Err(Cause { by: DecidedBy::Person, reason, retryable: true, ..open });
            }
            Choice::Never => grants.refuse(key, past),
            Choice::Deny => {}
        }
        let words = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let reason = format!("{by} said no through {via}{words}");
        Err(Cause { by: DecidedBy::Person, reason, ..open })
    }

    fn question(
        &self,
        case: &Case,
        id: QuestionId,
        confined: &str,
        preview: Option<Previewed>,
    ) -> Asked {
        let (parts, proposed, judgement) = (&self.parts, &case.proposed, &case.judgement);
        let patience = parts.advisers.patience;
        let asked_at = parts.clock.now().unix_seconds;
        let seconds = i64::try_from(patience.as_secs()).unwrap_or(i64::MAX);
        let open = Cause::open(case);
        let subject = ["command", "file_path", "notebook_path", "path", "url", "pattern"]
            .iter()
            .find_map(|key| proposed.call.text(key));
        let untrusted = proposed.facts.circumstances.untrusted.iter().flatten();
        Asked {
            id,
            session: parts.session.clone(),
            call_id: proposed.call.id.clone(),
            agent: parts.agent.clone(),
            tool: proposed.call.name.clone(),
            input: parts.redactor.json(&Value::Object(proposed.call.input.clone())),
            subject: self.shown(subject.unwrap_or_default()),
            digest: proposed.digest().to_owned(),
            cwd: self.shown(&proposed.facts.cwd.to_string()),
            unit: self.unit(case),
            would: would(proposed, judgement).iter().map(|text| self.shown(text)).collect(),
            rule: open.rule.as_deref().map(rule_ref),
            reason: self.shown(&open.reason),
            hint: open.hint.as_deref().map(|hint| self.shown(hint)),
            confinement: self.shown(confined),
            untrusted: untrusted.map(|source| self.shown(source)).collect(),
            opinion: case.story.opinion.as_ref().map(|said| {
                let text = said.error.as_ref().unwrap_or(&said.reason);
                self.shown(&format!("{}: {text}", said.decision))
            }),
            asked_at,
            expires_at: asked_at.saturating_add(seconds),
            patience,
            offers: offers(case),
            can_preview: preview.is_none() && self.can_be_tried(case),
            preview,
        }
    }

    fn resolved(&self, asked: &Asked, outcome: Ending, heard: &Person) -> Resolved {
        Resolved {
            question_id: asked.id.clone(),
            tool_id: asked.call_id.clone(),
            outcome,
            option_id: heard.choice.map(Choice::id),
            by: heard.choice.map(|_| self.shown(&heard.by)),
            waited_ms: u64::try_from(heard.waited.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// No yes is remembered where the sealed tier or a critical pattern has a say.
fn offers(case: &Case) -> Offers {
    let critical = case.judgement.danger.iter().any(|hit| hit.severity == Severity::Critical);
    if case.judgement.sealed != Decision::Allow || critical {
        Offers::OnlyOnce
    } else {
        Offers::Remembered
    }
}

/// A yes reaches no further than what was offered.
fn reach(scope: Scope, offers: Offers) -> Scope {
    match offers {
        Offers::OnlyOnce => Scope::Once,
        Offers::Remembered => scope,
    }
}

/// Everything that asks goes into the key: a new reason is a new question.
fn key_of(case: &Case) -> GrantKey {
    let steps = case.judgement.trace.iter().filter(|step| step.decision == Decision::Ask);
    let mut asking: Vec<String> = steps
        .map(|step| match &step.origin {
            Some(origin) => format!("{:?} {}", step.basis, origin.id),
            None => format!("{:?}", step.basis),
        })
        .collect();
    let hooks = case.story.heard.iter().filter(|heard| heard.counts == Some(Decision::Ask));
    asking.extend(hooks.map(|heard| format!("hook {}", heard.hook)));
    asking.sort();
    asking.dedup();
    let around = &case.proposed.facts.circumstances;
    GrantKey::new(case.proposed.digest(), around.agent.as_deref().unwrap_or_default(), &asking)
}

fn refused_by_classifier(case: &Case) -> Cause {
    let reason = case.story.opinion.as_ref().map_or_else(String::new, |said| {
        let category = said.category.as_ref().map_or_else(String::new, |kind| format!("{kind}: "));
        format!("{category}{}", said.reason)
    });
    Cause::new(DecidedBy::Classifier, reason)
}

fn ending(asked: &Asked, ended: &Ended) -> Ending {
    let Ended::Answered { choice, .. } = ended else {
        return match ended {
            Ended::Cancelled => Ending::Cancelled,
            _ => Ending::Expired,
        };
    };
    match choice {
        Choice::Allow(_) => Ending::Allowed,
        Choice::Apply if asked.may_be_applied() => Ending::Allowed,
        Choice::Preview if asked.can_preview => Ending::Previewed,
        Choice::Apply | Choice::Preview | Choice::Deny | Choice::Never => Ending::Denied,
    }
}

fn heard(asked: &Asked, ended: &Ended, waited: Duration) -> Person {
    let (choice, by, via, reason) = match ended {
        Ended::Answered { choice, by, via, reason } => {
            (Some(*choice), by.clone(), via.clone(), reason.clone())
        }
        Ended::Silent(why) => (None, String::new(), String::new(), Some(why.clone())),
        Ended::Cancelled => (None, String::new(), String::new(), None),
    };
    let granted = match choice {
        Some(Choice::Allow(scope)) => Some(reach(scope, asked.offers)),
        Some(Choice::Apply) if asked.may_be_applied() => Some(Scope::Once),
        Some(Choice::Apply | Choice::Preview | Choice::Deny | Choice::Never) | None => None,
    };
    Person { question: asked.id.clone(), choice, granted, by, via, reason, waited }
}

/// The record of a question that was put.
fn put_body(asked: &Asked) -> Value {
    json!({
        "question": asked.id,
        "call": {"tool": asked.tool, "input": asked.input},
        "digest": asked.digest,
        "cwd": asked.cwd,
        "agent": asked.agent,
        "rule": asked.rule,
        "reason": asked.reason,
        "would": asked.would,
        "confinement": asked.confinement,
        "untrusted": asked.untrusted,
        "expires_at": asked.expires_at,
        "offers": asked.offers,
        "preview": asked.preview.as_ref().map(Previewed::told),
    })
}
