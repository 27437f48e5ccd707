//! `toolRestrictions`: tools that exist or do not.

use super::{Empty, Key, Sealing, Shape, Stranger};

/// The keys of the section.
pub const KEYS: &[Key] = &[
    Key {
        path: "toolRestrictions.allow",
        shape: Shape::Texts,
        sealing: Sealing::Intersect(Empty::Nothing),
        stranger: Stranger::Tighten,
        about: "only these tools exist; `[]` means none",
    },
    Key {
        path: "toolRestrictions.deny",
        shape: Shape::Texts,
        sealing: Sealing::Union,
        stranger: Stranger::Tighten,
        about: "these tools do not exist; beats allow",
    },
];
