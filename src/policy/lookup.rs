//! Finds, for one text, every known text that it begins with or holds. Knows nothing of rules.
//!
//! INVARIANT (complete): nothing that the text begins with or holds is left out; what cannot be
//! built is taken to be in every text. Read [`super::index`] next.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

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
