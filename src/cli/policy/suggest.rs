//! `ion policy suggest`: the least set of rules that would have allowed what people approved.
//!
//! INVARIANT (verified): what is printed was judged again: every approved call is allowed by it,
//! and no other recorded call that did not run becomes allowed. What a sealed tier, a critical
//! pattern or a shipped rule stops is never suggested.

use super::check::{Judged, judge_in};
use super::diff::what;
use super::files::{Asked, asked};
use super::log::{Chain, Past};
use super::remedy::{OWN_FILE, remedies, rules_to_write};
use crate::cli::{CommandError, Exit, Output};
use crate::config::Effective;
use crate::config::review::policy_text;
use crate::config::schema::permissions::PermissionLayer;
use crate::model::visible;
use crate::model::{AbsPath, Decision, Tier, ToolCall};
use crate::policy::exact::{AllowRule, escaped, slug};
use crate::policy::lint::runs_anything;
use crate::policy::shell::Unit;
use crate::policy::{Basis, Circumstances};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Approvals that differ in one operand before a pattern stands for all of them.
const ENOUGH: usize = 3;
/// One name of a path: neither hidden, nor `..`, nor an option.
const NAME: &str = "[A-Za-z0-9_@][A-Za-z0-9_@.+-]*";

/// `ion policy suggest`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SuggestArgs {
    /// The log to read; else your own.
    #[arg(long, value_name = "AUDIT")]
    pub from: Option<PathBuf>,
    /// Also what was refused because nobody could answer: as if somebody had said yes to all.
    #[arg(long)]
    pub denied: bool,
    /// One JSON document.
    #[arg(long)]
    pub json: bool,
    /// The profile below the rules.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The folder whose policy applies.
    #[arg(long, short = 'C', value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

/// A call that somebody approved, maybe more than once.
struct Approved {
    call: ToolCall,
    cwd: AbsPath,
    circumstances: Circumstances,
    records: Vec<u64>,
    by: BTreeSet<String>,
}

/// A rule and the calls that it is for.
#[derive(Clone)]
struct Suggested {
    rule: AllowRule,
    calls: BTreeSet<usize>,
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    rules: Vec<Suggested>,
    /// Already allowed by the policy in force.
    already: Vec<usize>,
    /// Not suggested, and why.
    left: Vec<(usize, String)>,
    /// Recorded calls that did not run and still would not.
    held: usize,
}

/// Reads approvals, finds rules, verifies and prints them.
///
/// # Errors
/// Rules that cannot be used, or stdout is gone.
pub fn run(
    args: &SuggestArgs,
    effective: &Effective,
    force: &Asked,
    past: (Chain, Vec<Past>),
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let (chain, past) = past;
    let wanted = |past: &&Past| past.approved_by.is_some() || args.denied && past.unanswered;
    let masked = past.iter().filter(wanted).filter(|past| past.masked).count();
    let approved = approved(past.iter().filter(wanted).filter(|past| !past.masked));
    let keys: BTreeSet<String> = approved.iter().map(|a| key(&a.call, &a.cwd)).collect();
    let others: Vec<&Past> = past
        .iter()
        .filter(|past| past.recorded.decision != Decision::Allow)
        .filter(|past| !keys.contains(&key(&past.recorded.call, &past.recorded.cwd)))
        .collect();
    let search = Search { effective, force, approved: &approved, others: &others };
    let outcome = search.outcome()?;
    if args.json {
        let document = document(&outcome, &approved, masked, &chain);
        out.line(&document.to_string())?;
    } else {
        out.data(&block(&outcome, &approved, masked, &chain))?;
    }
    if !chain.intact {
        out.say("warning: the log does not verify; do not build rules on it before you know why");
    }
    Ok(Exit::Done)
}

fn key(call: &ToolCall, cwd: &AbsPath) -> String {
    format!("{} {} {cwd}", call.name, Value::Object(call.input.clone()))
}

fn approved<'p>(past: impl Iterator<Item = &'p Past>) -> Vec<Approved> {
    let mut found: Vec<Approved> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for past in past {
        let recorded = &past.recorded;
        let at = *known.entry(key(&recorded.call, &recorded.cwd)).or_insert_with(|| {
            found.push(Approved {
                call: recorded.call.clone(),
                cwd: recorded.cwd.clone(),
                circumstances: recorded.circumstances.clone(),
                records: Vec::new(),
                by: BTreeSet::new(),
            });
            found.len() - 1
        });
        if let Some(approved) = found.get_mut(at) {
            approved.records.push(recorded.seq.0);
            approved.by.extend(past.approved_by.clone());
        }
    }
    found
}

struct Search<'a> {
    effective: &'a Effective,
    force: &'a Asked,
    approved: &'a [Approved],
    others: &'a [&'a Past],
}

impl Search<'_> {
    fn judged(&self, asked: &Asked, approved: &Approved) -> Judged {
        let (rules, context) = (&asked.rules, &asked.context);
        judge_in(&approved.call, &approved.cwd, rules, context, &approved.circumstances)
    }

    fn outcome(&self) -> Result<Outcome, CommandError> {
        let mut outcome = Outcome::default();
        let mut exact: Vec<Suggested> = Vec::new();
        let mut samples: Vec<Sample> = Vec::new();
        for (at, approved) in self.approved.iter().enumerate() {
            let judged = self.judged(self.force, approved);
            if judged.policy() == Decision::Allow {
                outcome.already.push(at);
                continue;
            }
            match self.exact(approved, &judged) {
                Ok(rules) => {
                    for rule in rules {
                        samples.extend(Sample::of(&rule, &judged, at, approved, self.force));
                        add(&mut exact, rule, at);
                    }
                }
                Err(why) => outcome.left.push((at, why)),
            }
        }
        // Patterns first; where they reach too far, the exact rules that they stand for.
        let general = generalised(&exact, &samples);
        let mut rules = exact.clone();
        for candidate in [general, exact] {
            rules = candidate;
            if self.too_wide(&rules)?.is_empty() {
                break;
            }
        }
        while let Some(other) = self.too_wide(&rules)?.first().copied() {
            let Some(guilty) = self.guilty(&rules, other)? else { break };
            for at in rules.remove(guilty).calls {
                let why = format!(
                    "a rule for it would also allow the refused call of record {}",
                    other.recorded.seq
                );
                outcome.left.push((at, why));
            }
        }
        self.drop_what_is_not_needed(&mut rules)?;
        let with = self.with(&rules)?;
        for (at, approved) in self.approved.iter().enumerate() {
            let settled =
                outcome.already.contains(&at) || outcome.left.iter().any(|(l, _)| *l == at);
            if !settled && self.judged(&with, approved).policy() != Decision::Allow {
                outcome.left.push((at, "no rule was found that allows it".to_owned()));
            }
        }
        let left: BTreeSet<usize> = outcome.left.iter().map(|(at, _)| *at).collect();
        rules.retain(|rule| rule.calls.iter().any(|at| !left.contains(at)));
        outcome.held = self.others.len();
        outcome.rules = rules;
        name_apart(&mut outcome.rules);
        Ok(outcome)
    }

    /// The exact rules for a call, or why there are none.
    fn exact(&self, approved: &Approved, judged: &Judged) -> Result<Vec<AllowRule>, String> {
        let steps = || judged.judgement.trace.iter();
        let named = |step: &crate::policy::Considered| {
            step.origin.as_ref().map_or("-", |origin| origin.id.as_str()).to_owned()
        };
        let sealed = |step: &&crate::policy::Considered| {
            let enterprise = step.origin.as_ref().is_some_and(|o| o.tier == Tier::Enterprise);
            enterprise && step.basis != Basis::Mode && step.decision != Decision::Allow
        };
        if let Some(step) = steps().find(sealed) {
            return Err(format!("the sealed tier holds it: `{}`", named(step)));
        }
        let critical = |step: &&crate::policy::Considered| {
            step.decision == Decision::Deny
                && matches!(step.basis, Basis::Danger | Basis::SensitivePath)
        };
        if let Some(step) = steps().find(critical) {
            return Err(format!(
                "critical pattern `{}` holds it, which no suggestion lifts",
                named(step)
            ));
        }
        let remedies = remedies(&approved.call, judged, &self.force.context);
        let rules = rules_to_write(&remedies);
        match rules.as_slice() {
            [] => Err(remedies
                .iter()
                .find(|remedy| !remedy.has_rule())
                .map_or_else(|| "nothing stands in its way".to_owned(), |r| r.action.clone())),
            rules if rules.iter().any(|rule| rule.command.is_none() && rule.path.is_none()) => {
                Err(format!("a rule could only allow every call of {}", approved.call.name))
            }
            _ => Ok(rules),
        }
    }

    /// The policy in force with these rules first in the person's own list.
    fn with(&self, rules: &[Suggested]) -> Result<Asked, CommandError> {
        let text: String = rules.iter().map(|rule| rule.rule.to_toml()).collect();
        let file = policy_text("suggested.toml", &text, Tier::User).map_err(CommandError::from)?;
        let mut layers: Vec<PermissionLayer> = self.effective.permissions.clone();
        if let Some(block) = file.block {
            let own = |layer: &PermissionLayer| layer.tier == Tier::User && !layer.tighten_only;
            match layers.iter_mut().find(|layer| own(layer)) {
                Some(layer) => drop(layer.rules.splice(0..0, block.rules)),
                None => {
                    layers.push(block);
                    layers.sort_by_key(|layer| layer.tier);
                }
            }
        }
        asked(&layers, self.effective, self.effective.tools.clone())
    }

    /// Recorded calls that nobody approved and that these rules would allow.
    fn too_wide(&self, rules: &[Suggested]) -> Result<Vec<&Past>, CommandError> {
        let with = self.with(rules)?;
        let judged = |asked: &Asked, past: &Past| {
            let (rules, context) = (&asked.rules, &asked.context);
            let call = &past.recorded;
            judge_in(&call.call, &call.cwd, rules, context, &past.recorded.circumstances).policy()
        };
        let loosened = |past: &&&Past| {
            judged(&with, past) == Decision::Allow && judged(self.force, past) != Decision::Allow
        };
        Ok(self.others.iter().filter(loosened).copied().collect())
    }

    /// A rule without which the call is not allowed.
    fn guilty(&self, rules: &[Suggested], other: &Past) -> Result<Option<usize>, CommandError> {
        for at in 0..rules.len() {
            let mut fewer = rules.to_vec();
            fewer.remove(at);
            let still = self.too_wide(&fewer)?;
            if !still.iter().any(|past| past.recorded.seq == other.recorded.seq) {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    fn drop_what_is_not_needed(&self, rules: &mut Vec<Suggested>) -> Result<(), CommandError> {
        let allowed = |rules: &[Suggested]| -> Result<usize, CommandError> {
            let with = self.with(rules)?;
            let allow =
                |approved: &&Approved| self.judged(&with, approved).policy() == Decision::Allow;
            Ok(self.approved.iter().filter(allow).count())
        };
        let all = allowed(rules)?;
        let mut at = 0;
        while at < rules.len() {
            let mut fewer = rules.clone();
            fewer.remove(at);
            if allowed(&fewer)? == all {
                *rules = fewer;
            } else {
                at += 1;
            }
        }
        Ok(())
    }
}

fn add(rules: &mut Vec<Suggested>, rule: AllowRule, at: usize) {
    let same = |other: &&mut Suggested| {
        let other = &other.rule;
        (&other.tool, &other.command, &other.path) == (&rule.tool, &rule.command, &rule.path)
    };
    match rules.iter_mut().find(same) {
        Some(known) => {
            let new = rule.overrides.into_iter();
            let new: Vec<String> = new.filter(|id| !known.rule.overrides.contains(id)).collect();
            known.rule.overrides.extend(new);
            known.calls.insert(at);
        }
        None => rules.push(Suggested { rule, calls: BTreeSet::from([at]) }),
    }
}

/// A command that may become part of a pattern.
struct Sample {
    /// The exact pattern that it has now.
    pattern: String,
    overrides: Vec<String>,
    words: Vec<String>,
    /// Words that name a file of the workspace.
    files: BTreeSet<usize>,
    call: usize,
}

impl Sample {
    fn of(
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
fn generalised(exact: &[Suggested], samples: &[Sample]) -> Vec<Suggested> {
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

fn name_apart(rules: &mut [Suggested]) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for rule in rules {
        let count = known.entry(rule.rule.id.clone()).or_default();
        *count += 1;
        if *count > 1 {
            rule.rule.id = format!("{}-{count}", rule.rule.id);
        }
    }
}

fn records(calls: &BTreeSet<usize>, approved: &[Approved]) -> (usize, Vec<u64>, Vec<String>) {
    let calls = || calls.iter().filter_map(|at| approved.get(*at));
    let mut records: Vec<u64> = calls().flat_map(|a| a.records.iter().copied()).collect();
    records.sort_unstable();
    let by: BTreeSet<String> = calls().flat_map(|a| a.by.iter().cloned()).collect();
    (records.len(), records, by.into_iter().collect())
}

/// The block to paste. Everything that a recorded call holds stands in comments, one line each.
fn block(outcome: &Outcome, approved: &[Approved], masked: usize, chain: &Chain) -> String {
    let mut text = String::new();
    let mut say = |line: &str| {
        let _ = writeln!(text, "# {}", visible(line));
    };
    let calls: BTreeSet<usize> = outcome.rules.iter().flat_map(|rule| rule.calls.clone()).collect();
    say(&format!(
        "{} rules for {} approved calls · {}",
        outcome.rules.len(),
        calls.len(),
        chain.said
    ));
    if !outcome.rules.is_empty() {
        say(&format!(
            "put them before the other rules of {OWN_FILE}: inside one list the first match wins"
        ));
        say(&format!(
            "judged again: all {} are allowed; {} refused calls of the log stay refused",
            calls.len(),
            outcome.held
        ));
    }
    if !outcome.already.is_empty() {
        say(&format!("{} approved calls are allowed already", outcome.already.len()));
    }
    if masked > 0 {
        say(&format!(
            "{masked} approved calls hold a masked value: no exact rule can be written from the log"
        ));
    }
    for (at, why) in &outcome.left {
        if let Some(approved) = approved.get(*at) {
            say(&format!("not suggested: `{}`: {why}", what(&approved.call)));
        }
    }
    for rule in &outcome.rules {
        let (count, records, by) = self::records(&rule.calls, approved);
        let by =
            if by.is_empty() { "nobody: nobody could answer".to_owned() } else { by.join(", ") };
        let listed: Vec<String> = records.iter().take(20).map(u64::to_string).collect();
        let more = if records.len() > 20 { ", …" } else { "" };
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let _ = writeln!(
            text,
            "\n# approved {times} by {}; records {}{more}",
            visible(&by),
            listed.join(", ")
        );
        text.push_str(&rule.rule.to_toml());
    }
    text
}

fn document(outcome: &Outcome, approved: &[Approved], masked: usize, chain: &Chain) -> Value {
    let rules: Vec<Value> = outcome
        .rules
        .iter()
        .map(|rule| {
            let (count, records, by) = self::records(&rule.calls, approved);
            json!({
                "id": rule.rule.id, "tool": rule.rule.tool, "decision": "allow",
                "commandPatterns": rule.rule.command.as_ref().map(|c| [c]),
                "pathPatterns": rule.rule.path.as_ref().map(|p| [p]),
                "overrides": rule.rule.overrides, "reason": rule.rule.reason,
                "approvals": count, "by": by, "records": records, "toml": rule.rule.to_toml(),
            })
        })
        .collect();
    let left: Vec<Value> = outcome
        .left
        .iter()
        .filter_map(|(at, why)| {
            let approved = approved.get(*at)?;
            Some(json!({"call": what(&approved.call), "records": approved.records, "why": why}))
        })
        .collect();
    json!({
        "schemaVersion": 1, "rules": rules, "already_allowed": outcome.already.len(),
        "not_suggested": left, "masked": masked, "refused_calls_checked": outcome.held,
        "chain": chain.to_json(),
    })
}
