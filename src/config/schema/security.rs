//! The `security` block: what is masked.

use super::{Empty, Key, Sealing, Shape, Stranger, TRUE_IS_STRICT};

/// The keys of the section.
pub const KEYS: &[Key] = &[
    Key {
        path: "security.redactSecrets",
        shape: Shape::Flag,
        sealing: TRUE_IS_STRICT,
        stranger: Stranger::Tighten,
        about: "mask secrets before they reach the model, events and transcripts",
    },
    Key {
        path: "security.redactPatterns",
        shape: Shape::Patterns,
        sealing: Sealing::Union,
        stranger: Stranger::Tighten,
        about: "more kinds of secrets, each `ID=EXPRESSION` (docs/redaction.md)",
    },
    Key {
        path: "security.redactAllow",
        shape: Shape::Allowed,
        // A list that nobody wrote is empty; the sealed one is the most that a lower one can have.
        sealing: Sealing::Intersect(Empty::Nothing),
        stranger: Stranger::Ignore,
        about: "what is not masked: ids of kinds, or `=EXPRESSION` for a whole text (docs/redaction.md)",
    },
    Key {
        path: "security.redactPii",
        shape: Shape::Flag,
        sealing: TRUE_IS_STRICT,
        stranger: Stranger::Tighten,
        about: "mask mail addresses, telephone, account, card and identity numbers too",
    },
    Key {
        path: "security.workspaceContainment",
        shape: Shape::Unused,
        sealing: Sealing::Pass,
        stranger: Stranger::Ignore,
        about: "older engine's switch; the sandbox contains writes",
    },
];
