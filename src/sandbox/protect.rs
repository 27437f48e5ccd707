//! Names in a writable workspace that stay as they are: hooks, agent configuration, start-up
//! files.
//!
//! Existing names become read-only mounts, and each folder above them (below the workspace) is
//! bound onto itself so that it cannot be renamed away. A missing name at the top, or below a
//! folder that is itself part of a name, gets an empty placeholder folder for the duration, so
//! that it cannot be made, and an empty private one is mounted over it. What mounts cannot hold (links; everything under Landlock) is
//! compared before and after, see [`super::memory`]. Names that come up in folders made during
//! the call are found afterwards and reported.
//!
//! Placeholders are visible on the host while a call runs, see [`super::placeholder`].

use super::memory::Memory;
use super::placeholder::{Placeholder, Pool, Store, is_placeholder};
use crate::model::AbsPath;
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// Directory entries looked at when searching for nested names.
const SEARCH: usize = 5_000;
/// Most mounts for protection in one call.
const MOUNTS: usize = 256;
/// Names that programs of the host stumble over when a folder stands there: left to comparison.
/// Git refuses to work with a folder as `commondir`, a file that makes it take another folder's
/// configuration and hooks.
const BREAKS_AS_A_FOLDER: &[&str] = &[".git/commondir"];
/// What makes git take a folder for a repository without a working tree.
const BARE: &[&str] = &["HEAD", "objects", "refs"];
/// Folders that are not searched: large, and made by tools.
const SKIPPED: &[&str] = &["node_modules", "target"];

/// Protection of one call's workspace.
#[derive(Default)]
pub struct Guard {
    /// Bound onto themselves.
    pub anchors: BTreeSet<PathBuf>,
    /// Bound read-only.
    pub read_only: BTreeSet<PathBuf>,
    /// Covered by an empty folder that belongs to the call: nothing stands there, and one mount
    /// is half of what a read-only view of a placeholder costs.
    pub sealed: BTreeSet<PathBuf>,
    /// Compared before and after.
    pub memory: Memory,
    /// What is not held, in a person's words.
    pub missing: Vec<String>,
    placeholders: Vec<Placeholder>,
    /// What stood at protected names before, for [`appeared`](Self::appeared).
    before: BTreeSet<PathBuf>,
    workspace: PathBuf,
    names: Vec<PathBuf>,
    /// Whether the workspace itself was a bare repository before.
    bare: bool,
    /// Out of sight anyway: a protection below would have no place to stand.
    hidden: Vec<PathBuf>,
    /// Missing names that nothing holds, with [`Hold::AsFound`].
    unheld: bool,
}

/// What stands at a protected name.
enum Standing {
    Present(PathBuf),
    Link(PathBuf),
    Absent { first_missing: PathBuf, below_a_part: bool, held: bool },
}

impl Standing {
    /// Missing from its part `index` on.
    fn absent(first_missing: PathBuf, index: usize, held: bool) -> Self {
        Standing::Absent { first_missing, below_a_part: index > 0, held }
    }
}

/// How missing names are kept from being made.
pub enum Hold<'a> {
    /// Placeholders are made, or shared with other calls.
    Placeholders(&'a Pool),
    /// Those that stand there are counted in, and none is made: for a call whose worker holds
    /// its own already.
    AsFound,
    /// Not at all; everything is left to comparison.
    Compare,
}

/// What is at hand to hold a name.
struct Means<'a> {
    mounts: bool,
    /// Where placeholders come from; without one those that stand there are all there are.
    store: Option<&'a mut Store>,
}

impl Guard {
    /// Finds the names in `workspace` and prepares their protection.
    ///
    /// # Errors
    /// A name that makes no sense, or a placeholder that could not be made: the call must not
    /// run unprotected.
    pub fn prepare(
        workspace: &Path,
        names: &[String],
        hidden: &[PathBuf],
        hold: &Hold<'_>,
    ) -> Result<Self, String> {
        let names: Vec<PathBuf> = names.iter().map(|name| clean(name)).collect::<Result<_, _>>()?;
        let mut guard = Guard {
            workspace: workspace.to_path_buf(),
            hidden: hidden.to_vec(),
            ..Guard::default()
        };
        if names.is_empty() {
            return Ok(guard);
        }
        guard.bare = is_bare(workspace);
        let Searched { folders, complete, skipped } = folders(workspace, &names);
        if !skipped.is_empty() {
            guard.missing.push(format!("protected names below {}", some_of(&skipped)));
        }
        if !complete {
            guard.missing.push(format!(
                "protected names beyond the first {SEARCH} entries of the workspace"
            ));
        }
        let mut store = match hold {
            Hold::Placeholders(pool) => Some(pool.open()),
            Hold::AsFound | Hold::Compare => None,
        };
        let mounts = !matches!(hold, Hold::Compare);
        for (depth, folder) in folders.iter().enumerate() {
            let top = depth == 0;
            for name in &names {
                let standing = folder.standing(name);
                if !matches!(standing, Standing::Absent { .. }) {
                    let whole = folder.path.join(name);
                    guard.before.extend(exists(&whole).then_some(whole));
                }
                let by = Means { mounts, store: store.as_mut() };
                guard.add(workspace, &folder.path, name, standing, top, by)?;
            }
        }
        if !guard.memory.is_empty() && mounts {
            guard.missing.push("links at protected names are compared, not held".to_owned());
        }
        guard.names = names;
        Ok(guard)
    }

    /// ATTACK: `HEAD`, `objects`, `refs` and a `config` in the workspace itself make git on the host
    /// take it for a repository and run what that file says. No name of these can be kept away
    /// (a program may have a folder `refs`), so `HEAD` is taken out again when all are there.
    pub fn undo_bare_repository(&self) -> Option<PathBuf> {
        if self.names.is_empty() || self.bare || !is_bare(&self.workspace) {
            return None;
        }
        let head = self.workspace.join("HEAD");
        let undone = std::fs::remove_file(&head).or_else(|_| std::fs::remove_dir_all(&head));
        undone.is_ok().then_some(head)
    }

    /// Protected names that exist now and did not before: in a folder that the call made or
    /// cloned, where no mount could keep them away. They may be harmless; a person should know.
    pub fn appeared(&self) -> Vec<PathBuf> {
        if self.names.is_empty() {
            return Vec::new();
        }
        let Searched { folders, .. } = folders(&self.workspace, &self.names);
        let all =
            folders.iter().flat_map(|folder| self.names.iter().map(|name| folder.path.join(name)));
        all.filter(|path| !self.before.contains(path) && exists(path)).collect()
    }

    /// As [`appeared`](Self::appeared), for a file tool, which touches no path but those that were
    /// judged.
    pub fn appeared_at(&self, paths: &[AbsPath]) -> Vec<PathBuf> {
        let mut all = BTreeSet::new();
        for path in paths {
            let Ok(below) = path.as_path().strip_prefix(&self.workspace) else { continue };
            let parts: Vec<_> = below.components().collect();
            for name in &self.names {
                let wanted: Vec<_> = name.components().collect();
                for at in 0..parts.len() {
                    if parts.get(at..at + wanted.len()).is_some_and(|some| *some == wanted[..]) {
                        let named = parts.iter().take(at + wanted.len());
                        all.insert(self.workspace.join(named.collect::<PathBuf>()));
                    }
                }
            }
        }
        all.retain(|path| !self.before.contains(path) && exists(path));
        all.into_iter().collect()
    }

    /// Whether each missing name that can be held is held.
    pub fn is_whole(&self) -> bool {
        !self.unheld
    }

    fn add(
        &mut self,
        workspace: &Path,
        folder: &Path,
        name: &Path,
        standing: Standing,
        top: bool,
        by: Means<'_>,
    ) -> Result<(), String> {
        if self.hidden.iter().any(|hidden| folder.join(name).starts_with(hidden)) {
            return Ok(());
        }
        match standing {
            Standing::Link(path) => {
                self.memory.keep(&path);
                // What it leads to counts as the name's content.
                let real = path.canonicalize().ok();
                let inside = real.filter(|real| real.starts_with(workspace) && real != workspace);
                match inside {
                    Some(real) if by.mounts => self.hold(workspace, real)?,
                    Some(real) => self.memory.keep(&real),
                    None => {}
                }
            }
            Standing::Present(path) if !by.mounts => self.memory.keep(&path),
            Standing::Present(path) => self.hold(workspace, path)?,
            Standing::Absent { first_missing, below_a_part, held } if top || below_a_part => {
                let whole = folder.join(name);
                if !by.mounts || BREAKS_AS_A_FOLDER.iter().any(|n| name.ends_with(n)) {
                    self.memory.keep_absent(&whole);
                    return Ok(());
                }
                if self.sealed.contains(&first_missing) {
                    return Ok(());
                }
                let stands = match by.store {
                    Some(store) => {
                        let made = Placeholder::make(&first_missing, store)?;
                        let stands = made.is_some();
                        self.placeholders.extend(made);
                        stands
                    }
                    None => {
                        self.unheld |= !held;
                        held
                    }
                };
                if stands {
                    self.anchor(workspace, &first_missing);
                    self.sealed.insert(first_missing);
                    self.count(workspace)?;
                }
            }
            // Elsewhere every folder would need one: found afterwards, see `appeared`.
            Standing::Absent { .. } => {}
        }
        Ok(())
    }

    fn hold(&mut self, workspace: &Path, path: PathBuf) -> Result<(), String> {
        self.anchor(workspace, &path);
        self.read_only.insert(path);
        self.count(workspace)
    }

    fn anchor(&mut self, workspace: &Path, path: &Path) {
        let above = path.ancestors().skip(1).take_while(|folder| *folder != workspace);
        self.anchors.extend(above.map(Path::to_path_buf));
    }

    fn count(&self, workspace: &Path) -> Result<(), String> {
        if self.read_only.len() + self.sealed.len() + self.anchors.len() > MOUNTS {
            return Err(format!(
                "the workspace {} holds more than {MOUNTS} protected names; \
                 work in a smaller folder, or name fewer in `sandbox.protect`",
                workspace.display()
            ));
        }
        Ok(())
    }
}

fn is_bare(folder: &Path) -> bool {
    BARE.iter().all(|name| std::fs::symlink_metadata(folder.join(name)).is_ok())
}

/// Whether something of the user's own stands there.
fn exists(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok() && !is_placeholder(path)
}

/// A relative path without tricks.
fn clean(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name.trim_end_matches('/'));
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if name.contains('\0') || path.as_os_str().is_empty() || !path.components().all(plain) {
        return Err(format!(
            "`sandbox.protect` holds `{}`, which is not a relative path inside the workspace",
            name.escape_debug()
        ));
    }
    Ok(path)
}

/// A folder in which names are protected.
struct Folder {
    path: PathBuf,
    /// Which first parts of names were seen in it; `None` where not all of it was looked at.
    seen: Option<BTreeSet<OsString>>,
}

impl Folder {
    fn standing(&self, name: &Path) -> Standing {
        let mut at = self.path.clone();
        let parts = name.components().count();
        for (index, part) in name.components().enumerate() {
            at.push(part);
            let unseen = self.seen.as_ref().is_some_and(|seen| !seen.contains(part.as_os_str()));
            if index == 0 && unseen {
                return Standing::absent(at, index, false);
            }
            match std::fs::symlink_metadata(&at) {
                Ok(about) if about.is_symlink() => return Standing::Link(at),
                Ok(about) if about.is_dir() && is_placeholder(&at) => {
                    return Standing::absent(at, index, true);
                }
                Ok(about) if about.is_dir() && index + 1 < parts => {}
                // Also a file where a folder is expected, such as `.git` of a worktree.
                Ok(_) => return Standing::Present(at),
                Err(_) => return Standing::absent(at, index, false),
            }
        }
        Standing::Present(at)
    }
}

/// What the search came to.
struct Searched {
    /// The workspace first, then folders below it that hold the first part of a name, nearest
    /// first.
    folders: Vec<Folder>,
    complete: bool,
    /// Folders that were left out.
    skipped: Vec<PathBuf>,
}

/// The first few of a list, and how many there are beyond.
fn some_of(paths: &[PathBuf]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = paths.iter().take(SHOWN).map(|p| p.display().to_string()).collect();
    match paths.len().saturating_sub(SHOWN) {
        0 => format!("{} (not searched)", shown.join(", ")),
        more => format!("{} and {more} more folders (not searched)", shown.join(", ")),
    }
}

fn folders(workspace: &Path, names: &[PathBuf]) -> Searched {
    let firsts: Vec<_> = names.iter().filter_map(|name| name.components().next()).collect();
    let mut found = Vec::new();
    let mut queue = VecDeque::from([workspace.to_path_buf()]);
    let mut left = SEARCH;
    let mut skipped = Vec::new();
    let mut complete = true;
    while let Some(folder) = queue.pop_front() {
        let entries = std::fs::read_dir(&folder);
        let readable = entries.is_ok();
        let mut seen = BTreeSet::new();
        for entry in entries.into_iter().flatten().flatten() {
            if left == 0 {
                complete = false;
                break;
            }
            left -= 1;
            let name = entry.file_name();
            if firsts.iter().any(|first| first.as_os_str() == name) {
                seen.insert(name);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                match SKIPPED.iter().any(|large| *large == name) {
                    true => skipped.push(entry.path()),
                    false => queue.push_back(entry.path()),
                }
            }
        }
        if !seen.is_empty() || folder == workspace {
            found.push(Folder { path: folder, seen: (complete && readable).then_some(seen) });
        }
        if !complete {
            break;
        }
    }
    Searched { folders: found, complete, skipped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_workspace_are_refused() {
        for bad in ["", "/", "/etc", "../x", "a/../b", ".", "a\0b"] {
            assert!(clean(bad).is_err(), "{bad:?}");
        }
        assert_eq!(clean(".git/hooks/").unwrap(), PathBuf::from(".git/hooks"));
    }

    #[test]
    fn folders_that_were_not_searched_are_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/node_modules/b/.git/hooks")).unwrap();
        let guard = Guard::prepare(
            dir.path(),
            &[".git/hooks".to_owned()],
            &[],
            &Hold::Placeholders(&Pool::none()),
        )
        .unwrap();
        let named = dir.path().join("a/node_modules").display().to_string();
        assert!(guard.missing.iter().any(|words| words.contains(&named)), "{:?}", guard.missing);
    }

    #[test]
    fn every_folder_above_a_nested_name_is_pinned() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b/.git/hooks")).unwrap();
        let guard = Guard::prepare(
            dir.path(),
            &[".git/hooks".to_owned()],
            &[],
            &Hold::Placeholders(&Pool::none()),
        )
        .unwrap();
        for folder in ["a", "a/b", "a/b/.git"] {
            assert!(guard.anchors.contains(&dir.path().join(folder)), "{folder}");
        }
        assert!(guard.read_only.contains(&dir.path().join("a/b/.git/hooks")));
        assert!(guard.sealed.contains(&dir.path().join(".git")), "absent at the top");
    }
}
