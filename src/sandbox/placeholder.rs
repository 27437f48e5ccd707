//! An empty folder at a name that must not be made while a call runs.
//!
//! Placeholders are visible on the host meanwhile. They carry a mode of their own (01755) and a
//! shared lock: the last user takes them away, and after a crash the next call does.
//!
//! Making and removing a folder is the dearest part of a start on a disk (measured on ext4: 18 us
//! and 70 us each, and a workspace has more than a dozen missing names), so folders that are no
//! longer needed wait in a [`Pool`] below Ion's own data and are moved in and out. Where the
//! pool lies on another file system, they are made and removed.

use crate::worker::open;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Marks a folder as a placeholder of ours. Its owner must be able to write to it: only such a
/// folder can be moved to another one.
const PLACEHOLDER: u32 = 0o1755;
/// Most folders that wait.
const WAITING: usize = 64;

/// Where folders wait.
#[derive(Debug, Clone, Default)]
pub struct Pool(Option<PathBuf>);

impl Pool {
    /// Below Ion's data. Nothing is made before a placeholder is needed.
    pub fn below(data: Option<&Path>) -> Self {
        Pool(data.map(|data| data.join("placeholders")))
    }

    /// None: folders are made and removed.
    pub fn none() -> Self {
        Pool(None)
    }

    /// Opens it for one call.
    pub fn open(&self) -> Store {
        Store { place: self.0.clone(), opened: None }
    }
}

/// The pool during one call.
pub struct Store {
    place: Option<PathBuf>,
    opened: Option<Waiting>,
}

struct Waiting {
    folder: Arc<OwnedFd>,
    names: Vec<OsString>,
    /// Whether there is room for more.
    room: bool,
}

impl Store {
    /// `None` where there is no pool, or it cannot be trusted or used.
    fn waiting(&mut self) -> Option<&mut Waiting> {
        if let Some(place) = self.place.take() {
            self.opened = Waiting::open(&place);
        }
        self.opened.as_mut()
    }

    /// Moves a waiting folder to a name where nothing stands.
    fn take(&mut self, folder: BorrowedFd<'_>, name: &OsStr) -> Option<Result<(), Errno>> {
        let waiting = self.waiting()?;
        while let Some(from) = waiting.names.pop() {
            let flags = RenameFlags::NOREPLACE;
            let source = waiting.folder.as_fd();
            match rustix::fs::renameat_with(source, &from, folder, name, flags) {
                Ok(()) => return Some(Ok(())),
                // Something stands there, which is for the caller to look at.
                Err(Errno::EXIST) => return Some(Err(Errno::EXIST)),
                // Somebody else was quicker.
                Err(Errno::NOENT) => {}
                // FAIL CLOSED: whatever else it is, making a folder tells whether the name can be
                // made at all; a move that is refused says nothing about that.
                Err(_) => {
                    self.opened = None;
                    return None;
                }
            }
        }
        None
    }
}

impl Waiting {
    fn open(place: &Path) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(CWD, place, flags, Mode::empty());
        let folder = match open() {
            Ok(folder) => folder,
            Err(_) => {
                // Only where Ion keeps data already: a first command leaves no folder behind.
                rustix::fs::mkdirat(CWD, place, Mode::from_raw_mode(0o700)).ok()?;
                open().ok()?
            }
        };
        let about = rustix::fs::fstat(&folder).ok()?;
        // Whoever else can write there could put something else in a placeholder's stead.
        if about.st_uid != rustix::process::geteuid().as_raw() || about.st_mode & 0o022 != 0 {
            return None;
        }
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder).ok()? {
            let name = entry.ok()?.file_name().to_bytes().to_vec();
            if !name.starts_with(b".") {
                names.push(OsString::from_vec(name));
            }
        }
        let room = names.len() < WAITING;
        Some(Waiting { folder: Arc::new(folder), names, room })
    }
}

/// An empty folder that keeps a name from being made. Gone when the last user lets go.
pub struct Placeholder {
    path: PathBuf,
    lock: OwnedFd,
    back_to: Option<Arc<OwnedFd>>,
}

impl Placeholder {
    /// `None` where the user could not make the name either.
    ///
    /// # Errors
    /// In a person's words: the call must not run unprotected.
    pub fn make(path: &Path, store: &mut Store) -> Result<Option<Self>, String> {
        let failed = |e: io::Error| format!("protecting the missing name {}: {e}", path.display());
        for _ in 0..16 {
            match Self::try_make(path, store) {
                Ok(Some(placeholder)) => return Ok(Some(placeholder)),
                Ok(None) => {}
                Err(error) if cannot_be_made(&error) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
        Err(format!("protecting the missing name {}: it keeps changing", path.display()))
    }

    /// Makes (or finds) and locks the folder; `None` when it was removed or replaced meanwhile.
    fn try_make(path: &Path, store: &mut Store) -> io::Result<Option<Self>> {
        let (folder, name) = open::parent(path, false)?;
        let made = match store.take(folder.as_fd(), name) {
            Some(taken) => taken,
            None => rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(PLACEHOLDER)),
        };
        match made {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Ok(lock) => lock,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        rustix::fs::flock(&lock, FlockOperation::LockShared)?;
        let held = rustix::fs::fstat(&lock)?;
        // The mask of new files may have taken bits away.
        if made.is_ok() && held.st_mode & 0o7777 != PLACEHOLDER {
            rustix::fs::fchmod(&lock, Mode::from_raw_mode(PLACEHOLDER))?;
        }
        let same = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|now| now.st_ino == held.st_ino && now.st_dev == held.st_dev);
        let back_to = store.waiting().filter(|w| w.room).map(|w| w.folder.clone());
        Ok(same.then(|| Placeholder { path: path.to_path_buf(), lock, back_to }))
    }
}

fn cannot_be_made(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EROFS | libc::EPERM | libc::ENOTDIR))
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        // INVARIANT (last one out): removing a folder takes it out of every other call's view
        // as well, so only a holder that is alone may do it.
        let alone = rustix::fs::flock(&self.lock, FlockOperation::NonBlockingLockExclusive);
        if alone.is_err() || !is_placeholder(&self.path) {
            return;
        }
        if let (Some(pool), Ok(about)) = (&self.back_to, rustix::fs::fstat(&self.lock)) {
            // Its number is a name that nobody else has there.
            let name = about.st_ino.to_string();
            let flags = RenameFlags::NOREPLACE;
            if rustix::fs::renameat_with(CWD, &self.path, pool, &name, flags).is_ok() {
                return;
            }
        }
        // Fails, and should, when somebody has put something in.
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// An empty folder left behind by a crash counts as absent and is taken over.
pub fn is_placeholder(path: &Path) -> bool {
    let marked = std::fs::symlink_metadata(path)
        .is_ok_and(|about| about.is_dir() && about.mode() & 0o7777 == PLACEHOLDER);
    marked && std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::protect::{Guard, Hold};
    use std::os::unix::fs::PermissionsExt;

    fn guard(workspace: &Path, pool: &Pool) -> Guard {
        let hold = Hold::Placeholders(pool);
        Guard::prepare(workspace, &[".ion".to_owned()], &[], &hold).unwrap()
    }

    #[test]
    fn a_placeholder_goes_with_its_last_holder_and_after_a_crash_with_the_next_call() {
        let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for pool in [Pool::none(), Pool::below(Some(data.path()))] {
            let name = dir.path().join(".ion");
            for _ in 0..2 {
                let first = guard(dir.path(), &pool);
                let second = guard(dir.path(), &pool);
                drop(first);
                assert!(name.exists());
                drop(second);
                assert!(!name.exists());
            }
            std::fs::DirBuilder::new().create(&name).unwrap();
            let mode = std::fs::Permissions::from_mode(PLACEHOLDER);
            std::fs::set_permissions(&name, mode).unwrap();
            drop(guard(dir.path(), &pool));
            assert!(!name.exists());
        }
        let waiting = std::fs::read_dir(data.path().join("placeholders")).unwrap();
        assert!(waiting.count() > 0);
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let held = guard(dir.path(), &Pool::below(Some(data.path())));
        let name = dir.path().join(".ion");
        std::fs::set_permissions(&name, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(name.join("x"), "mine").unwrap();
        drop(held);
        assert_eq!(std::fs::read_to_string(name.join("x")).unwrap(), "mine");
    }

    #[test]
    fn a_pool_that_others_can_write_to_is_not_used() {
        let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let place = data.path().join("placeholders");
        std::fs::create_dir(&place).unwrap();
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o777)).unwrap();
        drop(guard(dir.path(), &Pool::below(Some(data.path()))));
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    }
}
