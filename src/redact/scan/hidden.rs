//! Secrets in long runs of token characters, and behind encodings.

use super::{BY_SHAPE, DEEPEST, Identity, LONGEST_WORD, Scan, Span, VEIL_CONTEXT};
use crate::redact::kinds::ScanError;
use crate::redact::marks::{self, Veil};
use crate::redact::segment;
use crate::redact::view::{self, View};
use std::ops::Range;

impl<'r> Scan<'r, '_> {
    /// Notes that text is hidden here, once for each region.
    pub(super) fn veiled(&mut self, veil: Veil, at: usize) {
        if self.veils.iter().rev().any(|&(seen, _, end)| seen == veil && at < end) {
            return;
        }
        let text = self.unit.text;
        let end = match veil {
            // Percent-encoded text holds no blank.
            Veil::Percent => {
                let stops =
                    |byte: &u8| *byte <= b' ' || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`');
                text[at..].iter().position(stops).map_or(text.len(), |length| at + length)
            }
            // Of the line that hides something; what follows is looked at in its turn.
            _ => memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length),
        };
        self.veils.push((veil, at, end));
    }

    pub(super) fn run(&mut self, run: Range<usize>) -> Result<(), ScanError> {
        if !self.rules.all {
            return Ok(());
        }
        let text = self.unit.text;
        if run.end == text.len() && !self.unit.whole {
            self.open = self.open.min(run.start);
            return Ok(());
        }
        if run.start == 0 || !marks::is_run(text[run.start - 1]) {
            self.bare(run.start);
        }
        if run.start >= 2 && text[run.start - 1] == b'.' {
            self.bare(run.start - 2);
        }
        // `/` parts the folders of a path; in base64 it parts nothing.
        if run.len() < 200 && !text[run.clone()].contains(&b'+') {
            let inner = text[run.clone()].iter().enumerate().filter(|(_, byte)| **byte == b'/');
            for (at, _) in inner.take(4) {
                if run.start + at + marks::SHORTEST_RUN < run.end {
                    self.bare(run.start + at + 1);
                }
            }
        }
        self.after_line_end(&run);
        if self.unit.depth >= DEEPEST {
            return Ok(());
        }
        let length = run.end - run.start;
        let covered = |span: &Span<'_>| {
            span.rank >= BY_SHAPE && span.range.start <= run.start && span.range.end >= run.end
        };
        if self.spans.iter().rev().take(super::RECENT).any(covered) {
            return Ok(());
        }
        if length >= 32
            && let Some(view) = view::hexadecimal(text, run.clone())
        {
            self.through(&view, 0, run.start)?;
        }
        if length >= 24
            && run.start >= self.decoded
            && let Some(view) = view::base64(text, run.clone())
        {
            // Encoders wrap their lines: the next one may go on.
            let mut whole = run.clone();
            while let Some(next) = self.next_base64(whole.end) {
                whole.end = next;
            }
            if whole.end == text.len() && !text.ends_with(b"\n")
                || whole.end + 1 >= text.len() && length >= 48
            {
                self.wants_more(run.start);
            }
            let joined = if whole == run { None } else { view::base64(text, whole.clone()) };
            match joined {
                Some(joined) => {
                    self.decoded = whole.end;
                    self.through(&joined, 0, run.start)?;
                }
                // What follows is no part of it: then the line stands for itself.
                None => self.through(&view, 0, run.start)?,
            }
        }
        Ok(())
    }

    /// Shapes whose literal is too short to search for.
    pub(super) fn bare(&mut self, start: usize) {
        let Some(&first) = self.unit.text.get(start) else { return };
        let rules = self.rules;
        for bare in rules.marks.bare(first) {
            self.shape(start, bare.kind, bare.shape);
        }
    }

    /// Takes off what hides text in this unit.
    pub(super) fn unveil(&mut self) -> Result<(), ScanError> {
        let text = self.unit.text;
        for (veil, at, end) in std::mem::take(&mut self.veils) {
            let word = self.unit.start.max(at.saturating_sub(LONGEST_WORD));
            let stops = |&byte: &u8| byte <= b' ' && byte != 0x1b;
            let word = text[word..at].iter().rposition(stops).map_or(word, |gap| word + gap + 1);
            if !self.unit.whole {
                self.open = self.open.min(word);
                continue;
            }
            if self.unit.depth >= DEEPEST {
                continue;
            }
            let from = self.line_of(at).max(word.saturating_sub(VEIL_CONTEXT));
            let view = view::unveil(&text[from..end], veil);
            self.through(&view, from, word)?;
        }
        Ok(())
    }

    /// Scans a view, and masks in the source what it shows from `first` on.
    pub(super) fn through(
        &mut self,
        view: &View,
        from: usize,
        first: usize,
    ) -> Result<(), ScanError> {
        let found = segment::all(self.rules, &view.text, self.unit.depth + 1)?;
        for span in found {
            let source = view.source(span.range.clone());
            let source = from + source.start..from + source.end;
            if source.end <= first {
                continue;
            }
            let identity = match span.identity {
                Identity::Source => Identity::Bytes(view.text[span.range].to_vec()),
                other => other,
            };
            // The plain text was judged first; a view only adds.
            let inside =
                |seen: &Span<'_>| seen.range.start <= source.start && seen.range.end >= source.end;
            if !self.spans.iter().rev().take(super::RECENT).any(inside) {
                self.push(source.start.max(first)..source.end, span.kind, span.rank, identity);
            }
        }
        Ok(())
    }
}
