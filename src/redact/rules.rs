//! Everything that a scan looks for, put together once: kinds, known values, the automaton.
//!
//! Without values and kinds of one's own all redactors share one. Read `marks` and `scan`.

use super::kinds::{Kind, Kinds};
use super::known::Known;
use super::marks::Marks;
use super::{names, personal};
use std::collections::HashSet;

/// The kinds that no file describes, because code finds them.
const BUILT_IN: &[&str] = &["private-key", "url-password", "web-key", "mnemonic"];

/// What is looked for.
pub(in crate::redact) struct Rules {
    pub(in crate::redact) kinds: Kinds,
    pub(in crate::redact) known: Known,
    pub(in crate::redact) marks: Marks,
    /// Whether unknown secrets are looked for at all.
    pub(in crate::redact) all: bool,
    exists: HashSet<String>,
}

impl Rules {
    /// Puts them together.
    ///
    /// # Errors
    /// A kind or the automaton could not be built.
    pub(in crate::redact) fn new(
        mut kinds: Kinds,
        custom: Vec<Kind>,
        known: Known,
        all: bool,
        personal: bool,
    ) -> Result<Rules, String> {
        kinds.all.extend(custom);
        let marks = Marks::new(&kinds, &known, all, all && personal)?;
        let mut exists: HashSet<String> = kinds.all.iter().map(|kind| kind.id.clone()).collect();
        let fixed = names::KINDS.iter().chain(personal::KINDS).chain(BUILT_IN);
        exists.extend(fixed.map(|kind| (*kind).to_owned()));
        exists.extend(known.labels().map(str::to_owned));
        Ok(Rules { kinds, known, marks, all, exists })
    }

    /// Whether a placeholder can have this kind.
    pub(in crate::redact) fn exists(&self, kind: &str) -> bool {
        self.exists.contains(kind)
    }
}
