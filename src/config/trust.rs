//! Which folders the user trusts: `trust.json` in the data folder, path and content hash.
//!
//! A changed hash means that the folder is a stranger again. This file only stores; asking the
//! person is the command's business. A store that cannot be read trusts nobody.

use super::reading::{Fault, Links, read_checked};
use crate::model::{AbsPath, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The store's file name.
pub const FILE: &str = "trust.json";

/// One trusted folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedFolder {
    /// Absolute path, links resolved.
    pub path: String,
    /// What [`fingerprint`] gave when the person agreed.
    pub sha256: String,
}

/// All trusted folders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustStore {
    version: u32,
    folders: Vec<TrustedFolder>,
}

impl Default for TrustStore {
    fn default() -> Self {
        TrustStore { version: 1, folders: Vec::new() }
    }
}

/// Why the store was not used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file exists and cannot be read, or others could have written it.
    #[error("{0}")]
    Unreadable(#[from] Fault),
    /// Not the documented format.
    #[error("is not a trust store: {0}")]
    Format(String),
    /// Could not be written.
    #[error("cannot be written: {0}")]
    Write(#[from] std::io::Error),
}

/// SHA-256 (hex) over names and contents of the project's files that Ion read.
pub fn fingerprint<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in files {
        // Lengths keep `ab`+`c` apart from `a`+`bc`.
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

impl TrustStore {
    /// Reads the store; a missing file is an empty one.
    ///
    /// # Errors
    /// [`TrustError`]; the caller then trusts nobody.
    pub fn load(file: &Path) -> Result<Self, TrustError> {
        let own = |stat: &rustix::fs::Stat| {
            let mine = stat.st_uid == rustix::process::geteuid().as_raw();
            if mine && stat.st_mode & 0o022 == 0 {
                return Ok(());
            }
            Err(Fault::Owner("belongs to somebody else or is writable by others".to_owned()))
        };
        let Some(text) = read_checked(file, Links::Refuse, own)? else {
            return Ok(TrustStore::default());
        };
        let store: TrustStore =
            serde_json::from_str(&text).map_err(|e| TrustError::Format(e.to_string()))?;
        if store.version != 1 {
            return Err(TrustError::Format(format!("version {} is not known", store.version)));
        }
        Ok(store)
    }

    /// Writes the store, mode 0600, in one step.
    ///
    /// # Errors
    /// [`TrustError::Write`].
    pub fn save(&self, file: &Path) -> Result<(), TrustError> {
        let beside = file.with_extension(format!("json.{}", std::process::id()));
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::other)?;
        let written = (|| {
            let _ = std::fs::remove_file(&beside);
            let mut options = std::fs::OpenOptions::new();
            let mut out = options.write(true).create_new(true).mode(0o600).open(&beside)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&beside, file)
        })();
        if written.is_err() {
            let _ = std::fs::remove_file(&beside);
        }
        Ok(written?)
    }

    /// Whether the folder is trusted with exactly this content.
    pub fn is_trusted(&self, folder: &AbsPath, sha256: &str) -> bool {
        let path = folder.to_string();
        self.folders.iter().any(|known| known.path == path && known.sha256 == sha256)
    }

    /// Records a folder, replacing what was known about it.
    pub fn trust(&mut self, folder: &AbsPath, sha256: String) {
        self.revoke(folder);
        self.folders.push(TrustedFolder { path: folder.to_string(), sha256 });
    }

    /// Forgets a folder.
    pub fn revoke(&mut self, folder: &AbsPath) {
        let path = folder.to_string();
        self.folders.retain(|known| known.path != path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn trust_holds_for_one_folder_with_one_content() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let folder = AbsPath::new("/x/ws").unwrap();
        let mut store = TrustStore::load(&file).unwrap();
        store.trust(&folder, fingerprint([("engine.json", "{}")]));
        store.save(&file).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let store = TrustStore::load(&file).unwrap();
        assert!(store.is_trusted(&folder, &fingerprint([("engine.json", "{}")])));
        assert!(!store.is_trusted(&folder, &fingerprint([("engine.json", "{ }")])));
        assert!(
            !store.is_trusted(&AbsPath::new("/x").unwrap(), &fingerprint([("engine.json", "{}")]))
        );
    }

    #[test]
    fn a_store_that_others_may_write_trusts_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        TrustStore::default().save(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o622)).unwrap();
        assert!(matches!(TrustStore::load(&file), Err(TrustError::Unreadable(Fault::Owner(_)))));
    }
}
