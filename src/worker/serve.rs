//! The confined process: setup in, report out, call in, reply out; for file tools one after the other.
//!
//! INVARIANT (nothing before the word): a body starts only after this process confined itself,
//! reported what is in force, and then received one complete call. Without the parent's call,
//! which it sends only for an acceptable report, this process ends.

use super::body::{self, command};
use super::confine;
use super::dialogue::{Channel, write_all};
use super::handover;
use crate::sys;
use crate::worker::wire::{
    CALL_MAX, Call, Errand, Launch, Network, Reply, Report, SETUP_MAX, Setup,
};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::process::Signal;
use rustix::stdio;
use std::ffi::OsString;
use std::process::ExitCode;
use std::thread::JoinHandle;

/// Bytes of stack of the thread that watches the input.
const WATCH_STACK: usize = 64 << 10;

/// Runs as the confined process. `control` names the descriptor over which the parent speaks;
/// without it, it is standard input and output.
pub fn run(control: Option<&OsString>) -> ExitCode {
    match serve(control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            let _ = write_all(stdio::stderr(), format!("worker: {cause}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn serve(control: Option<&OsString>) -> Result<(), String> {
    bind_to_parent()?;
    let mut channel = Channel::told(control, SETUP_MAX)?;
    sys::prepare_process().map_err(|e| format!("preparing the process: {e}"))?;
    let Some(setup) = channel.wait().map_err(|e| format!("reading the setup: {e}"))? else {
        return Ok(());
    };
    let setup: Setup = serde_json::from_slice(&setup).map_err(|e| format!("setup: {e}"))?;
    confined(&setup, channel)
}

/// Goes on as the confined process in a copy of its starter, and ends.
pub fn run_as_copy(setup: &Setup, channel: Channel) -> ! {
    let served = bind_to_parent().and_then(|()| confined(setup, channel));
    if let Err(cause) = &served {
        let _ = write_all(stdio::stderr(), format!("worker: {cause}\n").as_bytes());
    }
    sys::end_at_once(i32::from(served.is_err()))
}

fn confined(setup: &Setup, mut channel: Channel) -> Result<(), String> {
    let handed = match setup.network {
        Network::Listed => handover::give(channel.input()),
        Network::None | Network::Host => Ok(()),
    };
    let report = match handed {
        Ok(()) => confine::apply(setup),
        Err(cause) => Report { failed: Some(cause), ..Report::default() },
    };
    let unfit = report.failed.is_some();
    channel.send(&report)?;
    if unfit {
        return Err("not ready".to_owned());
    }
    channel.allow(CALL_MAX);
    while let Some(order) = channel.wait().map_err(|e| format!("reading the call: {e}"))? {
        if setup.errand == Errand::Command {
            let launch: Launch =
                serde_json::from_slice(&order).map_err(|e| format!("launch: {e}"))?;
            let ending = command::run(setup, &launch, &mut channel);
            return finish(setup, &channel, &ending);
        }
        let call: Call = serde_json::from_slice(&order).map_err(|e| format!("call: {e}"))?;
        // A command leaves more behind than a reply: whatever the parent says, its worker ends.
        let stays = setup.pooled && call.stays && call.tool != "Bash";
        let reply = reply(setup, &call, &mut channel)?;
        drop(call);
        if !stays {
            return finish(setup, &channel, &reply);
        }
        channel.send(&reply)?;
    }
    Ok(())
}

fn reply(setup: &Setup, call: &Call, channel: &mut Channel) -> Result<Reply, String> {
    let watch = match call.tool.as_str() {
        "Bash" => None,
        _ => Some(ParentWatch::start()?),
    };
    let outcome = body::run(setup, call, channel);
    if let Some(watch) = watch {
        watch.end()?;
    }
    Ok(Reply {
        id: call.id.clone(),
        digest: call.digest.clone(),
        content: outcome.content,
        is_error: outcome.is_error,
        exit_code: outcome.exit_code,
        omitted_bytes: outcome.omitted_bytes,
        changed: outcome.changed,
    })
}

/// Answers, as the last thing that happens.
fn finish<T: serde::Serialize>(setup: &Setup, channel: &Channel, answer: &T) -> Result<(), String> {
    if setup.backend.has_view() {
        // Pid 1 leaves last, so that nothing outlives the reply.
        super::family::end_everyone_inside();
    } else if setup.errand == Errand::Command {
        super::family::end_descendants(None);
    }
    channel.send(answer)
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
/// the parent means the same: it sends none to a busy file tool.
struct ParentWatch {
    done: OwnedFd,
    thread: JoinHandle<()>,
}

impl ParentWatch {
    fn start() -> Result<Self, String> {
        let say = |e: std::io::Error| format!("watching the parent: {e}");
        let done = eventfd(0, EventfdFlags::CLOEXEC).map_err(|e| say(e.into()))?;
        let told = done.try_clone().map_err(say)?;
        let watch = move || {
            let input = stdio::stdin();
            loop {
                let mut both =
                    [PollFd::new(&told, PollFlags::IN), PollFd::new(&input, PollFlags::IN)];
                match poll(&mut both, None) {
                    Err(rustix::io::Errno::INTR) => continue,
                    // The next call may be there already; it comes after the reply.
                    Ok(_) if !both[0].revents().is_empty() => return,
                    _ => sys::end_at_once(1),
                }
            }
        };
        let thread = std::thread::Builder::new().stack_size(WATCH_STACK).spawn(watch);
        Ok(ParentWatch { done, thread: thread.map_err(say)? })
    }

    /// INVARIANT: over before the reply is sent, so that the parent's next word is heard as a call.
    fn end(self) -> Result<(), String> {
        rustix::io::write(&self.done, &1_u64.to_ne_bytes())
            .map_err(|e| format!("watching the parent: {e}"))?;
        self.thread.join().map_err(|_| "the watch on the parent crashed".to_owned())
    }
}
