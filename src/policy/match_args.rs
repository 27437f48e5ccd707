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
        let mut readings = vec![Lazy::new(glob_source(written))];
        let starts_with_word = written.starts_with(|c: char| c.is_ascii_alphanumeric());
        if has_signals(written) {
            readings.push(Lazy::new(written));
        } else if starts_with_word {
            // `rm *` as an expression would hit `npm run format`: without any sign that an
            // expression was meant, a hit has to begin at a word.
            let expression = Lazy::new(format!("(?:^|\\s)(?:{written})"));
            readings.extend(expression.check().is_ok().then_some(expression));
        } else {
            let expression = Lazy::new(written);
            readings.extend(expression.check().is_ok().then_some(expression));
        }
        CommandPattern { written: written.to_owned(), dialect: Dialect::Regex, readings }
    }

    /// A pattern of an allow rule.
    pub fn permitting(written: &str) -> Self {
        let (dialect, source) = if written.starts_with('^') {
            (Dialect::Regex, format!("^(?:{written})"))
        } else if has_signals(written) {
            (Dialect::AnchoredHere, format!("^(?:{written})$"))
        } else {
            (Dialect::Glob, glob_source(written))
        };
        CommandPattern { written: written.to_owned(), dialect, readings: vec![Lazy::new(source)] }
    }

    /// The compact form `prefix:*`: the prefix alone, or followed by a blank and anything.
    pub fn prefix(prefix: &str) -> Self {
        let source = format!("^{}(?: .*)?$", regex::escape(prefix));
        CommandPattern {
            written: format!("{prefix}:*"),
            dialect: Dialect::Glob,
            readings: vec![Lazy::new(source)],
        }
    }

    /// Compiles now.
    ///
    /// # Errors
    /// The expression's own error.
    pub fn check(&self) -> Result<(), String> {
        self.readings.iter().try_for_each(Lazy::check)
    }

    /// Whether some command of this shape matches; a pattern that does not compile always does.
    pub fn could_match(&self, shape: &str) -> bool {
        // A glob is asked as one: its second reading begins at any blank, also of `ls *`.
        let readings = if has_signals(&self.written) { self.readings.len() } else { 1 };
        self.readings.iter().take(readings).any(|regex| regex.could_match(shape))
    }

    /// Whether a command matches; `broken` is the answer of a pattern that does not compile.
    pub fn matches(&self, text: &str, broken: bool) -> bool {
        self.readings.iter().any(|regex| regex.is_match(text, broken))
    }
}
