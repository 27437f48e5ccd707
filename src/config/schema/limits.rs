//! `limits`: how long and how dear a run may be.

use super::{Key, Sealing, Shape, Stranger};

const fn ceiling(path: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { path, shape, sealing: Sealing::Ceiling, stranger: Stranger::Tighten, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    ceiling(
        "limits.maxTurns",
        Shape::Whole { least: i64::MIN, zero_is_unlimited: true },
        "model calls in one run; 0 or less means unlimited",
    ),
    ceiling("limits.maxBudgetUsd", Shape::Amount, "US dollars in one run"),
    ceiling(
        "limits.idleTimeoutMs",
        Shape::Whole { least: 0, zero_is_unlimited: true },
        "idle time of a daemon session; 0 means unlimited",
    ),
];
