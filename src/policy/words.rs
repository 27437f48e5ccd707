//! Where the words of a command line stand, for showing them. Never for judging them.
//!
//! Quotes are removed as a shell would, and a quoted text is also looked into, because
//! `bash -c '…'` holds a command. A word that is not found is simply not shown: nothing here
//! can change a decision.

use std::ops::Range;

/// Most words that are looked at.
const MOST: usize = 512;

/// A word of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Bytes of the line.
    pub range: Range<usize>,
    /// The word without its quotes.
    pub text: String,
    /// How many quotes it stands in.
    pub depth: usize,
}

/// The words of `line` in order; those inside a quoted text follow it.
pub fn words(line: &str) -> Vec<Spot> {
    let mut found = Vec::new();
    collect(line, 0, 0, &mut found);
    found
}

fn collect(line: &str, offset: usize, depth: usize, found: &mut Vec<Spot>) {
    let mut chars = line.char_indices().peekable();
    while let Some((start, first)) = chars.peek().copied() {
        if found.len() >= MOST {
            return;
        }
        if parts(first) {
            chars.next();
            continue;
        }
        let (mut text, mut end, mut quote) = (String::new(), start, None);
        let mut quoted: Vec<Range<usize>> = Vec::new();
        while let Some((at, c)) = chars.peek().copied() {
            if quote.is_none() && parts(c) {
                break;
            }
            chars.next();
            end = at + c.len_utf8();
            match (quote, c) {
                (None, '\'' | '"') => quote = Some((c, end)),
                (Some((open, from)), c) if open == c => {
                    quoted.push(from..at);
                    quote = None;
                }
                (None | Some(('"', _)), '\\') => {
                    if let Some((next, escaped)) = chars.next() {
                        end = next + escaped.len_utf8();
                        text.push(escaped);
                    }
                }
                (_, c) => text.push(c),
            }
        }
        let range = offset + start..offset + end;
        found.push(Spot { range, text, depth });
        for inner in quoted {
            let Some(part) = line.get(inner.clone()) else { continue };
            if depth < 4 && part.contains(parts) {
                collect(part, offset + inner.start, depth + 1, found);
            }
        }
    }
}

/// What ends a word outside quotes.
fn parts(c: char) -> bool {
    c.is_whitespace() || matches!(c, ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' | '{' | '}')
}

/// Where a command of these words stands: the run of words that reads the same.
pub fn span(line: &str, command: &[&str]) -> Option<Range<usize>> {
    if command.is_empty() {
        return None;
    }
    let all = words(line);
    let deepest = all.iter().map(|word| word.depth).max().unwrap_or_default();
    (0..=deepest).find_map(|depth| {
        let level: Vec<&Spot> = all.iter().filter(|word| word.depth == depth).collect();
        level.windows(command.len()).find_map(|run| {
            let same = run.iter().zip(command).all(|(word, wanted)| word.text == *wanted);
            match (same, run) {
                (true, [first, .., last]) => Some(first.range.start..last.range.end),
                (true, [one]) => Some(one.range.clone()),
                _ => None,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_found_behind_quotes_lists_and_wrappers() {
        let line = "cd /tmp && timeout 5 bash -c 'rm -rf \"/opt/x y\"; ls' | sh";
        let at = |words: &[&str]| span(line, words).map(|range| &line[range]);
        assert_eq!(at(&["cd", "/tmp"]), Some("cd /tmp"));
        assert_eq!(at(&["rm", "-rf", "/opt/x y"]), Some("rm -rf \"/opt/x y\""));
        assert_eq!(at(&["sh"]), Some("sh"));
        assert_eq!(at(&["git"]), None);
        assert_eq!(span("r\"\"m -r'f' x", &["rm", "-rf", "x"]), Some(0..12));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// Ranges lie inside the line, on borders of characters, and hold a word.
        #[test]
        fn any_line_is_taken_apart(line in "[a-c é'\"\\\\;|&(){}$ \n-]{0,40}") {
            for word in words(&line) {
                let shown = line.get(word.range.clone());
                prop_assert!(shown.is_some_and(|text| !text.is_empty()), "{word:?}");
            }
        }

        /// Words written one after the other are found again.
        #[test]
        fn plain_words_are_found_where_they_stand(
            before in prop::collection::vec("[a-f]{1,4}", 0..3),
            wanted in prop::collection::vec("[g-m]{1,4}", 1..4),
        ) {
            let line = [before.join(" "), wanted.join("  ")].join(" ; ");
            let words: Vec<&str> = wanted.iter().map(String::as_str).collect();
            let range = span(&line, &words).unwrap();
            prop_assert_eq!(&line[range], wanted.join("  "));
        }
    }
}
