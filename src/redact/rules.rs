//! Everything that a scan looks for, put together once: kinds, known values, the automaton.
//!
//! Without values and kinds of one's own all redactors share one. Read `marks` and `scan`.

use super::kinds::{Kind, Kinds};
use super::known::Known;
use super::marks::Marks;
use super::pattern::{Allowed, Pattern, whole};
use super::{names, personal};
use regex::bytes::Regex;
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
    pub(in crate::redact) allowed: AllowList,
}

/// What is let through although it looks like a secret.
#[derive(Default)]
pub(in crate::redact) struct AllowList {
    kinds: HashSet<String>,
    texts: Vec<Regex>,
    /// Kinds that it has no say in.
    fixed: HashSet<String>,
}

impl AllowList {
    /// # Errors
    /// An expression could not be compiled.
    pub(in crate::redact) fn new(
        allowed: &[Allowed],
        patterns: &[Pattern],
    ) -> Result<AllowList, String> {
        let mut list = AllowList::default();
        for entry in allowed {
            match entry {
                Allowed::Kind(id) => _ = list.kinds.insert(id.clone()),
                Allowed::Text(text) => list.texts.push(whole(text).map_err(|e| e.to_string())?),
            }
        }
        let fixed = patterns.iter().filter(|pattern| pattern.fixed);
        list.fixed = fixed.map(|pattern| pattern.id.clone()).collect();
        Ok(list)
    }

    /// Whether a text of this kind stays readable.
    pub(in crate::redact) fn lets(&self, kind: &str, text: &[u8]) -> bool {
        let listed = self.kinds.contains(kind) || self.texts.iter().any(|own| own.is_match(text));
        listed && !self.fixed.contains(kind)
    }
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
        allowed: AllowList,
    ) -> Result<Rules, String> {
        kinds.all.extend(custom);
        let marks = Marks::new(&kinds, &known, all, all && personal)?;
        let mut exists: HashSet<String> = kinds.all.iter().map(|kind| kind.id.clone()).collect();
        let fixed = names::KINDS.iter().chain(personal::KINDS).chain(BUILT_IN);
        exists.extend(fixed.map(|kind| (*kind).to_owned()));
        exists.extend(known.labels().map(str::to_owned));
        Ok(Rules { kinds, known, marks, all, exists, allowed })
    }

    /// Whether a placeholder can have this kind.
    pub(in crate::redact) fn exists(&self, kind: &str) -> bool {
        self.exists.contains(kind)
    }
}
