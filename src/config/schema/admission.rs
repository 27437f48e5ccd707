//! Which models and providers may be used.

use super::{Empty, Key, Sealing, Shape, Stranger};

/// Root keys.
pub const KEYS: &[Key] = &[
    Key {
        path: "allowedModels",
        shape: Shape::Texts,
        // `[]` is "no restriction" in files written for the older engine, so it stays so.
        sealing: Sealing::Intersect(Empty::Any),
        stranger: Stranger::Tighten,
        about: "only these models, after tiers are resolved; `[]` means no limit",
    },
    Key {
        path: "blockedModels",
        shape: Shape::Texts,
        sealing: Sealing::Union,
        stranger: Stranger::Tighten,
        about: "never these models; beats allowedModels",
    },
    Key {
        path: "allowedProviders",
        shape: Shape::Texts,
        sealing: Sealing::Intersect(Empty::Nothing),
        stranger: Stranger::Tighten,
        about: "only these providers; `[]` means none",
    },
];
