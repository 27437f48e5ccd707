//! Secrets that are told by where they stand: passwords in URLs, the halves of private JSON web
//! keys, word lists of wallets.
//!
//! Pure reading of one place. Read `scan` for who asks.

use super::kinds::entropy;
use super::{assign, value};
use std::ops::Range;

const LONGEST_USERINFO: usize = 1024;

/// Passwords that only say that a password stands here.
const WORDS: &[&[u8]] = &[
    b"password",
    b"passwd",
    b"pass",
    b"pwd",
    b"pw",
    b"secret",
    b"token",
    b"user",
    b"username",
    b"key",
    b"pass123",
    b"xxx",
    b"***",
    b"...",
    b"p",
    b"pswd",
    b"changeme",
];

/// The password (or the token) of a URL whose `://` ends at `at`. `None` when there is none;
/// `Err` when the text ended before that was sure.
pub(in crate::redact) fn url_password(
    text: &[u8],
    at: usize,
    whole: bool,
) -> Result<Option<Range<usize>>, ()> {
    let rest = &text[at..text.len().min(at + LONGEST_USERINFO)];
    let stops = |byte: &u8| {
        *byte <= b' ' || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' | b'(' | b')')
    };
    let word_end = rest.iter().position(stops);
    if word_end.is_none() && !whole {
        return Err(());
    }
    let word = &rest[..word_end.unwrap_or(rest.len())];
    let slash = memchr::memchr3(b'/', b'?', b'#', word).unwrap_or(word.len());
    let Some(colon) = memchr::memchr(b':', &word[..slash]) else {
        // `https://token@host`
        let Some(sign) = memchr::memchr(b'@', &word[..slash]) else { return Ok(None) };
        let user = &word[..sign];
        let random = user.len() >= 16
            && user.iter().any(u8::is_ascii_digit)
            && user.iter().any(u8::is_ascii_alphabetic)
            && !user.contains(&b'.')
            && entropy(user) > 3.3;
        return Ok(random.then(|| at..at + sign));
    };
    // A password may hold `/`, unless what stands there is a port.
    let authority = &word[..slash];
    let sign = match memchr::memrchr(b'@', authority) {
        Some(sign) => Some(sign),
        None if authority[colon + 1..].iter().all(u8::is_ascii_digit) => None,
        None => memchr::memrchr(b'@', word).filter(|&sign| !word[colon..sign].contains(&b' ')),
    };
    let Some(sign) = sign.filter(|&sign| sign > colon + 4) else { return Ok(None) };
    let password = &word[colon + 1..sign];
    if password.starts_with(b"//") || memchr::memmem::find(password, b"://").is_some() {
        return Ok(None);
    }
    let exempt = value::is_example(password)
        || WORDS.iter().any(|word| word.eq_ignore_ascii_case(password))
        || std::str::from_utf8(password).is_ok_and(value::is_reference_in_url);
    Ok((!exempt).then(|| at + colon + 1..at + sign))
}

/// The private half of a JSON web key: `"d": "…"`, where `at` is behind the quote of the name.
pub(in crate::redact) fn web_key_part(text: &[u8], name_end: usize) -> Option<Range<usize>> {
    let mut at = name_end;
    let skip = |at: &mut usize, set: &[u8]| {
        while text.get(*at).is_some_and(|byte| set.contains(byte)) {
            *at += 1;
        }
    };
    skip(&mut at, b"\\\"' \t");
    if text.get(at) != Some(&b':') {
        return None;
    }
    at += 1;
    skip(&mut at, b"\\\"' \t");
    let is_url_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let length = text[at..].iter().take_while(|byte| is_url_base64(byte)).count();
    let value = &text[at..at + length];
    let closed = text.get(at + length).is_none_or(|byte| matches!(byte, b'"' | b'\\' | b'\''));
    (length >= 42 && closed && entropy(value) > 4.0).then(|| at..at + length)
}

/// Twelve or more plain words, as wallets write their master secret.
pub(in crate::redact) fn mnemonic(value: &[u8]) -> bool {
    let mut words = 0;
    for word in value.split(|&byte| byte == b' ').filter(|word| !word.is_empty()) {
        if !(3..=8).contains(&word.len()) || !word.iter().all(u8::is_ascii_lowercase) {
            return false;
        }
        words += 1;
    }
    matches!(words, 12 | 15 | 18 | 21 | 24)
}

/// The password of `-u name:password` and `--user name:password`; `at` is behind the flag.
pub(in crate::redact) fn user_pair(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at
        + text[at..]
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'=' | b'"' | b'\'' | b'\\'))
            .count();
    let word = &text[start
        ..start
            + text[start..]
                .iter()
                .take(256)
                .take_while(|&&byte| !assign::ends_value(byte))
                .count()];
    let colon = memchr::memchr(b':', word)?;
    let (user, password) = (&word[..colon], &word[colon + 1..]);
    let is_user = !user.is_empty()
        && user.iter().all(|&byte| assign::is_name(byte) || matches!(byte, b'@' | b'+' | b'$'));
    // `docker run -u 1000:1000`, `chown`-like pairs of names.
    let telling = password.iter().any(u8::is_ascii_digit)
        && password.iter().any(u8::is_ascii_alphabetic)
        || password.iter().any(|byte| b"!@#%^&*+=~?".contains(byte));
    let plain = std::str::from_utf8(password).is_ok_and(value::is_reference_in_url);
    (is_user && password.len() >= 6 && telling && !plain && !value::is_example(password))
        .then(|| start + colon + 1..start + word.len())
}

/// The password of `-pSECRET` or `-p SECRET` behind the name of a program that takes it so.
pub(in crate::redact) fn flag_password(
    text: &[u8],
    at: usize,
    glued: bool,
) -> Option<Range<usize>> {
    let line =
        &text[at..memchr::memchr2(b'\n', b'|', &text[at..]).map_or(text.len(), |end| at + end)];
    let flag =
        memchr::memmem::find(line, b" -p").or_else(|| memchr::memmem::find(line, b" -a "))?;
    let mut start = at + flag + 3;
    let gap = text[start..].iter().take_while(|byte| matches!(byte, b' ' | b'"' | b'\'')).count();
    if glued && text.get(start) == Some(&b' ') {
        return None;
    }
    start += gap;
    let length = text[start..]
        .iter()
        .take(128)
        .take_while(|&&byte| !matches!(byte, b' ' | b'"' | b'\'' | b'\n' | b'\t' | b'\\'))
        .count();
    let value = &text[start..start + length];
    let plain = std::str::from_utf8(value).is_ok_and(value::is_reference_in_url);
    let port = value.iter().all(|byte| byte.is_ascii_digit() || *byte == b':');
    (length >= 4 && !plain && !port && !value.starts_with(b"-") && !value::is_example(value))
        .then(|| start..start + length)
}

/// The last field of a `.pgpass` line, when `at` is behind its port.
pub(in crate::redact) fn pgpass(text: &[u8], line: usize, at: usize) -> Option<Range<usize>> {
    let stops = |byte: &u8| *byte <= b' ' || matches!(byte, b'"' | b'\'' | b'\\' | b'`');
    let end = text[at..].iter().position(stops).map_or(text.len(), |length| at + length);
    let line = text[line..at].iter().rposition(stops).map_or(line, |gap| line + gap + 1);
    let whole = &text[line..end];
    if memchr::memchr_iter(b':', whole).count() < 4 {
        return None;
    }
    let mut fields = memchr::memchr_iter(b':', whole);
    let start = line + fields.nth(3)? + 1;
    (end > start + 3 && whole.first() != Some(&b'#')).then_some(start..end)
}
