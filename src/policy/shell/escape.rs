//! Decodes what stands between `$'` and `'`. Read `word` for where that is met.

use std::iter::Peekable;
use std::str::Chars;

/// The text; `None` where bytes are spelled out that are no text by themselves.
pub fn decoded(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(next) = chars.next() else {
            out.push('\\');
            break;
        };
        let value = match next {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'e' | 'E' => '\u{1b}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '?' => next,
            'x' if chars.peek() == Some(&'{') => return None,
            'x' | 'u' | 'U' => {
                let most = match next {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits = digits(&mut chars, most, 16);
                if digits.is_empty() {
                    out.push('\\');
                    next
                } else {
                    let value = u32::from_str_radix(&digits, 16).ok()?;
                    byte_or_letter(value, next == 'x')?
                }
            }
            '0'..='7' => {
                let digits = format!("{next}{}", digits(&mut chars, 2, 8));
                byte_or_letter(u32::from_str_radix(&digits, 8).ok()? & 0xff, true)?
            }
            'c' => {
                let letter = chars.next()?;
                letter.is_ascii_alphabetic().then(|| char::from(letter as u8 & 0x1f))?
            }
            // Anything else keeps its backslash.
            other => {
                out.push('\\');
                other
            }
        };
        out.push(value);
    }
    Some(out)
}

/// A byte above ASCII is part of a letter; a zero ends the text early.
fn byte_or_letter(value: u32, byte: bool) -> Option<char> {
    if value == 0 || byte && value > 0x7f { None } else { char::from_u32(value) }
}

fn digits(chars: &mut Peekable<Chars<'_>>, most: usize, radix: u32) -> String {
    let mut found = String::new();
    while found.len() < most && chars.peek().is_some_and(|c| c.is_digit(radix)) {
        found.extend(chars.next());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn escapes_are_what_bash_makes_of_them() {
        for (text, wanted) in [
            ("a\\x62\\u0063", Some("abc")),
            ("\\162m", Some("rm")),
            ("it\\'s", Some("it's")),
            ("it\\s", Some("it\\s")),
            ("\\xg", Some("\\xg")),
            ("a\\n", Some("a\n")),
            ("a\\", Some("a\\")),
            ("\\cA", Some("\u{1}")),
            ("\\xc3\\xa9", None),
            ("a\\0b", None),
            ("\\x{62}", None),
            ("\\u00e9", Some("é")),
        ] {
            assert_eq!(decoded(text).as_deref(), wanted, "{text}");
        }
    }
}
