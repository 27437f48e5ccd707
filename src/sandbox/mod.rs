//! STUB interface: makes a permit's confinement real and reports it.
use crate::gate::{Confiner, Permit};
use crate::model::Seq;
use crate::policy::Confinement;
use crate::redact::Raw;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What was really enforced on one call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Enforced {
    /// `bwrap`, `landlock` or `none`.
    pub backend: String,
    /// The layers that took effect, for example `namespaces`, `landlock-abi-7`, `seccomp`.
    pub layers: Vec<String>,
    /// What the confinement asked for and this machine could not give (never below the
    /// requirement).
    pub missing: Vec<String>,
}
/// How a call ended.
#[derive(Debug)]
pub struct Ran {
    /// What the tool said, unseen.
    pub content: Raw<String>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// The command's exit code, for `Bash`.
    pub exit_code: Option<i32>,
    /// Bytes of output that were dropped.
    pub omitted_bytes: u64,
    /// What was enforced.
    pub enforced: Enforced,
    /// From start to reply.
    pub elapsed: Duration,
    /// The record of the decision.
    pub seq: Seq,
    /// Digest of the call, equal to the recorded one.
    pub digest: String,
}
/// Why a permitted call gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The confinement cannot be had; the tool did not start.
    #[error("{0}")]
    Unavailable(String),
    /// The permit expired; the tool did not start.
    #[error("{0}")]
    Expired(String),
    /// The worker died, answered nonsense, or answered for another call.
    #[error("{0}")]
    Worker(String),
    /// The time limit passed; the process tree was killed.
    #[error("the call ran longer than {0:?} and was killed with everything it started")]
    TimedOut(Duration),
    /// The run was cancelled; the process tree was killed.
    #[error("cancelled")]
    Cancelled,
}
/// The only spawner in the parent.
pub struct Sandbox;
impl Sandbox {
    /// Looks at what this machine can enforce, by trying it.
    pub fn detect() -> Self {
        todo!()
    }
    /// Runs a permitted call in a fresh confined worker.
    pub async fn run(&self, _permit: Permit, _cancel: CancellationToken) -> Result<Ran, RunError> {
        todo!()
    }
}
impl Confiner for Sandbox {
    fn can_hold(&self, _confinement: &Confinement) -> Result<String, String> {
        todo!()
    }
}
