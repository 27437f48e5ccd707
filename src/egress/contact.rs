//! One connection through the proxy, for the record.

use serde::Serialize;
use std::sync::Mutex;

/// Most that are kept of one call; further ones are counted.
const MOST: usize = 200;
/// Longest text of a host or path that is kept, bytes.
const LONGEST: usize = 300;

/// A connection that was made, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// `connect`, `http` or `socks5`.
    pub protocol: &'static str,
    /// What was asked for: `host:port`, as it was written where it has no reading.
    pub host: String,
    /// Method and path of a plain request; the query stays out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The address that was connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `allowed` or `refused`.
    pub verdict: &'static str,
    /// The entry that let it through, or why it was refused.
    pub reason: String,
    /// Bytes towards the host.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
}

impl Contact {
    /// A connection that nothing is known about yet.
    pub fn new(protocol: &'static str, host: &str) -> Self {
        Contact {
            protocol,
            host: short(host),
            request: None,
            address: None,
            verdict: "refused",
            reason: String::new(),
            sent: 0,
            received: 0,
        }
    }

    /// Notes what a plain request asks for.
    pub fn asks(&mut self, method: &str, path: &str) {
        self.request = Some(short(&format!("{method} {path}")));
    }

    /// Whether it was let through.
    pub fn is_allowed(&self) -> bool {
        self.verdict == "allowed"
    }
}

/// Without control characters, and not for ever.
fn short(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut kept = String::new();
    for c in shown {
        if kept.len() + c.len_utf8() > LONGEST {
            kept.push('…');
            break;
        }
        kept.push(c);
    }
    kept
}

/// What a call did on the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contacts {
    /// In order of their ends.
    pub all: Vec<Contact>,
    /// How many more there were.
    pub more: u64,
}

/// Where connections are written down while they go on.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Contacts>);

impl Log {
    pub(super) fn add(&self, contact: Contact) {
        let Ok(mut contacts) = self.0.lock() else { return };
        if contacts.all.len() < MOST {
            contacts.all.push(contact);
        } else {
            contacts.more += 1;
        }
    }

    pub(super) fn take(&self) -> Contacts {
        self.0.lock().map(|mut contacts| std::mem::take(&mut *contacts)).unwrap_or_default()
    }
}
