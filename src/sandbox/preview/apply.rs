//! Carries a set of changes out: all of it, or nothing.
//!
//! New contents are written to a folder beside the old ones first; what follows are renames, each of
//! which the kernel does whole. A journal in Ion's data says what they are, so that a crash half-way is
//! undone by [`recover`]; without a journal all was done. INVARIANT (exactly this): nothing is touched
//! unless every path is still as it was when the command ran, and no path outside the set is.
//!
//! ATTACK: a link in the place of a folder. No place is looked up through one (see
//! [`crate::worker::open`]). A journal is never read from the workspace, where a stranger could lay one.

use super::scan::{Change, ChangeSet, Entry, entry};
use crate::worker::open;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It would change what is protected.
    #[error("it would change the protected {0}")]
    Protected(String),
    /// The workspace is not what it was when the command ran.
    #[error("{0} was changed by somebody else meanwhile")]
    Changed(String),
    /// A device, pipe, socket or set-id bit.
    #[error("{0} is something that cannot be applied (a device, pipe, socket or set-id bit)")]
    Odd(String),
    /// The system; what was done is undone.
    #[error("{0}; nothing was changed")]
    System(String),
    /// The system, and undoing failed as well.
    #[error("{0}; undoing it failed, the old contents lie in {1}")]
    Stuck(String, String),
}

/// What is done to one path. `n` names its file in the staging folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Step {
    Remove { path: PathBuf, n: usize },
    MakeFolder { path: PathBuf, mode: u32 },
    Add { path: PathBuf, n: usize },
    Replace { path: PathBuf, n: usize, was: String },
    Mode { path: PathBuf, from: u32, to: u32 },
}

/// What [`recover`] needs.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    workspace: PathBuf,
    staging: PathBuf,
    steps: Vec<Step>,
}

/// Applies the set. `protected` are names that stay as they are, at any depth.
///
/// # Errors
/// [`Refused`]; for all but `Stuck` the workspace is as it was.
pub fn apply(
    set: &ChangeSet,
    workspace: &Path,
    protected: &[String],
    data: &Path,
) -> Result<(), Refused> {
    check(set, workspace, protected)?;
    with(set, workspace, data, |_| true)
}

/// Whether the set could be applied now.
///
/// # Errors
/// [`Refused`]: why not. Nothing is touched.
pub fn check(set: &ChangeSet, workspace: &Path, protected: &[String]) -> Result<(), Refused> {
    if makes_a_repository(set, workspace) {
        return Err(Refused::Protected(
            "HEAD (it would make a repository of the workspace)".to_owned(),
        ));
    }
    for (path, change) in &set.changes {
        let shown = || crate::model::visible(&path.display().to_string());
        if let Some(name) = protected.iter().find(|name| holds(path, Path::new(name.as_str()))) {
            return Err(Refused::Protected(format!("{} (sandbox.protect `{name}`)", shown())));
        }
        if let Some(name) = protected.iter().find(|name| leads_to(path, change, name)) {
            return Err(Refused::Protected(format!("{} (part of `{name}`)", shown())));
        }
        let odd = |entry: &Option<Entry>| match entry {
            Some(Entry::Other) => true,
            Some(Entry::File { mode, .. } | Entry::Folder { mode }) => mode & 0o6000 != 0,
            _ => false,
        };
        if odd(&change.after) || matches!(change.before, Some(Entry::Other)) {
            return Err(Refused::Odd(shown()));
        }
        match stands(workspace, path) {
            Ok(now) if now == change.before => {}
            _ => return Err(Refused::Changed(shown())),
        }
    }
    Ok(())
}

/// What stands at a path below the workspace; nothing, where a link is on the way.
fn stands(workspace: &Path, path: &Path) -> io::Result<Option<Entry>> {
    let at = workspace.join(path);
    match open::parent(&at, false) {
        Ok(_) => entry(&at),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => Ok(None),
            _ => Err(error),
        },
    }
}

/// Whether a protected name stands in a path, or is part of what goes with a folder above it.
fn holds(path: &Path, name: &Path) -> bool {
    let parts: Vec<_> = path.components().collect();
    let wanted: Vec<_> = name.components().collect();
    !wanted.is_empty()
        && (parts.windows(wanted.len()).any(|some| {
            // Some file systems take `.GIT` for `.git`.
            some.iter().zip(&wanted).all(|(a, b)| a.as_os_str().eq_ignore_ascii_case(b.as_os_str()))
        }))
}

/// ATTACK: `.git` made a link to a folder with hooks. Nothing is written at `.git/hooks`, and yet it is
/// there. So what a protected name lies in becomes a folder or nothing.
fn leads_to(path: &Path, change: &Change, name: &str) -> bool {
    let folder_or_nothing = matches!(change.after, None | Some(Entry::Folder { .. }));
    let mut above = Path::new(name).ancestors().skip(1).filter(|part| !part.as_os_str().is_empty());
    !folder_or_nothing && above.any(|part| ends_with(path, part))
}

fn ends_with(path: &Path, part: &Path) -> bool {
    let (path, part): (Vec<_>, Vec<_>) = (path.components().collect(), part.components().collect());
    let from = path.len().checked_sub(part.len());
    let tail = from.and_then(|from| path.get(from..));
    tail.is_some_and(|tail| {
        tail.iter().zip(&part).all(|(a, b)| a.as_os_str().eq_ignore_ascii_case(b.as_os_str()))
    })
}

/// ATTACK: `HEAD`, `objects` and `refs` at the top make git take the workspace itself for a repository,
/// whose configuration and hooks are no protected names.
fn makes_a_repository(set: &ChangeSet, workspace: &Path) -> bool {
    const BARE: [&str; 3] = ["HEAD", "objects", "refs"];
    let stood = |name: &&str| exists(&workspace.join(name));
    let will = |name: &&str| match set.changes.get(Path::new(name)) {
        Some(change) => change.after.is_some(),
        None => stood(name),
    };
    BARE.iter().all(will) && !BARE.iter().all(stood)
}

/// `go_on` is asked before each step; `false` is a crash at that moment, for tests.
fn with(
    set: &ChangeSet,
    workspace: &Path,
    data: &Path,
    mut go_on: impl FnMut(usize) -> bool,
) -> Result<(), Refused> {
    let system = |what: &str, e: io::Error| Refused::System(format!("{what}: {e}"));
    let mut random = [0_u8; 8];
    getrandom::fill(&mut random).map_err(|e| Refused::System(e.to_string()))?;
    let name = format!("{:016x}", u64::from_ne_bytes(random));
    let staging = workspace.join(format!(".ion-apply-{name}"));
    let made = std::fs::DirBuilder::new().mode(0o700).create(&staging);
    made.map_err(|e| system("making a folder in the workspace", e))?;
    let journal_at = data.join("previews").join(format!("{name}.journal"));
    let steps = match stage(set, &staging) {
        Ok(steps) => steps,
        Err(error) => {
            let _ = std::fs::remove_dir_all(&staging);
            return Err(system("writing the new contents", error));
        }
    };
    let journal = Journal { workspace: workspace.to_path_buf(), staging, steps };
    if let Err(error) = keep(&journal, &journal_at) {
        let _ = std::fs::remove_dir_all(&journal.staging);
        let _ = std::fs::remove_file(&journal_at);
        return Err(system("writing the journal", error));
    }
    for (n, step) in journal.steps.iter().enumerate() {
        if !go_on(n) {
            return Err(Refused::System("crashed".to_owned()));
        }
        if let Err(error) = step.take(workspace, &journal.staging) {
            let cause = format!("{}: {error}", step.path().display());
            return Err(match undo(&journal) {
                Ok(()) => {
                    let _ = std::fs::remove_file(&journal_at);
                    Refused::System(cause)
                }
                Err(_) => Refused::Stuck(cause, journal.staging.display().to_string()),
            });
        }
    }
    // From here on it is done: without a journal nothing is undone.
    let done = std::fs::remove_file(&journal_at).and_then(|()| sync_folder(&data.join("previews")));
    if let Err(error) = done {
        let _ = undo(&journal);
        return Err(system("closing the journal", error));
    }
    let _ = std::fs::remove_dir_all(&journal.staging);
    Ok(())
}

fn keep(journal: &Journal, at: &Path) -> io::Result<()> {
    if let Some(folder) = at.parent() {
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(at)?;
    io::Write::write_all(&mut file, &serde_json::to_vec(journal).map_err(io::Error::other)?)?;
    file.sync_all()?;
    at.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Undoes what a crash left half-done in `workspace`. Safe to call at any time.
///
/// # Errors
/// A journal is there and cannot be carried out; its old contents stay where they are.
pub fn recover(workspace: &Path, data: &Path) -> io::Result<usize> {
    let mut undone = 0;
    let Ok(entries) = std::fs::read_dir(data.join("previews")) else { return Ok(0) };
    for found in entries.flatten() {
        if found.path().extension().is_none_or(|ending| ending != "journal") {
            continue;
        }
        let Ok(journal) = serde_json::from_slice::<Journal>(&std::fs::read(found.path())?) else {
            // Written in part: then no step was taken, since it comes first.
            std::fs::remove_file(found.path())?;
            continue;
        };
        if journal.workspace == workspace {
            undo(&journal)?;
            std::fs::remove_file(found.path())?;
            undone += 1;
        }
    }
    Ok(undone)
}

/// Takes every step back that was taken, told by what stands where.
fn undo(journal: &Journal) -> io::Result<()> {
    for step in journal.steps.iter().rev() {
        step.take_back(&journal.workspace, &journal.staging)?;
    }
    match std::fs::remove_dir_all(&journal.staging) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes all new contents to the staging folder and says what is to be done.
fn stage(set: &ChangeSet, staging: &Path) -> io::Result<Vec<Step>> {
    let (mut removes, mut folders, mut files, mut modes) = (vec![], vec![], vec![], vec![]);
    for (n, (path, Change { before, after })) in set.changes.iter().enumerate() {
        let path = path.clone();
        let is_folder = |entry: &Option<Entry>| matches!(entry, Some(Entry::Folder { .. }));
        match (before, after) {
            (Some(Entry::Folder { mode: from }), Some(Entry::Folder { mode: to })) => {
                modes.push(Step::Mode { path, from: *from, to: *to });
                continue;
            }
            (Some(_), None) => {
                removes.push(Step::Remove { path, n });
                continue;
            }
            (Some(_), Some(_)) if is_folder(before) || is_folder(after) => {
                // The new one takes another number, so that both have a place.
                removes.push(Step::Remove { path: path.clone(), n: n + set.changes.len() });
            }
            _ => {}
        }
        match after {
            Some(Entry::Folder { mode }) => folders.push(Step::MakeFolder { path, mode: *mode }),
            Some(Entry::Link { target }) => {
                symlink(target, staging.join(n.to_string()))?;
                files.push(place(path, n, before));
            }
            Some(Entry::File { mode, .. }) => {
                let new = staging.join(n.to_string());
                copy(&set.upper.join(&path), &new, *mode)?;
                files.push(place(path, n, before));
            }
            Some(Entry::Other) | None => {}
        }
    }
    // Inner ones go first; the map has them after the folders that hold them.
    removes.reverse();
    sync_folder(staging)?;
    Ok([removes, folders, files, modes].concat())
}

fn place(path: PathBuf, n: usize, before: &Option<Entry>) -> Step {
    match before {
        Some(Entry::File { .. } | Entry::Link { .. }) => {
            Step::Replace { path, n, was: fingerprint(before.as_ref()) }
        }
        _ => Step::Add { path, n },
    }
}

fn fingerprint(entry: Option<&Entry>) -> String {
    serde_json::to_string(&entry).unwrap_or_default()
}

fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    std::fs::copy(from, to)?;
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(mode & 0o1777))?;
    let times = std::fs::metadata(from)?.modified()?;
    let file = File::open(to)?;
    file.set_modified(times)?;
    file.sync_all()?;
    // The kernel's marks are about its own folder.
    let mut names = vec![0_u8; 4096];
    if let Ok(n) = rustix::fs::listxattr(to, &mut names) {
        for name in names.get(..n).unwrap_or_default().split(|b| *b == 0) {
            if name.starts_with(b"user.overlay.") {
                let _ = rustix::fs::removexattr(to, name);
            }
        }
    }

    Ok(())
}

impl Step {
    fn path(&self) -> &Path {
        match self {
            Step::Remove { path, .. }
            | Step::MakeFolder { path, .. }
            | Step::Add { path, .. }
            | Step::Replace { path, .. }
            | Step::Mode { path, .. } => path,
        }
    }

    fn take(&self, workspace: &Path, staging: &Path) -> io::Result<()> {
        let at = workspace.join(self.path());
        let (folder, name) = open::parent(&at, false)?;
        let (stage, _) = open::parent(&staging.join("x"), false)?;
        let only = RenameFlags::NOREPLACE;
        match self {
            Step::Remove { n, .. } => {
                rustix::fs::renameat_with(&folder, name, &stage, n.to_string(), only)?;
            }
            Step::MakeFolder { mode, .. } => {
                rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o700))?;
                set_mode(&folder, name, *mode)?;
            }
            Step::Add { n, .. } => {
                rustix::fs::renameat_with(&stage, n.to_string(), &folder, name, only)?;
            }
            Step::Replace { n, .. } => {
                let swap = RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&stage, n.to_string(), &folder, name, swap)?;
            }
            Step::Mode { to, .. } => set_mode(&folder, name, *to)?,
        }
        Ok(())
    }

    fn take_back(&self, workspace: &Path, staging: &Path) -> io::Result<()> {
        let at = workspace.join(self.path());
        let staged = |n: &usize| staging.join(n.to_string());
        let (folder, name) = match open::parent(&at, false) {
            Ok(found) => found,
            // The folder that it is in was not made yet, or is itself put back later on, or is a
            // link by now, through which no step went.
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => return Ok(()),
                _ => return Err(error),
            },
        };
        let (stage, _) = match open::parent(&staging.join("x"), false) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let only = RenameFlags::NOREPLACE;
        match self {
            Step::Remove { n, .. } if exists(&staged(n)) => {
                rustix::fs::renameat_with(&stage, n.to_string(), &folder, name, only)?;
            }
            Step::MakeFolder { .. } if exists(&at) => {
                match rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR) {
                    // Not a folder, or not empty: it stood there before this step.
                    Ok(()) | Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::NOTEMPTY) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Step::Add { n, .. } if !exists(&staged(n)) && exists(&at) => {
                rustix::fs::renameat_with(&folder, name, &stage, n.to_string(), only)?;
            }
            Step::Replace { n, was, .. } if exists(&staged(n)) => {
                let lies = entry(&staged(n))?;
                if fingerprint(lies.as_ref()) == *was && exists(&at) {
                    let swap = RenameFlags::EXCHANGE;
                    rustix::fs::renameat_with(&stage, n.to_string(), &folder, name, swap)?;
                }
            }
            Step::Mode { from, .. } if exists(&at) => set_mode(&folder, name, *from)?,
            _ => {}
        }
        Ok(())
    }
}

fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok()
}

fn set_mode(folder: &rustix::fd::OwnedFd, name: &std::ffi::OsStr, mode: u32) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    Ok(rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode & 0o1777))?)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
