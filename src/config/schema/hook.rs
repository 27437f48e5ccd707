//! The `hook` block: how Ion answers the hooks of other agents.

use super::{FALSE_IS_STRICT, Key, Shape, Stranger};

/// The keys of the section.
pub const KEYS: &[Key] = &[Key {
    path: "hook.allowSkipsPrompt",
    shape: Shape::Flag,
    sealing: FALSE_IS_STRICT,
    stranger: Stranger::Tighten,
    about: "what Ion allows to another agent skips that agent's own prompt",
}];
