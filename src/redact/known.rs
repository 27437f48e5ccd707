//! Values that are known to be secret, masked exactly wherever they stand and in the
//! encodings that programs commonly print them in.
//!
//! The first stage of every scan, also when redaction of unknown secrets is off. It holds
//! back only a suffix that can still become a known value. Read `machine` next.
#![expect(clippy::disallowed_methods, reason = "masking a value takes the value")]

use super::Secret;
use super::placeholder::{self, Reading};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::HashSet;
use zeroize::Zeroizing;

/// Shorter values would mask ordinary words.
const SHORTEST: usize = 6;

/// Words that stand in for a value; masking them would only damage text.
const NOT_SECRET: &[&str] =
    &["changeme", "default", "disabled", "enabled", "example", "password", "secret", "undefined"];

/// The known values, ready to be looked for.
pub(in crate::redact) struct Known {
    automaton: Option<AhoCorasick>,
    /// For each pattern of the automaton, the value that it is a form of.
    owners: Vec<usize>,
    values: Vec<(String, Secret)>,
    /// All patterns, sorted, to tell whether a suffix can still become one.
    sorted: Vec<Zeroizing<String>>,
    longest: usize,
    starts: [bool; 256],
    /// Whether the automaton could not be built. FAIL CLOSED: every text is withheld.
    pub(in crate::redact) broken: bool,
}

/// What the first stage found next.
pub(in crate::redact) enum Event<'a> {
    /// Text for the next stage.
    Text(&'a str),
    /// A known value: its kind, the value, and how many bytes of source it took.
    Value(&'a str, &'a Secret, usize),
    /// A placeholder that stands there already.
    Placeholder(&'a str),
}

impl Known {
    pub(in crate::redact) fn new(values: Vec<(String, Secret)>) -> Self {
        let values: Vec<(String, Secret)> = values
            .into_iter()
            .map(|(label, secret)| (placeholder::slug(&label), secret))
            .filter(|(_, secret)| is_worth_masking(secret.expose()))
            .collect();
        let mut forms: Vec<(Zeroizing<String>, usize)> = Vec::new();
        for (index, (_, secret)) in values.iter().enumerate() {
            forms.extend(encodings(secret.expose()).into_iter().map(|form| (form, index)));
        }
        forms.sort_by(|a, b| a.0.cmp(&b.0));
        forms.dedup_by(|a, b| a.0 == b.0);
        let mut starts = [false; 256];
        for first in forms.iter().filter_map(|(form, _)| form.as_bytes().first()) {
            starts[usize::from(*first)] = true;
        }
        let (sorted, owners): (Vec<_>, Vec<_>) = forms.into_iter().unzip();
        let built = (!sorted.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build(sorted.iter().map(|form| form.as_bytes()))
        });
        let broken = matches!(built, Some(Err(_)));
        let longest = sorted.iter().map(|form| form.len()).max().unwrap_or(0);
        let automaton = built.and_then(Result::ok);
        Known { automaton, owners, values, sorted, longest, starts, broken }
    }

    /// The kinds that placeholders of known values have.
    pub(in crate::redact) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(kind, _)| kind.as_str())
    }

    /// Hands on all that is decided in `buffer`, and tells how many bytes that was. What
    /// follows can still become a known value or a placeholder; with `last` nothing can.
    pub(in crate::redact) fn drain<'a>(
        &'a self,
        buffer: &'a str,
        last: bool,
        kinds: &HashSet<String>,
        mut each: impl FnMut(Event<'a>),
    ) -> usize {
        let mut from = 0;
        loop {
            let hold = if last { buffer.len() } else { self.hold(buffer, from, kinds) };
            let value = self.automaton.as_ref().and_then(|automaton| {
                automaton.find(aho_corasick::Input::new(buffer).range(from..))
            });
            let value_at = value.as_ref().map_or(usize::MAX, |found| found.start());
            let standing = next_placeholder(buffer, from, value_at.min(hold), kinds);
            let (start, end) = match (&standing, &value) {
                (Some((start, end)), _) => (*start, *end),
                (None, Some(found)) if found.start() < hold => (found.start(), found.end()),
                _ => {
                    if let Some(text) = buffer.get(from..hold).filter(|text| !text.is_empty()) {
                        each(Event::Text(text));
                    }
                    return hold;
                }
            };
            if let Some(text) = buffer.get(from..start).filter(|text| !text.is_empty()) {
                each(Event::Text(text));
            }
            let owner = match standing {
                Some(_) => None,
                None => value.and_then(|found| self.owners.get(found.pattern().as_usize())),
            };
            match owner.and_then(|&owner| self.values.get(owner)) {
                Some((kind, secret)) => each(Event::Value(kind, secret, end - start)),
                None => each(Event::Placeholder(buffer.get(start..end).unwrap_or_default())),
            }
            from = end;
        }
    }

    /// Where the longest suffix begins that can still become a known value or a placeholder.
    fn hold(&self, buffer: &str, from: usize, kinds: &HashSet<String>) -> usize {
        let bytes = buffer.as_bytes();
        let reach = self.longest.max(64);
        let first = from.max(buffer.len().saturating_sub(reach));
        for at in first..bytes.len() {
            let Some(&byte) = bytes.get(at) else { break };
            let starts = self.starts.get(usize::from(byte)).copied().unwrap_or(false);
            if !(starts || byte == b'[') {
                continue;
            }
            let Some(suffix) = buffer.get(at..) else { continue };
            if byte == b'[' && placeholder::read(suffix, kinds) == Reading::Partial {
                return at;
            }
            if starts && self.may_become_a_value(suffix) {
                return at;
            }
        }
        buffer.len()
    }

    fn may_become_a_value(&self, suffix: &str) -> bool {
        let at = self.sorted.partition_point(|form| form.as_str() <= suffix);
        self.sorted.get(at).is_some_and(|form| form.starts_with(suffix))
    }
}

/// The first placeholder that begins in `from..before`.
fn next_placeholder(
    buffer: &str,
    from: usize,
    before: usize,
    kinds: &HashSet<String>,
) -> Option<(usize, usize)> {
    let mut at = from;
    while let Some(found) = buffer.get(at..).and_then(|rest| rest.find('[')) {
        at += found;
        if at >= before {
            return None;
        }
        if let Reading::Whole(length) = placeholder::read(buffer.get(at..)?, kinds) {
            return Some((at, at + length));
        }
        at += 1;
    }
    None
}

fn is_worth_masking(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    value.len() >= SHORTEST && !value.trim().is_empty() && !NOT_SECRET.contains(&lower.as_str())
}

/// Every form of a value that is looked for, the plain one included.
fn encodings(value: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![value.to_owned(), value.trim().to_owned()];
    let lines = value.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    if value.contains('\n') {
        forms.extend(lines.map(str::to_owned));
    }
    let json = |text: &str| {
        let quoted = serde_json::Value::from(text).to_string();
        quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned()
    };
    let once = json(value);
    // A value may itself end in an escaped quote; then the form without it is useless.
    forms.push(json(&once));
    forms.push(once);
    for upper in [true, false] {
        let percent = percent(value, upper);
        forms.push(percent.replace("%20", "+"));
        forms.push(percent);
        let digits = value.bytes().map(|byte| hex(byte, upper));
        forms.push(digits.collect());
    }
    forms.push(value.replace('\'', "'\\''"));
    let html = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    forms.push(html.replace('"', "&quot;"));
    // In base64 a value looks different at each of three offsets; the characters that its
    // neighbours have a share in are left out.
    for offset in 0..3 {
        let mut padded = vec![0; offset];
        padded.extend_from_slice(value.as_bytes());
        let usable = padded.len() * 4 / 3;
        let skipped = [0, 2, 3].get(offset).copied().unwrap_or(0);
        for engine in [&STANDARD, &URL_SAFE] {
            let encoded = engine.encode(&padded);
            forms.push(encoded.get(skipped..usable).unwrap_or_default().to_owned());
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms.into_iter().map(Zeroizing::new).collect()
}

fn hex(byte: u8, upper: bool) -> String {
    if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }
}

fn percent(value: &str, upper: bool) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                out.push_str(&hex(byte, upper));
            }
        }
    }
    out
}
