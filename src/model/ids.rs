//! Identifiers. Each is its own type so that one cannot be passed for another.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Identifies one tool call inside a session, as the provider named it or as Ion did.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(String);

impl CallId {
    /// Wraps an id. The text is a model's or a provider's and is never used as a path.
    pub fn new(id: impl Into<String>) -> Self {
        CallId(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A conversation id: safe to use as a file name, because only `[A-Za-z0-9._-]` passes
/// and it never begins with a dot (the older engine joined ids to paths unchecked).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// Parses an id; `None` when it is empty, over 128 bytes, or could leave its folder.
    pub fn parse(id: &str) -> Option<Self> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let fits = !id.is_empty() && id.len() <= 128 && !id.starts_with(['.', '-']);
        (fits && id.bytes().all(legal)).then(|| SessionId(id.to_owned()))
    }

    /// Builds the documented form `<unix ms>-<12 hex digits>`.
    pub fn from_parts(unix_ms: u64, random: [u8; 6]) -> Self {
        SessionId(format!("{unix_ms}-{}", super::hex(&random)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of a record in the audit log, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_cannot_leave_its_folder() {
        for bad in ["", "..", "../x", "a/b", "a\0b", ".hidden", "-rf", "a b", "é"] {
            assert!(SessionId::parse(bad).is_none(), "{bad:?} was accepted");
        }
        assert!(SessionId::parse("1778320000000-a1b2c3d4e5f6").is_some());
    }
}
