//! One pattern for approvals that differ in one file name only. It is a proposal: what it would
//! reach besides is tried by the caller, and it falls back to exact rules.

use super::{Approved, Suggested};
use crate::cli::policy::check::Judged;
use crate::cli::policy::files::Asked;
use crate::model::AbsPath;
use crate::policy::exact::{AllowRule, escaped, slug};
use crate::policy::lint::runs_anything;
use crate::policy::shell::Unit;
use std::collections::{BTreeMap, BTreeSet};

/// Approvals that differ in one operand before a pattern stands for all of them.
const ENOUGH: usize = 3;
/// One name of a path: neither hidden, nor `..`, nor an option.
const NAME: &str = "[A-Za-z0-9_@][A-Za-z0-9_@.+-]*";

/// A command that may become part of a pattern.
pub(super) struct Sample {
    /// The exact pattern that it has now.
    pattern: String,
    overrides: Vec<String>,
    words: Vec<String>,
    /// Words that name a file of the workspace.
    files: BTreeSet<usize>,
    call: usize,
}

impl Sample {
    pub(super) fn of(
        rule: &AllowRule,
        judged: &Judged,
        call: usize,
        approved: &Approved,
        force: &Asked,
    ) -> Option<Self> {
        let pattern = rule.command.clone()?;
        let workspace = &force.context.workspace;
        let script = judged.facts.command.as_ref()?;
        let unit =
            script.units.iter().find(|unit| rule.id == format!("own.{}", slug(&unit.text)))?;
        let plain = |word: &crate::policy::shell::Word| {
            word.literal && !word.glob && !word.text.contains(char::is_whitespace)
        };
        let tame = !runs_anything(&unit.program)
            && !unit.words.first()?.text.contains('/')
            && unit.via.is_empty()
            && unit.code.is_none()
            && approved.cwd.is_within(workspace);
        if !tame || unit.words.len() < 3 || !unit.words.iter().all(plain) {
            return None;
        }
        let files = (2..unit.words.len()).filter(|at| names_file(unit, *at, approved, workspace));
        Some(Sample {
            pattern,
            overrides: rule.overrides.clone(),
            files: files.collect(),
            words: unit.words.iter().map(|word| word.text.clone()).collect(),
            call,
        })
    }
}

/// Whether a word is a path that the command touches inside the workspace, written plainly.
fn names_file(unit: &Unit, at: usize, approved: &Approved, workspace: &AbsPath) -> bool {
    let Some(word) = unit.words.get(at) else { return false };
    let plain = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@'))
            && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '.' | '+' | '-'))
    };
    let Some(path) = approved.cwd.join(&word.text) else { return false };
    word.text.split('/').all(plain)
        && path.is_within(workspace)
        && unit.paths.iter().any(|used| used.lexical == path && used.canonical.is_within(workspace))
}

/// What the commands of one pattern share: their words but one, its place, and what is lifted.
type Shape = (Vec<String>, usize, Vec<String>);

/// Rules in which at least [`ENOUGH`] commands that differ in one file each become one pattern.
pub(super) fn generalised(exact: &[Suggested], samples: &[Sample]) -> Vec<Suggested> {
    let mut groups: BTreeMap<Shape, Vec<&Sample>> = BTreeMap::new();
    for sample in samples {
        for at in &sample.files {
            let mut others = sample.words.clone();
            if let Some(word) = others.get_mut(*at) {
                word.clear();
            }
            groups.entry((others, *at, sample.overrides.clone())).or_default().push(sample);
        }
    }
    let mut rules = exact.to_vec();
    for ((words, at, overrides), group) in groups {
        let files: BTreeSet<&str> =
            group.iter().filter_map(|sample| sample.words.get(at).map(String::as_str)).collect();
        let Some(operand) = (files.len() >= ENOUGH).then(|| operand(&files)).flatten() else {
            continue;
        };
        let parts: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(word, text)| if word == at { operand.clone() } else { escaped(text) })
            .collect();
        let replaced: BTreeSet<&str> = group.iter().map(|sample| sample.pattern.as_str()).collect();
        rules.retain(|rule| !rule.rule.command.as_deref().is_some_and(|c| replaced.contains(c)));
        let head: Vec<&str> = words.iter().take(2).map(String::as_str).collect();
        rules.push(Suggested {
            rule: AllowRule {
                id: format!("own.{}", slug(&head.join(" "))),
                tool: "Bash".to_owned(),
                command: Some(format!("^{}$", parts.join(" "))),
                path: None,
                overrides,
                reason: "approved after review".to_owned(),
            },
            calls: group.iter().map(|sample| sample.call).collect(),
        });
    }
    rules
}

/// A pattern for files that share a folder or an ending; `None` where they share neither.
fn operand(files: &BTreeSet<&str>) -> Option<String> {
    let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let ending = |file: &str| file.rsplit('/').next()?.rsplit_once('.').map(|(_, e)| e.to_owned());
    let shared = |of: &dyn Fn(&str) -> Option<String>| {
        let mut all = files.iter().map(|file| of(file));
        let first = all.next().flatten()?;
        all.all(|other| other.as_ref() == Some(&first)).then_some(first)
    };
    let (folder, ending) = (shared(&folder), shared(&ending));
    if folder.is_none() && ending.is_none() {
        return None;
    }
    let folder = folder.map_or_else(|| format!("(?:{NAME}/)*"), |f| escaped(&format!("{f}/")));
    let ending = ending.map_or_else(String::new, |e| escaped(&format!(".{e}")));
    Some(format!("{folder}{NAME}{ending}"))
}
