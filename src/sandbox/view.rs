//! What a call sees: one list of openings, from which every backend is fed.
//!
//! Nothing is visible unless it is named here: the system's programs, a few files of `/etc`,
//! the workspace, and what the policy adds. Deny lists come last and win. Read [`super::mounts`]
//! for the mounts and [`super::landlock`] for the rules made from it.

use super::placeholder;
use crate::model::AbsPath;
use crate::policy::{Confinement, NetworkAccess};
use std::path::{Path, PathBuf};

/// Folders of programs and libraries.
pub const SYSTEM: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store"];
/// Files and folders of `/etc` that programs need. No secret is among them: never `shadow`,
/// `ssl/private`, `ion` or a file of credentials.
pub const ETC: &[&str] = &[
    "/etc/passwd",
    "/etc/group",
    "/etc/nsswitch.conf",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
];
/// Added where the call has a network. Each entry costs a mount, so not before.
pub const ETC_NETWORK: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/services",
    "/etc/protocols",
    "/etc/gai.conf",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
];

/// The openings of one call.
#[derive(Debug, Clone)]
pub struct View {
    /// Readable folders and files besides [`SYSTEM`].
    pub read: Vec<PathBuf>,
    /// Writable folders and files.
    pub write: Vec<PathBuf>,
    /// Never visible, although a root above may be. Existing paths only.
    pub hide: Vec<PathBuf>,
    /// An empty, private folder stands in its place.
    pub home: Option<PathBuf>,
    /// The folder whose protected names are held, when the call can write to it.
    pub guarded: Option<PathBuf>,
}

impl View {
    /// Works it out; without `writes` nothing is writable.
    pub fn of(confinement: &Confinement, writes: bool, home: Option<&AbsPath>) -> Self {
        let mut view = View {
            read: Vec::new(),
            write: Vec::new(),
            hide: Vec::new(),
            home: home.filter(|home| home.parent().is_some()).map(|h| h.as_path().to_path_buf()),
            guarded: None,
        };
        let network = confinement.network != NetworkAccess::None;
        let more = if network { ETC_NETWORK } else { &[] };
        view.read.extend(ETC.iter().chain(more).map(PathBuf::from));
        view.read.extend(paths(&confinement.read));
        let workspace = confinement.workspace.as_path().to_path_buf();
        if writes && confinement.workspace_writable {
            view.guarded = Some(workspace.clone());
            view.write.push(workspace);
        } else {
            view.read.push(workspace);
        }
        let granted = if writes { &mut view.write } else { &mut view.read };
        granted.extend(paths(&confinement.write));
        view.read.retain(|path| path.exists());
        view.write.retain(|path| path.exists());
        view.hide = hidden(&confinement.hide);
        view
    }

    /// Whether a path can be reached through one of the openings.
    pub fn reaches(&self, path: &Path) -> bool {
        let system = SYSTEM.iter().map(Path::new);
        let own = self.read.iter().chain(&self.write).map(PathBuf::as_path);
        system.chain(own).any(|root| path.starts_with(root))
    }
}

fn paths(list: &[AbsPath]) -> impl Iterator<Item = PathBuf> + '_ {
    list.iter().map(|path| path.as_path().to_path_buf())
}

/// Existing hidden paths with links resolved, none below another.
fn hidden(list: &[AbsPath]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in list {
        // Most are not there, and following links to find that out takes a call for each folder
        // on the way. A link that leads nowhere shows nothing either.
        if !path.as_path().exists() {
            continue;
        }
        let Ok(real) = path.as_path().canonicalize() else { continue };
        // The placeholder of a protected name stands for "nothing is there", and goes again.
        if placeholder::is_placeholder(&real) {
            continue;
        }
        all.push(real);
    }
    // Outer ones first; what lies below a hidden folder is hidden with it.
    all.sort();
    let mut outer: Vec<PathBuf> = Vec::new();
    for path in all {
        if !outer.iter().any(|hidden| path.starts_with(hidden)) {
            outer.push(path);
        }
    }
    outer
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_tool_that_only_reads_gets_no_writable_root() {
        let mut confinement = super::super::nothing_to_do().confinement;
        confinement.workspace_writable = true;
        confinement.write = vec![AbsPath::new("/usr/share").unwrap()];
        for (writes, roots) in [(false, 0), (true, 2)] {
            let view = View::of(&confinement, writes, None);
            assert_eq!(view.write.len(), roots, "{writes}");
            assert!(view.reaches(Path::new("/usr/share/x")), "{writes}");
        }
    }

    #[test]
    fn a_folder_with_a_similar_name_is_not_reached() {
        let view = View::of(&super::super::nothing_to_do().confinement, true, None);
        assert!(!view.reaches(Path::new("/usr-evil")) && !view.reaches(Path::new("/etc/shadow")));
    }
}
