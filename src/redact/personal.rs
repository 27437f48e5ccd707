//! Personal data with a form of its own: mail addresses, telephone, account, card and identity
//! numbers. Off unless `security.redactPii` says otherwise.
//!
//! Only forms with a check sum, or with a mark that nothing else has (`@`, a leading `+`). Names
//! and postal addresses would need a model. Sources: ISO 7812 (Luhn), ISO 13616 (IBAN), E.164, the
//! published rules of each number. Read `scan` for who asks.

use std::ops::Range;

/// What was found.
pub(in crate::redact) type Person = (Range<usize>, &'static str);

/// The kinds that placeholders of personal data have.
pub(in crate::redact) const KINDS: &[&str] =
    &["email", "phone-number", "iban", "payment-card", "national-id"];

/// Characters that stand between the groups of a number.
fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/')
}

/// The mail address around an `@`.
pub(in crate::redact) fn mail(text: &[u8], at: usize) -> Option<Person> {
    let is_local = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-')
    };
    let local = text[..at].iter().rev().take(65).take_while(|byte| is_local(byte)).count();
    let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let host = text[at + 1..].iter().take(254).take_while(|byte| is_host(byte)).count();
    let name = &text[at + 1..at + 1 + host];
    let name = &name
        [..name.len() - name.iter().rev().take_while(|byte| !byte.is_ascii_alphanumeric()).count()];
    let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
    let sound = (1..=64).contains(&local)
        && last.len() >= 2
        && last.len() < name.len()
        && last.iter().all(u8::is_ascii_alphabetic)
        && !name.windows(2).any(|pair| pair == b"..");
    sound.then(|| (at - local..at + 1 + name.len(), "email"))
}

/// The number that the digits at `at` belong to.
pub(in crate::redact) fn number(text: &[u8], at: usize) -> Option<Person> {
    iban(text, at)
        .or_else(|| phone(text, at))
        .or_else(|| card(text, at))
        .or_else(|| identity(text, at))
}

/// Whether a number can begin here: not inside a longer word.
fn begins(text: &[u8], start: usize) -> bool {
    start == 0
        || !(text[start - 1].is_ascii_alphanumeric()
            || matches!(text[start - 1], b'_' | b'.' | b'-'))
}

/// Reads up to `most` characters that `takes` accepts, over single gaps. Gives them and the end.
fn grouped(text: &[u8], start: usize, most: usize, takes: impl Fn(u8) -> bool) -> (Vec<u8>, usize) {
    let (mut read, mut end, mut at) = (Vec::new(), start, start);
    while at < text.len() && read.len() < most {
        if takes(text[at]) {
            read.push(text[at]);
            end = at + 1;
        } else if !(is_gap(text[at]) && end == at && at > start) {
            break;
        }
        at += 1;
    }
    (read, end)
}

fn ends(text: &[u8], end: usize) -> bool {
    text.get(end).is_none_or(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
}

/// `DE89 3704 0044 0532 0130 00`; the digits at `at` are the check digits.
fn iban(text: &[u8], at: usize) -> Option<Person> {
    let start = at.checked_sub(2)?;
    let country = &text[start..at];
    if !country.iter().all(u8::is_ascii_uppercase) || !begins(text, start) {
        return None;
    }
    let (mut read, mut end) =
        grouped(text, start, 34, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    // A word in capitals behind the number is not a part of it.
    while read.len() >= 15 {
        if is_iban(&read) && ends(text, end) {
            return Some((start..end, "iban"));
        }
        read.pop();
        end -= 1;
        while end > start && is_gap(text[end - 1]) {
            end -= 1;
        }
    }
    None
}

fn is_iban(read: &[u8]) -> bool {
    let moved = read[4..].iter().chain(&read[..4]);
    let mut rest = 0u32;
    for &byte in moved {
        rest = match byte {
            b'0'..=b'9' => rest * 10 + u32::from(byte - b'0'),
            _ => rest * 100 + u32::from(byte - b'A') + 10,
        } % 97;
    }
    rest == 1 && read[2..4].iter().all(u8::is_ascii_digit)
}

/// `+49 30 1234567`.
fn phone(text: &[u8], at: usize) -> Option<Person> {
    let start = at.checked_sub(1).filter(|&start| text[start] == b'+')?;
    if !begins(text, start) || text[at] == b'0' {
        return None;
    }
    let is_part = |byte: u8| byte.is_ascii_digit();
    let bare: Vec<u8> = text[at..text.len().min(at + 24)]
        .iter()
        .map(|byte| if matches!(byte, b'(' | b')') { b' ' } else { *byte })
        .collect();
    let (mut digits, mut end) = (0, 0);
    for (offset, &byte) in bare.iter().enumerate() {
        match byte {
            _ if is_part(byte) => (digits, end) = (digits + 1, offset + 1),
            _ if is_gap(byte) && offset <= end + 1 => {}
            _ => break,
        }
    }
    ((8..=15).contains(&digits) && ends(text, at + end)).then(|| (start..at + end, "phone-number"))
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, byte)| {
            let digit = u32::from(byte - b'0') << (index % 2);
            if digit > 9 { digit - 9 } else { digit }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn card(text: &[u8], at: usize) -> Option<Person> {
    if !begins(text, at) || !matches!(text[at], b'2'..=b'6') {
        return None;
    }
    let (digits, end) = grouped(text, at, 19, |byte| byte.is_ascii_digit());
    let varied = digits.iter().any(|digit| *digit != digits[0]);
    ((13..=19).contains(&digits.len()) && varied && luhn(&digits) && ends(text, end))
        .then_some((at..end, "payment-card"))
}

/// Identity numbers with a check: Spain (DNI, NIE), France (NIR), Brazil (CPF), Poland (PESEL),
/// and the form of the United States (SSN), which has none.
fn identity(text: &[u8], at: usize) -> Option<Person> {
    if !begins(text, at) {
        return None;
    }
    let found = |end: usize| Some((at..end, "national-id"));
    let (digits, end) = grouped(text, at, 16, |byte| byte.is_ascii_digit());
    let number =
        |part: &[u8]| part.iter().fold(0u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
    // 12345678Z
    if digits.len() == 8 && end == at + 8 {
        let letter = text.get(end).copied()?;
        let wanted = b"TRWAGMYFPDXBNJZSQVHLCKE"[(number(&digits) % 23) as usize];
        return (letter == wanted && ends(text, end + 1)).then(|| (at..end + 1, "national-id"));
    }
    if !ends(text, end) {
        return None;
    }
    let shape = &text[at..end];
    match digits.len() {
        9 if shape.len() == 11 && shape[3] == b'-' && shape[6] == b'-' => {
            let area = number(&digits[..3]);
            let sound = area != 0
                && area != 666
                && area < 900
                && &digits[3..5] != b"00"
                && &digits[5..] != b"0000";
            if sound { found(end) } else { None }
        }
        15 if matches!(digits[0], b'1' | b'2')
            && 97 - number(&digits[..13]) % 97 == number(&digits[13..]) =>
        {
            found(end)
        }
        11 if is_cpf(&digits) || is_pesel(&digits) => found(end),
        _ => None,
    }
}

fn is_cpf(digits: &[u8]) -> bool {
    let check = |length: usize| {
        let sum: u32 = digits[..length]
            .iter()
            .enumerate()
            .map(|(i, byte)| u32::from(byte - b'0') * (length + 1 - i) as u32)
            .sum();
        (sum * 10 % 11) % 10 == u32::from(digits[length] - b'0')
    };
    digits.iter().any(|digit| *digit != digits[0]) && check(9) && check(10)
}

fn is_pesel(digits: &[u8]) -> bool {
    const WEIGHTS: [u32; 11] = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1];
    let sum: u32 =
        digits.iter().zip(WEIGHTS).map(|(byte, weight)| u32::from(byte - b'0') * weight).sum();
    let month = (digits[2] - b'0') * 10 + digits[3] - b'0';
    let day = (digits[4] - b'0') * 10 + digits[5] - b'0';
    sum.is_multiple_of(10) && (1..=12).contains(&(month % 20)) && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, &'static str)> {
        let bytes = text.as_bytes();
        let mut all = Vec::new();
        let mut until = 0;
        for at in 0..bytes.len() {
            let person = match bytes[at] {
                b'@' => mail(bytes, at),
                byte if byte.is_ascii_digit() && at >= until => number(bytes, at),
                _ => None,
            };
            if let Some((range, kind)) = person {
                until = range.end;
                all.push((text[range].to_owned(), kind));
            }
        }
        all
    }

    #[test]
    fn what_has_a_check_or_a_mark_is_found_and_nothing_like_it() {
        for (text, wanted, kind) in [
            ("write to lena.m+x@mail.example.org.", "lena.m+x@mail.example.org", "email"),
            ("call +49 (30) 1234-5678 today", "+49 (30) 1234-5678", "phone-number"),
            ("to DE89 3704 0044 0532 0130 00 EUR", "DE89 3704 0044 0532 0130 00", "iban"),
            ("IBAN GB82WEST12345698765432", "GB82WEST12345698765432", "iban"),
            ("card 4111 1111 1111 1111, please", "4111 1111 1111 1111", "payment-card"),
            ("DNI 12345678Z", "12345678Z", "national-id"),
            ("cpf 529.982.247-25", "529.982.247-25", "national-id"),
            ("ssn 078-05-1120", "078-05-1120", "national-id"),
        ] {
            assert_eq!(found(text), [(wanted.to_owned(), kind)], "{text}");
        }
        for text in [
            "git@host:x/y, user@localhost, @scope/name, a@b",
            "4111 1111 1111 1112 is no card, nor is 1234567890123",
            "DE89 3704 0044 0532 0130 02",
            "2026-11-27 10:20:30, 1.2.3.4, 12345678A, +1-2",
            "d41d8cd98f00b204e9800998ecf8427e v4111111111111111",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
    }
}
