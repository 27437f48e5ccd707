//! A set of changes for a person: one line a path, and for small text the lines that differ.

use super::scan::{ChangeSet, Entry};
use crate::model::visible;
use similar::TextDiff;
use std::fmt::Write;
use std::path::Path;

/// Largest file whose lines are shown, bytes.
const LARGEST: u64 = 256 << 10;
/// Most lines of differences in all.
const LINES: usize = 400;
/// Most paths that are listed.
const PATHS: usize = 500;

/// The set in words. What is shown comes from a command that nobody trusts: control characters are made
/// visible.
pub fn show(set: &ChangeSet, workspace: &Path) -> String {
    let (added, changed, removed) = set.counts();
    let mut text = format!("would add {added}, change {changed}, remove {removed}\n");
    for (path, change) in set.changes.iter().take(PATHS) {
        let sign = match (&change.before, &change.after) {
            (None, _) => 'A',
            (_, None) => 'D',
            _ => 'M',
        };
        let about = match (&change.before, &change.after) {
            (before, Some(after)) => describe(before.as_ref(), after),
            (Some(Entry::Folder { .. }), None) => "folder".to_owned(),
            _ => String::new(),
        };
        let line = format!("  {sign} {}  {about}", visible(&path.display().to_string()));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if set.changes.len() > PATHS {
        let _ = writeln!(text, "  and {} more", set.changes.len() - PATHS);
    }
    let mut left = LINES;
    for (path, change) in &set.changes {
        let before = content(change.before.as_ref(), &workspace.join(path));
        let after = content(change.after.as_ref(), &set.upper.join(path));
        let (Some(before), Some(after)) = (before, after) else { continue };
        if before == after {
            continue;
        }
        let shown = visible(&path.display().to_string());
        let diff = TextDiff::from_lines(&before, &after);
        let unified =
            diff.unified_diff().header(&format!("a/{shown}"), &format!("b/{shown}")).to_string();
        for line in unified.lines() {
            if left == 0 {
                text.push_str("(more differences are not shown)\n");
                return text;
            }
            left -= 1;
            text.push_str(&visible(line));
            text.push('\n');
        }
    }
    text
}

fn describe(before: Option<&Entry>, after: &Entry) -> String {
    match (before, after) {
        (
            Some(Entry::File { mode: from, digest: old, .. }),
            Entry::File { mode, digest, bytes },
        ) if from != mode => {
            let content = if old == digest { "contents the same" } else { "contents differ" };
            format!("{bytes} bytes, {content}, mode {from:04o} -> {mode:04o}")
        }
        (_, Entry::File { bytes, mode, .. }) if mode & 0o111 != 0 => {
            format!("{bytes} bytes, executable")
        }
        (_, Entry::File { bytes, .. }) => format!("{bytes} bytes"),
        (_, Entry::Link { target }) => {
            format!("link to {}", visible(&target.display().to_string()))
        }
        (_, Entry::Folder { .. }) => "folder".to_owned(),
        (_, Entry::Other) => "device, pipe or socket: cannot be applied".to_owned(),
    }
}

/// The text of a file; empty for nothing; `None` for what has no lines to show.
fn content(entry: Option<&Entry>, path: &Path) -> Option<String> {
    match entry {
        None => Some(String::new()),
        Some(Entry::File { bytes, .. }) if *bytes <= LARGEST => {
            String::from_utf8(std::fs::read(path).ok()?).ok().filter(|text| !text.contains('\0'))
        }
        _ => None,
    }
}
