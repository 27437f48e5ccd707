//! journald: one datagram of fields a record, for `/run/systemd/journal/socket`.
//!
//! A value with line ends is sent with its length, so no command can add a field of its own. The daemon
//! adds fields with `_`, which nobody can forge. `MESSAGE_ID` is one number for each event: the first half
//! of the SHA-256 over its name (`ion.audit.tool.decision`).

use super::facts::{Facts, Level};
use crate::audit::record::{Record, visible};
use crate::model::hex;
use sha2::{Digest, Sha256};

/// A stored line beyond this is left out: a datagram has bounds, and `ION_HASH` leads to it.
const LONGEST_RECORD: usize = 96 * 1024;

const FIELDS: &[(&str, &str)] = &[
    ("MESSAGE", "/message"),
    ("ION_EVENT", "/event"),
    ("ION_SEQ", "/seq"),
    ("ION_HASH", "/hash"),
    ("ION_SESSION", "/session"),
    ("ION_CALL", "/call_id"),
    ("ION_TOOL", "/tool"),
    ("ION_DECISION", "/decision"),
    ("ION_OUTCOME", "/outcome"),
    ("ION_DECIDED_BY", "/body/decided_by"),
    ("ION_RULE", "/body/rule/id"),
    ("ION_RULE_TIER", "/body/rule/tier"),
    ("ION_USER", "/user"),
    ("ION_WHAT", "/what"),
];

/// The datagram of a record; `line` is its stored line.
pub fn datagram(record: &Record, line: &[u8]) -> Vec<u8> {
    let facts = Facts::of(record);
    let priority = match facts.level {
        Level::Info => "6",
        Level::Notice => "5",
        Level::Warning => "4",
        Level::Error => "3",
    };
    let mut out = Vec::new();
    for (name, pointer) in FIELDS {
        let text = facts.text(pointer);
        // The other marks are written out: whoever reads the journal sits at a terminal.
        let lines: Vec<String> = text.split('\n').map(visible).collect();
        field(&mut out, name, lines.join("\n").as_bytes());
    }
    let event = format!("ion.audit.{}", facts.text("/event"));
    let id = hex(&Sha256::digest(event.as_bytes()));
    field(&mut out, "MESSAGE_ID", id.get(..32).unwrap_or_default().as_bytes());
    field(&mut out, "PRIORITY", priority.as_bytes());
    field(&mut out, "SYSLOG_IDENTIFIER", b"ion");
    field(&mut out, "SYSLOG_FACILITY", b"13");
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    match line.len() <= LONGEST_RECORD {
        true => field(&mut out, "ION_RECORD", line),
        false => field(&mut out, "ION_CUT", b"1"),
    }
    out
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    if value.is_empty() {
        return;
    }
    out.extend(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend(u64::try_from(value.len()).unwrap_or(0).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend(value);
    out.push(b'\n');
}
