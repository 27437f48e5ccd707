//! Text as it reads once an encoding is taken off, with the way back to the source.
//!
//! Terminal escapes, `%3D`, `&quot;`, `\u003d`, base64, hexadecimal, lines that were wrapped.
//! `scan` looks at a view as at any other text, and what it finds is masked in the source.

use super::marks::Veil;
use super::placeholder;
use std::ops::Range;

/// A decoded text. Every byte knows which bytes of the source it was made from.
#[derive(Debug, Default)]
pub(in crate::redact) struct View {
    pub(in crate::redact) text: Vec<u8>,
    pieces: Vec<Piece>,
}

/// Bytes that were copied, or one byte that was decoded.
#[derive(Debug, Clone, Copy)]
struct Piece {
    /// Offset in the view.
    view: u32,
    /// Offset in the source.
    source: u32,
    /// How many bytes of source one byte of it takes; only a copied piece has several bytes.
    width: u8,
}

impl View {
    fn push(&mut self, byte: u8, from: usize, length: usize) {
        self.piece(from, length);
        self.text.push(byte);
    }

    fn copy(&mut self, text: &[u8], from: usize) {
        if !text.is_empty() {
            self.piece(from, 1);
            self.text.extend_from_slice(text);
        }
    }

    fn piece(&mut self, from: usize, width: usize) {
        let view = self.text.len() as u32;
        self.pieces.push(Piece { view, source: from as u32, width: width as u8 });
    }

    /// The source range of one byte of the view.
    fn of(&self, at: usize) -> Range<usize> {
        let next = self.pieces.partition_point(|piece| piece.view as usize <= at);
        match next.checked_sub(1).map(|index| self.pieces[index]) {
            Some(piece) => {
                let start = piece.source as usize + (at - piece.view as usize);
                start..start + usize::from(piece.width)
            }
            None => 0..0,
        }
    }

    /// The source range of a range of the view.
    pub(in crate::redact) fn source(&self, range: Range<usize>) -> Range<usize> {
        let start = self.of(range.start).start;
        match range.end > range.start {
            true => start..self.of(range.end - 1).end.max(start),
            false => start..start,
        }
    }
}

/// A text with placeholders in the place of some ranges, which are in order and apart.
pub(in crate::redact) fn masked<'k>(
    text: &[u8],
    masks: impl Iterator<Item = (Range<usize>, &'k str)>,
) -> View {
    let mut view = View::default();
    let mut from = 0;
    for (range, kind) in masks {
        view.copy(&text[from..range.start], from);
        view.piece(range.start, 1);
        view.text.extend_from_slice(placeholder::write(kind, Some(1)).as_bytes());
        from = range.end;
    }
    view.copy(&text[from..], from);
    view
}

/// Takes an encoding off. Offsets count from the start of `text`.
pub(in crate::redact) fn unveil(text: &[u8], veil: Veil) -> View {
    let mut view = View { text: Vec::with_capacity(text.len()), pieces: Vec::new() };
    let mut at = 0;
    while at < text.len() {
        let next = match veil {
            // ESC, and the first bytes of the characters without width.
            Veil::Invisible => {
                text[at..].iter().position(|byte| matches!(byte, 0x1b | 0xe2 | 0xef | 0xc2))
            }
            Veil::Percent => memchr::memchr(b'%', &text[at..]),
            Veil::Entity => memchr::memchr(b'&', &text[at..]),
            Veil::Escape => memchr::memchr(b'\\', &text[at..]),
        };
        let next = next.map_or(text.len(), |length| at + length);
        view.copy(&text[at..next], at);
        if next == text.len() {
            break;
        }
        at = next;
        let (byte, length) = match veil {
            Veil::Invisible => match invisible(&text[at..]) {
                0 => (Some(text[at]), 1),
                length => (None, length),
            },
            Veil::Percent => match text.get(at + 1..at + 3).and_then(hex_pair) {
                Some(byte) => (Some(byte), 3),
                None => (Some(b'%'), 1),
            },
            Veil::Entity => entity(&text[at..]),
            Veil::Escape => escape(&text[at..]),
        };
        if let Some(byte) = byte {
            view.push(byte, at, length);
        }
        at += length;
    }
    view
}

/// Length of the terminal escape sequence or invisible character that a text begins with.
fn invisible(text: &[u8]) -> usize {
    match text {
        [0x1b, b'[', rest @ ..] => {
            let length = rest.iter().take(64).position(|byte| (b'@'..=b'~').contains(byte));
            length.map_or(2, |length| length + 3)
        }
        [0x1b, b']', rest @ ..] => {
            let end = rest.iter().take(512).position(|&byte| matches!(byte, 0x07 | 0x1b));
            match end {
                Some(end) if rest[end] == 0x1b => end + 4,
                Some(end) => end + 3,
                None => 2,
            }
            .min(text.len())
        }
        [0x1b, b'(' | b')', _, ..] => 3,
        [0x1b, ..] => 1,
        [0xe2, 0x80, 0x8b..=0x8f, ..] | [0xe2, 0x81, 0xa0, ..] | [0xef, 0xbb, 0xbf, ..] => 3,
        [0xc2, 0xad, ..] => 2,
        _ => 0,
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

fn hex_pair(digits: &[u8]) -> Option<u8> {
    match digits {
        [high, low, ..] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    }
}

fn entity(text: &[u8]) -> (Option<u8>, usize) {
    for (name, byte) in [
        (b"&quot;".as_slice(), b'"'),
        (b"&apos;", b'\''),
        (b"&amp;", b'&'),
        (b"&lt;", b'<'),
        (b"&gt;", b'>'),
        (b"&equals;", b'='),
    ] {
        if text.starts_with(name) {
            return (Some(byte), name.len());
        }
    }
    if text.starts_with(b"&#") {
        let end = text.iter().take(10).position(|&byte| byte == b';');
        let number =
            end.and_then(|end| std::str::from_utf8(&text[2..end]).ok()).and_then(|number| {
                match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u8::from_str_radix(hex, 16).ok(),
                    None => number.parse().ok(),
                }
            });
        if let (Some(number), Some(end)) = (number, end) {
            return (Some(number), end + 1);
        }
    }
    (text.first().copied(), 1)
}

fn escape(text: &[u8]) -> (Option<u8>, usize) {
    let backslashes = text.iter().take(4).take_while(|&&byte| byte == b'\\').count();
    let rest = &text[backslashes..];
    let decoded = match (backslashes, rest) {
        (1.., [b'u', b'0', b'0', digits @ ..]) => hex_pair(digits).map(|byte| (byte, 5)),
        (1.., [b'x', digits @ ..]) => hex_pair(digits).map(|byte| (byte, 3)),
        _ => None,
    };
    match decoded {
        Some((byte, length)) => (Some(byte), backslashes + length),
        None => (text.first().copied(), 1),
    }
}

/// Whether most of it is text that people or programs write.
fn is_text(bytes: &[u8]) -> bool {
    let odd = bytes
        .iter()
        .filter(|&&byte| !(b' '..=b'~').contains(&byte) && !matches!(byte, b'\n' | b'\r' | b'\t'))
        .count();
    odd * 16 <= bytes.len()
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// A run of base64, decoded, if it holds text. What its neighbours may have glued to its
/// beginning is tried too: four ways to align it.
pub(in crate::redact) fn base64(text: &[u8], run: Range<usize>) -> Option<View> {
    (0..4).find_map(|skip| {
        let start = run.start + skip;
        if !begins_text(&text[start.min(run.end)..run.end]) {
            return None;
        }
        let view = decode(text, start..run.end);
        is_text(&view.text).then_some(view)
    })
}

/// Whether a run may be base64 of text, or hexadecimal: nearly all long runs are names, and this
/// look costs less than decoding.
pub(in crate::redact) fn may_hold_text(run: &[u8]) -> bool {
    (run.len() >= 24 && (0..4).any(|skip| begins_text(&run[skip..])))
        || (run.len() >= 32 && (0..2).any(|skip| begins_text_in_hex(&run[skip..])))
}

fn begins_text_in_hex(run: &[u8]) -> bool {
    run[..16].chunks_exact(2).all(|pair| {
        hex_pair(pair).is_some_and(|byte| {
            (b' '..=b'~').contains(&byte) || matches!(byte, b'\n' | b'\r' | b'\t')
        })
    })
}

/// Whether four groups of base64 decode to printable text. The first character of a group
/// carries the high bits of a byte, which are low numbers in text: `A` to `f`.
fn begins_text(run: &[u8]) -> bool {
    let Some(head) = run.get(..16) else { return false };
    let high = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'a'..=b'f');
    if !(high(head[0]) && high(head[4]) && high(head[8]) && high(head[12])) {
        return false;
    }
    head.chunks_exact(4).all(|group| {
        let mut bits = 0u32;
        for &byte in group {
            match sextet(byte) {
                Some(value) => bits = bits << 6 | u32::from(value),
                None => return false,
            }
        }
        bits.to_be_bytes()[1..].iter().all(|&byte| {
            (b' '..=b'~').contains(&byte) || matches!(byte, b'\n' | b'\t' | b'\r') || byte >= 0xc2
        })
    })
}

/// Decodes base64 and skips line ends and indentation.
fn decode(text: &[u8], range: Range<usize>) -> View {
    let mut view = View::default();
    let (mut bits, mut count) = (0u32, 0);
    let mut places = [0usize; 4];
    for at in range {
        let Some(value) = sextet(text[at]) else { continue };
        places[count] = at;
        bits = bits << 6 | u32::from(value);
        count += 1;
        match count {
            2 => view.push((bits >> 4) as u8, places[0], places[1] + 1 - places[0]),
            3 => view.push((bits >> 2) as u8, places[1], places[2] + 1 - places[1]),
            4 => {
                view.push(bits as u8, places[2], places[3] + 1 - places[2]);
                (bits, count) = (0, 0);
            }
            _ => {}
        }
    }
    view
}

/// A run of hexadecimal digits, decoded, if it holds text.
pub(in crate::redact) fn hexadecimal(text: &[u8], run: Range<usize>) -> Option<View> {
    let digits = text[run.clone()].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let end = run.start + digits;
    (0..2).find_map(|skip| {
        let start = run.start + skip;
        let mut view = View::default();
        for at in (start..end.saturating_sub(1)).step_by(2) {
            let byte = hex_pair(&text[at..at + 2])?;
            if view.text.len() < 10
                && !(b' '..=b'~').contains(&byte)
                && !matches!(byte, b'\n' | b'\r' | b'\t')
            {
                return None;
            }
            view.push(byte, at, 2);
        }
        (view.text.len() >= 10 && is_text(&view.text)).then_some(view)
    })
}

/// Lines put together that were wrapped: line ends go, and what stands before the text of a
/// line (blanks, a quote or a comment), and a backslash or `=` before the end. The marks of a
/// diff go only when the first line was `marked` too: tokens hold `+` and `-`.
pub(in crate::redact) fn joined(text: &[u8], marked: bool) -> View {
    let mut view = View::default();
    let (mut at, mut from) = (0, 0);
    let may_break = |byte: u8| {
        matches!(
            byte,
            b'\n' | b'\r' | b' ' | b'\t' | b'\\' | b'=' | b'"' | b'\'' | b'+' | b',' | b'|'
        )
    };
    while at < text.len() {
        let skipped = if may_break(text[at]) { line_break(&text[at..], marked) } else { 0 };
        if skipped > 0 {
            view.copy(&text[from..at], from);
            at += skipped;
            from = at;
        } else {
            at += 1;
        }
    }
    view.copy(&text[from..], from);
    view
}

/// Length of a line break with all that belongs to it; 0 when the text begins with none.
pub(in crate::redact) fn line_break(text: &[u8], marked: bool) -> usize {
    let mut at = 0;
    // `" +` and `\` of code that goes on in the next line, `=` of quoted-printable text.
    let tail = text.iter().take(6).position(|&byte| byte == b'\n');
    match tail {
        Some(0) => {}
        Some(end)
            if text[..end].iter().all(|byte| {
                matches!(
                    byte,
                    b' ' | b'\t' | b'\r' | b'\\' | b'=' | b'"' | b'\'' | b'+' | b',' | b'|'
                )
            }) =>
        {
            at = end
        }
        _ => return 0,
    }
    at += 1;
    let marks = |byte: &u8| matches!(byte, b' ' | b'\t' | b'>' | b'|' | b'#' | b'*');
    at += text[at..].iter().take(64).take_while(|byte| marks(byte)).count();
    if marked && matches!(text.get(at), Some(b'+' | b'-')) && text[at - 1] == b'\n' {
        at += 1;
        at += text[at..].iter().take(32).take_while(|byte| marks(byte)).count();
    }
    if matches!(text.get(at), Some(b'"' | b'\'')) {
        at += 1;
    }
    // Nothing goes on behind an empty line.
    if matches!(text.get(at), Some(b'\n' | b'\r')) { 0 } else { at }
}
