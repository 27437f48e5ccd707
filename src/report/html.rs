//! Text into HTML: nothing that a model chose may become markup or hide.

use crate::audit::record::visible;
use std::fmt::Write;

/// Text as it may stand between tags and inside a quoted attribute. Marks that turn the
/// direction of text, controls and invisible marks are written out (`\u202e`).
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in visible(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// The first so many characters, escaped; says how many bytes were left out.
pub(super) fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => escaped(text),
        Some((at, _)) => {
            let mut out = escaped(text.get(..at).unwrap_or_default());
            let _ = write!(out, "… [{} bytes more]", text.len() - at);
            out
        }
    }
}
