//! The permit: proof that the gate allowed one call and that the decision is on disk.
//!
//! A leaf file on purpose: its fields and its constructor are visible in `gate` alone.

use super::asked::QuestionId;
use crate::model::{AbsPath, CallId, Seq, ToolCall, ToolName};
use crate::policy::Confinement;
use std::time::{Duration, Instant};

/// How long a permit stays good. A queue that stalls longer must ask again.
const LIFETIME: Duration = Duration::from_secs(60);

/// Permission to run exactly one call, exactly once. Not `Clone`, `Default` or `Deserialize`;
/// using it consumes it.
///
/// ```compile_fail
/// fn twice(permit: ion::gate::Permit) { let _ = permit.redeem(); let _ = permit.redeem(); }
/// ```
/// ```compile_fail
/// fn copied(permit: ion::gate::Permit) -> ion::gate::Permit { permit.clone() }
/// ```
#[must_use = "a permit that is not used means that an allowed call did not run"]
#[derive(Debug)]
pub struct Permit {
    call: ToolCall,
    paths: Vec<AbsPath>,
    cwd: AbsPath,
    confinement: Box<Confinement>,
    digest: String,
    seq: Seq,
    applies: Option<Applies>,
    issued: Instant,
}

/// The changes that were shown and approved in the place of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applies {
    /// The question for which the call was tried.
    pub question: QuestionId,
    /// SHA-256 (hex) over the set of changes.
    pub digest: String,
}

/// Permission to run exactly one call, exactly once, on a copy of the workspace, for a person who
/// wants to see first what it does. It cannot be used for anything else.
///
/// ```compile_fail
/// async fn for_good(
///     trial: ion::gate::Trial, sandbox: &ion::sandbox::Sandbox, redactor: &ion::redact::Redactor,
/// ) { let _ = sandbox.run(trial, redactor, Default::default()).await; }
/// ```
#[must_use = "somebody waits for what the call does"]
#[derive(Debug)]
pub struct Trial {
    permit: Permit,
    question: QuestionId,
}

impl Trial {
    /// Made by the gate after the record was written, and nowhere else.
    pub(in crate::gate) fn issue(permit: Permit, question: QuestionId) -> Self {
        Trial { permit, question }
    }

    /// Uses it up.
    ///
    /// # Errors
    /// As [`Permit::redeem`].
    pub fn redeem(self) -> Result<(Terms, QuestionId), Expired> {
        Ok((self.permit.redeem()?, self.question))
    }
}

/// The terms of a redeemed permit: what to run, under what, and which record covers it.
#[derive(Debug)]
pub struct Terms {
    /// The call that was judged. INVARIANT (judged is run): nobody rewrites it after this.
    pub call: ToolCall,
    /// The paths that the call names, links resolved, in the order of `propose`.
    pub paths: Vec<AbsPath>,
    /// The folder that the call runs in.
    pub cwd: AbsPath,
    /// What must hold while it runs.
    pub confinement: Confinement,
    /// SHA-256 (hex) over the canonical call, as recorded.
    pub digest: String,
    /// The audit record of the decision.
    pub seq: Seq,
    /// Set where the call was tried before: its changes are applied, and it does not run again.
    pub applies: Option<Applies>,
}

/// The permit was issued too long ago.
#[derive(Debug, thiserror::Error)]
#[error("the permit of record {seq} expired before the call started")]
pub struct Expired {
    /// The record of the decision.
    pub seq: Seq,
}

impl Permit {
    /// Made by `gate::decide` after the record was written, and nowhere else.
    pub(in crate::gate) fn issue(
        call: ToolCall,
        paths: Vec<AbsPath>,
        cwd: AbsPath,
        confinement: Confinement,
        digest: String,
        seq: Seq,
    ) -> Self {
        Permit {
            call,
            paths,
            cwd,
            confinement: Box::new(confinement),
            digest,
            seq,
            applies: None,
            issued: Instant::now(),
        }
    }

    /// The same for changes that were shown, in the place of a run.
    pub(in crate::gate) fn applying(self, applies: Applies) -> Self {
        Permit { applies: Some(applies), ..self }
    }

    /// The tool that the permit is for.
    pub fn tool(&self) -> &ToolName {
        &self.call.name
    }

    /// The call's id.
    pub fn call_id(&self) -> &CallId {
        &self.call.id
    }

    /// The record of the decision.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Uses the permit up.
    ///
    /// # Errors
    /// [`Expired`] when it is older than a minute: the world that was judged is gone.
    pub fn redeem(self) -> Result<Terms, Expired> {
        if self.issued.elapsed() > LIFETIME {
            return Err(Expired { seq: self.seq });
        }
        Ok(Terms {
            call: self.call,
            paths: self.paths,
            cwd: self.cwd,
            confinement: *self.confinement,
            digest: self.digest,
            seq: self.seq,
            applies: self.applies,
        })
    }
}
