//! Opens the audit log as the configuration has it, the same way for everybody who writes.

use super::StartError;
use crate::audit::settings::Sync;
use crate::audit::{AuditLog, Draft, Kind, Origin, Settings};
use crate::config::{Effective, Environment, Loaded};
use crate::model::Tier;
use serde_json::json;

/// Opens or creates the log.
///
/// # Errors
/// [`StartError::NoHome`], or what is wrong with the log.
pub fn open(effective: &Effective, environment: &Environment) -> Result<AuditLog, StartError> {
    let file = effective.audit.file.as_ref().ok_or(StartError::NoHome)?;
    let (origin, settings) = terms(effective, environment);
    Ok(AuditLog::open_as(file, origin, settings)?)
}

/// Who writes, and how.
pub(in crate::runtime) fn terms(
    effective: &Effective,
    environment: &Environment,
) -> (Origin, Settings) {
    let audit = &effective.audit;
    let user = environment.get("USER").or(environment.get("LOGNAME"));
    let settings = Settings {
        sync: if audit.sync_always.value { Sync::Always } else { Sync::Checkpoint },
        rotate_bytes: audit.rotate_bytes.unwrap_or(u64::MAX),
        rotate_seconds: audit.rotate_hours.map(|hours| hours.saturating_mul(3600)),
        keep_seconds: audit.keep_days.map(|days| days.saturating_mul(86_400)),
    };
    (Origin::here(user.map(str::to_owned)), settings)
}

/// Records that a run could not start. Nothing ran, so a log that cannot be written changes nothing:
/// the person is told of the refusal either way. On a machine where nothing ever ran and nobody set a
/// sealed tier up, no log is begun for it: a newcomer's first mistake leaves no folders behind.
pub fn refused_start(loaded: &Loaded, environment: &Environment, error: &StartError) {
    let effective = &*loaded.effective;
    let begun = effective.audit.file.as_ref().is_some_and(|file| file.as_path().exists());
    let sealed = loaded.files.iter().any(|file| file.found && file.tier == Tier::Enterprise);
    if !begun && !sealed {
        return;
    }
    let body = json!({
        "reason": error.to_string(),
        "workspace": effective.places.workspace,
        "profile": effective.profile.value,
        "config_digest": effective.digest,
        "version": env!("CARGO_PKG_VERSION"),
    });
    let body = super::start::redactor(effective, environment).for_log().json(&body);
    let (session, call_id, tool, decision) = (None, None, None, None);
    let draft = Draft { kind: Kind::RefusedStart, session, call_id, tool, decision, body };
    if let Ok(log) = open(effective, environment) {
        let _ = log.append(&draft);
    }
}
