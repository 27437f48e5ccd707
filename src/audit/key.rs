//! The key that signs checkpoints, at rest: 64 hexadecimal digits, or encrypted.
//!
//! With `audit.keySecret` the file is one line of JSON: the public half in the open, the private one
//! under XChaCha20-Poly1305 (24 random bytes of nonce a writing, the public half as associated data),
//! with a key that HMAC-SHA-256 makes of the secret. So whoever copies the folder of the log cannot sign.
//! FAIL CLOSED: an encrypted key without the secret, or with another one, signs nothing.
#![expect(clippy::disallowed_methods, reason = "the secret encrypts the key, which is its purpose")]

use super::{AuditError, place};
use crate::model::{bytes_of_hex, hex};
use crate::redact::Secret;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zeroize::Zeroizing;

/// What the encrypting key is made for, and the file is bound to.
const CONTEXT: &[u8] = b"ion-audit-key-v1";
/// Bytes of a secret, at least: the key file can be tried against guesses for ever.
const SHORTEST: usize = 32;

#[derive(Serialize, Deserialize)]
struct Sealed {
    v: u32,
    public: String,
    nonce: String,
    sealed: String,
}

/// Reads the key beside a log; makes one for a log that has no checkpoint. `None` when there is none.
/// Runs under the lock of the log. A plain key is encrypted once there is a secret for it.
pub(in crate::audit) fn of(
    log: &Path,
    make: bool,
    secret: Option<&Secret>,
) -> Result<Option<Ed25519KeyPair>, AuditError> {
    let path = place::beside(log, ".key");
    let (file, _) = place::open(&path, OFlags::RDWR)?;
    let text = read(log, &file)?;
    let seed = match plain(&text) {
        Some(seed) => {
            if let Some(secret) = secret {
                write(log, &path, &sealed(log, &seed, secret)?)?;
            }
            seed
        }
        None if text.is_empty() && make => {
            let mut seed = Zeroizing::new(vec![0; 32]);
            SystemRandom::new().fill(&mut seed).map_err(|e| failed(log, e))?;
            let text = match secret {
                Some(secret) => sealed(log, &seed, secret)?,
                None => Zeroizing::new(format!("{}\n", hex(&seed))),
            };
            write(log, &path, &text)?;
            seed
        }
        None if text.is_empty() => return Ok(None),
        None => opened(log, &text, secret)?,
    };
    Ed25519KeyPair::from_seed_unchecked(&seed).map(Some).map_err(|e| failed(log, e))
}

/// The public half, hexadecimal, for which no secret is needed. `None` where it cannot be read: only who
/// writes the log may read its key, and a reviewer pins the public half.
pub(in crate::audit) fn public(log: &Path) -> Option<String> {
    let file = place::read(&place::beside(log, ".key")).ok()??;
    let text = read(log, &file).ok()?;
    match plain(&text) {
        Some(seed) => {
            let key = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
            Some(hex(key.public_key().as_ref()))
        }
        None => serde_json::from_str::<Sealed>(&text).ok().map(|sealed| sealed.public),
    }
}

fn read(log: &Path, file: &File) -> Result<Zeroizing<String>, AuditError> {
    let mut bytes = Zeroizing::new([0; 1024]);
    let length = file.read_at(bytes.as_mut(), 0).map_err(|e| failed(log, e))?;
    let text = std::str::from_utf8(bytes.get(..length).unwrap_or_default());
    text.map(|text| Zeroizing::new(text.to_owned())).map_err(|_| damaged(log))
}

fn plain(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let seed = text.strip_suffix('\n').and_then(bytes_of_hex).map(Zeroizing::new)?;
    (seed.len() == 32).then_some(seed)
}

/// A new file takes the place of the old one, so that a killed process leaves the one or the other.
fn write(log: &Path, path: &Path, text: &str) -> Result<(), AuditError> {
    let fresh = place::beside(log, ".key.new");
    // What a killed process left of an earlier try.
    let _ = std::fs::remove_file(&fresh);
    let (mut file, _) = place::open(&fresh, OFlags::RDWR)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| std::fs::rename(&fresh, path)).map_err(|e| failed(log, e))?;
    place::sync_folder(path)
}

fn sealed(log: &Path, seed: &[u8], secret: &Secret) -> Result<Zeroizing<String>, AuditError> {
    let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|e| failed(log, e))?;
    let public = hex(key.public_key().as_ref());
    let mut nonce = [0; 24];
    SystemRandom::new().fill(&mut nonce).map_err(|e| failed(log, e))?;
    let bound = [CONTEXT, public.as_bytes()].concat();
    let sealed = cipher(log, secret)?
        .encrypt(&XNonce::from(nonce), Payload { msg: seed, aad: &bound })
        .map_err(|e| failed(log, e))?;
    let sealed = Sealed { v: 1, public, nonce: hex(&nonce), sealed: hex(&sealed) };
    let text = serde_json::to_string(&sealed).map_err(|e| failed(log, e))?;
    Ok(Zeroizing::new(format!("{text}\n")))
}

fn opened(
    log: &Path,
    text: &str,
    secret: Option<&Secret>,
) -> Result<Zeroizing<Vec<u8>>, AuditError> {
    let stored: Sealed = serde_json::from_str(text).map_err(|_| damaged(log))?;
    let nonce: [u8; 24] = bytes_of_hex(&stored.nonce)
        .and_then(|nonce| nonce.try_into().ok())
        .ok_or_else(|| damaged(log))?;
    let bytes =
        bytes_of_hex(&stored.sealed).filter(|_| stored.v == 1).ok_or_else(|| damaged(log))?;
    let secret = secret.ok_or_else(|| {
        failed(log, "its signing key is encrypted; next: set audit.keySecret to the secret it was encrypted with")
    })?;
    let bound = [CONTEXT, stored.public.as_bytes()].concat();
    let seed =
        cipher(log, secret)?.decrypt(&XNonce::from(nonce), Payload { msg: &bytes, aad: &bound });
    let seed = seed.map(Zeroizing::new).map_err(|_| {
        failed(log, "its signing key does not open with audit.keySecret: another secret encrypted it, or the file was changed")
    })?;
    // The public half stands in the open and must be that of the private one.
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|e| failed(log, e))?;
    match hex(key.public_key().as_ref()) == stored.public {
        true => Ok(seed),
        false => Err(damaged(log)),
    }
}

fn cipher(log: &Path, secret: &Secret) -> Result<XChaCha20Poly1305, AuditError> {
    let secret = secret.expose().as_bytes();
    if secret.len() < SHORTEST {
        let what = format!(
            "audit.keySecret has {} bytes and needs {SHORTEST} or more random ones",
            secret.len()
        );
        return Err(failed(log, what));
    }
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).map_err(|e| failed(log, e))?;
    mac.update(CONTEXT);
    let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    Ok(XChaCha20Poly1305::new(&(*key).into()))
}

fn damaged(log: &Path) -> AuditError {
    failed(log, "its signing key is damaged")
}

fn failed(log: &Path, error: impl std::fmt::Display) -> AuditError {
    AuditError::io("use its signing key", log, error)
}

#[cfg(test)]
mod tests {
    use crate::audit::settings::Settings;
    use crate::audit::tests::{Log, draft};
    use crate::audit::verify::verify;
    use crate::audit::{AuditLog, Origin, place};
    use crate::model::AbsPath;
    use crate::redact::Secret;

    fn with(secret: &str) -> Settings {
        Settings { key_secret: Some(Secret::new(secret.to_owned())), ..Settings::default() }
    }

    #[test]
    fn a_key_is_encrypted_opens_with_its_secret_alone_and_no_byte_of_it_can_change() {
        let secret = "correct horse battery staple, and then some";
        let log = Log::with(3);
        let (path, file) = (place::beside(&log.path(), ".key"), AbsPath::new(log.path()).unwrap());
        let before = std::fs::read_to_string(&path).unwrap();
        let signer = verify(&file).unwrap().unwrap().signed.unwrap().key;
        log.open_with(with(secret)).append(&draft(0)).unwrap();
        let stored = std::fs::read_to_string(&path).unwrap();
        assert!(!stored.contains(before.trim()) && stored.contains(&signer), "{stored}");
        let report = verify(&file).unwrap().unwrap();
        assert_eq!((report.broken, report.signed.unwrap().key), (None, signer));
        let open = |settings: Settings| {
            AuditLog::open_as(&file, Origin::here(None), settings).map(drop).map_err(|e| e.message)
        };
        assert!(open(with(secret)).is_ok());
        assert!(open(Settings::default()).unwrap_err().contains("set audit.keySecret"));
        let other = "another secret that is long enough, too";
        assert!(open(with(other)).unwrap_err().contains("does not open"));
        assert!(open(with("short")).unwrap_err().contains("needs 32"));
        for at in 0..stored.len() - 1 {
            let mut bytes = stored.clone().into_bytes();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert!(open(with(secret)).is_err(), "byte {at} changed unseen");
        }
        std::fs::write(&path, &stored).unwrap();
        log.open_with(with(secret)).append(&draft(0)).unwrap();
        assert_eq!(log.fault(), None);
        // A log that begins with a secret never has a plain key.
        let fresh = Log::new();
        fresh.open_with(with(secret)).append(&draft(0)).unwrap();
        assert!(
            std::fs::read_to_string(place::beside(&fresh.path(), ".key"))
                .unwrap()
                .contains("sealed")
        );
        assert_eq!(fresh.fault(), None);
    }
}
