//! Starts the confined process behind the crate `birdcage` (feature `birdcage`, GPL-3.0-or-later).
//!
//! Birdcage starts a program and waits for it, so two processes more stand between the supervisor
//! and the worker: the keeper, which calls it, and birdcage's own first process inside. Both hold
//! nothing but the setup and the worker's channel, and end with the worker. The worker is started
//! anew, because birdcage offers no copy, and then confines itself as under Landlock alone: what
//! birdcage holds comes on top and stands in for nothing.

use super::dialogue::write_all;
use super::start::Body;
use crate::sys;
use crate::worker::wire::{Errand, Network, Report, Setup, WORKER, WirePath, line};
use birdcage::process::Command;
use birdcage::{Birdcage, Exception, Sandbox};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::stdio;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where birdcage puts its new root together; a constant of the crate.
const ROOT: &str = "/tmp/birdcage-root";

/// Starts it. Its first answer is its report.
///
/// # Errors
/// From the system.
pub fn start(setup: &Setup) -> io::Result<Body> {
    // One end for both directions: a command's worker is told the number of one descriptor.
    let kind = SocketType::STREAM;
    let (input, its_end) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    let output = input.try_clone()?;
    let told = line(setup)?;
    if let Some(pid) = sys::fork()? {
        drop(its_end);
        // A worker that does not take it is found out by its missing report.
        let _ = write_all(&input, &told);
        return Ok(Body { pid, input, output });
    }
    // Their closing means the supervisor's end.
    drop((input, output));
    // What else the supervisor holds open has no place in birdcage's first process.
    sys::close_all_but([its_end.as_fd(), its_end.as_fd()]);
    match keep(setup, &its_end) {
        Ok(code) => sys::end_at_once(code),
        Err(cause) => {
            let report = Report { failed: Some(cause), ..Report::default() };
            if let Ok(report) = line(&report) {
                let _ = write_all(&its_end, &report);
            }
            sys::end_at_once(1)
        }
    }
}

/// Has birdcage start the worker, and waits for its end.
fn keep(setup: &Setup, end: &OwnedFd) -> Result<i32, String> {
    let say = |what: &'static str| move |e: io::Error| format!("birdcage: {what}: {e}");
    let worker = std::env::current_exe().map_err(say("finding the worker"))?;
    let mut command = Command::new(&worker);
    command.args([WORKER, "run"]);
    match setup.errand {
        Errand::Tool => {
            stdio::dup2_stdin(end).map_err(|e| say("streams")(e.into()))?;
            stdio::dup2_stdout(end).map_err(|e| say("streams")(e.into()))?;
        }
        Errand::Command => {
            // Its own standard streams are the command's.
            rustix::io::fcntl_setfd(end, FdFlags::empty()).map_err(|e| say("streams")(e.into()))?;
            command.arg(end.as_raw_fd().to_string());
        }
    }
    root_is_ours(Path::new(ROOT))?;
    let cage = cage(setup, &worker)?;
    // Birdcage's first process writes files of its own in `/proc`, which belong to root while it
    // hides its memory. It stays like that: the worker's Landlock domain keeps tools away from it.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(|e| say("memory")(e.into()))?;
    let started = cage.spawn(command);
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|e| say("memory")(e.into()))?;
    let mut child = started.map_err(|e| format!("birdcage: {e}"))?;
    let status = child.wait().map_err(say("waiting"))?;
    Ok(i32::from(!status.success()))
}

/// The openings, as birdcage knows them. It follows links, as Landlock does.
fn cage(setup: &Setup, worker: &Path) -> Result<Birdcage, String> {
    let mut cage = Birdcage::new();
    let mut add = |exception: Exception| {
        cage.add_exception(exception).map(drop).map_err(|e| format!("birdcage: {e}"))
    };
    let readable = openings(&setup.read).filter(|path| path != Path::new("/proc"));
    for path in readable.chain([worker.to_path_buf()]) {
        add(Exception::ExecuteAndRead(path))?;
    }
    for path in openings(&setup.write) {
        add(Exception::WriteAndRead(path.clone()))?;
        add(Exception::ExecuteAndRead(path))?;
    }
    // A device on a read-only mount can be written to, and its mode and owner cannot be changed.
    for path in openings(&setup.devices) {
        add(Exception::Read(path))?;
    }
    if setup.network == Network::Host {
        add(Exception::Networking)?;
    }
    Ok(cage)
}

/// Those that exist. Every system lacks some of the usual ones.
fn openings(list: &[WirePath]) -> impl Iterator<Item = PathBuf> + '_ {
    list.iter().map(WirePath::to_path).filter(|path| path.exists())
}

/// ATTACK: the place has one name for everybody, below a folder that everybody writes to. Whoever
/// owns it could put a link there while birdcage makes files and folders below it.
fn root_is_ours(root: &Path) -> Result<(), String> {
    let say = |e: io::Error| format!("birdcage: {}: {e}", root.display());
    match std::fs::create_dir(root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(say(error)),
        _ => {}
    }
    let about = std::fs::symlink_metadata(root).map_err(say)?;
    let own = rustix::process::geteuid().as_raw();
    if !about.is_dir() || ![0, own].contains(&about.uid()) {
        return Err(format!(
            "birdcage: {} belongs to somebody else, who could change it under way",
            root.display()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_a_link_or_a_file_is_refused() {
        let folder = std::env::temp_dir().join(format!("ion-cage-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let (link, file, new) = (folder.join("link"), folder.join("file"), folder.join("new"));
        std::os::unix::fs::symlink("/usr", &link).unwrap();
        std::fs::write(&file, "").unwrap();
        let found = [&link, &file, &new, &new].map(|path| root_is_ours(path).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [false, false, true, true]);
    }
}
