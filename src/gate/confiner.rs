//! The gate's question to the sandbox, as a trait because the sandbox stands above the gate.

use crate::model::{AbsPath, ToolName};
use crate::policy::Confinement;

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
}
