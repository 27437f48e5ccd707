//! What a call would do, in short phrases for the person who is asked.

use super::propose::Proposed;
use crate::policy::{Access, Judgement, PathUse};

/// Most phrases; what is beyond is counted.
const MOST: usize = 12;

/// `writes src/x`, `contacts github.com`, `runs code that is not known`, one a phrase.
pub(in crate::gate) fn would(proposed: &Proposed, judgement: &Judgement) -> Vec<String> {
    let facts = &proposed.facts;
    let mut found = Vec::new();
    let units: &[_] = facts.command.as_ref().map_or(&[], |script| &script.units);
    for hit in &judgement.danger {
        found.push(format!("does what pattern {} warns of ({})", hit.pattern, hit.category));
    }
    for unit in units {
        let hosts = unit.hosts.iter().chain(&unit.sockets);
        found.extend(hosts.map(|host| format!("contacts {host}")));
        if unit.unknown_host {
            found.push(format!("contacts a host that only `{}` knows", unit.program));
        }
        if unit.remote {
            found.push(format!("acts elsewhere through `{}`", unit.program));
        }
        if let Some(why) = &unit.opaque {
            found.push(format!("cannot be understood in full: {why}"));
        }
    }
    found.extend(facts.hosts.iter().map(|host| format!("contacts {host}")));
    if let Some(why) = facts.command.as_ref().and_then(|script| script.opaque.as_ref()) {
        found.push(format!("cannot be understood in full: {why}"));
    }
    let of_command = units.iter().filter(|unit| !unit.remote).flat_map(|unit| &unit.paths);
    found.extend(facts.paths.iter().chain(of_command).filter_map(|path| touches(path, proposed)));
    let mut kept: Vec<String> = Vec::new();
    for phrase in found {
        if !kept.contains(&phrase) {
            kept.push(phrase);
        }
    }
    let more = kept.len().saturating_sub(MOST);
    if more > 0 {
        kept.truncate(MOST);
        kept.push(format!("and {more} more"));
    }
    kept
}

/// Reading inside the workspace goes without saying.
fn touches(path: &PathUse, proposed: &Proposed) -> Option<String> {
    let inside = path.canonical.is_within(&proposed.facts.workspace);
    let shown = match path.canonical.as_path().strip_prefix(proposed.facts.workspace.as_path()) {
        Ok(below) if inside && !below.as_os_str().is_empty() => below.display().to_string(),
        _ => path.canonical.to_string(),
    };
    match path.access {
        Access::Read if inside => None,
        Access::Read => Some(format!("reads {shown}")),
        Access::Write => Some(format!("writes {shown}")),
        Access::Delete => Some(format!("deletes {shown}")),
    }
}
