//! A key and the header it travels in, plus the masking of that key in anything shown.
//!
//! Together with the redactor the only place that reads a [`Secret`]. It must never hand the
//! plain text out. Read [`super::egress`] next.
#![expect(clippy::disallowed_methods, reason = "the one place that sends a key")]

use crate::redact::Secret;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use std::fmt;

/// What stands where a key was.
const MASK: &str = "[key]";

/// Why a key or header name cannot be used. The texts never repeat the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The key has characters that cannot stand in a header.
    #[error("the key has characters that cannot stand in an HTTP header")]
    Key,
    /// The header name is not one, or would change how the request is sent.
    #[error("`{0}` cannot be used as the header for a key")]
    Header(String),
}

/// A key bound to its header.
pub struct Credential {
    header: HeaderName,
    value: HeaderValue,
    secret: Secret,
}

impl Credential {
    /// Binds a key to a header as `authHeader` spells it: `bearer` (or empty) means
    /// `Authorization: Bearer`, anything else is the header's name.
    pub fn new(secret: Secret, auth_header: &str) -> Result<Self, CredentialError> {
        let spelled = auth_header.trim();
        let bearer = spelled.is_empty() || spelled.eq_ignore_ascii_case("bearer");
        let header = if bearer {
            AUTHORIZATION
        } else {
            HeaderName::from_bytes(spelled.to_ascii_lowercase().as_bytes())
                .ok()
                .filter(|name| !FRAMING.contains(&name.as_str()))
                .ok_or_else(|| CredentialError::Header(spelled.to_owned()))?
        };
        let key = secret.expose().trim();
        let text =
            zeroize::Zeroizing::new(if bearer { format!("Bearer {key}") } else { key.to_owned() });
        let mut value = HeaderValue::from_str(&text).map_err(|_| CredentialError::Key)?;
        value.set_sensitive(true);
        Ok(Credential { header, value, secret })
    }

    /// The header to send, for the HTTP client alone.
    pub(in crate::net) fn header(&self) -> (HeaderName, HeaderValue) {
        (self.header.clone(), self.value.clone())
    }

    /// `text` without the key. A server may echo the key back in its error.
    pub fn mask(&self, text: &str) -> String {
        let key = self.secret.expose().trim();
        // A key of a few characters would mask ordinary words; nobody issues those.
        if key.len() < 4 { text.to_owned() } else { text.replace(key, MASK) }
    }

    /// Length of the key in bytes: how much of a cut text may end in half a key.
    pub(in crate::net) fn len(&self) -> usize {
        self.secret.expose().len()
    }
}

/// Headers that say how a request is framed or routed.
const FRAMING: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "content-type", "upgrade"];

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}: ***)", self.header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(spelled: &str) -> String {
        let credential = Credential::new(Secret::new("k-12345".into()), spelled).unwrap();
        let (name, value) = credential.header();
        format!("{name}: {}", value.to_str().unwrap())
    }

    #[test]
    fn each_spelling_of_auth_header_gives_its_header() {
        assert_eq!(header(""), "authorization: Bearer k-12345");
        assert_eq!(header("bearer"), "authorization: Bearer k-12345");
        assert_eq!(header("x-api-key"), "x-api-key: k-12345");
        assert_eq!(header("X-Team-Key"), "x-team-key: k-12345");
    }

    #[test]
    fn a_key_cannot_smuggle_a_header_and_is_never_shown() {
        let error = Credential::new(Secret::new("a\r\nx: y".into()), "").unwrap_err();
        assert_eq!(error, CredentialError::Key);
        assert!(Credential::new(Secret::new("k".into()), "Host").is_err());
        assert!(Credential::new(Secret::new("k".into()), "a b").is_err());
        let credential = Credential::new(Secret::new("k-12345".into()), "").unwrap();
        assert!(!format!("{credential:?}").contains("12345"));
        assert_eq!(credential.mask("bad key k-12345!"), "bad key [key]!");
    }
}
