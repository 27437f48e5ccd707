//! Paths that hold secrets or decide what runs: no tool touches them unasked.

use super::danger::{each, list_of, severity, text_of};
use super::facts::{Access, PathUse};
use super::match_path::{Anchors, PathPattern};
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Reach};
use crate::config::schema::permissions::Severity;
use crate::model::{AbsPath, Source};
use crate::shipped::SENSITIVE_PATHS;

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
        use std::os::unix::ffi::OsStrExt;
        let bytes = path.as_path().as_os_str().as_bytes();
        if memchr::memchr3(b'*', b'?', b'[', bytes).is_none() {
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
        .map(|(table, source)| {
            let table = table.as_slice();
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
