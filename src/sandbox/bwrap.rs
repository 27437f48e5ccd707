//! Arguments for bubblewrap: an own view of the system, built from nothing.
//!
//! Pure, apart from looking at which paths exist. The program itself is taken from fixed system
//! folders, never from a search path, which a workspace could prepend to.

use crate::worker::wire::{Mount, Network, WORKER};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where bubblewrap may lie.
const PROGRAMS: &[&str] = &["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"];
/// The worker's place inside. `/dev` is a fresh folder in every view.
const INSIDE: &str = "/dev/ion-worker";
/// Size of `/dev/shm`, bytes.
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

/// The whole command line after the program. `control` is the descriptor over which the worker is
/// spoken to; without one it is standard input and output.
pub fn arguments(
    mounts: &[Mount],
    network: Network,
    worker: &Path,
    control: Option<i32>,
) -> Vec<OsString> {
    let mut line = Line(Vec::with_capacity(160));
    line.words(&["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]);
    line.words(&["--unshare-cgroup"]);
    if network != Network::Host {
        line.words(&["--unshare-net"]);
    }
    // Without `--die-with-parent`: a death signal that hits bubblewrap before its child has one
    // leaves the child waiting for ever. The end of the worker's input does what it is for.
    line.words(&["--new-session", "--as-pid-1"]);
    line.words(&["--cap-drop", "ALL", "--clearenv", "--hostname", "ion"]);
    for mount in mounts {
        line.mount(mount, worker);
    }
    line.words(&["--remount-ro", "/", "--chdir", "/", "--", INSIDE, WORKER, "run"]);
    line.0.extend(control.map(|fd| fd.to_string().into()));
    line.0
}

struct Line(Vec<OsString>);

impl Line {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(OsString::from));
    }

    fn pair(&mut self, option: &str, from: &Path, to: &Path) {
        self.0.extend([OsString::from(option), from.into(), to.into()]);
    }

    fn mount(&mut self, mount: &Mount, worker: &Path) {
        match mount {
            Mount::ReadOnly(path) => self.pair("--ro-bind", &path.to_path(), &path.to_path()),
            Mount::Writable(path) => self.pair("--bind", &path.to_path(), &path.to_path()),
            // Never planned for this backend; read-only is the strict half of it.
            Mount::Layered { at, .. } => self.pair("--ro-bind", &at.to_path(), &at.to_path()),
            Mount::Link { at, target } => self.pair("--symlink", &target.to_path(), &at.to_path()),
            Mount::Kernel => {
                self.words(&["--proc", "/proc", "--dev", "/dev"]);
                self.words(&["--size", SHARED_MEMORY, "--tmpfs", "/dev/shm"]);
                self.pair("--ro-bind", worker, Path::new(INSIDE));
                self.words(&["--remount-ro", "/dev"]);
            }
            Mount::Empty { at, bytes } => {
                self.words(&["--size", &bytes.to_string(), "--tmpfs"]);
                self.0.push(at.to_path().into());
            }
            Mount::Sealed(path) => {
                self.words(&["--perms", "0555", "--size", "4096", "--tmpfs"]);
                self.0.push(path.to_path().into());
            }
            Mount::Masked { at, folder: true } => {
                self.words(&["--size", "4096", "--tmpfs"]);
                self.0.push(at.to_path().into());
                self.words(&["--remount-ro"]);
                self.0.push(at.to_path().into());
            }
            Mount::Masked { at, folder: false } => {
                self.pair("--ro-bind", Path::new("/dev/null"), &at.to_path());
            }
        }
    }
}
