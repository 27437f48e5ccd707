//! What is secret in one unit of text: a line, a few lines that belong together, or a window
//! of a very long line.
//!
//! INVARIANT (chunking): what is found depends on the unit, on the 512 bytes before it, and on
//! nothing else; `segment` makes units that do not depend on how the source was cut. Places come
//! from `marks`; each is looked at here, and encoded text is decoded and looked at in turn.

mod hidden;
mod named;
mod wrapped;

use crate::redact::assign::{self, Read};
use crate::redact::kinds::{Looked, ScanError, entropy};
use crate::redact::marks::{self, Hit, Mark, Veil};
use crate::redact::names::Named;
use crate::redact::personal;
use crate::redact::placeholder::{self, Reading};
use crate::redact::rules::Rules;
use crate::redact::shape::{B64U, Look};
use crate::redact::structure;
use crate::redact::view;
use std::ops::Range;

/// How deep encodings inside encodings are taken off.
const DEEPEST: u8 = 3;
/// How far a token is followed over line ends.
const LONGEST_JOIN: usize = 4 * 1024;
/// Text before a hidden place that may name what it hides.
const VEIL_CONTEXT: usize = 512;
const LONGEST_WORD: usize = 4 * 1024;
/// Each further pass can find only what stands beside what the last one masked.
const MOST_PASSES: usize = 4;
/// Looks at one long token that a check may refuse.
const MOST_REFUSALS: u8 = 16;
/// How many of the last spans are asked what touches them; a line can hold thousands.
const RECENT: usize = 64;

/// From what the number of a placeholder is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) enum Identity {
    /// The masked bytes of the source.
    Source,
    /// What they decode to.
    Bytes(Vec<u8>),
    /// A known value, whatever its form.
    Known(usize),
}

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) struct Span<'r> {
    pub(in crate::redact) range: Range<usize>,
    pub(in crate::redact) kind: &'r str,
    /// Of two that overlap, the higher one names the union.
    rank: u8,
    pub(in crate::redact) identity: Identity,
}

impl<'r> Span<'r> {
    /// A secret found inside a decoded text.
    pub(in crate::redact) fn new(range: Range<usize>, kind: &'r str, identity: Identity) -> Self {
        Span { range, kind, rank: BY_SHAPE, identity }
    }
}

const BY_NAME: u8 = 1;
const BY_PLACE: u8 = 2;
const BY_SHAPE: u8 = 3;
const BY_VALUE: u8 = 4;

/// One unit.
#[derive(Clone, Copy)]
pub(in crate::redact) struct Unit<'t> {
    /// Everything up to the end of the unit.
    pub(in crate::redact) text: &'t [u8],
    pub(in crate::redact) start: usize,
    /// Places from here on are left to the next unit.
    pub(in crate::redact) until: usize,
    /// Whether the unit is all there. If not, it is the beginning of one.
    pub(in crate::redact) whole: bool,
    /// Whether no line can be added.
    pub(in crate::redact) last: bool,
    pub(in crate::redact) hits: &'t [Hit],
    pub(in crate::redact) runs: &'t [Range<usize>],
    pub(in crate::redact) depth: u8,
}

/// What was found in a unit.
#[derive(Debug, Default)]
pub(in crate::redact) struct Found<'r> {
    /// In order and apart.
    pub(in crate::redact) spans: Vec<Span<'r>>,
    /// Nothing from here on is decided, because more text may change it.
    pub(in crate::redact) open: Option<usize>,
    /// Whether the next line is needed.
    pub(in crate::redact) more: bool,
    /// Up to where lines behind the first were judged together with it.
    pub(in crate::redact) judged: usize,
}

struct Scan<'r, 't> {
    rules: &'r Rules,
    unit: Unit<'t>,
    spans: Vec<Span<'r>>,
    standing: Vec<Range<usize>>,
    /// Where known values begin.
    known_at: Vec<usize>,
    open: usize,
    more: bool,
    /// What hides text: where it begins, and where its region ends.
    veils: Vec<(Veil, usize, usize)>,
    /// The last name that was read, what it tells, and what stood behind it.
    named: Option<(Range<usize>, Option<Named>, Read)>,
    /// The last name that was judged.
    judged: Range<usize>,
    /// Up to where looks for a kind's shape failed for a reason that stands there.
    failed: Vec<(usize, usize, usize)>,
    /// How often a check refused a kind's shape that ends at an offset.
    refused: Vec<(usize, usize, u8)>,
    /// Up to where lines were decoded together.
    decoded: usize,
}

/// Scans one unit. INVARIANT (idempotence): what a second pass over the masked unit would find
/// is found by the first, because the first makes that pass.
pub(in crate::redact) fn unit<'r>(
    rules: &'r Rules,
    unit: Unit<'_>,
) -> Result<Found<'r>, ScanError> {
    let mut found = once(rules, unit)?;
    // Only what a masked token touches can read differently without it.
    let touches = |at: Option<&u8>| {
        at.is_some_and(|&byte| !assign::ends_value(byte) && !b"=:@&?".contains(&byte))
    };
    let touched = |span: &Span<'_>| {
        let before = &unit.text[..span.range.start];
        // Behind `=` stands a value, unless what is before it may be a token that ends in `=`.
        let padding = before.iter().rev().take_while(|&&byte| byte == b'=').count();
        let token = before.iter().rev().skip(padding).take(24);
        let padded = padding > 0 && token.take_while(|&&byte| marks::is_run(byte)).count() == 24;
        padded || touches(before.last()) || touches(unit.text.get(span.range.end))
    };
    if unit.depth > 0 || found.more || !found.spans.iter().any(touched) {
        return Ok(found);
    }
    let from = unit.start.saturating_sub(VEIL_CONTEXT);
    for _ in 0..MOST_PASSES {
        if found.spans.is_empty() {
            break;
        }
        let masks = found
            .spans
            .iter()
            .map(|span| (span.range.start.max(from) - from..span.range.end - from, span.kind));
        let view = view::masked(&unit.text[from..], masks);
        let start = unit.start - from;
        let (mut hits, mut runs) = (Vec::new(), Vec::new());
        rules.marks.hits(&view.text, start..view.text.len(), &mut hits);
        marks::runs(&view.text, start..view.text.len(), &mut runs);
        let text = view.text.as_slice();
        let until = text.len().saturating_sub(unit.text.len() - unit.until);
        let again = once(rules, Unit { text, start, until, hits: &hits, runs: &runs, ..unit })?;
        if again.spans.is_empty() {
            break;
        }
        for mut span in again.spans {
            let source = view.source(span.range);
            span.range = from + source.start..from + source.end;
            found.spans.push(span);
        }
        found.spans.sort_by_key(|span| span.range.start);
    }
    Ok(found)
}

fn once<'r>(rules: &'r Rules, unit: Unit<'_>) -> Result<Found<'r>, ScanError> {
    let mut scan = Scan {
        rules,
        unit,
        spans: Vec::new(),
        standing: Vec::new(),
        known_at: Vec::new(),
        open: usize::MAX,
        more: false,
        veils: Vec::new(),
        named: None,
        judged: 0..0,
        failed: Vec::new(),
        refused: Vec::new(),
        decoded: 0,
    };
    scan.standing();
    scan.known_values();
    for &hit in unit.hits {
        if (unit.start..unit.until).contains(&hit.start) {
            scan.hit(hit)?;
        }
    }
    for run in unit.runs {
        let run = run.start.max(unit.start)..run.end.min(unit.text.len());
        if run.len() >= marks::SHORTEST_RUN {
            scan.run(run)?;
        }
    }
    scan.unveil()?;
    Ok(scan.found())
}

impl<'r> Scan<'r, '_> {
    /// Known values come first: what they are glued to is judged without them.
    fn known_values(&mut self) {
        if self.rules.known.groups().is_empty() {
            return;
        }
        let (start, until) = (self.unit.start, self.unit.until);
        for &hit in self.unit.hits.iter().filter(|hit| (start..until).contains(&hit.start)) {
            for mark in self.rules.marks.of(hit) {
                if let Mark::Known(group) = *mark
                    && !self.holds_standing(&(hit.start..hit.end))
                {
                    self.known(hit.start, group);
                }
            }
        }
        self.known_at.sort_unstable();
    }

    /// Placeholders that stand there already. INVARIANT (idempotence): nothing that overlaps
    /// one is masked again.
    fn standing(&mut self) {
        for &hit in self.unit.hits {
            if self.rules.marks.is_placeholder(hit) && hit.start >= self.unit.start {
                let here = &self.unit.text[hit.start..];
                match placeholder::read(here, |kind| self.rules.exists(kind)) {
                    Reading::Whole(length) => self.standing.push(hit.start..hit.start + length),
                    Reading::Partial if !self.unit.whole => self.open = self.open.min(hit.start),
                    Reading::Partial | Reading::No => {}
                }
            }
        }
    }

    fn push(&mut self, range: Range<usize>, kind: &'r str, rank: u8, identity: Identity) {
        let allowed = |text: &[u8]| rank != BY_VALUE && self.rules.allowed.lets(kind, text);
        if range.start < range.end
            && !self.holds_standing(&range)
            && !allowed(&self.unit.text[range.clone()])
        {
            self.spans.push(Span { range, kind, rank, identity });
        }
    }

    fn found(mut self) -> Found<'r> {
        let mut apart: Vec<Span<'r>> = Vec::new();
        if self.spans.len() < 2 {
            apart = std::mem::take(&mut self.spans);
        }
        self.spans.sort_by(|a, b| {
            a.range.start.cmp(&b.range.start).then_with(|| b.range.end.cmp(&a.range.end))
        });
        for span in self.spans {
            match apart.last_mut() {
                // INVARIANT (no remainder): of two that overlap, the union is masked.
                Some(last) if span.range.start < last.range.end => {
                    let grows = span.range.end > last.range.end;
                    if span.rank > last.rank {
                        (last.kind, last.rank) = (span.kind, span.rank);
                        if span.range == last.range {
                            last.identity = span.identity;
                        }
                    }
                    if grows {
                        last.range.end = span.range.end;
                        last.identity = Identity::Source;
                    }
                }
                _ => apart.push(span),
            }
        }
        let open = (self.open != usize::MAX).then_some(self.open);
        Found { spans: apart, open, more: self.more && !self.unit.last, judged: self.decoded }
    }

    fn line_of(&self, at: usize) -> usize {
        let first = at.saturating_sub(512);
        memchr::memrchr(b'\n', &self.unit.text[first..at]).map_or(first, |end| first + end + 1)
    }

    fn hit(&mut self, hit: Hit) -> Result<(), ScanError> {
        let text = self.unit.text;
        let rules = self.rules;
        // INVARIANT (idempotence): the words of a placeholder announce nothing.
        let before = self.standing.partition_point(|placed| placed.start <= hit.start);
        if before > 0 && self.standing[before - 1].contains(&hit.start) {
            return Ok(());
        }
        for mark in rules.marks.of(hit) {
            match *mark {
                Mark::Shape { kind, shape, before } => self.by_literal(hit, kind, shape, before),
                Mark::Pattern(kind) => self.pattern(hit, kind)?,
                Mark::Named(kind) => self.vendor(hit, kind),
                Mark::Name => self.name(hit),
                Mark::Scheme => self.scheme(hit),
                Mark::Url => self.url(hit),
                Mark::Personal => self.personal(hit),
                Mark::Veiled(veil) => self.veiled(veil, hit.start),
                Mark::WebKey => {
                    if let Some(range) = structure::web_key_part(text, hit.end) {
                        self.push(range, "web-key", BY_PLACE, Identity::Source);
                    }
                }
                Mark::UserPair => {
                    if let Some(range) = structure::user_pair(text, hit.end) {
                        self.placed(range, "password");
                    }
                }
                Mark::FlagPassword { glued } => {
                    if let Some(range) = structure::flag_password(text, hit.end, glued) {
                        self.placed(range, "password");
                    }
                }
                Mark::PgPass => {
                    if let Some(range) = structure::pgpass(text, self.line_of(hit.start), hit.end) {
                        self.placed(range, "password");
                    }
                }
                Mark::Key | Mark::Placeholder | Mark::Known(_) => {}
            }
        }
        Ok(())
    }

    /// A secret told by its place, unless its end may still be missing.
    fn placed(&mut self, range: Range<usize>, kind: &'r str) {
        if !self.unit.whole {
            self.open = self.open.min(range.start);
        } else {
            self.push(range, kind, BY_PLACE, Identity::Source);
        }
    }

    fn known(&mut self, at: usize, group: usize) {
        let group = &self.rules.known.groups()[group];
        let text = self.unit.text;
        match group.look(text, at) {
            (Look::Full(end), owner) => self.push_known(at..end, owner),
            (Look::Partial, _) if !self.unit.whole => self.open = self.open.min(at),
            (Look::Partial, _) => {
                if let Some((end, owner)) = group.complete(text, at) {
                    self.push_known(at..end, owner);
                }
            }
            (Look::No(_), _) => self.known_joined(at, group),
        }
    }

    fn push_known(&mut self, range: Range<usize>, owner: usize) {
        let label = self.rules.known.label(owner);
        self.known_at.push(range.start);
        self.push(range, label, BY_VALUE, Identity::Known(owner));
    }

    fn by_literal(&mut self, hit: Hit, kind: usize, shape: usize, before: (usize, usize)) {
        let text = self.unit.text;
        let floor = self.unit.start.saturating_sub(256);
        let start = match before {
            (least, most) if least == most => match hit.start.checked_sub(least) {
                Some(start) => start,
                None => return,
            },
            (least, most) => {
                let first = hit.start.saturating_sub(most).max(floor);
                let lead = text[first..hit.start].iter().rev();
                let length = lead.take_while(|&&byte| marks::is_run(byte)).count();
                if length < least {
                    return;
                }
                hit.start - length
            }
        };
        if start >= floor {
            self.shape(start, kind, shape);
        }
    }

    /// Looks for a shape at one place.
    fn shape(&mut self, start: usize, kind: usize, shape: usize) {
        let text = self.unit.text;
        // What is masked leaves a boundary behind it.
        let bounded = is_boundary(text, start)
            || self.spans.iter().rev().take(RECENT).any(|span| span.range.end == start);
        if !bounded
            || self
                .spans
                .iter()
                .rev()
                .take(4)
                .any(|span| span.rank == BY_SHAPE && span.range.contains(&start))
            || self
                .failed
                .iter()
                .any(|&failed| (failed.0, failed.1) == (kind, shape) && start < failed.2)
        {
            return;
        }
        let rules = self.rules;
        let place = (kind, shape);
        let kind = &rules.kinds.all[kind];
        let shape = &kind.shapes[shape];
        let ends = |at: usize| {
            let mut recent = self.spans.iter().rev().take(RECENT);
            recent.any(|span| span.range.start == at) || self.known_at.binary_search(&at).is_ok()
        };
        match kind.look(shape, text, start, ends) {
            Looked::Refused(end) if end == text.len() && !self.unit.whole => {
                self.open = self.open.min(start);
            }
            Looked::Refused(end) if self.is_refused_too_often(place.0, end) => {
                self.push(start..end, &kind.id, BY_SHAPE, Identity::Source);
            }
            Looked::Refused(_) => {}
            Looked::Full(mut end) => {
                if shape.is_open() {
                    // INVARIANT (no remainder): what is glued to a token is a part of it.
                    end += text[end..].iter().take_while(|&&byte| B64U[usize::from(byte)]).count();
                }
                if end == text.len() && !self.unit.whole {
                    self.open = self.open.min(start);
                    return;
                }
                let mut range = start..end;
                if shape.is_open() && end - start >= 24 {
                    range.end = self.over_line_ends(start, end);
                }
                range.start += kind.secret_at(&text[start..end]);
                self.push(range, &kind.id, BY_SHAPE, Identity::Source);
            }
            Looked::Partial if !self.unit.whole => self.open = self.open.min(start),
            Looked::Partial => {}
            Looked::No(reach) => {
                if reach > start + 48 {
                    self.failed.push((place.0, place.1, reach));
                }
                if reach < start + 3 || view::line_break(&text[reach.min(text.len())..], false) == 0
                {
                    return;
                }
                let view = view::joined(
                    &text[start..text.len().min(start + LONGEST_JOIN)],
                    self.is_marked(start),
                );
                match kind.look(shape, &view.text, 0, |_| false) {
                    Looked::Full(length) if length == view.text.len() && !self.unit.last => {
                        self.wants_more(start);
                    }
                    Looked::Full(length) => {
                        let source = view.source(0..length);
                        let skip =
                            view.source(0..kind.secret_at(&view.text[..length]).max(1)).end - 1;
                        let skip = if kind.secret_at(&view.text[..length]) == 0 { 0 } else { skip };
                        let identity = Identity::Bytes(view.text[..length].to_vec());
                        self.push(start + skip..start + source.end, &kind.id, BY_SHAPE, identity);
                    }
                    Looked::Partial => self.wants_more(start),
                    Looked::No(_) | Looked::Refused(_) => {}
                }
            }
        }
    }

    /// The attack: one long token in which the shape begins again and again, and a check that
    /// refuses each time, would take time with its square. FAIL CLOSED: then it counts as one.
    fn is_refused_too_often(&mut self, kind: usize, end: usize) -> bool {
        match self.refused.iter_mut().find(|seen| (seen.0, seen.1) == (kind, end)) {
            Some(seen) => {
                seen.2 = seen.2.saturating_add(1);
                seen.2 > MOST_REFUSALS
            }
            None => {
                self.refused.push((kind, end, 1));
                false
            }
        }
    }

    fn pattern(&mut self, hit: Hit, kind: usize) -> Result<(), ScanError> {
        let text = self.unit.text;
        let floor = hit.start.saturating_sub(LONGEST_WORD).max(self.unit.start);
        let before = text[floor..hit.start].iter().rev().take_while(|&&b| !assign::ends_value(b));
        let start = hit.start - before.count();
        let after =
            text[hit.end..].iter().take(LONGEST_WORD).take_while(|&&b| !assign::ends_value(b));
        let end = hit.end + after.count();
        if end == text.len() && !self.unit.whole {
            self.open = self.open.min(start);
            return Ok(());
        }
        let rules = self.rules;
        let kind = &rules.kinds.all[kind];
        let mut found = Vec::new();
        kind.search(&text[start..end], |range| found.push(start + range.start..start + range.end))?;
        for range in found {
            self.push(range, &kind.id, BY_SHAPE, Identity::Source);
        }
        Ok(())
    }

    /// Personal data. On an unfinished line nothing behind them is decided: numbers hold blanks.
    fn personal(&mut self, hit: Hit) {
        if self.spans.iter().rev().take(RECENT).any(|span| span.range.contains(&hit.start)) {
            return;
        }
        if !self.unit.whole {
            let word = self.line_of(hit.start).max(hit.start.saturating_sub(64));
            self.open = self.open.min(word);
            return;
        }
        let found = match self.unit.text[hit.start] {
            b'@' => personal::mail(self.unit.text, hit.start),
            _ => personal::number(self.unit.text, hit.start),
        };
        if let Some((range, kind)) = found {
            self.push(range, kind, BY_NAME, Identity::Source);
        }
    }

    fn url(&mut self, hit: Hit) {
        if hit.start == 0 || !self.unit.text[hit.start - 1].is_ascii_alphanumeric() {
            return;
        }
        match structure::url_password(self.unit.text, hit.end, self.unit.whole) {
            Ok(Some(range)) if !self.holds_standing(&range) => {
                self.push(range, "url-password", BY_PLACE, Identity::Source);
            }
            Ok(_) => {}
            Err(()) => self.open = self.open.min(hit.end),
        }
    }
}

/// Whether a token can begin here: not inside a longer run of letters and digits, or hashes and
/// base64 would be torn apart.
fn is_boundary(text: &[u8], start: usize) -> bool {
    let Some(before) = start.checked_sub(1) else { return true };
    if !text[before].is_ascii_alphanumeric() {
        return true;
    }
    let head = &text[start.saturating_sub(12)..start];
    let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
    let escaped = match head {
        [.., b'\\', b'n' | b't' | b'r' | b'b' | b'f'] => true,
        [.., b'%', a, b] if hex(&[*a, *b]) => true,
        [.., b'\\', b'u', b'0', b'0', a, b] if hex(&[*a, *b]) => true,
        _ => false,
    };
    let colour = text[before] == b'm'
        && head.iter().rposition(|&byte| byte == b'[').is_some_and(|open| {
            open > 0
                && head[open - 1] == 0x1b
                && head[open + 1..head.len() - 1].iter().all(|b| b.is_ascii_digit() || *b == b';')
        });
    escaped || colour
}

/// What a generator makes: not one word, not one row of digits.
pub(in crate::redact) fn is_varied(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit) && entropy(value) > 2.8 || entropy(value) > 4.0
}
