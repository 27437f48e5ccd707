//! The system-call filter: allow by default, with the kernel's risky doors shut.
//!
//! It is the last layer put on, because the earlier ones need calls that it takes away. Refusals
//! are EPERM; `clone3` is ENOSYS, since a filter cannot see its flags and the C library then falls
//! back to `clone`. Another architecture and x32 calls end the process: see [`super::bpf`].

use super::bpf::{self, Refusals, Test, When};
use crate::worker::wire::{Errand, Network, Setup};

/// Refused whatever the arguments are.
const REFUSED: &[libc::c_long] = &[
    // other processes' memory and descriptors
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // io_uring makes sockets and opens files behind the filter's back
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // kernel surface
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_quotactl,
    SYS_QUOTACTL_FD,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_personality,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    // views: a new mount or namespace would undo the old one
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    SYS_OPEN_TREE_ATTR,
    libc::SYS_open_by_handle_at,
    // queues and segments that outlive a process
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
];

// Numbers that the C bindings do not have on every target; they are the same on all of ours.
const SYS_QUOTACTL_FD: libc::c_long = 443;
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Refused under Landlock alone: it does not see attributes, so files outside could be marked.
const REFUSED_WITHOUT_VIEW: &[libc::c_long] = &[
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_fchown,
    libc::SYS_fchownat,
];

/// Terminal requests that type into, or take over, somebody's terminal.
const TERMINAL: &[u32] = &[0x5412, 0x541C, 0x540E];
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
    let mut refusals = refusals(setup.network, setup.backend.has_view());
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

fn number(call: libc::c_long) -> u32 {
    call as u32
}

/// What is refused.
fn refusals(network: Network, own_view: bool) -> Refusals {
    let mut all = Refusals::new();
    let eperm = libc::EPERM as u16;
    let more = if own_view { &[][..] } else { REFUSED_WITHOUT_VIEW };
    for call in REFUSED.iter().chain(REFUSED_HERE).chain(more) {
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
