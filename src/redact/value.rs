//! Whether the value of a secret-sounding name is a secret, or code, a reference, an example.
//!
//! Pure judgement over one value. When in doubt about a strong name the value is masked: a
//! false alarm costs a word, a miss costs a key. Read `machine` for how a value is found.

use super::kinds::{entropy, is_basic};
use super::names::{self, Named, Sensitivity};

/// Where a value stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) struct Place {
    /// Between quotes.
    pub(in crate::redact) quoted: bool,
    /// `NAME=value` without a blank between.
    pub(in crate::redact) glued: bool,
    /// The name stood at the start of its line (or behind `export`).
    pub(in crate::redact) leading: bool,
    /// The value ran to the end of its line.
    pub(in crate::redact) ends_line: bool,
    /// After a bare `Bearer`: nothing but this word said that a secret follows.
    pub(in crate::redact) bare_scheme: bool,
}

/// The words that come before the secret in an `Authorization` header.
pub(in crate::redact) fn is_scheme(word: &str) -> bool {
    ["bearer", "basic", "token", "apikey", "digest", "negotiate"]
        .iter()
        .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// How many bytes of `value` are a scheme and the blanks behind it.
pub(in crate::redact) fn scheme_len(value: &str) -> usize {
    match value.split_once(' ') {
        Some((word, rest)) if is_scheme(word) => value.len() - rest.trim_start().len(),
        _ => 0,
    }
}

/// Whether a value is a reference, an example or a mere word, whatever its name says.
pub(in crate::redact) fn is_exempt(value: &str) -> bool {
    let value = value.trim();
    is_reference(value) || is_example(value) || is_plain_word(value)
}

/// Whether `value` is to be masked.
pub(in crate::redact) fn is_secret(named: Named, place: Place, value: &str) -> bool {
    let value = value.trim();
    if is_exempt(value) {
        return false;
    }
    let has_blank = value.contains(char::is_whitespace);
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let lower = value.bytes().any(|b| b.is_ascii_lowercase());
    let upper = value.bytes().any(|b| b.is_ascii_uppercase());
    let symbol = value.chars().any(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | ' '));
    if named.kind == "cookie" {
        return value.len() >= 8 && value.contains('=');
    }
    if place.bare_scheme {
        return !has_blank && value.len() >= 16 && digit && (lower || upper)
            || named.kind == "authorization" && value.len() >= 12 && is_basic(value);
    }
    let is_name = names::judge(value).is_some();
    if named.kind == "authorization" && !has_blank && (value.len() >= 16 || is_basic(value)) {
        return !is_code(value);
    }
    match named.sensitivity {
        Sensitivity::Strong if place.quoted => {
            value.len() >= 4 && !is_name && (!has_blank || digit || symbol)
        }
        Sensitivity::Strong if place.glued || (place.leading && place.ends_line) => {
            value.len() >= 4 && !is_name && !has_blank
        }
        Sensitivity::Strong => value.len() >= 6 && (digit || symbol) && !is_code(value),
        Sensitivity::Weak => {
            let long = if place.glued || place.quoted { 8 } else { 10 };
            let mixed = (digit || symbol) && (lower || upper) || lower && upper;
            // Letters of both cases are also what identifiers are made of.
            let random = digit || symbol || entropy(value) > 4.0;
            value.len() >= long && !has_blank && !is_name && mixed && random && !is_code(value)
        }
    }
}

/// Whether a value only points at a secret that is kept elsewhere.
fn is_reference(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bcrypt = ["$2a$", "$2b$", "$2y$", "$argon2"].iter().any(|p| lower.starts_with(p));
    let dollar = value.strip_prefix('$').is_some_and(|rest| {
        rest.starts_with(['{', '('])
            || !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    let percent = value.len() > 2
        && value.starts_with('%')
        && value.ends_with('%')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'%'));
    let bracketed = value.starts_with('<')
        && (value.ends_with('>') || value.chars().skip(1).all(|c| c.is_alphabetic()))
        || value.starts_with("{{");
    let url = lower.contains("://") && !lower.contains('@');
    let path = ["/", "./", "../", "~/"].iter().any(|p| value.starts_with(p))
        && !value.contains(['+', '='])
        && value.bytes().filter(|&b| b == b'/').count() > 1;
    value.is_empty()
        || bcrypt
        || dollar
        || percent
        || bracketed
        || url
        || path
        || [
            "op://",
            "vault:",
            "env:",
            "file:",
            "os.environ",
            "os.getenv",
            "process.env",
            "env.",
            "secrets.",
            "getenv",
            "!ref",
            "arn:",
            "[redacted",
            "secretkeyref",
        ]
        .iter()
        .any(|prefix| lower.starts_with(prefix))
}

/// Whether it is a documented example or a row of fillers.
pub(in crate::redact) fn is_example(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let mut run = 0;
    let mut before = None;
    for c in lower.chars() {
        run = if Some(c) == before { run + 1 } else { 1 };
        // Six in a row: no generator writes that.
        if run >= 6 && matches!(c, 'x' | '*' | '0' | '.' | '-' | '_' | '•' | '#') {
            return true;
        }
        before = Some(c);
    }
    let one_filler = lower.chars().next().is_some_and(|first| {
        matches!(first, 'x' | '*' | '.' | '-' | '?' | '•' | '#')
            && lower.chars().all(|c| c == first)
    });
    one_filler
        || value.ends_with("EXAMPLE")
        || value.ends_with("EXAMPLEKEY")
        || value.contains("...")
        || value.contains('…')
        || [
            "your-",
            "your_",
            "<your",
            "changeme",
            "change-me",
            "change_me",
            "placeholder",
            "redacted",
        ]
        .iter()
        .any(|word| lower.starts_with(word))
}

/// Words that a secret is described with.
fn is_plain_word(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "string",
        "str",
        "number",
        "integer",
        "boolean",
        "bool",
        "null",
        "none",
        "nil",
        "true",
        "false",
        "undefined",
        "required",
        "optional",
        "text",
        "hidden",
        "prompt",
        "input",
        "value",
        "example",
        "test",
        "dummy",
        "bearer",
        "basic",
        "object",
        "array",
        "bytes",
        "option",
        "self",
        "this",
        "yes",
        "auto",
        "default",
        "empty",
        "missing",
        "invalid",
    ];
    let lower = value.trim_end_matches(['?', '!', ',', ';']).to_ascii_lowercase();
    WORDS.contains(&lower.as_str())
}

/// Whether it reads as code: `config.secret_key`, `next_token`, `a::b`, `1.2.3`, a date.
fn is_code(value: &str) -> bool {
    let word = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && part.bytes().filter(u8::is_ascii_digit).count() * 4 <= part.len()
            && part.len() <= 32
    };
    let dotted = value.contains('.') && value.split('.').all(word);
    let pathed = value.contains("::") || value.contains("->") || value.contains("()");
    let numeric =
        value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'-' | b'T' | b'Z'));
    let words = value.split(['_', '-']).all(|part| part.bytes().all(|b| b.is_ascii_lowercase()));
    dotted || pathed || numeric && value.len() < 8 || words
}
