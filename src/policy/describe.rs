//! `ion help ID`: the page of a shipped pattern or sensitive path, offline.

use super::danger;
use super::match_path::Anchors;
use super::sensitive;
use crate::config::schema::permissions::Severity;
use crate::model::AbsPath;
use std::fmt::Write;

/// The page of `id`, `None` when nothing that is shipped has it.
pub fn describe(id: &str) -> Option<String> {
    let pattern = danger::builtin().iter().find(|danger| danger.id == id).map(|danger| {
        page(Page {
            id,
            kind: "dangerous pattern",
            severity: danger.severity.unwrap_or(Severity::Notice),
            source: danger.source.as_ref().map(ToString::to_string),
            reason: &danger.reason,
            hint: danger.hint.as_deref(),
            matches: &danger.matches,
            rejects: &danger.rejects,
        })
    });
    pattern.or_else(|| {
        let paths = sensitive::builtin(&anchors()?);
        let entry = paths.iter().find(|entry| entry.id == id)?;
        Some(page(Page {
            id,
            kind: if entry.writes_only { "path that decides what runs" } else { "sensitive path" },
            severity: entry.severity,
            source: Some(entry.source.to_string()),
            reason: &entry.reason,
            hint: None,
            matches: &entry.matches,
            rejects: &entry.rejects,
        }))
    })
}

/// The ids of the shipped patterns and sensitive paths.
pub fn shipped_ids() -> Vec<String> {
    let paths = anchors().map(|anchors| sensitive::builtin(&anchors)).unwrap_or_default();
    let ids = danger::builtin().iter().map(|danger| danger.id.clone());
    ids.chain(paths.iter().map(|entry| entry.id.clone())).collect()
}

/// A place to stand: the pages show patterns as they are written.
fn anchors() -> Option<Anchors> {
    Some(Anchors { workspace: AbsPath::new("/work")?, home: AbsPath::new("/home/you") })
}

struct Page<'a> {
    id: &'a str,
    kind: &'a str,
    severity: Severity,
    source: Option<String>,
    reason: &'a str,
    hint: Option<&'a str>,
    matches: &'a [String],
    rejects: &'a [String],
}

fn page(page: Page<'_>) -> String {
    let does = match page.severity {
        Severity::Critical => "critical: denies",
        Severity::High => "high: asks, and is denied where nobody can answer",
        Severity::Notice => "notice: is recorded",
    };
    let mut text = format!("{}   {}\n  {does}\n  because   {}\n", page.id, page.kind, page.reason);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<9} {value}");
    };
    if let Some(hint) = page.hint {
        line("instead", hint);
    }
    if let Some(source) = &page.source {
        line("set by", &format!("builtin policy ({source})"));
    }
    for example in page.matches {
        line("hits", example);
    }
    for example in page.rejects {
        line("leaves", example);
    }
    line("lifted by", "an allow rule that names this id in `overrides` (docs/policy.md)");
    text
}
