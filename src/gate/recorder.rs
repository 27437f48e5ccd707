//! The gate's way to the audit log, as a trait so that a failing disk can be tested.

use crate::audit::{AuditError, AuditLog, Draft};
use crate::model::Seq;

/// Writes a record durably before it returns.
pub trait Recorder: Send + Sync {
    /// Appends one record.
    ///
    /// # Errors
    /// [`AuditError`] when it is not surely on disk.
    fn append(&self, draft: &Draft) -> Result<Seq, AuditError>;

    /// Whether a call may be allowed now, as far as the records of earlier ones are concerned: those
    /// who must have them may have fallen too far behind.
    ///
    /// # Errors
    /// Who lacks how many, in a person's words.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Recorder for AuditLog {
    fn append(&self, draft: &Draft) -> Result<Seq, AuditError> {
        AuditLog::append(self, draft)
    }
}
