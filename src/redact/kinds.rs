//! The shipped kinds of secrets (`policies/secrets.toml`): found by keyword, then by shape.
//!
//! Loaded at the first scan, not at start-up, and each pattern is compiled when one of its
//! keywords first occurs. A kind that cannot be loaded or compiled is an error that withholds
//! the text: it must never be skipped. Read `machine` next.

use crate::shipped::SECRETS;
use crate::shipped::tree::{Data, Entry, Node};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::OnceLock;

/// Why a scan could not be trusted. FAIL CLOSED: whoever sees it withholds the text.
#[derive(Debug, thiserror::Error)]
#[error("a redaction rule failed: {0}")]
pub(in crate::redact) struct ScanError(pub(in crate::redact) String);

/// A further test on what a pattern matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Jwt,
    Basic,
    Entropy,
    /// Exists in tests only, to see that a rule that panics withholds the text.
    #[cfg(test)]
    Panic,
}

struct Kind {
    id: String,
    pattern: String,
    checks: Vec<Check>,
    compiled: OnceLock<Result<Regex, String>>,
}

/// All kinds and the automaton over their keywords.
pub(in crate::redact) struct Kinds {
    kinds: Vec<Kind>,
    /// For each keyword of the automaton, the kind that it belongs to.
    owners: Vec<usize>,
    keywords: AhoCorasick,
}

/// What one kind found: a byte range of the text that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) struct Span<'k> {
    pub(in crate::redact) kind: &'k str,
    pub(in crate::redact) range: Range<usize>,
}

impl Kinds {
    /// The kinds inside the binary.
    pub(in crate::redact) fn shipped() -> Result<&'static Kinds, ScanError> {
        static LOADED: OnceLock<Result<Kinds, String>> = OnceLock::new();
        LOADED
            .get_or_init(|| Kinds::of(&SECRETS.tables("kind")))
            .as_ref()
            .map_err(|message| ScanError(message.clone()))
    }

    /// Reads the tables of a file of kinds.
    pub(in crate::redact) fn of(tables: &[Node]) -> Result<Kinds, String> {
        if tables.is_empty() {
            return Err("secrets.toml has no [[kind]]".to_owned());
        }
        let (mut kinds, mut owners, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for table in tables {
            let Data::Table(entries) = &table.data else {
                return Err("a kind is no table".to_owned());
            };
            let value = |key: &str| find(entries, key);
            let text_of = |key: &str| match value(key) {
                Some(Data::Text(text)) => Some(text.clone()),
                _ => None,
            };
            let id = text_of("id").ok_or("a kind has no id")?;
            let pattern = text_of("pattern").ok_or_else(|| format!("{id} has no pattern"))?;
            let list = |key: &str| -> Vec<String> {
                let Some(Data::List(nodes)) = value(key) else { return Vec::new() };
                let text = |node: &Node| match &node.data {
                    Data::Text(text) => Some(text.clone()),
                    _ => None,
                };
                nodes.iter().filter_map(text).collect()
            };
            let keywords = list("keywords");
            if keywords.is_empty() {
                return Err(format!("{id} has no keywords"));
            }
            let mut checks = Vec::new();
            for name in list("checks") {
                checks.push(match name.as_str() {
                    "jwt" => Check::Jwt,
                    "basic" => Check::Basic,
                    "entropy" => Check::Entropy,
                    #[cfg(test)]
                    "panic" => Check::Panic,
                    other => return Err(format!("{id}: unknown check {other}")),
                });
            }
            for keyword in keywords {
                owners.push(kinds.len());
                words.push(keyword);
            }
            kinds.push(Kind { id, pattern, checks, compiled: OnceLock::new() });
        }
        let keywords = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&words)
            .map_err(|e| e.to_string())?;
        Ok(Kinds { kinds, owners, keywords })
    }

    /// The ids of all kinds.
    pub(in crate::redact) fn ids(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(|kind| kind.id.as_str())
    }

    /// All secrets of one word, in order and apart: of two that overlap the union is taken,
    /// named after the earlier, then the longer, then the kind that stands first in the file.
    pub(in crate::redact) fn scan(&self, word: &str) -> Result<Vec<Span<'_>>, ScanError> {
        let mut found = self.scan_once(word)?;
        // What stands between placeholders is a word of its own afterwards, so it must be
        // judged as one now; otherwise a second pass would find what the first did not.
        let mut from = 0;
        let mut more = Vec::new();
        for end in found
            .iter()
            .map(|span| span.range.clone())
            .chain(std::iter::once(word.len()..word.len()))
        {
            if from > 0 || end.start < word.len() {
                for span in self.scan(word.get(from..end.start).unwrap_or_default())? {
                    let range = span.range.start + from..span.range.end + from;
                    more.push(Span { kind: span.kind, range });
                }
            }
            from = end.end;
        }
        if !more.is_empty() {
            found.append(&mut more);
            found.sort_by_key(|span| span.range.start);
        }
        Ok(found)
    }

    fn scan_once(&self, word: &str) -> Result<Vec<Span<'_>>, ScanError> {
        // The shortest shape of the file is longer than this.
        if word.len() < 12 {
            return Ok(Vec::new());
        }
        let mut hit: Vec<usize> = Vec::new();
        for found in self.keywords.find_overlapping_iter(word) {
            if let Some(&owner) = self.owners.get(found.pattern().as_usize())
                && !hit.contains(&owner)
            {
                hit.push(owner);
            }
        }
        hit.sort_unstable();
        let mut spans = Vec::new();
        for kind in hit.into_iter().filter_map(|index| self.kinds.get(index)) {
            kind.scan(word, &mut spans)?;
        }
        spans.sort_by(|a: &Span<'_>, b| {
            a.range.start.cmp(&b.range.start).then(b.range.end.cmp(&a.range.end))
        });
        let mut apart: Vec<Span<'_>> = Vec::new();
        for span in spans {
            match apart.last_mut() {
                // INVARIANT (no remainder): of two that overlap, the union is masked.
                Some(last) if span.range.start < last.range.end => {
                    last.range.end = last.range.end.max(span.range.end);
                }
                _ => apart.push(span),
            }
        }
        Ok(apart)
    }
}

fn find<'e>(entries: &'e [Entry], key: &str) -> Option<&'e Data> {
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value.data)
}

impl Kind {
    fn regex(&self) -> Result<&Regex, ScanError> {
        let build = || {
            // Most kinds say only what the secret looks like; it must not be the tail of
            // a longer run of letters, or hashes and base64 would be torn apart.
            let whole = match self.pattern.contains("(?P<secret>") {
                true => self.pattern.clone(),
                false => format!("(?:^|[^A-Za-z0-9])(?P<secret>{})", self.pattern),
            };
            RegexBuilder::new(&whole).unicode(false).build().map_err(|e| e.to_string())
        };
        let compiled = self.compiled.get_or_init(build).as_ref();
        compiled.map_err(|message| ScanError(format!("{}: {message}", self.id)))
    }

    fn scan<'k>(&'k self, word: &str, spans: &mut Vec<Span<'k>>) -> Result<(), ScanError> {
        for captures in self.regex()?.captures_iter(word.as_bytes()) {
            let Some(secret) = captures.name("secret") else { continue };
            let range = secret.range();
            // A range that does not fall on characters means that the pattern is wrong.
            let text = word
                .get(range.clone())
                .ok_or_else(|| ScanError(format!("{}: the match splits a character", self.id)))?;
            if !super::value::is_example(text) && self.checks.iter().all(|check| check.holds(text))
            {
                spans.push(Span { kind: &self.id, range });
            }
        }
        Ok(())
    }
}

impl Check {
    fn holds(self, text: &str) -> bool {
        match self {
            Check::Jwt => is_jwt(text),
            Check::Basic => is_basic(text),
            Check::Entropy => entropy(text) > 3.0,
            #[cfg(test)]
            Check::Panic => panic!("a check that panics"),
        }
    }
}

/// Whether the first part is base64url of a JSON object with `alg`.
fn is_jwt(text: &str) -> bool {
    let head = text.split('.').next().unwrap_or_default();
    let decoded = URL_SAFE_NO_PAD.decode(head).ok();
    decoded
        .and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok())
        .is_some_and(|value| value.get("alg").is_some())
}

/// Whether it is base64 of text with a colon, as HTTP basic authentication has it.
pub(in crate::redact) fn is_basic(text: &str) -> bool {
    let decoded = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok();
    decoded.and_then(|bytes| String::from_utf8(bytes).ok()).is_some_and(|plain| plain.contains(':'))
}

/// Shannon entropy in bits a byte.
pub(in crate::redact) fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let total = text.len().max(1) as f64;
    let shares = counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n) / total);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}
