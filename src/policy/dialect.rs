//! The class escapes of RE2, written out in the syntax of the engine.
//!
//! The build script compiles this file too, so it knows no other room. Read
//! [`super::expression`] for why classes are ASCII; the tests stand there.

/// Writes out the class escapes of RE2. A negated one inside brackets stays as it is: it then
/// covers all of Unicode, which only makes the class wider by characters that are no blanks.
pub fn with_ascii_classes(source: &str) -> String {
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
