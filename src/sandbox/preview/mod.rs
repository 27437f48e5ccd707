//! A command on a copy-on-write view of the workspace: what it would change, and applying exactly that.
//!
//! Run by a person (`ion sandbox run --preview`, see [`super::command`]), or for one who was asked
//! about a call ([`trial`]). The kernel keeps what the command writes, removes and changes in a folder of Ion's ([`Scratch`]);
//! the workspace stays as it is. [`scan`] reads that folder as a set of changes, [`diff`] shows it to a
//! person, [`apply`] carries it out: all of it or nothing.

pub mod apply;
pub mod diff;
pub mod scan;
pub mod trial;

pub use apply::apply;
pub use scan::{ChangeSet, scan};

use crate::worker::wire::{Mount, WirePath};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Why there is no preview with a backend, in a person's words.
pub fn not_with(backend: &str) -> String {
    format!(
        "a preview is not available with the backend `{}`; the command did not run\n  \
         needs     a copy-on-write view of the workspace, which the backend `userns` makes \
         (Linux 5.12, user namespaces)\n  \
         fix       --backend userns; `ion sandbox doctor` tells whether it works here",
        backend.escape_debug()
    )
}

/// The folder that takes what a command writes. Dropped, it is removed; after a crash, by the next
/// one that is made.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    /// Locked as long as the process lives.
    _alive: File,
}

impl Scratch {
    /// Makes one below Ion's data.
    ///
    /// # Errors
    /// From the system.
    pub fn new(data: &Path) -> io::Result<Self> {
        let mut random = [0_u8; 8];
        getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
        let private = |folder: &Path, all: bool| {
            std::fs::DirBuilder::new().mode(0o700).recursive(all).create(folder)
        };
        let above = data.join("previews");
        private(&above, true)?;
        let folder = above.join(format!("{:016x}", u64::from_ne_bytes(random)));
        // Nobody takes a folder for abandoned between its making and its locking.
        let all = File::open(&above)?;
        rustix::fs::flock(&all, FlockOperation::LockExclusive)?;
        sweep(&above);
        private(&folder, false)?;
        let alive = File::open(&folder)?;
        rustix::fs::flock(&alive, FlockOperation::NonBlockingLockExclusive)?;
        drop(all);
        let scratch = Scratch { folder, _alive: alive };
        private(&scratch.upper(), false)?;
        private(&scratch.work(), false)?;
        Ok(scratch)
    }

    /// What was written, as the kernel keeps it.
    pub fn upper(&self) -> PathBuf {
        self.folder.join("upper")
    }

    fn work(&self) -> PathBuf {
        self.folder.join("work")
    }

    /// Lets nothing of the host be written: the workspace through this folder, all else read-only.
    pub fn layer(&self, mounts: &mut [Mount], workspace: &Path) {
        for mount in mounts {
            if let Mount::Writable(path) = mount {
                let at = path.clone();
                *mount = if at.to_path() == workspace {
                    let (upper, work) = (WirePath::new(self.upper()), WirePath::new(self.work()));
                    Mount::Layered { at, upper, work }
                } else {
                    Mount::ReadOnly(at)
                };
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes what processes left that were killed.
fn sweep(above: &Path) {
    let Ok(entries) = std::fs::read_dir(above) else { return };
    for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
        let abandoned = File::open(entry.path()).is_ok_and(|folder| {
            rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        if abandoned {
            remove(&entry.path());
        }
    }
}

fn remove(folder: &Path) {
    // The kernel's own folder has no mode bits.
    if std::fs::remove_dir_all(folder).is_err() {
        open_all(folder);
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// Gives every folder below back to its owner, so that it can be removed.
fn open_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(about) = std::fs::symlink_metadata(folder) else { return };
    if !about.is_dir() {
        return;
    }
    let _ = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    entries.flatten().for_each(|entry| open_all(&entry.path()));
}
