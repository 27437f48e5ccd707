//! `ion policy check --classify`: what the classifier would make of a call that rules leave open.
//! The only policy command that speaks to a network, and only when it is asked to.

use crate::cli::{CommandError, Exit};
use crate::config::{Effective, Environment};
use crate::gate::classifier::Classifier;
use crate::gate::combine::{Stages, Standing, standing};
use crate::gate::{Opinion, Proposed, opine, summary, what_counts};
use crate::model::Decision;
use crate::policy::{Judgement, RuleSet};
use crate::redact::{Redacted, Redactor};
use crate::runtime::classifier::classifier;
use crate::runtime::start::redactor;
use std::fmt;
use std::sync::Arc;

/// A classifier that can be asked about calls.
pub struct Asking {
    classifier: Arc<dyn Classifier>,
    redactor: Arc<Redactor>,
    request: Vec<Redacted<String>>,
    policy_digest: String,
    lift: bool,
    executor: tokio::runtime::Runtime,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

impl Asking {
    /// The configured classifier; `request` is what the user is taken to have asked for.
    ///
    /// # Errors
    /// None is configured, or it cannot be had.
    pub fn new(
        effective: &Effective,
        environment: &Environment,
        rules: &RuleSet,
        request: Option<&str>,
    ) -> Result<Self, CommandError> {
        let redactor = Arc::new(redactor(effective, environment));
        let model = effective.model.as_ref().map(|model| model.value.as_str());
        let found = classifier(effective, environment, model, &redactor)?;
        let classifier = found.ok_or_else(|| {
            let switch = &effective.classifier.enabled.source;
            let what = format!("no classifier is switched on (classifier.enabled, {switch})");
            CommandError::new(Exit::Usage, "usage", what)
                .detail("next: set classifier.enabled and classifier.model (docs/classifier.md)")
        })?;
        let executor = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::new(Exit::Failed, "internal", error.to_string()))?;
        Ok(Asking {
            classifier,
            request: request.map(|text| redactor.text(text)).into_iter().collect(),
            redactor,
            policy_digest: rules.digest().to_owned(),
            lift: rules.may_lift().classifier && effective.classifier.may_allow.value,
            executor,
        })
    }

    /// Asks about a call that is open, and combines the answer as the gate does.
    pub(super) fn hear(&self, judgement: &mut Judgement, proposed: &Proposed) -> Option<Opinion> {
        let mut stages = Stages {
            sealed: judgement.sealed,
            rules: judgement.lower,
            danger: judgement.danger_decision,
            hook: None,
            classifier: None,
        };
        if judgement.decision != Decision::Ask || standing(&stages) != Standing::Open {
            return None;
        }
        let policy = summary(judgement).unwrap_or_else(|| judgement.reason.clone());
        let opinion = self.executor.block_on(opine(
            self.classifier.as_ref(),
            &self.redactor,
            &self.request,
            &self.policy_digest,
            (proposed, &policy),
        ));
        stages.classifier = what_counts(&opinion, judgement, self.lift);
        let decision = match standing(&stages) {
            Standing::Refused => Decision::Deny,
            Standing::Open => Decision::Ask,
            Standing::Clear => Decision::Allow,
        };
        if decision != judgement.decision {
            let said = self.redactor.text(&opinion.reason);
            judgement.decision = decision;
            judgement.reason = format!("the classifier: {said}");
        }
        Some(opinion)
    }
}
