//! The mounts that an own view is made of, in the order in which they have to happen.
//!
//! Pure, apart from looking at what paths are. The list is the same for every backend with a
//! view: [`super::bwrap`] renders it as arguments, the `userns` worker carries it out itself.

use super::protect::Guard;
use super::view::{ETC, SYSTEM, View};
use crate::worker::wire::{Mount, WirePath};
use std::path::{Path, PathBuf};

/// Sizes of the private folders, bytes.
const TEMPORARY: u64 = 512 << 20;
const HOME: u64 = 128 << 20;

/// The whole view, outermost first.
pub fn mounts(view: &View, guard: &Guard) -> Vec<Mount> {
    let mut all: Vec<Mount> = SYSTEM.iter().filter_map(|path| system(Path::new(path))).collect();
    all.push(Mount::Kernel);
    all.extend(openings(view, guard).into_iter().map(|(_, mount)| mount));
    let hidden = view.hide.iter().filter(|path| view.reaches(path));
    all.extend(hidden.map(|path| Mount::Masked { at: WirePath::new(path), folder: path.is_dir() }));
    all
}

/// Outer mounts before inner ones, so that each narrower opening or protection lands on top.
fn openings(view: &View, guard: &Guard) -> Vec<(usize, Mount)> {
    let mut all = Vec::new();
    let mut add = |path: &Path, mount: fn(WirePath) -> Mount| {
        all.push((path.components().count(), mount(WirePath::new(path))));
    };
    add(Path::new("/tmp"), |at| Mount::Empty { at, bytes: TEMPORARY });
    if let Some(home) = &view.home {
        add(home, |at| Mount::Empty { at, bytes: HOME });
    }
    view.read.iter().for_each(|path| add(path, Mount::ReadOnly));
    view.write.iter().for_each(|path| add(path, Mount::Writable));
    // A folder bound onto itself cannot be renamed, so what is protected below stays there.
    guard.anchors.iter().for_each(|path| add(path, Mount::Writable));
    guard.read_only.iter().for_each(|path| add(path, Mount::ReadOnly));
    guard.sealed.iter().for_each(|path| add(path, Mount::Sealed));
    for (_, mount) in &mut all {
        if let Mount::ReadOnly(path) = mount
            && let Some(target) = link_into_system(&path.to_path())
        {
            // One mount less. Where it leads is visible anyway.
            *mount = Mount::Link { at: path.clone(), target: WirePath::new(target) };
        }
    }
    all.sort_by_key(|(depth, _)| *depth);
    all
}

/// The target of a link of `/etc` to something below `/usr`, as `localtime` is.
fn link_into_system(path: &Path) -> Option<PathBuf> {
    if !ETC.contains(&path.to_str()?) {
        return None;
    }
    let target = std::fs::read_link(path).ok()?;
    (target.starts_with("/usr") && target.exists()).then_some(target)
}

/// A system folder, or the link that it is on systems with everything in `/usr`.
fn system(path: &Path) -> Option<Mount> {
    let at = WirePath::new(path);
    match std::fs::read_link(path) {
        Ok(target) => Some(Mount::Link { at, target: WirePath::new(target) }),
        Err(_) => path.exists().then_some(Mount::ReadOnly(at)),
    }
}
