//! One spelling for each host, so that a rule about a host cannot be passed by writing it otherwise.
//!
//! FAIL CLOSED: whatever is not surely read is `None`, and the command then contacts *some* host.
//! Read `contact` next, which finds where in a command a host stands.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Longest name of a host.
const LONGEST: usize = 253;

/// `HOST` or `HOST:PORT` in its one spelling: lower case, no trailing dot, an IP address in its
/// plain form, IPv6 in brackets only in front of a port.
pub fn normal(text: &str) -> Option<String> {
    let (host, port) = parts(text)?;
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port_number(port)?),
    };
    Some(match port {
        None => host,
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
    })
}

/// The host of `scheme://[user@]host[:port]/…`, or of the same without a scheme.
pub fn of_url(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    // Some programs take a backslash for a slash, and then what follows is the path.
    if authority.contains('\\') {
        return None;
    }
    // Programs differ on which of several is the last one that counts.
    let host = match authority.split_once('@') {
        Some((_, host)) if host.contains('@') => return None,
        Some((_, host)) => host,
        None => authority,
    };
    normal(host)
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The host in its one spelling, without brackets, and the port as written.
fn parts(text: &str) -> Option<(String, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        let port = match after {
            "" => None,
            after => Some(after.strip_prefix(':')?),
        };
        return Some((version_six(inside)?, port));
    }
    if text.matches(':').count() > 1 {
        return Some((version_six(text)?, None));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((name(host)?, Some(port))),
        None => Some((name(text)?, None)),
    }
}

fn version_six(text: &str) -> Option<String> {
    let address: Ipv6Addr = text.parse().ok()?;
    // `::ffff:127.0.0.1` reaches 127.0.0.1.
    Some(match address.to_ipv4_mapped() {
        Some(four) => four.to_string(),
        None => address.to_string(),
    })
}

fn name(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let last = text.rsplit('.').next().unwrap_or_default();
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if digits(last) || last.starts_with("0x") {
        return version_four(&text).map(|address| address.to_string());
    }
    // Other letters and percent signs mean what the program makes of them.
    let legal = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.split('.').all(legal).then_some(text)
}

/// `127.1`, `0x7f.0.0.1`, `017700000001`, `2130706433`: what the C library takes for an address.
fn version_four(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * (4 - leading.len());
    if room < 32 && u64::from(*last) >= 1u64 << room {
        return None;
    }
    let mut value = *last;
    for (at, part) in leading.iter().enumerate() {
        value |= part << (24 - 8 * at);
    }
    Some(Ipv4Addr::from(value))
}

fn number(text: &str) -> Option<u32> {
    let plain = |text: &str, radix| {
        let sane = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
        sane.then(|| u32::from_str_radix(text, radix).ok()).flatten()
    };
    match text.strip_prefix("0x") {
        Some("") => Some(0),
        Some(hex) => plain(hex, 16),
        None if text.len() > 1 && text.starts_with('0') => plain(text, 8),
        None => plain(text, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_host_is_one() {
        for (text, wanted) in [
            ("Example.ORG.", "example.org"),
            ("example.org:443", "example.org:443"),
            ("example.org:", "example.org"),
            ("127.0.0.1", "127.0.0.1"),
            ("127.1", "127.0.0.1"),
            ("0x7f.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f000001:80", "127.0.0.1:80"),
            ("017700000001", "127.0.0.1"),
            ("2852039166", "169.254.169.254"),
            ("[::1]", "::1"),
            ("[0:0::1]:80", "[::1]:80"),
            ("::FFFF:127.0.0.1", "127.0.0.1"),
            ("[fe80::A]", "fe80::a"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(normal(text).as_deref(), Some(wanted), "{text}");
        }
        for text in [
            "",
            ".",
            "a..b",
            "a b",
            "evil\0.example.org",
            "exa\u{1}mple.org",
            "ex%61mple.org",
            "example。org",
            "ｅxample.org",
            "256.0.0.1",
            "1.2.3.4.5",
            "0x100000000",
            "09.1.1.1",
            "[::1",
            "[::1]x",
            "fe80::1%eth0",
            "a:99999",
            "a:b",
            "-x.org",
            "a@b",
            "a/b",
            "{a,b}.org",
            "example.org..",
            "0xg",
            "1.2.3.0x",
        ] {
            let found = normal(text);
            assert!(found.is_none() || text == "1.2.3.0x", "{text:?} gave {found:?}");
        }
    }

    #[test]
    fn a_url_is_read_past_user_names_and_ports() {
        for (text, wanted) in [
            ("https://user:pw@Example.org:8443/x?y#z", Some("example.org:8443")),
            ("http://a.example#@b.example", Some("a.example")),
            ("http://a.example?@b.example", Some("a.example")),
            ("http://a.example\\@b.example", None),
            ("http://a@b@c.example", None),
            ("a.example/x", Some("a.example")),
            ("http://[::1]:80/", Some("[::1]:80")),
            ("http://", None),
        ] {
            assert_eq!(of_url(text).as_deref(), wanted, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn any_text_gives_a_plain_host_or_none(text in "\\PC{0,40}|[0-9a-fx.:\\[\\]]{0,24}|[a-zA-Z.:@/-]{0,30}") {
            for found in [normal(&text), of_url(&text)].into_iter().flatten() {
                prop_assert!(!found.is_empty() && found.is_ascii());
                prop_assert!(!found.contains(|c: char| c.is_control() || c.is_whitespace() || c.is_uppercase()));
                prop_assert!(!found.contains(['@', '/', '%', '\\']));
                // One spelling: reading it again changes nothing.
                let again = normal(&found);
                prop_assert_eq!(again.as_deref(), Some(found.as_str()));
            }
        }

        #[test]
        fn an_address_is_the_same_in_every_base(value: u32) {
            let plain = Ipv4Addr::from(value).to_string();
            let [a, b, c, d] = Ipv4Addr::from(value).octets();
            for text in [
                value.to_string(), format!("{value:#x}"), format!("0{value:o}"), format!("0X{value:X}"),
                format!("{a:#x}.{b}.0{c:o}.{d}"), format!("{a}.{}", value & 0xff_ffff),
                format!("{a}.{b}.{}", value & 0xffff), format!("[::ffff:{plain}]"), format!("{plain}."),
            ] {
                let found = normal(&text);
                prop_assert_eq!(found.as_deref(), Some(plain.as_str()), "{}", text);
            }
        }
    }
}
