//! The only place in the parent that starts a process, and its side of the conversation.
//!
//! INVARIANT (one answer): a reply counts only when it is complete, the only one, bound to the
//! call by id and digest, within bounds, and from a worker that then ended well.

use super::cause::Missing;
use super::cgroup::Group;
use super::hosts::{self, WayOut};
use super::plan::Plan;
use super::process::Process;
use super::{RunError, report};
use crate::egress::Proxy;
use crate::egress::contact::Contacts;
use crate::sys;
use crate::worker::backend::Backend;
use crate::worker::handover;
use crate::worker::wire::{self, Call, Network, REPORT_MAX, Reply, Report, STOP};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Longest time between start and report.
const START: Duration = Duration::from_secs(10);
/// What a command gets to end by itself after the stop word, TERM and KILL included.
const STOPPING: Duration = Duration::from_millis(1200);
/// What a worker gets beyond a command's own limit to tell about the time-out.
const TELLING: Duration = Duration::from_millis(1500);
/// What a worker gets to end after its reply or after its input was closed.
const ENDING: Duration = Duration::from_millis(1800);
/// How long the words of a failed start are waited for.
const WORDS: Duration = Duration::from_millis(300);
/// Bytes of a worker's standard error that are kept.
const STDERR_MAX: usize = 8 << 10;

/// `Command` is built with an empty environment: bubblewrap's own would be readable inside, and
/// a worker needs none.
fn command(plan: &Plan, input: Stdio) -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "the only spawner in the parent")]
    let mut command = std::process::Command::new(&plan.program);
    command.args(&plan.arguments).env_clear().current_dir("/");
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A terminal's Ctrl-C is Ion's to handle; it must not end the worker half-way. A supervisor
    // makes a session of its own, which the leader of a group could not.
    if plan.backend == Backend::Bwrap {
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
    }
    command
}

/// A confined worker for exactly one plan, which has been told its setup and no call yet.
/// Dropped without one it ends by itself, having done nothing.
pub(crate) struct Prepared {
    // Before the plan: protection is taken down after the processes have ended.
    process: Process,
    plan: Arc<Plan>,
    report: Option<Report>,
    buffered: Vec<u8>,
    listener: Listener,
}

/// Where the proxy of a call with listed hosts will be reached.
enum Listener {
    /// The call has none.
    None,
    /// It will be handed over by this socket, before the report.
    Coming(OwnedFd),
    /// It is here.
    Here(OwnedFd),
}

impl Prepared {
    /// Starts it; does not wait for its report.
    ///
    /// # Errors
    /// What is missing.
    pub fn start(plan: Arc<Plan>) -> Result<Self, Missing> {
        let missing = |words: &str| Missing::understand(plan.backend, words);
        let setup = wire::line(&plan.setup).map_err(|e| missing(&e.to_string()))?;
        let (input, ours) = match plan.setup.network {
            Network::Listed => {
                // A pipe cannot carry the listener.
                let (here, there) = socket().map_err(|e| missing(&e.to_string()))?;
                (Stdio::from(there), Some(here))
            }
            Network::None | Network::Host => (Stdio::piped(), None),
        };
        let started = Process::start(command(&plan, input), plan.backend);
        let mut process = started.map_err(|e| missing(&e.to_string()))?;
        let listener = match ours {
            Some(here) => {
                let again = here.try_clone().map_err(|e| missing(&e.to_string()))?;
                process.stdin = Some(std::process::ChildStdin::from(here));
                Listener::Coming(again)
            }
            None => Listener::None,
        };
        // Nobody reads before the view is made; more than a pipe holds is waited for.
        if process.write(&setup, Instant::now() + START).is_err() {
            let said = process.said(STDERR_MAX, WORDS);
            process.kill();
            return Err(Missing::understand(plan.backend, &last_words(&said)));
        }
        Ok(Prepared { process, plan, report: None, buffered: Vec::new(), listener })
    }

    /// Waits for the report and judges it: the only honest test of a machine.
    ///
    /// # Errors
    /// What is missing.
    pub fn prove(&mut self) -> Result<(), Missing> {
        let backend = self.plan.backend;
        let deadline = Instant::now() + START;
        if let Listener::Coming(socket) = &self.listener {
            // Without it the report says why, or its absence does.
            let left = deadline.saturating_duration_since(Instant::now());
            let fds = self.process.watched(socket.as_fd());
            if sys::wait_readable(&fds, left).is_ok_and(|ready| ready.first() == Some(&true))
                && let Ok(listener) = handover::take(socket.as_fd())
            {
                self.listener = Listener::Here(listener);
            }
        }
        let mut chunk = [0_u8; 4096];
        while !self.buffered.contains(&b'\n') && self.buffered.len() <= REPORT_MAX {
            match self.process.read(&mut chunk, deadline) {
                0 => {
                    let said = self.process.said(STDERR_MAX, WORDS);
                    self.process.kill();
                    return Err(Missing::understand(backend, &last_words(&said)));
                }
                n => self.buffered.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            }
        }
        let at = self.buffered.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let rest = self.buffered.split_off((at + 1).min(self.buffered.len()));
        let line = std::mem::replace(&mut self.buffered, rest);
        let report = judge(&line, &self.plan)?;
        self.report = Some(report);
        Ok(())
    }

    /// Ends it unused and waits for that, so that a trial leaves nothing.
    pub fn end(mut self) {
        self.process.stdin = None;
        if self.process.wait_here(ENDING).is_none() {
            self.process.kill();
            let _ = self.process.wait_here(ENDING);
        }
    }

    /// Whether this worker may run a call with that plan: only if the two do not differ in a
    /// single byte of what was started and told, and it is still there.
    pub fn fits(&self, plan: &Plan) -> bool {
        self.plan.is_same_as(plan) && !self.process.has_ended()
    }
}

/// A report that is all that the plan's backend promises.
fn judge(line: &[u8], plan: &Plan) -> Result<Report, Missing> {
    let backend = plan.backend;
    let report: Report = serde_json::from_slice(line)
        .map_err(|_| Missing::understand(backend, "the worker's report is malformed"))?;
    if let Some(words) = &report.failed {
        return Err(Missing::understand(backend, &printable(words)));
    }
    report::accept(backend, plan.setup.network, &report).map_err(|cause| Missing {
        backend,
        cause,
        words: String::new(),
    })?;
    Ok(report)
}

/// What is left of a call.
pub(crate) struct Ended<T> {
    /// How it ended.
    pub outcome: Result<T, RunError>,
    /// What it did on the network.
    pub contacts: Contacts,
    /// The group that its processes were in, empty now.
    pub group: Option<Group>,
    /// The worker, where it waits for another call. Its protection is still up.
    pub stays: Option<Worker>,
}

/// What surrounds a call beside its worker.
pub(crate) struct Around {
    /// The proxy for listed hosts.
    pub way_out: Option<WayOut>,
    /// The group that its processes will be in.
    pub group: Option<Group>,
}

/// Runs one call in a worker made for its plan. Unless it stays, the worker is gone when this
/// returns, whatever it returns.
pub(crate) async fn exchange(
    worker: Worker,
    around: Around,
    call: &Call,
    wall: Duration,
    cancel: &CancellationToken,
) -> Ended<(Report, Reply)> {
    let Worker(mut talk) = worker;
    talk.group = around.group;
    let outcome = talk.all(around.way_out, call, wall, cancel).await;
    talk.end(outcome, call.stays).await
}

/// A worker that can be given a call: one that was prepared, or one that has answered and stays.
pub(crate) struct Worker(Talk);

impl Worker {
    /// Takes over one that was prepared.
    ///
    /// # Errors
    /// It has no pipes.
    pub fn of(prepared: Prepared) -> Result<Self, RunError> {
        let Prepared { mut process, plan, report, buffered, listener } = prepared;
        let mut pipes = || -> std::io::Result<_> {
            let gone = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
            let stdin = ChildStdin::from_std(process.stdin.take().ok_or_else(gone)?)?;
            let stdout = ChildStdout::from_std(process.stdout.take().ok_or_else(gone)?)?;
            let stderr = ChildStderr::from_std(process.stderr.take().ok_or_else(gone)?)?;
            Ok((stdin, stdout, stderr))
        };
        let pipes = pipes();
        let no_pipes = |_| RunError::Worker("the worker has no pipes".to_owned());
        let (stdin, stdout, stderr) = pipes.map_err(no_pipes)?;
        Ok(Worker(Talk {
            stdin: Some(stdin),
            stdout: Bounded { pipe: stdout, buffered },
            stderr,
            said: Vec::new(),
            report,
            listener: Some(listener),
            served: 0,
            process,
            group: None,
            proxy: None,
            plan,
        }))
    }

    /// Whether it may run a call with that plan, as [`Prepared::fits`].
    pub fn fits(&self, plan: &Plan) -> bool {
        self.0.plan.may_wait() && self.0.plan.is_same_as(plan) && self.is_there()
    }

    /// Whether it lives and keeps quiet: it was asked nothing, so a word of it belongs to no call.
    pub fn is_there(&self) -> bool {
        let output = [self.0.stdout.pipe.as_fd()];
        let speaks = sys::wait_readable(&output, Duration::ZERO).is_ok_and(|ready| ready == [true]);
        !speaks && !self.0.process.has_ended()
    }

    /// Tells it to end.
    pub fn dismiss(&mut self) {
        self.0.stdin = None;
    }

    /// Waits for its end, on this thread.
    pub fn wait_for_end(&mut self) {
        if self.0.process.wait_here(ENDING).is_none() {
            self.0.process.kill();
            let _ = self.0.process.wait_here(ENDING);
        }
    }

    /// Calls that it has answered.
    pub fn served(&self) -> u32 {
        self.0.served
    }
}

fn socket() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::STREAM;
    Ok(socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

// Fields are dropped in order: the input is closed first, the protection taken down last.
struct Talk {
    stdin: Option<ChildStdin>,
    stdout: Bounded<ChildStdout>,
    stderr: ChildStderr,
    said: Vec<u8>,
    report: Option<Report>,
    listener: Option<Listener>,
    served: u32,
    process: Process,
    group: Option<Group>,
    proxy: Option<Proxy>,
    plan: Arc<Plan>,
}

impl Talk {
    async fn all(
        &mut self,
        way_out: Option<WayOut>,
        call: &Call,
        wall: Duration,
        cancel: &CancellationToken,
    ) -> Result<(Report, Reply), RunError> {
        let listener = match self.listener.take() {
            Some(listener) => self.listener(listener).await,
            None => None,
        };
        let report = match self.report.clone() {
            Some(report) => report,
            None => tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(RunError::Cancelled),
                report = tokio::time::timeout(START, self.report()) => match report {
                    Ok(report) => report?,
                    Err(_) => return Err(self.unavailable("no report in time").await),
                },
            },
        };
        self.report = Some(report.clone());
        self.proxy = hosts::open(listener, way_out).map_err(RunError::Unavailable)?;
        // Between report and call the worker starts nothing, so nothing is missed.
        if let Some(group) = &self.group
            && self.process.id().is_none_or(|pid| group.take_in(pid).is_err())
        {
            self.group = None;
        }
        // INVARIANT (no start after cancel): the call is sent only while it is still wanted.
        if cancel.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let command = call.tool == "Bash";
        let limit = if command { wall.saturating_add(TELLING) } else { wall };
        let cap = call.output_bytes.saturating_mul(6).saturating_add(1 << 20);
        tokio::select! {
            biased;
            () = cancel.cancelled() => {
                if command && let Some(stdin) = &mut self.stdin {
                    let _ = tokio::time::timeout(STOPPING, stdin.write_all(STOP)).await;
                    let _ = tokio::time::timeout(STOPPING, self.stdout.line(cap)).await;
                }
                Err(RunError::Cancelled)
            }
            reply = tokio::time::timeout(limit, self.reply(call, cap)) => match reply {
                Ok(reply) => reply.map(|reply| (report, reply)),
                Err(_) => Err(RunError::TimedOut(wall)),
            },
        }
    }

    /// The listener, if it is handed over. Without it the report says why, or its absence does.
    async fn listener(&mut self, listener: Listener) -> Option<OwnedFd> {
        match listener {
            Listener::None => None,
            Listener::Here(listener) => Some(listener),
            Listener::Coming(socket) => {
                let handed = tokio::time::timeout(START, async {
                    tokio::select! {
                        biased;
                        ready = sys::readable(socket.as_fd()) => ready.is_ok(),
                        _ = self.process.wait(START) => false,
                    }
                });
                let handed = handed.await.unwrap_or(false);
                handed.then(|| handover::take(socket.as_fd()).ok()).flatten()
            }
        }
    }

    async fn report(&mut self) -> Result<Report, RunError> {
        let line = tokio::select! {
            biased;
            line = self.stdout.line(REPORT_MAX) => line,
            // Something stuck half-way may hold the pipe open when its starter has failed.
            _ = self.process.wait(START) => Ok(None),
        };
        match line {
            Ok(Some(line)) => judge(&line, &self.plan).map_err(unavailable),
            Ok(None) => Err(self.unavailable("").await),
            Err(cause) => Err(RunError::Worker(format!("report: {cause}"))),
        }
    }

    async fn reply(&mut self, call: &Call, cap: usize) -> Result<Reply, RunError> {
        let worker = |cause: &str| RunError::Worker(format!("the worker {cause}"));
        let line = wire::line(call).map_err(|e| RunError::Worker(format!("the call: {e}")))?;
        // It may hold values that stood for placeholders.
        let line = Zeroizing::new(line);
        self.process.busy = true;
        if self.send(&line).await.is_err() {
            return Err(self.died("before it had taken the call").await);
        }
        let line = match self.stdout.line(cap).await {
            Ok(Some(line)) => line,
            Ok(None) => return Err(self.died("without a reply").await),
            Err(cause) => return Err(worker(&format!("gave an unusable reply: {cause}"))),
        };
        let reply: Reply =
            serde_json::from_slice(&line).map_err(|_| worker("gave a malformed reply"))?;
        if reply.id != call.id || reply.digest != call.digest {
            return Err(worker("answered for another call"));
        }
        if call.stays {
            // INVARIANT (one answer): what it says beyond its reply would be heard as the next one.
            return match self.stdout.buffered.is_empty() {
                true => Ok(reply),
                false => Err(worker("went on after its reply")),
            };
        }
        match tokio::time::timeout(ENDING, self.stdout.line(0)).await {
            Ok(Ok(None)) => {}
            Ok(_) => return Err(worker("went on after its reply")),
            Err(_) => return Err(worker("did not end after its reply")),
        }
        match self.process.wait(ENDING).await {
            Some(status) if status.success() => Ok(reply),
            Some(status) => Err(worker(&format!("replied and then failed ({status})"))),
            None => Err(worker("did not end after its reply")),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(bytes).await,
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    async fn unavailable(&mut self, words: &str) -> RunError {
        let said = self.words().await;
        let words = if said.is_empty() { words } else { &said };
        unavailable(Missing::understand(self.plan.backend, words))
    }

    async fn died(&mut self, when: &str) -> RunError {
        let words = self.words().await;
        let status = self.process.wait(ENDING).await;
        let how = status.map(|status| format!(" ({status})")).unwrap_or_default();
        let words = if words.is_empty() { words } else { format!(": {words}") };
        RunError::Worker(format!("the worker died {when}{how}{words}"))
    }

    /// The last line that was printed by a program of ours (never by the tool, whose standard
    /// error is a pipe of its own), made printable.
    async fn words(&mut self) -> String {
        let read = async {
            let mut chunk = [0_u8; 1024];
            while let Ok(n) = self.stderr.read(&mut chunk).await {
                let room = STDERR_MAX.saturating_sub(self.said.len()).min(n);
                self.said.extend_from_slice(chunk.get(..room).unwrap_or_default());
                if n == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(WORDS, read).await;
        last_words(&self.said)
    }

    /// Ends whatever still runs, by asking first: see [`super::process`]. A worker that stays
    /// does so only after a call that went well.
    async fn end<T>(mut self, outcome: Result<T, RunError>, stays: bool) -> Ended<T> {
        if stays && outcome.is_ok() {
            self.process.busy = false;
            self.served = self.served.saturating_add(1);
            let contacts = self.proxy.take().map(Proxy::end).unwrap_or_default();
            let group = self.group.take();
            return Ended { outcome, contacts, group, stays: Some(Worker(self)) };
        }
        drop(self.stdin.take());
        if outcome.is_err() && self.process.wait(ENDING).await.is_none() {
            self.process.kill();
            let _ = self.process.wait(ENDING).await;
        }
        let Talk { plan: _plan, process, proxy, group, .. } = self;
        drop(process);
        let contacts = proxy.map(Proxy::end).unwrap_or_default();
        Ended { outcome, contacts, group, stays: None }
    }
}

fn unavailable(missing: Missing) -> RunError {
    RunError::Unavailable(missing.to_string())
}

/// Takes lines from a pipe, never more than asked for.
struct Bounded<R> {
    pipe: R,
    buffered: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Bounded<R> {
    /// The next line; `None` at the end. Bytes without a line end are an error.
    async fn line(&mut self, longest: usize) -> Result<Option<Vec<u8>>, String> {
        let mut searched = 0;
        loop {
            let fresh = self.buffered.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffered.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.buffered, rest);
                line.pop();
                return Ok(Some(line));
            }
            searched = self.buffered.len();
            if searched > longest {
                return Err(format!("more than {longest} bytes"));
            }
            let mut chunk = [0_u8; 16 << 10];
            match self.pipe.read(&mut chunk).await {
                Ok(0) if self.buffered.is_empty() => return Ok(None),
                Ok(0) => return Err("it broke off".to_owned()),
                Ok(n) => self.buffered.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    // A panic's message may quote what it choked on; its place in the source may not.
    let ours = |line: &&str| {
        ["bwrap: ", "worker: ", "supervisor: "].iter().any(|prefix| line.starts_with(prefix))
            || line.contains("panicked at src/")
    };
    // Birdcage's first process says why it failed, before those around it say that it did.
    let birdcage = |line: &&str| line.starts_with("sandboxing failure: ");
    let line = text.lines().find(birdcage).or_else(|| text.lines().rev().find(ours));
    line.map(printable).unwrap_or_default()
}

/// A worker's words, fit for a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
