//! The system-call filter: allow by default, with the kernel's risky doors shut.
//!
//! It is the last layer put on, because the earlier ones need calls that it takes away. Three
//! programs: refusals (EPERM; a foreign architecture kills), `clone3` (ENOSYS, since a filter
//! cannot see its flags and the C library then falls back to `clone`), and the x32 range.

use crate::worker::wire::Network;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;

#[cfg(target_arch = "x86_64")]
const ARCH: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const ARCH: TargetArch = TargetArch::aarch64;
#[cfg(target_arch = "riscv64")]
const ARCH: TargetArch = TargetArch::riscv64;

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
const TERMINAL: &[u64] = &[0x5412, 0x541C, 0x540E];
const SET_ID_BITS: u64 = 0o6000;
const SET_UID: u64 = 0o4000;
const SET_GID: u64 = 0o2000;

const NAMESPACE_FLAGS: &[libc::c_int] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the filter on this thread and all it starts. Irreversible.
///
/// # Errors
/// In a person's words; nothing may run after one.
pub fn apply(network: Network, own_view: bool) -> Result<(), String> {
    for program in programs(network, own_view)? {
        seccompiler::apply_filter(&program).map_err(|e| format!("seccomp: {e}"))?;
    }
    Ok(())
}

/// One more refusal before a command starts: `openat2` hides its mode behind a pointer, so a
/// set-user-id file could be made with it. The file tools need the call, a command has `openat`.
///
/// # Errors
/// In a person's words; nothing may run after one.
pub fn apply_for_command() -> Result<(), String> {
    let rules = BTreeMap::from([(libc::SYS_openat2, Vec::new())]);
    let action = SeccompAction::Errno(libc::ENOSYS as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, ARCH);
    let program: BpfProgram =
        filter.and_then(TryInto::try_into).map_err(|e| format!("seccomp: {e}"))?;
    seccompiler::apply_filter(&program).map_err(|e| format!("seccomp: {e}"))
}

fn programs(network: Network, own_view: bool) -> Result<Vec<BpfProgram>, String> {
    let compile = |rules: Rules, errno: i32| -> Result<BpfProgram, String> {
        let action = SeccompAction::Errno(errno as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, ARCH);
        filter.and_then(TryInto::try_into).map_err(|e| format!("seccomp: {e}"))
    };
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut all = vec![
        compile(refusals(network, own_view).map_err(|e| format!("seccomp: {e}"))?, libc::EPERM)?,
        compile(clone3, libc::ENOSYS)?,
    ];
    if cfg!(target_arch = "x86_64") {
        all.push(without_x32());
    }
    Ok(all)
}

/// x32 calls carry the native architecture's tag and other numbers, so the list above would
/// not match them.
fn without_x32() -> BpfProgram {
    let statement = |code, k| sock_filter { code, jt: 0, jf: 0, k };
    vec![
        statement(0x20, 0),                                       // load the call's number
        sock_filter { code: 0x35, jt: 0, jf: 1, k: 0x4000_0000 }, // at least the x32 bit?
        statement(0x06, 0x8000_0000),                             // kill the process
        statement(0x06, 0x7fff_0000),                             // allow
    ]
}

fn refusals(network: Network, own_view: bool) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = BTreeMap::new();
    let more = if own_view { &[][..] } else { REFUSED_WITHOUT_VIEW };
    for call in REFUSED.iter().chain(REFUSED_HERE).chain(more) {
        rules.insert(*call, Vec::new());
    }
    let rule =
        |arg, len, op, value| SeccompRule::new(vec![SeccompCondition::new(arg, len, op, value)?]);
    // A 32-bit comparison: the kernel ignores the high half, so a 64-bit one can be evaded.
    let word = || SeccompCmpArgLen::Dword;
    for request in TERMINAL {
        let entry = rules.entry(libc::SYS_ioctl).or_default();
        entry.push(rule(1, word(), SeccompCmpOp::Eq, *request)?);
    }
    for flag in NAMESPACE_FLAGS {
        let flag = u64::from(*flag as u32);
        let entry = rules.entry(libc::SYS_clone).or_default();
        entry.push(rule(0, word(), SeccompCmpOp::MaskedEq(flag), flag)?);
    }
    for (call, argument) in MODE_CALLS {
        for bit in [SET_UID, SET_GID, SET_ID_BITS] {
            let entry = rules.entry(*call).or_default();
            entry.push(rule(*argument, word(), SeccompCmpOp::MaskedEq(bit), bit)?);
        }
    }
    // Limits and priorities of other processes; 0 means one's own.
    let entry = rules.entry(libc::SYS_prlimit64).or_default();
    entry.push(rule(0, word(), SeccompCmpOp::Ne, 0)?);
    let entry = rules.entry(libc::SYS_setpriority).or_default();
    entry.push(rule(1, word(), SeccompCmpOp::Ne, 0)?);
    sockets(&mut rules, network, own_view)?;
    Ok(rules)
}

/// Calls with a file mode, and where the mode stands.
const MODE_CALLS: &[(libc::c_long, u8)] = &[
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
fn families(network: Network, own_view: bool) -> &'static [libc::c_int] {
    match (network, own_view) {
        (Network::Host, _) => &[libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK],
        (Network::None | Network::Listed, true) => &[libc::AF_INET, libc::AF_INET6],
        (Network::None | Network::Listed, false) => &[],
    }
}

fn sockets(
    rules: &mut Rules,
    network: Network,
    own_view: bool,
) -> Result<(), seccompiler::BackendError> {
    let other_than = |families: &[libc::c_int]| -> Result<Vec<SeccompRule>, _> {
        if families.is_empty() {
            return Ok(Vec::new());
        }
        let differs = |family: &libc::c_int| {
            let (word, ne) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Ne);
            SeccompCondition::new(0, word, ne, *family as u64)
        };
        let all = families.iter().map(differs).collect::<Result<Vec<_>, _>>()?;
        Ok(vec![SeccompRule::new(all)?])
    };
    rules.insert(libc::SYS_socket, other_than(families(network, own_view))?);
    rules.insert(libc::SYS_socketpair, other_than(&[libc::AF_UNIX])?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_compiles_and_fits_the_kernels_limit() {
        for network in [Network::None, Network::Listed, Network::Host] {
            for own_view in [false, true] {
                for program in programs(network, own_view).unwrap() {
                    assert!(program.len() < 4096);
                }
            }
        }
    }
}
