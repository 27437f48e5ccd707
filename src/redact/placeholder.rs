//! Placeholders: `[secret:<kind>:<n>]`, and `[secret:<kind>]` in logs.
//!
//! The number is the same for the same value within one redactor, so that a model or a
//! reviewer sees that two places hold one secret. No secret is kept for this: only a keyed
//! hash, because a plain hash of a short value can be guessed.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

const OPEN: &str = "[secret:";
/// Kinds and labels are shorter; this bounds what a stream must hold back.
const LONGEST_KIND: usize = 40;
/// No run gives so many numbers, and all of them are read back: a text that claims a higher
/// one must not push the next ones out of what can be read.
const HIGHEST: usize = 100_000_000;

/// The numbers that were given out.
pub(in crate::redact) struct Numbers {
    key: [u8; 32],
    given: Mutex<HashMap<[u8; 32], usize>>,
    /// Numbers up to here belong to an earlier run of the conversation.
    taken: AtomicUsize,
}

impl Numbers {
    pub(in crate::redact) fn new() -> Self {
        let mut key = [0; 32];
        if getrandom::fill(&mut key).is_err() {
            // Without randomness the hash is guessable, but it never leaves this map.
            key = [0x5a; 32];
        }
        Numbers { key, given: Mutex::default(), taken: AtomicUsize::new(0) }
    }

    /// Begins the keyed hash of a value.
    pub(in crate::redact) fn hasher(&self) -> Sha256 {
        Sha256::new_with_prefix(self.key)
    }

    /// The number of a value, by its keyed hash.
    pub(in crate::redact) fn of(&self, hash: Sha256) -> usize {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.taken.load(Ordering::Relaxed) + given.len() + 1;
        *given.entry(hash.finalize().into()).or_insert(next)
    }

    /// The number that a value has already, by its keyed hash.
    pub(in crate::redact) fn known(&self, hash: Sha256) -> Option<usize> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(<[u8; 32]>::from(hash.finalize()).as_slice()).copied()
    }

    /// Gives none of the numbers that stand in `text`: they are an earlier run's, whose values
    /// nobody knows any more.
    pub(in crate::redact) fn pass_over(&self, text: &str) {
        let stated = numbered(text).filter_map(|(_, number)| number.parse().ok());
        let highest = stated.filter(|number| *number <= HIGHEST).max().unwrap_or(0);
        self.taken.fetch_max(highest, Ordering::Relaxed);
    }
}

/// Writes a placeholder.
pub(in crate::redact) fn write(kind: &str, number: Option<usize>) -> String {
    let mut out = String::with_capacity(OPEN.len() + kind.len() + 12);
    out.push_str(OPEN);
    out.push_str(kind);
    if let Some(number) = number {
        out.push(':');
        out.push_str(&number.to_string());
    }
    out.push(']');
    out
}

/// What a text that begins with `[` is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::redact) enum Reading {
    /// A placeholder of this many bytes.
    Whole(usize),
    /// It may become one.
    Partial,
    /// It is something else.
    No,
}

/// Reads a placeholder at the start of `text`.
///
/// Only kinds that exist count: otherwise `[secret:<the secret itself>]` would be a way to
/// carry a value past the redactor.
pub(in crate::redact) fn read(text: &[u8], exists: impl Fn(&str) -> bool) -> Reading {
    let Some(rest) = text.strip_prefix(OPEN.as_bytes()) else {
        return if OPEN.as_bytes().starts_with(text) { Reading::Partial } else { Reading::No };
    };
    let is_kind = |b: &&u8| b.is_ascii_lowercase() || b.is_ascii_digit() || **b == b'-';
    let kind = rest.iter().take_while(is_kind).count();
    if kind > LONGEST_KIND {
        return Reading::No;
    }
    let after = &rest[kind..];
    let digits = match after.strip_prefix(b":") {
        Some(number) => number.iter().take_while(|b| b.is_ascii_digit()).count(),
        None => 0,
    };
    let colon = usize::from(after.starts_with(b":"));
    match after.get(colon + digits) {
        _ if digits > 9 => Reading::No,
        None => Reading::Partial,
        Some(b']')
            if colon == usize::from(digits > 0)
                && std::str::from_utf8(&rest[..kind]).is_ok_and(exists) =>
        {
            Reading::Whole(OPEN.len() + kind + colon + digits + 1)
        }
        Some(_) => Reading::No,
    }
}

/// Everything in a text that has the form of a numbered placeholder, of whatever kind (a kind of
/// another run is one as well), and its number.
pub(in crate::redact) fn numbered(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    text.match_indices(OPEN).filter_map(|(at, _)| {
        let rest = text.get(at + OPEN.len()..)?;
        let (kind, number) = rest.split_once(']')?.0.split_once(':')?;
        let is_kind = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let whole = (1..=LONGEST_KIND).contains(&kind.len())
            && kind.bytes().all(is_kind)
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit());
        whole.then(|| (at..at + OPEN.len() + kind.len() + number.len() + 2, number))
    })
}

/// A label as a kind: lower case, `[a-z0-9-]`, at most forty characters.
pub(in crate::redact) fn slug(label: &str) -> String {
    let mut slug = String::new();
    for c in label.chars().take(LONGEST_KIND) {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "known".to_owned() } else { slug.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_placeholder_of_an_existing_kind_is_left_alone() {
        let kinds = |kind: &str| kind == "jwt";
        let read = |text: &str, kinds| read(text.as_bytes(), kinds);
        assert_eq!(read("[secret:jwt:12] x", kinds), Reading::Whole(15));
        assert_eq!(read("[secret:jwt]", kinds), Reading::Whole(12));
        assert_eq!(read("[secret:hunter22]", kinds), Reading::No);
        assert_eq!(read("[secret:jwt:]", kinds), Reading::No);
        assert_eq!(read("[secret:jwt:1234567890123]", kinds), Reading::No);
        assert_eq!(read("[sec", kinds), Reading::Partial);
        assert_eq!(read("[secret:jw", kinds), Reading::Partial);
        assert_eq!(read("[x", kinds), Reading::No);
    }
}
