//! Who is heard beside the rules: hooks, the classifier, people.

use super::approver::Approver;
use super::classifier::Classifier;
use super::hook::Hook;
use std::sync::Arc;
use std::time::Duration;

/// How long a question stays open unless the run says otherwise.
const PATIENCE: Duration = Duration::from_secs(300);

/// Everyone who is heard beside the rules. The default is nobody: then an ask is a denial.
#[derive(Clone)]
pub struct Advisers {
    /// Consulted on every call that policy has not denied.
    pub hooks: Vec<Arc<dyn Hook>>,
    /// Asked about calls that are open.
    pub classifier: Option<Arc<dyn Classifier>>,
    /// Ways to reach a person.
    pub approvers: Vec<Arc<dyn Approver>>,
    /// How long a question stays open before it is denied.
    pub patience: Duration,
    /// Whether whoever is asked may first see what a command does on a copy.
    pub preview: bool,
}

/// Who beside a person may answer an ask. Neither ever lifts a deny or a sealed ask. Set by
/// policy: where it says no, an allow of theirs is no opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lift {
    /// Hooks.
    pub hook: bool,
    /// The classifier.
    pub classifier: bool,
}

impl Default for Advisers {
    fn default() -> Self {
        Advisers {
            hooks: Vec::new(),
            classifier: None,
            approvers: Vec::new(),
            patience: PATIENCE,
            preview: true,
        }
    }
}

impl Advisers {
    /// Whether a person could answer a question now.
    pub fn somebody_is_there(&self) -> bool {
        self.approvers.iter().any(|approver| approver.is_there())
    }
}
