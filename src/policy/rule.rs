//! One compiled rule: which calls it is about, and what it says.

use super::facts::PathUse;
use super::match_args::CommandPattern;
use super::match_path::PathPattern;
use super::parse::ToolMatch;
use super::shell::{ANY, Reach, Unit};
use crate::model::{Decision, Source, Tier, ToolName};

/// Folders whose programs are what their name says.
const TRUSTED_FOLDERS: &[&str] = &[
    "/bin",
    "/sbin",
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/opt/homebrew/bin",
];

/// A compiled rule.
#[derive(Debug)]
pub struct Rule {
    /// Stable id.
    pub id: String,
    /// Which tools.
    pub tool: ToolMatch,
    /// What it says.
    pub decision: Decision,
    /// Why.
    pub reason: Option<String>,
    /// What to do instead.
    pub hint: Option<String>,
    /// Dangerous patterns that it lifts.
    pub overrides: Vec<String>,
    /// Its tier.
    pub tier: Tier,
    /// Where it is written.
    pub source: Source,
    pub(super) commands: Option<Vec<CommandPattern>>,
    pub(super) paths: Option<Vec<PathPattern>>,
    pub(super) hosts: Option<Vec<String>>,
}

/// What a rule is asked about: one part of a call.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// One simple command.
    Unit(&'a Unit),
    /// One path that an argument names.
    Path(&'a PathUse),
    /// A call without command and path, with its hosts.
    Whole(&'a [String]),
}

impl Rule {
    /// Whether the rule has an opinion on this part of a call by `tool`.
    pub fn covers(&self, tool: &ToolName, subject: Subject<'_>) -> bool {
        if !self.tool.covers(tool) {
            return false;
        }
        match subject {
            Subject::Unit(unit) => self.hosts.is_none() && self.covers_unit(unit),
            Subject::Path(path) => {
                self.commands.is_none()
                    && self.hosts.is_none()
                    && self.paths.as_ref().is_none_or(|patterns| self.any_path(patterns, path))
            }
            Subject::Whole(hosts) => {
                self.commands.is_none()
                    && self.paths.is_none()
                    && self.hosts.as_ref().is_none_or(|wanted| self.covers_hosts(wanted, hosts))
            }
        }
    }

    /// Whether a restricting rule of `tool` could be about a path that is not known in full.
    pub fn could_reach(&self, tool: &ToolName, reach: &Reach) -> bool {
        self.tool.covers(tool)
            && self.commands.is_none()
            && self.hosts.is_none()
            && self.could_reach_path(reach)
    }

    fn could_reach_path(&self, reach: &Reach) -> bool {
        // What ships must not stop `cat $FILE`: it hears of globs alone.
        let heard = self.tier != Tier::Builtin || !reach.tree && !reach.shape.contains(ANY);
        self.decision != Decision::Allow
            && heard
            && self
                .paths
                .as_ref()
                .is_some_and(|patterns| patterns.iter().any(|pattern| pattern.could_reach(reach)))
    }

    fn any_path(&self, patterns: &[PathPattern], path: &PathUse) -> bool {
        patterns.iter().any(|pattern| match self.decision {
            Decision::Allow => pattern.permits(path),
            Decision::Ask | Decision::Deny => pattern.restricts(path),
        })
    }

    fn covers_unit(&self, unit: &Unit) -> bool {
        let allow = self.decision == Decision::Allow;
        // FAIL CLOSED: what was not understood never matches an allow rule.
        if allow && unit.opaque.is_some() {
            return false;
        }
        let commands = self.commands.as_ref().is_none_or(|patterns| {
            let text = if allow { permitted_text(unit) } else { unit.text.clone() };
            // What ships is written with what is unknown in mind; others' words mean all of it.
            let shapes = if allow || self.tier == Tier::Builtin { vec![] } else { unit.shapes() };
            patterns.iter().any(|pattern| {
                shapes.iter().any(|shape| pattern.could_match(shape))
                    || pattern.matches(&text, !allow)
                    || (!allow
                        && written_text(unit).is_some_and(|text| pattern.matches(&text, true)))
            })
        });
        commands
            && self.paths.as_ref().is_none_or(|patterns| {
                let hit = |path: &PathUse| self.any_path(patterns, path);
                if allow {
                    !unit.paths.is_empty() && unit.paths.iter().all(hit)
                } else {
                    unit.paths.iter().any(hit)
                        || unit.reaches.iter().any(|reach| self.could_reach_path(reach))
                }
            })
    }

    fn covers_hosts(&self, wanted: &[String], hosts: &[String]) -> bool {
        let hit = |host: &String| {
            wanted.iter().any(|wanted| match wanted.strip_prefix("*.") {
                Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
                // The domain itself and what lies below it, as the compact form means it.
                None => {
                    host == wanted
                        || host
                            .strip_suffix(wanted.as_str())
                            .is_some_and(|rest| rest.ends_with('.'))
                }
            })
        };
        if self.decision == Decision::Allow {
            !hosts.is_empty() && hosts.iter().all(hit)
        } else {
            hosts.iter().any(hit)
        }
    }
}

/// The command with its program as written, where that is a path.
fn written_text(unit: &Unit) -> Option<String> {
    let first = unit.words.first().filter(|word| word.text.contains('/'))?;
    let args = unit.text.strip_prefix(unit.program.as_str()).unwrap_or_default();
    Some(format!("{}{args}", first.text))
}

/// What an allow rule sees: `/tmp/git` is not `git`, `/usr/bin/git` is.
fn permitted_text(unit: &Unit) -> String {
    let trusted = |text: &str| {
        text.rsplit_once('/').is_none_or(|(folder, _)| TRUSTED_FOLDERS.contains(&folder))
    };
    match unit.words.first() {
        Some(first) if trusted(&first.text) => unit.text.clone(),
        _ => written_text(unit).unwrap_or_else(|| unit.text.clone()),
    }
}
