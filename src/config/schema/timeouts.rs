//! `timeouts`, in milliseconds. 0 means the default.

use super::{Key, Sealing, Shape, Stranger};
use std::time::Duration;

/// Stands for "no time-out": long enough, and safe to add to a clock.
pub const NO_LIMIT: Duration = Duration::from_secs(366 * 24 * 3600);

const fn millis(path: &'static str, negative_is_unlimited: bool, about: &'static str) -> Key {
    Key {
        path,
        shape: Shape::Millis { negative_is_unlimited },
        sealing: Sealing::Ceiling,
        stranger: Stranger::Tighten,
        about,
    }
}

/// The keys of the section.
pub const KEYS: &[Key] = &[
    millis("timeouts.toolDefaultMs", false, "a tool other than Bash (default 3600000)"),
    millis("timeouts.bashDefaultMs", false, "Bash when the call names none (default 120000)"),
    millis("timeouts.bashMaxMs", true, "the most a Bash call may ask for (default 600000)"),
    millis("timeouts.streamIdleMs", true, "silence of a provider stream (default 90000)"),
];
