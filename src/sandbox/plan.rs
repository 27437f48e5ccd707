//! One call's terms turned into what a backend needs: a command line and a setup.

use super::placeholder::Pool;
use super::places::Places;
use super::preview::{self, Scratch};
use super::protect::{Guard, Hold};
use super::report::NAMESPACES;
use super::view::{SYSTEM, View};
use super::{bwrap, choose, environ, mounts};
use crate::config::Environment;
use crate::gate::Terms;
use crate::model::AbsPath;
use crate::policy::{Confinement, NetworkAccess};
use crate::sys;
use crate::worker::backend::Backend;
use crate::worker::wire::{Errand, Network, Setup, WORKER, WirePath};
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
    /// What the call sees, for telling its refusals apart.
    pub view: View,
    /// Which files and folders stand at its places.
    places: Places,
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
    /// Ion's data.
    pub data: Option<AbsPath>,
    /// Where folders for missing protected names wait.
    pub pool: Pool,
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
        let data = environment.get("ION_DATA_DIR").and_then(AbsPath::new);
        let data = data.or_else(|| home.as_ref()?.join(".ion"));
        let pool = Pool::below(data.as_ref().map(AbsPath::as_path));
        Ok(Host { worker, environment, home, data, pool, namespaces })
    }
}

impl Plan {
    /// Plans a call under a backend.
    ///
    /// # Errors
    /// What this backend cannot hold of these terms.
    pub fn of(terms: &Terms, backend: Backend, host: &Host) -> Result<Self, String> {
        Self::with(&Order::of(terms), backend, host, None)
    }

    /// What a call's plan would be if the placeholders that stand there are all that it needs: to be
    /// compared with the plan of a worker that holds them. `None` where they are not.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn as_found(terms: &Terms, backend: Backend, host: &Host) -> Result<Option<Self>, String> {
        let order = Order { as_found: true, ..Order::of(terms) };
        let plan = Self::with(&order, backend, host, None)?;
        Ok(plan.guard.is_whole().then_some(plan))
    }

    /// Plans an order under a backend. `control` is the descriptor over which another program is
    /// spoken to where the standard streams are a command's own.
    ///
    /// # Errors
    /// What this backend cannot hold of it.
    pub fn with(
        order: &Order<'_>,
        backend: Backend,
        host: &Host,
        control: Option<i32>,
    ) -> Result<Self, String> {
        let confinement = order.confinement;
        let view = View::of(confinement, order.writes, host.home.as_ref());
        let network = network(confinement, backend)?;
        if order.preview.is_some() && backend != Backend::Userns {
            return Err(preview::not_with(backend.as_str()));
        }
        let guard = match &view.guarded {
            // What is written goes elsewhere; protected names are looked at when it is applied.
            _ if order.preview.is_some() => Guard::default(),
            Some(workspace) if backend.confines() => {
                let names = &confinement.protect;
                let hold = match (backend.has_view(), order.as_found) {
                    (false, _) => Hold::Compare,
                    (true, true) => Hold::AsFound,
                    (true, false) => Hold::Placeholders(&host.pool),
                };
                Guard::prepare(workspace, names, &view.hide, &hold)?
            }
            _ => Guard::default(),
        };
        if backend.only_grants() {
            no_hidden_path_below(&view, backend)?;
        }
        let mut setup = setup(order, backend, host, &view, &guard, network);
        let mut mounts =
            if backend.has_view() { mounts::mounts(&view, &guard) } else { Vec::new() };
        if let Some(scratch) = order.preview {
            scratch.layer(&mut mounts, confinement.workspace.as_path());
        }
        let (program, arguments) = match backend {
            Backend::Bwrap => {
                let program = bwrap::program().ok_or("bubblewrap is gone")?;
                let line = bwrap::arguments(&mounts, network, &host.worker, control);
                (program.to_path_buf(), line)
            }
            Backend::Userns | Backend::Birdcage | Backend::Landlock | Backend::None => {
                setup.mounts = mounts;
                let words = [WORKER, "supervise"].map(OsString::from).into_iter();
                let control = control.map(|fd| fd.to_string().into());
                (host.worker.clone(), words.chain(control).collect())
            }
        };
        let places = Places::look(&view, &guard, order.pooled && !order.as_found);
        Ok(Plan { backend, program, arguments, setup, guard, view, places })
    }

    /// Whether what was started for this plan can stand for what would be started for `other`: not
    /// a byte differs of what is started and told, and the same files still stand at all places.
    ///
    /// For a worker that has waited longer than a decision takes, [`may_wait`](Self::may_wait) has to
    /// hold as well.
    pub fn is_same_as(&self, other: &Plan) -> bool {
        self.backend == other.backend
            && self.program == other.program
            && self.arguments == other.arguments
            && self.places.are_those_of(&other.places)
            && self.setup == other.setup
    }
}

impl Plan {
    /// Whether [`is_same_as`](Self::is_same_as) can be believed at any later time.
    pub fn may_wait(&self) -> bool {
        self.places.are_pinned()
    }
}

/// What sockets can reach. FAIL CLOSED: without a network of its own a call would reach the
/// listed hosts past the proxy, and all others as well.
fn network(confinement: &Confinement, backend: Backend) -> Result<Network, String> {
    match confinement.network {
        NetworkAccess::None => Ok(Network::None),
        NetworkAccess::Host => Ok(Network::Host),
        NetworkAccess::Listed if backend.has_view() => Ok(Network::Listed),
        NetworkAccess::Listed => Err(format!(
            "this machine cannot hold the required confinement; the tool did not run\n  \
             needs     a network of its own, so that only listed hosts are reached\n  \
             cause     the backend `{}` {}\n  \
             fix       use the backend `bwrap` or `userns`, or `--net none`",
            backend.as_str(),
            choose::network_of(backend)
        )),
    }
}

/// What is to be held, whoever ordered it.
pub struct Order<'a> {
    /// What must hold.
    pub confinement: &'a Confinement,
    /// Working folder.
    pub cwd: &'a AbsPath,
    /// A tool that only reads gets no writable root, whatever the profile says.
    pub writes: bool,
    /// What will follow.
    pub errand: Errand,
    /// Whether the worker may be given one call after the other.
    pub pooled: bool,
    /// Where what is written to the workspace goes instead.
    pub preview: Option<&'a Scratch>,
    /// Plans with the placeholders that stand there and makes none. Nothing may be started by it.
    pub as_found: bool,
}

impl<'a> Order<'a> {
    /// A permitted call.
    pub fn of(terms: &'a Terms) -> Self {
        Order {
            confinement: &terms.confinement,
            cwd: &terms.cwd,
            writes: !matches!(terms.call.name.as_str(), "Read" | "Grep" | "Glob"),
            errand: Errand::Tool,
            // Commands get a fresh one each. A listener for the proxy is handed over once.
            pooled: terms.call.name.as_str() != "Bash"
                && terms.confinement.network != NetworkAccess::Listed,
            preview: None,
            as_found: false,
        }
    }
}

/// FAIL CLOSED: Landlock can only grant, so it cannot take a part out of what it granted, and
/// birdcage's list of openings has no exceptions either.
fn no_hidden_path_below(view: &View, backend: Backend) -> Result<(), String> {
    match view.hide.iter().find(|path| view.reaches(path)) {
        None => Ok(()),
        Some(path) => Err(format!(
            "this machine cannot hold the required confinement; the tool did not run\n  \
             needs     {} to be invisible below a folder that is visible\n  \
             cause     the backend `{}` cannot take a part out of what it grants\n  \
             fix       use the backend `bwrap`, or work in a folder without that path",
            path.display(),
            backend.as_str()
        )),
    }
}

fn setup(
    order: &Order<'_>,
    backend: Backend,
    host: &Host,
    view: &View,
    guard: &Guard,
    network: Network,
) -> Setup {
    let limits = &order.confinement.limits;
    let own_view = backend.has_view();
    let home = host.home.as_ref().map_or_else(|| "/tmp".to_owned(), ToString::to_string);
    let workspace = &order.confinement.workspace;
    let refused: Vec<&AbsPath> =
        std::iter::once(workspace).chain(&order.confinement.write).collect();
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
    let mut environment = environ::rebuild(&host.environment, &home, "/tmp", &refused);
    if network == Network::Listed {
        environment.extend(environ::of_proxy());
    }
    Setup {
        backend,
        errand: order.errand,
        pooled: order.pooled,
        terminal: order.errand == Errand::Command && sys::has_terminal(),
        cwd: WirePath::from(order.cwd),
        environment,
        read,
        write,
        devices: if own_view { wired(&["/dev"]) } else { wired(DEVICES) },
        workspace: WirePath::from(workspace),
        pinned: pinned(guard),
        sealed: guard.sealed.iter().map(WirePath::new).collect(),
        network,
        temporary: backend.only_grants().then_some(temporary),
        outside: host.namespaces.clone(),
        processes: limits.processes,
        file_size: limits.file_size,
        open_files: limits.open_files,
        memory: limits.memory,
        cpu_seconds: limits.cpu_seconds,
        mounts: Vec::new(),
    }
}

fn pinned(guard: &Guard) -> Vec<WirePath> {
    let all = guard.anchors.iter().chain(&guard.read_only);
    all.map(WirePath::new).collect()
}
