//! The system-call filter: allow by default, with the kernel's risky doors shut.
//!
//! It is the last layer put on, because the earlier ones need calls that it takes away. Refusals
//! are EPERM; `clone3` is ENOSYS, since a filter cannot see its flags and the C library then falls
//! back to `clone`. Another architecture and x32 calls end the process: see [`super::bpf`].

use super::bpf::{self, Refusals, Test, When};
use crate::worker::wire::{Errand, Network, Setup};

/// Name and number of a call.
type Call = (&'static str, libc::c_long);

macro_rules! calls {
    ($($name:ident),* $(,)?) => { &[$((stringify!($name), numbers::$name)),*] };
}

/// The numbers of the C bindings, and those that these do not have on every target, which are
/// the same on all of ours.
mod numbers {
    pub use libc::*;
    pub const SYS_QUOTACTL_FD: c_long = 443;
    pub const SYS_OPEN_TREE_ATTR: c_long = 467;
}

/// Refused whatever the arguments are.
const REFUSED: &[Call] = calls![
    // other processes' memory and descriptors
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_process_madvise,
    SYS_pidfd_getfd,
    SYS_process_mrelease,
    SYS_kcmp,
    SYS_move_pages,
    SYS_migrate_pages,
    // io_uring makes sockets and opens files behind the filter's back
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    // kernel surface
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_syslog,
    SYS_quotactl,
    SYS_QUOTACTL_FD,
    SYS_acct,
    SYS_swapon,
    SYS_swapoff,
    SYS_reboot,
    SYS_personality,
    SYS_fanotify_init,
    SYS_lookup_dcookie,
    SYS_nfsservctl,
    SYS_vhangup,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    // views: a new mount or namespace would undo the old one
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_OPEN_TREE_ATTR,
    SYS_open_by_handle_at,
    // queues and segments that outlive a process; one that exists is used by number, without `get`
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_semget,
    SYS_semop,
    SYS_semtimedop,
    SYS_semctl,
    SYS_mq_open,
    SYS_mq_unlink,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[Call] = calls![
    SYS_iopl,
    SYS_ioperm,
    SYS_kexec_file_load,
    SYS_uselib,
    SYS_ustat,
    SYS_sysfs,
    SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[Call] = &[];

/// Refused under Landlock alone: it does not see attributes, so files outside could be marked.
const REFUSED_WITHOUT_VIEW: &[Call] = calls![
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_fchown,
    SYS_fchownat,
];

/// Terminal requests that type into, or take over, somebody's terminal.
const TERMINAL: &[u32] = &[
    0x5412, // TIOCSTI
    0x541C, // TIOCLINUX
    0x541D, // TIOCCONS
    0x5423, // TIOCSETD
];
/// `TIOCSCTTY` makes a terminal that belongs to nobody the own one. Where no terminal but those of
/// the view itself can be reached it stays: shells with job control need it.
const TAKE_TERMINAL: u32 = 0x540E;
/// Set-user-id and set-group-id.
const SET_ID_BITS: u32 = 0o6000;

const NAMESPACE_FLAGS: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Puts the filter on this thread and all it starts. Irreversible.
///
/// # Errors
/// In a person's words; nothing may run after one.
pub fn apply(setup: &Setup) -> Result<(), String> {
    let own_terminals = setup.backend.has_view() && !setup.terminal;
    let mut refusals = refusals(setup.network, setup.backend.has_view());
    if !own_terminals
        && let Some((When::Any(tests), _)) = refusals.get_mut(&number(libc::SYS_ioctl))
    {
        tests.push((1, Test::Is(TAKE_TERMINAL)));
    }
    if setup.errand == Errand::Command {
        without_openat2(&mut refusals);
    }
    put_on(&refusals)
}

/// One more refusal before a command of a tool starts.
///
/// # Errors
/// In a person's words; nothing may run after one.
pub fn apply_for_command() -> Result<(), String> {
    let mut refusals = Refusals::new();
    without_openat2(&mut refusals);
    put_on(&refusals)
}

/// `openat2` hides its mode behind a pointer, so a set-user-id file could be made with it. The
/// file tools need the call, a command has `openat`.
fn without_openat2(refusals: &mut Refusals) {
    refusals.insert(number(libc::SYS_openat2), (When::Always, libc::ENOSYS as u16));
}

fn put_on(refusals: &Refusals) -> Result<(), String> {
    seccompiler::apply_filter(&bpf::assemble(refusals)).map_err(|e| format!("seccomp: {e}"))
}

/// What is refused, for a person: names of calls, and conditions in words.
pub fn description(network: Network, own_view: bool) -> Vec<String> {
    let more = if own_view { &[][..] } else { REFUSED_WITHOUT_VIEW };
    let lists = REFUSED.iter().chain(REFUSED_HERE).chain(more);
    let name = |(name, _): &Call| name.trim_start_matches("SYS_").to_lowercase();
    let mut all: Vec<String> = lists.map(name).collect();
    all.sort();
    all.push("clone with a new namespace; clone3 (not implemented)".to_owned());
    all.push("modes with set-user-id or set-group-id".to_owned());
    all.push("ioctl that types into, takes over or redirects a terminal".to_owned());
    all.push("limits and priorities of other processes".to_owned());
    all.push(match families(network, own_view) {
        [] => "socket".to_owned(),
        [_, _] => "socket, but for the internet families".to_owned(),
        _ => "socket, but for the internet families and netlink".to_owned(),
    });
    all.push("socketpair, but for local ones".to_owned());
    all.push("another architecture's calls, x32 calls (they end the process)".to_owned());
    all
}

fn number(call: libc::c_long) -> u32 {
    call as u32
}

/// What is refused.
fn refusals(network: Network, own_view: bool) -> Refusals {
    let mut all = Refusals::new();
    let eperm = libc::EPERM as u16;
    let more = if own_view { &[][..] } else { REFUSED_WITHOUT_VIEW };
    for (_, call) in REFUSED.iter().chain(REFUSED_HERE).chain(more) {
        all.insert(number(*call), (When::Always, eperm));
    }
    all.insert(number(libc::SYS_clone3), (When::Always, libc::ENOSYS as u16));
    let mut some = |call: libc::c_long, argument: u32, test: Test| {
        let entry = all.entry(number(call)).or_insert((When::Any(Vec::new()), eperm));
        if let (When::Any(tests), _) = entry {
            tests.push((argument, test));
        }
    };
    for request in TERMINAL {
        some(libc::SYS_ioctl, 1, Test::Is(*request));
    }
    let namespaces = NAMESPACE_FLAGS.iter().fold(0, |all, flag| all | *flag as u32);
    some(libc::SYS_clone, 0, Test::Bits(namespaces));
    for (call, argument) in MODE_CALLS {
        some(*call, *argument, Test::Bits(SET_ID_BITS));
    }
    // Limits and priorities of other processes; 0 means one's own.
    some(libc::SYS_prlimit64, 0, Test::NoneOf(&[0]));
    some(libc::SYS_setpriority, 1, Test::NoneOf(&[0]));
    if !own_view {
        // Everybody else's processes can be named here. A thread's own number is refused as well,
        // which programs take for a system without the call.
        for call in [
            libc::SYS_sched_setaffinity,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setparam,
            libc::SYS_sched_setattr,
        ] {
            some(call, 0, Test::NoneOf(&[0]));
        }
        some(libc::SYS_ioprio_set, 1, Test::NoneOf(&[0]));
    }
    some(libc::SYS_socketpair, 0, Test::NoneOf(&[libc::AF_UNIX as u32]));
    match families(network, own_view) {
        [] => drop(all.insert(number(libc::SYS_socket), (When::Always, eperm))),
        some_families => some(libc::SYS_socket, 0, Test::NoneOf(some_families)),
    }
    all
}

/// Calls with a file mode, and where the mode stands.
const MODE_CALLS: &[(libc::c_long, u32)] = &[
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, 1),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (SYS_FCHMODAT2, 2),
    (libc::SYS_openat, 3),
    (libc::SYS_mknodat, 2),
];
const SYS_FCHMODAT2: libc::c_long = 452;

/// Which families a program may open.
///
/// In a network namespace of its own the internet families reach nobody else: a server and its
/// client may talk. Without one there is no `socket()` at all. Local sockets are refused
/// everywhere: a socket file lying in the workspace is a door to whoever listens behind it, and a
/// mount does not shut it. `socketpair` stays, programs talk to their own children with it.
fn families(network: Network, own_view: bool) -> &'static [u32] {
    const INTERNET: &[u32] = &[libc::AF_INET as u32, libc::AF_INET6 as u32];
    const HOST: &[u32] = &[libc::AF_INET as u32, libc::AF_INET6 as u32, libc::AF_NETLINK as u32];
    match (network, own_view) {
        (Network::Host, _) => HOST,
        (Network::None | Network::Listed, true) => INTERNET,
        (Network::None | Network::Listed, false) => &[],
    }
}
