//! Opens the audit log as the configuration has it, the same way for everybody who writes.

use super::StartError;
use crate::audit::settings::Sync;
use crate::audit::{AuditLog, Origin, Settings};
use crate::config::{Effective, Environment};

/// Opens or creates the log.
///
/// # Errors
/// [`StartError::NoHome`], or what is wrong with the log.
pub fn open(effective: &Effective, environment: &Environment) -> Result<AuditLog, StartError> {
    let audit = &effective.audit;
    let file = audit.file.as_ref().ok_or(StartError::NoHome)?;
    let user = environment.get("USER").or(environment.get("LOGNAME"));
    let settings = Settings {
        sync: if audit.sync_always.value { Sync::Always } else { Sync::Checkpoint },
        rotate_bytes: audit.rotate_bytes.unwrap_or(u64::MAX),
        rotate_seconds: audit.rotate_hours.map(|hours| hours.saturating_mul(3600)),
        keep_seconds: audit.keep_days.map(|days| days.saturating_mul(86_400)),
    };
    Ok(AuditLog::open_as(file, Origin::here(user.map(str::to_owned)), settings)?)
}
