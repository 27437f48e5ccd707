//! The kernel's record of what was written (an overlay's upper folder), read as a set of changes.
//!
//! Format: Linux `Documentation/filesystems/overlayfs.rst`. A removed entry is a character device
//! 0:0; a folder with the attribute `user.overlay.opaque` = `y` hides all that lies below.

use rustix::fs::FileType;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Most entries that are looked at.
const MOST: usize = 200_000;

/// Something in a folder, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Length, bytes.
        bytes: u64,
        /// SHA-256 of the contents, hex.
        digest: String,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: PathBuf,
    },
    /// A folder.
    Folder {
        /// Permission bits.
        mode: u32,
    },
    /// A device, pipe or socket.
    Other,
}

/// One path that would be different.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What stands there now.
    pub before: Option<Entry>,
    /// What would.
    pub after: Option<Entry>,
}

/// All paths that would be different, below the workspace, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChangeSet {
    /// By path, relative to the workspace.
    pub changes: BTreeMap<PathBuf, Change>,
    /// Where the new contents lie.
    #[serde(skip)]
    pub upper: PathBuf,
}

impl ChangeSet {
    /// Numbers of paths that would be added, changed and removed. Folders count when they come or go.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |test: fn(&Change) -> bool| self.changes.values().filter(|c| test(c)).count();
        (
            count(|c| c.before.is_none()),
            count(|c| c.before.is_some() && c.after.is_some()),
            count(|c| c.after.is_none()),
        )
    }
}

/// Reads what a command wrote to `upper` over `workspace`.
///
/// # Errors
/// A folder or file cannot be read, or there is too much.
pub fn scan(workspace: &Path, upper: &Path) -> io::Result<ChangeSet> {
    let mut set = ChangeSet { changes: BTreeMap::new(), upper: upper.to_path_buf() };
    let mut left = MOST;
    let root = Below { path: Path::new(""), hides: false, over_a_folder: true };
    folder(workspace, upper, root, &mut set, &mut left)?;
    Ok(set)
}

/// A folder of the record.
#[derive(Clone, Copy)]
struct Below<'a> {
    path: &'a Path,
    /// Whether what the workspace has there is hidden.
    hides: bool,
    /// Whether the workspace has a folder there.
    ///
    /// ATTACK: a link of the workspace that a command replaces by a folder. Looked up through it, what
    /// lies outside would be read, shown and taken for removed.
    over_a_folder: bool,
}

fn folder(
    workspace: &Path,
    upper: &Path,
    at: Below<'_>,
    set: &mut ChangeSet,
    left: &mut usize,
) -> io::Result<()> {
    let below = at.path;
    let place = upper.join(below);
    let hides = at.hides || is_opaque(&place)?;
    let mut kept = Vec::new();
    for found in std::fs::read_dir(&place)? {
        let found = found?;
        *left = left.checked_sub(1).ok_or_else(|| io::Error::other("too many changed files"))?;
        let path = below.join(found.file_name());
        kept.push(found.file_name());
        let above = upper.join(&path);
        let about = std::fs::symlink_metadata(&above)?;
        let old = workspace.join(&path);
        let gone = about.file_type().is_char_device() && about.rdev() == 0;
        let before = if at.over_a_folder { entry(&old)? } else { None };
        let after = if gone { None } else { entry(&above)? };
        let was_folder = matches!(before, Some(Entry::Folder { .. }));
        let is_folder = matches!(after, Some(Entry::Folder { .. }));
        if was_folder && !is_folder {
            removed(workspace, &path, set, left)?;
        }
        if before != after {
            set.changes.insert(path.clone(), Change { before, after });
        }
        if is_folder {
            let inner = Below { path: &path, hides, over_a_folder: was_folder };
            folder(workspace, upper, inner, set, left)?;
        }
    }
    if hides && at.over_a_folder {
        for found in std::fs::read_dir(workspace.join(below))? {
            let name = found?.file_name();
            if !kept.contains(&name) {
                let path = below.join(name);
                let before = entry(&workspace.join(&path))?;
                if matches!(before, Some(Entry::Folder { .. })) {
                    removed(workspace, &path, set, left)?;
                }
                set.changes.insert(path, Change { before, after: None });
            }
        }
    }
    Ok(())
}

/// Everything below a folder that goes.
fn removed(
    workspace: &Path,
    below: &Path,
    set: &mut ChangeSet,
    left: &mut usize,
) -> io::Result<()> {
    for found in std::fs::read_dir(workspace.join(below))? {
        *left = left.checked_sub(1).ok_or_else(|| io::Error::other("too many changed files"))?;
        let path = below.join(found?.file_name());
        let before = entry(&workspace.join(&path))?;
        if matches!(before, Some(Entry::Folder { .. })) {
            removed(workspace, &path, set, left)?;
        }
        set.changes.insert(path, Change { before, after: None });
    }
    Ok(())
}

/// What stands at a path; links are not followed.
///
/// # Errors
/// It cannot be read.
pub fn entry(path: &Path) -> io::Result<Option<Entry>> {
    let about = match std::fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mode = about.mode() & 0o7777;
    Ok(Some(match FileType::from_raw_mode(about.mode()) {
        FileType::RegularFile => {
            let digest = digest(path)?;
            Entry::File { mode, bytes: about.len(), digest }
        }
        FileType::Symlink => Entry::Link { target: std::fs::read_link(path)? },
        FileType::Directory => Entry::Folder { mode },
        _ => Entry::Other,
    }))
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0_u8; 64 << 10]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(crate::model::hex(&hash.finalize())),
            n => hash.update(chunk.get(..n).unwrap_or_default()),
        }
    }
}

fn is_opaque(folder: &Path) -> io::Result<bool> {
    let mut value = [0_u8; 8];
    match rustix::fs::lgetxattr(folder, "user.overlay.opaque", &mut value) {
        Ok(n) => Ok(n > 0 && value.first() == Some(&b'y')),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
