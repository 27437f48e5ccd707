//! The `audit` block: where decisions are recorded. There is no key that switches it off.

use super::{Key, Sealing, Shape, Stranger};

/// The keys of the section.
pub const KEYS: &[Key] = &[Key {
    path: "audit.file",
    shape: Shape::Text,
    sealing: Sealing::Override,
    stranger: Stranger::Ignore,
    about: "the log file; `~` is the home folder, a relative path starts at the data folder",
}];
