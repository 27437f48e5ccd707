//! Private key blocks in PEM, OpenSSH, PGP and PuTTY dress, line by line.
//!
//! From `-----BEGIN … PRIVATE KEY-----` with a body to its END line, the whole block is
//! dropped. A block that is cut off ends at the first line that is not body; a BEGIN line
//! without a body is only talk about keys (source code quotes it all the time) and stays.
//! The older engine masked the header line and showed the key.

/// A header line is shorter.
pub(in crate::redact) const LONGEST_HEADER: usize = 100;
/// How much of a body tells one key from another.
const IDENTITY: usize = 8 * 1024;
/// Lines without a body after a header: then it was talk about keys.
const MOST_BLANK: usize = 3;

/// A block that has begun, or may have.
pub(in crate::redact) struct Pem {
    /// Offset of BEGIN in the source.
    pub(in crate::redact) start: u64,
    /// Offset behind the last byte that is masked for sure.
    pub(in crate::redact) end: u64,
    /// Whether a body line was seen.
    pub(in crate::redact) established: bool,
    in_headers: bool,
    blank: usize,
    /// What the placeholder's number is made from.
    pub(in crate::redact) identity: Vec<u8>,
}

/// What a line is to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Line {
    /// A part of the key.
    Body,
    /// Perhaps a part, perhaps behind it.
    Blank,
    /// The block ends inside this line, before this offset.
    Last(usize),
    /// The block ended before this line.
    Other,
}

/// Where the header of a private key ends that begins at `at`; the end of the line is in the
/// text.
pub(in crate::redact) fn header(text: &[u8], at: usize) -> Option<usize> {
    let window = &text[at..text.len().min(at + LONGEST_HEADER)];
    let line = memchr::memchr2(b'\n', b'"', window).map_or(window, |end| &window[..end]);
    if line.get(..15).is_some_and(|word| word.eq_ignore_ascii_case(b"PuTTY-User-Key-")) {
        return Some(at + line.len());
    }
    let begin = line.strip_prefix(b"-----BEGIN ").or_else(|| line.strip_prefix(b"---- BEGIN "))?;
    let label = begin
        .iter()
        .take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ')
        .count();
    let name = begin[..label].trim_ascii_end();
    let secret = name.ends_with(b"PRIVATE KEY") || name.ends_with(b"PRIVATE KEY BLOCK");
    let dashes = begin[label..].iter().take(5).take_while(|&&byte| byte == b'-').count();
    (secret && dashes >= 4).then(|| at + line.len() - begin.len() + label + dashes)
}

/// The end of a block that begins and ends, or is cut off, within one line: its line ends are
/// written as `\n`.
pub(in crate::redact) fn within_line(line: &[u8], header_end: usize) -> Option<usize> {
    let rest = &line[header_end..];
    if let Some(end) = memchr::memmem::find(rest, b"-----END ") {
        let closing = rest[end + 9..].iter().position(|&byte| byte == b'-');
        let dashes =
            |at: usize| rest[at..].iter().take(5).take_while(|&&byte| byte == b'-').count();
        let end = match closing {
            Some(at) => end + 9 + at + dashes(end + 9 + at),
            None => rest.len(),
        };
        return is_first_body(&rest[..end]).then_some(header_end + end);
    }
    if !is_first_body(rest) {
        return None;
    }
    // Cut off: up to where the text is no body any more.
    let stops = |byte: &u8| matches!(byte, b'"' | b'\'' | b'<' | b'`' | b',' | b'}');
    let end = rest.iter().position(stops).unwrap_or(rest.len());
    let end = rest[..end].trim_ascii_end().len();
    let words = words(&rest[..end]).all(is_base64);
    match words {
        true => Some(header_end + end),
        false => {
            let mut covered = 0;
            for word in rest[..end].split(|&byte| byte == b' ') {
                if !words_of(word).all(is_base64) && !is_armour_header(word) {
                    break;
                }
                covered += word.len() + 1;
            }
            Some(header_end + covered.min(end))
        }
    }
}

impl Pem {
    /// A block whose header ends at `end`.
    pub(in crate::redact) fn new(start: u64, end: u64) -> Self {
        let identity = Vec::new();
        Pem { start, end, established: false, in_headers: true, blank: 0, identity }
    }

    /// Takes a line (without its end) that begins at `at` in the source.
    pub(in crate::redact) fn line(&mut self, line: &[u8], at: u64) -> Line {
        if let Some(end) = memchr::memmem::find(line, b"-----END ")
            .or_else(|| memchr::memmem::find(line, b"---- END "))
        {
            let label = &line[end..];
            let close =
                label.iter().rposition(|&byte| byte == b'-').map_or(label.len(), |at| at + 1);
            if self.established || is_first_body(&line[..end]) {
                self.absorb(line, at);
                self.end = at + (end + close) as u64;
                return Line::Last(end + close);
            }
            return Line::Other;
        }
        if line.iter().all(|byte| {
            matches!(
                byte,
                b' ' | b'\t'
                    | b'\r'
                    | b'>'
                    | b'#'
                    | b'|'
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'/'
                    | b'"'
                    | b'\''
                    | b'\\'
                    | b'n'
            )
        }) {
            self.blank += 1;
            return if self.blank > MOST_BLANK { Line::Other } else { Line::Blank };
        }
        let body = match self.established {
            false => is_first_body(line),
            true if self.in_headers && is_armour_header(line) => true,
            true => is_body(line),
        };
        if !body {
            return Line::Other;
        }
        self.in_headers &= is_armour_header(line);
        self.established = true;
        self.blank = 0;
        self.absorb(line, at);
        Line::Body
    }

    fn absorb(&mut self, line: &[u8], at: u64) {
        // Of the key alone: indented or with line numbers before it, it is the same key.
        for word in words(line).filter(|word| word.len() >= 16) {
            let room = IDENTITY.saturating_sub(self.identity.len());
            self.identity.extend_from_slice(&word[..word.len().min(room)]);
        }
        let used = line.trim_ascii_end();
        self.end = at + used.len() as u64;
    }
}

fn is_body(line: &[u8]) -> bool {
    let mut count = 0;
    let mut long = false;
    for word in words(line) {
        if !is_base64(word) {
            return false;
        }
        count += 1;
        long |= word.len() >= 16;
    }
    count > 0 && (count < 2 || long)
}

/// The words of a line without what may surround a key: indentation, quotes, diff and
/// comment marks, line numbers, and line ends written as `\n`.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let outer = |byte: &u8| {
        byte.is_ascii_whitespace()
            || matches!(
                byte,
                b'"' | b'\''
                    | b'`'
                    | b','
                    | b';'
                    | b'>'
                    | b'#'
                    | b'|'
                    | b'*'
                    | b':'
                    | b'-'
                    | b'('
                    | b')'
            )
    };
    line.split(outer).flat_map(words_of)
}

fn words_of(piece: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut first = true;
    piece
        .split(|&byte| byte == b'\\')
        .map(move |part| {
            let begins = std::mem::replace(&mut first, false);
            match part {
                [b'n' | b'r', rest @ ..] if !begins => rest,
                part => part,
            }
        })
        .filter(|word| !word.is_empty())
}

fn is_base64(word: &[u8]) -> bool {
    let padding = word.iter().rev().take_while(|&&byte| byte == b'=').count();
    let body = &word[..word.len() - padding];
    // The check sum of PGP armour begins with `=`.
    let body = if word.len() <= 5 { body.strip_prefix(b"=").unwrap_or(body) } else { body };
    padding <= 2 && body.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn is_first_body(line: &[u8]) -> bool {
    is_armour_header(line)
        || words(line)
            .find(|word| word.len() > 4)
            .is_some_and(|word| word.len() >= 16 && is_base64(word))
}

/// `Proc-Type: 4,ENCRYPTED` and its like.
fn is_armour_header(line: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"Proc-Type:",
        b"DEK-Info:",
        b"Version:",
        b"Comment:",
        b"Charset:",
        b"Hash:",
        b"MessageID:",
        b"Encryption:",
        b"Public-Lines:",
        b"Private-Lines:",
        b"Key-Derivation:",
        b"Argon2-",
        b"Subject:",
    ];
    let marks = |b: &u8| {
        b.is_ascii_whitespace()
            || matches!(b, b'"' | b'>' | b'#' | b'|' | b'*' | b'+' | b'-' | b'/' | b'\\')
    };
    let from = line.iter().position(|byte| !marks(byte)).unwrap_or(line.len());
    let text = &line[from..];
    let text = match text {
        [b'n', rest @ ..] if from > 0 && line[from - 1] == b'\\' => rest,
        text => text,
    };
    NAMES.iter().any(|name| text.starts_with(name))
}
