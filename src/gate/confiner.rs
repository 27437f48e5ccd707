//! The gate's question to the sandbox, as a trait because the sandbox stands above the gate.

use super::asked::QuestionId;
use super::permit::Trial;
use super::trial::Seen;
use crate::model::{AbsPath, ToolName};
use crate::policy::Confinement;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

/// Tells whether this machine can enforce a confinement. Implemented by the sandbox.
pub trait Confiner: Send + Sync {
    /// `Ok` with the backend's name, or the missing piece in a person's words.
    ///
    /// # Errors
    /// What is missing, and why.
    fn can_hold(&self, confinement: &Confinement) -> Result<String, String>;

    /// As [`can_hold`](Self::can_hold), for a call of `tool` in `cwd` that is allowed unless
    /// this or the record fails. The sandbox may get a confined worker ready, which knows no
    /// call and runs none without a permit, so that proof and start are one.
    ///
    /// # Errors
    /// As `can_hold`.
    fn make_ready(
        &self,
        confinement: &Confinement,
        tool: &ToolName,
        cwd: &AbsPath,
    ) -> Result<String, String> {
        let _ = (tool, cwd);
        self.can_hold(confinement)
    }

    /// Whether a call under that confinement can be tried on a copy-on-write view of the
    /// workspace: `Ok` with the backend's name.
    ///
    /// # Errors
    /// What is missing.
    fn can_try(&self, confinement: &Confinement) -> Result<String, String> {
        let _ = confinement;
        Err("this machine has no copy-on-write view".to_owned())
    }

    /// Runs a call on such a view and tells what it did there. What it wrote is kept for
    /// [`Permit`](super::Permit)s that apply it, until it is forgotten.
    ///
    /// # Errors
    /// It could not run to its end; nothing is kept.
    fn try_out<'a>(
        &'a self,
        trial: Trial,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Seen, String>> {
        let _ = (trial, cancel);
        Box::pin(async { Err("this machine has no copy-on-write view".to_owned()) })
    }

    /// Throws away what was kept for a question.
    fn forget(&self, question: &QuestionId) {
        let _ = question;
    }
}
