//! A program with the worker's own standard streams: what `ion sandbox run` is for.
//!
//! The parent speaks meanwhile: `signal N` is passed on to the program's process group, `stop`
//! ends it. The program's end counts, not the end of what it started.

use crate::sys;
use crate::worker::dialogue::{Channel, Heard};
use crate::worker::family;
use crate::worker::usage::{self, Excess, TICK};
use crate::worker::wire::{Ending, Launch, Setup};
use rustix::fd::AsFd;
use rustix::process::{Pid, PidfdFlags, Signal, WaitStatus};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Between the polite signal and the final one.
const GRACE: Duration = Duration::from_millis(700);
/// A wait without a limit.
const LONG: Duration = Duration::from_secs(3600);

/// Runs it to its end.
pub fn run(setup: &Setup, launch: &Launch, parent: &mut Channel) -> Ending {
    sys::restore_file_size_signal();
    match start(setup, launch) {
        Ok(child) => watch(child, setup, launch, parent),
        Err(error) => Ending::NotStarted {
            code: error.raw_os_error().unwrap_or(libc::EINVAL),
            words: error.to_string(),
        },
    }
}

fn start(setup: &Setup, launch: &Launch) -> io::Result<Pid> {
    sys::release_signals()?;
    let mut words = launch.command.iter().map(|word| word.to_path());
    let program = words.next().ok_or(io::ErrorKind::InvalidInput)?;
    let cwd = setup.cwd.to_path();
    #[expect(clippy::disallowed_methods, reason = "the command that the worker was made for")]
    let mut starter = Command::new(program);
    starter.args(words).current_dir(&cwd).env_clear();
    starter.envs(setup.environment.iter().map(|(name, value)| (name, value)));
    starter.env("PWD", &cwd).process_group(0);
    let child = starter.spawn()?;
    i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::Other.into())
}

fn watch(child: Pid, setup: &Setup, launch: &Launch, parent: &mut Channel) -> Ending {
    let pidfd = rustix::process::pidfd_open(child, PidfdFlags::empty()).ok();
    let limit = launch.wall_ms.map(Duration::from_millis);
    let limited = usage::is_limited(setup);
    usage::hold(child, setup);
    let mut reason = None;
    let mut kill_at = limit.map(|limit| Instant::now() + limit);
    let mut polite = true;
    let mut next_look = Instant::now() + TICK;
    loop {
        if let Some(status) = ended(child) {
            return reason.unwrap_or_else(|| ending(status));
        }
        let now = Instant::now();
        if kill_at.is_some_and(|at| now >= at) {
            reason.get_or_insert(Ending::TimedOut);
            pass_on(child, if polite { Signal::TERM } else { Signal::KILL });
            polite = false;
            kill_at = Some(now + GRACE);
        }
        if limited && now >= next_look {
            next_look = now + TICK;
            if let Some(excess) = usage::excess(setup).filter(|_| reason.is_none()) {
                reason = Some(match excess {
                    Excess::Processes(most) => Ending::TooMany(most),
                    Excess::Memory(most) => Ending::TooMuch(most),
                    Excess::Processor(most) => Ending::TooLong(most),
                });
                end_all(setup);
                kill_at = Some(now + GRACE);
                polite = false;
            }
        }
        let mut wait = kill_at.map_or(LONG, |at| at.saturating_duration_since(now));
        if limited || pidfd.is_none() {
            wait = wait.min(TICK);
        }
        let mut fds = vec![parent.input()];
        fds.extend(pidfd.as_ref().map(AsFd::as_fd));
        let spoke = sys::wait_readable(&fds, wait).is_ok_and(|ready| ready.first() == Some(&true));
        if spoke {
            let _ = parent.fill();
        }
        loop {
            match parent.take() {
                Heard::Line(line) => match signal_of(&line) {
                    Some(signal) => pass_on(child, signal),
                    None => kill_at = Some(Instant::now()),
                },
                // Nobody is left to run for.
                Heard::End => {
                    end_all(setup);
                    return Ending::Signalled(libc::SIGKILL);
                }
                Heard::Nothing => break,
            }
        }
    }
}

/// Takes over every ended child: as the first process, this one inherits orphans too.
fn ended(child: Pid) -> Option<WaitStatus> {
    let mut found = None;
    while let Ok(Some((pid, status))) = family::reap() {
        if pid == child {
            found = Some(status);
        }
    }
    found
}

fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or(libc::SIGKILL)),
    }
}

fn end_all(setup: &Setup) {
    match setup.backend.has_view() {
        true => family::signal_inside_except_this(libc::SIGKILL),
        false => family::signal_descendants(Signal::KILL),
    }
}

fn pass_on(child: Pid, signal: Signal) {
    if rustix::process::kill_process_group(child, signal).is_err() {
        let _ = rustix::process::kill_process(child, signal);
    }
}

/// `signal N`; anything else is the order to stop.
fn signal_of(line: &[u8]) -> Option<Signal> {
    let number = std::str::from_utf8(line).ok()?.strip_prefix("signal ")?.parse().ok()?;
    Signal::from_named_raw(number)
}
