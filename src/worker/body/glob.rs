//! `Glob`: files by pattern, ignore files honoured, sorted bytewise.

use super::{Arguments, Outcome, say};
use ignore::WalkBuilder;
use ignore::overrides::{Override, OverrideBuilder};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most paths in one answer.
const MOST: usize = 10_000;

/// Runs the tool.
///
/// # Errors
/// The tool error.
pub fn run(arguments: &Arguments<'_>) -> Result<Outcome, String> {
    let pattern = arguments.required("pattern")?;
    arguments.text("path")?;
    let (root, pattern) = anchor(arguments, pattern)?;
    std::fs::read_dir(&root).map_err(|e| format!("Error: {}", say("open", &root, &e)))?;
    let filter = pattern_filter(&root, &pattern)?;
    let mut found: Vec<PathBuf> = walk(&root, filter, true).collect();
    found.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(render(&found, arguments.call.output_bytes))
}

/// Splits an absolute pattern into a folder and the rest.
fn anchor(arguments: &Arguments<'_>, pattern: &str) -> Result<(PathBuf, String), String> {
    if !pattern.starts_with('/') {
        return Ok((arguments.root(), pattern.to_owned()));
    }
    let special = |part: &&str| !part.contains(['*', '?', '[', '{', '\\', '!']);
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let plain = parts.iter().take_while(|part| special(part)).count();
    let plain = plain.min(parts.len().saturating_sub(1));
    let (fixed, rest) = parts.split_at(plain);
    let root = PathBuf::from(format!("/{}", fixed.join("/")));
    // FAIL CLOSED: the judge saw the permit's paths, so a pattern must not lead elsewhere.
    let leaves = fixed.contains(&"..") || !arguments.covers(&root);
    if leaves {
        return Err(format!(
            "Error: pattern {pattern} lies outside {}",
            arguments.root().display()
        ));
    }
    Ok((root, format!("/{}", rest.join("/"))))
}

/// A filter in ignore-file syntax, as `--glob` of ripgrep has it.
///
/// # Errors
/// The tool error for a pattern that does not parse.
pub fn pattern_filter(root: &Path, pattern: &str) -> Result<Override, String> {
    let mut builder = OverrideBuilder::new(root);
    builder.add(pattern).map_err(|e| format!("Error: invalid glob pattern: {e}"))?;
    builder.build().map_err(|e| format!("Error: invalid glob pattern: {e}"))
}

/// Regular files below `root`. Links are not followed; `.git` is never listed.
pub fn walk(root: &Path, filter: Override, hidden: bool) -> impl Iterator<Item = PathBuf> {
    let mut builder = WalkBuilder::new(root);
    builder.overrides(filter).hidden(!hidden).follow_links(false).require_git(true);
    // What a user has configured for other programs is not part of the call.
    builder.git_global(false);
    builder.filter_entry(|entry| entry.depth() == 0 || entry.file_name() != ".git");
    let regular = |entry: &ignore::DirEntry| entry.file_type().is_some_and(|t| t.is_file());
    builder.build().flatten().filter(regular).map(ignore::DirEntry::into_path)
}

fn render(found: &[PathBuf], cap: usize) -> Outcome {
    if found.is_empty() {
        return Outcome::done("(no matches)");
    }
    let mut content = String::new();
    let mut shown = 0;
    for path in found.iter().take(MOST) {
        let line = path.to_string_lossy();
        if content.len() + line.len() + 1 > cap {
            break;
        }
        if shown > 0 {
            content.push('\n');
        }
        content.push_str(&line);
        shown += 1;
    }
    if shown < found.len() {
        content.push_str(&format!(
            "\n(truncated at {shown} results; use a more specific path or pattern)"
        ));
    }
    let rest = found.get(shown..).unwrap_or_default();
    let omitted = rest.iter().map(|path| path.as_os_str().len() as u64 + 1).sum();
    Outcome { omitted_bytes: omitted, ..Outcome::done(content) }
}
