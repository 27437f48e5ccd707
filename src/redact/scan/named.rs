//! Secrets told by the name before them.

use super::{BY_NAME, BY_PLACE, Identity, Scan, Span, is_varied};
use crate::redact::assign::{self, Around, Read};
use crate::redact::kinds::entropy;
use crate::redact::marks::{self, Hit};
use crate::redact::names::{self, Named, Sensitivity};
use crate::redact::structure;
use crate::redact::value::{self, Place};
use std::ops::Range;

impl<'r> Scan<'r, '_> {
    /// Reads the name that a hit lies in, once.
    pub(super) fn read_name(&mut self, hit: Hit) {
        if let Some((name, ..)) = &self.named
            && hit.start >= name.start
            && hit.end <= name.end
        {
            return;
        }
        let line = self.line_of(hit.start);
        let around = Around { text: self.unit.text, line, whole: self.unit.whole };
        let mut name = assign::name_at(around, hit.start, hit.end);
        for span in self.spans.iter().rev().take(4) {
            if span.range.end <= hit.start {
                name.start = name.start.max(span.range.end);
            }
        }
        let judged = names::judge(&self.unit.text[name.clone()]);
        let strong = judged.is_some_and(|named| named.sensitivity == Sensitivity::Strong);
        let cookie = judged.is_some_and(|named| named.kind == "cookie");
        let read = assign::read(around, name.clone(), strong, cookie);
        self.named = Some((name, judged, read));
    }

    pub(super) fn name(&mut self, hit: Hit) {
        if self.judged.start <= hit.start && hit.end <= self.judged.end
            || !assign::may_follow(self.unit.text, hit.end, self.unit.whole)
        {
            return;
        }
        // The attack: names glued together, each the value of the one before it, to the end of the
        // window. What such a name stands behind is masked already.
        let covers = |span: &Span<'_>| {
            span.range.contains(&hit.start) && span.range.len() >= assign::LONGEST_VALUE
        };
        if self.spans.last().is_some_and(covers) {
            return;
        }
        self.read_name(hit);
        let Some((name, judged, read)) = self.named.clone() else { return };
        self.judged = name.clone();
        let Some(named) = judged.or_else(|| {
            is_mnemonic_name(&self.unit.text[name.clone()])
                .then_some(Named { sensitivity: Sensitivity::Strong, kind: "mnemonic" })
        }) else {
            return;
        };
        match read {
            Read::Nothing => {}
            Read::Open(at) => self.open = self.open.min(at),
            Read::Below(at) => self.below(named, at),
            Read::Value(assigned) => {
                let text = &self.unit.text[assigned.value.clone()];
                if named.kind == "mnemonic" {
                    let rest = &self.unit.text[assigned.value.start..];
                    let stops = |byte: &u8| !(byte.is_ascii_lowercase() || *byte == b' ');
                    let words = &rest[..rest.iter().position(stops).unwrap_or(rest.len())];
                    if structure::mnemonic(words) {
                        let start = assigned.value.start;
                        self.push(
                            start..start + words.len(),
                            "mnemonic",
                            BY_PLACE,
                            Identity::Source,
                        );
                    }
                    return;
                }
                if assigned.is_call || self.holds_standing(&assigned.value) {
                    return;
                }
                let value = String::from_utf8_lossy(text);
                // `Server=db;Pwd=…`
                let in_list = assigned.place.glued
                    && name.start > 0
                    && self.unit.text[name.start - 1] == b';';
                let named = match named.kind {
                    "password" if in_list => Named { sensitivity: Sensitivity::Strong, ..named },
                    _ => named,
                };
                let secret = match assigned.place.loose {
                    true => is_random(text) && !value::is_exempt(&value),
                    false => value::is_secret(named, assigned.place, &value),
                };
                if secret {
                    let mut value = assigned.value;
                    if assigned.is_cut {
                        // FAIL CLOSED: it was judged by its first word, and is masked as far as
                        // it is known.
                        value.end = self.unit.text.len();
                    } else if !assigned.place.quoted {
                        // INVARIANT (no remainder): it was judged by its beginning.
                        let rest = &self.unit.text[value.end..];
                        if value.len() >= assign::LONGEST_VALUE {
                            let length = rest.iter().position(|&byte| assign::ends_value(byte));
                            value.end += length.unwrap_or(rest.len());
                        }
                        value.end = self.over_line_ends(value.start, value.end);
                    }
                    self.push(value, named.kind, BY_NAME, Identity::Source);
                }
            }
        }
    }

    pub(super) fn holds_standing(&self, range: &Range<usize>) -> bool {
        let before = self.standing.partition_point(|placed| placed.start < range.end);
        before > 0 && self.standing[before - 1].end > range.start
    }

    /// The value stands in the next line, as in a block of YAML.
    pub(super) fn below(&mut self, named: Named, at: usize) {
        let text = self.unit.text;
        if at >= text.len() {
            return self.wants_more(at.min(text.len()));
        }
        let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |end| at + end);
        let line = &text[at..end];
        let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let word = line.trim_ascii();
        let start = at + indent;
        if indent == 0 || word.iter().any(|&byte| assign::ends_value(byte)) || word.ends_with(b":")
        {
            return;
        }
        let place = Place {
            quoted: false,
            glued: false,
            leading: false,
            ends_line: true,
            bare_scheme: false,
            loose: false,
            in_query: false,
        };
        let named = Named { sensitivity: Sensitivity::Weak, ..named };
        if value::is_secret(named, place, &String::from_utf8_lossy(word)) {
            self.push(start..start + word.len(), named.kind, BY_NAME, Identity::Source);
        }
    }

    pub(super) fn vendor(&mut self, hit: Hit, kind: usize) {
        if !assign::may_follow(self.unit.text, hit.end, self.unit.whole) {
            return;
        }
        self.read_name(hit);
        let Some((name, _, read)) = self.named.clone() else { return };
        match read {
            Read::Open(at) => self.open = self.open.min(at),
            Read::Value(assigned) if !assigned.is_call && !assigned.place.loose => {
                let rules = self.rules;
                let kind = &rules.kinds.all[kind];
                let value = &self.unit.text[assigned.value.clone()];
                let about = || names::is_about(&self.unit.text[name.clone()]);
                if value.len() >= 12 && kind.is_whole(value) && is_varied(value) && !about() {
                    self.push(assigned.value, &kind.id, BY_PLACE, Identity::Source);
                } else if self.unit.text.get(assigned.value.end) == Some(&b'\n')
                    && value.len() >= 2
                    && !about()
                {
                    self.vendor_joined(assigned.value.start, kind);
                }
            }
            _ => {}
        }
    }

    pub(super) fn scheme(&mut self, hit: Hit) {
        let text = self.unit.text;
        if hit.start > 0 && text[hit.start - 1].is_ascii_alphanumeric() {
            return;
        }
        let start = hit.end + text[hit.end..].iter().take_while(|&&byte| byte == b' ').count();
        let length = text[start..].iter().take_while(|&&byte| !assign::ends_value(byte)).count();
        if start + length == text.len() && !self.unit.whole {
            self.open = self.open.min(start);
            return;
        }
        let basic = text[hit.start].eq_ignore_ascii_case(&b'b')
            && text[hit.start + 1].eq_ignore_ascii_case(&b'a');
        let kind = if basic { "authorization" } else { "token" };
        let place = Place {
            quoted: false,
            glued: false,
            leading: false,
            ends_line: false,
            bare_scheme: true,
            loose: false,
            in_query: false,
        };
        let named = Named { sensitivity: Sensitivity::Weak, kind };
        let mut end = start + length;
        while end > start && matches!(text[end - 1], b'\\' | b'.') {
            end -= 1;
        }
        if value::is_secret(named, place, &String::from_utf8_lossy(&text[start..end])) {
            self.push(start..end, kind, BY_NAME, Identity::Source);
        }
    }
}

fn is_mnemonic_name(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    [
        b"mnemonic".as_slice(),
        b"seedphrase",
        b"seed_phrase",
        b"seed-phrase",
        b"recovery_phrase",
        b"phrase",
    ]
    .iter()
    .any(|word| lower.ends_with(word))
}

/// Letters of both cases and digits without a pattern: nobody writes that as a word.
fn is_random(value: &[u8]) -> bool {
    value.len() >= 20
        && value.iter().any(u8::is_ascii_digit)
        && value.iter().any(u8::is_ascii_lowercase)
        && value.iter().any(u8::is_ascii_uppercase)
        && value.iter().all(|&byte| marks::is_run(byte) || matches!(byte, b'=' | b'.' | b'~'))
        && entropy(value) > 3.6
}
