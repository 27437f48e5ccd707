//! The audit log: append-only, hash-chained, already redacted.
//!
//! A decision is on disk before its tool starts; whoever cannot write it does not run the
//! tool. Only [`Redacted`](crate::redact::Redacted) bodies are taken, and nothing that was
//! written is ever changed. Read [`record`] for the format, [`append`] for how a record
//! becomes durable, [`verify`] for what tampering is seen, [`query`] and [`follow`] for reading,
//! [`export`] for other systems, [`cursor`] for how far each of them has got.
//! `docs/audit.md` tells outsiders how to check a log without Ion.

mod ahead;
pub mod append;
mod checkpoint;
pub mod cursor;
pub mod export;
pub mod follow;
mod head;
mod key;
mod lock;
mod place;
pub mod query;
pub mod record;
mod retired;
pub mod row;
mod segment;
pub mod settings;
mod sieve;
mod tail;
pub mod verify;

pub use append::AuditLog;
pub use record::{Draft, Kind, Origin, Record};
pub use settings::Settings;

/// Why a record could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AuditError {
    /// What went wrong, with the file.
    pub message: String,
}

impl AuditError {
    fn new(message: impl Into<String>) -> Self {
        AuditError { message: message.into() }
    }

    fn io(doing: &str, file: &std::path::Path, error: impl std::fmt::Display) -> Self {
        AuditError::new(format!("audit log {}: cannot {doing}: {error}", file.display()))
    }
}

#[cfg(test)]
mod rotation;
#[cfg(test)]
mod tests;
