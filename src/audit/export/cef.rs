//! CEF: a header between bars, then `key=value` pairs that a blank parts.
//!
//! The attack: a command with ` act=allow` or a line feed in it that ends its own value and
//! begins another, or another event. Backslash, bar (header), equals sign and line ends
//! (extension) are escaped; other marks are made visible first.

use super::facts::{Facts, Level};
use crate::audit::record::visible;
use std::fmt::Write;

const EXTENSION: &[(&str, &str)] = &[
    ("rt", "/ms"),
    ("externalId", "/hash"),
    ("suser", "/user"),
    ("suid", "/uid"),
    ("shost", "/host"),
    ("spid", "/pid"),
    ("act", "/decision"),
    ("outcome", "/outcome"),
    ("reason", "/body/reason"),
    ("fname", "/path"),
    ("request", "/url"),
    ("cat", "/tool"),
    ("msg", "/message"),
];

/// Members of its own: the key, what it is called, where it stands.
const LABELLED: &[(&str, &str, &str)] = &[
    ("cn1", "seq", "/seq"),
    ("cs1", "rule", "/rule"),
    ("cs2", "ruleSource", "/body/rule/source"),
    ("cs3", "session", "/session"),
    ("cs4", "callId", "/call_id"),
    ("cs5", "what", "/what"),
    ("cs6", "prev", "/prev"),
];

/// One line, `\n` included.
pub(super) fn line(facts: &Facts) -> String {
    let severity = match facts.level {
        Level::Info => 1,
        Level::Notice => 3,
        Level::Warning => 6,
        Level::Error => 8,
    };
    let mut line = format!("CEF:0|Ion|ion|{}", env!("CARGO_PKG_VERSION"));
    for pointer in ["/event", "/title"] {
        let text = visible(&facts.text(pointer)).replace('\\', "\\\\").replace('|', "\\|");
        let _ = write!(line, "|{text}");
    }
    let _ = write!(line, "|{severity}|");
    let mut between = "";
    let mut pair = |key: &str, text: &str| {
        if !text.is_empty() {
            let _ = write!(line, "{between}{key}={}", value(text));
            between = " ";
        }
    };
    for (key, pointer) in EXTENSION {
        pair(key, &facts.text(pointer));
    }
    for (key, label, pointer) in LABELLED {
        let text = facts.text(pointer);
        if !text.is_empty() {
            pair(&format!("{key}Label"), label);
            pair(key, &text);
        }
    }
    line.push('\n');
    line
}

fn value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in super::cut(text, 1023).chars() {
        match c {
            '\\' | '=' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            // A mark shows as `\\u001b`: the escape of CEF applies to its backslash too.
            other => out.push_str(&visible(other.encode_utf8(&mut [0; 4])).replace('\\', "\\\\")),
        }
    }
    out
}
