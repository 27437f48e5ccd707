//! One entry of a list of hosts: what may be reached, or may not.
//!
//! `[METHOD,… ][https://]HOST[:PORT][/PATH]`. `HOST` is a name, `*.DOMAIN` (what lies below it, not
//! the domain itself) or an address. Without a port it stands for 443 and 80, and in
//! a list that refuses for all of them.

use super::host::{Host, split_port};

/// Ports of an entry that names none.
pub const USUAL_PORTS: [u16; 2] = [443, 80];

/// A compiled entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    /// As it was written.
    pub written: String,
    /// Empty is every method.
    methods: Vec<String>,
    /// Plain requests to it travel encrypted.
    pub encrypt: bool,
    name: Name,
    port: Option<u16>,
    /// An entry of a list that refuses, without a port, refuses them all.
    every_port: bool,
    /// Without a slash at the end; empty is every path.
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Exact(Host),
    Below(String),
}

impl HostRule {
    /// Reads an entry. `*` alone is for lists that refuse.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(written: &str, refuses: bool) -> Result<Self, String> {
        let text = written.trim();
        let (methods, rest) = match text.split_once(' ') {
            Some((methods, rest)) => (methods, rest.trim_start()),
            None => ("", text),
        };
        let methods: Vec<String> =
            methods.split(',').filter(|m| !m.is_empty()).map(str::to_owned).collect();
        if methods.iter().any(|m| !m.bytes().all(|b| b.is_ascii_uppercase())) {
            return Err("methods are written in capitals with commas between, as in \
                        `GET,HEAD example.org`"
                .to_owned());
        }
        let (encrypt, rest) = match rest.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(_) => return Err("the only scheme that can stand here is `https://`".to_owned()),
            None => (false, rest),
        };
        let (place, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = path.strip_suffix("/*").unwrap_or(path).trim_end_matches('/');
        if path.contains(['?', '#', '*', '%', '\\']) || steps(path).any(|s| s == "." || s == "..") {
            return Err("a path is a plain beginning, as in `/v1/models`".to_owned());
        }
        let (host, port) = split(place)?;
        let name = if host == "*" {
            if !refuses {
                return Err("`*` alone would let everything through; name domains such as \
                            `*.example.org`"
                    .to_owned());
            }
            Name::Any
        } else if let Some(domain) = host.strip_prefix("*.") {
            match Host::parse(domain)? {
                Host::Name(domain) if refuses || domain.contains('.') => Name::Below(domain),
                Host::Name(_) => {
                    return Err(
                        "`*.` before a whole top-level domain lets too much through".to_owned()
                    );
                }
                Host::Address(_) => return Err("`*.` stands before names only".to_owned()),
            }
        } else {
            Name::Exact(Host::parse(host)?)
        };
        if encrypt && port.is_some_and(|port| port == 80) {
            return Err("`https://` and port 80 do not go together".to_owned());
        }
        let path = path.to_owned();
        let every_port = refuses && port.is_none();
        Ok(HostRule { written: text.to_owned(), methods, encrypt, name, port, every_port, path })
    }

    /// Whether it is about this host and port, whatever is asked there.
    pub fn names(&self, host: &Host, port: u16) -> bool {
        let named = match &self.name {
            Name::Any => true,
            Name::Exact(own) => own == host,
            Name::Below(domain) => matches!(host, Host::Name(name) if below(name, domain)),
        };
        named
            && (self.every_port
                || self.port.map_or(USUAL_PORTS.contains(&port), |own| own == port)
                || (self.encrypt && port == 80))
    }

    /// Whether what is asked counts, and not the host alone.
    pub fn looks_inside(&self) -> bool {
        !self.methods.is_empty() || !self.path.is_empty()
    }

    /// Whether a request with this method and path fits, once its host does. A path with more than
    /// one reading fits only entries without a path.
    pub fn fits(&self, method: &str, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.iter().any(|own| own == method))
            && (self.path.is_empty() || (is_plain(path) && is_below(path, &self.path)))
    }

    /// Whether a request might be one that an entry which refuses is about. FAIL CLOSED: servers differ
    /// in what they make of letters' case and of a path with more than one reading.
    pub fn may_mean(&self, method: &str, path: &str) -> bool {
        let method_fits = self.methods.is_empty()
            || self.methods.iter().any(|own| own.eq_ignore_ascii_case(method));
        let path_fits = self.path.is_empty()
            || !is_plain(path)
            || is_below(&path.to_lowercase(), &self.path.to_lowercase());
        method_fits && path_fits
    }

    /// The entry for what both are about; `None` where that is nothing.
    pub fn meet(&self, other: &HostRule) -> Option<HostRule> {
        let name = match (&self.name, &other.name) {
            (Name::Any, name) | (name, Name::Any) => name.clone(),
            (Name::Exact(a), Name::Exact(b)) => (a == b).then(|| self.name.clone())?,
            (Name::Below(a), Name::Below(b)) if a == b || below(b, a) => other.name.clone(),
            (Name::Below(a), Name::Below(b)) if below(a, b) => self.name.clone(),
            (Name::Below(_), Name::Below(_)) => return None,
            (Name::Below(domain), exact @ Name::Exact(Host::Name(name)))
            | (exact @ Name::Exact(Host::Name(name)), Name::Below(domain)) => {
                below(name, domain).then(|| exact.clone())?
            }
            (Name::Below(_), Name::Exact(_)) | (Name::Exact(_), Name::Below(_)) => return None,
        };
        let port = match (self.port, other.port) {
            (None, None) => None,
            (None, Some(port)) | (Some(port), None) => {
                USUAL_PORTS.contains(&port).then_some(Some(port))?
            }
            (Some(a), Some(b)) => (a == b).then_some(Some(a))?,
        };
        let methods = match (&self.methods[..], &other.methods[..]) {
            ([], methods) | (methods, []) => methods.to_vec(),
            (a, b) => {
                let both: Vec<String> = a.iter().filter(|m| b.contains(m)).cloned().collect();
                (!both.is_empty()).then_some(both)?
            }
        };
        let path = match (self.path.as_str(), other.path.as_str()) {
            (a, b) if is_below(a, b) => a,
            (a, b) if is_below(b, a) => b,
            _ => return None,
        };
        let encrypt = self.encrypt || other.encrypt;
        if encrypt && port == Some(80) {
            return None;
        }
        let every_port = self.every_port && other.every_port;
        let path = path.to_owned();
        let written = String::new();
        let mut both = HostRule { written, methods, encrypt, name, port, every_port, path };
        both.written = both.spelling();
        Some(both)
    }

    fn spelling(&self) -> String {
        let methods = match &self.methods[..] {
            [] => String::new(),
            methods => format!("{} ", methods.join(",")),
        };
        let scheme = if self.encrypt { "https://" } else { "" };
        let name = match &self.name {
            Name::Any => "*".to_owned(),
            Name::Exact(host) => host.to_string(),
            Name::Below(domain) => format!("*.{domain}"),
        };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{methods}{scheme}{name}{port}{}", self.path)
    }

    /// Whether it is about all that `other` is about.
    pub fn covers(&self, other: &HostRule) -> bool {
        let name = match (&self.name, &other.name) {
            (Name::Any, _) => true,
            (Name::Exact(a), Name::Exact(b)) => a == b,
            (Name::Below(a), Name::Below(b)) => a == b || below(b, a),
            (Name::Below(a), Name::Exact(Host::Name(b))) => below(b, a),
            _ => false,
        };
        let port = match (self.port, other.port) {
            (None, None) => true,
            (None, Some(port)) => USUAL_PORTS.contains(&port),
            (own, port) => own == port,
        };
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty()
                && other.methods.iter().all(|method| self.methods.contains(method)));
        let path = self.path.is_empty() || is_below(&other.path, &self.path);
        // Encryption is a duty: one who asks for it does not cover one who does not.
        name && port && methods && path && (!self.encrypt || other.encrypt)
    }
}

fn steps(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
}

/// A path that every server reads alike.
fn is_plain(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains(['%', '\\', ';'])
        && !path.contains("//")
        && !steps(path).any(|step| step == "." || step == "..")
}

/// By whole steps: `/v1` holds `/v1` and `/v1/x`, and not `/v12`.
fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

/// Host and port. An address of version 6 stands in brackets.
fn split(text: &str) -> Result<(&str, Option<u16>), String> {
    let number = |port: &str| match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|b| b.is_ascii_digit()) => Ok(number),
        _ => Err(format!("`{port}` is no port")),
    };
    let (host, port) = split_port(text);
    if !host.starts_with('[') && host.contains(':') {
        return Err("an address of version 6 stands in brackets".to_owned());
    }
    Ok((host, port.map(number).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(text: &str) -> HostRule {
        HostRule::parse(text, false).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn names(entry: &str, host: &str, port: u16) -> bool {
        rule(entry).names(&Host::parse(host).unwrap(), port)
    }

    #[test]
    fn a_star_is_what_lies_below_and_a_name_is_itself() {
        assert!(names("*.example.org", "a.example.org", 443));
        assert!(names("*.example.org", "a.b.example.org", 80));
        for other in ["example.org", "evilexample.org", "example.org.evil.test"] {
            assert!(!names("*.example.org", other, 443), "{other}");
        }
        assert!(names("Example.org", "EXAMPLE.org.", 443));
        assert!(!names("example.org", "a.example.org", 443));
        assert!(!names("example.org", "192.0.2.1", 443));
        assert!(names("192.0.2.1", "192.0.2.1", 443));
    }

    #[test]
    fn a_port_is_the_one_written_or_one_of_the_web() {
        assert!(names("a.test", "a.test", 443) && names("a.test", "a.test", 80));
        assert!(!names("a.test", "a.test", 22));
        assert!(names("a.test:22", "a.test", 22) && !names("a.test:22", "a.test", 443));
        assert!(names("[2001:db8::1]:8080", "[2001:db8::1]", 8080));
    }

    #[test]
    fn an_entry_that_refuses_counts_at_every_port() {
        let host = Host::parse("a.test").unwrap();
        assert!(HostRule::parse("a.test", true).unwrap().names(&host, 8443));
        assert!(HostRule::parse("*", true).unwrap().names(&host, 22));
        assert!(!HostRule::parse("a.test:443", true).unwrap().names(&host, 8443));
    }

    #[test]
    fn methods_and_paths_count_by_whole_steps() {
        let entry = rule("GET,HEAD a.test/v1/");
        assert!(entry.looks_inside());
        for (method, path) in [("GET", "/v1"), ("HEAD", "/v1/x")] {
            assert!(entry.fits(method, path), "{method} {path}");
        }
        for (method, path) in [
            ("POST", "/v1"),
            ("GET", "/"),
            ("GET", "/v12"),
            ("GET", "/v1/../admin"),
            ("GET", "/v1/%2e%2e/admin"),
            ("GET", "/v1//x"),
            ("GET", "/v1/..\\x"),
            ("get", "/v1"),
            ("GET", "/V1"),
            ("GET", "v1"),
            ("GET", "/v1/..;/x"),
        ] {
            assert!(!entry.fits(method, path), "{method} {path}");
        }
    }

    #[test]
    fn entries_that_say_too_much_or_nothing_are_refused() {
        for wrong in [
            "",
            "*",
            "*.com",
            "*.",
            "a.*.org",
            "http://a.test",
            "ftp://a.test",
            "a.test:0",
            "a.test:99999",
            "a.test:x",
            "get a.test",
            "a.test/a?b",
            "a.test/../b",
            "u@a.test",
            "0x7f.1",
            "::1",
            "https://a.test:80",
            "a.test/%2e",
        ] {
            assert!(HostRule::parse(wrong, false).is_err(), "{wrong}");
        }
        for right in ["*", "*.com"] {
            assert!(HostRule::parse(right, true).is_ok(), "{right}");
        }
    }

    #[test]
    fn an_entry_covers_what_it_lets_through_and_no_more() {
        for (wide, narrow) in [
            ("*.a.test", "x.a.test"),
            ("*.a.test", "*.x.a.test"),
            ("a.test", "a.test:443"),
            ("a.test", "GET a.test/v1"),
            ("GET,POST a.test", "GET a.test"),
            ("a.test/v1", "a.test/v1/x"),
            ("a.test", "https://a.test"),
        ] {
            assert!(rule(wide).covers(&rule(narrow)), "{wide} {narrow}");
            assert!(!rule(narrow).covers(&rule(wide)), "{narrow} {wide}");
        }
        assert!(!rule("*.a.test").covers(&rule("a.test")));
        assert!(!rule("a.test").covers(&rule("a.test:22")));
    }

    proptest! {
        #[test]
        fn what_is_covered_is_let_through_as_well(
            wide in "(GET )?(https://)?(\\*\\.)?(a|b)\\.test(:443|:22)?(/v1)?",
            narrow in "(GET )?(https://)?(\\*\\.)?(a|b|x\\.a)\\.test(:443|:22)?(/v1(/x)?)?",
            host in "(x\\.|y\\.x\\.)?(a|b)\\.test", port in prop_oneof![Just(443), Just(80), Just(22)],
            path in "/(v1(/x)?)?", method in "GET|POST",
        ) {
            let (wide, narrow) = (rule(&wide), rule(&narrow));
            let host = Host::parse(&host).unwrap();
            let admits = |rule: &HostRule| rule.names(&host, port) && rule.fits(&method, &path);
            if wide.covers(&narrow) && admits(&narrow) {
                prop_assert!(admits(&wide), "{wide:?} {narrow:?}");
            }
        }
    }
}
