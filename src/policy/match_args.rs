//! `commandPatterns`: one text, two dialects.
//!
//! They are documented as regular expressions, and the older engine reads them as globs. A
//! deny or ask hits in either reading. An allow takes exactly one: an anchored expression
//! (`^…`) or a plain glob; anything between is read as an expression over the whole command.

use super::expression::Lazy;

/// Which reading an allow pattern was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `*` and `?`, over the whole command.
    Glob,
    /// A regular expression anchored by its author.
    Regex,
    /// A regular expression that had to be anchored here: worth a warning.
    AnchoredHere,
}

/// A compiled command pattern. Compilation is put off until the first use for built-in
/// patterns (checked by tests) and done at load for everybody else's.
#[derive(Debug)]
pub struct CommandPattern {
    /// As written.
    pub written: String,
    /// The reading, for an allow.
    pub dialect: Dialect,
    readings: Vec<Lazy>,
}

const SIGNALS: [char; 11] = ['\\', '^', '$', '(', ')', '[', ']', '{', '}', '|', '+'];

fn has_signals(pattern: &str) -> bool {
    pattern.contains(SIGNALS) || pattern.contains(".*")
}

/// The glob as an expression: `*` and `?` cross slashes, because a command is not a path.
fn glob(glob: &str) -> Lazy {
    let start = glob.split(['*', '?']).next().unwrap_or_default();
    let need = glob.split(['*', '?']).max_by_key(|part| part.len()).unwrap_or_default();
    Lazy::plain(glob_source(glob), start, need)
}

/// The text that every match of `words` begins with, where that is an expression without signals:
/// up to the first letter that may be left out.
fn known_start(words: &str) -> &str {
    let end = words.find(['*', '?', '.']).unwrap_or(words.len());
    let start = words.get(..end).unwrap_or_default();
    let optional = words.get(end..).is_some_and(|rest| rest.starts_with(['*', '?']));
    let mut chars = start.chars();
    if optional {
        chars.next_back();
    }
    chars.as_str()
}

fn glob_source(glob: &str) -> String {
    let mut source = String::from("^");
    for c in glob.chars() {
        match c {
            '*' => source.push_str(".*"),
            '?' => source.push('.'),
            other => source.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    source.push('$');
    source
}

impl CommandPattern {
    /// A pattern of a deny or ask rule.
    pub fn restricting(written: &str) -> Self {
        let mut readings = vec![glob(written)];
        let starts_with_word = written.starts_with(|c: char| c.is_ascii_alphanumeric());
        if has_signals(written) {
            readings.push(Lazy::new(written));
        } else if starts_with_word {
            // `rm *` as an expression would hit `npm run format`: without any sign that an
            // expression was meant, a hit has to begin at a word.
            let source = format!("(?:^|\\s)(?:{written})");
            let expression = match known_start(written) {
                "" => Lazy::new(source),
                start => Lazy::plain(source, "", start),
            };
            readings.extend(expression.check().is_ok().then_some(expression));
        } else {
            let expression = Lazy::new(written);
            readings.extend(expression.check().is_ok().then_some(expression));
        }
        CommandPattern { written: written.to_owned(), dialect: Dialect::Regex, readings }
    }

    /// A pattern of an allow rule.
    pub fn permitting(written: &str) -> Self {
        let (dialect, reading) = if written.starts_with('^') {
            (Dialect::Regex, Lazy::new(format!("^(?:{written})")))
        } else if has_signals(written) {
            (Dialect::AnchoredHere, Lazy::new(format!("^(?:{written})$")))
        } else {
            (Dialect::Glob, glob(written))
        };
        CommandPattern { written: written.to_owned(), dialect, readings: vec![reading] }
    }

    /// The compact form `prefix:*`: the prefix alone, or followed by a blank and anything.
    pub fn prefix(prefix: &str) -> Self {
        let source = format!("^{}(?: .*)?$", regex::escape(prefix));
        CommandPattern {
            written: format!("{prefix}:*"),
            dialect: Dialect::Glob,
            readings: vec![Lazy::plain(source, prefix, "")],
        }
    }

    /// Compiles now.
    ///
    /// # Errors
    /// The expression's own error.
    pub fn check(&self) -> Result<(), String> {
        self.readings.iter().try_for_each(Lazy::check)
    }

    /// Its readings, and how many of them a shape is asked of.
    pub(super) fn readings(&self) -> (&[Lazy], usize) {
        // A glob is asked as one: its second reading begins at any blank, also of `ls *`.
        (&self.readings, if has_signals(&self.written) { self.readings.len() } else { 1 })
    }

    /// Whether some command of this shape matches; a pattern that does not compile always does.
    pub fn could_match(&self, shape: &str) -> bool {
        let (readings, asked) = self.readings();
        readings.iter().take(asked).any(|regex| regex.could_match(shape))
    }

    /// Whether a command matches; `broken` is the answer of a pattern that does not compile.
    pub fn matches(&self, text: &str, broken: bool) -> bool {
        self.readings.iter().any(|regex| regex.is_match(text, broken))
    }
}
