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

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_is_two_lower_case_digits() {
        assert_eq!(super::hex(&[0, 9, 0xab, 0xff]), "0009abff");
        assert_eq!(super::hex(&[]), "");
    }
}
