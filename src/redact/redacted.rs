//! The token: a value whose text has passed the redactor.
//!
//! A leaf file on purpose: the constructor is visible in `redact` alone.

use serde::Serialize;
use std::fmt;

/// A value that may leave the process. It cannot be made from a plain value elsewhere, has
/// no `map`, and cannot be read back from disk without being scanned again.
///
/// ```compile_fail
/// let forged = ion::redact::Redacted(String::from("secret"));
/// ```
/// ```compile_fail
/// let forged: ion::redact::Redacted<String> = serde_json::from_str("\"secret\"").unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Only the redactor vouches for a value.
    pub(in crate::redact) fn vouch(value: T) -> Self {
        Redacted(value)
    }

    /// Reads the value. Reading is free; making is not.
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl Redacted<String> {
    /// Text that stands in Ion's own source and so cannot hold a user's secret.
    pub fn literal(text: &'static str) -> Self {
        Redacted(text.to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Puts redacted pieces together, with a fixed text between them.
    pub fn join<'a>(
        pieces: impl IntoIterator<Item = &'a Redacted<String>>,
        between: &'static str,
    ) -> Self {
        let pieces: Vec<&str> = pieces.into_iter().map(Redacted::as_str).collect();
        Redacted(pieces.join(between))
    }

    /// Appends redacted text.
    pub fn push(&mut self, more: &Redacted<String>) {
        self.0.push_str(&more.0);
    }

    /// The first `max` characters. Cutting comes after redaction, never before: half a
    /// secret no longer looks like one.
    #[must_use]
    pub fn truncated(&self, max: usize) -> Self {
        Redacted(self.0.chars().take(max).collect())
    }
}

impl fmt::Display for Redacted<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
