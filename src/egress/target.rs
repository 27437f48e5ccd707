//! What a client asks for, in one spelling.

use crate::model::Host;
use crate::model::host::split_port;
use std::fmt;

/// The port whose requests can be looked into.
pub const PLAIN: u16 = 80;
/// The port where everything is TLS.
pub const TLS: u16 = 443;

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Reads `host:port`; without a port it is `usual`, and without that an error.
    ///
    /// # Errors
    /// Why it has no single reading.
    pub fn parse(text: &str, usual: Option<u16>) -> Result<Self, &'static str> {
        let (host, port) = split_port(text);
        if host.contains(':') && !host.starts_with('[') {
            return Err("an address of version 6 stands in brackets");
        }
        let port = match port {
            // Only digits: a sign or a blank is read differently by others.
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port > 0)
            }
            Some(_) => None,
            None => usual,
        };
        let port = port.ok_or("the port is missing or is no port")?;
        Ok(Target { host: Host::parse(host)?, port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_target_has_one_host_and_one_port() {
        let shown = |text, usual| Target::parse(text, usual).map(|t| t.to_string());
        assert_eq!(shown("A.test:443", None), Ok("a.test:443".to_owned()));
        assert_eq!(shown("a.test", Some(80)), Ok("a.test:80".to_owned()));
        assert_eq!(shown("[::1]:8", None), Ok("[::1]:8".to_owned()));
        for wrong in [
            "a.test",
            "a.test:",
            "a.test:0",
            "a.test:+1",
            "a.test: 1",
            "a.test:65536",
            "::1:80",
            "u@a.test:80",
            "a.test:80:80",
            "[::1]x:80",
            ":80",
            "a.test:0x50",
        ] {
            assert!(Target::parse(wrong, None).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}|[0-9a-f.:\\[\\]]{0,20}") {
            let _ = Target::parse(&text, Some(80));
        }
    }
}
