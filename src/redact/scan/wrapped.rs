//! Secrets that go on over a line end: terminals, mail and people wrap long lines.

use super::{BY_PLACE, BY_SHAPE, Identity, LONGEST_JOIN, Scan, is_boundary, is_varied};
use crate::redact::assign;
use crate::redact::kinds::{Kind, Looked, entropy};
use crate::redact::known::Group;
use crate::redact::marks::{self, Mark};
use crate::redact::shape::Look;
use crate::redact::view;
use std::ops::Range;

/// A line this long may have been wrapped where it ends.
const WRAPPED: usize = 20;

impl<'r> Scan<'r, '_> {
    /// Whether the line begins with a mark of a diff.
    pub(super) fn is_marked(&self, at: usize) -> bool {
        matches!(self.unit.text.get(self.line_of(at)), Some(b'+' | b'-'))
    }

    /// A known value that was wrapped.
    pub(super) fn known_joined(&mut self, at: usize, group: &Group) {
        let text = self.unit.text;
        let Some(end) = memchr::memchr(b'\n', &text[at..]).map(|end| at + end) else { return };
        if !group.agrees(&text[at..end]) {
            return;
        }
        let view = view::joined(&text[at..text.len().min(at + LONGEST_JOIN)], self.is_marked(at));
        match group.look(&view.text, 0) {
            (Look::Full(length), owner) => {
                let range = view.source(0..length);
                self.push_known(at + range.start..at + range.end, owner);
            }
            (Look::Partial, _) => self.wants_more(at),
            _ => {}
        }
    }

    pub(super) fn wants_more(&mut self, at: usize) {
        if !self.unit.last {
            self.more = true;
            self.open = self.open.min(at);
        }
    }

    /// Where a secret ends that reaches the end of its line: when lines were wrapped, the next
    /// ones hold the rest and nothing else. All but the last are as wide as the first.
    pub(super) fn over_line_ends(&mut self, start: usize, end: usize) -> usize {
        let text = self.unit.text;
        let line = self.line_of(start);
        let width = end - line;
        if width < WRAPPED
            || end - start < 8
            || view::line_break(&text[end..], false) == 0 && end + 1 < text.len()
        {
            return end;
        }
        let begins = &text[start..start + 4];
        let marked = self.is_marked(start);
        let mut done = end;
        loop {
            let gap = view::line_break(&text[done..], marked);
            let next = done + gap;
            if gap == 0 || next >= text.len() {
                if text.get(done) == Some(&b'\n') && done + 1 >= text.len() {
                    self.wants_more(start);
                }
                return done;
            }
            let is_token = |&&byte: &&u8| marks::is_run(byte) || matches!(byte, b'=' | b'.' | b'~');
            let length = text[next..].iter().take_while(is_token).count();
            let word = &text[next..next + length];
            let alone = text
                .get(next + length)
                .is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b'"' | b'\''));
            let next_width = next + length - self.line_of(next);
            // A list of tokens is no wrapped token.
            if !alone
                || length == 0
                || next_width > width
                || word.starts_with(begins)
                || done - start > LONGEST_JOIN
            {
                return done;
            }
            let digit = word.iter().any(u8::is_ascii_digit);
            let mixed =
                word.iter().any(u8::is_ascii_lowercase) && word.iter().any(u8::is_ascii_uppercase);
            if !(digit || mixed) || word.contains(&b'=') && !word.ends_with(b"=") {
                return done;
            }
            done = next + length;
            if next_width < width {
                return done;
            }
        }
    }

    /// A value of a vendor's shape that was wrapped: its exact length tells.
    pub(super) fn vendor_joined(&mut self, start: usize, kind: &'r Kind) {
        let text = self.unit.text;
        let view = view::joined(&text[start..text.len().min(start + 512)], self.is_marked(start));
        let length = view.text.iter().take_while(|&&byte| !assign::ends_value(byte)).count();
        let value = &view.text[..length];
        if kind.is_whole(value) && is_varied(value) && entropy(value) > 3.0 {
            let source = view.source(0..length);
            self.push(
                start..start + source.end,
                &kind.id,
                BY_PLACE,
                Identity::Bytes(value.to_vec()),
            );
        } else if kind.could_grow(value) {
            self.wants_more(start);
        }
    }

    /// The end of the base64 in the next line, if the line holds nothing else.
    pub(super) fn next_base64(&self, end: usize) -> Option<usize> {
        let text = self.unit.text;
        let gap = match text.get(end..end + 2)? {
            [b'\n', _] => 1,
            [b'\r', b'\n'] => 2,
            _ => return None,
        };
        let line = &text[end + gap..];
        let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let length =
            line[indent..].iter().take_while(|&&byte| marks::is_run(byte) || byte == b'=').count();
        let alone = line.get(indent + length).is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
        (length >= 4 && alone).then_some(end + gap + indent + length)
    }

    /// A token whose literal was cut by the line end before this run: what stands here of it is
    /// nearly all of it.
    pub(super) fn after_line_end(&mut self, run: &Range<usize>) {
        let text = self.unit.text;
        let line = self.line_of(run.start);
        if line < 4 || line == run.start.saturating_sub(512) || run.start - line > 40 {
            return;
        }
        let tail = &text[line.saturating_sub(20)..line];
        let tail = tail.trim_ascii_end();
        let tail = &tail[tail
            .iter()
            .rposition(|&byte| !marks::is_run(byte) && byte != b'.')
            .map_or(0, |at| at + 1)..];
        if tail.is_empty()
            || view::line_break(&text[line - 1..], self.is_marked(line - 1)) < run.start - line + 1
        {
            return;
        }
        let rules = self.rules;
        // A run is longer than any word, so that its beginning tells whether one is parted here.
        let head = &text[run.start..run.end.min(run.start + rules.marks.longest())];
        let mut hits = Vec::new();
        rules.marks.hits(&[tail, head].concat(), 0..tail.len() + head.len(), &mut hits);
        hits.retain(|hit| hit.start < tail.len() && hit.end > tail.len());
        if hits.is_empty() {
            return;
        }
        let view = view::joined(
            &text[run.start..text.len().min(run.start + LONGEST_JOIN)],
            self.is_marked(run.start),
        );
        let joined = [tail, &view.text].concat();
        for hit in hits {
            for mark in rules.marks.of(hit) {
                let Mark::Shape { kind, shape, before: (0, 0) } = *mark else { continue };
                let kind = &rules.kinds.all[kind];
                if !is_boundary(&joined, hit.start) {
                    continue;
                }
                match kind.look(&kind.shapes[shape], &joined, hit.start, |_| false) {
                    Looked::Full(end) if end > tail.len() => {
                        let source = view.source(0..end - tail.len());
                        let identity = Identity::Bytes(joined[hit.start..end].to_vec());
                        self.push(run.start..run.start + source.end, &kind.id, BY_SHAPE, identity);
                    }
                    Looked::Partial => self.wants_more(run.start),
                    _ => {}
                }
            }
        }
    }
}
