//! Text for a terminal: whatever could hide, move or redraw something is written out. The one
//! place that says which characters those are.
//!
//! The attack: a command, a path or a reason that shows as another one, or paints a line of
//! Ion's own. Records of the log escape a smaller set, as JSON (`audit::record`).

/// Whether a character can hide itself or its neighbours, move the cursor, turn the direction
/// of text, or pass for a blank.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Text with every hidden character written out: `\n`, `\u{202e}`. The rest is as it was.
pub fn visible(text: &str) -> String {
    written_out(text, is_hidden)
}

/// As [`visible`], for text of many lines: line ends and tabs stay.
pub fn visible_lines(text: &str) -> String {
    written_out(text, |c| !matches!(c, '\n' | '\t') && is_hidden(c))
}

fn written_out(text: &str, hidden: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match hidden(c) {
            true if c.is_ascii() => out.extend(c.escape_default()),
            true => out.extend(c.escape_unicode()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_cannot_redraw_a_line_turn_its_direction_or_hide() {
        assert_eq!(visible("a\u{1b}[2Kb\r\u{202e}c"), "a\\u{1b}[2Kb\\r\\u{202e}c");
        assert_eq!(visible_lines("a\n\tb\u{1b}]0;x\u{7}"), "a\n\tb\\u{1b}]0;x\\u{7}");
        for hidden in ['\u{200b}', '\u{ad}', '\u{3164}', '\u{e0041}', '\u{a0}', '\u{2066}'] {
            assert!(visible(&hidden.to_string()).starts_with("\\u{"), "{hidden:?}");
        }
        assert_eq!(visible("grün 'x' \\n 日本"), "grün 'x' \\n 日本");
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_hidden));
        }
    }
}
