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
    /// Nothing but a blank (or a column of a table) stood between the name and the value.
    pub(in crate::redact) loose: bool,
    /// In the query of a URL.
    pub(in crate::redact) in_query: bool,
}

/// The words that come before the secret in an `Authorization` header.
pub(in crate::redact) fn is_scheme(word: &[u8]) -> bool {
    const SCHEMES: &[&[u8]] = &[
        b"bearer",
        b"basic",
        b"token",
        b"apikey",
        b"digest",
        b"negotiate",
        b"ssws",
        b"key",
        b"bot",
        b"genie",
        b"genieKey",
        b"splunk",
        b"hawk",
        b"oauth",
        b"klaviyo-api-key",
        b"discogs",
    ];
    SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// How many bytes of `value` are a scheme and the blanks behind it.
pub(in crate::redact) fn scheme_len(value: &str) -> usize {
    match value.split_once(' ') {
        Some((word, rest)) if is_scheme(word.as_bytes()) => value.len() - rest.trim_start().len(),
        _ => 0,
    }
}

/// Whether a value is a reference, an example or a mere word, whatever its name says.
pub(in crate::redact) fn is_exempt(value: &str) -> bool {
    let value = value.trim();
    is_reference(value) || is_example(value.as_bytes()) || is_plain_word(value)
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
        let telling = |pair: &str| {
            let value = pair.split_once('=').map_or("", |(_, value)| value);
            value.len() >= 8
                && (value.bytes().any(|b| b.is_ascii_digit()) || is_shuffled(value.as_bytes()))
        };
        return value.split(';').any(telling);
    }
    if named.kind == "signature" && !place.in_query {
        return false;
    }
    if place.bare_scheme {
        return !has_blank && value.len() >= 16 && digit && (lower || upper)
            || named.kind == "authorization" && value.len() >= 12 && is_basic(value.as_bytes());
    }
    let is_name = || names::judge(value.as_bytes()).is_some();
    if named.kind == "authorization"
        && !has_blank
        && (value.len() >= 16 || is_basic(value.as_bytes()))
    {
        return !is_code(value);
    }
    match named.sensitivity {
        Sensitivity::Strong if place.quoted => {
            value.len() >= 4 && !is_name() && (!has_blank || digit)
        }
        Sensitivity::Strong if place.glued || (place.leading && place.ends_line) => {
            value.len() >= 4 && !is_name() && !has_blank
        }
        // A number in code.
        Sensitivity::Strong if is_number(value) => false,
        Sensitivity::Strong => {
            value.len() >= 6 && (lower || symbol) && (digit || symbol) && !is_code(value)
        }
        Sensitivity::Weak => {
            let long = if place.glued || place.quoted { 8 } else { 10 };
            let mixed = (digit || symbol) && (lower || upper) || lower && upper;
            // Letters of both cases are also what identifiers are made of.
            let random = digit || symbol || is_shuffled(value.as_bytes());
            value.len() >= long && !has_blank && mixed && random && !is_code(value) && !is_name()
        }
    }
}

/// Whether letters of both cases change so often that no one wrote them as words.
pub(in crate::redact) fn is_shuffled(value: &[u8]) -> bool {
    let upper = value.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let lower = value.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    upper * 4 >= value.len() && lower * 4 >= value.len() && entropy(value) > 3.3
}

/// Whether a password inside a URL only points at one: `${PASSWORD}`, `{password}`, `<pw>`.
pub(in crate::redact) fn is_reference_in_url(value: &str) -> bool {
    let value = value.trim();
    let inside = |open: char, close: char| value.starts_with(open) && value.ends_with(close);
    value.is_empty()
        || value.starts_with('$')
        || value.contains("${")
        || value.contains("{{")
        || inside('{', '}')
        || inside('<', '>')
        || inside('%', '%')
        || inside('*', '*')
        || inside('[', ']')
        || value.starts_with("[secret:")
}

/// Whether a value only points at a secret that is kept elsewhere.
fn is_reference(value: &str) -> bool {
    let bytes = value.as_bytes();
    let starts =
        |p: &&str| bytes.get(..p.len()).is_some_and(|h| h.eq_ignore_ascii_case(p.as_bytes()));
    let bcrypt =
        bytes.first() == Some(&b'$') && ["$2a$", "$2b$", "$2y$", "$argon2"].iter().any(starts);
    let dollar = value.strip_prefix('$').is_some_and(|rest| {
        rest.starts_with(['{', '('])
            // `$self->` as far as a value goes.
            || !rest.is_empty()
                && rest
                    .strip_suffix('-')
                    .unwrap_or(rest)
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    let percent = value.len() > 2
        && value.starts_with('%')
        && value.ends_with('%')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'%'));
    let bracketed = value.starts_with('<')
        && (value.ends_with('>') || value.chars().skip(1).all(|c| c.is_alphabetic()))
        || value.starts_with('{') && value.ends_with('}')
        || value.starts_with("{{");
    let url = bytes.contains(&b':') && value.contains("://") && !bytes.contains(&b'@');
    let path = ["/", "./", "../", "~/"].iter().any(|p| value.starts_with(p))
        && !value.contains(['+', '='])
        && (value.starts_with('.') || value.bytes().filter(|&b| b == b'/').count() > 1);
    // `projects/my-project/secrets/name`
    let plain = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'*' | b'='))
            && part.bytes().filter(u8::is_ascii_digit).count() <= 2
            && !is_shuffled(part.as_bytes())
    };
    let path =
        path || value.bytes().filter(|&b| b == b'/').count() > 1 && value.split('/').all(plain);
    value.is_empty()
        || bcrypt
        || is_source(value)
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
        .any(starts)
}

/// Whether it can only be a piece of a program: a type, a path, a member, an anchor of a page.
fn is_source(value: &str) -> bool {
    let letters = |text: &str, least: usize| {
        text.len() >= least && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_')
    };
    let bare = value.trim_start_matches('&');
    // `Option<String>`, `&KemSharedSecret<KDF_SIZE>`
    let generic = bare.split_once('<').is_some_and(|(head, rest)| {
        letters(head, 3)
            && head.starts_with(|c: char| c.is_ascii_uppercase())
            && rest.ends_with('>')
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"_<>:,&' []".contains(&b))
    });
    // `Zeroizing::new(…`
    let path = bare.split_once("::").is_some_and(|(head, rest)| {
        let next = rest.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(rest.len());
        letters(head, 3) && next >= 3 && rest[next..].starts_with(['(', ':', '<'])
    });
    // `typing.Optional[bytes`
    let index = value.split_once('[').is_some_and(|(head, rest)| {
        head.split('.').all(|part| letters(part, 3)) && letters(rest.trim_end_matches(']'), 3)
    });
    // `s:netrw_passwd`, `a:dict.istemp` of Vim
    let scoped = matches!(value.as_bytes(), [b'a' | b'b' | b'g' | b'l' | b's' | b'w', b':', rest @ ..]
        if rest.iter().any(|b| matches!(b, b'_' | b'.'))
            && rest.iter().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'.')));
    let anchor = value.strip_prefix('#').is_some_and(|rest| {
        rest.contains('-') && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
    });
    let slice = value.starts_with("&[") || value.starts_with("&'static ");
    // `held.get(&name).and_then(|found|`
    let closure = value.strip_suffix('|').and_then(|rest| rest.rsplit_once("(|"));
    let closure = closure.is_some_and(|(head, name)| {
        letters(name, 1) && head.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.()&".contains(&b))
    });
    generic || path || index || scoped || anchor || slice || closure
}

/// Whether it is a documented example or a row of fillers.
///
/// The attack: `xxxxxx-` before a secret, or `EXAMPLE` and dots behind it, must not make an
/// example of it. So fillers must be most of the value, and the rest of it short.
pub(in crate::redact) fn is_example(value: &[u8]) -> bool {
    const BEGINNINGS: &[&[u8]] = &[
        b"your-",
        b"your_",
        b"<your",
        b"changeme",
        b"change-me",
        b"change_me",
        b"placeholder",
        b"redacted",
        b"insert",
        b"replace",
        b"my-secret",
        b"my_secret",
        b"mysecret",
    ];
    let starts =
        |word: &&[u8]| value.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let is_filler =
        |byte: u8| matches!(byte | 0x20, b'x' | b'*' | b'0' | b'.' | b'-' | b'#') || byte == b'_';
    let (mut run, mut before, mut longest, mut fillers) = (0, 0, 0, 0);
    // Every row of six covers one of these, and has another one beside it.
    let mut sixth = (5..value.len()).step_by(6);
    let has_row = sixth.any(|at| {
        let same = |other: &u8| other.eq_ignore_ascii_case(&value[at]);
        is_filler(value[at]) && (same(&value[at - 1]) || value.get(at + 1).is_some_and(same))
    });
    for &byte in if has_row { value } else { &[] } {
        let byte = byte.to_ascii_lowercase();
        run = if byte == before { run + 1 } else { 1 };
        if matches!(byte, b'x' | b'*' | b'0' | b'.' | b'-' | b'_' | b'#') {
            longest = longest.max(run);
            fillers += match run {
                6 => 6,
                7.. => 1,
                _ => 0,
            };
        }
        before = byte;
    }
    let one_filler = value.first().is_some_and(|first| {
        matches!(first, b'x' | b'X' | b'*' | b'.' | b'-' | b'?' | b'#')
            && value.iter().all(|byte| byte == first)
    });
    let holds = |part: &[u8]| value.windows(part.len()).any(|window| window == part);
    one_filler
        // Six in a row: no generator writes that.
        || longest >= 6 && fillers * 2 >= value.len()
        // The example of RFC 7617.
        || value.starts_with(b"QWxhZGRpbjpvcGVuIHNlc2FtZQ")
        // The examples of the documentation of AWS.
        || value.ends_with(b"EXAMPLE") && value.len() <= 20
        || value.ends_with(b"EXAMPLEKEY") && value.len() <= 40
        || value.len() <= 24 && value.contains(&b'.') && holds(b"...")
        || value.len() <= 32 && !value.is_ascii() && (holds("\u{2026}".as_bytes()) || holds("\u{2022}\u{2022}".as_bytes()))
        || BEGINNINGS.iter().any(starts) && !value.iter().any(u8::is_ascii_digit)
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
        "define",
        "undef",
        "foobar",
        "foo",
        "bar",
        "baz",
        "fake",
        "sample",
        "mock",
        "unknown",
        "anonymous",
    ];
    let word = value.trim_end_matches(['?', '!', ',', ';', ')', ':']);
    // The longest is `undefined`.
    word.len() <= 9 && WORDS.iter().any(|plain| plain.eq_ignore_ascii_case(word))
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix("0x").filter(|hex| hex.len() <= 16).unwrap_or(value);
    digits.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_')
        && (digits.len() < value.len() || !value.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// Whether it reads as code: `config.secret_key`, `next_token`, `a::b`, `1.2.3`, a date.
fn is_code(value: &str) -> bool {
    let word = |part: &str| {
        part.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && part.bytes().filter(u8::is_ascii_digit).count() * 4 <= part.len()
            && part.len() <= 32
    };
    let bare = value.trim_start_matches(['&', '*', '!', '@']).trim_end_matches([':', '.', '?']);
    let dotted = (value.contains('.') || bare.len() < value.len()) && bare.split('.').all(word);
    let pathed = value.contains("::") || value.contains("->") || value.contains("()");
    let numeric =
        value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b':' | b'-' | b'T' | b'Z'));
    let words = value.split(['_', '-']).all(|part| part.bytes().all(|b| b.is_ascii_lowercase()));
    dotted || pathed || numeric && value.len() < 8 || words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;

    #[test]
    fn pieces_of_programs_are_no_values() {
        let code = [
            "&OkmBlock,",
            "OkmBlock,",
            "&[u8],",
            "Zeroizing<PayloadU8>,",
            "Option<String>,",
            "typing.Optional[bytes],",
            "Zeroizing::new(ms.to_vec()),",
            "$self->{pass}",
            "s:netrw_passwd",
            "#event-session",
            "view.0.get(&key_secret).and_then(|held| held.value)",
        ];
        let redactor = Redactor::new(true, Vec::new());
        for value in code {
            let text = format!("{{\n    secret: {value}\n}}\n");
            assert_eq!(redactor.text(&text).as_str(), text);
        }
        for value in
            ["Ab3<xyz-9", "a::b7", "$self-9", "k[3]x9", "s:Hunter22", "#winter-22", "Ab3(|x-9|"]
        {
            assert!(!is_exempt(value), "{value}");
        }
    }
}
