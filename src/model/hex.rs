//! Bytes as lower-case hexadecimal: digests, signatures, random ids.

/// Two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    // Without the machinery of `format!`: the hash of every record of a large log is compared so.
    let digit = |four: u8| char::from(if four < 10 { b'0' + four } else { b'a' + (four - 10) });
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(digits);
    text
}

/// The bytes behind lower-case digits; `None` for anything else.
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let lower = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    if !digits.iter().all(lower) {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| {
        std::str::from_utf8(pair)
            .ok()
            .filter(|p| p.len() == 2)
            .and_then(|p| u8::from_str_radix(p, 16).ok())
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_two_lower_case_digits() {
        assert_eq!(super::hex(&[0, 9, 0xab, 0xff]), "0009abff");
        assert_eq!(super::hex(&[]), "");
    }
}
