//! Reads `name = value` in the many ways in which people and programs write it.
//!
//! `.env` lines, JSON and JSON inside JSON, YAML, XML, headers, flags, code, tables. Only the
//! reading: whether the name is telling is for `names`, whether the value is a secret for `value`.

use super::value::{self, Place};
use std::ops::Range;

const LONGEST_NAME: usize = 64;
const LONGEST_GAP: usize = 24;
/// A longer value is judged by its beginning.
pub(in crate::redact) const LONGEST_VALUE: usize = 1024;

/// A value behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) struct Assigned {
    /// The value without quotes and scheme.
    pub(in crate::redact) value: Range<usize>,
    pub(in crate::redact) place: Place,
    /// A call, an index or a type: code, not a value.
    pub(in crate::redact) is_call: bool,
    /// The quote is still open where the text ends: the value goes on.
    pub(in crate::redact) is_cut: bool,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::redact) enum Read {
    /// No value stands behind the name.
    Nothing,
    /// More text decides; a value would begin here or later.
    Open(usize),
    /// The value stands in the line that begins here.
    Below(usize),
    /// A value.
    Value(Assigned),
}

/// The text around a name.
#[derive(Clone, Copy)]
pub(in crate::redact) struct Around<'t> {
    /// Everything that may be looked at.
    pub(in crate::redact) text: &'t [u8],
    /// Where the line begins, as far as it is known.
    pub(in crate::redact) line: usize,
    /// Whether the line is all there; otherwise its end may still be missing.
    pub(in crate::redact) whole: bool,
}

pub(in crate::redact) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// What ends a value without quotes.
pub(in crate::redact) fn ends_value(byte: u8) -> bool {
    ENDS_VALUE[usize::from(byte)]
}

static ENDS_VALUE: [bool; 256] = {
    let mut set = [false; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        set[i] = byte <= b' '
            || matches!(byte, 0x7f | b'"' | b'\'' | b'`' | b',' | b';' | b'(' | b')')
            || matches!(byte, b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|');
        i += 1;
    }
    set
};

/// The bounds of the name that a place lies in.
pub(in crate::redact) fn name_at(around: Around<'_>, at: usize, end: usize) -> Range<usize> {
    let text = around.text;
    let first = at.saturating_sub(LONGEST_NAME).max(around.line);
    let before = text[first..at].iter().rev().take_while(|&&byte| is_name(byte)).count();
    let after = text[end..].iter().take(LONGEST_NAME).take_while(|&&byte| is_name(byte)).count();
    let (mut start, mut end) = (at - before, end + after);
    // What a line end, a tab or a quote escaped in JSON leaves before the name is no part of it.
    if start > around.line
        && text[start - 1] == b'\\'
        && matches!(text.get(start), Some(b'n' | b't' | b'r'))
        && start < at
    {
        start += 1;
    }
    while start < end && matches!(text[start], b'-' | b'.') {
        start += 1;
    }
    while end > start && matches!(text[end - 1], b'-' | b'.') {
        end -= 1;
    }
    start..end
}

/// Whether a value can stand behind a name that goes on at `end`: a cheap look, because most
/// words that sound like names of secrets are used as words.
pub(in crate::redact) fn may_follow(text: &[u8], end: usize, whole: bool) -> bool {
    let mut at = end;
    while at < text.len() && at < end + LONGEST_NAME && is_name(text[at]) {
        at += 1;
    }
    while at < text.len()
        && at < end + 96
        && matches!(text[at], b'"' | b'\'' | b'`' | b']' | b'}' | b'\\')
    {
        at += 1;
    }
    let gap = blanks(text, at);
    match text.get(at + gap) {
        None => !whole,
        Some(b'=' | b':' | b'>' | b',' | b'(' | b'|' | b'<' | b'?' | b'+') => true,
        Some(_) if gap == 0 => false,
        // A flag, or a word before something random.
        Some(_) => {
            let word = &text[at + gap..];
            let length = word.iter().take(24).take_while(|&&byte| byte > b' ').count();
            let before = text[..end]
                .iter()
                .rev()
                .take(LONGEST_NAME)
                .take_while(|&&byte| is_name(byte))
                .count();
            let name = &text[end - before..at];
            length >= 20
                || length >= 4 && (name.starts_with(b"-") || name.ends_with(b"password"))
                || word.len() >= 6 && word[..6].eq_ignore_ascii_case(b"value=")
        }
    }
}

/// Reads what stands behind a name. `takes_all` says whether the name is so telling that a
/// value at the start of a line ends only with a blank.
pub(in crate::redact) fn read(
    around: Around<'_>,
    name: Range<usize>,
    takes_all: bool,
    is_cookie: bool,
) -> Read {
    let text = around.text;
    let missing = |at: usize| match around.whole {
        true => Read::Nothing,
        false => Read::Open(at),
    };
    let byte = |at: usize| text.get(at).copied();
    let mut at = name.end;
    let (mut quoted_name, mut slashes) = (false, 0);
    while let Some(b @ (b'"' | b'\'' | b'`' | b']' | b'}' | b'\\')) = byte(at) {
        quoted_name |= is_quote(b);
        slashes += usize::from(b == b'\\');
        at += 1;
        if at - name.end > 8 || slashes > 6 {
            return Read::Nothing;
        }
    }
    let gap = blanks(text, at);
    at += gap;
    let Some(separator) = byte(at) else { return missing(text.len()) };
    let next = byte(at + 1);
    let flag = name.start >= 2
        && text[name.start - 1] == b'-'
        && (text[name.start - 2] == b'-' || text[name.start - 2] <= b' ');
    let mut kind = separator;
    match separator {
        b'=' => {
            at += 1;
            while matches!(byte(at), Some(b'=' | b'>' | b'~')) && at < name.end + 24 {
                at += 1;
            }
        }
        b'?' | b'+' if next == Some(b'=') => (at, kind) = (at + 2, b'='),
        b':' if matches!(next, Some(b':' | b'/')) => return Read::Nothing,
        b':' => at += if next == Some(b'=') { 2 } else { 1 },
        b'>' if name.start > 0
            && (text[name.start - 1] == b'<' || opens_tag(text, around.line, name.start)) =>
        {
            at += 1
        }
        b',' if quoted_name => {
            at += 1;
            at += blanks(text, at);
            if !byte(at).is_some_and(|b| is_quote(b) || b == b'\\') {
                return if byte(at).is_none() { missing(text.len()) } else { Read::Nothing };
            }
        }
        b'(' if next.is_some_and(is_quote) && name.len() > 5 => at += 1,
        b'|' if gap > 0 && next.is_some_and(is_blank) => at += 1,
        b'<' if text[at..].starts_with(b"</") => match behind_tags(text, at) {
            Some(behind) => (at, kind) = (behind, b'>'),
            None => return Read::Nothing,
        },
        _ if gap > 0 && is_value_attribute(text, at) => (at, kind) = (at + 6, b'='),
        _ if gap > 0 && flag => kind = b' ',
        // `.netrc`
        _ if gap > 0 && is_netrc(text, around.line, &name) => kind = b'=',
        _ if gap > 0 && !quoted_name => kind = b'_',
        _ => return Read::Nothing,
    }
    let before_gap = at;
    at += blanks(text, at);
    // `name: Type = value`
    if kind == b':'
        && let Some(behind) = behind_type(text, at)
    {
        (at, kind) = (behind + blanks(text, behind), b'=');
    }
    let netrc = kind == b'=' && separator != b'=' && gap > 0 && text[name.clone()] == *b"password";
    let glued = netrc || at == before_gap && kind != b'_' && (gap == 0 || kind == b'>');
    let mut slashes = 0;
    while byte(at) == Some(b'\\') && slashes < 8 {
        (at, slashes) = (at + 1, slashes + 1);
    }
    if let (Some(b'b' | b'r' | b'f' | b'u' | b'@' | b'$' | b'L'), Some(b'"' | b'\'')) =
        (byte(at), byte(at + 1))
    {
        at += 1;
    }
    let Some(first) = byte(at) else { return missing(text.len()) };
    // `--no-password --next-flag`
    if kind == b' ' && first == b'-' {
        return Read::Nothing;
    }
    if matches!(first, b'\n' | b'\r' | b'|' | b'>') {
        let end = line_end(text, at);
        let block = text[at..end]
            .iter()
            .all(|byte| matches!(byte, b'|' | b'>' | b'-' | b'+' | b'\r' | b' '));
        return match block && matches!(kind, b':' | b'=') && end < text.len() {
            true => Read::Below(end + 1),
            false => Read::Nothing,
        };
    }
    let quote = is_quote(first).then_some(first);
    if quote.is_some() {
        at += 1;
        if slashes == 0 && byte(at) == quote && byte(at + 1) == quote {
            at += 2;
        }
    }
    let start = at;
    let leading = is_leading(&text[around.line..name.start]) && matches!(kind, b'=' | b':');
    let in_url = is_in_url(text, around.line, name.start);
    if in_url && kind == b':' && quote.is_none() {
        return Read::Nothing;
    }
    let (end, closed) = match quote {
        Some(quote) => match closing(text, start, quote, slashes) {
            Some(end) => (end, true),
            None => (line_end(text, start), false),
        },
        None if is_cookie => {
            let stops = |b: &u8| matches!(b, b'\n' | b'\r') || is_quote(*b);
            (start + text[start..].iter().position(stops).unwrap_or(text.len() - start), false)
        }
        None => {
            let all = leading && (kind == b'=' && glued || kind == b':') && takes_all;
            let stops = |b: &u8| match all {
                true => *b <= b' ',
                false => ends_value(*b) || (in_url || glued) && *b == b'&' || in_url && *b == b'#',
            };
            (stop(text, start, stops), false)
        }
    };
    let in_sight = end < text.len();
    if !around.whole && (!in_sight || !closed) {
        return Read::Open(start);
    }
    let scheme = scheme_length(&text[start..end], &text[end..], quote.is_some());
    let (mut start, mut end) = (start, end);
    if scheme > 0 {
        start += scheme;
        if quote.is_none() {
            let stops = |b: &u8| ends_value(*b);
            start = start.min(text.len());
            end = start + text[start..].iter().position(stops).unwrap_or(text.len() - start);
        }
    }
    let is_call = quote.is_none()
        && (matches!(byte(end), Some(b'(' | b'[' | b'{'))
            || byte(end) == Some(b'<') && kind != b'>');
    let ends_line = matches!(byte(end), None | Some(b'\n' | b'\r'));
    let is_cut = quote.is_some() && !closed && end == text.len();
    if quote.is_some() && slashes > 0 {
        while end > start && text[end - 1] == b'\\' {
            end -= 1;
        }
    } else if quote.is_some() && !closed {
        let stops = |b: &u8| *b <= b' ' || is_quote(*b);
        end = start + text[start..end].iter().position(stops).unwrap_or(end - start);
    } else if quote.is_none() {
        while end > start
            && matches!(text[end - 1], b';' | b',' | b')' | b'}' | b']' | b'"' | b'\'' | b'\\')
        {
            end -= 1;
        }
    }
    // `secret: OkmBlock,`: a member of a struct, and no line of YAML.
    let is_member = kind == b':' && quote.is_none() && byte(end) == Some(b',');
    // `"password", "kadmin/server"`: a list of words.
    let listed = |b: &u8| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_' | b'/' | b'.');
    if kind == b',' && text[start..end].iter().all(listed) {
        return Read::Nothing;
    }
    let place = Place {
        // `("password", "image")` is often a list of words.
        quoted: quote.is_some() && closed && kind != b',',
        glued: glued && matches!(kind, b'=' | b'>'),
        leading: leading && (kind == b'=' || gap == 0) && !is_member,
        ends_line,
        bare_scheme: false,
        loose: matches!(kind, b'_' | b'('),
        in_query: in_url,
    };
    Read::Value(Assigned { value: start..end.max(start), place, is_call, is_cut })
}

/// The first byte that ends a value, or the end of what is judged of a longer one.
fn stop(text: &[u8], start: usize, stops: impl Fn(&u8) -> bool) -> usize {
    let most = text.len().min(start + LONGEST_VALUE);
    text[start..most].iter().position(stops).map_or(most, |length| start + length)
}

fn blanks(text: &[u8], at: usize) -> usize {
    text[at.min(text.len())..].iter().take(LONGEST_GAP).take_while(|&&byte| is_blank(byte)).count()
}

fn line_end(text: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length)
}

/// Where the quote ends that began with so many backslashes before it.
fn closing(text: &[u8], start: usize, quote: u8, slashes: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let found = memchr::memchr2(quote, b'\n', &text[at..])? + at;
        if text[found] == b'\n' {
            return None;
        }
        let before = text[start..found].iter().rev().take_while(|&&byte| byte == b'\\').count();
        let ends = match slashes {
            0 => before % 2 == 0,
            _ => before <= slashes,
        };
        if ends {
            return Some(found);
        }
        at = found + 1;
    }
}

/// `login name password value`, on one line.
fn is_netrc(text: &[u8], line: usize, name: &Range<usize>) -> bool {
    &text[name.clone()] == b"password"
        && memchr::memmem::find(&text[line..name.start], b"login ").is_some()
}

/// `value=` of `<add key="…" value="…"/>`.
fn is_value_attribute(text: &[u8], at: usize) -> bool {
    text.get(at..at + 6).is_some_and(|word| word.eq_ignore_ascii_case(b"value="))
}

/// Where the value begins in `</key> <string>value`.
fn behind_tags(text: &[u8], at: usize) -> Option<usize> {
    let window = &text[at..text.len().min(at + 80)];
    let close = memchr::memchr(b'>', window)? + 1;
    let open = close + window[close..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if window.get(open) != Some(&b'<') || window.get(open + 1) == Some(&b'/') {
        return None;
    }
    Some(at + open + memchr::memchr(b'>', &window[open..])? + 1)
}

/// Whether the name stands in a tag with a prefix or an attribute: `<ns:password>`.
fn opens_tag(text: &[u8], line: usize, name: usize) -> bool {
    let first = name.saturating_sub(32).max(line);
    let before = &text[first..name];
    match memchr::memrchr(b'<', before) {
        Some(open) => {
            before[open + 1..].iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b':')
        }
        None => false,
    }
}

/// Where `=` ends in `String = "…"`, when `at` is at a type.
fn behind_type(text: &[u8], at: usize) -> Option<usize> {
    let is_type = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'&' | b'<' | b'>' | b'?' | b'.' | b'[' | b']' | b'*')
    };
    let length = text[at..].iter().take(40).take_while(|byte| is_type(byte)).count();
    let mut behind = at + length;
    behind += blanks(text, behind);
    (length > 0
        && behind > at + length
        && text.get(behind) == Some(&b'=')
        && text.get(behind + 1) != Some(&b'='))
    .then_some(behind + 1)
}

fn is_leading(before: &[u8]) -> bool {
    let before = before.trim_ascii();
    matches!(
        before,
        b"" | b"export"
            | b"set"
            | b"ENV"
            | b"ARG"
            | b"env"
            | b"+"
            | b"-"
            | b"#"
            | b"//"
            | b"$env:"
            | b">"
            | b"setx"
            | b"declare -x"
    )
}

fn is_in_url(text: &[u8], line: usize, name: usize) -> bool {
    let first = name.saturating_sub(512).max(line);
    let before = &text[first..name];
    let word =
        before.iter().rposition(|&byte| byte <= b' ' || is_quote(byte)).map_or(0, |at| at + 1);
    matches!(before.last(), Some(b'?' | b'&'))
        || memchr::memmem::find(&before[word..], b"://").is_some()
}

/// How many bytes the words take that come before the secret in a header.
fn scheme_length(value: &[u8], rest: &[u8], quoted: bool) -> usize {
    let (word, behind) = match value.iter().position(|&byte| byte == b' ') {
        Some(gap) => (&value[..gap], &value[gap..]),
        None if quoted => return 0,
        None => (value, rest),
    };
    match value::is_scheme(word) && behind.first() == Some(&b' ') {
        true => word.len() + behind.iter().take_while(|&&byte| byte == b' ').count(),
        false => 0,
    }
}
