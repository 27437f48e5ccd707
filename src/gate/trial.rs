//! A call is tried on a copy of the workspace, because whoever is asked wants to see first what it
//! does.
//!
//! It is not a way to run: the copy has no network, nothing of the host is written, the trial is on
//! record before it starts, and what it did is thrown away unless exactly that is approved. An
//! approved set of changes is applied by the sandbox in the place of a run.

use super::asked::{Asked, QuestionId};
use super::confiner::Confiner;
use super::decide::{Case, Gate};
use super::inquiry::Inquiry;
use super::permit::{Applies, Permit, Trial};
use super::record::held;
use crate::audit::Kind;
use crate::policy::Confinement;
use crate::redact::{Raw, Redacted};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a call did on a copy, as the sandbox saw it.
#[derive(Debug)]
pub struct Seen {
    /// SHA-256 (hex) over the set of changes.
    pub digest: String,
    /// The command's exit code; 128 + n for a signal n.
    pub exit_code: Option<i32>,
    /// Paths that would be added, changed and removed.
    pub counts: (usize, usize, usize),
    /// The paths, and the lines that differ.
    pub changes: Raw<String>,
    /// What it printed.
    pub output: Raw<String>,
    /// Paths, hosts and system calls that it was refused.
    pub refused: Vec<String>,
    /// Why these changes cannot be applied.
    pub unfit: Option<String>,
}

/// What a call did on a copy, for the person who wanted to see it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Previewed {
    /// SHA-256 (hex) over the set of changes: what `apply` is for. Empty where there is none.
    pub digest: String,
    /// The command's exit code; 128 + n for a signal n.
    pub exit_code: Option<i32>,
    /// Paths that would be added.
    pub added: usize,
    /// Paths that would be changed.
    pub changed: usize,
    /// Paths that would be removed.
    pub removed: usize,
    /// The paths, and the lines that differ.
    pub changes: Redacted<String>,
    /// What it printed.
    pub output: Redacted<String>,
    /// Paths, hosts and system calls that it was refused.
    pub refused: Vec<Redacted<String>>,
    /// Why `apply` cannot be answered.
    pub unfit: Option<Redacted<String>>,
}

impl Previewed {
    /// The part of it that a record keeps.
    pub(in crate::gate) fn told(&self) -> Value {
        json!({
            "digest": self.digest, "exit_code": self.exit_code, "added": self.added,
            "changed": self.changed, "removed": self.removed, "refused": self.refused,
            "unfit": self.unfit,
        })
    }
}

/// Changes that a person may approve. Dropped, they are thrown away.
pub(in crate::gate) struct Tried {
    pub applies: Applies,
    /// What held it.
    pub confinement: Confinement,
    pub backend: String,
    confiner: Option<Arc<dyn Confiner>>,
}

impl Tried {
    /// The changes stay where they are: a permit for them was made.
    pub fn keep(mut self) -> Applies {
        self.confiner = None;
        self.applies.clone()
    }
}

impl Drop for Tried {
    fn drop(&mut self) {
        if let Some(confiner) = self.confiner.take() {
            confiner.forget(&self.applies.question);
        }
    }
}

impl Gate {
    /// What the call would be held by on a copy; `None` where it cannot be tried there. Only
    /// commands can: what a file tool would do stands in its arguments.
    fn on_a_copy(&self, case: &Case) -> Option<Confinement> {
        let wanted = self.parts.advisers.preview && case.proposed.call.name.as_str() == "Bash";
        let confinement = self.confinement(&case.proposed);
        wanted.then(|| confinement.on_a_copy()).flatten()
    }

    /// Whether the call can be tried on a copy.
    pub(in crate::gate) fn can_be_tried(&self, case: &Case) -> bool {
        let confinement = self.on_a_copy(case);
        confinement.is_some_and(|held| self.parts.confiner.can_try(&held).is_ok())
    }

    /// Tries the call for the one who was asked. What it did is kept in `case` until it is
    /// approved or the case ends. An error is shown like any other preview.
    pub(in crate::gate) async fn try_out(
        &self,
        case: &mut Case,
        asked: &Asked,
        inquiry: &Inquiry<'_>,
    ) -> Previewed {
        match self.tried(case, &asked.id, inquiry).await {
            Ok((seen, tried)) => {
                case.tried = Some(tried);
                self.previewed(seen)
            }
            Err(why) => Previewed {
                digest: String::new(),
                exit_code: None,
                added: 0,
                changed: 0,
                removed: 0,
                changes: Redacted::literal(""),
                output: Redacted::literal(""),
                refused: Vec::new(),
                unfit: Some(self.shown(&format!("there is no preview: {why}"))),
            },
        }
    }

    async fn tried(
        &self,
        case: &Case,
        question: &QuestionId,
        inquiry: &Inquiry<'_>,
    ) -> Result<(Seen, Tried), String> {
        let confinement = self.on_a_copy(case).ok_or("it cannot be had for this call")?;
        let confiner = &self.parts.confiner;
        let backend = confiner.can_try(&confinement)?;
        self.reported().map_err(|cause| cause.reason)?;
        let body = json!({
            "question": question, "digest": case.proposed.digest(),
            "agent": self.parts.agent, "confinement": held(&confinement, &backend),
        });
        // Like a decision: it is on disk before anything starts.
        let seq = self
            .write(case, Kind::Preview, None, &body)
            .map_err(|why| format!("the audit log cannot be written: {why}"))?;
        let proposed = &case.proposed;
        let permit = Permit::issue(
            proposed.call.clone(),
            proposed.paths.clone(),
            proposed.facts.cwd.clone(),
            confinement.clone(),
            proposed.digest().to_owned(),
            seq,
        );
        let trial = Trial::issue(permit, question.clone());
        let seen = confiner.try_out(trial, inquiry.cancel.clone()).await?;
        let applies = Applies { question: question.clone(), digest: seen.digest.clone() };
        let confiner = Some(Arc::clone(confiner));
        Ok((seen, Tried { applies, confinement, backend, confiner }))
    }

    fn previewed(&self, seen: Seen) -> Previewed {
        let (added, changed, removed) = seen.counts;
        Previewed {
            digest: seen.digest,
            exit_code: seen.exit_code,
            added,
            changed,
            removed,
            changes: self.parts.redactor.raw(seen.changes),
            output: self.parts.redactor.raw(seen.output),
            refused: seen.refused.iter().map(|text| self.shown(text)).collect(),
            unfit: seen.unfit.as_deref().map(|text| self.shown(text)),
        }
    }
}
