//! Remembers protected files before a call and puts back what it changed.
//!
//! The weaker protection, for what mounts cannot hold. Between the change and the repair the
//! changed file is there; `Enforced::missing` says so.

use crate::worker::open;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes of content remembered in all; above it a change is found but cannot be undone.
const CONTENT: usize = 16 << 20;
/// Files remembered in all.
const FILES: usize = 10_000;

/// One remembered entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Absent,
    Folder { mode: u32 },
    Link { target: PathBuf },
    File { mode: u32, content: Option<Vec<u8>>, stamp: Stamp },
    Other { stamp: Stamp },
}

/// Changes with every change of a file, without reading it. The change time cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

/// What stood at the protected names.
#[derive(Default)]
pub struct Memory {
    kept: BTreeMap<PathBuf, Kept>,
    roots: Vec<PathBuf>,
    bytes: usize,
    full: bool,
}

impl Memory {
    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// Whether there was more than can be remembered.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Remembers a file, link or folder with all below it.
    pub fn keep(&mut self, path: &Path) {
        self.roots.push(path.to_path_buf());
        let mut bytes = self.bytes;
        for (path, kept) in look(path, &mut bytes, &mut self.full) {
            self.kept.insert(path, kept);
        }
        self.bytes = bytes;
    }

    /// Remembers that nothing stands here.
    pub fn keep_absent(&mut self, path: &Path) {
        self.roots.push(path.to_path_buf());
        self.kept.insert(path.to_path_buf(), Kept::Absent);
    }

    /// Looks again, undoes every difference, and names the changed paths; `false` beside a path
    /// that could not be put back.
    pub fn restore(&self) -> Vec<(PathBuf, bool)> {
        let mut changed = Vec::new();
        let mut now = BTreeMap::new();
        for root in &self.roots {
            let (mut bytes, mut full) = (0, false);
            now.extend(look(root, &mut bytes, &mut full));
        }
        // Deepest first, so that a folder is empty when its turn comes.
        for path in now.keys().rev() {
            let new = self.kept.get(path).is_none_or(|kept| *kept == Kept::Absent);
            if new && now.get(path) != Some(&Kept::Absent) {
                changed.push((path.clone(), remove(path).is_ok()));
            }
        }
        for (path, kept) in &self.kept {
            let current = now.get(path).unwrap_or(&Kept::Absent);
            if *kept != Kept::Absent && !same(kept, current) {
                changed.push((path.clone(), put_back(path, kept).is_ok()));
            }
        }
        changed
    }
}

fn same(before: &Kept, after: &Kept) -> bool {
    match (before, after) {
        (
            Kept::File { mode: m1, content: Some(c1), .. },
            Kept::File { mode: m2, content: Some(c2), .. },
        ) => m1 == m2 && c1 == c2,
        (Kept::File { stamp: s1, .. }, Kept::File { stamp: s2, .. }) => s1 == s2,
        (before, after) => before == after,
    }
}

/// Everything at and below `root`. Links are not followed.
fn look(root: &Path, bytes: &mut usize, full: &mut bool) -> Vec<(PathBuf, Kept)> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        if found.len() >= FILES {
            *full = true;
            break;
        }
        let Ok(about) = std::fs::symlink_metadata(&path) else {
            found.push((path, Kept::Absent));
            continue;
        };
        let stamp = Stamp {
            inode: about.ino(),
            size: about.size(),
            changed: (about.ctime(), about.ctime_nsec()),
        };
        let mode = about.mode() & 0o7777;
        let kept = if about.is_symlink() {
            Kept::Link { target: std::fs::read_link(&path).unwrap_or_default() }
        } else if about.is_dir() {
            pending
                .extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
            Kept::Folder { mode }
        } else if about.is_file() {
            let content = read(&path, CONTENT.saturating_sub(*bytes));
            *bytes += content.as_ref().map_or(0, Vec::len);
            *full |= content.is_none();
            Kept::File { mode, content, stamp }
        } else {
            Kept::Other { stamp }
        };
        found.push((path, kept));
    }
    found
}

/// The content, when it is a regular file of at most `room` bytes. Another call may be running
/// in the same workspace, so neither links nor FIFOs put in its place do any harm.
fn read(path: &Path, room: usize) -> Option<Vec<u8>> {
    let file = open::read(path).ok()?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return None;
    }
    let mut content = Vec::new();
    file.take(room as u64 + 1).read_to_end(&mut content).ok()?;
    (content.len() <= room).then_some(content)
}

/// The folder of a remembered path. A link that took the place of a folder above it is
/// removed: writing through it would change files outside for whoever planted it.
fn folder_of(path: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    for _ in 0..64 {
        match open::parent(path, true) {
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {}
            other => return other,
        }
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev() {
            if std::fs::symlink_metadata(folder).is_ok_and(|about| about.is_symlink()) {
                let (holder, name) = open::parent(folder, false)?;
                rustix::fs::unlinkat(&holder, name, AtFlags::empty())?;
                break;
            }
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

fn remove(path: &Path) -> io::Result<()> {
    let (folder, name) = folder_of(path)?;
    match rustix::fs::unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(rustix::io::Errno::ISDIR | rustix::io::Errno::PERM) => {
            // Through the open folder, so that no component is looked up again.
            let fd = folder.as_raw_fd();
            std::fs::remove_dir_all(Path::new(&format!("/proc/self/fd/{fd}")).join(name))
        }
        Err(error) => Err(error.into()),
    }
}

fn put_back(path: &Path, kept: &Kept) -> io::Result<()> {
    match kept {
        Kept::Absent => remove(path),
        Kept::Other { .. } | Kept::File { content: None, .. } => {
            Err(io::Error::other("its content was not remembered"))
        }
        Kept::Folder { mode } => {
            let (folder, name) = folder_of(path)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let open = || rustix::fs::openat(&folder, name, flags, Mode::empty());
            let opened = match open() {
                Ok(opened) => opened,
                Err(_) => {
                    remove(path)?;
                    rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o700))?;
                    open()?
                }
            };
            Ok(rustix::fs::fchmod(&opened, Mode::from_raw_mode(*mode))?)
        }
        Kept::Link { target } => {
            remove(path)?;
            let (folder, name) = folder_of(path)?;
            Ok(rustix::fs::symlinkat(target, &folder, name)?)
        }
        Kept::File { mode, content: Some(content), .. } => {
            remove(path)?;
            let (folder, name) = folder_of(path)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600))?;
            let mut file = File::from(file);
            file.write_all(content)?;
            Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(*mode))?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_removed_or_added_file_is_put_back_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let hooks = dir.path().join("hooks");
        std::fs::create_dir(&hooks).unwrap();
        std::fs::write(hooks.join("a"), "a").unwrap();
        std::fs::write(hooks.join("b"), "b").unwrap();
        let mut memory = Memory::default();
        memory.keep(&hooks);
        memory.keep_absent(&dir.path().join(".ion"));
        assert!(memory.restore().is_empty());
        std::fs::write(hooks.join("a"), "evil").unwrap();
        std::fs::remove_file(hooks.join("b")).unwrap();
        std::fs::write(hooks.join("c"), "new").unwrap();
        std::fs::create_dir(dir.path().join(".ion")).unwrap();
        let mut changed: Vec<String> = memory
            .restore()
            .into_iter()
            .map(|(path, undone)| {
                assert!(undone, "{path:?}");
                path.file_name().unwrap().to_string_lossy().into_owned()
            })
            .collect();
        changed.sort();
        assert_eq!(changed, [".ion", "a", "b", "c"]);
        assert_eq!(std::fs::read_to_string(hooks.join("a")).unwrap(), "a");
        assert!(hooks.join("b").exists() && !hooks.join("c").exists());
        assert!(!dir.path().join(".ion").exists());
    }

    #[test]
    fn a_link_in_place_of_a_folder_does_not_lead_the_repair_outside() {
        let dir = tempfile::tempdir().unwrap();
        let (ws, outside) = (dir.path().join("ws"), dir.path().join("outside"));
        std::fs::create_dir_all(ws.join(".git/hooks")).unwrap();
        std::fs::create_dir_all(outside.join("hooks")).unwrap();
        std::fs::write(ws.join(".git/hooks/a"), "a").unwrap();
        let mut memory = Memory::default();
        memory.keep(&ws.join(".git/hooks"));
        std::fs::rename(ws.join(".git"), ws.join("moved")).unwrap();
        std::os::unix::fs::symlink("../outside", ws.join(".git")).unwrap();
        assert!(memory.restore().iter().all(|(_, undone)| *undone));
        assert!(!outside.join("hooks/a").exists());
        assert_eq!(std::fs::read_to_string(ws.join(".git/hooks/a")).unwrap(), "a");
    }
}
