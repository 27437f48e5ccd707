//! Signatures: HMAC-SHA256 (RFC 2104) over what must not be forged, compared in constant time.
//!
//! Two keys exist: one in the approvals folder, for its own files, and the webhook's secret. No
//! key leaves this file. Read [`super::store`] and [`super::wire`] for what is signed.
#![expect(clippy::disallowed_methods, reason = "the webhook's secret signs questions and answers")]

use crate::model::hex;
use crate::redact::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Signs and checks.
#[derive(Clone)]
pub(in crate::approve) struct Seal(Secret);

impl Seal {
    /// Signs with this secret.
    pub fn new(secret: Secret) -> Self {
        Seal(secret)
    }

    /// A new secret, 256 random bits in hexadecimal.
    pub fn random() -> Result<String, String> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| format!("no random numbers: {error}"))?;
        Ok(hex(&bytes))
    }

    /// The signature of all parts in a row, in hexadecimal.
    pub fn sign(&self, parts: &[&[u8]]) -> String {
        hex(&self.over(parts).finalize().into_bytes())
    }

    /// Whether `signature` is the one of these parts.
    pub fn fits(&self, parts: &[&[u8]], signature: &str) -> bool {
        unhex(signature).is_some_and(|bytes| self.over(parts).verify_slice(&bytes).is_ok())
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = match Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()) {
            Ok(mac) => mac,
            // HMAC takes keys of every length; the type cannot say so.
            Err(_) => unreachable!("HMAC takes a key of any length"),
        };
        parts.iter().for_each(|part| mac.update(part));
        mac
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? * 16 + digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: &str) -> Seal {
        Seal::new(Secret::new(key.to_owned()))
    }

    #[test]
    fn a_known_vector_of_rfc_4231_is_met() {
        let signed = seal("Jefe").sign(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(signed, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_signature_of_another_key_or_text_does_not_fit() {
        let signed = seal("k").sign(&[b"a", b"b"]);
        assert!(seal("k").fits(&[b"ab"], &signed));
        for wrong in ["", "zz", &signed[1..], &signed[..62], &"0".repeat(64)] {
            assert!(!seal("k").fits(&[b"ab"], wrong), "{wrong}");
        }
        assert!(!seal("K").fits(&[b"ab"], &signed));
        assert!(!seal("k").fits(&[b"ac"], &signed));
    }
}
