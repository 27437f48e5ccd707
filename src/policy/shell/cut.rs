//! `${x%.c}`, `${x##*/}` and their kin on values that are known.
//!
//! Only what leaves no doubt: a cut text, `*/` and `.*`. Everything else stays unknown. Read `word`.

use super::Word;
use brush_parser::word::{Parameter, ParameterExpr, SubstringMatchKind};

const WILD: [char; 3] = ['*', '?', '['];

/// The value of the expansion, and whether it is sure.
pub fn of(
    expr: &ParameterExpr,
    named: impl Fn(&str) -> Option<(Word, bool)>,
    positional: Option<&[Word]>,
) -> Option<(Word, bool)> {
    use ParameterExpr as Expr;
    let (parameter, pattern, kind) = match expr {
        Expr::RemoveSmallestSuffixPattern { parameter, indirect: false, pattern } => {
            (parameter, pattern.as_deref(), "%")
        }
        Expr::RemoveLargestSuffixPattern { parameter, indirect: false, pattern } => {
            (parameter, pattern.as_deref(), "%%")
        }
        Expr::RemoveSmallestPrefixPattern { parameter, indirect: false, pattern } => {
            (parameter, pattern.as_deref(), "#")
        }
        Expr::RemoveLargestPrefixPattern { parameter, indirect: false, pattern } => {
            (parameter, pattern.as_deref(), "##")
        }
        Expr::ReplaceSubstring { parameter, indirect: false, pattern, replacement, match_kind } => {
            let to = replacement.as_deref().unwrap_or_default();
            let (value, certain) = value(parameter, named, positional)?;
            // Anything but letters and a few marks may mean something to the shell.
            let plain =
                |text: &str| text.chars().all(|c| c.is_alphanumeric() || "._- ".contains(c));
            if pattern.is_empty() || !plain(pattern) || !plain(to) || value.text.contains(WILD) {
                return None;
            }
            let text = match match_kind {
                SubstringMatchKind::FirstOccurrence => value.text.replacen(pattern, to, 1),
                SubstringMatchKind::Anywhere => value.text.replace(pattern, to),
                _ => return None,
            };
            return fits(&text).then_some((Word { text, ..value }, certain));
        }
        _ => return None,
    };
    let pattern = pattern?;
    let (value, certain) = value(parameter, named, positional)?;
    let text = cut(&value.text, pattern, kind)?;
    // A glob may stand for a name that begins with a dash, unless a folder leads it.
    let leads = !text.contains(WILD) || text.contains('/') || text.starts_with("*.") || text == "*";
    let certain = certain && leads && fits(&text);
    Some((Word { glob: value.glob && text.contains(WILD), text, ..value }, certain))
}

/// Whether what is left over may still stand where a path is meant.
fn fits(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && text != "/"
}

fn value(
    parameter: &Parameter,
    named: impl Fn(&str) -> Option<(Word, bool)>,
    positional: Option<&[Word]>,
) -> Option<(Word, bool)> {
    let (value, certain) = match parameter {
        Parameter::Named(name) => named(name)?,
        Parameter::Positional(number) => {
            let at = usize::try_from(*number).ok()?.checked_sub(1)?;
            let word = positional?.get(at)?.clone();
            let certain = word.literal;
            (word, certain)
        }
        _ => return None,
    };
    (!value.text.contains(['$', '`'])).then_some((value, certain))
}

fn cut(text: &str, pattern: &str, kind: &str) -> Option<String> {
    let found = match (kind, pattern) {
        ("##", "*/") => text.rsplit('/').next()?,
        ("#", "*/") => text.split_once('/').map_or(text, |(_, rest)| rest),
        ("%", "/*") => text.rsplit_once('/').map_or(text, |(head, _)| head),
        ("%", ".*") => {
            let (head, tail) = text.rsplit_once('.')?;
            // The last dot of a glob is known only if nothing behind it is open.
            if tail.contains(WILD) || tail.contains('/') {
                return None;
            }
            head
        }
        // Anything but letters and a few marks may mean something to the shell.
        _ if !pattern.chars().all(|c| c.is_alphanumeric() || "._-/".contains(c)) => return None,
        ("%" | "%%", _) => match text.strip_suffix(pattern) {
            Some(head) => head,
            // An open end may have the suffix or not.
            None if text.contains(WILD) => return None,
            None => text,
        },
        _ if text.contains(WILD) => return None,
        _ => text.strip_prefix(pattern).unwrap_or(text),
    };
    Some(found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cuts_without_doubt_are_made() {
        let is = |text: &str, kind: &str, pattern: &str| cut(text, pattern, kind);
        assert_eq!(is("a/b.c", "##", "*/").as_deref(), Some("b.c"));
        assert_eq!(is("a/b.c", "%", ".*").as_deref(), Some("a/b"));
        assert_eq!(is("a/b.c", "%", "/*").as_deref(), Some("a"));
        assert_eq!(is("*.c", "%", ".c").as_deref(), Some("*"));
        assert_eq!(is("b.c", "%", ".x").as_deref(), Some("b.c"));
        assert_eq!(is("a.b", "#", "a").as_deref(), Some(".b"));
        for (text, kind, pattern) in [
            ("*", "%", ".c"),
            ("*.*", "%", ".*"),
            ("a*", "#", "a"),
            ("b.c", "%", "[.]c"),
            ("b.c", "%", "$x"),
            ("b.c", "%%", ".*"),
        ] {
            assert_eq!(is(text, kind, pattern), None, "{text} {kind} {pattern}");
        }
    }
}
