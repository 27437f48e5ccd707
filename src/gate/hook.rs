//! Hooks: foreign code that is consulted about a proposed call. Extensions implement the trait.
//!
//! A hook may tighten, answer an ask, rename the class of a call or rewrite it. It can never
//! undo a deny or a sealed ask (`combine` sees to that), and what it rewrites is proposed and
//! judged again from the start. X17: a gating hook that is slow, dead or senseless denies.
//! `consult` calls it; nothing else does.

use crate::model::{AbsPath, Decision, ToolCall};
use crate::policy::Judgement;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// Most rewrites of one call (T3). One more and the call is refused.
pub const MOST_REWRITES: u8 = 4;

/// What a hook's failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookRole {
    /// It guards: a failure denies the call.
    Gates,
    /// It looks on: a failure is no opinion. What it says is still heard, and can only tighten:
    /// its allow and its rewrites are dropped.
    Observes,
}

/// The call that a hook is asked about. It is the call as it would run, not masked: a guard
/// must see what it guards. Whoever hands it to another process passes it through the redactor
/// unless that process is trusted with it.
#[derive(Debug, Clone, Copy)]
pub struct Proposal<'a> {
    /// The call.
    pub call: &'a ToolCall,
    /// The folder that it would run in.
    pub cwd: &'a AbsPath,
    /// SHA-256 (hex) over the canonical call.
    pub digest: &'a str,
    /// The agent that proposes it: `main` or `main/NAME`.
    pub agent: &'a str,
    /// How often it was rewritten already.
    pub rewrites: u8,
}

/// What a hook says. The default has no opinion.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HookOpinion {
    /// Its verdict. `Allow` answers an ask where policy lets it; it lifts no deny and no sealed
    /// ask.
    pub decision: Option<Decision>,
    /// Why, for the record and the model. It is redacted by the gate.
    pub reason: Option<String>,
    /// The call that should run instead. The id stays that of the proposed call.
    pub rewrite: Option<ToolCall>,
}

/// A hook's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum HookReply {
    /// It answered.
    Opinion(HookOpinion),
    /// It crashed, was cut off, or sent what cannot be read. The text says what.
    Failed(String),
}

/// One hook.
pub trait Hook: Send + Sync {
    /// Its name, for the record: `EXTENSION/permission_request` or alike.
    fn name(&self) -> &str;

    /// What its failure means. Closed by default.
    fn role(&self) -> HookRole {
        HookRole::Gates
    }

    /// How long it may take. The gate gives up then, whatever the hook does; that is a failure.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Whether [`classify`](Self::classify) says anything; asked before the rules are.
    fn classifies(&self) -> bool {
        false
    }

    /// The class of a call, for `tierRules` (`permission_classify`). The first hook with an
    /// answer decides. No class is no failure.
    ///
    /// # Errors
    /// It crashed or sent nonsense: the call is refused if the hook gates.
    fn classify<'a>(
        &'a self,
        proposal: &'a Proposal<'a>,
    ) -> BoxFuture<'a, Result<Option<String>, String>> {
        let _ = proposal;
        Box::pin(async { Ok(None) })
    }

    /// Its opinion on a call that policy has not denied. All hooks are consulted side by side.
    /// The future is dropped when time is up or the run is cancelled.
    fn consult<'a>(
        &'a self,
        proposal: &'a Proposal<'a>,
        judgement: &'a Judgement,
    ) -> BoxFuture<'a, HookReply>;
}
