//! Untrusted content: which sources outside the user's hands the conversation has read from.
//!
//! A source is marked when a call that reads from it is permitted, before it runs: marking too
//! early is safe, too late is not. A mark stays as long as the conversation, because what was
//! read stays in the context of the model; a resumed conversation is marked by its own calls.
//! What a mark does is policy's business (`Circumstances::untrusted`).

use super::propose::Proposed;
use crate::model::AbsPath;
use crate::policy::shell::Reach;
use crate::policy::{Access, CallFacts, PathUse};
use std::collections::BTreeSet;
use std::sync::Mutex;

/// Most sources that are named; further ones share one name.
const MOST: usize = 64;
/// Stands for the sources beyond [`MOST`].
const MORE: &str = "and more";

/// Parts of the system that its owner installs. Not here: `/tmp`, `/var`, `/home`, `/srv`,
/// `/mnt`, `/run`, where others write.
const SYSTEM: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/boot",
    "/dev",
    "/proc",
    "/sys",
    "/nix/store",
    "/Applications",
    "/Library",
    "/System",
];

/// Where everybody writes, although it lies below [`SYSTEM`].
const SHARED: &[&str] = &["/dev/shm", "/dev/mqueue", "/usr/tmp"];

/// The marks of one conversation, shared by an agent and its children.
#[derive(Debug, Default)]
pub struct Marks {
    /// In the order in which they came.
    sources: Mutex<Vec<String>>,
}

impl Marks {
    /// The sources so far, oldest first.
    pub fn sources(&self) -> Vec<String> {
        // A poisoned list is still a list: a mark is one push.
        self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Adds sources.
    pub fn add(&self, new: impl IntoIterator<Item = String>) {
        let mut sources = self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for source in new {
            if sources.contains(&source) {
                continue;
            }
            if sources.len() < MOST {
                sources.push(source);
            } else if sources.last().is_none_or(|last| last != MORE) {
                sources.push(MORE.to_owned());
            }
        }
    }
}

/// The untrusted sources that a call reads from: `web HOST`, `mcp SERVER`, `file PATH`.
/// `trusted` are MCP servers that configuration trusts.
pub fn sources_of(proposed: &Proposed, trusted: &BTreeSet<String>) -> Vec<String> {
    let facts = &proposed.facts;
    let mut found = Vec::new();
    let tool = proposed.call.name.as_str();
    if let Some(server) = tool.strip_prefix("mcp__").and_then(|rest| rest.split("__").next())
        && !trusted.contains(server)
    {
        found.push(format!("mcp {server}"));
    }
    if matches!(tool, "WebFetch" | "WebSearch") && facts.hosts.is_empty() {
        found.push(format!("web ({tool})"));
    }
    found.extend(facts.hosts.iter().map(|host| format!("web {host}")));
    for unit in facts.command.iter().flat_map(|script| &script.units) {
        let hosts = unit.hosts.iter().chain(&unit.sockets);
        found.extend(hosts.map(|host| format!("web {host}")));
        if unit.unknown_host {
            found.push(format!("web (host of `{}` known when it runs)", unit.program));
        }
        if unit.remote {
            // Its paths lie on another machine.
            found.push(format!("remote {}", unit.program));
            continue;
        }
        found.extend(read(&unit.paths, facts));
        let reaches = unit.reaches.iter().filter(|reach| reach.access == Access::Read);
        found.extend(reaches.filter_map(|reach| reached(reach, facts)));
    }
    found.extend(read(&facts.paths, facts));
    found
}

fn read(paths: &[PathUse], facts: &CallFacts) -> Vec<String> {
    let outside =
        |path: &&PathUse| path.access == Access::Read && is_foreign(&path.canonical, facts);
    paths.iter().filter(outside).map(|path| format!("file {}", path.canonical)).collect()
}

/// A path that is only known in part counts by the folder that is known.
fn reached(reach: &Reach, facts: &CallFacts) -> Option<String> {
    // The marks of the shell reader for what is not known are control characters.
    let known: String = reach.shape.chars().take_while(|c| !c.is_control()).collect();
    if known.is_empty() {
        // The folder itself is only known at run time: mostly a name below the present one, and
        // a rule that cares about such calls sees them as what they are.
        return Some("file (known when it runs)".to_owned());
    }
    let whole = known.len() == reach.shape.len();
    let folder = if whole { known.as_str() } else { known.rsplit_once('/')?.0 };
    let folder = AbsPath::new(if folder.is_empty() { "/" } else { folder })?;
    is_foreign(&folder, facts).then(|| format!("file {folder}/…"))
}

fn is_foreign(path: &AbsPath, facts: &CallFacts) -> bool {
    let below = |roots: &[&str]| roots.iter().any(|root| path.as_path().starts_with(root));
    !path.is_within(&facts.workspace) && (!below(SYSTEM) || below(SHARED))
}
