//! The `audit` block: where decisions are recorded, when they are durable, how long they are
//! kept. There is no key that switches it off.

use super::{Key, Sealing, Shape, Stranger};

/// When a record is durable, most permissive first.
pub const SYNC: &[&str] = &["checkpoint", "always"];

const fn kept(path: &'static str, about: &'static str) -> Key {
    let shape = Shape::Whole { least: 0, zero_is_unlimited: true };
    Key { path, shape, sealing: Sealing::Override, stranger: Stranger::Ignore, about }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    Key {
        path: "audit.file",
        shape: Shape::Text,
        sealing: Sealing::Override,
        stranger: Stranger::Ignore,
        about: "the log file; `~` is the home folder, a relative path starts at the data folder",
    },
    Key {
        path: "audit.sync",
        shape: Shape::Word(SYNC),
        sealing: Sealing::Floor(SYNC),
        stranger: Stranger::Ignore,
        about: "when a record is synced: always (default), or with each signed checkpoint",
    },
    kept("audit.rotateBytes", "a new file is begun at this size (default 67108864); 0 means never"),
    kept("audit.rotateHours", "and when its first record is this old (default 24); 0 means never"),
    kept("audit.keepDays", "closed files older than this are removed (default 400); 0 means never"),
];
