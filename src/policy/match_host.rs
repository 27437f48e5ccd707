//! `hosts`: names, ports, domains and ranges of addresses.
//!
//! `*.example.org` is every name below and not the domain itself; a bare name is itself alone.
//! Addresses are compared as numbers, so that `0x7f.1` is `127.0.0.1`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A compiled entry of `hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: Name,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Exact(String),
    /// The domain and everything below (the compact form `domain:`).
    Domain(String),
    Below(String),
    Range(IpAddr, u8),
}

/// How well a host fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It does not.
    No,
    /// It would at the right port, and nobody knows the port.
    Perhaps,
    /// It does.
    Yes,
}

impl HostPattern {
    /// Reads an entry. `*` alone is for restrictions.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(written: &str, allow: bool) -> Result<Self, String> {
        let text = written.trim().to_lowercase();
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '@') {
            return Err("a host holds no blanks, `@` or control characters".to_owned());
        }
        if text == "*" {
            return if allow {
                Err("`*` alone would allow every host; name domains such as `*.example.org`"
                    .to_owned())
            } else {
                Ok(HostPattern { name: Name::Any, port: None })
            };
        }
        if let Some((base, bits)) = text.split_once('/') {
            let base: IpAddr = base.parse().map_err(|_| {
                "a range begins with an address, as in `10.0.0.0/8`; a URL is no host".to_owned()
            })?;
            let most = if base.is_ipv4() { 32 } else { 128 };
            let bits: u8 = bits
                .parse()
                .ok()
                .filter(|bits| *bits <= most)
                .ok_or_else(|| format!("the part after `/` is a number from 0 to {most}"))?;
            if allow && bits == 0 {
                return Err("`/0` would allow every address".to_owned());
            }
            return Ok(HostPattern { name: Name::Range(base, bits), port: None });
        }
        let (host, port) = split(&text)?;
        let name = match host.strip_prefix("*.") {
            Some(domain) if !domain.is_empty() && !domain.contains('*') => {
                Name::Below(plain(domain))
            }
            None if !host.is_empty() && !host.contains('*') => Name::Exact(plain(host)),
            _ => return Err("`*` stands only in front, as in `*.example.org`".to_owned()),
        };
        Ok(HostPattern { name, port })
    }

    /// The compact form `domain:example.org`: the domain and what lies below it.
    pub fn domain(domain: &str) -> Self {
        HostPattern { name: Name::Domain(plain(domain)), port: None }
    }

    /// The name that a host is, or lies below; `None` for ranges and any host.
    pub(super) fn key(&self) -> Option<&str> {
        match &self.name {
            Name::Exact(name) | Name::Domain(name) | Name::Below(name) => Some(name),
            Name::Any | Name::Range(..) => None,
        }
    }

    /// How `host`, written with or without a port, fits.
    pub fn fits(&self, host: &str) -> Fit {
        let lower = host.to_lowercase();
        let Ok((host, port)) = split(&lower) else { return Fit::No };
        let host = plain(host);
        let named = match &self.name {
            Name::Any => true,
            Name::Exact(name) => host == *name,
            Name::Below(domain) => below(&host, domain),
            Name::Domain(domain) => host == *domain || below(&host, domain),
            Name::Range(base, bits) => host.parse().is_ok_and(|host| inside(host, *base, *bits)),
        };
        match (named, self.port, port) {
            (false, ..) => Fit::No,
            (true, None, _) => Fit::Yes,
            (true, Some(_), None) => Fit::Perhaps,
            (true, Some(wanted), Some(port)) => {
                if wanted == port {
                    Fit::Yes
                } else {
                    Fit::No
                }
            }
        }
    }
}

/// A host without its port and each domain that it lies below, as [`HostPattern::key`] has them.
pub(super) fn names_of(host: &str, mut each: impl FnMut(&str)) {
    let lower = host.to_lowercase();
    let Ok((host, _)) = split(&lower) else { return };
    let host = plain(host);
    each(&host);
    for (at, _) in host.match_indices('.') {
        each(host.get(at + 1..).unwrap_or_default());
    }
}

fn below(host: &str, domain: &str) -> bool {
    host.parse::<IpAddr>().is_err()
        && host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Host and port; brackets around an address of version 6 are taken off.
fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let number = |port: &str| port.parse::<u16>().map_err(|_| format!("`{port}` is no port"));
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("it has `[` without `]`")?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(number(port)?))),
            None if after.is_empty() => Ok((host, None)),
            None => Err("behind `]` comes a port".to_owned()),
        };
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => Ok((host, Some(number(port)?))),
        _ => Ok((text, None)),
    }
}

/// One spelling of each host: no dot at the end, addresses as numbers say them.
fn plain(host: &str) -> String {
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Ok(v6) = host.parse::<Ipv6Addr>() {
        return v6.to_ipv4_mapped().map_or_else(|| v6.to_string(), |v4| v4.to_string());
    }
    number_form(host).map_or_else(|| host.to_owned(), |v4| v4.to_string())
}

/// What `inet_aton` makes of `0x7f.1`, `017700000001` and `2130706433`.
fn number_form(host: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| -> Option<u32> {
        if let Some(hex) = part.strip_prefix("0x") {
            return if hex.is_empty() { Some(0) } else { u32::from_str_radix(hex, 16).ok() };
        }
        if part.len() > 1 && part.starts_with('0') {
            return u32::from_str_radix(part, 8).ok();
        }
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let parts = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, heads) = parts.split_last()?;
    let room = 8 * 4u32.checked_sub(u32::try_from(heads.len()).ok()?)?;
    if room == 0 || heads.iter().any(|part| *part > 255) || u64::from(*last) >= 1 << room {
        return None;
    }
    let high = heads.iter().zip([24, 16, 8]).fold(0, |sum, (part, shift)| sum | part << shift);
    Some(Ipv4Addr::from(high | last))
}

fn inside(host: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (host, base) {
        (IpAddr::V4(host), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(host) & mask == u32::from(base) & mask
        }
        (IpAddr::V6(host), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(host) & mask == u128::from(base) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, host: &str) -> Fit {
        HostPattern::new(pattern, false).unwrap().fits(host)
    }

    #[test]
    fn a_name_is_itself_and_a_star_is_what_lies_below() {
        assert_eq!(fits("example.org", "Example.ORG."), Fit::Yes);
        assert_eq!(fits("example.org", "docs.example.org"), Fit::No);
        assert_eq!(fits("*.example.org", "docs.example.org"), Fit::Yes);
        assert_eq!(fits("*.example.org", "example.org"), Fit::No);
        assert_eq!(fits("*.example.org", ".example.org"), Fit::No);
        assert_eq!(fits("*.example.org", "evilexample.org"), Fit::No);
        assert_eq!(fits("example.org", "example.org.evil.example"), Fit::No);
        assert_eq!(fits("*", "anything"), Fit::Yes);
    }

    #[test]
    fn a_port_counts_where_it_is_written() {
        assert_eq!(fits("example.org:443", "example.org:443"), Fit::Yes);
        assert_eq!(fits("example.org:443", "example.org:80"), Fit::No);
        assert_eq!(fits("example.org:443", "example.org"), Fit::Perhaps);
        assert_eq!(fits("example.org", "example.org:8080"), Fit::Yes);
        assert_eq!(fits("[::1]:80", "[::1]:80"), Fit::Yes);
        assert_eq!(fits("::1", "[0:0:0:0:0:0:0:1]:80"), Fit::Yes);
    }

    #[test]
    fn an_address_is_a_number_in_every_spelling() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "::ffff:169.254.169.254",
            "[::ffff:a9fe:a9fe]:80",
        ] {
            assert_eq!(fits("169.254.0.0/16", host), Fit::Yes, "{host}");
            assert_eq!(fits("169.254.169.254", host), Fit::Yes, "{host}");
        }
        for host in ["169.255.0.1", "169.254.1.1.example.org", "a.169", "1.2.3.4.5", "::1"] {
            assert_eq!(fits("169.254.0.0/16", host), Fit::No, "{host}");
        }
        assert_eq!(fits("0.0.0.0/0", "9.9.9.9"), Fit::Yes);
        assert_eq!(fits("fd00::/8", "fd12::1"), Fit::Yes);
        assert_eq!(fits("fd00::/8", "fe12::1"), Fit::No);
    }

    #[test]
    fn what_would_allow_everything_or_nothing_is_refused() {
        for wrong in [
            "*",
            "0.0.0.0/0",
            "*.",
            "*.*.org",
            "a*b",
            "10.0.0.0/33",
            "x/8",
            "a:99999",
            "[::1",
            "a b",
            "https://x",
            "u@x",
            "",
        ] {
            assert!(HostPattern::new(wrong, true).is_err(), "{wrong}");
        }
        assert!(HostPattern::new("*", false).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_text_makes_it_panic(pattern in "\\PC{0,24}|[0-9a-fx.:/*\\[\\]]{0,24}", host in "\\PC{0,24}|[0-9a-fx.:\\[\\]]{0,24}") {
            if let Ok(pattern) = HostPattern::new(&pattern, false) {
                let _ = pattern.fits(&host);
            }
        }

        #[test]
        fn every_address_lies_in_its_own_range(address in any::<u32>(), bits in 0u8..=32) {
            let host = Ipv4Addr::from(address);
            prop_assert_eq!(fits(&format!("{host}/{bits}"), &address.to_string()), Fit::Yes);
        }
    }
}
