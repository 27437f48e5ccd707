//! The regular expressions of policies, in the dialect that their authors know from RE2: `\w`,
//! `\d`, `\s` and `\b` are about ASCII, `.` is one character and also takes a line end.
//!
//! A shell parts words at ASCII blanks alone, so ASCII classes are right for command lines. They
//! also make an expression an order of magnitude cheaper to build, which every start pays for.
//! Characters stay whole: `^rm .$` must also hit `rm ü`.

use super::possible::Automaton;
use regex::{Regex, RegexBuilder};
use std::sync::OnceLock;

/// Largest compiled expression in bytes, so that a hostile file cannot take the memory.
const LARGEST: usize = 4 << 20;

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    regex: Regex,
    /// The source with its classes written out.
    source: String,
    automaton: OnceLock<Option<Automaton>>,
}

impl Expression {
    /// Compiles `source`.
    ///
    /// # Errors
    /// The expression's own error, or that it is too large.
    pub fn new(source: &str) -> Result<Self, String> {
        let source = with_ascii_classes(source);
        RegexBuilder::new(&source)
            .dot_matches_new_line(true)
            .size_limit(LARGEST)
            .build()
            .map(|regex| Expression { regex, source, automaton: OnceLock::new() })
            .map_err(|error| error.to_string())
    }

    /// Whether it matches anywhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Whether it matches some text of `shape`. FAIL CLOSED: yes, if that cannot be told.
    pub fn could_match(&self, shape: &str) -> bool {
        let build = || Automaton::new(&self.source, LARGEST);
        let automaton = self.automaton.get_or_init(build);
        automaton.as_ref().is_none_or(|automaton| automaton.could_match(shape))
    }
}

/// Writes out the class escapes of RE2. A negated one inside brackets stays as it is: it then
/// covers all of Unicode, which only makes the class wider by characters that are no blanks.
fn with_ascii_classes(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let (mut chars, mut in_brackets) = (source.chars(), 0usize);
    // Where the content of the innermost brackets begins.
    let mut content = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match (chars.next(), in_brackets > 0) {
                // `[(-\w]` and `[\w-z]` are no ranges: the expression's own error is the answer.
                (Some(class @ ('w' | 'd' | 's')), true)
                    if bounds_a_range(&out, content, &chars) =>
                {
                    out.extend(['\\', class]);
                }
                (Some('w'), true) => out.push_str("0-9A-Za-z_"),
                (Some('d'), true) => out.push_str("0-9"),
                (Some('s'), true) => out.push_str(r"\t\n\v\f\r "),
                (Some('w'), false) => out.push_str("[0-9A-Za-z_]"),
                (Some('W'), false) => out.push_str("[^0-9A-Za-z_]"),
                (Some('d'), false) => out.push_str("[0-9]"),
                (Some('D'), false) => out.push_str("[^0-9]"),
                (Some('s'), false) => out.push_str(r"[\t\n\v\f\r ]"),
                (Some('S'), false) => out.push_str(r"[^\t\n\v\f\r ]"),
                (Some('b'), false) => out.push_str(r"(?-u:\b)"),
                (Some(other), _) => out.extend(['\\', other]),
                (None, _) => out.push('\\'),
            },
            '[' => {
                in_brackets += 1;
                out.push(c);
                // `[]x]` and `[^]x]`: the first bracket is a member.
                let mut rest = chars.clone();
                if rest.next() == Some('^') {
                    out.push('^');
                    chars = rest.clone();
                }
                let mut first = chars.clone();
                content = out.len();
                if in_brackets == 1 && first.next() == Some(']') {
                    out.push(']');
                    chars = first;
                }
            }
            ']' => {
                in_brackets = in_brackets.saturating_sub(1);
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

/// Whether a class escape that comes next in brackets would be one end of a range. A hyphen at
/// either end of the brackets, or an escaped one, is only a hyphen.
fn bounds_a_range(out: &str, content: usize, rest: &std::str::Chars<'_>) -> bool {
    let before = out.get(content..).unwrap_or_default();
    let opened = before.strip_suffix('-').is_some_and(|start| {
        let escaped = start.ends_with('\\') && !start.ends_with(r"\\");
        !start.is_empty() && !escaped
    });
    let mut rest = rest.clone();
    let closes = rest.next() == Some('-') && rest.next() != Some(']');
    opened || closes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(source: &str, text: &str) -> bool {
        Expression::new(source).unwrap().is_match(text)
    }

    #[test]
    fn classes_are_ascii_and_characters_are_whole() {
        assert!(matches(r"^git\s+push\b", "git push --force"));
        assert!(matches("^rm .$", "rm ü"));
        assert!(matches("^rm [^x]$", "rm ü"));
        assert!(matches(r"^rm \S$", "rm ü"));
        assert!(matches("[äö]x", "öx"));
        assert!(matches("a.b", "a\nb"));
        assert!(!matches(r"^\w+$", "grün"));
        assert!(!matches(r"^a\sb$", "a\u{a0}b"));
        assert!(matches(r"^[]\w]+$", "a]b"));
        assert!(matches(r"^[^]\s]+$", "ab") && !matches(r"^[^]\s]+$", "a]"));
        assert!(matches(r"^\\w$", r"\w") && matches(r"^[\\w]+$", r"\w"));
        assert!(matches(r"^[\w-]+$", "a-b") && matches(r"^[-\w]+$", "a-b"));
        assert!(matches(r"^[.\-\w]+$", "a-.b") && !matches(r"^[\w.-]+$", "ü"));
        assert!(Expression::new(r"[(-\w]").is_err() && Expression::new(r"[\w-z]").is_err());
        assert!(Expression::new("(").is_err());
        assert!(Expression::new(r"(\w{1000}){1000}").is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// On ASCII text, both dialects say the same.
        #[test]
        fn writing_classes_out_changes_nothing_on_ascii(
            source in r"[\^\[]{0,2}(\\[wdsWDSb]|[a-c \.\]\[^|()*+?-]){0,8}\$?",
            text in "[ -~\t\n]{0,16}",
        ) {
            let plain = RegexBuilder::new(&source).dot_matches_new_line(true).build();
            let ours = Expression::new(&source);
            if let (Ok(plain), Ok(ours)) = (&plain, &ours) {
                prop_assert_eq!(plain.is_match(&text), ours.is_match(&text), "{}", source);
            }
            prop_assert_eq!(plain.is_ok(), ours.is_ok(), "{}", source);
        }
    }
}
