//! `pathPatterns`, `readOnlyPaths` and sensitive paths: globs over absolute paths.
//!
//! `./x` and `x/y` lie in the workspace, `~/x` in the home folder, `**` crosses folders. A
//! restricting pattern hits if the lexical or the canonical path does; a permitting one only
//! if both do. `X/**` means `X` too.

use super::facts::PathUse;
use crate::model::AbsPath;
use globset::{GlobBuilder, GlobMatcher};
use std::sync::OnceLock;

/// The folders that relative patterns start from.
#[derive(Debug, Clone)]
pub struct Anchors {
    /// Behind `./x`.
    pub workspace: AbsPath,
    /// Behind `~/x`.
    pub home: Option<AbsPath>,
}

/// A compiled path pattern.
#[derive(Debug)]
pub struct PathPattern {
    /// As written.
    pub written: String,
    globs: Vec<LazyGlob>,
}

/// A glob whose expression is compiled only when its literal ends fit.
#[derive(Debug)]
struct LazyGlob {
    begins: String,
    ends: String,
    glob: globset::Glob,
    matcher: OnceLock<GlobMatcher>,
}

impl LazyGlob {
    fn new(glob: globset::Glob) -> Self {
        const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];
        let text = glob.glob();
        let begins = text.split(SPECIAL).next().unwrap_or_default();
        // `/a/**` also matches below a folder whose slash belongs to the wildcard.
        let begins = begins.trim_end_matches('/').to_owned();
        let plain = !text.contains(SPECIAL);
        let ends = if plain { text } else { text.rsplit(SPECIAL).next().unwrap_or_default() };
        let ends = ends.trim_start_matches('/').to_owned();
        LazyGlob { begins, ends, glob, matcher: OnceLock::new() }
    }

    fn matches(&self, path: &AbsPath) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let bytes = path.as_path().as_os_str().as_bytes();
        bytes.starts_with(self.begins.as_bytes())
            && bytes.ends_with(self.ends.as_bytes())
            && self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(path.as_path())
    }
}

/// Escapes a folder's own characters for use inside a glob.
fn escaped(folder: &AbsPath) -> String {
    let text = folder.to_string();
    globset::escape(if text == "/" { "" } else { &text })
}

impl PathPattern {
    /// Compiles `written`. `restricting` also lets a name without a slash match at any depth.
    ///
    /// # Errors
    /// What is wrong with the glob.
    pub fn new(written: &str, anchors: &Anchors, restricting: bool) -> Result<Self, String> {
        let workspace = escaped(&anchors.workspace);
        let mut texts = Vec::new();
        if written.is_empty() || written.contains('\0') {
            return Err("it is empty".to_owned());
        } else if written == "~" || written.starts_with("~/") {
            // Without a home folder nothing lies in it.
            if let Some(home) = &anchors.home {
                texts.push(format!("{}{}", escaped(home), &written[1..]));
            }
        } else if written.starts_with('/') {
            texts.push(format!("/{}", written.trim_start_matches('/')));
        } else if written.starts_with("**") {
            texts.push(format!("/{written}"));
        } else {
            let bare = written.strip_prefix("./").unwrap_or(written);
            texts.push(if bare.is_empty() || bare == "." {
                workspace.clone()
            } else {
                format!("{workspace}/{bare}")
            });
            if restricting && !written.contains('/') {
                texts.push(format!("/**/{written}"));
            }
        }
        let bases: Vec<String> = texts
            .iter()
            .filter_map(|text| text.strip_suffix("/**"))
            .map(|base| if base.is_empty() { "/" } else { base }.to_owned())
            .collect();
        texts.extend(bases);
        let build = |text: &String| {
            GlobBuilder::new(text)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|e| e.kind().to_string())
        };
        let globs = texts
            .iter()
            .map(build)
            .map(|glob| glob.map(LazyGlob::new))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(PathPattern { written: written.to_owned(), globs })
    }

    /// Whether one path matches.
    pub fn matches(&self, path: &AbsPath) -> bool {
        self.globs.iter().any(|glob| glob.matches(path))
    }

    /// Either form hits.
    pub fn restricts(&self, path: &PathUse) -> bool {
        self.matches(&path.lexical) || self.matches(&path.canonical)
    }

    /// Both forms hit.
    pub fn permits(&self, path: &PathUse) -> bool {
        self.matches(&path.lexical) && self.matches(&path.canonical)
    }
}
