//! The confined process: setup in, report out, call in, reply out.
//!
//! INVARIANT (nothing before the word): a body starts only after this process confined itself,
//! reported what is in force, and then received one complete call. Without the parent's call,
//! which it sends only for an acceptable report, this process ends.

use super::dialogue::{Lines, write_all};
use super::{body, confine};
use crate::sys;
use crate::worker::wire::{self, Backend, CALL_MAX, Call, Reply, SETUP_MAX, Setup};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use rustix::stdio;
use std::process::ExitCode;

/// Bytes of stack of the thread that watches the input.
const WATCH_STACK: usize = 64 << 10;

/// Runs as the confined process.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            let _ = write_all(stdio::stderr(), format!("worker: {cause}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), String> {
    bind_to_parent()?;
    sys::prepare_process().map_err(|e| format!("preparing the process: {e}"))?;
    let input = stdio::stdin();
    let mut lines = Lines::new(SETUP_MAX);
    let Some(setup) = lines.wait(input).map_err(|e| format!("reading the setup: {e}"))? else {
        return Ok(());
    };
    let setup: Setup = serde_json::from_slice(&setup).map_err(|e| format!("setup: {e}"))?;
    confined(&setup, lines)
}

/// Goes on as the confined process in a copy of the supervisor, on other pipes, and ends.
pub fn run_as_copy(setup: &Setup) -> ! {
    let served = bind_to_parent().and_then(|()| confined(setup, Lines::new(CALL_MAX)));
    if let Err(cause) = &served {
        let _ = write_all(stdio::stderr(), format!("worker: {cause}\n").as_bytes());
    }
    sys::end_at_once(i32::from(served.is_err()))
}

fn confined(setup: &Setup, mut lines: Lines) -> Result<(), String> {
    let input = stdio::stdin();
    let report = confine::apply(setup);
    let unfit = report.failed.is_some();
    send(&report)?;
    if unfit {
        return Err("not ready".to_owned());
    }
    lines.allow(CALL_MAX);
    let Some(call) = lines.wait(input).map_err(|e| format!("reading the call: {e}"))? else {
        return Ok(());
    };
    let call: Call = serde_json::from_slice(&call).map_err(|e| format!("call: {e}"))?;
    if call.tool != "Bash" {
        watch_parent()?;
    }
    let outcome = body::run(setup, &call, &mut lines);
    let reply = Reply {
        id: call.id,
        digest: call.digest,
        content: outcome.content,
        is_error: outcome.is_error,
        exit_code: outcome.exit_code,
        omitted_bytes: outcome.omitted_bytes,
    };
    if setup.backend == Backend::Bwrap {
        // Pid 1 leaves last, so that nothing outlives the reply.
        super::family::end_everyone_inside();
    }
    send(&reply)
}

/// INVARIANT (nothing stays): the end of the input is what ends a worker. On top of it comes,
/// for the first process of a namespace, the death of bubblewrap, which takes all inside along.
/// Elsewhere a signal would leave the command's processes behind, so this process inherits them
/// and ends them before itself when its supervisor is gone.
fn bind_to_parent() -> Result<(), String> {
    if std::process::id() == 1 {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|e| format!("parent death signal: {e}"))
    } else {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(|e| format!("subreaper: {e}"))
    }
}

/// Ends this process with its input while a body that does not look at it is busy. Any word of
/// the parent means the same: it sends none to a file tool.
fn watch_parent() -> Result<(), String> {
    let watch = || {
        loop {
            let input = stdio::stdin();
            match poll(&mut [PollFd::new(&input, PollFlags::IN)], None) {
                Err(rustix::io::Errno::INTR) => {}
                _ => sys::end_at_once(1),
            }
        }
    };
    let started = std::thread::Builder::new().stack_size(WATCH_STACK).spawn(watch);
    started.map(drop).map_err(|e| format!("watching the parent: {e}"))
}

fn send<T: serde::Serialize>(value: &T) -> Result<(), String> {
    let line = wire::line(value).map_err(|e| format!("writing a line: {e}"))?;
    write_all(stdio::stdout(), &line).map_err(|e| format!("answering: {e}"))
}
