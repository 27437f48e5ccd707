//! Builds the classifier that configuration asks for. A classifier that is asked for and cannot
//! be had stops the start: a run without it would not be what was configured.

use super::StartError;
use crate::classify::{Flagged, ModelClassifier, Settings};
use crate::config::{Effective, Environment};
use crate::gate::classifier::Classifier;
use crate::provider::{self, BuildError, BuildSettings};
use crate::redact::Redactor;
use std::sync::Arc;

/// The classifier of a run whose own model is `model`; `None` where none is configured.
///
/// # Errors
/// [`StartError`]: its model is unknown, not admitted by policy, or has no credential.
pub fn classifier(
    effective: &Effective,
    environment: &Environment,
    model: Option<&str>,
    redactor: &Arc<Redactor>,
) -> Result<Option<Arc<dyn Classifier>>, StartError> {
    let settings = &effective.classifier;
    if !settings.enabled.value {
        return Ok(None);
    }
    let wanted = settings.model.as_ref().map(|model| model.value.as_str()).or(model);
    let wanted = wanted.ok_or_else(|| StartError::NoModel {
        looked_for: "classifier.model, --model, defaultModel".to_owned(),
    })?;
    let unusable = |code: &'static str, error: &dyn std::error::Error| StartError::Model {
        code,
        message: format!(
            "the classifier ({}) has no usable model: {error}",
            settings.enabled.source
        ),
        next: vec!["set classifier.model, or classifier.enabled = false".to_owned()],
    };
    // The same admission as for any other model: a fixed classifier model could lie outside
    // `allowedModels`.
    let route = provider::resolve(wanted, effective).map_err(|e| unusable(e.code(), &e))?;
    let build = BuildSettings::of(effective, environment);
    let provider = provider::build(&route, &build).map_err(|error| match error {
        BuildError::NoCredential { provider, looked_for } => StartError::Model {
            code: "auth",
            message: format!(
                "the classifier ({}) has no credential for provider `{provider}` (model {}); looked for: {}",
                settings.enabled.source,
                route.model,
                looked_for.join(", ")
            ),
            next: vec![
                "give it one, set classifier.model, or classifier.enabled = false".to_owned(),
            ],
        },
        other => unusable(other.code(), &other),
    })?;
    let settings = Settings {
        may_allow: settings.may_allow.value,
        flagged: if settings.deny_unsafe.value { Flagged::Deny } else { Flagged::Ask },
        time_limit: settings.time_limit,
        max_budget_usd: settings.max_budget_usd.as_ref().map(|limit| limit.value),
    };
    let redactor = Arc::clone(redactor);
    let classifier = ModelClassifier::new(provider, route.model, route.info, redactor, settings);
    Ok(Some(Arc::new(classifier)))
}
