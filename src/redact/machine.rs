//! Finds secrets that only look like secrets, one character after another.
//!
//! Text is read in words (runs without blanks, quotes, brackets and commas). A word is
//! judged when it is complete, from itself and from what stood before it in its line, never
//! from what comes later. INVARIANT (chunking): how the source was cut into pieces cannot
//! matter, because nothing here sees a piece. What is held back is the current word, the
//! value of a secret-sounding name, or a private key, each bounded. Read `kinds` for words,
//! `names` and `value` for `name = value`, `pem` for keys.

use super::kinds::{Kinds, ScanError};
use super::names::{self, Named, Sensitivity};
use super::pem::{self, Pem, Step};
use super::placeholder::{self, Numbers};
use super::redactor::Finding;
use super::value::{self, Place};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;

/// How much of the line before a word is remembered.
const CONTEXT: usize = 256;
/// A longer word is judged in parts that overlap by [`OVERLAP`].
const LONGEST_WORD: usize = 16 * 1024;
const OVERLAP: usize = 4 * 1024;
/// A longer value is judged by its beginning.
const LONGEST_VALUE: usize = 4 * 1024;
/// `a_token=$b_token=$c_token=…`: values inside values are read this deep, then masked.
const DEEPEST: u8 = 3;

/// A value that is about to begin, or has.
#[derive(Debug, Clone, Copy)]
struct Slot {
    named: Named,
    separator: char,
    glued: bool,
    leading: bool,
    bare_scheme: bool,
    in_url: bool,
    blanks: u8,
    backslashes: u8,
    depth: u8,
}

/// A value that has begun.
struct Value {
    slot: Slot,
    quote: Option<char>,
    text: String,
    /// Offset in the source.
    start: usize,
    /// Placeholders inside: where in `text`, and for how many bytes of source.
    marks: Vec<(Range<usize>, usize)>,
    /// Whether one of them was a known value in the source, not a placeholder.
    fresh: bool,
}

impl Value {
    fn new(slot: Slot, quote: Option<char>, start: usize) -> Self {
        Value { slot, quote, text: String::new(), start, marks: Vec::new(), fresh: false }
    }

    fn mark(&mut self, placeholder: &str, source: usize, fresh: bool) {
        let from = self.text.len();
        self.text.push_str(placeholder);
        self.marks.push((from..self.text.len(), source));
        self.fresh |= fresh;
    }

    /// Whether nothing but marks (in the sense of punctuation) stands beside placeholders.
    fn is_only_placeholders(&self, body: Range<usize>) -> bool {
        let mut from = body.start;
        let mut plain = String::new();
        for (range, _) in &self.marks {
            plain.push_str(self.text.get(from..range.start).unwrap_or_default());
            from = range.end;
        }
        plain.push_str(self.text.get(from..body.end).unwrap_or_default());
        !plain.chars().any(char::is_alphanumeric)
    }
}

enum State {
    Text,
    /// After `name =`, before the value.
    Before(Slot),
    Value(Value),
    /// The rest of a value or word whose beginning was masked.
    Swallow {
        quote: Option<char>,
        escaped: bool,
    },
    Pem {
        pem: Box<Pem>,
        start: usize,
    },
    /// Inside a terminal escape sequence.
    Escape(u8),
}

/// The reader. `out` holds what can be shown.
pub(in crate::redact) struct Machine<'r> {
    kinds: &'r Kinds,
    numbers: &'r Numbers,
    numbered: bool,
    out: String,
    context: String,
    word: String,
    word_start: usize,
    state: State,
    depth: u8,
    /// Offset in the source of the next character.
    pos: usize,
    pub(in crate::redact) report: Report,
}

/// What was masked.
#[derive(Default)]
pub(in crate::redact) struct Report {
    pub(in crate::redact) counts: BTreeMap<String, u64>,
    /// Kept only when somebody asked.
    pub(in crate::redact) findings: Option<Vec<Finding>>,
}

impl Report {
    pub(in crate::redact) fn add(&mut self, kind: &str, start: usize, end: usize) {
        *self.counts.entry(kind.to_owned()).or_insert(0) += 1;
        if let Some(findings) = &mut self.findings {
            // A masked value swallows what was found inside it before.
            let at = findings.partition_point(|finding| finding.start < start);
            let inside = findings.iter().skip(at).take_while(|finding| finding.end <= end).count();
            let rule = kind.to_owned();
            findings.splice(at..at + inside, [Finding { rule, start, end }]);
        }
    }
}

fn separates(c: char) -> bool {
    c <= ' '
        || c == '\u{7f}'
        || matches!(
            c,
            '"' | '\'' | '`' | ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '|'
        )
        || (!c.is_ascii() && c.is_whitespace())
}

impl<'r> Machine<'r> {
    pub(in crate::redact) fn new(kinds: &'r Kinds, numbers: &'r Numbers, numbered: bool) -> Self {
        Machine {
            kinds,
            numbers,
            numbered,
            out: String::new(),
            context: String::new(),
            word: String::new(),
            word_start: 0,
            state: State::Text,
            depth: 0,
            pos: 0,
            report: Report::default(),
        }
    }

    /// Reads source text.
    pub(in crate::redact) fn feed(&mut self, text: &str) -> Result<(), ScanError> {
        for c in text.chars() {
            self.step(c)?;
            self.pos += c.len_utf8();
        }
        Ok(())
    }

    /// Reads a placeholder that stands for `source` bytes; `fresh` when it was made just now.
    pub(in crate::redact) fn feed_placeholder(
        &mut self,
        text: &str,
        source: usize,
        fresh: bool,
    ) -> Result<(), ScanError> {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text | State::Escape(_) => {
                self.end_word(None)?;
                self.emit(text);
            }
            State::Before(slot) => {
                let mut value = Value::new(slot, None, self.pos);
                value.mark(text, source, fresh);
                self.state = State::Value(value);
            }
            State::Value(mut value) => {
                value.mark(text, source, fresh);
                self.state = State::Value(value);
            }
            State::Swallow { quote, escaped } => self.state = State::Swallow { quote, escaped },
            State::Pem { mut pem, start } => {
                if pem.push_placeholder(text, source, fresh) {
                    self.state = State::Pem { pem, start };
                } else {
                    let here = self.pos;
                    self.conclude(pem.finish(), start)?;
                    self.pos = here;
                    return self.feed_placeholder(text, source, fresh);
                }
            }
        }
        self.pos += source;
        Ok(())
    }

    /// Takes what can be shown so far.
    pub(in crate::redact) fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    /// The source ends: decides all that is open.
    pub(in crate::redact) fn finish(&mut self) -> Result<(), ScanError> {
        // Each round closes one construct; a released one can open another, shorter one.
        for _ in 0..64 {
            match std::mem::replace(&mut self.state, State::Text) {
                State::Text if self.word.is_empty() => return Ok(()),
                State::Text => self.end_word(None)?,
                State::Before(_) | State::Swallow { .. } | State::Escape(_) => {}
                State::Value(value) => self.end_value(value, None)?,
                State::Pem { pem, start } => self.conclude(pem.finish(), start)?,
            }
        }
        Err(ScanError("the text nests too deeply".to_owned()))
    }

    fn step(&mut self, c: char) -> Result<(), ScanError> {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text => self.step_text(c),
            State::Before(slot) => self.step_before(slot, c),
            State::Value(value) => self.step_value(value, c),
            State::Swallow { quote, escaped } => {
                let ends = match quote {
                    Some(quote) => c == '\n' || (c == quote && !escaped),
                    None => separates(c),
                };
                if ends {
                    return self.step_text(c);
                }
                self.state = State::Swallow { quote, escaped: c == '\\' && !escaped };
                Ok(())
            }
            State::Pem { mut pem, start } => {
                match pem.push(c) {
                    Step::More => self.state = State::Pem { pem, start },
                    decided => {
                        // What is read again ends with this character.
                        let after = self.pos;
                        self.conclude(decided, start)?;
                        self.pos = after;
                    }
                }
                Ok(())
            }
            State::Escape(length) => {
                self.out.push(c);
                let ends = (length > 0 && ('@'..='~').contains(&c)) || length > 32;
                if !ends && (length > 0 || c == '[') {
                    self.state = State::Escape(length + 1);
                }
                Ok(())
            }
        }
    }

    fn step_text(&mut self, c: char) -> Result<(), ScanError> {
        if separates(c) {
            self.end_word(Some(c))?;
            if !matches!(self.state, State::Text) {
                return self.step(c);
            }
            if c == '\u{1b}' {
                self.out.push(c);
                self.state = State::Escape(0);
                return Ok(());
            }
            self.emit(c.encode_utf8(&mut [0; 4]));
            if c == '>' {
                self.after_tag();
            }
            return Ok(());
        }
        if matches!(c, '=' | ':')
            && let Some(slot) = self.slot(c)
        {
            self.end_word(None)?;
            self.emit(c.encode_utf8(&mut [0; 4]));
            self.state = State::Before(slot);
            return Ok(());
        }
        if self.word.is_empty() {
            self.word_start = self.pos;
        }
        self.word.push(c);
        if self.word.len() >= LONGEST_WORD {
            self.cut_word()?;
        }
        Ok(())
    }

    /// Whether a separator here stands behind the name of a secret.
    fn slot(&self, separator: char) -> Option<Slot> {
        // A URL goes on behind a placeholder inside it.
        let goes_on = self.context.ends_with(']')
            && self
                .context
                .rsplit([' ', '\t', '"', '\''])
                .next()
                .is_some_and(|r| r.contains("://"));
        let in_url = goes_on || self.word.contains("://");
        if in_url && separator == ':' {
            return None;
        }
        let glued = !self.word.is_empty();
        let before = if glued { self.word.as_str() } else { self.context.as_str() };
        let mut before = before;
        if !glued {
            before = before.trim_end_matches([' ', '\t']);
            if let Some(unquoted) = before.strip_suffix(['"', '\'', '`']) {
                before = unquoted.trim_end_matches('\\');
            }
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let rest = before.trim_end_matches(is_name);
        let name = before.get(rest.len()..)?.trim_start_matches(['-', '.']);
        let named = names::judge(name).or_else(|| names::judge(self.behind_secret(name)?))?;
        let mut line = if glued { self.context.clone() + rest } else { rest.to_owned() };
        line.truncate(line.trim_end_matches('-').len());
        let lead = line.trim();
        let leading = matches!(lead, "" | "export" | "set" | "ENV" | "ARG" | "env" | "+" | "#");
        let depth = self.depth;
        let (bare_scheme, blanks, backslashes) = (false, 0, 0);
        Some(Slot {
            named,
            separator,
            glued,
            leading,
            bare_scheme,
            in_url,
            blanks,
            backslashes,
            depth,
        })
    }

    /// The part of a name that stands directly behind a secret: once that is masked, it is
    /// a name of its own. Looked for only in words of ordinary length, because each look
    /// costs a scan.
    fn behind_secret<'n>(&self, name: &'n str) -> Option<&'n str> {
        const TELLING: &[&str] = &["key", "token", "secret", "password", "cookie", "authorization"];
        let lower = name.to_ascii_lowercase();
        let telling = TELLING.iter().any(|end| lower.ends_with(end));
        if !telling || self.word.len() > 1024 || !self.word.ends_with(name) {
            return None;
        }
        // A rule that fails here fails again, and is reported, when the word ends.
        let end = self.kinds.scan(&self.word).ok()?.last()?.range.end;
        let rest = name.len().min(self.word.len() - end);
        name.get(name.len() - rest..)
    }

    /// `<password>` announces a value as `password=` does.
    fn after_tag(&mut self) {
        let inside = self.context.trim_end_matches('>');
        let Some((_, name)) = inside.rsplit_once('<') else { return };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        if name.is_empty() || !name.chars().all(is_name) {
            return;
        }
        if let Some(named) = names::judge(name) {
            self.state = State::Before(self.announced(named, '>', true, false));
        }
    }

    fn announced(&self, named: Named, separator: char, glued: bool, bare_scheme: bool) -> Slot {
        let (leading, in_url, blanks, backslashes, depth) = (false, false, 0, 0, self.depth);
        Slot { named, separator, glued, leading, bare_scheme, in_url, blanks, backslashes, depth }
    }

    fn step_before(&mut self, mut slot: Slot, c: char) -> Result<(), ScanError> {
        match c {
            ' ' | '\t' if slot.blanks < 16 => {
                self.emit(c.encode_utf8(&mut [0; 4]));
                slot.blanks += 1;
                self.state = State::Before(slot);
                Ok(())
            }
            '\\' if slot.backslashes < 8 => {
                self.emit("\\");
                slot.backslashes += 1;
                self.state = State::Before(slot);
                Ok(())
            }
            ':' | '=' | '>' if slot.blanks == 0 && slot.separator != '>' => {
                // `::` names a type or a module; `:=`, `=>` and `==` bring a value.
                self.emit(c.encode_utf8(&mut [0; 4]));
                if !(slot.separator == ':' && c == ':') {
                    slot.separator = '>';
                    self.state = State::Before(slot);
                }
                Ok(())
            }
            '"' | '\'' | '`' => {
                self.emit(c.encode_utf8(&mut [0; 4]));
                self.state = State::Value(Value::new(slot, Some(c), self.pos + 1));
                Ok(())
            }
            _ if separates(c) && !(self.takes_all(slot) && !c.is_whitespace() && c > ' ') => {
                self.step_text(c)
            }
            _ => {
                let mut value = Value::new(slot, None, self.pos);
                value.text.push(c);
                self.state = State::Value(value);
                Ok(())
            }
        }
    }

    /// `NAME=value` at the start of a line, as in `.env`: only a blank ends the value.
    fn takes_all(&self, slot: Slot) -> bool {
        slot.separator == '='
            && slot.glued
            && slot.leading
            && slot.blanks == 0
            && slot.named.sensitivity == Sensitivity::Strong
    }

    fn step_value(&mut self, mut value: Value, c: char) -> Result<(), ScanError> {
        let slot = value.slot;
        if value.text == pem::BEGIN && c == ' ' {
            // A key block goes on after this line; the name before it adds nothing.
            let pem = Box::new(Pem::new(self.numbers.hasher()));
            self.state = State::Pem { pem, start: value.start };
            return self.step(c);
        }
        let ends = match value.quote {
            Some(quote) => {
                let backslashes = value.text.len() - value.text.trim_end_matches('\\').len();
                c == '\n' || (c == quote && (slot.backslashes > 0 || backslashes.is_multiple_of(2)))
            }
            None if slot.named.kind == "cookie" => matches!(c, '\n' | '\r' | '"' | '\'' | '`'),
            None if self.takes_all(slot) => c <= ' ' || c.is_whitespace(),
            None => {
                separates(c) || (slot.in_url || slot.glued) && c == '&' || slot.in_url && c == '#'
            }
        };
        if ends {
            return self.end_value(value, Some(c));
        }
        value.text.push(c);
        if value.text.len() < LONGEST_VALUE {
            self.state = State::Value(value);
            return Ok(());
        }
        self.pos += c.len_utf8();
        self.end_value(value, None)?;
        self.pos -= c.len_utf8();
        Ok(())
    }

    fn end_value(&mut self, value: Value, terminator: Option<char>) -> Result<(), ScanError> {
        let Value { slot, quote, text, start, .. } = &value;
        let (slot, quote, start, end) = (*slot, *quote, *start, self.pos);
        if quote.is_none() && terminator == Some(' ') && value::is_scheme(text) {
            self.emit(text);
            let bare_scheme = slot.bare_scheme || slot.separator == ' ';
            self.state = State::Before(Slot { blanks: 0, bare_scheme, ..slot });
            return self.step(' ');
        }
        let scheme = value::scheme_len(text);
        let body = text.get(scheme..).unwrap_or_default();
        let body = match quote {
            Some(_) if slot.backslashes > 0 => body.trim_end_matches('\\'),
            Some(_) => body,
            None if value.marks.is_empty() => {
                body.trim_end_matches([';', ',', ')', '}', ']', '"', '\''])
            }
            None => body,
        };
        let tail = text.get(scheme + body.len()..).unwrap_or_default();
        let place = Place {
            quoted: quote.is_some(),
            glued: slot.glued && slot.blanks == 0 && matches!(slot.separator, '=' | '>'),
            leading: slot.leading && slot.separator == '=',
            ends_line: matches!(terminator, None | Some('\n' | '\r')),
            bare_scheme: slot.bare_scheme,
        };
        // A call, an index, a type argument: code, not a value.
        let calls = quote.is_none()
            && (matches!(terminator, Some('(' | '[' | '{'))
                || terminator == Some('<') && slot.separator != '>');
        let masked = if value.marks.is_empty() {
            slot.depth >= DEEPEST || (!calls && value::is_secret(slot.named, place, body))
        } else {
            // A known value is a part of this one: the rest must not remain. A placeholder
            // that stood there already says that this place was judged before.
            value.fresh && !calls && !value.is_only_placeholders(scheme..scheme + body.len())
        };
        if masked {
            let hit = self.kinds.scan(body)?;
            let kind = match hit.as_slice() {
                [only] if only.range == (0..body.len()) => only.kind,
                _ => slot.named.kind,
            };
            let number = self.number(body);
            self.emit(text.get(..scheme).unwrap_or_default());
            self.emit(&placeholder::write(kind, number));
            self.report.add(kind, start + scheme, end - tail.len());
            self.emit(tail);
            if terminator.is_none() && text.len() >= LONGEST_VALUE {
                self.state = State::Swallow { quote, escaped: false };
            }
        } else {
            self.read_value_again(&value)?;
            self.pos = end;
        }
        match terminator {
            Some(c) => self.step(c),
            None => Ok(()),
        }
    }

    /// Reads a value that is no secret by its name: it may hold one by its shape.
    fn read_value_again(&mut self, value: &Value) -> Result<(), ScanError> {
        let outer = self.depth;
        self.depth = outer.max(value.slot.depth + 1);
        self.pos = value.start;
        let mut from = 0;
        for (range, source) in &value.marks {
            self.feed(value.text.get(from..range.start).unwrap_or_default())?;
            let placeholder = value.text.get(range.clone()).unwrap_or_default();
            self.feed_placeholder(placeholder, *source, false)?;
            from = range.end;
        }
        self.feed(value.text.get(from..).unwrap_or_default())?;
        self.depth = outer;
        Ok(())
    }

    /// Reads source as plain text that was held for another reason.
    fn read_again(&mut self, text: &str, start: usize, depth: u8) -> Result<(), ScanError> {
        let outer = self.depth;
        self.depth = depth.max(outer);
        self.pos = start;
        let read = self.feed(text);
        self.depth = outer;
        read
    }

    fn conclude(&mut self, step: Step, start: usize) -> Result<(), ScanError> {
        let (text, from) = match step {
            Step::More => return Ok(()),
            Step::Release(held) => {
                // Past the dashes, or the same block would begin again for ever.
                let rest = held.get(pem::BEGIN.len()..).unwrap_or_default();
                self.emit(held.get(..held.len() - rest.len()).unwrap_or_default());
                (rest.to_owned(), start + pem::BEGIN.len())
            }
            Step::Key { hash, covered, rest } => {
                let number = self.numbered.then(|| self.numbers.of(hash));
                self.emit(&placeholder::write("private-key", number));
                self.report.add("private-key", start, start + covered);
                (rest, start + covered)
            }
        };
        self.read_again(&text, from, self.depth)
    }

    fn end_word(&mut self, next: Option<char>) -> Result<(), ScanError> {
        if self.word.is_empty() {
            return Ok(());
        }
        let word = std::mem::take(&mut self.word);
        if next == Some(' ')
            && let Some(before) = word.strip_suffix(pem::BEGIN)
        {
            self.show_word(before, before.len())?;
            let pem = Box::new(Pem::new(self.numbers.hasher()));
            self.state = State::Pem { pem, start: self.word_start + before.len() };
            return Ok(());
        }
        let shown = self.show_word(&word, word.len())?;
        if matches!(next, Some(' ' | '\t')) {
            self.announce(word.get(shown..).unwrap_or_default());
        }
        Ok(())
    }

    /// Words that announce a secret without a separator.
    fn announce(&mut self, word: &str) {
        let token = Named { sensitivity: Sensitivity::Weak, kind: "token" };
        let authorization = Named { sensitivity: Sensitivity::Weak, kind: "authorization" };
        let slot = if let Some(name) = word.strip_prefix("--") {
            names::judge(name).map(|named| self.announced(named, ' ', false, false))
        } else if word.eq_ignore_ascii_case("bearer") {
            Some(self.announced(token, ' ', false, true))
        } else if word.eq_ignore_ascii_case("basic") {
            Some(self.announced(authorization, ' ', false, true))
        } else if word == "password" && self.context.contains("login ") {
            // `.netrc`
            names::judge(word).map(|named| self.announced(named, '=', true, false))
        } else {
            None
        };
        if let Some(slot) = slot {
            self.state = State::Before(slot);
        }
    }

    /// Judges the first `judged` bytes of a word and shows them. Gives the end of the last
    /// secret, behind which a word of its own begins.
    fn show_word(&mut self, word: &str, judged: usize) -> Result<usize, ScanError> {
        let mut shown = 0;
        for span in self.kinds.scan(word)? {
            if span.range.start >= judged {
                break;
            }
            self.emit(word.get(shown..span.range.start).unwrap_or_default());
            let number = self.number(word.get(span.range.clone()).unwrap_or_default());
            self.emit(&placeholder::write(span.kind, number));
            let at = self.word_start;
            self.report.add(span.kind, at + span.range.start, at + span.range.end);
            shown = span.range.end;
        }
        self.emit(word.get(shown..judged).unwrap_or_default());
        Ok(shown)
    }

    /// A word without end: shows all but its tail, which may begin a secret.
    fn cut_word(&mut self) -> Result<(), ScanError> {
        let word = std::mem::take(&mut self.word);
        let mut cut = word.len() - OVERLAP;
        while !word.is_char_boundary(cut) {
            cut -= 1;
        }
        let spans = self.kinds.scan(&word)?;
        let crossing =
            spans.iter().map(|span| span.range.clone()).find(|r| r.start < cut && r.end > cut);
        match crossing {
            Some(range) if range.end == word.len() => {
                self.show_word(&word, word.len())?;
                self.state = State::Swallow { quote: None, escaped: false };
                return Ok(());
            }
            Some(range) => cut = range.end,
            None => {}
        }
        self.show_word(&word, cut)?;
        self.word = word.get(cut..).unwrap_or_default().to_owned();
        self.word_start += cut;
        Ok(())
    }

    fn number(&self, secret: &str) -> Option<usize> {
        self.numbered.then(|| {
            let mut hash: Sha256 = self.numbers.hasher();
            hash.update(secret.as_bytes());
            self.numbers.of(hash)
        })
    }

    fn emit(&mut self, text: &str) {
        self.out.push_str(text);
        match text.rfind('\n') {
            Some(at) => {
                self.context.clear();
                self.context.push_str(text.get(at + 1..).unwrap_or_default());
            }
            None => self.context.push_str(text),
        }
        if self.context.len() > CONTEXT * 2 {
            let mut cut = self.context.len() - CONTEXT;
            while !self.context.is_char_boundary(cut) {
                cut += 1;
            }
            self.context.drain(..cut);
        }
    }
}
