//! What whoever opens a log decides about it: when a record is durable, when a new file is
//! begun, and how long the old ones are kept.

use crate::redact::Secret;

/// When what was appended is synced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Each record, before its number is given out.
    Always,
    /// With each signed checkpoint. A killed process loses nothing; a power cut loses at most
    /// what was appended since the last one.
    Checkpoint,
}

impl Sync {
    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Sync::Always => "always",
            Sync::Checkpoint => "checkpoint",
        }
    }
}

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When a record is durable.
    pub sync: Sync,
    /// A new file is begun before the next record once the log has this many bytes.
    pub rotate_bytes: u64,
    /// And once its first record is this many seconds old; `None`: never for its age.
    pub rotate_seconds: Option<u64>,
    /// Closed files whose newest record is older than this are removed; `None`: never.
    pub keep_seconds: Option<u64>,
    /// Encrypts the key that signs, at rest; without one the key is plain, readable to its owner alone.
    pub key_secret: Option<Secret>,
}

impl Default for Settings {
    /// Synced always, 64 MiB or a day a file, kept for 400 days.
    fn default() -> Self {
        const DAY: u64 = 86_400;
        Settings {
            sync: Sync::Always,
            rotate_bytes: 64 * 1024 * 1024,
            rotate_seconds: Some(DAY),
            keep_seconds: Some(400 * DAY),
            key_secret: None,
        }
    }
}
