//! How much confinement a machine must be able to give before a call may start.

use serde::{Deserialize, Serialize};

/// The least that must be enforced. Ordered: `Open < Rules < View`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// No confinement. An explicit, recorded choice, never a fallback.
    Open,
    /// The kernel limits files and network by rules (Landlock and seccomp), or better.
    Rules,
    /// The call sees its own view of the system (namespaces), with rules on top.
    View,
}
