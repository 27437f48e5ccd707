//! Every call that needs `unsafe`: a few signals, descriptors and the state of fds 0-2 at start.
//!
//! What a safe crate already offers (rustix, landlock, seccompiler) is not repeated here. Each
//! function is a thin, total wrapper: no policy, no allocation that matters. Read
//! `sandbox::spawn` and `worker` for the users.
#![expect(unsafe_code, reason = "the only file that calls the C library directly")]

use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{Interest, unix::AsyncFd};

static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);
static STDERR_CLOSED: AtomicBool = AtomicBool::new(false);

/// Looks at fds 1 and 2 before Rust's runtime puts `/dev/null` on closed ones: a run whose
/// output goes nowhere must be able to say so instead of reporting success.
extern "C" fn note_closed_descriptors() {
    // SAFETY: F_GETFD only reads a flag; an unopened descriptor answers EBADF.
    let closed = |fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
    STDOUT_CLOSED.store(closed(1), Ordering::Relaxed);
    STDERR_CLOSED.store(closed(2), Ordering::Relaxed);
}

// SAFETY: the loader calls each entry of this section once, before `main`, on the only thread;
// the function touches two atomics and no runtime state.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = note_closed_descriptors;

/// Whether standard output was closed when the process started.
pub fn stdout_was_closed() -> bool {
    STDOUT_CLOSED.load(Ordering::Relaxed)
}

/// Whether standard error was closed when the process started.
pub fn stderr_was_closed() -> bool {
    STDERR_CLOSED.load(Ordering::Relaxed)
}

/// What `main` does before anything else: no dump and no reading of this memory by processes
/// of the same user, no inherited descriptor passed on to a child, and a file size limit that
/// answers EFBIG (a refusal) instead of killing the process before it can refuse.
///
/// # Errors
/// A step that the kernel refused; the caller must not go on.
pub fn prepare_process() -> io::Result<()> {
    set_file_size_signal(libc::SIG_IGN);
    close_on_exec_above_two()?;
    hide_memory()
}

/// What a command expects: a file over the limit ends the program that writes it. Ignored
/// signals survive `exec`, so this comes before a command is started.
pub fn restore_file_size_signal() {
    set_file_size_signal(libc::SIG_DFL);
}

/// A secret in memory must not be readable through `/proc/PID/mem`, and a tool must not reach
/// the worker's reply pipe through `/proc/PID/fd`. Undone by `exec`, so children are unaffected.
fn hide_memory() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

fn set_file_size_signal(action: libc::sighandler_t) {
    // SAFETY: SIG_IGN and SIG_DFL run no code of ours; SIGXFSZ is a valid signal number.
    unsafe { libc::signal(libc::SIGXFSZ, action) };
}

fn close_on_exec_above_two() -> io::Result<()> {
    // SAFETY: only sets a flag on descriptors; none is closed under its owner.
    let done =
        unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 {
        return Ok(());
    }
    for fd in open_descriptors().filter(|fd| *fd > 2) {
        // SAFETY: as above; an unopened number answers EBADF and nothing happens.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// Every descriptor, or, where the kernel does not list them, every number that could be one.
fn open_descriptors() -> Box<dyn Iterator<Item = libc::c_int>> {
    let number =
        |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    match std::fs::read_dir("/proc/self/fd") {
        Ok(entries) => Box::new(entries.filter_map(number).collect::<Vec<_>>().into_iter()),
        Err(_) => {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
            Box::new(0..limit.maximum.unwrap_or(65_536).min(65_536) as libc::c_int)
        }
    }
}

/// Makes a copy of this process; `None` in the copy. Cheaper than starting the program again,
/// and the copy shares its memory until one of the two writes.
///
/// # Errors
/// From the system, and where there is more than one thread: whatever the others hold would
/// stay held in the copy for ever.
pub fn fork() -> io::Result<Option<rustix::process::Pid>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("more than one thread"));
    }
    // SAFETY: this is the only thread, so the copy finds every lock free.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(rustix::process::Pid::from_raw(pid)),
    }
}

/// Waits until one of the descriptors can be read (or its other end is gone), or time is up.
/// The answer has one flag for each descriptor, in order.
///
/// # Errors
/// Whatever `poll` reports; an interruption counts as "nothing yet".
pub fn wait_readable(fds: &[BorrowedFd<'_>], timeout: Duration) -> io::Result<Vec<bool>> {
    let mut list: Vec<libc::pollfd> = fds
        .iter()
        .map(|fd| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    // Rounded up: a wait of 0.4 ms must not turn into a busy loop.
    let ms = timeout.as_micros().div_ceil(1000).min(i32::MAX as u128) as libc::c_int;
    // SAFETY: pointer and length describe `list`, which outlives the call.
    let n = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, ms) };
    if n < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok(vec![false; fds.len()]);
    }
    Ok(list.iter().map(|entry| entry.revents != 0).collect())
}

/// Sends a signal to every process that this one may signal, itself excepted. Only for pid 1
/// of a namespace: anywhere else that would be the user's whole session.
///
/// # Errors
/// Refused unless this process is pid 1; `ESRCH` (nobody left) is success.
pub fn signal_everyone_inside(signal: libc::c_int) -> io::Result<()> {
    // FAIL CLOSED: outside a pid namespace `kill(-1)` would end the user's session.
    if std::process::id() != 1 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "not pid 1"));
    }
    // SAFETY: plain system call without pointers.
    if unsafe { libc::kill(-1, signal) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
}

/// Ends this process at once, with all its threads and without running anything of theirs.
pub fn end_at_once(code: libc::c_int) -> ! {
    // SAFETY: never returns, touches no memory.
    unsafe { libc::_exit(code) }
}

/// Lets the runtime watch a descriptor that it owns from now on.
///
/// # Errors
/// The kind of file cannot be watched.
pub fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same open descriptor until it is dropped, which happens
    // after the registration has ended: the result owns both.
    Ok(unsafe { AsyncFd::register(fd)? })
}

/// Waits until `fd` can be read, for example until the process of a pidfd has ended.
///
/// # Errors
/// The runtime cannot watch it.
pub async fn readable(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the registration lives in this function only, and the borrow keeps the descriptor
    // open (and the same) beyond it.
    let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE)? };
    let _ready = watched.readable().await?;
    Ok(())
}
