//! The gate of a sub-agent: never wider than the one it comes from.
//!
//! X0: a child of the older engine ran without permissions, redaction and audit. Here it has the
//! same log, redactor, sandbox, people, hooks and marks, and every call needs the rules of every
//! agent above it as well as its own. INVARIANT (T4): a child's verdict is never looser.

use super::advisers::Lift;
use super::decide::{Gate, GateParts};
use crate::model::ToolName;
use crate::policy::RuleSet;
use sha2::{Digest, Sha256};
use std::sync::Arc;

impl Gate {
    /// A gate for a sub-agent `name` of this one. `rules` are its own, whatever they allow:
    /// the parent's are asked too. `tools` are those on offer to it, `None` for all of the
    /// parent's; one that the parent lacks is not added.
    ///
    /// A yes that a person gave the parent does not serve the child, and a no does.
    pub fn child(&self, name: &str, rules: Arc<RuleSet>, tools: Option<&[ToolName]>) -> Gate {
        let mut above = self.above.clone();
        above.push(Arc::clone(&self.parts.rules));
        let mut effects = self.parts.effects.clone();
        if let Some(tools) = tools {
            effects.retain(|tool, _| tools.contains(tool));
        }
        // One step of the path is one agent, whatever its name says.
        let name = name.replace('/', "_");
        // A child's own word that no hook and no classifier answers its questions binds it.
        let (may, lift) = (rules.may_lift(), self.parts.lift);
        let lift =
            Lift { hook: lift.hook && may.hook, classifier: lift.classifier && may.classifier };
        // Opinions and orphaned answers are kept under the policy that asked: the child's is
        // not its parent's.
        let policy = Sha256::digest(format!("{}\n{}", self.parts.policy_digest, rules.digest()));
        let parts = GateParts {
            rules,
            lift,
            policy_digest: policy.iter().map(|byte| format!("{byte:02x}")).collect(),
            effects,
            agent: format!("{}/{name}", self.parts.agent),
            ..self.parts.clone()
        };
        Gate { parts, above, shared: Arc::clone(&self.shared) }
    }
}
