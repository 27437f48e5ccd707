//! The gate's question to the sandbox, as a trait because the sandbox stands above the gate.

use crate::policy::Confinement;

/// Tells whether this machine can enforce a confinement. Implemented by the sandbox.
pub trait Confiner: Send + Sync {
    /// `Ok` with the backend's name, or the missing piece in a person's words.
    ///
    /// # Errors
    /// What is missing, and why.
    fn can_hold(&self, confinement: &Confinement) -> Result<String, String>;
}
