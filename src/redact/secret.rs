//! A value that Ion itself knows to be secret: a key, a token, a password.

use std::fmt;
use zeroize::Zeroizing;

/// A secret string. Wiped when dropped, masked in `Debug`, never serialised.
///
/// ```compile_fail
/// fn shown(secret: ion::redact::Secret) -> String { format!("{secret}") }
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a secret text.
    pub fn new(text: String) -> Self {
        Secret(Zeroizing::new(text))
    }

    /// The text behind a word such as `Bearer`, as one secret.
    pub fn after(&self, scheme: &str) -> Secret {
        let gap = if scheme.is_empty() { "" } else { " " };
        Secret::new(format!("{scheme}{gap}{}", self.0.as_str()))
    }

    /// Mixes the text into a hash, which gives nothing back.
    pub(in crate::redact) fn hash_into(&self, hash: &mut impl sha2::Digest) {
        hash.update(self.0.as_bytes());
    }

    /// Whether both hold the same text.
    pub fn is(&self, other: &Secret) -> bool {
        self.0 == other.0
    }

    /// The plain text. Fenced by clippy: only the HTTP client (to authenticate) and the
    /// redactor (to mask the value wherever it appears) may call this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}
