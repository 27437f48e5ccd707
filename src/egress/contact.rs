//! One connection through the proxy, for the record.

use crate::model::visible;
use serde::Serialize;
use std::sync::Mutex;

/// Most bytes of text that are kept of a call's connections, those that were made and those that were
/// not apart. Further ones are counted.
///
/// ATTACK: a call that floods the proxy with refused connections, so that the one that matters is not
/// kept, or so that the record grows until it is cut.
const KEPT_ALLOWED: usize = 12 << 10;
const KEPT_OTHERS: usize = 6 << 10;
/// What one entry takes besides its texts, bytes.
const FRAME: usize = 160;
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
    /// `allowed`, `refused`, `failed`, or `opened` where each request is judged and stands here too.
    pub verdict: &'static str,
    /// The entry that let it through, or why it was refused.
    pub reason: String,
    /// Bytes towards the host.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
    /// How often it happened alike.
    pub times: u64,
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
            times: 1,
        }
    }

    /// Notes what a plain request asks for.
    pub fn asks(&mut self, method: &str, path: &str) {
        self.request = Some(short(&format!("{method} {path}")));
    }

    fn size(&self) -> usize {
        let request = self.request.as_ref().map_or(0, String::len);
        FRAME + self.host.len() + self.reason.len() + request
    }

    /// Whether it was let through.
    pub fn is_allowed(&self) -> bool {
        self.verdict == "allowed"
    }
}

/// Without characters that hide or move others, and not for ever.
pub(super) fn short(text: &str) -> String {
    let shown = visible(text);
    let mut kept = String::new();
    for c in shown.chars() {
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
    /// In order of their first ends.
    pub all: Vec<Contact>,
    /// Those for which there was no room.
    pub more: More,
}

/// Connections that are not told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct More {
    /// How many were made.
    pub allowed: u64,
    /// How many were not.
    pub others: u64,
    /// Bytes towards their hosts.
    pub sent: u64,
    /// Bytes from them.
    pub received: u64,
}

impl More {
    /// Whether all are told apart.
    pub fn is_nothing(&self) -> bool {
        *self == More::default()
    }
}

impl Contacts {
    fn add(&mut self, contact: Contact) {
        let allowed = contact.is_allowed();
        let alike = |known: &&mut Contact| {
            known.protocol == contact.protocol
                && known.host == contact.host
                && known.verdict == contact.verdict
                && known.reason == contact.reason
                && (!allowed || known.request == contact.request)
        };
        if let Some(known) = self.all.iter_mut().find(alike) {
            known.times = known.times.saturating_add(1);
            known.sent = known.sent.saturating_add(contact.sent);
            known.received = known.received.saturating_add(contact.received);
            return;
        }
        let same = self.all.iter().filter(|known| known.is_allowed() == allowed);
        let room = if allowed { KEPT_ALLOWED } else { KEPT_OTHERS };
        if same.map(Contact::size).sum::<usize>() + contact.size() <= room {
            self.all.push(contact);
            return;
        }
        let counter = if allowed { &mut self.more.allowed } else { &mut self.more.others };
        *counter = counter.saturating_add(1);
        self.more.sent = self.more.sent.saturating_add(contact.sent);
        self.more.received = self.more.received.saturating_add(contact.received);
    }
}

/// Where connections are written down while they go on.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Contacts>);

impl Log {
    pub(super) fn add(&self, contact: Contact) {
        if let Ok(mut contacts) = self.0.lock() {
            contacts.add(contact);
        }
    }

    pub(super) fn take(&self) -> Contacts {
        self.0.lock().map(|mut contacts| std::mem::take(&mut *contacts)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refused_connections_hides_no_other() {
        let mut contacts = Contacts::default();
        for n in 0..10_000 {
            contacts.add(Contact::new("connect", &format!("{n}.{}:443", "x".repeat(400))));
        }
        let mut made = Contact::new("connect", "listed.test:443");
        (made.verdict, made.sent) = ("allowed", 7);
        contacts.add(made.clone());
        contacts.add(made);
        let last = contacts.all.last().unwrap();
        assert_eq!((last.host.as_str(), last.times, last.sent), ("listed.test:443", 2, 14));
        assert!(contacts.more.others > 9_000 && contacts.more.allowed == 0);
        for n in 0..10_000 {
            let mut made = Contact::new("http", "listed.test:80");
            made.verdict = "allowed";
            made.asks("GET", &format!("/{n}"));
            contacts.add(Contact { sent: 1, ..made });
        }
        let kept: u64 = contacts.all.iter().map(|c| c.sent).sum();
        assert_eq!(kept + contacts.more.sent, 10_014, "every byte is counted");
        let text = serde_json::to_string(&contacts.all).unwrap();
        assert!(text.len() < 30 << 10, "{} bytes would cut the record", text.len());
    }
}
