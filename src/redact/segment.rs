//! Cuts a stream into units and tells which part of it is decided.
//!
//! A unit is a line, a few lines when a token goes on over their ends, or a window of a very
//! long line. INVARIANT (chunking): where units begin and end depends on the source alone,
//! never on how it arrived. Of a line that is not all there, what stands before its last blank
//! is decided early, if nothing in it is open, so that live text stays live. Private keys run
//! over many lines and are followed here.

use super::kinds::ScanError;
use super::marks::{self, Hit, Mark};
use super::pem::{self, Line, Pem};
use super::rules::Rules;
use super::scan::{self, Found, Identity, Span, Unit};
use std::ops::Range;

/// A longer line is read in windows of this size.
const WINDOW: usize = 40 * 1024;
/// How far windows lie apart; what begins in the overlap is left to the next one.
const STEP: usize = 32 * 1024;
/// Most lines that are read as one unit.
const MOST_LINES: usize = 64;
/// No unit of several lines grows beyond this.
const LONGEST_JOINED: usize = 24 * 1024;
/// How much of one further line is at hand.
const LOOK_AHEAD: usize = 4 * 1024;
/// How much of an unfinished line is looked at for what can be shown early.
const LIVE: usize = 4 * 1024;
/// Bytes before a unit that must stay at hand.
pub(in crate::redact) const CONTEXT: usize = 1024;

/// A secret in the source, which may have begun in text that is gone.
#[derive(Debug)]
pub(in crate::redact) struct Masked<'r> {
    pub(in crate::redact) range: Range<u64>,
    pub(in crate::redact) kind: &'r str,
    pub(in crate::redact) identity: Identity,
}

/// The rest of a secret that is longer than a window.
struct Spill<'r> {
    masked: Masked<'r>,
    /// The quote that ends it; without one the first byte that no token holds does.
    quote: Option<u8>,
}

/// Follows one stream.
pub(in crate::redact) struct Segmenter<'r> {
    rules: &'r Rules,
    depth: u8,
    pem: Option<Pem>,
    /// A BEGIN line that turned out to be talk.
    talk: Option<u64>,
    spill: Option<Spill<'r>>,
    /// Everything before this offset is decided.
    pub(in crate::redact) shown: u64,
    hits: Vec<Hit>,
    runs: Vec<Range<usize>>,
    pub(in crate::redact) masked: Vec<Masked<'r>>,
}

/// All secrets of a text, in order and apart.
pub(in crate::redact) fn all<'r>(
    rules: &'r Rules,
    text: &[u8],
    depth: u8,
) -> Result<Vec<Span<'r>>, ScanError> {
    let mut segmenter = Segmenter::new(rules, depth);
    segmenter.advance(text, 0, 0, true)?;
    Ok(segmenter
        .masked
        .into_iter()
        .map(|masked| {
            let range = masked.range.start as usize..masked.range.end as usize;
            Span::new(range, masked.kind, masked.identity)
        })
        .collect())
}

impl<'r> Segmenter<'r> {
    pub(in crate::redact) fn new(rules: &'r Rules, depth: u8) -> Self {
        Segmenter {
            rules,
            depth,
            pem: None,
            talk: None,
            spill: None,
            shown: 0,
            hits: Vec::new(),
            runs: Vec::new(),
            masked: Vec::new(),
        }
    }

    /// What it looks for.
    pub(in crate::redact) fn rules(&self) -> &'r Rules {
        self.rules
    }

    /// Whether it is inside a secret whose text need not be kept.
    pub(in crate::redact) fn is_inside(&self) -> bool {
        self.spill.is_some() || self.pem.as_ref().is_some_and(|pem| pem.established)
    }

    /// Reads on. `text` begins at offset `base` of the source; units begin at `from`. Gives
    /// where the next unit begins; nothing before it but [`CONTEXT`] bytes is needed again.
    pub(in crate::redact) fn advance(
        &mut self,
        text: &[u8],
        base: u64,
        mut from: usize,
        last: bool,
    ) -> Result<usize, ScanError> {
        let (mut hits, mut runs) = (std::mem::take(&mut self.hits), std::mem::take(&mut self.runs));
        self.rules.marks.hits(text, from..text.len(), &mut hits);
        marks::runs(text, from..text.len(), &mut runs);
        runs.retain(|run| {
            self.rules.all && self.rules.marks.is_worth(&self.rules.kinds, text, run)
        });
        let done = self.units(text, base, &mut from, last, &hits, &runs);
        (self.hits, self.runs) = (hits, runs);
        done?;
        if !last && self.pem.is_none() && self.spill.is_none() {
            self.live(text, base, from)?;
        }
        Ok(from)
    }

    fn units(
        &mut self,
        text: &[u8],
        base: u64,
        from: &mut usize,
        last: bool,
        hits: &[Hit],
        runs: &[Range<usize>],
    ) -> Result<(), ScanError> {
        let (mut hit, mut run) = (0, 0);
        while *from < text.len() {
            if self.pem.is_some() {
                if !self.key_line(text, base, from, last) {
                    return Ok(());
                }
                continue;
            }
            if self.spill.is_some() {
                self.swallow(text, base, from);
                continue;
            }
            while hits.get(hit).is_some_and(|place| place.start < *from) {
                hit += 1;
            }
            while runs.get(run).is_some_and(|place| place.end < *from + marks::SHORTEST_RUN) {
                run += 1;
            }
            let next_hit = hits.get(hit).map_or(text.len(), |place| place.start);
            let next_run = runs.get(run).map_or(text.len(), |place| place.start.max(*from));
            let next = next_hit.min(next_run);
            if next == text.len() {
                *from = clear_to(text, *from, last);
                self.shown = self.shown.max(base + *from as u64);
                return Ok(());
            }
            let mut start =
                memchr::memrchr(b'\n', &text[*from..next]).map_or(*from, |end| *from + end + 1);
            start += (next - start) / STEP * STEP;
            *from = start;
            self.shown = self.shown.max(base + start as u64);
            let window = start + WINDOW;
            let mut cut = false;
            let mut end = match memchr::memchr(b'\n', &text[next..text.len().min(window)]) {
                Some(length) => next + length + 1,
                None if text.len() >= window => {
                    cut = true;
                    window
                }
                None if last => text.len(),
                None => return Ok(()),
            };
            let key = self.key_in(text, base, &hits[hit..], end);
            if let Some((at, header_end)) = key {
                if at == start {
                    if !self.begin_key(text, base, from, header_end, end, last) {
                        return Ok(());
                    }
                    continue;
                }
                (end, cut) = (at, false);
            }
            // Places of this line alone are looked at; the lines behind it are at hand for what
            // goes on over its end. INVARIANT: how many are at hand changes no answer, because an
            // answer that would need more asks for more.
            let mut until = if cut { start + STEP } else { end };
            let (mut lines, mut closed) = (1, cut || key.is_some());
            if !closed {
                end = self.further(text, base, &hits[hit..], end).unwrap_or(end);
            }
            let found = loop {
                let places = (&hits[hit..], &runs[run..]);
                let ends_here = closed || lines >= MOST_LINES || end - start > LONGEST_JOINED;
                let is_last = ends_here || last && end == text.len();
                let found = self.unit(&text[..end], start, until, places, is_last)?;
                if found.more {
                    // Twice as many each time: a block of lines is read a few times, not once a line.
                    let before = end;
                    for _ in 0..lines {
                        match self.further(text, base, &hits[hit..], end) {
                            Some(at) if at > end => end = at,
                            // A key begins there: it is not for this unit.
                            Some(_) => closed = true,
                            None if last => end = text.len(),
                            None => break,
                        }
                    }
                    if end == before && !closed && !last {
                        // What is sure before the open token can be shown; the rest waits.
                        let open = found.open.unwrap_or(start);
                        self.take(found, base, open);
                        self.shown = self.shown.max(base + open as u64);
                        return Ok(());
                    }
                    lines *= 2;
                    continue;
                }
                // INVARIANT: no place is left out. Where lines behind the first were judged with it,
                // all that they hold is looked at as well, before the next unit begins behind them.
                let behind = found.spans.iter().rev().find(|span| span.range.start >= until);
                let reach = behind.map_or(0, |span| span.range.end).max(found.judged);
                if cut || reach <= until {
                    break found;
                }
                let line = memchr::memchr(b'\n', &text[reach - 1..end]);
                until = line.map_or(end, |length| reach + length);
            };
            let spilled = cut
                .then(|| found.spans.last().filter(|span| span.range.end == end).cloned())
                .flatten();
            *from = until;
            if let Some(last) = found.spans.last() {
                *from = (*from).max(last.range.end);
            }
            self.take(found, base, usize::MAX);
            if let Some(span) = spilled {
                let before = span.range.start.checked_sub(1).map(|at| text[at]);
                let quote = before.filter(|byte| matches!(byte, b'"' | b'\'' | b'`'));
                if let Some(masked) = self.masked.pop() {
                    self.shown = masked.range.start;
                    let identity = Identity::Bytes(text[span.range.clone()].to_vec());
                    self.spill = Some(Spill { masked: Masked { identity, ..masked }, quote });
                }
                *from = end;
            } else {
                self.shown = self.shown.max(base + *from as u64);
            }
        }
        if last && let Some(spill) = self.spill.take() {
            self.shown = base + text.len() as u64;
            self.masked.push(spill.masked);
        }
        if last && let Some(pem) = self.pem.take() {
            self.end_key(pem);
            self.shown = base + text.len() as u64;
        }
        Ok(())
    }

    /// The end of the next line (or of the piece of it that is looked at ahead), up to a private
    /// key. `None` when it is not there yet.
    fn further(&self, text: &[u8], base: u64, hits: &[Hit], end: usize) -> Option<usize> {
        let most = text.len().min(end + LOOK_AHEAD);
        let next = match memchr::memchr(b'\n', &text[end..most]) {
            Some(length) => end + length + 1,
            None if most == end + LOOK_AHEAD => most,
            None => return None,
        };
        let ahead = behind(hits, end);
        let key = self.key_in(text, base, ahead, next).map(|(at, _)| at);
        Some(key.filter(|&at| at >= end).unwrap_or(next))
    }

    fn unit(
        &self,
        text: &[u8],
        start: usize,
        until: usize,
        places: (&[Hit], &[Range<usize>]),
        last: bool,
    ) -> Result<Found<'r>, ScanError> {
        let (hits, runs) = places;
        let hits = &hits[..hits.iter().take_while(|hit| hit.end <= text.len()).count()];
        let runs = &runs[..runs.iter().take_while(|run| run.start < until).count()];
        let depth = self.depth;
        let unit = Unit { text, start, until, whole: true, last, hits, runs, depth };
        scan::unit(self.rules, unit)
    }

    /// Keeps what was found before `open` and was not shown yet.
    fn take(&mut self, found: Found<'r>, base: u64, open: usize) {
        for span in found.spans {
            let range = base + span.range.start as u64..base + span.range.end as u64;
            if range.end <= self.shown || span.range.end > open {
                continue;
            }
            let start = range.start.max(self.shown);
            self.masked.push(Masked {
                range: start..range.end,
                kind: span.kind,
                identity: span.identity,
            });
        }
    }

    /// The first private key that begins before `end`, and where its header ends.
    fn key_in(&self, text: &[u8], base: u64, hits: &[Hit], end: usize) -> Option<(usize, usize)> {
        if !self.rules.all || self.rules.allowed.lets("private-key", b"") {
            return None;
        }
        let keys = hits.iter().take_while(|hit| hit.start < end);
        keys.filter(|hit| self.rules.marks.of(**hit).contains(&Mark::Key))
            .filter(|hit| self.talk.is_none_or(|talk| base + hit.start as u64 > talk))
            .find_map(|hit| {
                let near = end.min(hit.start + pem::LONGEST_HEADER);
                let line = memchr::memchr(b'\n', &text[hit.start..near])
                    .map_or(near, |length| hit.start + length);
                pem::header(&text[..line], hit.start).map(|header_end| (hit.start, header_end))
            })
    }

    /// Begins a key at `from`. `false` when more text is needed.
    fn begin_key(
        &mut self,
        text: &[u8],
        base: u64,
        from: &mut usize,
        header_end: usize,
        end: usize,
        last: bool,
    ) -> bool {
        let start = *from;
        let line_end =
            memchr::memchr(b'\n', &text[start..end]).map_or(end, |length| start + length);
        if line_end == text.len() && !last && line_end - start < WINDOW {
            return false;
        }
        let line = &text[start..line_end];
        if let Some(length) = pem::within_line(line, header_end - start) {
            let range = base + start as u64..base + (start + length) as u64;
            self.masked.push(Masked {
                range: range.clone(),
                kind: "private-key",
                identity: Identity::Source,
            });
            (*from, self.shown) = (start + length, range.end);
            return true;
        }
        let rest = &text[header_end..line_end];
        let closes = |byte: &u8| {
            byte.is_ascii_whitespace()
                || matches!(
                    byte,
                    b'\\' | b'n' | b'r' | b'"' | b'\'' | b'+' | b',' | b'(' | b')' | b'|' | b'`'
                )
        };
        if rest.iter().all(closes) {
            self.pem = Some(Pem::new(base + start as u64, base + header_end as u64));
            *from = if line_end < text.len() { line_end + 1 } else { line_end };
            return true;
        }
        self.talk = Some(base + start as u64);
        true
    }

    /// Reads one line of a key. `false` when more text is needed.
    fn key_line(&mut self, text: &[u8], base: u64, from: &mut usize, last: bool) -> bool {
        let Some(mut pem) = self.pem.take() else { return true };
        let start = *from;
        let found = memchr::memchr(b'\n', &text[start..]);
        let end = match found {
            Some(length) => start + length,
            None if last => text.len(),
            None if pem.established && text.len() - start > WINDOW => {
                // FAIL CLOSED: what cannot be held any longer counts as body.
                pem.end = base + text.len() as u64;
                *from = text.len();
                self.pem = Some(pem);
                return true;
            }
            None if !pem.established && text.len() - start > WINDOW => text.len(),
            None => {
                self.pem = Some(pem);
                return false;
            }
        };
        let next = if found.is_some() { end + 1 } else { end };
        match pem.line(&text[start..end], base + start as u64) {
            Line::Body | Line::Blank => {
                *from = next;
                if *from == text.len() && last && !pem.established {
                    self.give_up(&pem, base, from);
                    return true;
                }
                self.pem = Some(pem);
            }
            Line::Last(length) => {
                *from = start + length;
                self.shown = pem.end;
                self.end_key(pem);
            }
            Line::Other if pem.established => {
                // What lies between the last body line and here is text again.
                *from = pem.end.saturating_sub(base) as usize;
                self.shown = pem.end;
                self.end_key(pem);
            }
            Line::Other => self.give_up(&pem, base, from),
        }
        true
    }

    /// It was no key: its lines are read again as text.
    fn give_up(&mut self, pem: &Pem, base: u64, from: &mut usize) {
        self.talk = Some(pem.start);
        *from = pem.start.saturating_sub(base) as usize;
        self.pem = None;
    }

    fn end_key(&mut self, pem: Pem) {
        if pem.established {
            let identity = Identity::Bytes(pem.identity);
            self.masked.push(Masked { range: pem.start..pem.end, kind: "private-key", identity });
        }
    }

    /// Passes over the rest of a secret.
    fn swallow(&mut self, text: &[u8], base: u64, from: &mut usize) {
        let Some(mut spill) = self.spill.take() else { return };
        let stops = |byte: &u8| match spill.quote {
            Some(quote) => *byte == quote || *byte == b'\n',
            None => super::assign::ends_value(*byte),
        };
        let found = text[*from..].iter().position(stops);
        *from = found.map_or(text.len(), |length| *from + length);
        spill.masked.range.end = base + *from as u64;
        match found {
            Some(_) => {
                self.shown = spill.masked.range.end;
                self.masked.push(spill.masked);
            }
            None => self.spill = Some(spill),
        }
    }

    /// Decides what can be shown of a line that is not all there.
    fn live(&mut self, text: &[u8], base: u64, from: usize) -> Result<(), ScanError> {
        let shown = (self.shown.saturating_sub(base) as usize).max(from);
        // A unit of several lines waits for its rest.
        if text.len() - from > LIVE || text[from..].contains(&b'\n') {
            return Ok(());
        }
        let Some(blank) = text[shown..].iter().rposition(u8::is_ascii_whitespace) else {
            return Ok(());
        };
        let end = shown + blank + 1;
        let (mut hits, mut runs) = (Vec::new(), Vec::new());
        self.rules.marks.hits(&text[..end], from..end, &mut hits);
        marks::runs(&text[..end], from..end, &mut runs);
        let text = &text[..end];
        let unit = Unit {
            text,
            start: from,
            until: end,
            whole: false,
            last: false,
            hits: &hits,
            runs: &runs,
            depth: self.depth,
        };
        let found = scan::unit(self.rules, unit)?;
        let mut open = found.open.unwrap_or(end).min(end);
        let key = hits.iter().find(|hit| self.rules.marks.of(**hit).contains(&Mark::Key));
        open = open.min(key.map_or(end, |hit| hit.start));
        if let Some(dashes) = text.strip_suffix(b"---- ") {
            open = open.min(dashes.len());
        }
        if let Some(suffix) = self.rules.known.open_suffix(text) {
            open = open.min(suffix);
        }
        let crossing =
            found.spans.iter().find(|span| span.range.start < open && span.range.end > open);
        let open = crossing.map_or(open, |span| span.range.start);
        self.take(found, base, open);
        self.shown = self.shown.max(base + open as u64);
        Ok(())
    }
}

/// The hits that end behind an offset. Most often that is one of the next, of which a buffer holds
/// thousands.
fn behind(hits: &[Hit], end: usize) -> &[Hit] {
    let mut reach = 1;
    while hits.get(reach).is_some_and(|hit| hit.end <= end) {
        reach *= 2;
    }
    let near = &hits[..hits.len().min(reach + 1)];
    &hits[near.partition_point(|hit| hit.end <= end)..]
}

/// Up to where a text without any place worth a look can be passed on.
fn clear_to(text: &[u8], from: usize, last: bool) -> usize {
    if last {
        return text.len();
    }
    let line = memchr::memrchr(b'\n', &text[from..]).map_or(from, |end| from + end + 1);
    match text.len() - line {
        rest if rest > WINDOW => line + (rest - WINDOW) / STEP * STEP,
        _ => line,
    }
}
