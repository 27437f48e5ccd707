//! Starts the confined process as a copy of this one: no second program start, and memory that
//! both share.
//!
//! With a view to build, the copy is the first process of new namespaces. This process must
//! have one thread and know nothing but the setup.

use super::dialogue::Channel;
use super::serve;
use super::view::{self, Owner};
use crate::sys;
use crate::worker::backend::Backend;
use crate::worker::wire::{CALL_MAX, Errand, Network, Report, Setup};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::Pid;
use rustix::stdio;
use std::io;

/// The confined process as its starter sees it.
pub struct Body {
    /// Its number, here.
    pub pid: Pid,
    /// What it hears.
    pub input: OwnedFd,
    /// What it answers.
    pub output: OwnedFd,
}

/// Starts it. Its first answer is its report.
///
/// # Errors
/// From the system.
pub fn start(setup: &Setup) -> io::Result<Body> {
    if setup.backend == Backend::Birdcage {
        return caged(setup);
    }
    let (its_input, input) = match setup.network {
        // A descriptor can be handed over by it.
        Network::Listed => {
            let kind = SocketType::STREAM;
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?
        }
        Network::None | Network::Host => pipe_with(PipeFlags::CLOEXEC)?,
    };
    let (output, its_output) = pipe_with(PipeFlags::CLOEXEC)?;
    let owner = Owner::of_this_process();
    let copy = match setup.backend {
        Backend::Userns => sys::fork_into_namespaces(setup.network != Network::Host)?,
        Backend::Bwrap | Backend::Birdcage | Backend::Landlock | Backend::None => sys::fork()?,
    };
    if let Some(pid) = copy {
        return Ok(Body { pid, input, output });
    }
    // The starter's own ends must not stay open in here: their closing means its end.
    drop((input, output));
    if setup.errand == Errand::Command {
        // What else the starter holds open (folders of the host among it) has no place in here.
        sys::close_all_but([its_input.as_fd(), its_output.as_fd()]);
    }
    let Ok(channel) = channel(setup.errand, its_input, its_output) else { sys::end_at_once(1) };
    if setup.backend == Backend::Userns
        && let Err(cause) = view::enter(setup, owner)
    {
        let _ = channel.send(&Report { failed: Some(cause), ..Report::default() });
        sys::end_at_once(1);
    }
    serve::run_as_copy(setup, channel)
}

#[cfg(feature = "birdcage")]
fn caged(setup: &Setup) -> io::Result<Body> {
    super::cage::start(setup)
}

/// FAIL CLOSED: the parent refuses it before, and a worker that is told all the same starts nothing.
#[cfg(not(feature = "birdcage"))]
fn caged(_: &Setup) -> io::Result<Body> {
    Err(io::Error::other("built without the feature birdcage"))
}

/// A tool's worker speaks by its standard streams, so that the starter's own are closed; a
/// command needs them.
fn channel(errand: Errand, input: OwnedFd, output: OwnedFd) -> io::Result<Channel> {
    match errand {
        Errand::Tool => {
            stdio::dup2_stdin(&input)?;
            stdio::dup2_stdout(&output)?;
            Ok(Channel::stdio(CALL_MAX))
        }
        Errand::Command => Ok(Channel::own(input, output, CALL_MAX)),
    }
}
