//! Makes a permit's confinement real, runs the call inside it, and says what was enforced.
//!
//! Ion never confines itself: it starts its own binary again as a worker (see [`crate::worker`])
//! behind a backend. No tool body ever runs in this process. Nothing here decides whether a call
//! may run, and nothing steps down: a layer that is missing is a refusal with a cause.
//!
//! Read [`Sandbox::run`], then [`view`] (what a call sees), [`protect`] (what in the workspace
//! stays as it is), [`plan`], [`spawn`] (the conversation), `process` (that nothing
//! stays), [`report`] (what must be in force).

pub mod bwrap;
pub mod cause;
pub mod cgroup;
pub mod changes;
pub mod choose;
pub mod command;
pub mod denied;
pub mod describe;
pub mod doctor;
pub mod environ;
pub mod hosts;
pub mod memory;
pub mod mounts;
mod pass;
pub mod placeholder;
mod places;
pub mod plan;
mod pool;
pub mod preview;
pub(crate) mod process;
pub mod protect;
mod refill;
#[cfg(debug_assertions)]
pub(crate) mod rehearse;
pub mod report;
pub mod seatbelt;
pub mod spawn;
pub mod view;

use crate::egress::contact::{Contact, Contacts, More};
use crate::egress::rules::Attached;
use crate::gate::{Confiner, Permit, QuestionId, Seen, Terms, Trial};
use crate::model::{AbsPath, CallId, Requirement, Seq, ToolCall, ToolName};
use crate::net::Trust;
use crate::policy::{Confinement, Hosts, NetworkAccess, ResourceLimits};
use crate::redact::{Raw, Redactor};
use crate::worker::backend::Backend;
use crate::worker::wire::{CONTENTS, CONTENTS_MAX, Call, Reply, WirePath};
use cause::{Cause, Missing};
use cgroup::{Delegated, Group};
use changes::FileChanges;
use denied::{Denied, Granted};
use futures_util::future::BoxFuture;
use plan::{Host, Order, Plan};
use pool::{Pool, Wanted};
use preview::trial::Kept;
use spawn::{Around, Prepared, Worker};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// What was really enforced on one call.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Enforced {
    /// `bwrap`, `userns`, `birdcage`, `landlock` or `none`.
    pub backend: String,
    /// The layers that took effect, for example `namespaces`, `landlock-abi-7`, `seccomp`.
    pub layers: Vec<String>,
    /// What the confinement asked for and this machine could not give (never below the
    /// requirement).
    pub missing: Vec<String>,
    /// What the sandbox refused, as far as it is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<Denied>,
    /// What was reached, and refused, through the proxy for listed hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// Further connections, counted.
    #[serde(skip_serializing_if = "More::is_nothing")]
    pub more_contacts: More,
    /// How many calls the same worker had answered before, under the same plan.
    #[serde(skip_serializing_if = "is_fresh")]
    pub reused: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_fresh(reused: &u32) -> bool {
    *reused == 0
}

/// What a worker is talked to about.
struct Talked {
    /// The call's own plan, made for it, by which what is protected is looked at afterwards.
    plan: Arc<Plan>,
    backend: Backend,
}

fn start(plan: Arc<Plan>) -> Result<Prepared, RunError> {
    Prepared::start(plan).map_err(|missing| RunError::Unavailable(missing.to_string()))
}

fn wanted_by(terms: &Terms) -> Wanted {
    Wanted {
        // What a search leaves out is told with each call.
        confinement: Confinement { withheld: Vec::new(), ..terms.confinement.clone() },
        cwd: terms.cwd.clone(),
        writes: Order::of(terms).writes,
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct Ran {
    /// What the tool said, unseen.
    pub content: Raw<String>,
    /// Whether the tool failed.
    pub is_error: bool,
    /// The command's exit code, for `Bash`; 128 + n for a signal n.
    pub exit_code: Option<i32>,
    /// Bytes of output that were dropped.
    pub omitted_bytes: u64,
    /// What was enforced.
    pub enforced: Enforced,
    /// What the call changed, as far as that is known.
    pub changes: FileChanges,
    /// Placeholders in the place of which the tool was given the value, or why it got none and
    /// did nothing.
    pub put_back: Result<Vec<String>, String>,
    /// From start to reply.
    pub elapsed: Duration,
    /// The record of the decision.
    pub seq: Seq,
    /// Digest of the call, equal to the recorded one.
    pub digest: String,
}

/// Why a permitted call gave no reply.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The confinement cannot be had; the tool did not start.
    #[error("{0}")]
    Unavailable(String),
    /// The permit expired; the tool did not start.
    #[error("{0}")]
    Expired(String),
    /// The worker died, answered nonsense, or answered for another call.
    #[error("{0}")]
    Worker(String),
    /// The time limit passed; the process tree was killed.
    #[error("the call ran longer than {0:?} and was killed with everything it started")]
    TimedOut(Duration),
    /// The run was cancelled; the process tree was killed.
    #[error("cancelled")]
    Cancelled,
}

/// The only spawner in the parent. One for a process; it remembers what the machine can do.
pub struct Sandbox {
    host: Result<Host, String>,
    bwrap: OnceLock<Result<(), Missing>>,
    userns: OnceLock<Result<(), Missing>>,
    birdcage: OnceLock<Result<(), Missing>>,
    landlock: OnceLock<Result<(), Missing>>,
    /// Credentials that the proxy adds, and whom it trusts.
    attached: Arc<Vec<Attached>>,
    trust: Arc<Trust>,
    /// The one worker that waits for the call that was just judged.
    waiting: Mutex<Option<Prepared>>,
    /// Workers of file tools that have answered.
    pool: Pool,
    /// Where groups of processes can be made that the kernel limits.
    groups: OnceLock<Option<Delegated>>,
    /// What the call that somebody is asked about did on a copy.
    kept: Mutex<Option<Kept>>,
}

impl Sandbox {
    /// Takes note of the surroundings. What the machine can enforce is found out by trying,
    /// when the first call asks, once for each backend and process.
    pub fn detect() -> Self {
        Sandbox {
            host: Host::look(),
            bwrap: OnceLock::new(),
            userns: OnceLock::new(),
            birdcage: OnceLock::new(),
            landlock: OnceLock::new(),
            attached: Arc::default(),
            trust: Arc::default(),
            waiting: Mutex::new(None),
            pool: Pool::default(),
            groups: OnceLock::new(),
            kept: Mutex::new(None),
        }
    }

    /// With what the proxy for listed hosts adds to requests, and whom it trusts.
    #[must_use]
    pub fn attaching(self, attached: Arc<Vec<Attached>>, trust: Arc<Trust>) -> Self {
        let mut this = self;
        (this.attached, this.trust) = (attached, trust);
        this
    }

    /// What is missing for a backend on this machine, found out by starting it; `None` when it
    /// works.
    pub fn missing(&self, backend: Backend) -> Option<Missing> {
        self.works(backend).err()
    }

    /// Runs a permitted call in a fresh confined worker. Nothing of the call is left running
    /// when this returns. Dropping the future ends the call as well.
    ///
    /// # Errors
    /// [`RunError`]; for `Unavailable` and `Expired` the tool did not start.
    pub async fn run(
        &self,
        permit: Permit,
        redactor: &Redactor,
        cancel: CancellationToken,
    ) -> Result<Ran, RunError> {
        let terms = permit.redeem().map_err(|expired| RunError::Expired(expired.to_string()))?;
        let started = Instant::now();
        let mut call = call_of(&terms);
        let mut put_back = Ok(Vec::new());
        let mut applied = None;
        let (reply, enforced) = if let Some(applies) = &terms.applies {
            let (reply, enforced, changes) = self.apply_kept(applies)?;
            applied = Some(changes);
            (reply, enforced)
        } else if refill::is_wanted(&terms.call) {
            let mut look = call.clone();
            (look.output_bytes, look.tool) = (CONTENTS_MAX, CONTENTS.to_owned());
            // What has held secrets is not asked again.
            (look.stays, call.stays) = (false, false);
            let (mut looked, enforced) = self.exchange(&terms, &look, &cancel).await?;
            let file = Zeroizing::new(std::mem::take(&mut looked.content));
            put_back = match looked.is_error {
                true => Err((*file).clone()),
                false => refill::fill(&mut call, redactor, &file),
            };
            match &put_back {
                Ok(_) => self.exchange(&terms, &call, &cancel).await?,
                Err(why) => (Reply { content: why.clone(), is_error: true, ..looked }, enforced),
            }
        } else {
            self.exchange(&terms, &call, &cancel).await?
        };
        // What was put back is not changed.
        let changed = reply.changed.filter(|_| !reply.is_error);
        let changes = applied.unwrap_or_else(|| FileChanges::of_tool(&terms.paths, changed));
        Ok(Ran {
            changes,
            content: Raw::new(reply.content),
            is_error: reply.is_error,
            exit_code: reply.exit_code,
            omitted_bytes: reply.omitted_bytes,
            enforced,
            put_back,
            elapsed: started.elapsed(),
            seq: terms.seq,
            digest: terms.digest,
        })
    }

    /// Runs a call under its terms. Not public: terms can be written by hand, permits cannot.
    #[cfg(debug_assertions)]
    pub(crate) async fn hold(
        &self,
        terms: &Terms,
        cancel: &CancellationToken,
    ) -> Result<(Reply, Enforced), RunError> {
        self.exchange(terms, &call_of(terms), cancel).await
    }

    async fn exchange(
        &self,
        terms: &Terms,
        call: &Call,
        cancel: &CancellationToken,
    ) -> Result<(Reply, Enforced), RunError> {
        if cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let confinement = &terms.confinement;
        let waiting = self.waiting.lock().ok().and_then(|mut waiting| waiting.take());
        let backend = choose::backend(confinement, |backend| self.works(backend));
        let backend = backend.map_err(RunError::Unavailable)?;
        let host = self.host.as_ref().map_err(|cause| RunError::Unavailable(cause.clone()))?;
        // INVARIANT (one worker, one plan): a worker that was made for anything else is not used;
        // it ends here, and a fresh one is started.
        let (worker, plan) = match self.pooled(terms, backend, host)? {
            Some(pooled) => pooled,
            None => {
                let plan = Plan::of(terms, backend, host).map_err(RunError::Unavailable)?;
                let plan = Arc::new(plan);
                let prepared = match waiting.filter(|waiting| waiting.fits(&plan)) {
                    Some(prepared) => prepared,
                    None => start(Arc::clone(&plan))?,
                };
                (Worker::of(prepared)?, plan)
            }
        };
        let about = Talked { plan, backend };
        self.converse(worker, about, terms, call, cancel).await
    }

    /// A worker that was started for this very call's plan and has answered before, with the plan.
    fn pooled(
        &self,
        terms: &Terms,
        backend: Backend,
        host: &Host,
    ) -> Result<Option<(Worker, Arc<Plan>)>, RunError> {
        let wanted = wanted_by(terms);
        if !self.pool.has(&wanted) {
            return Ok(None);
        }
        let plan = Plan::as_found(terms, backend, host).map_err(RunError::Unavailable)?;
        Ok(self.pool.take(&wanted, plan.as_ref()).zip(plan.map(Arc::new)))
    }

    /// Hands a call to a worker that was made for it, and says how it went.
    async fn converse(
        &self,
        worker: Worker,
        about: Talked,
        terms: &Terms,
        call: &Call,
        cancel: &CancellationToken,
    ) -> Result<(Reply, Enforced), RunError> {
        let Talked { plan, backend } = about;
        let confinement = &terms.confinement;
        let reused = worker.served();
        let wall = confinement.limits.wall;
        let way_out = hosts::way_out(confinement, &self.attached, &self.trust)
            .map_err(RunError::Unavailable)?;
        // File tools start nothing.
        let group = match backend.confines() && call.tool == "Bash" {
            true => self.group(&confinement.limits),
            false => None,
        };
        let around = Around { way_out, group };
        let ended = spawn::exchange(worker, around, call, wall, cancel).await;
        let spawn::Ended { outcome, contacts, group, stays } = ended;
        // Also after a failure: a killed call may have changed something first.
        let changed = plan.guard.memory.restore();
        let (report, mut reply) = outcome?;
        let mut missing = report::missing(backend, &report);
        missing.extend(plan.guard.missing.iter().cloned());
        if plan.guard.memory.is_full() {
            missing.push("contents of large protected files are not remembered".to_owned());
        }
        let planted = plan.guard.undo_bare_repository();
        let planted_nothing = planted.is_none();
        let appeared = match call.tool.as_str() {
            "Bash" => plan.guard.appeared(),
            _ => plan.guard.appeared_at(&terms.paths),
        };
        missing.extend(
            appeared.iter().map(|path| {
                format!("the protected name {} was made during the call", path.display())
            }),
        );
        if let Some(head) = planted {
            reply.is_error = true;
            let what = "a repository was made of the workspace itself";
            let note = format!("{what}; {} was removed", head.display());
            reply.content.push_str(&format!("\n[ion sandbox] {note}"));
            missing.push(note);
        }
        if !changed.is_empty() {
            reply.is_error = true;
            for (path, undone) in &changed {
                let fate = if *undone { "put back" } else { "it could NOT be put back" };
                let note = format!("protected {} was changed; {fate}", path.display());
                reply.content.push_str(&format!("\n[ion sandbox] {note}"));
                missing.push(note);
            }
        }
        // A call that touched what is protected has seen the last of its worker.
        let well = changed.is_empty() && planted_nothing && reused + 1 < pool::CALLS;
        if let Some(worker) = stays.filter(|_| well) {
            self.pool.put(wanted_by(terms), worker);
        }
        let network = &confinement.network;
        let granted =
            Granted::new(confinement, plan.view.clone(), terms.cwd.as_path(), backend.has_view());
        let denied = match backend.confines() {
            true => granted.denied(reply.is_error, &reply.content, &contacts),
            false => Vec::new(),
        };
        if !denied.is_empty() {
            let note = denied::note(&denied, &plan.view.write, network);
            reply.content.push_str(&format!("\n{note}"));
        }
        let mut layers = report::layers(backend, &report);
        if let Some(group) = group {
            layers.push("cgroup".to_owned());
            if group.killed_for_memory() > 0 {
                let most = confinement.limits.memory.unwrap_or_default();
                reply.is_error = true;
                reply.content.push_str(&format!(
                    "\n[ion sandbox] the kernel ended a process of it: together they used more \
                     than {most} bytes of memory (rule sandbox.memory)"
                ));
            }
        }
        let Contacts { all: contacts, more: more_contacts } = contacts;
        let backend = backend.as_str().to_owned();
        let enforced =
            Enforced { backend, layers, missing, denied, contacts, more_contacts, reused };
        Ok((reply, enforced))
    }

    fn delegated(&self) -> Option<&Delegated> {
        self.groups.get_or_init(|| Delegated::find().ok()).as_ref()
    }

    /// A group for one call, where Ion may make one. Without it the worker's own watch and the
    /// resource limits stand alone, and nothing else is claimed.
    fn group(&self, limits: &ResourceLimits) -> Option<Group> {
        self.delegated()?.group(limits).ok().flatten()
    }

    /// What is known about a backend; `None` for one that needs no proof.
    fn known(&self, backend: Backend) -> Option<&OnceLock<Result<(), Missing>>> {
        match backend {
            Backend::None => None,
            Backend::Bwrap => Some(&self.bwrap),
            Backend::Userns => Some(&self.userns),
            Backend::Birdcage => Some(&self.birdcage),
            Backend::Landlock => Some(&self.landlock),
        }
    }

    fn works(&self, backend: Backend) -> Result<(), Missing> {
        let Some(cell) = self.known(backend) else { return Ok(()) };
        cell.get_or_init(|| self.try_out(backend)).clone()
    }

    fn try_out(&self, backend: Backend) -> Result<(), Missing> {
        let mut worker = self.start(&nothing_to_do(), backend)?;
        let proof = worker.prove();
        worker.end();
        proof
    }

    fn start(&self, terms: &Terms, backend: Backend) -> Result<Prepared, Missing> {
        pass::available(backend)?;
        // Before the first worker: Ion can step aside in its group only while it is alone there.
        let _ = self.delegated();
        let no_worker = |words: String| Missing { backend, cause: Cause::Worker, words };
        let host = self.host.as_ref().map_err(|cause| no_worker(cause.clone()))?;
        let plan = Plan::of(terms, backend, host).map_err(no_worker)?;
        Prepared::start(Arc::new(plan))
    }

    /// As `works`, but what proves the backend is the worker that the call will need: it is
    /// put aside with its report. A failure proves nothing about the machine (the call's own
    /// terms may be at fault), so the neutral trial decides then.
    fn works_for(&self, terms: &Terms, backend: Backend) -> Result<(), Missing> {
        let Some(cell) = self.known(backend) else { return Ok(()) };
        if let Some(known) = cell.get() {
            return known.clone();
        }
        let proven = self.start(terms, backend).and_then(|mut worker| {
            worker.prove()?;
            Ok(worker)
        });
        match proven {
            Ok(worker) => {
                let _ = cell.set(Ok(()));
                self.put_aside(worker);
                Ok(())
            }
            Err(_) => self.works(backend),
        }
    }

    /// At most one waits: the one that was there ends.
    fn put_aside(&self, worker: Prepared) {
        if let Ok(mut waiting) = self.waiting.lock() {
            *waiting = Some(worker);
        }
    }

    /// Gets a worker ready for a call that is about to be permitted.
    pub(crate) fn prepare(&self, terms: &Terms) -> Result<Backend, String> {
        let old = self.waiting.lock().ok().and_then(|mut waiting| waiting.take());
        drop(old);
        let backend =
            choose::backend(&terms.confinement, |backend| self.works_for(terms, backend))?;
        if self.pool.has(&wanted_by(terms)) {
            return Ok(backend);
        }
        let ready = self.waiting.lock().is_ok_and(|waiting| waiting.is_some());
        // It confines itself while the decision is written down. If it cannot, the call's own
        // start says why.
        if !ready && let Ok(worker) = self.start(terms, backend) {
            self.put_aside(worker);
        }
        Ok(backend)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.pool.end();
    }
}

impl Confiner for Sandbox {
    fn can_hold(&self, confinement: &Confinement) -> Result<String, String> {
        let backend = choose::backend(confinement, |backend| self.works(backend));
        backend.map(|backend| backend.as_str().to_owned())
    }

    fn make_ready(
        &self,
        confinement: &Confinement,
        tool: &ToolName,
        cwd: &AbsPath,
    ) -> Result<String, String> {
        let terms = Terms {
            call: ToolCall {
                id: CallId::new("not-yet"),
                name: tool.clone(),
                input: serde_json::Map::new(),
            },
            paths: Vec::new(),
            cwd: cwd.clone(),
            confinement: confinement.clone(),
            digest: String::new(),
            seq: Seq(0),
            applies: None,
        };
        self.prepare(&terms).map(|backend| backend.as_str().to_owned())
    }

    fn can_try(&self, confinement: &Confinement) -> Result<String, String> {
        let backend = choose::backend(confinement, |backend| self.works(backend))?;
        match backend {
            Backend::Userns => Ok(backend.as_str().to_owned()),
            other => Err(preview::not_with(other.as_str())),
        }
    }

    fn try_out<'a>(
        &'a self,
        trial: Trial,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<Seen, String>> {
        Box::pin(async move { self.try_on_a_copy(trial, &cancel).await })
    }

    fn forget(&self, question: &QuestionId) {
        self.let_go(question);
    }
}

/// What the worker is told of a call.
fn call_of(terms: &Terms) -> Call {
    let limits = &terms.confinement.limits;
    Call {
        id: terms.call.id.as_str().to_owned(),
        digest: terms.digest.clone(),
        tool: terms.call.name.as_str().to_owned(),
        input: terms.call.input.clone(),
        paths: terms.paths.iter().map(WirePath::from).collect(),
        wall_ms: u64::try_from(limits.wall.as_millis()).unwrap_or(u64::MAX),
        output_bytes: limits.output_bytes,
        withheld: terms
            .confinement
            .withheld
            .iter()
            .map(|entry| (entry.globs.clone(), entry.except.clone()))
            .collect(),
        held: Vec::new(),
        // Commands get a fresh worker each. A listener for the proxy is handed over once.
        stays: Order::of(terms).pooled,
    }
}

/// The terms of a trial: a tool that reads, in the root of an empty view.
fn nothing_to_do() -> Terms {
    let root = AbsPath::new("/usr").unwrap_or_else(|| unreachable!("`/usr` is absolute"));
    Terms {
        call: ToolCall {
            id: CallId::new("trial"),
            name: ToolName::resolve("Read"),
            input: serde_json::Map::new(),
        },
        paths: Vec::new(),
        cwd: root.clone(),
        confinement: Confinement {
            withheld: Vec::new(),
            requirement: Requirement::View,
            backend: None,
            workspace: root,
            workspace_writable: false,
            read: Vec::new(),
            write: Vec::new(),
            protect: Vec::new(),
            hide: Vec::new(),
            network: NetworkAccess::None,
            hosts: Hosts::default(),
            limits: ResourceLimits {
                wall: Duration::from_secs(5),
                output_bytes: 1024,
                processes: None,
                file_size: None,
                memory: None,
                cpu_seconds: None,
                open_files: None,
            },
        },
        digest: String::new(),
        seq: Seq(0),
        applies: None,
    }
}
