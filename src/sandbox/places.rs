//! Which files and folders stand at the places of a plan, so that a worker which was started for them
//! is not used for others.
//!
//! ATTACK: a covering (a hidden file, a protected name) is a mount over a file of the host. It goes when
//! that file is removed from its name, and the name itself tells nothing: another file may stand there, a
//! new one with the old one's number, or the same one, linked back. So a plan whose worker will wait
//! holds each of them open, which keeps its number from being given to another, and for what is not a
//! folder the time of the last change of the inode counts as well, which every link and unlink sets.

use super::protect::Guard;
use super::view::{ETC, View};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// Most that are held open for one plan. One with more is for one call alone.
const MOST: usize = 64;

/// What stands at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    device: u64,
    inode: u64,
    /// Of what is not a folder: seconds and nanoseconds of its last change, which cannot be set.
    changed: Option<(i64, u64)>,
}

/// What stands at all places, in their order.
#[derive(Default)]
pub(super) struct Places {
    standing: Vec<Option<Standing>>,
    /// Keeps the numbers from being given to others.
    pins: Vec<OwnedFd>,
    /// Whether all is pinned that has to be.
    pinned: bool,
}

impl Places {
    /// Looks; with `pin` what is found is held open.
    pub fn look(view: &View, guard: &Guard, pin: bool) -> Self {
        // In the private root of a view these are mounted on nothing of the host's, and what is
        // mounted keeps its number by itself.
        let of_system = |path: &&PathBuf| path.to_str().is_some_and(|path| ETC.contains(&path));
        let opened = view.read.iter().filter(|path| !of_system(path)).chain(&view.write);
        let covered = view.hide.iter().chain(&guard.read_only).chain(&guard.anchors);
        let all: Vec<&PathBuf> = opened.chain(covered).chain(&guard.sealed).collect();
        let mut places = Places { pinned: pin && all.len() <= MOST, ..Places::default() };
        for path in all {
            // Looked at through what holds it, so that the two are one.
            let held = if places.pinned { hold(path) } else { Ok(None) };
            let standing = match &held {
                Ok(Some(held)) => rustix::fs::fstat(held).ok(),
                _ => rustix::fs::stat(path).ok(),
            };
            places.pinned &= held.is_ok();
            places.pins.extend(held.ok().flatten());
            places.standing.push(standing.map(Standing::of));
        }
        let system = view.read.iter().filter(of_system);
        places.standing.extend(system.map(|path| rustix::fs::stat(path).ok().map(Standing::of)));
        places
    }

    /// Whether what stands at them cannot be replaced without being noticed.
    pub fn are_pinned(&self) -> bool {
        self.pinned
    }

    /// Whether the same stands at all places of another plan, which is looked at now.
    pub fn are_those_of(&self, other: &Places) -> bool {
        self.standing == other.standing
    }
}

impl Standing {
    fn of(about: Stat) -> Self {
        let folder = FileType::from_raw_mode(about.st_mode) == FileType::Directory;
        let changed = (!folder).then_some((about.st_ctime, about.st_ctime_nsec));
        Standing { device: about.st_dev, inode: about.st_ino, changed }
    }
}

/// Holds open what stands there; `None` where nothing does.
fn hold(path: &Path) -> Result<Option<OwnedFd>, Errno> {
    match rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Ok(held) => Ok(Some(held)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(view: &View, pin: bool) -> Places {
        Places::look(view, &Guard::default(), pin)
    }

    fn hiding(paths: Vec<PathBuf>) -> View {
        let (read, write, home, guarded) = (Vec::new(), Vec::new(), None, None);
        View { read, write, hide: paths, home, guarded }
    }

    #[test]
    fn whatever_comes_in_the_place_of_a_file_or_folder_is_something_else() {
        let dir = tempfile::tempdir().unwrap();
        let (file, folder) = (dir.path().join("file"), dir.path().join("folder"));
        std::fs::write(&file, "x").unwrap();
        std::fs::create_dir(&folder).unwrap();
        let view = hiding(vec![file.clone(), folder.clone()]);
        let places = look(&view, true);
        assert!(places.are_pinned() && places.are_those_of(&look(&view, false)));
        for _ in 0..20 {
            std::fs::remove_dir(&folder).unwrap();
            std::fs::create_dir(&folder).unwrap();
            assert!(!places.are_those_of(&look(&view, false)), "a folder made anew");
        }
        let places = look(&view, true);
        std::fs::write(folder.join("inside"), "x").unwrap();
        assert!(places.are_those_of(&look(&view, false)), "what is in a folder may change");
        for _ in 0..20 {
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, "x").unwrap();
            assert!(!places.are_those_of(&look(&view, false)), "a file made anew");
        }
        let places = look(&view, true);
        // Beyond the coarsest clock of a kernel.
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::hard_link(&file, dir.path().join("aside")).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::rename(dir.path().join("aside"), &file).unwrap();
        assert!(!places.are_those_of(&look(&view, false)), "a file linked back");
    }

    #[test]
    fn too_many_places_are_not_pinned_and_none_that_is_missing_is_a_fault() {
        let missing = hiding(vec![PathBuf::from("/no/such/place")]);
        assert!(look(&missing, true).are_pinned());
        let many = hiding(vec![PathBuf::from("/usr"); MOST + 1]);
        let places = look(&many, true);
        assert!(!places.are_pinned() && places.pins.is_empty());
    }
}
