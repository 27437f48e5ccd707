//! Every call that needs `unsafe`: a few signals, descriptors and the state of fds 0-2 at start.
//!
//! What a safe crate already offers (rustix, landlock, seccompiler) is not repeated here. Each
//! function is a thin, total wrapper: no policy, no allocation that matters. Read
//! `sandbox::spawn` and `worker` for the users.
#![expect(unsafe_code, reason = "the only file that calls the C library directly")]

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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

/// Makes a copy of this process in new namespaces, as the first process of its own process
/// table; `None` in the copy. See `clone(2)`, `user_namespaces(7)`.
///
/// # Errors
/// From the system, and where there is more than one thread (see [`fork`]).
pub fn fork_into_namespaces(network: bool) -> io::Result<Option<rustix::process::Pid>> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("more than one thread"));
    }
    let mut flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::SIGCHLD;
    if network {
        flags |= libc::CLONE_NEWNET;
    }
    // SAFETY: without a stack and without shared memory `clone` is `fork`; this is the only
    // thread, so the copy finds every lock free. The order of arguments is the same on all
    // architectures that this program is built for as long as all but the first are zero.
    match unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_ulong, 0, 0, 0, 0) } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(rustix::process::Pid::from_raw(pid as libc::pid_t)),
    }
}

/// What a mount forbids, for [`restrict_mount`]. Values of `MOUNT_ATTR_*` in `mount_setattr(2)`.
#[derive(Debug, Clone, Copy)]
pub struct MountLimits {
    /// Nothing can be written.
    pub read_only: bool,
    /// Device files cannot be opened.
    pub no_devices: bool,
    /// Also for everything that is mounted below.
    pub below: bool,
}

/// Forbids set-user-id programs, and what `limits` says, on a mount.
///
/// # Errors
/// From the system.
pub fn restrict_mount(mount: BorrowedFd<'_>, limits: MountLimits) -> io::Result<()> {
    let mut set = libc::MOUNT_ATTR_NOSUID;
    if limits.read_only {
        set |= libc::MOUNT_ATTR_RDONLY;
    }
    if limits.no_devices {
        set |= libc::MOUNT_ATTR_NODEV;
    }
    let attributes = libc::mount_attr { attr_set: set, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let below = if limits.below { libc::AT_RECURSIVE } else { 0 };
    let flags = libc::AT_EMPTY_PATH | below;
    // SAFETY: the path is a constant, the structure outlives the call and its size is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Switches on the loopback interface of a new network namespace.
///
/// # Errors
/// From the system.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: all bytes zero is a valid value of this structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(c"lo".to_bytes_with_nul()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the structure outlives the call, which reads it.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Overwrites the environment that this process was started with, so that no copy of it can
/// show it. Whoever needs it has captured it before.
pub fn wipe_environment() {
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: called on the only thread. The block that the kernel made belongs to this process
    // and is writable; each entry is a string with its end. The list is emptied before anybody
    // can look at an overwritten entry.
    unsafe {
        let list = environ;
        if list.is_null() {
            return;
        }
        let mut at = list;
        while !(*at).is_null() {
            let length = libc::strlen(*at);
            std::ptr::write_bytes((*at).cast::<u8>(), 0, length);
            at = at.add(1);
        }
        *list = std::ptr::null_mut();
    }
}

/// Takes over a descriptor that this process was started with.
///
/// # Errors
/// None is open under that number, or it is one of the standard streams.
pub fn inherited(number: libc::c_int) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: F_GETFD only reads a flag; an unopened descriptor answers EBADF.
    if number <= 2 || unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: open, and named by whoever started this process for this use alone: called once,
    // before anything else was opened.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Signals that are passed on to a command that this process stands in for.
const PASSED_ON: &[libc::c_int] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
];

/// Signals that arrive as data instead of ending this process; see `signalfd(2)`.
#[derive(Debug)]
pub struct Signals(OwnedFd);

/// Blocks the signals that a command should get instead, and makes them readable. What is started
/// from here inherits that: see [`release_signals`].
///
/// # Errors
/// From the system.
pub fn catch_signals() -> io::Result<Signals> {
    use std::os::fd::FromRawFd;
    // SAFETY: all bytes zero is a valid value of this type, which the next call initialises.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid signal set that outlives the calls, the numbers are valid.
    let made = unsafe {
        libc::sigemptyset(&raw mut set);
        for signal in PASSED_ON {
            libc::sigaddset(&raw mut set, *signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just made and belongs to nobody else.
    Ok(Signals(unsafe { OwnedFd::from_raw_fd(made) }))
}

impl Signals {
    /// The number of the next signal that has arrived.
    pub fn next(&self) -> Option<u32> {
        let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.0, &mut record[..]) {
            Ok(n) if n == record.len() => {
                // The first field is the number.
                record.first_chunk().map(|number| u32::from_ne_bytes(*number))
            }
            _ => None,
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Closes every descriptor above the standard streams but two. Only for a copy of a process that
/// never runs the code that owned the others.
pub fn close_all_but(kept: [BorrowedFd<'_>; 2]) {
    let [first, second] = kept.map(|fd| fd.as_raw_fd() as libc::c_uint);
    let (low, high) = (first.min(second), first.max(second));
    for (from, to) in
        [(3, low.saturating_sub(1)), (low + 1, high.saturating_sub(1)), (high + 1, u32::MAX)]
    {
        if from <= to {
            // SAFETY: plain numbers; see above for why nobody misses what is closed.
            unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
        }
    }
}

/// The kernel's version of Landlock, 0 for none; see `landlock_create_ruleset(2)`.
pub fn landlock_version() -> u32 {
    const ASK_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no structure and makes nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<u8>(),
            0_usize,
            ASK_VERSION,
        )
    };
    u32::try_from(version).unwrap_or(0)
}

/// Whether a terminal is among the standard streams.
pub fn has_terminal() -> bool {
    use rustix::stdio::{stderr, stdin, stdout};
    [stdin(), stdout(), stderr()].iter().any(rustix::termios::isatty)
}

/// Lets every signal through again, before a command is started that would inherit the blocking.
///
/// # Errors
/// From the system.
pub fn release_signals() -> io::Result<()> {
    // SAFETY: all bytes zero is a valid value of this type, which the next call initialises.
    let mut none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: a valid, empty signal set that outlives the calls.
    let done = unsafe {
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut())
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
