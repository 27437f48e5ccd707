//! Values that are known to be secret, masked exactly wherever they stand and in the
//! encodings that programs commonly print them in.
//!
//! They are masked also when redaction of unknown secrets is off. Grouped by how they begin,
//! because that is what `marks` searches for; the rest is compared here, byte by byte.
#![expect(clippy::disallowed_methods, reason = "masking a value takes the value")]

use super::shape::Look;
use super::{Secret, placeholder};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Shorter values would mask ordinary words.
const SHORTEST: usize = 6;
/// How many bytes of a form are searched for.
const BEGINNING: usize = 8;

/// Words that stand in for a value; masking them would only damage text.
const NOT_SECRET: &[&str] =
    &["changeme", "default", "disabled", "enabled", "example", "password", "secret", "undefined"];

/// The known values, ready to be looked for.
pub(in crate::redact) struct Known {
    values: Vec<(String, Secret)>,
    groups: Vec<Group>,
}

/// All forms with one beginning, longest first.
pub(in crate::redact) struct Group {
    beginning: Vec<u8>,
    forms: Vec<(Zeroizing<String>, usize)>,
}

impl Group {
    /// The first bytes, in lower case.
    pub(in crate::redact) fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// Looks for the longest form at one place of a text, and tells whose it is.
    pub(in crate::redact) fn look(&self, text: &[u8], at: usize) -> (Look, usize) {
        let here = &text[at..];
        let mut told = (Look::No(at), 0);
        for (form, owner) in &self.forms {
            let form = form.as_bytes();
            if here.len() < form.len() {
                if form.starts_with(here) {
                    told = (Look::Partial, *owner);
                }
            } else if here.starts_with(form) {
                // A longer form that can still come is the same secret or a longer one.
                return match told.0 {
                    Look::Partial => told,
                    _ => (Look::Full(at + form.len()), *owner),
                };
            }
        }
        told
    }

    /// Whether a form begins with these bytes.
    pub(in crate::redact) fn agrees(&self, start: &[u8]) -> bool {
        self.forms.iter().any(|(form, _)| form.as_bytes().starts_with(start))
    }

    /// The longest form that is complete.
    pub(in crate::redact) fn complete(&self, text: &[u8], at: usize) -> Option<(usize, usize)> {
        let here = &text[at..];
        let found = self.forms.iter().find(|(form, _)| here.starts_with(form.as_bytes()))?;
        Some((at + found.0.len(), found.1))
    }
}

impl Known {
    pub(in crate::redact) fn new(values: Vec<(String, Secret)>) -> Self {
        let values: Vec<(String, Secret)> = values
            .into_iter()
            .map(|(label, secret)| (placeholder::slug(&label), secret))
            .filter(|(_, secret)| is_worth_masking(secret.expose()))
            .collect();
        let mut groups: BTreeMap<Vec<u8>, Vec<(Zeroizing<String>, usize)>> = BTreeMap::new();
        for (index, (_, secret)) in values.iter().enumerate() {
            for form in encodings(secret.expose()) {
                let beginning = form.as_bytes()[..form.len().min(BEGINNING)].to_ascii_lowercase();
                groups.entry(beginning).or_default().push((form, index));
            }
        }
        let groups = groups
            .into_iter()
            .map(|(beginning, mut forms)| {
                forms.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
                forms.dedup_by(|a, b| a.0 == b.0);
                Group { beginning, forms }
            })
            .collect();
        Known { values, groups }
    }

    /// The labels, which name the placeholders.
    pub(in crate::redact) fn labels(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(label, _)| label.as_str())
    }

    /// The label of a value by its index.
    pub(in crate::redact) fn label(&self, index: usize) -> &str {
        &self.values[index].0
    }

    /// A value by its index.
    pub(in crate::redact) fn secret(&self, index: usize) -> &Secret {
        &self.values[index].1
    }

    /// All forms, by how they begin.
    pub(in crate::redact) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Where the longest suffix of a text begins that can still become a form. Looked for only
    /// among forms that hold a blank: no other can go on behind one.
    pub(in crate::redact) fn open_suffix(&self, text: &[u8]) -> Option<usize> {
        let spaced = self
            .groups
            .iter()
            .flat_map(|group| &group.forms)
            .filter(|(form, _)| form.bytes().any(|byte| byte.is_ascii_whitespace()));
        let longest = |form: &[u8]| {
            (1..form.len().min(text.len() + 1))
                .rev()
                .find(|&length| text.ends_with(&form[..length]))
        };
        spaced
            .filter_map(|(form, _)| longest(form.as_bytes()))
            .max()
            .map(|length| text.len() - length)
    }
}

fn is_worth_masking(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    value.len() >= SHORTEST && !value.trim().is_empty() && !NOT_SECRET.contains(&lower.as_str())
}

/// Every form of a value that is looked for, the plain one included.
fn encodings(value: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![value.to_owned(), value.trim().to_owned()];
    // Lines are looked at one by one, so a form with a line end in it would never be found.
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
    // As encoders write it that make JSON fit for a page.
    let escaped =
        |form: &str| form.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    forms.push(escaped(&json(value)));
    forms.push(json(value).replace('/', "\\/"));
    forms.retain(|form| form.len() >= SHORTEST && !form.contains('\n'));
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
