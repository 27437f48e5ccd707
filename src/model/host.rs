//! One spelling of each host.
//!
//! ATTACK: a name that the rules read one way and the resolver another goes where no rule looked:
//! `127.1`, `0x7f000001`, `listed.example\0.evil.example`, `user@host`, full-width digits. What
//! has more than one reading is refused here, before anything is compared.

use serde::Serialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host in its one spelling: lower case, ASCII, without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Host {
    /// A name, as it would be looked up.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// Longest name, bytes (RFC 1035).
const LONGEST: usize = 253;

impl Host {
    /// Reads a host as a program wrote it; addresses of version 6 stand in brackets or alone.
    ///
    /// # Errors
    /// Why it has no single reading.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("the host is empty");
        }
        if text.len() > 4 * LONGEST {
            return Err("the host is too long");
        }
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(inner) = inner.or_else(|| text.contains(':').then_some(text)) {
            return version_6(inner);
        }
        let odd = |c: char| c.is_ascii() && !(c.is_ascii_alphanumeric() || "-._".contains(c));
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || odd(c)) {
            return Err("the host holds a character that no name has");
        }
        let name = idna::domain_to_ascii(text.strip_suffix('.').unwrap_or(text))
            .map_err(|_| "the host is no name")?;
        if name.is_empty() || name.len() > LONGEST || name.split('.').any(wrong_label) {
            return Err("the host is no name");
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            // Every reader takes this for an address; only one spelling of it is accepted, and
            // it must have been written like that.
            return match name.parse::<Ipv4Addr>() {
                Ok(address) if address.to_string() == text => Ok(Host::Address(address.into())),
                _ => Err("the host is an address in an unusual spelling"),
            };
        }
        Ok(Host::Name(name))
    }
}

/// A host and the text of its port. An address of version 6 stands in brackets where a port follows.
pub fn split_port(text: &str) -> (&str, Option<&str>) {
    let colon = text.rfind(':').filter(|colon| text.rfind(']').is_none_or(|end| *colon > end));
    match colon.and_then(|colon| Some((text.get(..colon)?, text.get(colon + 1..)?))) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

fn version_6(text: &str) -> Result<Host, &'static str> {
    let address: Ipv6Addr = text.parse().map_err(|_| "the host is no address")?;
    if address.to_ipv4_mapped().is_some() {
        return Err("the host is an address in an unusual spelling");
    }
    Ok(Host::Address(address.into()))
}

fn wrong_label(label: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    label.is_empty() || label.len() > 63 || !label.bytes().all(inside)
}

/// What the C library's reader takes for a part of an address.
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Address(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_spelling_is_made_of_each_name() {
        for (text, name) in [
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("a_b.example", "a_b.example"),
            ("localhost", "localhost"),
            ("1.example", "1.example"),
        ] {
            assert_eq!(Host::parse(text), Ok(Host::Name(name.to_owned())), "{text}");
        }
        for (text, shown) in [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "[2001:db8::1]")] {
            let Ok(host @ Host::Address(_)) = Host::parse(text) else { panic!("{text}") };
            assert_eq!(host.to_string(), shown);
        }
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "a..b",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "127.1",
            "127.0.0.01",
            "127.0.0.1.",
            "0177.0.0.1",
            "1.2.3.4.5",
            "1.2.3.256",
            "0x",
            "a.0x",
            "::ffff:127.0.0.1",
            "[::ffff:7f00:1]",
            "[::1",
            "fe80::1%eth0",
            "a@b",
            "a%2eb",
            "a b",
            "a\0.example",
            "a\n.example",
            "a/b",
            "a\\b",
            "a#b",
            "a?b",
            "１２７.0.0.1",
            "127。0。0。1",
            "①②⑦.0.0.1",
            "exa\u{ad}mple..org",
            "a:b",
            "*.example",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?}: {:?}", Host::parse(text));
        }
        assert!(Host::parse(&"a.".repeat(300)).is_err());
        assert!(Host::parse(&format!("{}.example", "a".repeat(64))).is_err());
    }

    proptest! {
        #[test]
        fn a_spelling_is_read_the_same_again(text in "\\PC{0,30}|[0-9a-fx.:\\[\\]%@]{0,20}") {
            if let Ok(host) = Host::parse(&text) {
                prop_assert_eq!(Host::parse(&host.to_string()), Ok(host.clone()));
                if let Host::Name(name) = host {
                    prop_assert!(name.parse::<IpAddr>().is_err() && name.is_ascii());
                }
            }
        }
    }
}
