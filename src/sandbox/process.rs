//! A started backend: its pipes, its end, and the proof that nothing of it is left.
//!
//! INVARIANT (nothing stays): every way out of this file first closes the worker's input, which
//! is its order to end everything it started. Bubblewrap is never killed before that, and then
//! only as a group: its child waits for it without a death signal while namespaces are made, so
//! killing the outer process alone would leave the inner one behind for ever. It leaves the
//! group in the same breath in which it becomes the worker, which listens to its input.
//! No wait here is without a deadline.

use crate::sys;
use crate::worker::backend::Backend;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use std::io::{self, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often the end is looked for where the kernel has no descriptors for processes.
const LOOK: Duration = Duration::from_millis(2);
/// How long a dropped call is waited for, so that its protection outlives its processes.
const DROPPED: Duration = Duration::from_millis(400);

/// Ended or ending processes whose status nobody has fetched; see [`fetch_left`].
static LEFT: Mutex<Vec<Held>> = Mutex::new(Vec::new());

/// A backend's process and this side of its pipes.
pub(crate) struct Process {
    /// Closing it is the order to end.
    pub stdin: Option<ChildStdin>,
    /// Lines of the worker.
    pub stdout: Option<ChildStdout>,
    /// Words of bubblewrap, a supervisor or a worker, never of a tool.
    pub stderr: Option<ChildStderr>,
    /// Whether a body may be running.
    pub busy: bool,
    held: Option<Held>,
}

/// The process without its pipes.
struct Held {
    backend: Backend,
    child: Child,
    pidfd: Option<OwnedFd>,
    /// Fetched: the number may be somebody else's by now.
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`, with all three pipes.
    ///
    /// # Errors
    /// From the system.
    pub fn start(mut command: Command, backend: Backend) -> io::Result<Self> {
        fetch_left();
        let mut child = command.spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pidfd = pid.and_then(|p| rustix::process::pidfd_open(p, PidfdFlags::empty()).ok());
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let held = Some(Held { backend, child, pidfd, status: None });
        Ok(Process { stdin, stdout, stderr, busy: false, held })
    }

    /// Its number, while nobody else can have it.
    pub fn id(&self) -> Option<Pid> {
        let held = self.held.as_ref().filter(|held| held.status.is_none())?;
        i32::try_from(held.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Writes all of `bytes`, or gives up at the deadline.
    ///
    /// # Errors
    /// The reader is gone, or it did not read in time.
    pub fn write(&mut self, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        rustix::io::ioctl_fionbio(&*stdin, true)?;
        while !bytes.is_empty() {
            match stdin.write(bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_writable(stdin, deadline)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what comes on standard output; 0 at its end, when the process has ended, or at the
    /// deadline. A stuck descendant may hold the pipe open beyond the process.
    pub fn read(&mut self, into: &mut [u8], deadline: Instant) -> usize {
        loop {
            let ended = self.has_ended();
            let (Some(stdout), Some(held)) = (&mut self.stdout, &self.held) else { return 0 };
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = if ended { Duration::ZERO } else { left };
            let mut fds = vec![stdout.as_fd()];
            match &held.pidfd {
                Some(pidfd) => fds.push(pidfd.as_fd()),
                None => fds.truncate(1),
            }
            let wait = if held.pidfd.is_none() { wait.min(LOOK) } else { wait };
            let Ok(ready) = sys::wait_readable(&fds, wait) else { return 0 };
            if ready.first() == Some(&true) {
                match stdout.read(into) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    other => return other.unwrap_or(0),
                }
            }
            if ended || left.is_zero() {
                return 0;
            }
        }
    }

    /// Takes up to `most` bytes of standard error within `patience`.
    pub fn said(&mut self, most: usize, patience: Duration) -> Vec<u8> {
        let (mut said, deadline) = (Vec::new(), Instant::now() + patience);
        let Some(stderr) = &mut self.stderr else { return said };
        let mut chunk = [0_u8; 1024];
        while said.len() < most {
            let left = deadline.saturating_duration_since(Instant::now());
            match sys::wait_readable(&[stderr.as_fd()], left) {
                Ok(ready) if ready == [true] => {}
                Ok(_) if !left.is_zero() => continue,
                _ => break,
            }
            match stderr.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(n) => said.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            }
        }
        said
    }

    /// `fd`, and what tells of the end, to wait for together.
    pub fn watched<'a>(&'a self, fd: BorrowedFd<'a>) -> Vec<BorrowedFd<'a>> {
        let pidfd = self.held.as_ref().and_then(|held| held.pidfd.as_ref());
        [Some(fd), pidfd.map(AsFd::as_fd)].into_iter().flatten().collect()
    }

    /// Whether it has ended. Its status is left to be fetched.
    pub fn has_ended(&self) -> bool {
        self.held.as_ref().is_none_or(Held::has_ended)
    }

    /// Waits for the end and fetches the status; `None` when it did not end in time.
    pub async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let held = self.held.as_mut()?;
        let end = async {
            if let Some(pidfd) = &held.pidfd
                && sys::readable(pidfd.as_fd()).await.is_ok()
            {
                return;
            }
            while !held.has_ended() {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(patience, end).await.ok()?;
        held.fetch()
    }

    /// As [`wait`](Self::wait), on this thread.
    pub fn wait_here(&mut self, patience: Duration) -> Option<ExitStatus> {
        let held = self.held.as_mut()?;
        let deadline = Instant::now() + patience;
        while !held.has_ended() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            match &held.pidfd {
                Some(pidfd) => drop(sys::wait_readable(&[pidfd.as_fd()], left)),
                None => std::thread::sleep(LOOK.min(left)),
            }
        }
        held.fetch()
    }

    /// Closes the input and, after that, kills what has not ended by itself.
    pub fn kill(&mut self) {
        self.stdin = None;
        if let Some(held) = &mut self.held {
            held.kill();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        // A body may still write for a moment: mounts that protect names from it must stay.
        if self.busy && !self.has_ended() && self.wait_here(DROPPED).is_none() {
            self.kill();
        }
        if let Some(mut held) = self.held.take()
            && held.fetch().is_none()
            && let Ok(mut left) = LEFT.lock()
        {
            left.push(held);
        }
    }
}

impl Held {
    fn has_ended(&self) -> bool {
        self.status.is_some() || has_ended(&self.child)
    }

    /// The status, if it has ended. Before its number can be given to somebody else, whatever
    /// is left of its group is ended.
    fn fetch(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() && self.has_ended() {
            self.kill();
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    fn kill(&mut self) {
        if self.status.is_some() {
            return;
        }
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        match (self.backend, pid) {
            (Backend::Bwrap, Some(pid)) => {
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            }
            _ => {
                let _ = self.child.kill();
            }
        }
    }
}

fn has_ended(child: &Child) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return false };
    let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match rustix::process::waitid(WaitId::Pid(pid), how) {
        Ok(found) => found.is_some(),
        Err(rustix::io::Errno::INTR) => false,
        // Fetched already.
        Err(_) => true,
    }
}

/// Fetches the status of what ended after nobody waited for it any more.
pub(crate) fn fetch_left() {
    if let Ok(mut left) = LEFT.lock() {
        left.retain_mut(|held| held.fetch().is_none());
    }
}

fn wait_writable(stdin: &ChildStdin, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let timeout = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
    match poll(&mut [PollFd::new(stdin, PollFlags::OUT)], Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
