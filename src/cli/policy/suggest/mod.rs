//! `ion policy suggest`: the least set of rules that would have allowed what people approved.
//!
//! INVARIANT (verified): what is printed was judged again: every approved call is allowed by it,
//! and no other recorded call that did not run becomes allowed. What a sealed tier, a critical
//! pattern or a shipped rule stops is never suggested.

mod pattern;
mod shown;

use super::check::{Judged, judge_in};
use super::files::{Asked, asked};
use super::log::{Chain, Past};
use super::remedy::{remedies, rules_to_write};
use crate::cli::{CommandError, Exit, Output};
use crate::config::Effective;
use crate::config::review::policy_text;
use crate::config::schema::permissions::PermissionLayer;
use crate::model::{AbsPath, Decision, Tier, ToolCall};
use crate::policy::exact::AllowRule;
use crate::policy::{Basis, Circumstances};
use pattern::{Sample, generalised};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

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
        let document = shown::document(&outcome, &approved, masked, &chain);
        out.line(&document.to_string())?;
    } else {
        out.data(&shown::block(&outcome, &approved, masked, &chain))?;
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
