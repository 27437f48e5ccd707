//! Text from outside that nobody has looked at yet.

use std::fmt;

/// Output of a tool or a peer. It has no `Display`, no `Serialize` and no accessor outside
/// this module: the only way on is through the [`Redactor`](super::Redactor).
///
/// ```compile_fail
/// let raw = ion::redact::Raw::new(String::from("AKIA..."));
/// println!("{raw}");
/// ```
pub struct Raw<T>(T);

impl<T> Raw<T> {
    /// Marks a value as unseen. Anybody may do this: it only takes rights away.
    pub fn new(value: T) -> Self {
        Raw(value)
    }

    /// The value, for the redactor alone.
    pub(in crate::redact) fn into_inner(self) -> T {
        self.0
    }
}

impl Raw<String> {
    /// Length in bytes, which reveals nothing and is worth recording.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> fmt::Debug for Raw<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raw(unseen)")
    }
}
