//! A worker whose standard streams are a command's own: started, told, and waited for, on this
//! thread.
//!
//! INVARIANT (nothing stays): the end of the control channel is the worker's order to end all
//! it started; it is closed on every way out of here, also by this process's death.

use super::cause::{Cause, Missing};
use super::cgroup::Group;
use super::command::Ran;
use super::hosts::{self, WayOut};
use super::plan::Plan;
use super::{bwrap, report, spawn};
use crate::egress::Proxy;
use crate::sys::{self, Signals};
use crate::worker::backend::Backend;
use crate::worker::dialogue::{Heard, Lines, write_all};
use crate::worker::handover;
use crate::worker::wire::{self, Ending, Launch, Network, REPORT_MAX, Report};
use crate::worker::{family, start, supervise};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, Signal, WaitOptions};
use std::io;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Longest time between start and report.
const START: Duration = Duration::from_secs(10);
/// What a worker gets to end after its answer or after its channel was closed.
const ENDING: Duration = Duration::from_millis(1800);
/// A wait without a limit.
const LONG: Duration = Duration::from_secs(3600);

/// Whether there is a point in trying.
///
/// # Errors
/// The cause, where it is known beforehand.
pub fn available(backend: Backend) -> Result<(), Missing> {
    match backend {
        Backend::Bwrap if bwrap::program().is_none() => {
            Err(Missing { backend, cause: Cause::NoBwrap, words: String::new() })
        }
        _ if !backend.is_built_in() => Err(Missing::not_built_in(backend)),
        _ => Ok(()),
    }
}

/// The channel before it is known who will be at the other end.
pub struct Control {
    here: OwnedFd,
    there: OwnedFd,
}

impl Control {
    /// Makes it.
    ///
    /// # Errors
    /// From the system.
    pub fn new() -> io::Result<Self> {
        let kind = SocketType::STREAM;
        let (here, there) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        Ok(Control { here, there })
    }

    /// The number that the worker knows its end by.
    pub fn number(&self) -> i32 {
        self.there.as_raw_fd()
    }
}

/// A confined worker that waits for its command.
pub struct Held {
    // In this order: closing the channel is the order to end, and protection is taken down last.
    channel: Option<Channel>,
    child: Pid,
    group: Option<Group>,
    proxy: Option<Proxy>,
    plan: Plan,
}

struct Channel {
    input: OwnedFd,
    output: OwnedFd,
    lines: Lines,
}

impl Channel {
    fn line(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        loop {
            match self.lines.take() {
                Heard::Line(line) => return Some(line),
                Heard::End => return None,
                Heard::Nothing => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ready = sys::wait_readable(&[self.output.as_fd()], left).ok()?;
            if ready == [true] {
                self.lines.fill(self.output.as_fd()).ok()?;
            } else if left.is_zero() {
                return None;
            }
        }
    }
}

impl Held {
    /// Starts the worker and tells it what to do to itself.
    ///
    /// # Errors
    /// What is missing.
    pub fn start(plan: Plan, control: Control) -> Result<Self, Missing> {
        let missing = |e: &dyn std::fmt::Display| Missing::understand(plan.backend, &e.to_string());
        let (child, input, output) = match plan.backend {
            // Birdcage's first process stays a copy of its starter and does not hide its memory: it
            // must know less than this process does.
            Backend::Bwrap | Backend::Birdcage => {
                let (child, end) = program(&plan, control).map_err(|e| missing(&e))?;
                let other = end.try_clone().map_err(|e| missing(&e))?;
                let setup = wire::line(&plan.setup).map_err(|e| missing(&e))?;
                // A worker that cannot take it is found out by its missing report.
                let _ = write_all(&end, &setup);
                (child, end, other)
            }
            Backend::Userns => {
                let body = start::start(&plan.setup).map_err(|e| missing(&e))?;
                (body.pid, body.input, body.output)
            }
            Backend::Landlock | Backend::None => {
                let body = supervise::start_copy(&plan.setup).map_err(|e| missing(&e))?;
                (body.pid, body.input, body.output)
            }
        };
        let lines = Lines::new(REPORT_MAX);
        let channel = Some(Channel { input, output, lines });
        Ok(Held { channel, child, group: None, proxy: None, plan })
    }

    /// Waits for the worker's report.
    ///
    /// # Errors
    /// There is none, or it says what failed.
    pub fn report(&mut self) -> Result<Report, Missing> {
        let missing = |words: &str| Missing::understand(self.plan.backend, words);
        let line = self.channel.as_mut().and_then(|ch| ch.line(Instant::now() + START));
        let line = line.ok_or_else(|| missing("no report"))?;
        let report: Report = serde_json::from_slice(&line)
            .map_err(|_| missing("the worker's report is malformed"))?;
        match &report.failed {
            Some(words) => Err(missing(&spawn::printable(words))),
            None => Ok(report),
        }
    }

    /// Takes the listener that is handed over before the report, if there is one to come.
    ///
    /// # Errors
    /// None came.
    pub fn listener(&mut self) -> Result<Option<OwnedFd>, Missing> {
        if self.plan.setup.network != Network::Listed {
            return Ok(None);
        }
        let missing = |words: &str| Missing::understand(self.plan.backend, words);
        let channel = self.channel.as_ref().ok_or_else(|| missing("no worker"))?;
        let ready = sys::wait_readable(&[channel.input.as_fd()], START);
        if !ready.is_ok_and(|ready| ready == [true]) {
            return Err(missing("no listener for the proxy"));
        }
        let listener = handover::take(channel.input.as_fd());
        listener.map(Some).map_err(|e| missing(&e.to_string()))
    }

    /// Starts the proxy for listed hosts. No copy of this process is made after this.
    ///
    /// # Errors
    /// In a person's words.
    pub fn serve(
        &mut self,
        listener: Option<OwnedFd>,
        way_out: Option<WayOut>,
    ) -> Result<(), String> {
        self.proxy = hosts::open(listener, way_out)?;
        Ok(())
    }

    /// Whether what is in force is all that the backend promises.
    ///
    /// # Errors
    /// The first thing that is missing.
    pub fn accept(&self, found: &Report) -> Result<(), Missing> {
        let backend = self.plan.backend;
        report::accept(backend, self.plan.setup.network, found).map_err(|cause| Missing {
            backend,
            cause,
            words: String::new(),
        })
    }

    /// Has the kernel limit what the command starts. It has started nothing yet.
    pub fn limit(&mut self, group: Option<Group>) {
        self.group = group.filter(|group| group.take_in(self.child).is_ok());
    }

    /// Runs the command and waits for its end, passing signals on.
    ///
    /// # Errors
    /// The worker died.
    pub fn run(mut self, launch: &Launch, signals: &Signals) -> Result<Ran, String> {
        let ending = self.converse(launch, signals);
        self.end();
        let contacts = self.proxy.take().map(Proxy::end).unwrap_or_default();
        let mut notes = Vec::new();
        for (path, undone) in self.plan.guard.memory.restore() {
            let fate = if undone { "put back" } else { "it could NOT be put back" };
            notes.push(format!("protected {} was changed; {fate}", path.display()));
        }
        if let Some(head) = self.plan.guard.undo_bare_repository() {
            notes.push(format!(
                "a repository was made of the workspace itself; {} was removed",
                head.display()
            ));
        }
        let changed = !notes.is_empty();
        if self.group.as_ref().is_some_and(|group| group.killed_for_memory() > 0) {
            notes.push("the kernel ended a process of it: too much memory (--memory)".to_owned());
        }
        for path in self.plan.guard.appeared() {
            notes.push(format!("the protected name {} was made by the command", path.display()));
        }
        notes.extend(hosts::refusals(&contacts));
        Ok(Ran { ending: ending?, backend: self.plan.backend, notes, changed })
    }

    fn converse(&mut self, launch: &Launch, signals: &Signals) -> Result<Ending, String> {
        let channel = self.channel.as_mut().ok_or("no worker")?;
        let line = wire::line(launch).map_err(|e| format!("the command: {e}"))?;
        write_all(&channel.input, &line).map_err(|e| format!("the worker is gone: {e}"))?;
        loop {
            match channel.lines.take() {
                Heard::Line(line) => {
                    return serde_json::from_slice(&line)
                        .map_err(|_| "the worker gave a malformed answer".to_owned());
                }
                Heard::End => return Err("the worker died before the command ended".to_owned()),
                Heard::Nothing => {}
            }
            let fds: [BorrowedFd<'_>; 2] = [channel.output.as_fd(), signals.as_fd()];
            let ready = sys::wait_readable(&fds, LONG).map_err(|e| format!("waiting: {e}"))?;
            if ready.get(1) == Some(&true) {
                while let Some(signal) = signals.next() {
                    let _ = write_all(&channel.input, format!("signal {signal}\n").as_bytes());
                }
            }
            if ready.first() == Some(&true) {
                channel.lines.fill(channel.output.as_fd()).map_err(|e| format!("worker: {e}"))?;
            }
        }
    }

    /// Closes the channel and waits until the worker, and whatever it could not end, is gone.
    fn end(&mut self) {
        if self.channel.take().is_none() {
            return;
        }
        let until = Instant::now() + ENDING;
        if self.plan.backend == Backend::Bwrap && !wait(self.child, until) {
            // As a group: its child waits for it without a death signal while it makes namespaces.
            let _ = rustix::process::kill_process_group(self.child, Signal::KILL);
        }
        if !wait(self.child, Instant::now() + ENDING) {
            let _ = rustix::process::kill_process(self.child, Signal::KILL);
            wait(self.child, Instant::now() + ENDING);
        }
        if !self.plan.backend.has_view() {
            family::end_descendants(None);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether the child ended in time.
fn wait(child: Pid, until: Instant) -> bool {
    let pidfd = rustix::process::pidfd_open(child, rustix::process::PidfdFlags::empty());
    loop {
        match rustix::process::waitpid(Some(child), WaitOptions::NOHANG) {
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // Ended, now or before.
            Ok(Some(_)) | Err(_) => return true,
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        match &pidfd {
            Ok(pidfd) => drop(sys::wait_readable(&[pidfd.as_fd()], left)),
            Err(_) => std::thread::sleep(Duration::from_millis(1).min(left)),
        }
    }
}

/// Starts the plan's program with this process's standard streams and the far end of the channel.
fn program(plan: &Plan, control: Control) -> io::Result<(Pid, OwnedFd)> {
    let Control { here, there } = control;
    #[expect(clippy::disallowed_methods, reason = "the operator's command starts here")]
    let mut command = std::process::Command::new(&plan.program);
    command.args(&plan.arguments).env_clear().current_dir("/");
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    // A supervisor makes a session of its own, which the leader of a group could not.
    if plan.backend == Backend::Bwrap {
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
    }
    rustix::io::fcntl_setfd(&there, FdFlags::empty())?;
    let child = command.spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    Ok((pid.ok_or(io::ErrorKind::Other)?, here))
}
