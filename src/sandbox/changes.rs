//! Which files a call changed, for the record of its outcome.
//!
//! Known where Ion itself made the change: by a file tool, whose worker says how large the file was
//! and is, and by applying what a preview showed. What a command changed is not known; its decision
//! says what its words are about. No digest of a content is kept: one of a short secret can be guessed.

use super::preview::ChangeSet;
use super::preview::scan::Entry;
use crate::model::AbsPath;
use crate::worker::wire::Changed;
use serde::Serialize;
use std::path::Path;

/// Most that are named in a record.
const MOST: usize = 100;

/// One file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Where.
    pub path: String,
    /// `created`, `changed` or `removed`.
    pub op: &'static str,
    /// Its size before, bytes, for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_bytes: Option<u64>,
    /// Its size now, bytes, for a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<u64>,
}

/// What a call changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileChanges {
    /// Named.
    pub files: Vec<FileChange>,
    /// How many more there were.
    pub more: usize,
}

impl FileChanges {
    /// Of a file tool. The path is the one that was judged, whatever the worker believes.
    pub(super) fn of_tool(paths: &[AbsPath], changed: Option<Changed>) -> Self {
        let (Some(path), Some(changed)) = (paths.first(), changed) else {
            return FileChanges::default();
        };
        let op = if changed.before.is_some() { "changed" } else { "created" };
        let (before_bytes, after_bytes) = (changed.before, Some(changed.after));
        let path = path.to_string();
        FileChanges { files: vec![FileChange { path, op, before_bytes, after_bytes }], more: 0 }
    }

    /// Of a set of changes that was applied to a workspace.
    pub(super) fn of_set(set: &ChangeSet, workspace: &Path) -> Self {
        let bytes = |entry: &Option<Entry>| match entry {
            Some(Entry::File { bytes, .. }) => Some(*bytes),
            _ => None,
        };
        let files = set.changes.iter().take(MOST).map(|(path, change)| FileChange {
            path: workspace.join(path).display().to_string(),
            op: match (&change.before, &change.after) {
                (None, _) => "created",
                (_, None) => "removed",
                _ => "changed",
            },
            before_bytes: bytes(&change.before),
            after_bytes: bytes(&change.after),
        });
        FileChanges { files: files.collect(), more: set.changes.len().saturating_sub(MOST) }
    }
}
