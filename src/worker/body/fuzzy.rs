//! Finds a text in another although quotes, dashes, blanks or compatibility forms differ, and
//! gives the place in the original.
//!
//! INVARIANT (whole clusters): a hit begins and ends at the edge of a base letter with its
//! marks, so a replacement never cuts one in half.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// One normalised character and the original bytes it stands for.
struct Unit {
    character: char,
    start: usize,
    end: usize,
    /// First and last character of its cluster: where a hit may begin and end.
    opens: bool,
    closes: bool,
}

/// Byte ranges in `text` that equal `needle` after normalisation, in order, not overlapping.
pub fn find(text: &str, needle: &str) -> Vec<(usize, usize)> {
    let haystack = normalise(text);
    let needle: Vec<char> = normalise(needle).iter().map(|unit| unit.character).collect();
    let Some(first) = needle.first() else { return Vec::new() };
    let mut hits = Vec::new();
    let mut at = 0;
    while let Some(window) = haystack.get(at..at + needle.len()) {
        let (Some(head), Some(tail)) = (window.first(), window.last()) else { break };
        let equal = head.character == *first
            && head.opens
            && tail.closes
            && window.iter().map(|unit| unit.character).eq(needle.iter().copied());
        if equal {
            hits.push((head.start, tail.end));
            at += needle.len();
        } else {
            at += 1;
        }
    }
    hits
}

fn normalise(text: &str) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::with_capacity(text.len());
    let mut letters = text.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        let mut end = start + letter.len_utf8();
        while let Some((_, mark)) = letters.next_if(|(_, next)| is_combining_mark(*next)) {
            end += mark.len_utf8();
        }
        let cluster = text.get(start..end).unwrap_or_default();
        if letter == '\n' {
            cut_trailing_blanks(&mut units);
        }
        let first = units.len();
        for character in cluster.nfkc().map(plain) {
            units.push(Unit { character, start, end, opens: false, closes: false });
        }
        if let Some(unit) = units.get_mut(first) {
            unit.opens = true;
        }
        if units.len() > first
            && let Some(unit) = units.last_mut()
        {
            unit.closes = true;
        }
    }
    cut_trailing_blanks(&mut units);
    units
}

fn cut_trailing_blanks(units: &mut Vec<Unit>) {
    while units.last().is_some_and(|unit| matches!(unit.character, ' ' | '\t' | '\r')) {
        units.pop();
    }
}

fn plain(character: char) -> char {
    match character {
        '\u{2018}'..='\u{201b}' | '\u{2039}' | '\u{203a}' | '\u{2032}' => '\'',
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{2033}' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn typographic_differences_are_forgiven_and_mapped_back() {
        let text = "x = \u{201c}a \u{2013} b\u{201d};   \ny";
        let hits = find(text, "\"a - b\";\ny");
        assert_eq!(hits, [(4, text.len())]);
        assert_eq!(&text[find("e\u{301}t\u{e9}", "\u{e9}t")[0].0..1], "x");
    }

    #[test]
    fn a_hit_inside_a_ligature_or_before_a_mark_is_none() {
        assert!(find("\u{fb01}x", "ix").is_empty());
        assert!(find("e\u{301}", "e").is_empty());
        assert_eq!(find("\u{fb01}x", "fi"), [(0, 3)]);
    }

    #[test]
    fn blanks_alone_match_nothing() {
        assert!(find("a   \n", "   ").is_empty());
        assert!(find("", "a").is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn hits_lie_on_letter_edges_in_order_and_apart(text in "\\PC{0,40}", needle in "\\PC{1,4}") {
            let mut last = 0;
            for (start, end) in find(&text, &needle) {
                prop_assert!(start >= last && end > start);
                prop_assert!(text.get(start..end).is_some());
                last = end;
            }
        }
    }
}
