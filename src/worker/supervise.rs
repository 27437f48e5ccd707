//! The process between the parent and a confined one that is a copy of it.
//!
//! It is not confined itself, runs nothing that a model asked for, and has one purpose: when
//! the reply is there, or the parent is gone, or anything is odd, no descendant stays. It keeps
//! a reply back until that is true.

use super::dialogue::{Channel, Heard, Lines, write_all};
use super::family;
use super::handover;
use super::start::{self, Body};
use crate::sys;
use crate::worker::wire::{CALL_MAX, Network, REPORT_MAX, SETUP_MAX, Setup, WirePath};
use rustix::fd::AsFd;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions};
use rustix::stdio;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Longest reply that is passed on; the parent has its own, smaller bound.
const REPLY_MAX: usize = 512 << 20;

/// Runs as the supervisor. `control` as in [`serve::run`](super::serve::run).
pub fn run(control: Option<&OsString>) -> ExitCode {
    let outcome = supervise(control);
    let clean = family::end_descendants(None);
    match outcome {
        Ok(()) if clean => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(cause) => {
            let _ = write_all(stdio::stderr(), format!("supervisor: {cause}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn supervise(control: Option<&OsString>) -> Result<(), String> {
    let mut parent = Channel::told(control, SETUP_MAX)?;
    sys::prepare_process().map_err(|e| format!("preparing the process: {e}"))?;
    let Some(setup) = parent.wait().map_err(|e| format!("setup: {e}"))? else {
        return Ok(());
    };
    let setup: Setup = serde_json::from_slice(&setup).map_err(|e| format!("setup: {e}"))?;
    attend(setup, parent)
}

/// Starts a copy of this process as the supervisor of a command that uses the standard streams.
///
/// # Errors
/// From the system.
pub fn start_copy(setup: &Setup) -> io::Result<Body> {
    let (its_input, input) = pipe_with(PipeFlags::CLOEXEC)?;
    let (output, its_output) = pipe_with(PipeFlags::CLOEXEC)?;
    if let Some(pid) = sys::fork()? {
        return Ok(Body { pid, input, output });
    }
    // Their closing means the parent's end.
    drop((input, output));
    let parent = Channel::own(its_input, its_output, CALL_MAX);
    let clean = attend(setup.clone(), parent).is_ok() & family::end_descendants(None);
    sys::end_at_once(i32::from(!clean))
}

fn attend(mut setup: Setup, parent: Channel) -> Result<(), String> {
    let say = |what: &'static str| move |e: rustix::io::Errno| format!("{what}: {e}");
    // No controlling terminal from here on, for it and for all it starts.
    rustix::process::setsid().map_err(say("setsid"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(say("subreaper"))?;
    let temporary = private_folder(&mut setup)?;
    let (outcome, body, parent) = relay(&setup, parent);
    // After the tree is gone, so that nothing writes into it while it goes.
    let clean = family::end_descendants(body);
    if let Some(folder) = temporary {
        let _ = std::fs::remove_dir_all(folder);
    }
    let reply = outcome?;
    if !clean {
        return Err("a process of the call could not be ended".to_owned());
    }
    match reply {
        Some(reply) => write_all(parent.output(), &reply).map_err(|e| format!("reply: {e}")),
        None => Ok(()),
    }
}

/// Makes the call's own temporary folder and home, and lets it in.
fn private_folder(setup: &mut Setup) -> Result<Option<PathBuf>, String> {
    let Some(below) = setup.temporary.take() else { return Ok(None) };
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|e| format!("temporary folder: {e}"))?;
    let folder = below.to_path().join(format!("ion-{:016x}", u64::from_ne_bytes(random)));
    // Private, and refused when the name exists: somebody else could own what lies there.
    let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
    made.map_err(|e| format!("temporary folder {}: {e}", folder.display()))?;
    setup.write.push(WirePath::new(&folder));
    let text = folder.to_string_lossy().into_owned();
    for (name, value) in &mut setup.environment {
        if name == "TMPDIR" || name == "HOME" {
            value.clone_from(&text);
        }
    }
    Ok(Some(folder))
}

/// Passes lines on in both directions until the reply is complete; `None` when the parent left.
/// Also gives the worker, if it was started.
fn relay(
    setup: &Setup,
    mut parent: Channel,
) -> (Result<Option<Vec<u8>>, String>, Option<Pid>, Channel) {
    match start::start(setup) {
        Ok(body) => {
            let handed = match setup.network {
                Network::Listed => hand_on(&body, &parent),
                Network::None | Network::Host => Ok(()),
            };
            let outcome = handed.and_then(|()| pass_lines(setup.pooled, &body, &mut parent));
            (outcome, Some(body.pid), parent)
        }
        Err(error) => (Err(format!("starting the worker: {error}")), None, parent),
    }
}

/// Passes the proxy's listener on, which comes before the report.
fn hand_on(body: &Body, parent: &Channel) -> Result<(), String> {
    let say = |e: io::Error| format!("the proxy's listener: {e}");
    let inputs = [parent.input(), body.input.as_fd()];
    let ready = sys::wait_readable(&inputs, Duration::from_secs(10)).map_err(say)?;
    if ready != [false, true] {
        return Err("the proxy's listener: not handed over".to_owned());
    }
    let listener = handover::take(body.input.as_fd()).map_err(say)?;
    handover::pass(parent.input(), listener.as_fd()).map_err(say)
}

/// Replies of a `pooled` worker are passed on at once: its calls start no process that could
/// outlive them. It ends with its input, or by itself after a reply.
fn pass_lines(pooled: bool, body: &Body, parent: &mut Channel) -> Result<Option<Vec<u8>>, String> {
    let mut answers = Lines::new(REPORT_MAX);
    let mut reported = false;
    let mut open_calls = 0_u32;
    parent.allow(CALL_MAX);
    loop {
        let inputs = [parent.input(), body.output.as_fd()];
        let ready = sys::wait_readable(&inputs, Duration::from_secs(3600))
            .map_err(|e| format!("waiting: {e}"))?;
        if ready.first() == Some(&true) {
            parent.fill().map_err(|e| format!("reading: {e}"))?;
        }
        if ready.get(1) == Some(&true) {
            answers.fill(body.output.as_fd()).map_err(|e| format!("worker: {e}"))?;
        }
        loop {
            match parent.take() {
                Heard::Line(mut line) => {
                    line.push(b'\n');
                    // A worker that no longer listens is found out by its missing reply.
                    let _ = write_all(&body.input, &line);
                    open_calls += 1;
                }
                Heard::End => return Ok(None),
                Heard::Nothing => break,
            }
        }
        match answers.take() {
            Heard::Line(mut line) => {
                line.push(b'\n');
                if reported && !pooled {
                    return Ok(Some(line));
                }
                write_all(parent.output(), &line).map_err(|e| format!("passing on: {e}"))?;
                open_calls = if reported { open_calls.saturating_sub(1) } else { open_calls };
                reported = true;
                answers.allow(REPLY_MAX);
            }
            Heard::End if pooled && reported && open_calls == 0 => return Ok(None),
            Heard::End => return Err(describe_end(body.pid)),
            Heard::Nothing => {}
        }
    }
}

/// It has closed its output, so it is ending; a wait without bound it does not get.
fn describe_end(pid: Pid) -> String {
    let until = Instant::now() + Duration::from_secs(1);
    while Instant::now() < until {
        match rustix::process::waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => {
                let how = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => format!("exit code {code}"),
                    (None, Some(signal)) => format!("signal {signal}"),
                    (None, None) => "unknown".to_owned(),
                };
                return format!("the worker ended without a reply ({how})");
            }
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(_) => break,
        }
    }
    "the worker stopped answering".to_owned()
}
