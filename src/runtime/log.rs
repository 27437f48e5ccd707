//! Opens the audit log as the configuration has it, the same way for everybody who writes.

use super::StartError;
use crate::audit::settings::Sync;
use crate::audit::{AuditError, AuditLog, Draft, Kind, Origin, Settings};
use crate::config::{Effective, Environment, Loaded};
use crate::model::{AbsPath, Tier};
use serde_json::json;

/// Opens or creates the log.
///
/// # Errors
/// [`StartError::NoHome`], or what is wrong with the log.
pub fn open(effective: &Effective, environment: &Environment) -> Result<AuditLog, StartError> {
    let file = effective.audit.file.as_ref().ok_or(StartError::NoHome)?;
    // FAIL CLOSED: a secret that is asked for and not there must not leave the key plain.
    if let Some(Err(why)) = effective.audit.key_secret.as_ref().map(|key| &key.value) {
        let message = format!("audit log {file}: `audit.keySecret` {why}");
        return Err(StartError::Audit(AuditError { message }));
    }
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
    // A folder that the agent sees is not the log's own: a new file there could be read by its calls.
    let own = audit.file.as_ref().and_then(AbsPath::parent);
    let own = own.is_some_and(|folder| !effective.places.workspace.is_within(&folder));
    let secret = audit.key_secret.as_ref().and_then(|key| key.value.as_ref().ok());
    let settings = Settings {
        sync: if audit.sync_always.value { Sync::Always } else { Sync::Checkpoint },
        rotate_bytes: audit.rotate_bytes.filter(|_| own).unwrap_or(u64::MAX),
        rotate_seconds: audit.rotate_hours.filter(|_| own).map(|hours| hours.saturating_mul(3600)),
        keep_seconds: audit.keep_days.map(|days| days.saturating_mul(86_400)),
        key_secret: secret.map(|secret| secret.value.clone()),
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
