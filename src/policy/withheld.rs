//! Files whose contents a search must not show, although the folder that is searched may be read.
//!
//! The attack: `Read .env` is refused, and `Grep` over the workspace prints the same lines. A
//! search names a folder, so its files are judged where they are opened: in the worker, by these
//! patterns. They err on the strict side: what only asks is withheld as well.

use super::compile::RuleSet;
use super::match_path::PathPattern;
use super::rule::Rule;
use crate::model::{Decision, ToolName};
use serde::Serialize;

/// Globs over absolute paths, and the exceptions that stand before them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// A file that matches one of these is not opened,
    pub globs: Vec<String>,
    /// unless it matches one of these.
    pub except: Vec<String>,
}

/// Everything that the rules in force withhold from a search.
pub fn withheld(rules: &RuleSet) -> Vec<Withheld> {
    let globs = |patterns: &[PathPattern]| -> Vec<String> {
        patterns.iter().flat_map(PathPattern::globs).map(str::to_owned).collect()
    };
    let sensitive = rules
        .sensitive()
        .all()
        .iter()
        .filter(|entry| !entry.writes_only)
        .map(|entry| Withheld { globs: globs(&entry.patterns), except: globs(&entry.except) });
    let ruled = rules.layers().iter().flat_map(|layer| {
        layer.rules.iter().enumerate().filter(|(_, rule)| withholds(rule)).map(|(at, rule)| {
            let of = |rule: &Rule| -> Vec<String> {
                let lists = [rule.paths.as_deref(), rule.read.as_deref()];
                lists.into_iter().flatten().flat_map(globs).collect()
            };
            // Inside one list the first match wins: an allow that stands before is an exception,
            // if it holds whoever asks and whenever, and needs one list alone.
            let plain =
                |rule: &&Rule| rule.always() && !(rule.paths.is_some() && rule.read.is_some());
            let before = layer.rules.iter().take(at).filter(|rule| reads(rule)).filter(plain);
            let muted = rules.mutes(layer);
            let admitted = before.filter(|rule| rule.decision == Decision::Allow && !muted);
            Withheld { globs: of(rule), except: admitted.flat_map(of).collect() }
        })
    });
    sensitive.chain(ruled).filter(|entry| !entry.globs.is_empty()).collect()
}

fn withholds(rule: &Rule) -> bool {
    rule.decision != Decision::Allow && !rule.report && reads(rule)
}

fn reads(rule: &Rule) -> bool {
    let covered = ["Read", "Grep"].iter().any(|name| rule.tool.covers(&ToolName::resolve(name)));
    covered && !rule.wants_command() && (rule.paths.is_some() || rule.read.is_some())
}
