//! The approvals folder: opened once, checked on its descriptor, and used by name inside it.
//!
//! Must never follow a link, wait for a pipe, or believe a file that somebody else could have
//! written. The folder lies in Ion's data folder, which no tool can see.

use crate::model::AbsPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The folder's name inside the data folder.
pub(in crate::approve) const FOLDER: &str = "approvals";
/// Largest file that is read. A question holds a whole call.
const LARGEST: u64 = 16 << 20;
/// Most names that are looked at.
const MOST: usize = 10_000;

/// The opened folder.
pub(in crate::approve) struct Place {
    dir: OwnedFd,
    path: PathBuf,
    /// Whose folder it is. Its files belong to the same user, or to root.
    owner: u32,
}

impl Place {
    /// Opens the folder below `data_dir`; makes it (0700) where it is missing.
    pub fn make(data_dir: &AbsPath) -> Result<Self, String> {
        let path = data_dir.as_path().join(FOLDER);
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&path);
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        Place::open(path)?.ok_or_else(|| "the approvals folder vanished".to_owned())
    }

    /// Opens the folder below `data_dir`; `None` where there is none.
    pub fn look(data_dir: &AbsPath) -> Result<Option<Self>, String> {
        Place::open(data_dir.as_path().join(FOLDER))
    }

    fn open(path: PathBuf) -> Result<Option<Self>, String> {
        let shown = path.display().to_string();
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let dir = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(format!("{shown} is not a folder, or a link to one"));
            }
            Err(error) => return Err(format!("{shown}: {error}")),
        };
        let stat = rustix::fs::fstat(&dir).map_err(|error| format!("{shown}: {error}"))?;
        let me = rustix::process::geteuid().as_raw();
        if stat.st_uid != me && me != 0 {
            return Err(format!("{shown} belongs to another user"));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(format!("{shown} is open to others; next: chmod 700 {shown}"));
        }
        Ok(Some(Place { dir, path, owner: stat.st_uid }))
    }

    /// The folder's path, for messages.
    pub fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads a file; `None` where there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some((file, _)) = self.file(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("{name}: {error}"))?;
        if bytes.len() as u64 > LARGEST {
            return Err(format!("{name} is too large"));
        }
        Ok(Some(bytes))
    }

    /// Opens a file for reading, when its owner, mode and kind are right.
    pub fn file(&self, name: &str) -> Result<Option<(File, Stat)>, String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.dir, name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(format!("{name} is a link")),
            Err(error) => return Err(format!("{name}: {error}")),
        };
        let stat = rustix::fs::fstat(&file).map_err(|error| format!("{name}: {error}"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(format!("{name} is not a regular file"));
        }
        if stat.st_uid != self.owner && stat.st_uid != 0 {
            return Err(format!("{name} belongs to another user"));
        }
        if stat.st_mode & 0o077 != 0 {
            return Err(format!("{name} is open to others"));
        }
        Ok(Some((file, stat)))
    }

    /// Whether `name` is still the file that `stat` describes.
    pub fn is_still(&self, name: &str, stat: &Stat) -> bool {
        rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|now| (now.st_dev, now.st_ino) == (stat.st_dev, stat.st_ino))
    }

    /// Writes a file that must not be there yet. `false`: somebody was faster. It appears whole
    /// or not at all.
    pub fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool, String> {
        let (beside, _) = self.beside(bytes)?;
        let linked = rustix::fs::linkat(&self.dir, &beside, &self.dir, name, AtFlags::empty());
        self.remove(&beside);
        match linked {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(format!("{}/{name}: {error}", self.path())),
        }
    }

    /// Writes a file, over an older one. `ready` sees the new file before it has its name.
    pub fn replace(
        &self,
        name: &str,
        bytes: &[u8],
        ready: impl FnOnce(&File) -> Result<(), String>,
    ) -> Result<File, String> {
        let (beside, file) = self.beside(bytes)?;
        let done = ready(&file).and_then(|()| {
            rustix::fs::renameat(&self.dir, &beside, &self.dir, name)
                .map_err(|error| format!("{}/{name}: {error}", self.path()))
        });
        if let Err(error) = done {
            self.remove(&beside);
            return Err(error);
        }
        Ok(file)
    }

    /// A new file under a name that nobody looks for.
    fn beside(&self, bytes: &[u8]) -> Result<(String, File), String> {
        let name = format!(".new-{}", crate::gate::QuestionId::random()?);
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd = rustix::fs::openat(&self.dir, &name, flags, mode).map_err(|e| failed(&e))?;
        let written = (|| {
            rustix::fs::fchmod(&fd, mode)?;
            if self.owner != rustix::process::geteuid().as_raw() {
                // Root answers for a user, who must be able to read it.
                let owner = rustix::process::Uid::from_raw(self.owner);
                rustix::fs::fchown(&fd, Some(owner), None)?;
            }
            let mut file = File::from(fd);
            file.write_all(bytes)?;
            file.sync_all()?;
            Ok::<File, std::io::Error>(file)
        })();
        written.map(|file| (name.clone(), file)).map_err(|error| {
            self.remove(&name);
            failed(&error)
        })
    }

    /// Renames inside the folder. `false`: it was not there any more.
    pub fn rename(&self, from: &str, to: &str) -> Result<bool, String> {
        match rustix::fs::renameat(&self.dir, from, &self.dir, to) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(format!("{}/{from}: {error}", self.path())),
        }
    }

    /// Removes a file. What is not there, is gone.
    pub fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.dir, name, AtFlags::empty());
    }

    /// All names, in order.
    pub fn names(&self) -> Result<Vec<String>, String> {
        let failed = |error: Errno| format!("{}: {error}", self.path());
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.dir).map_err(failed)?.take(MOST) {
            if let Ok(name) = entry.map_err(failed)?.file_name().to_str() {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(&AbsPath::new(dir.path()).unwrap()).unwrap();
        (dir, place)
    }

    #[test]
    fn folder_and_files_are_for_their_owner_alone() {
        let (dir, place) = place();
        assert!(place.put_new("a", b"x").unwrap());
        let mode = |path: &str| std::fs::metadata(dir.path().join(path)).unwrap().mode() & 0o777;
        assert_eq!((mode("approvals"), mode("approvals/a")), (0o700, 0o600));
        assert_eq!(place.names().unwrap().iter().filter(|n| n.starts_with(".new")).count(), 0);
    }

    #[test]
    fn the_first_to_write_a_name_keeps_it() {
        let (_dir, place) = place();
        assert!(place.put_new("a", b"first").unwrap());
        assert!(!place.put_new("a", b"second").unwrap());
        assert_eq!(place.read("a").unwrap().unwrap(), b"first");
    }

    #[test]
    fn a_link_a_pipe_and_a_file_that_others_may_write_are_not_believed() {
        let (dir, place) = place();
        let inside = dir.path().join("approvals");
        std::fs::write(dir.path().join("elsewhere"), "x").unwrap();
        symlink(dir.path().join("elsewhere"), inside.join("link")).unwrap();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, inside.join("pipe"), FileType::Fifo, mode, 0).unwrap();
        place.put_new("open", b"x").unwrap();
        std::fs::set_permissions(inside.join("open"), PermissionsExt::from_mode(0o622)).unwrap();
        for name in ["link", "pipe", "open"] {
            assert!(place.read(name).is_err(), "{name}");
        }
        assert_eq!(place.read("absent").unwrap(), None);
    }

    #[test]
    fn a_folder_that_is_a_link_or_open_to_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = AbsPath::new(dir.path()).unwrap();
        assert!(Place::look(&data).unwrap().is_none());
        std::fs::create_dir(dir.path().join("real")).unwrap();
        symlink(dir.path().join("real"), dir.path().join(FOLDER)).unwrap();
        assert!(Place::make(&data).is_err());
        std::fs::remove_file(dir.path().join(FOLDER)).unwrap();
        std::fs::create_dir(dir.path().join(FOLDER)).unwrap();
        let wide = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path().join(FOLDER), wide).unwrap();
        let error = Place::make(&data).err().unwrap();
        assert!(error.contains("chmod 700"), "{error}");
    }
}
