//! Looks at a line before the grammar does: size, nesting, characters made to deceive.
//!
//! The grammar is recursive, so nesting is bounded here: a stack overflow cannot be caught.

use super::MAX_BYTES;

/// Deepest nesting of brackets that reaches the grammar.
/// The grammar tries again at each open bracket, so its time doubles with each.
const MAX_NESTING: usize = 12;
/// Most compound keywords that reach the grammar (each may nest).
const MAX_KEYWORDS: usize = 64;

/// Why the text must not reach the grammar.
pub fn too_much(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES {
        return Some(format!("it is longer than {MAX_BYTES} bytes"));
    }
    let (mut depth, mut deepest, mut ticks) = (0usize, 0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            // Quoting is ignored on purpose: counting too much is the safe side.
            b'(' | b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b')' | b'}' | b']' => depth = depth.saturating_sub(1),
            b'`' => ticks += 1,
            _ => {}
        }
    }
    if deepest > MAX_NESTING || ticks > 2 * MAX_NESTING {
        return Some(format!("it nests deeper than {MAX_NESTING} brackets"));
    }
    let keyword = |word: &&str| {
        matches!(
            *word,
            "if" | "while"
                | "until"
                | "for"
                | "case"
                | "!"
                | "time"
                | "coproc"
                | "select"
                | "function"
        )
    };
    let keywords = text.split(|c: char| c.is_whitespace() || c == ';').filter(keyword).count();
    (keywords > MAX_KEYWORDS).then(|| format!("it has more than {MAX_KEYWORDS} compound commands"))
}

/// Characters that show a person something else than what runs.
pub fn deception(text: &str) -> Option<String> {
    let bad = text.chars().find(|&c| {
        (c.is_control() && !matches!(c, '\n' | '\t' | '\r'))
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{00AD}')
    })?;
    Some(format!("it holds the invisible or control character U+{:04X}", u32::from(bad)))
}
