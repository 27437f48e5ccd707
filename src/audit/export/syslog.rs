//! RFC 5424: one message a line, facility 13 (log audit), the members as structured data.
//!
//! A receiver must take 2,048 bytes or may cut; so the text at the end is shortened to fit and
//! `cut="1"` says so: `hash` and `seq` lead to the whole record. The enterprise number is 32473,
//! which is for examples, because Ion has none of its own.

use super::facts::{Facts, Level};
use crate::audit::record::visible;
use std::fmt::Write;

const LONGEST: usize = 2048;
/// What ends the structured data of a message that was cut.
const END: &str = " cut=\"1\"] \n";

const PARAMS: &[(&str, &str)] = &[
    ("seq", "/seq"),
    ("hash", "/hash"),
    ("session", "/session"),
    ("call", "/call_id"),
    ("tool", "/tool"),
    ("decision", "/decision"),
    ("outcome", "/outcome"),
    ("by", "/body/decided_by"),
    ("rule", "/body/rule/id"),
    ("tier", "/body/rule/tier"),
    ("source", "/body/rule/source"),
    ("user", "/user"),
    ("uid", "/uid"),
    ("digest", "/body/digest"),
];

/// One message, `\n` included.
pub(super) fn message(facts: &Facts) -> String {
    let severity = match facts.level {
        Level::Info => 6,
        Level::Notice => 5,
        Level::Warning => 4,
        Level::Error => 3,
    };
    let time = if facts.get("/ms") == 0 { "-".to_owned() } else { token(&facts.text("/time"), 32) };
    let (host, pid) = (token(&facts.text("/host"), 255), facts.text("/pid"));
    let id = token(&facts.text("/event"), 32);
    let mut out = format!("<{}>1 {time} {host} ion {pid} {id} [ion@32473", 13 * 8 + severity);
    let mut whole = true;
    for (name, pointer) in PARAMS {
        let text = super::cut(&visible(&facts.text(pointer)), 64);
        if text.is_empty() {
            continue;
        }
        let mut param = format!(" {name}=\"");
        for c in text.chars() {
            if matches!(c, '"' | '\\' | ']') {
                param.push('\\');
            }
            param.push(c);
        }
        param.push('"');
        // A tool may have any name: the whole must stay within bounds.
        if out.len() + param.len() + END.len() > LONGEST {
            whole = false;
        } else {
            out.push_str(&param);
        }
    }
    let text = visible(&facts.text("/message"));
    let room = LONGEST.saturating_sub(out.len() + END.len());
    if whole && text.len() <= room {
        let _ = writeln!(out, "] {text}");
    } else {
        let at = (0..=room.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
        let _ = writeln!(out, " cut=\"1\"] {}", text.get(..at.unwrap_or(0)).unwrap_or_default());
    }
    out
}

/// A field of the header: printable ASCII without blanks, or a dash.
fn token(text: &str, most: usize) -> String {
    let printable = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    let token: String = text.chars().take(most).map(printable).collect();
    if token.is_empty() { "-".to_owned() } else { token }
}
