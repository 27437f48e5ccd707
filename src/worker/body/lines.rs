//! The lines of a file that is searched: text in UTF-8 or with a mark of UTF-16, up to the first zero.
//!
//! Ion reads lines itself since ripgrep's searcher brings the tables of forty old encodings along
//! (docs/decisions/0022). Memory is bounded by the longest line, and that by `LONGEST`.

use std::io::{BufRead, BufReader, Error, Read};
use std::ops::ControlFlow;

/// Bytes of a line that are looked at; what follows counts as lines of their own.
const LONGEST: u64 = 16 << 20;
/// Bytes of a UTF-16 file that are read, because it is turned into UTF-8 in one piece.
const WIDE: u64 = 64 << 20;

/// Gives each line without its end, and its 1-based number, until told to stop. A file with a zero
/// byte is binary: it ends there.
///
/// # Errors
/// The file cannot be read.
pub fn each(
    file: impl Read,
    mut one: impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let begins = reader.fill_buf()?;
    let wide = match begins.get(..2) {
        Some(b"\xff\xfe") => Some(u16::from_le_bytes as fn([u8; 2]) -> u16),
        Some(b"\xfe\xff") => Some(u16::from_be_bytes as fn([u8; 2]) -> u16),
        _ => None,
    };
    if let Some(unit) = wide {
        let mut bytes = Vec::new();
        reader.take(WIDE).read_to_end(&mut bytes)?;
        let pairs = bytes.get(2..).unwrap_or_default().chunks_exact(2);
        let units = pairs.filter_map(|pair| pair.try_into().ok().map(unit));
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        return lines(text.as_bytes(), &mut one);
    }
    if begins.starts_with(b"\xef\xbb\xbf") {
        reader.consume(3);
    }
    lines(reader, &mut one)
}

fn lines(
    mut reader: impl BufRead,
    one: &mut impl FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0
            || memchr::memchr(0, &line).is_some()
        {
            break;
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        if one(number, text).is_break() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        each(bytes, |number, line| {
            found.push((number, String::from_utf8_lossy(line).into_owned()));
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    }

    #[test]
    fn lines_are_counted_and_marks_are_no_text() {
        let expected = vec![(1, "one".to_owned()), (2, String::new()), (3, "zwei ü".to_owned())];
        let text = "one\n\nzwei ü";
        assert_eq!(all(text.as_bytes()), expected);
        assert_eq!(all(format!("{text}\n").as_bytes()), expected);
        assert_eq!(all(format!("\u{feff}{text}").as_bytes()), expected);
        for (mark, bytes) in
            [(b"\xff\xfe", u16::to_le_bytes as fn(u16) -> [u8; 2]), (b"\xfe\xff", u16::to_be_bytes)]
        {
            let mut wide = mark.to_vec();
            wide.extend(text.encode_utf16().flat_map(bytes));
            assert_eq!(all(&wide), expected);
            wide.push(b'x');
            assert_eq!(all(&wide), expected, "half a unit at the end");
        }
        assert!(all(b"").is_empty());
    }

    #[test]
    fn a_zero_ends_the_file_and_a_break_the_search() {
        assert_eq!(all(b"a\nb\0c\nd").len(), 1);
        let mut seen = 0;
        each(&b"a\nb\nc\n"[..], |_, _| {
            seen += 1;
            ControlFlow::Break(())
        })
        .unwrap();
        assert_eq!(seen, 1);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let whole = all(&bytes);
            let bound = bytes.iter().filter(|&&b| b == b'\n').count() + 1;
            proptest::prop_assert!(whole.len() <= bound);
        }
    }
}
