//! One call's terms turned into what a backend needs: a command line and a setup.

use super::protect::Guard;
use super::report::NAMESPACES;
use super::view::{SYSTEM, View};
use super::{bwrap, environ};
use crate::config::Environment;
use crate::gate::Terms;
use crate::model::AbsPath;
use crate::policy::NetworkAccess;
use crate::worker::wire::{Backend, Setup, WirePath};
use std::ffi::OsString;
use std::path::PathBuf;

/// Devices that a command may use under Landlock. No terminal is among them.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Everything that starting a worker takes.
pub struct Plan {
    /// Which backend it is for.
    pub backend: Backend,
    /// The program and its arguments.
    pub program: PathBuf,
    /// See [`program`](Self::program).
    pub arguments: Vec<OsString>,
    /// What the worker does to itself.
    pub setup: Setup,
    /// Keeps the protection alive while the call runs, and repairs after it.
    pub guard: Guard,
    /// Where the call may write, for a person.
    pub writable: Vec<WirePath>,
}

/// What does not change from call to call.
#[derive(Debug, Clone)]
pub struct Host {
    /// This binary.
    pub worker: PathBuf,
    /// The environment that Ion was started with.
    pub environment: Environment,
    /// The user's home.
    pub home: Option<AbsPath>,
    /// Names and identities of Ion's namespaces.
    pub namespaces: Vec<(String, String)>,
}

impl Host {
    /// Looks around, once.
    ///
    /// # Errors
    /// The binary cannot be found any more (removed or replaced while running).
    pub fn look() -> Result<Self, String> {
        let environment = Environment::capture();
        let home = environment.get("HOME").and_then(AbsPath::new);
        let worker = std::env::current_exe().map_err(|e| format!("finding Ion's binary: {e}"))?;
        let identity = |name: &&str| {
            let link = std::fs::read_link(format!("/proc/self/ns/{name}")).ok()?;
            Some(((*name).to_owned(), link.to_string_lossy().into_owned()))
        };
        let namespaces = NAMESPACES.iter().filter_map(identity).collect();
        Ok(Host { worker, environment, home, namespaces })
    }
}

impl Plan {
    /// Plans a call under a backend.
    ///
    /// # Errors
    /// What this backend cannot hold of these terms.
    pub fn of(terms: &Terms, backend: Backend, host: &Host) -> Result<Self, String> {
        let view = View::of(terms, host.home.as_ref());
        let network = terms.confinement.network == NetworkAccess::Host;
        let guard = match &view.guarded {
            Some(workspace) if backend != Backend::None => {
                let names = &terms.confinement.protect;
                Guard::prepare(workspace, names, &view.hide, backend == Backend::Bwrap)?
            }
            _ => Guard::default(),
        };
        if backend == Backend::Landlock {
            no_hidden_path_below(&view)?;
        }
        let setup = setup(terms, backend, host, &view, &guard, network);
        let (program, arguments) = match backend {
            Backend::Bwrap => {
                let program = bwrap::program().ok_or("bubblewrap is gone")?;
                (program.to_path_buf(), bwrap::arguments(&view, &guard, network, &host.worker))
            }
            Backend::Landlock | Backend::None => {
                let role = [crate::worker::wire::WORKER, "supervise"];
                (host.worker.clone(), role.iter().map(OsString::from).collect())
            }
        };
        let writable = view.write.iter().map(WirePath::new).collect();
        Ok(Plan { backend, program, arguments, setup, guard, writable })
    }
}

/// FAIL CLOSED: Landlock can only grant, so it cannot take a part out of what it granted.
fn no_hidden_path_below(view: &View) -> Result<(), String> {
    match view.hide.iter().find(|path| view.reaches(path)) {
        None => Ok(()),
        Some(path) => Err(format!(
            "this machine cannot hold the required confinement; the tool did not run\n  \
             needs     {} to be invisible below a folder that is visible\n  \
             cause     the backend `landlock` cannot take a part out of what it grants\n  \
             fix       use the backend `bwrap`, or work in a folder without that path",
            path.display()
        )),
    }
}

fn setup(
    terms: &Terms,
    backend: Backend,
    host: &Host,
    view: &View,
    guard: &Guard,
    network: bool,
) -> Setup {
    let limits = &terms.confinement.limits;
    let own_view = backend == Backend::Bwrap;
    let home = host.home.as_ref().map_or_else(|| "/tmp".to_owned(), ToString::to_string);
    let workspace = &terms.confinement.workspace;
    let refused: Vec<&AbsPath> =
        std::iter::once(workspace).chain(&terms.confinement.write).collect();
    let wired = |list: &[&str]| list.iter().map(WirePath::new).collect::<Vec<_>>();
    let mut read: Vec<WirePath> = view.read.iter().map(WirePath::new).collect();
    let mut write: Vec<WirePath> = view.write.iter().map(WirePath::new).collect();
    if own_view {
        write.extend(wired(&["/tmp", "/dev/shm"]));
        write.extend(view.home.iter().map(WirePath::new));
    } else {
        read.extend(wired(SYSTEM));
        read.extend(wired(&["/proc"]));
    }
    let base = host.environment.get("TMPDIR").and_then(AbsPath::new);
    let base = base.filter(|path| path.as_path().is_dir());
    let temporary = base.map_or_else(|| WirePath::new("/tmp"), |path| WirePath::from(&path));
    Setup {
        backend,
        cwd: WirePath::from(&terms.cwd),
        environment: environ::rebuild(&host.environment, &home, "/tmp", &refused),
        read,
        write,
        devices: if own_view { wired(&["/dev"]) } else { wired(DEVICES) },
        workspace: WirePath::from(workspace),
        pinned: pinned(guard),
        sealed: guard.sealed.iter().map(WirePath::new).collect(),
        network,
        temporary: (backend == Backend::Landlock).then_some(temporary),
        outside: host.namespaces.clone(),
        processes: limits.processes,
        file_size: limits.file_size,
        open_files: limits.open_files,
    }
}

fn pinned(guard: &Guard) -> Vec<WirePath> {
    let all = guard.anchors.iter().chain(&guard.read_only);
    all.map(WirePath::new).collect()
}
