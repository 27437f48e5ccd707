//! The confined process: setup in, report out, call in, reply out.
//!
//! INVARIANT (nothing before the word): a body starts only after this process confined itself,
//! reported what is in force, and then received one complete call. Without the parent's call,
//! which it sends only for an acceptable report, this process ends.

use super::dialogue::{Lines, write_all};
use super::{body, confine};
use crate::sys;
use crate::worker::wire::{self, Backend, CALL_MAX, Call, Reply, SETUP_MAX, Setup};
use rustix::process::Signal;
use rustix::stdio;
use std::process::ExitCode;

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
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|e| format!("parent death signal: {e}"))?;
    sys::prepare_process().map_err(|e| format!("preparing the process: {e}"))?;
    let input = stdio::stdin();
    let mut lines = Lines::new(SETUP_MAX);
    let Some(setup) = lines.wait(input).map_err(|e| format!("reading the setup: {e}"))? else {
        return Ok(());
    };
    let setup: Setup = serde_json::from_slice(&setup).map_err(|e| format!("setup: {e}"))?;
    let report = confine::apply(&setup);
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
    let outcome = body::run(&setup, &call, &mut lines);
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

fn send<T: serde::Serialize>(value: &T) -> Result<(), String> {
    let line = wire::line(value).map_err(|e| format!("writing a line: {e}"))?;
    write_all(stdio::stdout(), &line).map_err(|e| format!("answering: {e}"))
}
