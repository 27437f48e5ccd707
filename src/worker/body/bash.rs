//! `Bash`: one command line in a shell of its own, watched until it ends.
//!
//! One thread and one wait over four things: the parent's voice, both outputs, and the clock.
//! The command's end counts, not the end of its output: an orphan may hold the pipe open.

use super::capture::Capture;
use super::{Arguments, Outcome};
use crate::sys;
use crate::worker::confine::seccomp;
use crate::worker::dialogue::{Channel, Heard};
use crate::worker::family;
use crate::worker::usage::{self, Excess, TICK};
use crate::worker::wire::Setup;
use rustix::fd::AsFd;
use rustix::process::{Pid, PidfdFlags, Signal, WaitStatus};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between the polite signal and the final one.
const GRACE: Duration = Duration::from_millis(700);
/// How long output is still read after the command has ended.
const AFTERGLOW: Duration = Duration::from_millis(100);
/// Shells, best first. Absolute: the search path is partly a stranger's.
const SHELLS: &[&str] = &["/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh"];

/// Why a command did not run to its own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Itself,
    TimedOut,
    Excess(Excess),
    Stopped,
}

/// Runs the tool.
///
/// # Errors
/// The tool error when no shell could be started.
pub fn run(
    arguments: &Arguments<'_>,
    setup: &Setup,
    parent: &mut Channel,
) -> Result<Outcome, String> {
    let command = arguments.required("command")?;
    if command.contains('\0') {
        return Err("Error: command must not contain a NUL byte".to_owned());
    }
    let wall = Duration::from_millis(arguments.call.wall_ms);
    let limit = match arguments.count("timeout")? {
        Some(ms) if ms > 0 => Duration::from_millis(ms).min(wall),
        _ => wall,
    };
    if setup.backend.confines() {
        seccomp::apply_for_command().map_err(|e| format!("Error: {e}"))?;
    }
    sys::restore_file_size_signal();
    let mut watch = Watch::start(command, arguments, setup)?;
    let ended = watch.until_the_end(limit, setup, parent);
    let allowed = arguments.call.output_bytes;
    Ok(watch.outcome(ended, limit, allowed))
}

struct Watch {
    child: Pid,
    ended: Option<WaitStatus>,
    out: Option<File>,
    err: Option<File>,
    stdout: Capture,
    stderr: Capture,
}

impl Watch {
    fn start(command: &str, arguments: &Arguments<'_>, setup: &Setup) -> Result<Self, String> {
        let shell = SHELLS.iter().find(|shell| Path::new(shell).exists());
        let shell = shell.ok_or("Error: no shell in the sandbox (looked for bash and sh)")?;
        #[expect(clippy::disallowed_methods, reason = "the command that the permit is for")]
        let mut starter = Command::new(shell);
        starter.arg("-c").arg(command).current_dir(&arguments.cwd).env_clear();
        starter.envs(setup.environment.iter().map(|(name, value)| (name, value)));
        starter.env("PWD", &arguments.cwd);
        starter.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        starter.process_group(0);
        let mut started = starter.spawn().map_err(|e| format!("Error: starting {shell}: {e}"))?;
        let child = i32::try_from(started.id()).ok().and_then(Pid::from_raw);
        let child = child.ok_or("Error: the shell has no process id")?;
        usage::hold(child, setup);
        let cap = arguments.call.output_bytes;
        let file = |pipe: rustix::fd::OwnedFd| File::from(pipe);
        Ok(Watch {
            child,
            ended: None,
            out: started.stdout.take().map(|pipe| file(pipe.into())),
            err: started.stderr.take().map(|pipe| file(pipe.into())),
            stdout: Capture::new(cap),
            stderr: Capture::new(cap),
        })
    }

    fn until_the_end(&mut self, limit: Duration, setup: &Setup, parent: &mut Channel) -> Ended {
        let started = Instant::now();
        let pidfd = rustix::process::pidfd_open(self.child, PidfdFlags::empty()).ok();
        let mut reason = Ended::Itself;
        let mut kill_at = started + limit;
        let mut polite = true;
        loop {
            self.collect();
            if self.ended.is_some() {
                self.read_the_rest();
                return reason;
            }
            let now = Instant::now();
            if now >= kill_at {
                if reason == Ended::Itself {
                    reason = Ended::TimedOut;
                }
                self.signal(if polite { Signal::TERM } else { Signal::KILL }, setup);
                polite = false;
                kill_at = now + GRACE;
            }
            if reason == Ended::Itself
                && usage::is_limited(setup)
                && started.elapsed() >= TICK
                && let Some(excess) = usage::excess(setup)
            {
                reason = Ended::Excess(excess);
                polite = false;
                self.signal(Signal::KILL, setup);
                kill_at = now + GRACE;
            }
            let wait = kill_at.saturating_duration_since(now).min(TICK);
            self.read_some(pidfd.as_ref(), wait, parent);
            match parent.take() {
                Heard::Line(_) if reason == Ended::Itself => {
                    reason = Ended::Stopped;
                    kill_at = Instant::now();
                }
                // Nobody is left to tell.
                Heard::End => {
                    if setup.backend.has_view() {
                        family::end_everyone_inside();
                    } else {
                        family::end_descendants(None);
                    }
                    return Ended::Stopped;
                }
                _ => {}
            }
        }
    }

    /// Takes over every ended child. As pid 1 this process inherits orphans too.
    fn collect(&mut self) {
        while let Ok(Some((pid, status))) = family::reap() {
            if pid == self.child {
                self.ended = Some(status);
            }
        }
    }

    fn signal(&self, signal: Signal, setup: &Setup) {
        if setup.backend.has_view() {
            let _ = sys::signal_everyone_inside(signal.as_raw());
        } else {
            // Whatever left the group is ended by the supervisor before the reply goes out.
            let _ = rustix::process::kill_process_group(self.child, signal);
        }
    }

    fn read_some(
        &mut self,
        pidfd: Option<&rustix::fd::OwnedFd>,
        wait: Duration,
        parent: &mut Channel,
    ) {
        let mut fds = vec![parent.input()];
        let out_at = self.out.as_ref().map(|out| (fds.push(out.as_fd()), fds.len() - 1).1);
        let err_at = self.err.as_ref().map(|err| (fds.push(err.as_fd()), fds.len() - 1).1);
        if let Some(pidfd) = pidfd {
            fds.push(pidfd.as_fd());
        }
        let Ok(ready) = sys::wait_readable(&fds, wait) else { return };
        let is_ready = |at: Option<usize>| at.and_then(|at| ready.get(at)) == Some(&true);
        let (speak, out, err) = (is_ready(Some(0)), is_ready(out_at), is_ready(err_at));
        if speak {
            let _ = parent.fill();
        }
        if out && !drain(self.out.as_ref(), &mut self.stdout) {
            self.out = None;
        }
        if err && !drain(self.err.as_ref(), &mut self.stderr) {
            self.err = None;
        }
    }

    /// What is in the pipes when the command has ended, and no more.
    fn read_the_rest(&mut self) {
        let until = Instant::now() + AFTERGLOW;
        while (self.out.is_some() || self.err.is_some()) && Instant::now() < until {
            if !self.read_outputs_only() {
                return;
            }
        }
    }

    /// Whether anything was there.
    fn read_outputs_only(&mut self) -> bool {
        let mut any = false;
        for (pipe, into) in [(&mut self.out, &mut self.stdout), (&mut self.err, &mut self.stderr)] {
            let Some(file) = pipe.as_ref() else { continue };
            let ready = sys::wait_readable(&[file.as_fd()], Duration::ZERO);
            if ready.is_ok_and(|ready| ready == [true]) {
                any = true;
                if !drain(Some(file), into) {
                    *pipe = None;
                }
            }
        }
        any
    }

    fn outcome(mut self, ended: Ended, limit: Duration, allowed: usize) -> Outcome {
        if self.stdout.kept() + self.stderr.kept() > allowed {
            self.stderr.shrink(allowed / 4);
            self.stdout.shrink(allowed.saturating_sub(self.stderr.kept()));
        }
        let omitted_bytes = self.stdout.omitted() + self.stderr.omitted();
        let exit_code = self.ended.and_then(|status| {
            status.exit_status().or_else(|| status.terminating_signal().map(|n| 128 + n))
        });
        let failed = exit_code != Some(0) || ended != Ended::Itself;
        let stderr = self.stderr.text();
        let mut content = self.stdout.text();
        if !stderr.is_empty() {
            content.push_str("\nSTDERR:\n");
            content.push_str(&stderr);
        }
        let mut add = |text: &str| {
            if !content.is_empty() && !content.ends_with('\n') {
                content.push('\n');
            }
            content.push_str(text);
        };
        match (ended, exit_code) {
            (Ended::TimedOut, _) => add(&format!(
                "Command timed out: it ran longer than its limit of {} and was killed with \
                 everything it had started",
                human(limit)
            )),
            (Ended::Excess(Excess::Processes(most)), _) => add(&format!(
                "Command killed: it had more than {most} processes (the limit of this sandbox)"
            )),
            (Ended::Excess(Excess::Memory(most)), _) => add(&format!(
                "Command killed: it used more than {most} bytes of memory (the limit of this \
                 sandbox)"
            )),
            (Ended::Excess(Excess::Processor(most)), _) => add(&format!(
                "Command killed: it used more than {most} s of processor time (the limit of this \
                 sandbox)"
            )),
            (Ended::Stopped, _) => add("Error: Bash cancelled."),
            (Ended::Itself, Some(0)) => {}
            (Ended::Itself, Some(code)) => add(&format!("Command failed with exit code {code}")),
            (Ended::Itself, None) => add("Command failed: it left no exit code"),
        }
        if content.is_empty() {
            content.push_str("(no output)");
        }
        Outcome { content, is_error: failed, exit_code, omitted_bytes, changed: None }
    }
}

/// One read. `false` at the end of the stream.
fn drain(pipe: Option<&File>, into: &mut Capture) -> bool {
    let Some(pipe) = pipe else { return false };
    let mut chunk = vec![0_u8; 64 << 10];
    match rustix::io::read(pipe, &mut chunk[..]) {
        Ok(0) => false,
        Ok(n) => {
            into.push(chunk.get(..n).unwrap_or_default());
            true
        }
        Err(error) => matches!(error, rustix::io::Errno::INTR | rustix::io::Errno::AGAIN),
    }
}

fn human(limit: Duration) -> String {
    let ms = limit.as_millis();
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}
