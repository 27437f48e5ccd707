//! The redactor: the one way from text that may hold secrets to [`Redacted`].
//!
//! Turning redaction off is a setting of this type, not a way around it; known values are
//! masked even then. FAIL CLOSED: a rule that fails or panics withholds the whole text.

use super::kinds::{Kinds, ScanError};
use super::known::{Event, Known};
use super::machine::{Machine, Report};
use super::names::{self, Named};
use super::placeholder::{self, Numbers};
use super::value;
use super::{Raw, Redacted, Secret};
use serde_json::{Map, Value};
use sha2::Digest;
use std::collections::{BTreeMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

/// What stands in the place of a text that could not be scanned.
const WITHHELD: &str = "[text withheld: the redactor failed on it]";

/// One place that was, or would be, masked. Byte offsets in the source.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The kind of secret, as in the placeholder.
    pub rule: String,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

struct Shared {
    known: Known,
    numbers: Numbers,
    kinds: fn() -> Result<&'static Kinds, ScanError>,
    /// Kinds that a placeholder can have; filled at the first scan.
    placeholders: OnceLock<HashSet<String>>,
}

/// Masks secrets. Cheap to make and to clone, usable from several threads; clones share
/// the numbers of their placeholders.
#[derive(Clone)]
pub struct Redactor {
    shared: Arc<Shared>,
    enabled: bool,
    numbered: bool,
}

impl Redactor {
    /// With the shipped kinds, plus values known to be secret (label, value). With
    /// `enabled` off, known values alone are masked.
    pub fn new(enabled: bool, known: Vec<(String, Secret)>) -> Self {
        Redactor::with_kinds(enabled, known, Kinds::shipped)
    }

    pub(in crate::redact) fn with_kinds(
        enabled: bool,
        known: Vec<(String, Secret)>,
        kinds: fn() -> Result<&'static Kinds, ScanError>,
    ) -> Self {
        let (known, numbers) = (Known::new(known), Numbers::new());
        let shared = Arc::new(Shared { known, numbers, kinds, placeholders: OnceLock::new() });
        Redactor { shared, enabled, numbered: true }
    }

    /// The same redactor for logs that outlive the conversation: always on, and its
    /// placeholders carry no number, which would mean nothing there.
    #[must_use]
    pub fn for_log(&self) -> Redactor {
        Redactor { shared: Arc::clone(&self.shared), enabled: true, numbered: false }
    }

    /// Masks a text.
    pub fn text(&self, text: &str) -> Redacted<String> {
        Redacted::vouch(self.mask(text))
    }

    /// Masks a text from outside.
    pub fn raw(&self, raw: Raw<String>) -> Redacted<String> {
        self.text(&raw.into_inner())
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
        let mut stream = self.stream().with_findings();
        let _ = stream.push(text);
        stream.end();
        if stream.failed {
            return vec![Finding { rule: "withheld".to_owned(), start: 0, end: text.len() }];
        }
        stream.take_findings()
    }

    /// A redactor for text that arrives in pieces.
    pub fn stream(&self) -> StreamRedactor<'_> {
        let machine = match self.enabled.then(self.shared.kinds) {
            Some(Ok(kinds)) => Ok(Some(Machine::new(kinds, &self.shared.numbers, self.numbered))),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        let failed = machine.is_err() || self.shared.known.broken;
        StreamRedactor {
            redactor: self,
            buffer: String::new(),
            machine: machine.ok().flatten(),
            plain: String::new(),
            pos: 0,
            report: Report::default(),
            failed,
            told: false,
        }
    }

    fn mask(&self, text: &str) -> String {
        let mut stream = self.stream();
        let mut out = stream.advance(text);
        out.push_str(&stream.end());
        // Nothing of a text whose scan failed is shown, not even the part before.
        if stream.failed { WITHHELD.to_owned() } else { out }
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
                let named = key.filter(|_| self.enabled).and_then(names::judge);
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
        let judged_before = self.holds_placeholder(text);
        if judged_before || value::is_exempt(secret) || names::judge(secret).is_some() {
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
        let kinds = self.placeholders();
        text.match_indices('[').any(|(at, _)| {
            let rest = text.get(at..).unwrap_or_default();
            matches!(placeholder::read(rest, kinds), placeholder::Reading::Whole(_))
        })
    }

    /// Whether nothing but a scheme stands beside the placeholder.
    fn is_masked_whole(&self, masked: &str) -> bool {
        let secret = masked.get(value::scheme_len(masked)..).unwrap_or_default().trim();
        let kinds = self.placeholders();
        placeholder::read(secret, kinds) == placeholder::Reading::Whole(secret.len())
    }

    fn placeholders(&self) -> &HashSet<String> {
        self.shared.placeholders.get_or_init(|| {
            let mut kinds: HashSet<String> = self.shared.known.kinds().map(str::to_owned).collect();
            kinds.extend(names::KINDS.iter().map(|kind| (*kind).to_owned()));
            kinds.insert("private-key".to_owned());
            if let Ok(shipped) = (self.shared.kinds)() {
                kinds.extend(shipped.ids().map(str::to_owned));
            }
            kinds
        })
    }
}

/// Masks a text in pieces. How it is cut changes nothing about what is masked; at most the
/// current word, a value behind a secret-sounding name, or a private key is held back.
pub struct StreamRedactor<'a> {
    redactor: &'a Redactor,
    buffer: String,
    /// `None` when only known values are masked.
    machine: Option<Machine<'a>>,
    plain: String,
    pos: usize,
    report: Report,
    failed: bool,
    told: bool,
}

impl StreamRedactor<'_> {
    /// Keeps every finding until [`StreamRedactor::take_findings`].
    #[must_use]
    pub fn with_findings(mut self) -> Self {
        self.report.findings = Some(Vec::new());
        if let Some(machine) = &mut self.machine {
            machine.report.findings = Some(Vec::new());
        }
        self
    }

    /// Takes a piece and gives what can be shown already. After a rule failed, one notice
    /// and then nothing.
    pub fn push(&mut self, piece: &str) -> Redacted<String> {
        let out = self.advance(piece);
        Redacted::vouch(self.or_notice(out))
    }

    /// Gives the rest.
    pub fn finish(mut self) -> Redacted<String> {
        let out = self.end();
        Redacted::vouch(self.or_notice(out))
    }

    /// How many values of which kinds were masked so far.
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        self.machine.as_ref().map_or(&self.report.counts, |machine| &machine.report.counts)
    }

    /// The findings since the last call. One inside a value that is still open may be
    /// followed by the finding of the whole value.
    pub fn take_findings(&mut self) -> Vec<Finding> {
        let report = match &mut self.machine {
            Some(machine) => &mut machine.report,
            None => &mut self.report,
        };
        report.findings.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn or_notice(&mut self, out: String) -> String {
        match self.failed {
            false => out,
            true if std::mem::replace(&mut self.told, true) => String::new(),
            true => WITHHELD.to_owned(),
        }
    }

    fn advance(&mut self, piece: &str) -> String {
        self.buffer.push_str(piece);
        self.guarded(false)
    }

    fn end(&mut self) -> String {
        self.guarded(true)
    }

    fn guarded(&mut self, last: bool) -> String {
        if self.failed {
            return String::new();
        }
        let scanned = catch_unwind(AssertUnwindSafe(|| self.run(last)));
        match scanned {
            Ok(Ok(out)) => out,
            Ok(Err(_)) | Err(_) => {
                self.failed = true;
                String::new()
            }
        }
    }

    fn run(&mut self, last: bool) -> Result<String, ScanError> {
        let redactor = self.redactor;
        let kinds = redactor.placeholders();
        let buffer = std::mem::take(&mut self.buffer);
        let mut fault = Ok(());
        let done = redactor.shared.known.drain(&buffer, last, kinds, |event| {
            if fault.is_ok() {
                fault = self.take_event(event);
            }
        });
        fault?;
        self.buffer.push_str(buffer.get(done..).unwrap_or_default());
        match &mut self.machine {
            Some(machine) => {
                if last {
                    machine.finish()?;
                }
                Ok(machine.take())
            }
            None => Ok(std::mem::take(&mut self.plain)),
        }
    }

    fn take_event(&mut self, event: Event<'_>) -> Result<(), ScanError> {
        let (text, source, found) = match event {
            Event::Text(text) => {
                self.pos += text.len();
                match &mut self.machine {
                    Some(machine) => machine.feed(text)?,
                    None => self.plain.push_str(text),
                }
                return Ok(());
            }
            Event::Placeholder(text) => (text.to_owned(), text.len(), None),
            Event::Value(kind, secret, source) => {
                let numbers = &self.redactor.shared.numbers;
                let number = self.redactor.numbered.then(|| {
                    let mut hash = numbers.hasher();
                    secret.hash_into(&mut hash);
                    numbers.of(hash)
                });
                (placeholder::write(kind, number), source, Some(kind))
            }
        };
        match &mut self.machine {
            Some(machine) => machine.feed_placeholder(&text, source, found.is_some())?,
            None => self.plain.push_str(&text),
        }
        if let Some(kind) = found {
            let report = self.machine.as_mut().map_or(&mut self.report, |m| &mut m.report);
            report.add(kind, self.pos, self.pos + source);
        }
        self.pos += source;
        Ok(())
    }
}
