//! `pathPatterns`, `readOnlyPaths` and sensitive paths: globs over absolute paths.
//!
//! `./x` and `x/y` lie in the workspace, `~/x` in the home folder, `**` crosses folders. A
//! restricting pattern hits if the lexical or the canonical path does; a permitting one only
//! if both do. `X/**` means `X` too.

use super::expression::{Expression, compatible, known_head};
use super::facts::PathUse;
use super::possible::Automaton;
use super::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Reach};
use crate::model::AbsPath;
use globset::{GlobBuilder, GlobMatcher};
use std::path::Path;
use std::sync::OnceLock;

/// The folders that relative patterns start from.
#[derive(Debug, Clone)]
pub struct Anchors {
    /// Behind `./x`.
    pub workspace: AbsPath,
    /// Behind `~/x`.
    pub home: Option<AbsPath>,
}

const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];
const MARKS: [char; 3] = [ANY, ANY_NAME, ANY_PLAIN_NAME];
/// Largest automaton in bytes.
const LARGEST: usize = 4 << 20;

/// A compiled path pattern.
#[derive(Debug)]
pub struct PathPattern {
    /// As written.
    pub written: String,
    globs: Vec<LazyGlob>,
}

/// A glob whose expression is compiled only when the literals in it fit the path, and never
/// where it is one path, all below one, or one name at any depth.
///
/// INVARIANT (prefilter over-approximates): the answer is that of the whole glob.
#[derive(Debug)]
struct LazyGlob {
    text: String,
    literals: OnceLock<Literals>,
    matcher: OnceLock<Option<GlobMatcher>>,
    possible: OnceLock<Option<Automaton>>,
}

/// What a path must hold.
#[derive(Debug)]
struct Literals {
    begins: String,
    ends: String,
    /// From its middle.
    holds: String,
    form: Form,
    /// Bytes of the path that the glob is, or is everything below.
    base: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One path.
    Path,
    /// `X/**`: everything below `X`.
    Below,
    /// `/**/X`: this name at any depth.
    Name,
    Other,
}

fn built(text: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build()
}

impl Literals {
    fn of(text: &str) -> Self {
        let begins = text.split(SPECIAL).next().unwrap_or_default();
        // `/a/**` also matches below a folder whose slash belongs to the wildcard.
        let begins = begins.trim_end_matches('/').to_owned();
        let plain = |text: &str| !text.contains(SPECIAL) && !text.is_empty();
        let form = if plain(text) {
            Form::Path
        } else if text.strip_suffix("/**").is_some_and(|base| plain(base) && base == begins) {
            Form::Below
        } else if text
            .strip_prefix("/**/")
            .is_some_and(|name| plain(name) && !name.starts_with('/'))
        {
            Form::Name
        } else {
            Form::Other
        };
        let ends = match form {
            Form::Path => text,
            _ => text.rsplit(SPECIAL).next().unwrap_or_default(),
        };
        let ends = ends.trim_start_matches('/').to_owned();
        let holds = if form == Form::Other { literal_inside(text) } else { String::new() };
        let base = text.strip_suffix("/**").or_else(|| text.strip_suffix("/*")).unwrap_or(text);
        let base = plain(base).then_some(base.len());
        Literals { begins, ends, holds, form, base }
    }
}

impl LazyGlob {
    fn new(text: String) -> Result<Self, String> {
        // Without these characters every text is a glob; what has them is built to see it.
        if text.contains(['[', ']', '{', '}', '\\', ',']) {
            built(&text).map_err(|error| error.kind().to_string())?;
        }
        let (literals, matcher, possible) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Ok(LazyGlob { text, literals, matcher, possible })
    }

    fn literals(&self) -> &Literals {
        self.literals.get_or_init(|| Literals::of(&self.text))
    }

    /// The whole path, where the glob is one path or everything below one.
    fn literal_base(&self) -> Option<&str> {
        self.text.get(..self.literals().base?)
    }

    fn could_match(&self, shape: &str) -> bool {
        if !compatible(known_head(shape).as_bytes(), self.literals().begins.as_bytes()) {
            return false;
        }
        let build = || Automaton::new(built(&self.text).ok()?.regex(), LARGEST);
        self.possible
            .get_or_init(build)
            .as_ref()
            .is_none_or(|automaton| automaton.could_match(shape))
    }

    fn matches(&self, path: &AbsPath) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let bytes = path.as_path().as_os_str().as_bytes();
        let known = self.literals();
        let (begins, ends) = (known.begins.as_bytes(), known.ends.as_bytes());
        // One byte tells most of them apart.
        match known.form {
            Form::Path => bytes == self.text.as_bytes(),
            Form::Below => bytes.get(begins.len()) == Some(&b'/') && bytes.starts_with(begins),
            Form::Name => {
                let before = bytes.len().checked_sub(ends.len() + 1);
                before.is_some_and(|at| bytes.get(at) == Some(&b'/')) && bytes.ends_with(ends)
            }
            Form::Other => {
                (ends.is_empty() || bytes.last() == ends.last())
                    && bytes.starts_with(begins)
                    && bytes.ends_with(ends)
                    && memchr::memmem::find(bytes, known.holds.as_bytes()).is_some()
                    && self.full().is_some_and(|glob| glob.is_match(path.as_path()))
            }
        }
    }

    /// Never `None`: a text that might be no glob was built when it was read.
    fn full(&self) -> Option<&GlobMatcher> {
        let build = || built(&self.text).ok().map(|glob| glob.compile_matcher());
        self.matcher.get_or_init(build).as_ref()
    }
}

/// The longest text that every match holds: outside of wildcards, classes and alternatives.
fn literal_inside(glob: &str) -> String {
    let (mut longest, mut run) = ("", 0);
    let (mut braces, mut class) = (0usize, false);
    let mut close = |from: usize, to: usize, outside: bool| {
        let text = glob.get(from..to).unwrap_or_default().trim_matches('/');
        if outside && text.len() > longest.len() {
            longest = text;
        }
    };
    for (at, c) in glob.char_indices().filter(|(_, c)| SPECIAL.contains(c) || *c == '!') {
        close(run, at, braces == 0 && !class);
        match c {
            '[' => class = true,
            ']' => class = false,
            '{' if !class => braces += 1,
            '}' if !class => braces = braces.saturating_sub(1),
            // What is escaped is not taken apart any more: what stands behind is not known.
            '\\' => return longest.to_owned(),
            _ => {}
        }
        run = at + c.len_utf8();
    }
    close(run, glob.len(), braces == 0 && !class);
    longest.to_owned()
}

/// Whether it is worth to compare two paths name by name: `base` begins with the bytes of
/// `shape`, or `shape` is not written in the plain way (`//`, `/.`).
fn could_begin(shape: &str, base: &str) -> bool {
    let odd = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.']);
    base.as_bytes().starts_with(shape.trim_end_matches('/').as_bytes())
        || shape.as_bytes().windows(2).any(odd)
}

/// Whether a path is not written in the plain way, so that bytes do not tell what lies below it.
pub(super) fn odd(path: &str) -> bool {
    path.contains("//") || path.contains("/./") || path.ends_with("/.")
}

/// What every path that a glob matches has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GlobKey<'a> {
    /// These bytes in front; whatever could reach it is compatible with them.
    Begins(&'a str),
    /// A slash and these bytes at the end.
    Name(&'a str),
    /// Nothing that is known.
    None,
}

/// Whether a folder of this shape could lead to `base`.
fn could_lead(shape: &str, base: &str) -> bool {
    let mut source = String::from("^");
    for c in shape.chars() {
        match c {
            ANY => source.push_str(".*"),
            ANY_NAME | ANY_PLAIN_NAME => source.push_str("[^/]*"),
            other => source.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    source.push_str("(?:/|$)");
    Expression::new(&source).map_or(true, |regex| regex.is_match(base))
}

/// Whether a name with wildcards says enough to mean a secret: a dot in front, or an ending.
fn tells(name: &str, pattern: &str) -> bool {
    let head = name.split(MARKS).next().unwrap_or_default();
    let tail = name.rsplit(MARKS).next().unwrap_or_default();
    // `*.toml` means all of a kind, unless the pattern is about that kind (`*.pem`).
    let ending = tail.len() >= 4 && (pattern.starts_with('*') || !tail.starts_with('.'));
    !name.contains(MARKS) || head.starts_with('.') || head.len() >= 3 || ending
}

/// Name by name: a known one fits the pattern, one with wildcards fits its plainest instance.
fn could_name(shape: &[&str], pattern: &[&str]) -> bool {
    shape.iter().zip(pattern).all(|(name, pattern)| {
        if name.contains(MARKS) {
            let plain = pattern.replace(['*', '\\'], "");
            !(name.starts_with(ANY_PLAIN_NAME) && plain.starts_with('.')) && wild(name, &plain)
        } else {
            let marked: String = pattern
                .chars()
                .map(|c| if matches!(c, '*' | '?') { ANY_NAME } else { c })
                .collect();
            wild(&marked.replace('\\', ""), name)
        }
    })
}

/// Whether a name with marks could be `text`.
fn wild(name: &str, text: &str) -> bool {
    let mut parts = name.split(MARKS).peekable();
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else {
        return false;
    };
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    true
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
        let workspace = || escaped(&anchors.workspace);
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
                workspace()
            } else {
                format!("{}/{bare}", workspace())
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
        let globs = texts.into_iter().map(LazyGlob::new).collect::<Result<Vec<_>, _>>()?;
        Ok(PathPattern { written: written.to_owned(), globs })
    }

    /// The globs that it stands for, over absolute paths.
    pub(super) fn globs(&self) -> impl Iterator<Item = &str> {
        self.globs.iter().map(|glob| glob.text.as_str())
    }

    /// By what its globs can be looked up.
    pub(super) fn keys(&self) -> impl Iterator<Item = GlobKey<'_>> {
        self.globs.iter().map(|glob| {
            let known = glob.literals();
            match known.form {
                _ if odd(&glob.text) => GlobKey::None,
                Form::Name => GlobKey::Name(&known.ends),
                _ if known.begins.is_empty() => GlobKey::None,
                _ => GlobKey::Begins(&known.begins),
            }
        })
    }

    /// Whether one path matches.
    pub fn matches(&self, path: &AbsPath) -> bool {
        self.globs.iter().any(|glob| glob.matches(path))
    }

    /// Whether everything below `root` matches, and `root` too. Tried with names that no pattern
    /// holds, so that only a wildcard over folders covers them.
    pub fn covers_tree(&self, root: &str) -> bool {
        let below = |depth: usize| AbsPath::new(format!("{root}{}", "/\u{7f}.".repeat(depth)));
        [0, 1, 2, 5].into_iter().all(|depth| below(depth).is_some_and(|path| self.matches(&path)))
    }

    /// Whether a path that is not known in full could match, or one below the root of a tree.
    pub fn could_reach(&self, reach: &Reach) -> bool {
        self.globs.iter().any(|glob| {
            let named = !reach.shape.contains(MARKS) && !reach.tree;
            let below = reach.tree
                && glob.literal_base().is_some_and(|base| {
                    if reach.shape.contains(MARKS) {
                        could_lead(&reach.shape, base)
                    } else {
                        Path::new(base).starts_with(&reach.shape)
                    }
                });
            below || !named && glob.could_match(&reach.shape)
        })
    }

    /// As [`Self::could_reach`], for what ships: a wildcard alone names nothing, and a tree
    /// only what the pattern names in full outside the workspace.
    pub fn shipped_could_reach(&self, reach: &Reach) -> bool {
        if reach.tree {
            return self.written.starts_with(['/', '~'])
                && self.globs.iter().filter_map(LazyGlob::literal_base).any(|base| {
                    could_begin(&reach.shape, base)
                        && !reach.shape.contains(MARKS)
                        && Path::new(base).starts_with(&reach.shape)
                });
        }
        if !reach.shape.contains(MARKS) || reach.shape.contains(ANY) {
            return false;
        }
        let shape: Vec<&str> = reach.shape.split('/').collect();
        self.globs.iter().any(|glob| {
            let text = glob.text.as_str();
            match text.strip_prefix("/**/") {
                Some(tail) => {
                    let tail: Vec<&str> = tail.trim_end_matches("/**").split('/').collect();
                    let from = shape.len().saturating_sub(tail.len());
                    let last = shape.last().copied().unwrap_or_default();
                    tells(last, tail.last().copied().unwrap_or_default())
                        && shape.len() >= tail.len()
                        && could_name(shape.get(from..).unwrap_or_default(), &tail)
                }
                None if self.written.contains('/') => {
                    let base = text.trim_end_matches("/**");
                    let deep = base.len() < text.len();
                    let base: Vec<&str> = base.split('/').collect();
                    let head = shape.get(..base.len()).unwrap_or_default();
                    let fits = head.len() == base.len() && (deep || shape.len() == base.len());
                    let vague = shape.len() == base.len()
                        && shape
                            .last()
                            .is_some_and(|last| last.chars().all(|c| MARKS.contains(&c)));
                    fits && !vague && could_name(head, &base)
                }
                None => false,
            }
        })
    }

    /// Either form hits.
    pub fn restricts(&self, path: &PathUse) -> bool {
        self.matches(&path.lexical) || !path.is_plain() && self.matches(&path.canonical)
    }

    /// Both forms hit.
    pub fn permits(&self, path: &PathUse) -> bool {
        self.matches(&path.lexical) && (path.is_plain() || self.matches(&path.canonical))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_lazy_glob_says_what_the_glob_says(
            glob in r"/([ab.*?/]|\*\*/|/\*\*|\[a-b\]|\[!a\]|\{a,b/\*\}|\\\\[ab*]){0,8}",
            path in "/[ab.*]{1,3}(/[ab.]{1,3}){0,3}",
        ) {
            let (Ok(lazy), Some(path)) = (LazyGlob::new(glob.clone()), AbsPath::new(&path)) else {
                prop_assert!(built(&glob).is_err() || AbsPath::new(&path).is_none(), "{}", glob);
                return Ok(());
            };
            let wanted = built(&glob).unwrap().compile_matcher().is_match(path.as_path());
            prop_assert_eq!(lazy.matches(&path), wanted, "{} on {:?}", glob, path);
        }
    }
}
