//! Arguments for bubblewrap: an own view of the system, built from nothing.
//!
//! Pure, apart from looking at which paths exist. The program itself is taken from fixed system
//! folders, never from a search path, which a workspace could prepend to.

use super::protect::Guard;
use super::view::{ETC, SYSTEM, View};
use crate::worker::wire::WORKER;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where bubblewrap may lie.
const PROGRAMS: &[&str] = &["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];
/// The worker's place inside. `/dev` is a fresh folder in every view.
const INSIDE: &str = "/dev/ion-worker";
/// Sizes of the private folders, bytes.
const TEMPORARY: &str = "536870912";
const HOME: &str = "134217728";
const SHARED_MEMORY: &str = "134217728";

/// The bubblewrap that will be used, if the system has one that only the system can change.
pub fn program() -> Option<&'static Path> {
    let trusted = |path: &&Path| {
        let Ok(about) = path.metadata() else { return false };
        about.is_file()
            && about.uid() == 0
            && about.mode() & 0o022 == 0
            && about.mode() & 0o111 != 0
    };
    PROGRAMS.iter().map(Path::new).find(trusted)
}

/// One mount, in the order in which it has to happen.
enum Mount<'a> {
    ReadOnly(&'a Path),
    Writable(&'a Path),
    Empty(&'a Path, &'static str),
    /// Empty, and nothing can be made in it.
    Sealed(&'a Path),
}

impl Mount<'_> {
    fn depth(&self) -> usize {
        match self {
            Mount::ReadOnly(path)
            | Mount::Writable(path)
            | Mount::Empty(path, _)
            | Mount::Sealed(path) => path.components().count(),
        }
    }
}

/// The whole command line after the program.
pub fn arguments(view: &View, guard: &Guard, network: bool, worker: &Path) -> Vec<OsString> {
    let mut line = Line(Vec::with_capacity(160));
    line.words(&["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]);
    line.words(&["--unshare-cgroup"]);
    if !network {
        line.words(&["--unshare-net"]);
    }
    // Without `--die-with-parent`: a death signal that hits bubblewrap before its child has one
    // leaves the child waiting for ever. The end of the worker's input does what it is for.
    line.words(&["--new-session", "--as-pid-1"]);
    line.words(&["--cap-drop", "ALL", "--clearenv", "--hostname", "ion"]);
    for path in SYSTEM {
        line.system(Path::new(path));
    }
    line.words(&["--proc", "/proc", "--dev", "/dev"]);
    line.words(&["--size", SHARED_MEMORY, "--tmpfs", "/dev/shm"]);
    line.pair("--ro-bind", worker, Path::new(INSIDE));
    line.words(&["--remount-ro", "/dev"]);
    for mount in mounts(view, guard) {
        match mount {
            Mount::ReadOnly(path) => match link_into_system(path) {
                // One mount less. Where it leads is visible anyway.
                Some(target) => line.pair("--symlink", &target, path),
                None => line.pair("--ro-bind", path, path),
            },
            Mount::Writable(path) => line.pair("--bind", path, path),
            Mount::Sealed(path) => {
                line.words(&["--perms", "0555", "--size", "4096", "--tmpfs"]);
                line.0.push(path.into());
            }
            Mount::Empty(path, size) => {
                line.words(&["--size", size, "--tmpfs"]);
                line.0.push(path.into());
            }
        }
    }
    for path in view.hide.iter().filter(|path| view.reaches(path)) {
        line.mask(path);
    }
    line.words(&["--remount-ro", "/", "--chdir", "/", "--", INSIDE, WORKER, "run"]);
    line.0
}

/// The target of a link of `/etc` to something below `/usr`, as `localtime` is.
fn link_into_system(path: &Path) -> Option<PathBuf> {
    if !ETC.contains(&path.to_str()?) {
        return None;
    }
    let target = std::fs::read_link(path).ok()?;
    (target.starts_with("/usr") && target.exists()).then_some(target)
}

/// Outer mounts before inner ones, so that each narrower opening or protection lands on top.
fn mounts<'a>(view: &'a View, guard: &'a Guard) -> Vec<Mount<'a>> {
    let mut all = vec![Mount::Empty(Path::new("/tmp"), TEMPORARY)];
    all.extend(view.home.iter().map(|home| Mount::Empty(home, HOME)));
    all.extend(view.read.iter().map(|path| Mount::ReadOnly(path)));
    all.extend(view.write.iter().map(|path| Mount::Writable(path)));
    // A folder bound onto itself cannot be renamed, so what is protected below stays there.
    all.extend(guard.anchors.iter().map(|path| Mount::Writable(path)));
    all.extend(guard.read_only.iter().map(|path| Mount::ReadOnly(path)));
    all.extend(guard.sealed.iter().map(|path| Mount::Sealed(path)));
    all.sort_by_key(Mount::depth);
    all
}

struct Line(Vec<OsString>);

impl Line {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn pair(&mut self, option: &str, from: &Path, to: &Path) {
        self.0.extend([OsString::from(option), from.into(), to.into()]);
    }

    /// A system folder, or the link that it is on systems with everything in `/usr`.
    fn system(&mut self, path: &Path) {
        match std::fs::read_link(path) {
            Ok(target) => self.pair("--symlink", &target, path),
            Err(_) if path.exists() => self.pair("--ro-bind", path, path),
            Err(_) => {}
        }
    }

    fn mask(&mut self, path: &PathBuf) {
        if path.is_dir() {
            self.words(&["--size", "4096", "--tmpfs"]);
            self.0.push(path.into());
            self.words(&["--remount-ro"]);
            self.0.push(path.into());
        } else {
            self.pair("--ro-bind", Path::new("/dev/null"), path);
        }
    }
}
