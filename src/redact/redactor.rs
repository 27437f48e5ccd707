//! The redactor: the one way from text that may hold secrets to [`Redacted`].
//!
//! Turning redaction off is a setting of this type, not a way around it; known values are
//! masked even then. FAIL CLOSED: a rule that fails or panics withholds the whole text.

use super::kinds::{Kind, Kinds, ScanError};
use super::known::Known;
use super::names::{self, Named};
use super::placeholder::{self, Numbers};
use super::rules::{AllowList, Rules};
use super::scan::Identity;
use super::segment::{self, Masked, Segmenter};
use super::value;
use super::{Allowed, Pattern, Raw, Redacted, Secret};
use serde_json::{Map, Value};
use sha2::Digest;
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// What stands in the place of a text that could not be scanned.
/// Stands in the place of a text that the redactor failed on.
pub const WITHHELD: &str = "[text withheld: the redactor failed on it]";

/// One place that was, or would be, masked. Byte offsets in the source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The kind of secret, as in the placeholder.
    pub rule: String,
    /// The first byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// What is looked for, put together when the first text comes.
#[derive(Default)]
struct Lazy(OnceLock<Result<Arc<Rules>, String>>);

struct Shared {
    known: Vec<(String, Secret)>,
    patterns: Vec<Pattern>,
    personal: bool,
    allowed: Vec<Allowed>,
    numbers: Numbers,
    kinds: fn() -> Result<Kinds, String>,
    on: Lazy,
    off: Lazy,
}

/// What is looked for besides known values.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Secrets that nobody registered.
    pub enabled: bool,
    /// Personal data: mail addresses, telephone, account, card and identity numbers.
    pub personal: bool,
    /// Kinds of one's own.
    pub patterns: Vec<Pattern>,
    /// What is not masked all the same. Known values always are.
    pub allowed: Vec<Allowed>,
}

/// Masks secrets. Cheap to make and to clone, usable from several threads; clones share
/// the numbers of their placeholders.
#[derive(Clone)]
pub struct Redactor {
    shared: Arc<Shared>,
    enabled: bool,
    numbered: bool,
}

/// The rules of every redactor that knows no value and has no kind of its own.
static COMMON: OnceLock<Result<Arc<Rules>, String>> = OnceLock::new();

impl Redactor {
    /// With the shipped kinds, plus values known to be secret (label, value). With
    /// `enabled` off, known values alone are masked.
    pub fn new(enabled: bool, known: Vec<(String, Secret)>) -> Self {
        Redactor::with(Options { enabled, ..Options::default() }, known)
    }

    /// With kinds of one's own, and with personal data if wanted.
    pub fn with(options: Options, known: Vec<(String, Secret)>) -> Self {
        Redactor::with_kinds(options, known, Kinds::shipped)
    }

    pub(in crate::redact) fn with_kinds(
        options: Options,
        known: Vec<(String, Secret)>,
        kinds: fn() -> Result<Kinds, String>,
    ) -> Self {
        let Options { enabled, personal, patterns, allowed } = options;
        let (on, off, numbers) = (Lazy::default(), Lazy::default(), Numbers::new());
        let shared =
            Arc::new(Shared { known, patterns, personal, allowed, numbers, kinds, on, off });
        Redactor { shared, enabled, numbered: true }
    }

    /// The same redactor for logs that outlive the conversation: always on, and its
    /// placeholders carry no number, which would mean nothing there.
    #[must_use]
    pub fn for_log(&self) -> Redactor {
        Redactor { shared: Arc::clone(&self.shared), enabled: true, numbered: false }
    }

    fn rules(&self) -> Result<&Rules, ScanError> {
        let shared = &self.shared;
        let build = || {
            let known = Known::new(shared.known.clone());
            let own = shared.patterns.iter().cloned().map(Kind::custom).collect();
            let allowed = AllowList::new(&shared.allowed, &shared.patterns)?;
            let kinds = (shared.kinds)()?;
            Rules::new(kinds, own, known, self.enabled, shared.personal, allowed).map(Arc::new)
        };
        let shipped: fn() -> Result<Kinds, String> = Kinds::shipped;
        let is_common = self.enabled
            && shared.known.is_empty()
            && shared.patterns.is_empty()
            && shared.allowed.is_empty()
            && !shared.personal
            && std::ptr::fn_addr_eq(shared.kinds, shipped);
        let built = match (is_common, self.enabled) {
            (true, _) => COMMON.get_or_init(build),
            (false, true) => shared.on.0.get_or_init(build),
            (false, false) => shared.off.0.get_or_init(build),
        };
        built.as_deref().map_err(|message| ScanError(message.clone()))
    }

    /// Masks a text.
    pub fn text(&self, text: &str) -> Redacted<String> {
        Redacted::vouch(self.mask(text))
    }

    /// Masks a text from outside.
    pub fn raw(&self, raw: Raw<String>) -> Redacted<String> {
        self.text(&raw.into_inner())
    }

    /// The same, and how many places of each kind were masked, for the record.
    pub fn raw_counted(&self, raw: Raw<String>) -> (Redacted<String>, BTreeMap<String, u64>) {
        let (text, counts) = self.mask_counted(&raw.into_inner());
        (Redacted::vouch(text), counts)
    }

    /// Masks every string (and key) inside a JSON value; the shape stays. Strings under a
    /// key such as `password` are masked whatever they look like. A number that is a known
    /// value becomes a string.
    pub fn json(&self, value: &Value) -> Redacted<Value> {
        Redacted::vouch(self.mask_json(value, None))
    }

    /// Tells what would be masked, in order and without overlaps. A text that cannot be
    /// scanned is one finding of the rule `withheld`.
    pub fn scan(&self, text: &str) -> Vec<Finding> {
        let mut stream = self.bytes().with_findings();
        let mut out = Vec::new();
        stream.feed(text.as_bytes(), true, &mut out);
        if stream.failed {
            return vec![Finding { rule: "withheld".to_owned(), start: 0, end: text.len() as u64 }];
        }
        stream.take_findings()
    }

    /// Placeholders that were given out before and whose values stand in a text, with the places.
    pub(in crate::redact) fn placeholders_of(&self, text: &str) -> Vec<(String, Range<usize>)> {
        let mut stream = self.bytes();
        stream.held = Some(Vec::new());
        stream.feed(text.as_bytes(), true, &mut Vec::new());
        if stream.failed { Vec::new() } else { stream.held.take().unwrap_or_default() }
    }

    /// Gives no number that stands in a text of an earlier run: a placeholder of that run must not
    /// seem to stand for a value of this one.
    pub fn pass_over(&self, text: &str) {
        self.shared.numbers.pass_over(text);
    }

    /// A redactor for text that arrives in pieces.
    pub fn stream(&self) -> StreamRedactor<'_> {
        StreamRedactor { bytes: self.bytes(), held: Vec::new(), told: false }
    }

    /// A redactor for bytes that arrive in pieces and need not be text.
    pub fn bytes(&self) -> ByteRedactor<'_> {
        let rules = self.rules();
        let failed = rules.is_err();
        ByteRedactor {
            redactor: self,
            segmenter: rules.ok().map(|rules| Segmenter::new(rules, 0)),
            buffer: Vec::new(),
            base: 0,
            from: 0,
            written: 0,
            counts: BTreeMap::new(),
            findings: None,
            held: None,
            style: if self.numbered { Style::Numbered } else { Style::Label },
            failed,
        }
    }

    fn mask(&self, text: &str) -> String {
        self.mask_counted(text).0
    }

    fn mask_counted(&self, text: &str) -> (String, BTreeMap<String, u64>) {
        let mut stream = self.bytes();
        let mut out = Vec::with_capacity(text.len());
        stream.feed(text.as_bytes(), true, &mut out);
        // Nothing of a text whose scan failed is shown, not even the part before.
        let text = match stream.failed {
            true => WITHHELD.to_owned(),
            false => String::from_utf8(out).unwrap_or_else(|_| WITHHELD.to_owned()),
        };
        (text, stream.counts)
    }

    fn mask_json(&self, value: &Value, key: Option<&str>) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => {
                let plain = number.to_string();
                let masked = self.mask(&plain);
                if masked == plain { value.clone() } else { Value::String(masked) }
            }
            Value::String(text) => {
                let named =
                    key.filter(|_| self.enabled).and_then(|key| names::judge(key.as_bytes()));
                Value::String(match named {
                    Some(named) => self.mask_named(named, text),
                    None => self.mask(text),
                })
            }
            Value::Array(items) => items.iter().map(|item| self.mask_json(item, key)).collect(),
            Value::Object(members) => {
                let mut masked = Map::new();
                for (name, member) in members {
                    let mut shown = self.mask(name);
                    while masked.contains_key(&shown) {
                        shown.push('\'');
                    }
                    masked.insert(shown, self.mask_json(member, Some(name)));
                }
                Value::Object(masked)
            }
        }
    }

    /// A string under a key that names a secret: the key alone is telling, no randomness
    /// is asked of the value.
    fn mask_named(&self, named: Named, text: &str) -> String {
        let scheme = value::scheme_len(text);
        let secret = text.get(scheme..).unwrap_or_default();
        let allowed = |rules: &Rules| rules.allowed.lets(named.kind, secret.as_bytes());
        let judged_before = self.rules().is_ok_and(allowed) || self.holds_placeholder(text);
        if judged_before || value::is_exempt(secret) || names::judge(secret.as_bytes()).is_some() {
            return self.mask(text);
        }
        // A trial without numbers: a more specific kind than the key's is worth naming.
        let trial = self.for_log().mask(text);
        if trial == WITHHELD || self.is_masked_whole(&trial) {
            return self.mask(text);
        }
        let number = self.numbered.then(|| {
            let mut hash = self.shared.numbers.hasher();
            hash.update(secret.as_bytes());
            self.shared.numbers.of(hash)
        });
        let scheme = text.get(..scheme).unwrap_or_default();
        format!("{scheme}{}", placeholder::write(named.kind, number))
    }

    fn holds_placeholder(&self, text: &str) -> bool {
        text.match_indices('[').any(|(at, _)| {
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            matches!(self.placeholder(rest), placeholder::Reading::Whole(_))
        })
    }

    /// Whether nothing but a scheme stands beside the placeholder.
    fn is_masked_whole(&self, masked: &str) -> bool {
        let secret = masked.get(value::scheme_len(masked)..).unwrap_or_default().trim();
        self.placeholder(secret.as_bytes()) == placeholder::Reading::Whole(secret.len())
    }

    fn placeholder(&self, text: &[u8]) -> placeholder::Reading {
        match self.rules() {
            Ok(rules) => placeholder::read(text, |kind| rules.exists(kind)),
            Err(_) => placeholder::Reading::No,
        }
    }
}

/// What is written in the place of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `[secret:github-token:1]`: the same number for the same value.
    Numbered,
    /// `[secret:github-token]`.
    Label,
    /// Nothing.
    Remove,
}

/// Masks bytes in pieces, with memory that does not grow with them. What is no valid UTF-8
/// passes unharmed.
pub struct ByteRedactor<'a> {
    redactor: &'a Redactor,
    segmenter: Option<Segmenter<'a>>,
    buffer: Vec<u8>,
    /// Offset of the buffer in the source.
    base: u64,
    /// Where in the buffer the next unit begins.
    from: usize,
    /// Everything before this offset of the source was written or masked.
    written: u64,
    counts: BTreeMap<String, u64>,
    findings: Option<Vec<Finding>>,
    /// Placeholders that were given out before and where in the source their values stand. While
    /// they are collected no new number is given.
    held: Option<Vec<(String, Range<usize>)>>,
    style: Style,
    failed: bool,
}

impl ByteRedactor<'_> {
    /// Keeps every finding until [`ByteRedactor::take_findings`].
    #[must_use]
    pub fn with_findings(mut self) -> Self {
        self.findings = Some(Vec::new());
        self
    }

    /// Writes placeholders in another style.
    #[must_use]
    pub fn with_style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Takes a piece and gives what can be shown already. `None` once a rule failed: then
    /// nothing more may be shown.
    pub fn push(&mut self, piece: &[u8]) -> Option<Redacted<Vec<u8>>> {
        self.step(piece, false)
    }

    /// Gives the rest. `None` when a rule failed.
    pub fn finish(&mut self) -> Option<Redacted<Vec<u8>>> {
        self.step(&[], true)
    }

    /// How many values of which kinds were masked so far.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// The findings since the last call.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        self.findings.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn step(&mut self, piece: &[u8], last: bool) -> Option<Redacted<Vec<u8>>> {
        let mut out = Vec::with_capacity(piece.len());
        self.feed(piece, last, &mut out);
        (!self.failed).then(|| Redacted::vouch(out))
    }

    fn feed(&mut self, piece: &[u8], last: bool, out: &mut Vec<u8>) {
        if self.failed {
            return;
        }
        self.buffer.extend_from_slice(piece);
        let scanned = catch_unwind(AssertUnwindSafe(|| self.run(last, out)));
        if !matches!(scanned, Ok(Ok(()))) {
            self.failed = true;
            out.clear();
            self.buffer.clear();
        }
    }

    fn run(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), ScanError> {
        let Some(segmenter) = &mut self.segmenter else {
            return Err(ScanError("no rules".to_owned()));
        };
        self.from = segmenter.advance(&self.buffer, self.base, self.from, last)?;
        let masked = std::mem::take(&mut segmenter.masked);
        let shown = if last { self.base + self.buffer.len() as u64 } else { segmenter.shown };
        let at = |offset: u64| offset.saturating_sub(self.base) as usize;
        for Masked { range, kind, identity } in masked {
            if range.end <= self.written {
                continue;
            }
            let start = range.start.max(self.written);
            out.extend_from_slice(&self.buffer[at(self.written)..at(start)]);
            let number = (self.style == Style::Numbered).then(|| {
                let numbers = &self.redactor.shared.numbers;
                let mut hash = numbers.hasher();
                match &identity {
                    Identity::Source => hash.update(&self.buffer[at(range.start)..at(range.end)]),
                    Identity::Bytes(bytes) => hash.update(bytes),
                    Identity::Known(index) => {
                        segmenter.rules().known.secret(*index).hash_into(&mut hash)
                    }
                }
                match &mut self.held {
                    Some(held) => {
                        let number = numbers.known(hash)?;
                        let place = range.start as usize..range.end as usize;
                        held.push((placeholder::write(kind, Some(number)), place));
                        Some(number)
                    }
                    None => Some(numbers.of(hash)),
                }
            });
            let number = number.flatten();
            if self.style != Style::Remove {
                out.extend_from_slice(placeholder::write(kind, number).as_bytes());
            }
            match self.counts.get_mut(kind) {
                Some(count) => *count += 1,
                None => _ = self.counts.insert(kind.to_owned(), 1),
            }
            if let Some(findings) = &mut self.findings {
                findings.push(Finding { rule: kind.to_owned(), start, end: range.end });
            }
            self.written = range.end;
        }
        if shown > self.written {
            out.extend_from_slice(&self.buffer[at(self.written)..at(shown)]);
            self.written = shown;
        }
        let keep = self.from.saturating_sub(segment::CONTEXT).min(at(self.written.max(self.base)));
        let keep =
            if segmenter.is_inside() { self.from.saturating_sub(segment::CONTEXT) } else { keep };
        if keep > 0 && (keep > self.buffer.len() / 2 || keep > 16 * 1024) {
            self.buffer.drain(..keep);
            self.base += keep as u64;
            self.from -= keep;
        }
        Ok(())
    }
}

/// Masks a text in pieces. How it is cut changes nothing about what is masked; at most the
/// current word, what stands behind a secret-sounding name, or a private key is held back.
pub struct StreamRedactor<'a> {
    bytes: ByteRedactor<'a>,
    /// The beginning of a character.
    held: Vec<u8>,
    told: bool,
}

impl StreamRedactor<'_> {
    /// Takes a piece and gives what can be shown already. After a rule failed, one notice
    /// and then nothing.
    pub fn push(&mut self, piece: &str) -> Redacted<String> {
        let shown = self.bytes.push(piece.as_bytes());
        self.show(shown)
    }

    /// Gives the rest.
    pub fn finish(mut self) -> Redacted<String> {
        let shown = self.bytes.finish();
        self.show(shown)
    }

    /// How many values of which kinds were masked so far.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        self.bytes.counts()
    }

    fn show(&mut self, shown: Option<Redacted<Vec<u8>>>) -> Redacted<String> {
        let Some(shown) = shown else {
            let told = std::mem::replace(&mut self.told, true);
            return Redacted::vouch(if told { String::new() } else { WITHHELD.to_owned() });
        };
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(shown.get());
        // A window of a very long line may end inside a character.
        let valid = match std::str::from_utf8(&bytes) {
            Ok(_) => bytes.len(),
            Err(error) => error.valid_up_to(),
        };
        self.held = bytes.split_off(valid);
        Redacted::vouch(String::from_utf8(bytes).unwrap_or_default())
    }
}
