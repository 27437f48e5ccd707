//! Runs a program with this process's own standard streams, held as a tool call would be.
//!
//! For an operator's command (`ion sandbox run`), not for a model's call: those need a permit, see
//! [`super::Sandbox::run`]. This process must have one thread: the worker is a copy of it. What
//! policy requires is required here as well; below it nothing starts.

use super::cause::Missing;
use super::cgroup::Delegated;
use super::pass::{self, Held};
use super::plan::{Host, Order, Plan};
use super::preview::Scratch;
use super::{choose, hosts};
use crate::egress::rules::Attached;
use crate::model::AbsPath;
use crate::net::Trust;
use crate::policy::Confinement;
use crate::sys;
use crate::worker::backend::Backend;
use crate::worker::wire::{Ending, Errand, Launch, Report, WirePath};
use rustix::fd::OwnedFd;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

/// What to run.
pub struct Request<'a> {
    /// What must hold.
    pub confinement: &'a Confinement,
    /// Working folder.
    pub cwd: &'a AbsPath,
    /// The program and its arguments.
    pub command: &'a [OsString],
    /// Wall-clock limit.
    pub limit: Option<Duration>,
    /// What the proxy for listed hosts adds.
    pub attached: &'a Arc<Vec<Attached>>,
    /// Whom it trusts.
    pub trust: &'a Arc<Trust>,
    /// Where what it writes to the workspace goes instead.
    pub preview: Option<&'a Scratch>,
}

/// How it went.
#[derive(Debug)]
pub struct Ran {
    /// The program's end.
    pub ending: Ending,
    /// What held it.
    pub backend: Backend,
    /// What a person should know about protected names.
    pub notes: Vec<String>,
    /// Whether protected files were changed (and put back, as far as that was possible).
    pub changed: bool,
}

/// Runs it to its end. Nothing of it is left when this returns.
///
/// # Errors
/// In a person's words: what is missing. Then the program did not start.
pub fn run(request: &Request<'_>) -> Result<Ran, String> {
    no_folder_as_a_stream()?;
    let host = Host::look()?;
    let signals = sys::catch_signals().map_err(|e| format!("catching signals: {e}"))?;
    sys::wipe_environment();
    let order = Order {
        confinement: request.confinement,
        cwd: request.cwd,
        writes: true,
        errand: Errand::Command,
        pooled: false,
        preview: request.preview,
        as_found: false,
    };
    let way_out = hosts::way_out(request.confinement, request.attached, request.trust)?;
    let (mut held, listener) = start(&order, &host)?;
    let group =
        Delegated::find().ok().and_then(|part| part.group(&request.confinement.limits).ok());
    held.limit(group.flatten());
    held.serve(listener, way_out)?;
    let launch = Launch {
        command: request.command.iter().map(WirePath::new).collect(),
        wall_ms: request.limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
    };
    held.run(&launch, &signals)
}

/// ATTACK: a folder that is open as a standard stream is a way out of any view: `openat` starts
/// from it.
fn no_folder_as_a_stream() -> Result<(), String> {
    for number in 0..=2 {
        let link = format!("/proc/self/fd/{number}");
        if std::fs::metadata(&link).is_ok_and(|about| about.is_dir()) {
            return Err(format!(
                "standard stream {number} is a folder, from which every file below could be \
                 reached; the command did not run\n  \
                 fix       start Ion with files, pipes or a terminal as its streams"
            ));
        }
    }
    Ok(())
}

/// The first backend that will do and that reports all that it promises.
fn start(order: &Order<'_>, host: &Host) -> Result<(Held, Option<OwnedFd>), String> {
    let mut started = None;
    choose::backend(order.confinement, |backend| {
        // Only the last attempt is kept, and it is the one that succeeded.
        started = Some(attempt(order, backend, host)?);
        Ok(())
    })?;
    started.ok_or_else(|| "this confinement needs no backend".to_owned())
}

fn attempt(
    order: &Order<'_>,
    backend: Backend,
    host: &Host,
) -> Result<(Held, Option<OwnedFd>), Missing> {
    let missing = |words: String| Missing::understand(backend, &words);
    pass::available(backend)?;
    let control = pass::Control::new().map_err(|e| missing(e.to_string()))?;
    let plan = Plan::with(order, backend, host, Some(control.number())).map_err(missing)?;
    let mut held = Held::start(plan, control)?;
    let listener = held.listener()?;
    let report: Report = held.report()?;
    held.accept(&report)?;
    Ok((held, listener))
}
