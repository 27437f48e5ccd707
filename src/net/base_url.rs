//! The address a provider is configured with, checked once and then only extended.
//!
//! Never holds a user name or password: those would be sent as a second credential and show
//! up in errors. Read [`super::egress`] next.

use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

/// An `http` or `https` address without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Checks an address. The error says what is wrong without repeating the text, because
    /// the text may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text.trim()).map_err(|e| format!("it is not a URL ({e})"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("its scheme is `{}`, expected `http` or `https`", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it holds a user name or password; use `apiKey`".into());
        }
        if url.host_str().is_none() || url.fragment().is_some() {
            return Err("it needs a host and no `#` part".into());
        }
        Ok(BaseUrl(url))
    }

    /// The address of an operation below `v1`: `/v1/<operation>` is appended, or only
    /// `/<operation>` when the base names `v1` itself. A query of the base is kept.
    pub fn versioned(&self, operation: &str) -> Url {
        let path = self.0.path().trim_end_matches('/');
        let named = path.ends_with("/v1") || path.contains("/v1/");
        let path =
            if named { format!("{path}/{operation}") } else { format!("{path}/v1/{operation}") };
        let mut url = self.0.clone();
        url.set_path(&path);
        url
    }

    /// The address as it was written.
    pub fn exactly(&self) -> Url {
        self.0.clone()
    }

    /// The address of a thing below this one: `/<name>` is appended. A query is kept.
    pub fn below(&self, name: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{name}", self.0.path().trim_end_matches('/')));
        url
    }

    /// Whether `url` has the same scheme, host and port. Only then may the key go there.
    pub fn same_origin(&self, url: &Url) -> bool {
        self.0.origin() == url.origin()
    }

    /// Whether TLS protects the connection.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The host name or address, lower case.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The port, written or usual.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or(443)
    }

    /// Whether the host is this machine, told by its name alone (no look-up).
    pub fn is_loopback(&self) -> bool {
        let host = self.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.trim_end_matches('.');
        match host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for BaseUrl {
    /// Scheme, host, port and path. The query stays out: gateways put tokens there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.path().trim_end_matches('/');
        write!(f, "{}{path}", self.0.origin().ascii_serialization())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str) -> String {
        BaseUrl::parse(base).unwrap().versioned("chat/completions").to_string()
    }

    #[test]
    fn v1_is_written_once_whatever_the_base() {
        for (base, expected) in [
            ("https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com/", "https://api.openai.com/v1/chat/completions"),
            ("https://api.x.ai/v1", "https://api.x.ai/v1/chat/completions"),
            ("https://api.x.ai/v1/", "https://api.x.ai/v1/chat/completions"),
            ("https://gw/x", "https://gw/x/v1/chat/completions"),
            ("https://gw/v1/team", "https://gw/v1/team/chat/completions"),
            ("https://gw/v10", "https://gw/v10/v1/chat/completions"),
            ("https://gw/x?k=1", "https://gw/x/v1/chat/completions?k=1"),
        ] {
            assert_eq!(joined(base), expected, "{base}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_repeating_it() {
        let error = BaseUrl::parse("https://me:hunter2@gw.example").unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
        assert!(BaseUrl::parse("file:///etc/passwd").is_err());
        assert!(BaseUrl::parse("api.openai.com").is_err());
    }

    #[test]
    fn loopback_is_told_by_name_and_address() {
        for host in ["localhost:1", "127.0.0.1", "127.9.9.9:80", "[::1]:8", "a.localhost"] {
            assert!(BaseUrl::parse(&format!("http://{host}")).unwrap().is_loopback(), "{host}");
        }
        for host in ["localhost.evil.example", "10.0.0.1", "128.0.0.1", "[::2]"] {
            assert!(!BaseUrl::parse(&format!("http://{host}")).unwrap().is_loopback(), "{host}");
        }
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let base = BaseUrl::parse("https://gw.example/x").unwrap();
        for (url, same) in [
            ("https://gw.example:443/y", true),
            ("https://gw.example:444/", false),
            ("http://gw.example/", false),
            ("https://evil.example/", false),
        ] {
            assert_eq!(base.same_origin(&Url::parse(url).unwrap()), same, "{url}");
        }
    }
}
