//! What can be missing before anything runs.

use crate::audit::AuditError;
use crate::config::ConfigErrors;
use crate::session::SessionError;

/// Why a run cannot start. Found before any request and any tool.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(ConfigErrors),
    /// No folder for state.
    #[error("no home folder, so there is nowhere to keep the audit log")]
    NoHome,
    /// No model is named anywhere.
    #[error("no model is configured")]
    NoModel {
        /// The places that were looked at.
        looked_for: String,
    },
    /// The model's provider wants a key and there is none.
    #[error("no credential for provider `{provider}` (model {model})")]
    NoCredential {
        /// The provider.
        provider: String,
        /// The model.
        model: String,
        /// The places that were looked at.
        looked_for: Vec<String>,
    },
    /// The model cannot be used.
    #[error("{message}")]
    Model {
        /// Stable code.
        code: &'static str,
        /// What is wrong.
        message: String,
        /// What to do.
        next: Vec<String>,
    },
    /// The rules do not compile.
    #[error("{0}")]
    Policy(String),
    /// The log cannot be opened.
    #[error("{0}")]
    Audit(#[from] AuditError),
    /// A conversation cannot be opened.
    #[error("{0}")]
    Session(#[from] SessionError),
    /// The machine cannot hold what the profile asks for.
    #[error("{0}")]
    Sandbox(String),
    /// A way to a person is configured and cannot work.
    #[error("{0}")]
    Approvals(#[from] crate::approve::ReachError),
    /// A sink of the audit log is configured and can never work.
    #[error("{0}")]
    Forward(#[from] crate::forward::SinkError),
    /// The working folder.
    #[error("{0}")]
    Folder(String),
}
