//! Private key blocks in PEM, OpenSSH and PGP armour, while they stream by.
//!
//! From `-----BEGIN … PRIVATE KEY-----` with a body to its END line, the whole block is
//! dropped. A block that is cut off ends at the first line that is not body; a BEGIN line
//! without a body is only talk about keys (source code quotes it all the time) and stays.
//! The older engine masked the header line and showed the key.

use sha2::{Digest, Sha256};

/// What a block begins with.
pub(in crate::redact) const BEGIN: &str = "-----BEGIN";
/// A longer line inside a block is dropped without waiting for its end.
const LONGEST_LINE: usize = 64 * 1024;
const LONGEST_HEADER: usize = 80;

/// A block, or what may become one.
pub(in crate::redact) struct Pem {
    /// Source from BEGIN on, until it is sure that it is a key.
    held: String,
    header_done: bool,
    /// Whether a body line was seen.
    established: bool,
    /// Whether only `Name: value` lines came so far.
    in_headers: bool,
    line: String,
    line_source: usize,
    line_holds_placeholder: bool,
    line_overlong: bool,
    /// Line ends since the last body line.
    gap: String,
    hash: Sha256,
    /// Bytes of source that are masked for sure.
    covered: usize,
}

/// What a step led to.
pub(in crate::redact) enum Step {
    /// Not decided.
    More,
    /// Not a key: this source must be read as ordinary text.
    Release(String),
    /// A key of `covered` bytes of source, then text that must be read again.
    Key { hash: Sha256, covered: usize, rest: String },
}

impl Pem {
    /// A block that has just begun.
    pub(in crate::redact) fn new(hash: Sha256) -> Self {
        Pem {
            held: BEGIN.to_owned(),
            header_done: false,
            established: false,
            in_headers: true,
            line: String::new(),
            line_source: 0,
            line_holds_placeholder: false,
            line_overlong: false,
            gap: String::new(),
            hash,
            covered: 0,
        }
    }

    /// Takes the next character.
    pub(in crate::redact) fn push(&mut self, c: char) -> Step {
        if !self.header_done {
            self.held.push(c);
            return self.header();
        }
        if c == '\n' {
            return self.end_line();
        }
        self.line.push(c);
        self.line_source += c.len_utf8();
        if c == '-' && self.line.ends_with("-----") && self.ends_block() {
            return self.finish_block();
        }
        if self.line.len() >= LONGEST_LINE && self.established {
            // FAIL CLOSED: what cannot be held any longer counts as body.
            self.hash.update(self.line.as_bytes());
            self.covered += self.gap.len() + self.line_source;
            self.gap.clear();
            self.line_overlong = true;
            let keep = self.line.len().saturating_sub(64);
            self.line = self.line.get(keep..).unwrap_or_default().to_owned();
            self.line_source = 0;
        } else if self.line.len() >= LONGEST_LINE {
            if is_first_body(&self.line) {
                self.establish();
            } else {
                return self.release();
            }
        }
        Step::More
    }

    /// Takes a placeholder that stands for `source` bytes; `false` when this cannot be a key.
    pub(in crate::redact) fn push_placeholder(
        &mut self,
        text: &str,
        source: usize,
        fresh: bool,
    ) -> bool {
        // A known value right behind BEGIN is most likely the key; a placeholder that stood
        // there was judged before.
        if !self.header_done || !(fresh || self.established) {
            return false;
        }
        self.establish();
        self.line.push_str(text);
        self.line_source += source;
        self.line_holds_placeholder = true;
        true
    }

    /// The source ends here.
    pub(in crate::redact) fn finish(mut self) -> Step {
        if !self.header_done {
            return Step::Release(self.held);
        }
        if !self.established && is_first_body(&self.line) {
            self.establish();
        }
        if !self.established {
            return self.release();
        }
        if self.line_is_body() {
            self.absorb_line();
        }
        self.key()
    }

    fn header(&mut self) -> Step {
        let tail = self.held.get(BEGIN.len()..).unwrap_or_default();
        let legal =
            |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b' ' | b'-');
        if !tail.starts_with(' ') || !tail.bytes().all(legal) || tail.len() > LONGEST_HEADER {
            return Step::Release(std::mem::take(&mut self.held));
        }
        if let Some(label) = tail.strip_suffix("-----") {
            if !(label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK")) {
                return Step::Release(std::mem::take(&mut self.held));
            }
            self.header_done = true;
            self.covered = self.held.len();
        }
        Step::More
    }

    fn end_line(&mut self) -> Step {
        if !self.established {
            if is_first_body(&self.line) {
                self.establish();
            } else if self.line.trim().is_empty() && self.held.len() < LONGEST_HEADER * 4 {
                self.held.push_str(&self.line);
                self.held.push('\n');
                self.covered += self.line_source + 1;
                self.line.clear();
                self.line_source = 0;
                return Step::More;
            } else {
                self.line.push('\n');
                return self.release();
            }
        }
        if self.line_is_body() {
            self.absorb_line();
            self.gap.push('\n');
            if self.gap.len() > 1024 {
                return self.key();
            }
            return Step::More;
        }
        self.line.push('\n');
        self.key()
    }

    fn establish(&mut self) {
        self.established = true;
        self.held.clear();
    }

    fn line_is_body(&mut self) -> bool {
        if self.line_holds_placeholder || self.line_overlong {
            return true;
        }
        if self.in_headers && is_armour_header(&self.line) {
            return true;
        }
        let words: Vec<&str> = words(&self.line).collect();
        if !words.is_empty() {
            self.in_headers = false;
        }
        words.iter().all(|word| is_base64(word))
            && (words.len() < 2 || words.iter().any(|word| word.len() >= 16))
    }

    fn absorb_line(&mut self) {
        self.hash.update(self.line.as_bytes());
        self.covered += self.gap.len() + self.line_source;
        self.gap.clear();
        self.line.clear();
        self.line_source = 0;
        self.line_holds_placeholder = false;
        self.line_overlong = false;
    }

    fn ends_block(&self) -> bool {
        let Some(at) = self.line.rfind("-----END ") else { return false };
        let label = self.line.get(at + 9..).and_then(|rest| rest.strip_suffix("-----"));
        label.is_some_and(|label| {
            (label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK"))
                && label.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b' ' | b'0'..=b'9'))
        })
    }

    fn finish_block(&mut self) -> Step {
        let body = self.line.split("-----END ").next().unwrap_or_default();
        if !self.established && !is_first_body(body) {
            return self.release();
        }
        self.establish();
        self.absorb_line();
        self.key()
    }

    fn release(&mut self) -> Step {
        Step::Release(std::mem::take(&mut self.held) + &std::mem::take(&mut self.line))
    }

    fn key(&mut self) -> Step {
        Step::Key {
            hash: self.hash.clone(),
            covered: self.covered,
            rest: std::mem::take(&mut self.gap) + &std::mem::take(&mut self.line),
        }
    }
}

/// The words of a line without what may surround a key: indentation, quotes, diff and
/// comment marks, and line ends written as `\n`.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let outer = |c: char| {
        c.is_whitespace()
            || matches!(c, '"' | '\'' | '`' | ',' | ';' | '>' | '#' | '|' | '*' | ':' | '-')
    };
    line.split(outer)
        .flat_map(|piece| piece.split("\\n").flat_map(|part| part.split("\\r")))
        .map(|word| word.trim_matches('\\'))
        .filter(|word| !word.is_empty())
}

fn is_base64(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}

fn is_first_body(line: &str) -> bool {
    is_armour_header(line)
        || words(line)
            .find(|word| word.len() > 4)
            .is_some_and(|word| word.len() >= 16 && is_base64(word))
}

/// `Proc-Type: 4,ENCRYPTED` and its like.
fn is_armour_header(line: &str) -> bool {
    let text = line.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '>' | '#' | '|' | '*' | '+' | '-' | '/' | '\\')
    });
    let text = text.strip_prefix("n").filter(|_| line.contains("\\n")).unwrap_or(text);
    ["Proc-Type:", "DEK-Info:", "Version:", "Comment:", "Charset:", "Hash:", "MessageID:"]
        .iter()
        .any(|name| text.starts_with(name))
}
