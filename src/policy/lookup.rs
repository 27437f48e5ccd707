//! Finds, for one text, every known text that it begins with or holds, and so which expressions
//! and globs could match. Knows nothing of rules.
//!
//! INVARIANT (complete): nothing that the text begins with or holds is left out; what cannot be
//! built is taken to be in every text. Read [`super::index`] next.

use super::expression::{Wanted, known_head};
use super::facts::PathUse;
use super::match_path::{GlobKey, PathPattern, odd};
use super::shell::Reach;
use crate::model::AbsPath;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::collections::HashMap;

/// Texts by their beginnings.
///
/// Sorted, each with the longest other one that it begins with: whatever a text begins with is
/// on the way from the last one that sorts in front of it.
#[derive(Debug, Default)]
pub struct Prefixes {
    waiting: Vec<(Vec<u8>, u32)>,
    keys: Vec<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    text: Vec<u8>,
    shorter: Option<usize>,
    places: Vec<u32>,
}

impl Prefixes {
    /// Adds `text`; it is found after [`Self::close`].
    pub fn add(&mut self, text: Vec<u8>, place: u32) {
        self.waiting.push((text, place));
    }

    /// Sorts what was added.
    pub fn close(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        let mut open: Vec<usize> = Vec::new();
        for (text, place) in waiting {
            if let Some(last) = self.keys.last_mut().filter(|last| last.text == text) {
                last.places.push(place);
                continue;
            }
            let begins = |at: usize| self.keys.get(at).is_some_and(|k| text.starts_with(&k.text));
            while open.last().is_some_and(|at| !begins(*at)) {
                open.pop();
            }
            let shorter = open.last().copied();
            open.push(self.keys.len());
            self.keys.push(Prefix { text, shorter, places: vec![place] });
        }
    }

    /// Places of everything that `text` begins with.
    pub fn of(&self, text: &[u8], found: &mut Vec<u32>) {
        let after = self.keys.partition_point(|key| key.text.as_slice() <= text);
        let mut next = after.checked_sub(1);
        while let Some(key) = next.and_then(|at| self.keys.get(at)) {
            if text.starts_with(&key.text) {
                found.extend(&key.places);
            }
            next = key.shorter;
        }
    }

    /// Places of everything that a text could begin with of which only `head` is known.
    pub fn compatible(&self, head: &[u8], found: &mut Vec<u32>) {
        self.of(head, found);
        let from = self.keys.partition_point(|key| key.text.as_slice() < head);
        let longer = self.keys.iter().skip(from).take_while(|key| key.text.starts_with(head));
        longer.for_each(|key| found.extend(&key.places));
    }
}

/// Texts by what they hold.
#[derive(Debug, Default)]
pub struct Needles {
    waiting: Vec<(Vec<u8>, u32)>,
    places: Vec<Vec<u32>>,
    /// `None` for nothing to look for, or too much of it.
    finder: Option<AhoCorasick>,
}

impl Needles {
    /// Adds `text`; it is found after [`Self::close`].
    pub fn add(&mut self, text: Vec<u8>, place: u32) {
        self.waiting.push((text, place));
    }

    /// Builds what was added.
    pub fn close(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for (text, place) in waiting {
            if texts.last() != Some(&text) {
                texts.push(text);
                self.places.push(Vec::new());
            }
            if let Some(places) = self.places.last_mut() {
                places.push(place);
            }
        }
        if !texts.is_empty() {
            // The kind that is built quickest: few texts are looked at by one start.
            let kind = Some(AhoCorasickKind::NoncontiguousNFA);
            self.finder = AhoCorasick::builder().kind(kind).prefilter(false).build(&texts).ok();
        }
    }

    /// Places of everything that `text` holds.
    pub fn of(&self, text: &[u8], found: &mut Vec<u32>) {
        let Some(finder) = &self.finder else {
            return found.extend(self.places.iter().flatten());
        };
        for hit in finder.find_overlapping_iter(text) {
            found.extend(self.places.get(hit.pattern().as_usize()).into_iter().flatten());
        }
    }
}

/// Expressions over texts, by what a text must have; letters in either case.
#[derive(Debug, Default)]
pub struct Sieve {
    starts: Prefixes,
    needles: Needles,
    /// Expressions that say nothing.
    others: Vec<u32>,
}

impl Sieve {
    /// Files places of expressions; `None` for one that says nothing.
    pub fn new<'a>(all: impl Iterator<Item = (u32, Option<Vec<Wanted<'a>>>)>) -> Self {
        let mut sieve = Sieve::default();
        for (place, wanted) in all {
            match wanted {
                Some(wanted) => sieve.add(&wanted, place),
                None => sieve.others.push(place),
            }
        }
        sieve.close();
        sieve
    }

    /// Adds an expression; it is found after [`Self::close`].
    pub fn add(&mut self, wanted: &[Wanted<'_>], place: u32) {
        for one in wanted {
            match one {
                Wanted::Start(start) => self.starts.add(start.to_ascii_lowercase(), place),
                Wanted::Part(part) => self.needles.add(part.to_ascii_lowercase(), place),
            }
        }
    }

    /// Builds what was added.
    pub fn close(&mut self) {
        self.starts.close();
        self.needles.close();
    }

    /// Places of the expressions that could match `text`.
    pub fn of(&self, text: &str, found: &mut Vec<u32>) {
        let text = text.to_ascii_lowercase();
        self.starts.of(text.as_bytes(), found);
        self.needles.of(text.as_bytes(), found);
        found.extend(&self.others);
    }

    /// Places of those that match from the start and could match a text that begins with `head`.
    pub fn compatible(&self, head: &str, found: &mut Vec<u32>) {
        self.starts.compatible(head.to_ascii_lowercase().as_bytes(), found);
    }
}

/// Globs over paths, by what a path must have.
#[derive(Debug, Default)]
pub struct Globs {
    /// By what a path begins with.
    folders: Prefixes,
    /// By its last names.
    names: HashMap<Vec<u8>, Vec<u32>>,
    /// Globs that say nothing.
    others: Vec<u32>,
}

impl Globs {
    /// Adds a pattern; it is found after [`Self::close`].
    pub fn add(&mut self, pattern: &PathPattern, place: u32) {
        for key in pattern.keys() {
            match key {
                GlobKey::Begins(begins) => self.folders.add(begins.as_bytes().to_vec(), place),
                GlobKey::Name(name) => {
                    self.names.entry(name.as_bytes().to_vec()).or_default().push(place);
                }
                GlobKey::None => self.others.push(place),
            }
        }
    }

    /// Builds what was added.
    pub fn close(&mut self) {
        self.folders.close();
    }

    /// Places of the patterns that could match a path in either form.
    pub fn of(&self, path: &PathUse, found: &mut Vec<u32>) {
        self.of_one(&path.lexical, found);
        if !path.is_plain() {
            self.of_one(&path.canonical, found);
        }
        found.extend(&self.others);
    }

    fn of_one(&self, path: &AbsPath, found: &mut Vec<u32>) {
        use std::os::unix::ffi::OsStrExt;
        let bytes = path.as_path().as_os_str().as_bytes();
        self.folders.of(bytes, found);
        if self.names.is_empty() {
            return;
        }
        for (at, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let name = bytes.get(at + 1..).unwrap_or_default();
            found.extend(self.names.get(name).into_iter().flatten());
        }
    }

    /// Places of the patterns that could match what is not known in full.
    pub fn within_reach(&self, reach: &Reach, found: &mut Vec<u32>) {
        let head = if odd(&reach.shape) { "" } else { known_head(&reach.shape) };
        self.folders.compatible(head.as_bytes(), found);
        found.extend(self.names.values().flatten());
        found.extend(&self.others);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(mut found: Vec<u32>) -> Vec<u32> {
        found.sort_unstable();
        found.dedup();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_text_begins_with_or_holds_is_found_and_nothing_else(
            known in proptest::collection::vec("[ab]{0,4}", 0..24),
            text in "[ab]{0,6}",
        ) {
            let (mut prefixes, mut needles) = (Prefixes::default(), Needles::default());
            for (at, one) in (0..).zip(&known) {
                prefixes.add(one.clone().into_bytes(), at);
                needles.add(one.clone().into_bytes(), at);
            }
            prefixes.close();
            needles.close();
            let wanted = |test: &dyn Fn(&str) -> bool| -> Vec<u32> {
                (0..).zip(&known).filter(|(_, one)| test(one)).map(|(at, _)| at).collect()
            };
            let mut found = Vec::new();
            prefixes.of(text.as_bytes(), &mut found);
            prop_assert_eq!(sorted(found), wanted(&|one| text.starts_with(one)));
            let mut found = Vec::new();
            prefixes.compatible(text.as_bytes(), &mut found);
            prop_assert_eq!(
                sorted(found),
                wanted(&|one| text.starts_with(one) || one.starts_with(&text))
            );
            let mut found = Vec::new();
            needles.of(text.as_bytes(), &mut found);
            prop_assert_eq!(sorted(found), wanted(&|one| text.contains(one)));
        }
    }
}
