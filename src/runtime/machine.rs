//! How this machine stands, in one line, for a newcomer.

use super::start;
use crate::config::{Effective, Environment, Flags};
use crate::gate::Confiner;
use crate::model::{Requirement, Tier};
use crate::policy::{CallFacts, CallLimits, confinement_for};
use crate::sandbox::Sandbox;

/// The picture.
pub struct Machine {
    /// The model in force, or how to find one.
    pub model: String,
    /// Profile, sandbox, enterprise policy.
    pub summary: String,
}

/// Looks. Works with a broken configuration, which it then names.
pub fn machine(environment: &Environment) -> Machine {
    let loaded = match start::load(environment, Flags::default(), None) {
        Ok(loaded) => loaded,
        Err(error) => {
            let first = error.to_string().lines().next().unwrap_or_default().to_owned();
            return Machine {
                model: "ion help models".to_owned(),
                summary: format!("{first}   (see `ion config validate`)"),
            };
        }
    };
    let effective = &loaded.effective;
    let model = match &effective.model {
        Some(model) => format!("{} by {}", model.value, model.source),
        None => "none is configured: ion help models".to_owned(),
    };
    let sealed = loaded.files.iter().any(|file| file.found && file.tier == Tier::Enterprise);
    let policy = if sealed { "enterprise policy in force" } else { "no enterprise policy" };
    let profile = &effective.profile;
    let confinement = confinement(&Sandbox::detect(), effective);
    let summary = format!(
        "profile {} ({}) - sandbox {confinement} - {policy}",
        profile.value, profile.source.tier
    );
    Machine { model, summary }
}

/// The backend that a shell command would get.
pub(super) fn confinement(sandbox: &Sandbox, effective: &Effective) -> String {
    if effective.sandbox.requirement.value == Requirement::Open {
        return format!("OFF (by {})", effective.sandbox.requirement.source);
    }
    let places = &effective.places;
    let facts = CallFacts::of_some_command(&places.workspace, places.home.as_ref());
    let plan = confinement_for(&effective.sandbox, &CallLimits::default(), &facts);
    match sandbox.can_hold(&plan) {
        Ok(backend) => backend,
        Err(missing) => format!("UNAVAILABLE ({missing})"),
    }
}
