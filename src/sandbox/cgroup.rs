//! Limits that the kernel itself keeps over all processes of a call: a control group (version 2),
//! where Ion was given a part of the tree.
//!
//! The worker's own watch looks every 20 ms and says why it ended a call; what happens in between,
//! and what the superuser is not limited in, is for the kernel. Without a delegated part the watch
//! and the resource limits stand alone, and the layer `cgroup` is not claimed.
//!
//! Format and rules: Linux `Documentation/admin-guide/cgroup-v2.rst`; delegation marks: systemd,
//! `CGROUP_DELEGATION.md`.

use crate::policy::ResourceLimits;
use rustix::process::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tasks of the worker itself: the process and the thread that watches its input.
const OWN_TASKS: u64 = 2;
/// What the worker itself may use, bytes.
const OWN_MEMORY: u64 = 16 << 20;
/// How long the last processes of a group are waited for before it is left to the next start.
const LEAVING: Duration = Duration::from_millis(200);

/// A part of the tree in which Ion may make groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delegated {
    folder: PathBuf,
    controllers: BTreeSet<String>,
    for_superuser: bool,
}

/// The group of one call. Dropped, what is in it is killed and it is removed.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
}

impl Delegated {
    /// Finds Ion's own part, and sets it up for groups of calls.
    ///
    /// # Errors
    /// Why there is none, in a person's words.
    pub fn find() -> Result<Self, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|e| e.to_string())?;
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|e| e.to_string())?;
        let tree = mounted_at(&mounts).ok_or("control groups of version 2 are not mounted")?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::"));
        let own = own.ok_or("Ion is in no control group of version 2")?;
        Self::within(&tree, own, rustix::process::geteuid().as_raw())
    }

    /// As [`find`](Self::find), for a tree and the place of a process in it.
    fn within(tree: &Path, own: &str, user: u32) -> Result<Self, String> {
        let own = tree.join(own.trim_start_matches('/'));
        let above = own.parent().filter(|above| above.starts_with(tree)).map(Path::to_path_buf);
        let mut why = String::new();
        for folder in [Some(own.clone()), above].into_iter().flatten() {
            match usable(&folder, tree, user) {
                Ok(controllers) => {
                    sweep(&folder);
                    return Ok(Delegated { folder, controllers, for_superuser: user == 0 });
                }
                Err(cause) if why.is_empty() => why = cause,
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// Makes a group with these limits; `None` where there is nothing that it could limit.
    ///
    /// # Errors
    /// From the system.
    pub fn group(&self, limits: &ResourceLimits) -> io::Result<Option<Group>> {
        let has = |controller: &str| self.controllers.contains(controller);
        // `RLIMIT_NPROC` binds everybody but the superuser, and entering a group can take the kernel
        // milliseconds.
        let tasks = limits.processes.filter(|_| self.for_superuser && has("pids"));
        let memory = limits.memory.filter(|_| has("memory"));
        if tasks.is_none() && memory.is_none() {
            return Ok(None);
        }
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("ion-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Group { folder };
        if let Some(most) = tasks {
            group.set("pids.max", most.saturating_add(OWN_TASKS))?;
        }
        if let Some(most) = memory {
            group.set("memory.max", most.saturating_add(OWN_MEMORY))?;
            // What is pushed out to disk would not count. Not every kernel has it.
            let _ = group.set("memory.swap.max", 0);
        }
        Ok(Some(group))
    }
}

impl Group {
    fn set(&self, file: &str, value: u64) -> io::Result<()> {
        fs::write(self.folder.join(file), value.to_string())
    }

    /// Takes the worker in that `started` leads to, which has no child yet: all it starts later is
    /// in the group from its first moment.
    ///
    /// # Errors
    /// From the system; the group holds nothing then.
    pub fn take_in(&self, started: Pid) -> io::Result<()> {
        let worker = last_of_line(started)?;
        fs::write(self.folder.join("cgroup.procs"), worker.as_raw_pid().to_string())
    }

    /// How many processes the kernel ended because the group had no memory left.
    pub fn killed_for_memory(&self) -> u64 {
        let events = fs::read_to_string(self.folder.join("memory.events")).unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let until = Instant::now() + LEAVING;
        while fs::remove_dir(&self.folder).is_err() && self.folder.exists() {
            let _ = fs::write(self.folder.join("cgroup.kill"), "1");
            if Instant::now() >= until {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The folder where the whole of the tree is mounted.
fn mounted_at(mounts: &str) -> Option<PathBuf> {
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    // Field 5; a folder with blanks in its name is written with `\040`, and is not looked for.
    line.split(' ').nth(4).map(PathBuf::from)
}

/// The controllers that groups below a folder have, where they may be made.
fn usable(folder: &Path, tree: &Path, user: u32) -> Result<BTreeSet<String>, String> {
    let shown = folder.display();
    let about = fs::metadata(folder).map_err(|e| format!("{shown}: {e}"))?;
    // A part that somebody else manages is not touched, even where rights would allow it. The root
    // of the whole tree has no manager but the superuser; the root of a container's is its owner's.
    let is_root = folder == tree;
    let marked = ["trusted.delegate", "user.delegate"].iter().any(|name| {
        let mut value = [0_u8; 4];
        rustix::fs::getxattr(folder, *name, &mut value[..]).is_ok_and(|n| n > 0 && value[0] == b'1')
    });
    let is_own = is_root && about.uid() == user;
    if !marked && !is_own {
        return Err(format!("{shown} is not delegated to Ion (systemd: Delegate=yes)"));
    }
    let words = |file: &str| -> BTreeSet<String> {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let wanted = ["pids", "memory"];
    let offered = words("cgroup.controllers");
    for controller in wanted.iter().filter(|name| offered.contains(**name)) {
        if words("cgroup.subtree_control").contains(*controller) {
            continue;
        }
        let enable = || fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"));
        if enable().is_err() && step_aside(folder).is_ok() {
            let _ = enable();
        }
    }
    let mut given = words("cgroup.subtree_control");
    given.retain(|name| wanted.contains(&name.as_str()));
    match given.is_empty() {
        true => Err(format!("{shown} gives groups below it neither `pids` nor `memory`")),
        false => Ok(given),
    }
}

/// A group that hands out controllers may hold no process of its own, so Ion moves into one below,
/// if it is alone here.
fn step_aside(folder: &Path) -> io::Result<()> {
    let own = std::process::id().to_string();
    let here = fs::read_to_string(folder.join("cgroup.procs"))?;
    if here.split_whitespace().any(|pid| pid != own) {
        return Err(io::Error::other("other processes are here"));
    }
    let aside = folder.join("ion-main");
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs::write(aside.join("cgroup.procs"), own)
}

/// Removes the groups of processes that were killed. One that still holds something stays.
fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let parts = name.to_str().and_then(|name| name.strip_prefix("ion-")?.split_once('-'));
        let Some((pid, _)) = parts else { continue };
        let is_number = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
        if is_number && !Path::new("/proc").join(pid).exists() {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The process at the end of a line of only children.
fn last_of_line(started: Pid) -> io::Result<Pid> {
    let mut last = started;
    // A supervisor, bubblewrap's or birdcage's processes, the worker.
    for _ in 0..8 {
        let number = last.as_raw_pid();
        let children = fs::read_to_string(format!("/proc/{number}/task/{number}/children"))?;
        let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        match (pids.next().and_then(Pid::from_raw), pids.next()) {
            (None, _) => return Ok(last),
            (Some(child), None) => last = child,
            (Some(_), Some(_)) => break,
        }
    }
    Err(io::Error::other("the worker cannot be told from other processes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as the kernel shows them, in a plain folder.
    fn group(folder: &Path, controllers: &str, below: &str, procs: &str) {
        fs::create_dir_all(folder).unwrap();
        for (file, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", below),
            ("cgroup.procs", procs),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
    }

    fn limits(processes: Option<u64>, memory: Option<u64>) -> ResourceLimits {
        ResourceLimits {
            wall: Duration::from_secs(1),
            output_bytes: 1,
            processes,
            file_size: None,
            memory,
            cpu_seconds: None,
            open_files: None,
        }
    }

    #[test]
    fn a_part_that_nobody_delegated_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, user) = (dir.path(), rustix::process::geteuid().as_raw());
        group(tree, "cpu pids memory", "pids memory", "");
        group(&tree.join("a.slice/b.scope"), "pids memory", "pids memory", "");
        let refused = Delegated::within(tree, "/a.slice/b.scope", user).unwrap_err();
        assert!(refused.contains("Delegate=yes"), "{refused}");
        // The root of the tree belongs to its owner, and to nobody else.
        assert!(Delegated::within(tree, "/", user).is_ok());
        assert!(Delegated::within(tree, "/", user + 1).is_err());
    }

    #[test]
    fn a_group_has_the_limits_that_its_part_can_hold() {
        let dir = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().as_raw();
        group(dir.path(), "pids memory", "pids memory", "");
        let part = Delegated::within(dir.path(), "/", user).unwrap();
        let part = Delegated { for_superuser: true, ..part };
        let read = |group: &Group, file: &str| fs::read_to_string(group.folder.join(file));
        let made = part.group(&limits(Some(10), Some(1 << 20))).unwrap().unwrap();
        assert_eq!(read(&made, "pids.max").unwrap(), "12");
        assert_eq!(read(&made, "memory.max").unwrap(), (17 << 20).to_string());
        assert_eq!(read(&made, "memory.swap.max").unwrap(), "0");
        assert!(part.group(&limits(None, None)).unwrap().is_none());
        // A part without the controller for it claims no limit.
        let some = Delegated { controllers: BTreeSet::from(["pids".to_owned()]), ..part };
        assert!(some.group(&limits(None, Some(1))).unwrap().is_none());
        let user = Delegated { for_superuser: false, ..some.clone() };
        assert!(user.group(&limits(Some(10), None)).unwrap().is_none(), "`RLIMIT_NPROC` holds");
        assert_eq!(made.killed_for_memory(), 0);
        fs::write(made.folder.join("memory.events"), "oom 3\noom_kill 2\n").unwrap();
        assert_eq!(made.killed_for_memory(), 2);
    }

    #[test]
    fn ion_steps_aside_only_where_it_is_alone() {
        let dir = tempfile::tempdir().unwrap();
        group(dir.path(), "pids", "", &std::process::id().to_string());
        step_aside(dir.path()).unwrap();
        let aside = fs::read_to_string(dir.path().join("ion-main/cgroup.procs")).unwrap();
        assert_eq!(aside, std::process::id().to_string());
        group(dir.path(), "pids", "", &format!("1\n{}\n", std::process::id()));
        assert!(step_aside(dir.path()).is_err());
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_lives_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let alive = format!("ion-{}-0", std::process::id());
        for name in ["ion-2147483646-3", &alive, "ion-main", "ion-x-1", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        sweep(dir.path());
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().collect();
        left.sort_by_key(fs::DirEntry::file_name);
        let left: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
        assert_eq!(left, [alive.as_str(), "ion-main", "ion-x-1", "other"]);
    }

    #[test]
    fn the_tree_is_found_among_other_mounts() {
        let mounts = "24 1 0:22 / /proc rw - proc proc rw\n\
                      30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 24 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(mounted_at(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mounted_at("24 1 0:22 / /proc rw - proc proc rw\n"), None);
    }
}
