//! Paths that hold secrets or decide what runs: no tool touches them unasked.

use super::danger::{each, list_of, severity, text_of};
use super::facts::{Access, PathUse};
use super::lookup::Globs;
use super::match_path::{Anchors, PathPattern};
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Reach};
use crate::config::schema::permissions::Severity;
use crate::model::{AbsPath, Source};
use crate::shipped::SENSITIVE_PATHS;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One sensitive path.
#[derive(Debug)]
pub struct Sensitive {
    /// Stable id.
    pub id: String,
    /// What lies there.
    pub reason: String,
    /// What a hit does.
    pub severity: Severity,
    /// Only writing is sensitive.
    pub writes_only: bool,
    /// Where it is written.
    pub source: Source,
    /// Paths that must match (`~` and `./` as in patterns).
    pub matches: Vec<String>,
    /// Paths that must not match.
    pub rejects: Vec<String>,
    pub(super) patterns: Vec<PathPattern>,
    pub(super) except: Vec<PathPattern>,
    examples: Vec<AbsPath>,
}

impl Sensitive {
    /// Whether a path is hit, in either form.
    pub fn hits(&self, path: &PathUse) -> bool {
        if self.writes_only && path.access == Access::Read {
            return false;
        }
        let one = |path: &AbsPath| {
            self.patterns.iter().any(|p| p.matches(path))
                && !self.except.iter().any(|p| p.matches(path))
        };
        one(&path.lexical)
            || !path.is_plain() && one(&path.canonical)
            || self.could_expand(&path.lexical)
    }

    /// Whether a path with wildcards, or a tree, could be one of these.
    pub fn could_reach(&self, reach: &Reach) -> bool {
        // What is copied or moved *into* a folder does not touch the secrets beside it; changing
        // the rights of a whole tree is a dangerous pattern of its own.
        let known = !reach.shape.contains([ANY, ANY_NAME, ANY_PLAIN_NAME]);
        if reach.tree && known && reach.access == Access::Write {
            return false;
        }
        (!self.writes_only || reach.access != Access::Read)
            && self.patterns.iter().any(|pattern| pattern.shipped_could_reach(reach))
    }

    /// A shell glob such as `~/.s*/id_rsa` that could name an example of this pattern.
    fn could_expand(&self, path: &AbsPath) -> bool {
        if !has_wildcard(path) {
            return false;
        }
        let text = path.to_string();
        let Some(first) = text.find(['*', '?', '[']) else { return false };
        // `src/*` names what lies in the workspace; only a wildcard among folders is a trick.
        if !text[first..].contains('/') && !text.contains("/.") {
            return false;
        }
        let build = |text: &str| globset::GlobBuilder::new(text).literal_separator(true).build();
        // FAIL CLOSED: brackets that the crate does not take stand for anything. bash leaves them
        // as they are, or finds nothing in them.
        let Ok(glob) = build(&text).or_else(|_| build(&without_brackets(&text))) else {
            return true;
        };
        let matcher = glob.compile_matcher();
        self.examples.iter().any(|example| matcher.is_match(example.as_path()))
    }
}

/// All sensitive paths of one workspace and home, filed by what a path must have.
#[derive(Debug)]
pub struct SensitiveList {
    all: Vec<Sensitive>,
    asked: AtomicUsize,
    globs: OnceLock<Globs>,
}

/// From this many paths on it is worth to file the list.
const SELDOM: usize = 16;

impl SensitiveList {
    /// Nothing is filed yet.
    pub fn new(all: Vec<Sensitive>) -> Self {
        SensitiveList { all, asked: AtomicUsize::new(0), globs: OnceLock::new() }
    }

    /// Every entry, in the order of the file.
    pub fn all(&self) -> &[Sensitive] {
        &self.all
    }

    /// The entries that could hit a path, in the order of the file.
    ///
    /// INVARIANT (prefilter over-approximates): no other entry hits it.
    pub fn about(&self, path: &PathUse) -> impl Iterator<Item = &Sensitive> {
        let early = self.asked.fetch_add(1, Ordering::Relaxed) < SELDOM;
        let chosen = (!early && !has_wildcard(&path.lexical)).then(|| {
            let mut found = Vec::new();
            self.globs.get_or_init(|| self.filed()).of(path, &mut found);
            found.sort_unstable();
            found.dedup();
            found
        });
        let places = 0..u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        let (all, some) = match chosen {
            None => (Some(places), None),
            Some(chosen) => (None, Some(chosen)),
        };
        let places = all.into_iter().flatten().chain(some.into_iter().flatten());
        places.filter_map(|at| self.all.get(at as usize))
    }

    fn filed(&self) -> Globs {
        let mut globs = Globs::default();
        for (at, entry) in (0..).zip(&self.all) {
            entry.patterns.iter().for_each(|pattern| globs.add(pattern, at));
        }
        globs.close();
        globs
    }
}

/// Whether a shell would look for what the path names.
fn has_wildcard(path: &AbsPath) -> bool {
    use std::os::unix::ffi::OsStrExt;
    memchr::memchr3(b'*', b'?', b'[', path.as_path().as_os_str().as_bytes()).is_some()
}

/// A glob with `*` in place of each bracket expression and brace.
fn without_brackets(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '[' if !inside => {
                inside = true;
                out.push('*');
            }
            ']' if inside => inside = false,
            _ if inside => {}
            '{' | '}' | '\\' => out.push('*'),
            other => out.push(other),
        }
    }
    out
}

/// Compiles the shipped list for one workspace and home.
///
/// # Panics
/// Never: the shipped list is checked by tests.
pub fn builtin(anchors: &Anchors) -> Vec<Sensitive> {
    let compile = |list: Vec<String>| -> Vec<PathPattern> {
        list.iter()
            .map(|p| PathPattern::new(p, anchors, true).expect("shipped globs are valid (tested)"))
            .collect()
    };
    each(SENSITIVE_PATHS, "path")
        .map(|(mut table, source)| {
            let table = table.as_mut_slice();
            let matches = list_of(table, "matches");
            Sensitive {
                id: text_of(table, "id").unwrap_or_default(),
                reason: text_of(table, "reason").unwrap_or_default(),
                severity: severity(table).unwrap_or(Severity::Critical),
                writes_only: text_of(table, "access").as_deref() == Some("write"),
                source,
                examples: matches.iter().filter_map(|example| expand(example, anchors)).collect(),
                rejects: list_of(table, "rejects"),
                patterns: compile(list_of(table, "patterns")),
                except: compile(list_of(table, "except")),
                matches,
            }
        })
        .collect()
}

/// An example path with `~` and `./` resolved.
pub fn expand(example: &str, anchors: &Anchors) -> Option<AbsPath> {
    match example.strip_prefix('~') {
        Some(rest) => anchors.home.as_ref()?.join(rest.trim_start_matches('/')),
        None => anchors.workspace.join(example),
    }
}
