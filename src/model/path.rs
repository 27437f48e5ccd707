//! Absolute, lexically clean paths. Resolving links needs a disk and lives in `gate::propose`.

use serde::Serialize;
use std::fmt;
use std::path::{Component, Path, PathBuf};

/// An absolute path without `.`, `..`, doubled slashes or NUL.
///
/// Lexical only: it may still name a symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct AbsPath(PathBuf);

impl AbsPath {
    /// Cleans `path`; `None` when it is relative or holds a NUL byte.
    pub fn new(path: impl AsRef<Path>) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt;
        let path = path.as_ref();
        if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
            return None;
        }
        let mut clean = PathBuf::from("/");
        for part in path.components() {
            match part {
                Component::Normal(name) => clean.push(name),
                // At the root `..` stays at the root, as the kernel has it.
                Component::ParentDir => drop(clean.pop()),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            }
        }
        Some(AbsPath(clean))
    }

    /// `text` taken relative to this folder, unless it is absolute already.
    pub fn join(&self, text: impl AsRef<Path>) -> Option<Self> {
        AbsPath::new(self.0.join(text))
    }

    /// Whether this path is `root` or lies below it, component by component:
    /// `/x/ws-evil` is not inside `/x/ws`.
    pub fn is_within(&self, root: &AbsPath) -> bool {
        self.0.starts_with(&root.0)
    }

    /// The folder above, `None` for `/`.
    pub fn parent(&self) -> Option<AbsPath> {
        self.0.parent().map(|p| AbsPath(p.to_path_buf()))
    }

    /// Borrows the standard library's type.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for AbsPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_and_a_sibling_is_not_inside() {
        let ws = AbsPath::new("/x/ws").unwrap();
        assert_eq!(AbsPath::new("/x/./a/..//ws/").unwrap(), ws);
        assert!(AbsPath::new("/x/ws/a").unwrap().is_within(&ws));
        assert!(!AbsPath::new("/x/ws-evil").unwrap().is_within(&ws));
        assert!(!ws.join("../ws-evil").unwrap().is_within(&ws));
        assert_eq!(AbsPath::new("/../../etc").unwrap().to_string(), "/etc");
        assert!(AbsPath::new("relative").is_none());
        assert!(AbsPath::new("/a\0b").is_none());
    }
}
