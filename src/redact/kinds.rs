//! The kinds of secrets of `policies/secrets.toml` and of the configuration.
//!
//! A kind is told by its own shape, wherever it stands, or (with `names`) by its shape behind a
//! name. Loaded at the first scan, not at start-up. A kind that cannot be loaded or compiled is
//! an error that withholds the text: it must never be skipped. Read `shape` first, then
//! `marks`, which finds the places that are worth a look.

use super::pattern::Pattern;
use super::shape::{Look, Shape};
use super::value;
use crate::shipped::SECRETS;
use crate::shipped::tree::{Data, Entry, Node};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::OnceLock;

/// Why a scan could not be trusted. FAIL CLOSED: whoever sees it withholds the text.
#[derive(Debug, thiserror::Error)]
#[error("a redaction rule failed: {0}")]
pub(in crate::redact) struct ScanError(pub(in crate::redact) String);

/// A further test on what a shape or pattern matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Jwt,
    /// More than three bits a character.
    Entropy,
    /// Letters and digits (or letters of both cases, shuffled), and more than three bits a character.
    Mixed,
    /// No letter or digit follows: the length is part of what the kind is told by.
    Exact,
    /// Exists in tests only, to see that a rule that panics withholds the text.
    #[cfg(test)]
    Panic,
}

/// What a look for a kind at one place told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Looked {
    /// It does not stand here; nothing beyond this offset was looked at.
    No(usize),
    /// The text ended before it was complete.
    Partial,
    /// Up to there it has the shape, and a check says that it is none: an example, too regular.
    Refused(usize),
    /// It stands here and ends there.
    Full(usize),
}

/// One kind of secret.
pub(in crate::redact) struct Kind {
    pub(in crate::redact) id: String,
    pub(in crate::redact) shapes: Vec<Shape>,
    /// Words of the name before the value; empty when the shape alone tells.
    pub(in crate::redact) names: Vec<String>,
    /// Words by which a pattern is found.
    pub(in crate::redact) keywords: Vec<String>,
    pattern: Option<(String, OnceLock<Result<Regex, String>>)>,
    checks: Vec<Check>,
    /// The secret begins behind this text.
    after: Option<String>,
    /// What is easily taken for one.
    #[cfg(test)]
    pub(in crate::redact) not: Vec<Shape>,
}

/// All kinds.
pub(in crate::redact) struct Kinds {
    pub(in crate::redact) all: Vec<Kind>,
}

impl Kinds {
    /// Reads the kinds inside the binary.
    pub(in crate::redact) fn shipped() -> Result<Kinds, String> {
        Kinds::of(&SECRETS.tables("kind"))
    }

    /// Reads the tables of a file of kinds.
    pub(in crate::redact) fn of(tables: &[Node]) -> Result<Kinds, String> {
        if tables.is_empty() {
            return Err("secrets.toml has no [[kind]]".to_owned());
        }
        let all = tables.iter().map(Kind::of).collect::<Result<_, _>>()?;
        Ok(Kinds { all })
    }
}

fn find<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Data> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value.data)
}

impl Kind {
    fn of(table: &Node) -> Result<Kind, String> {
        let Data::Table(entries) = &table.data else {
            return Err("a kind is no table".to_owned());
        };
        let text_of = |key: &str| match find(entries, key) {
            Some(Data::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let list = |key: &str| -> Vec<String> {
            let Some(Data::List(nodes)) = find(entries, key) else { return Vec::new() };
            let text = |node: &Node| match &node.data {
                Data::Text(text) => Some(text.clone()),
                _ => None,
            };
            nodes.iter().filter_map(text).collect()
        };
        let id = text_of("id").ok_or("a kind has no id")?;
        let checks =
            list("checks").iter().map(|name| check(&id, name)).collect::<Result<_, _>>()?;
        let shape = |text: &String| Shape::parse(text).map_err(|error| format!("{id}: {error}"));
        let shapes: Vec<Shape> = list("shapes").iter().map(shape).collect::<Result<_, _>>()?;
        let pattern = text_of("pattern").map(|pattern| (pattern, OnceLock::new()));
        let (names, keywords) = (list("names"), list("keywords"));
        if shapes.is_empty() && pattern.is_none() {
            return Err(format!("{id} has no shapes"));
        }
        if pattern.is_some() && keywords.iter().all(String::is_empty) {
            return Err(format!("{id} has a pattern and no keywords"));
        }
        Ok(Kind {
            shapes,
            names,
            keywords,
            pattern,
            checks,
            after: text_of("after"),
            #[cfg(test)]
            not: list("not").iter().map(shape).collect::<Result<_, _>>()?,
            id,
        })
    }

    /// A kind from the configuration.
    pub(in crate::redact) fn custom(pattern: Pattern) -> Kind {
        let Pattern { id, expression, beginnings: keywords, fixed: _ } = pattern;
        let pattern = Some((expression, OnceLock::new()));
        let (shapes, names, checks, after) = (Vec::new(), Vec::new(), Vec::new(), None);
        Kind {
            id,
            shapes,
            names,
            keywords,
            pattern,
            checks,
            after,
            #[cfg(test)]
            not: Vec::new(),
        }
    }

    /// Looks at one place for one shape. A full look gives the end of the token.
    /// `ends` tells whether something else begins at an offset, so that a token ends there.
    pub(in crate::redact) fn look(
        &self,
        shape: &Shape,
        text: &[u8],
        at: usize,
        ends: impl Fn(usize) -> bool,
    ) -> Looked {
        match shape.look(text, at) {
            Look::Full(end) if self.holds(shape, text, at..end, ends) => Looked::Full(end),
            Look::Full(end) => Looked::Refused(end),
            Look::Partial => Looked::Partial,
            Look::No(reach) => Looked::No(reach),
        }
    }

    fn holds(
        &self,
        shape: &Shape,
        text: &[u8],
        range: Range<usize>,
        ends: impl Fn(usize) -> bool,
    ) -> bool {
        let next = text.get(range.end).copied().unwrap_or(b' ');
        let exact = self.checks.contains(&Check::Exact);
        let ends = !next.is_ascii_alphanumeric() || ends(range.end);
        let secret = &text[range];
        if !ends && (exact || !shape.is_open()) {
            return false;
        }
        !value::is_example(secret) && self.checks.iter().all(|check| check.holds(secret))
    }

    /// Where inside a match the secret begins.
    pub(in crate::redact) fn secret_at(&self, matched: &[u8]) -> usize {
        let Some(after) = &self.after else { return 0 };
        memchr::memmem::find(matched, after.as_bytes()).map_or(0, |at| at + after.len())
    }

    /// Whether `value` is, from its first to its last byte, what this kind looks like.
    pub(in crate::redact) fn is_whole(&self, value: &[u8]) -> bool {
        self.shapes.iter().any(|shape| shape.look(value, 0) == Look::Full(value.len()))
            && !value::is_example(value)
    }

    /// Whether more text could make a whole value of it.
    pub(in crate::redact) fn could_grow(&self, value: &[u8]) -> bool {
        self.shapes.iter().any(|shape| shape.look(value, 0) == Look::Partial)
    }

    /// Everything that the pattern finds in a word.
    pub(in crate::redact) fn search(
        &self,
        word: &[u8],
        mut each: impl FnMut(Range<usize>),
    ) -> Result<(), ScanError> {
        let Some((pattern, compiled)) = &self.pattern else { return Ok(()) };
        let build = || RegexBuilder::new(pattern).unicode(false).build().map_err(|e| e.to_string());
        let regex = compiled.get_or_init(build).as_ref();
        let regex = regex.map_err(|message| ScanError(format!("{}: {message}", self.id)))?;
        for captures in regex.captures_iter(word) {
            let Some(secret) = captures.name("secret").or_else(|| captures.get(0)) else {
                continue;
            };
            let text = secret.as_bytes();
            if !text.is_empty()
                && !value::is_example(text)
                && self.checks.iter().all(|check| check.holds(text))
            {
                each(secret.range());
            }
        }
        Ok(())
    }
}

fn check(id: &str, name: &str) -> Result<Check, String> {
    Ok(match name {
        "jwt" => Check::Jwt,
        "entropy" => Check::Entropy,
        "mixed" => Check::Mixed,
        "exact" => Check::Exact,
        #[cfg(test)]
        "panic" => Check::Panic,
        other => return Err(format!("{id}: unknown check {other}")),
    })
}

impl Check {
    fn holds(self, text: &[u8]) -> bool {
        match self {
            Check::Jwt => is_jwt(text),
            Check::Entropy => entropy(text) > 3.0,
            Check::Mixed => {
                let digits = text.iter().any(u8::is_ascii_digit);
                let letters = text.iter().any(u8::is_ascii_alphabetic);
                letters && (digits || value::is_shuffled(text)) && entropy(text) > 3.0
            }
            Check::Exact => true,
            #[cfg(test)]
            Check::Panic => panic!("a check that panics"),
        }
    }
}

/// Whether the first part is base64url of a JSON object with `alg`.
fn is_jwt(text: &[u8]) -> bool {
    let head = text.split(|&byte| byte == b'.').next().unwrap_or_default();
    let decoded = URL_SAFE_NO_PAD.decode(head).ok();
    decoded
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .is_some_and(|value| value.get("alg").is_some() || value.get("typ").is_some())
}

/// Whether it is base64 of text with a colon, as HTTP basic authentication has it.
pub(in crate::redact) fn is_basic(text: &[u8]) -> bool {
    let bare = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let decoded = STANDARD_NO_PAD.decode(bare).ok();
    decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .is_some_and(|plain| plain.contains(':') && !plain.chars().any(char::is_control))
}

/// Shannon entropy in bits a byte.
pub(in crate::redact) fn entropy(text: &[u8]) -> f64 {
    let mut counts = [0u16; 256];
    for &byte in text.iter().take(4096) {
        counts[usize::from(byte)] += 1;
    }
    let total = text.len().clamp(1, 4096) as f64;
    let shares = counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n) / total);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}
