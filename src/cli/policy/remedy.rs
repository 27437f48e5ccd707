//! How whoever owns what stands in a call's way would allow it. Changes nothing.
//!
//! Everything that stands in the way is named, not only what decided: lifting one of two is no
//! help. What nobody below can lift is said to be so.

use super::CheckContext;
use super::check::{Judged, tier_name};
use crate::model::{Decision, Tier, ToolCall};
use crate::policy::exact::{AllowRule, command_pattern, path_pattern, seen_text, slug};
use crate::policy::{Anchors, Basis, Considered};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where a person's own rules stand.
pub(super) const OWN_FILE: &str = "~/.ion/config.toml";

/// One thing that has to change, and who can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remedy {
    /// What stands in the way.
    pub id: String,
    /// Who owns it.
    pub owner: &'static str,
    /// Where.
    pub source: Option<String>,
    /// What to do, in a sentence.
    pub action: String,
    /// A rule of one's own that lifts it, where one does.
    rule: Option<AllowRule>,
}

impl Remedy {
    /// Whether a rule of one's own lifts it.
    pub fn has_rule(&self) -> bool {
        self.rule.is_some()
    }

    pub fn to_json(&self) -> Value {
        json!({"id": self.id, "owner": self.owner, "source": self.source, "action": self.action})
    }
}

/// What to do, each sentence once.
pub(super) fn actions(remedies: &[Remedy]) -> Vec<&Remedy> {
    let mut known = BTreeSet::new();
    remedies.iter().filter(|remedy| known.insert(&remedy.action)).collect()
}

/// The rules to write that lift everything at once; none where something stays in the way.
pub(super) fn rules_to_write(remedies: &[Remedy]) -> Vec<AllowRule> {
    let mut rules: Vec<AllowRule> = Vec::new();
    for remedy in remedies {
        let Some(rule) = &remedy.rule else { return Vec::new() };
        // Inside one list the first match speaks alone, so one part gets one rule.
        let same = |other: &&mut AllowRule| {
            (&other.tool, &other.command, &other.path) == (&rule.tool, &rule.command, &rule.path)
        };
        match rules.iter_mut().find(same) {
            Some(other) => {
                let new = rule.overrides.iter().filter(|id| !other.overrides.contains(id));
                let new: Vec<String> = new.cloned().collect();
                other.overrides.extend(new);
            }
            None => rules.push(rule.clone()),
        }
    }
    rules
}

/// Everything that has to change before the call is allowed, what decided first.
pub(super) fn remedies(call: &ToolCall, judged: &Judged, context: &CheckContext) -> Vec<Remedy> {
    let judgement = &judged.judgement;
    if judged.policy() == Decision::Allow {
        return Vec::new();
    }
    if let Some(rule) = judgement.rule.as_ref().filter(|rule| rule.id == "tool-restrictions") {
        let source = Some(rule.source.to_string());
        let action = format!("take `{}` out of `toolRestrictions`", call.name);
        return vec![Remedy {
            id: rule.id.clone(),
            owner: owner(rule.tier),
            source,
            action,
            rule: None,
        }];
    }
    let mut steps: Vec<&Considered> =
        judgement.trace.iter().filter(|step| step.decision != Decision::Allow).collect();
    steps.sort_by_key(|step| {
        let decides = step.origin == judgement.rule && step.basis == judgement.decided_by;
        (!decides, std::cmp::Reverse(step.decision))
    });
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for step in steps {
        let id = step.origin.as_ref().map_or("", |origin| origin.id.as_str());
        // What hits several parts needs a rule for each of them.
        let each = matches!(
            step.basis,
            Basis::Mode | Basis::Danger | Basis::SensitivePath | Basis::Untrusted
        );
        let part = if each { step.subject.as_str() } else { "" };
        if known.insert((id.to_owned(), part.to_owned())) {
            found.push(remedy(step, call, judged, context));
        }
    }
    found
}

fn owner(tier: Tier) -> &'static str {
    match tier {
        Tier::Enterprise => "the enterprise",
        Tier::Project => "the owner of the project",
        Tier::Builtin => "whoever chooses the profile",
        Tier::User | Tier::Environment | Tier::Flag => "you",
    }
}

fn remedy(step: &Considered, call: &ToolCall, judged: &Judged, context: &CheckContext) -> Remedy {
    let origin = step.origin.as_ref();
    let tier = origin.map_or(Tier::User, |origin| origin.tier);
    let source = origin.map(|origin| origin.source.to_string());
    let at = source.clone().unwrap_or_default();
    let id = origin.map_or_else(|| "not-understood".to_owned(), |origin| origin.id.clone());
    let sealed = tier == Tier::Enterprise;
    let say = |owner, action: String, rule| Remedy {
        id: id.clone(),
        owner,
        source: source.clone(),
        action,
        rule,
    };
    match step.basis {
        Basis::Rule if sealed => say(
            owner(tier),
            format!(
                "only the enterprise owner: an exception to `{id}` in {at}; no file below lifts it"
            ),
            None,
        ),
        Basis::Rule if tier == Tier::Builtin => say(
            owner(tier),
            format!(
                "the rule belongs to profile `{}`: no allow rule lifts it, another profile (`--profile`) has other rules",
                context.profile
            ),
            None,
        ),
        Basis::Rule => say(
            owner(tier),
            format!(
                "in {at} ({}), narrow or remove rule `{id}`, or put an allow rule for exactly this before it: inside one list the first match wins",
                tier_name(tier)
            ),
            None,
        ),
        Basis::Danger | Basis::SensitivePath if sealed => say(
            owner(tier),
            format!(
                "only the enterprise owner: a sealed allow rule that names `{id}` in `overrides`, or a change to {at}"
            ),
            None,
        ),
        Basis::Danger | Basis::SensitivePath => {
            let rule = exact(step, call, judged, context, vec![id.clone()]);
            let action = match &rule {
                Some(_) => format!(
                    "an allow rule for exactly this that names `{id}` in `overrides`, in {OWN_FILE} (or sealed)"
                ),
                None => format!(
                    "no rule lifts `{id}` for this line alone: it is about how its parts are joined; write the call otherwise"
                ),
            };
            say("you", action, rule)
        }
        Basis::Untrusted => {
            let rule = exact(step, call, judged, context, vec![id.clone()]);
            let action = format!(
                "the conversation has read untrusted content: an allow rule for exactly this that names `{id}` in `overrides`, in {OWN_FILE}, or a new conversation"
            );
            say("you", action, rule)
        }
        Basis::Report => say(
            owner(tier),
            format!("rule `{id}` in {at} only reports (`enforce`); it stops nothing"),
            None,
        ),
        Basis::ReadOnlyPath => {
            let action = match tier {
                Tier::Builtin => format!(
                    "`readOnlyPaths` of profile `{}` ({at}): no rule lifts it, another profile may",
                    context.profile
                ),
                Tier::Enterprise => format!("only the enterprise owner: `readOnlyPaths` in {at}"),
                _ => format!("take the path out of `readOnlyPaths` in {at}"),
            };
            say(owner(tier), action, None)
        }
        Basis::Mode => {
            let rule = exact(step, call, judged, context, Vec::new());
            let action = format!(
                "no rule is about `{}`, so mode `{}` ({at}) decides: an allow rule for exactly this, in {OWN_FILE}",
                step.subject, step.decision
            );
            say("you", action, rule)
        }
        Basis::Opaque => say(
            "whoever makes the call",
            "no rule can allow what is not understood: write the command out in plain words"
                .to_owned(),
            None,
        ),
        Basis::Malformed => say(
            "whoever makes the call",
            "no rule can allow it: put the arguments right".to_owned(),
            None,
        ),
    }
}

/// An allow rule for exactly the part of the call that the step is about.
fn exact(
    step: &Considered,
    call: &ToolCall,
    judged: &Judged,
    context: &CheckContext,
    overrides: Vec<String>,
) -> Option<AllowRule> {
    let anchors = Anchors { workspace: context.workspace.clone(), home: context.home.clone() };
    let facts = &judged.facts;
    let reason = "approved after review".to_owned();
    let unit = step.unit.and_then(|at| facts.command.as_ref()?.units.get(at));
    // A path that a command touches is judged as the file tools would be.
    let about = |path: &crate::policy::PathUse| step.subject.ends_with(&path.lexical.to_string());
    let by_path = |path: &crate::policy::PathUse, tool: &str, overrides| AllowRule {
        id: format!("own.{}", slug(&step.subject)),
        tool: tool.to_owned(),
        command: None,
        path: Some(path_pattern(&path.lexical, &anchors)),
        overrides,
        reason: reason.clone(),
    };
    if let Some(unit) = unit {
        if step.basis == Basis::Mode
            && let Some(path) = unit.paths.iter().find(|path| about(path))
        {
            let reads = path.access == crate::policy::Access::Read;
            return Some(by_path(path, if reads { "Read" } else { "Write" }, overrides));
        }
        // A rule for `sh` would be one for everything that is ever fed to it.
        let fed = !unit.piped_from.is_empty() || !unit.fed_by.is_empty();
        if unit.opaque.is_some() || unit.text.is_empty() || fed && step.basis == Basis::Danger {
            return None;
        }
        return Some(AllowRule {
            id: format!("own.{}", slug(&unit.text)),
            tool: call.name.as_str().to_owned(),
            command: Some(command_pattern(&seen_text(unit, &anchors))),
            path: None,
            overrides,
            reason,
        });
    }
    if let Some(path) = facts.paths.iter().find(|path| about(path)) {
        return Some(by_path(path, call.name.as_str(), overrides));
    }
    let whole = facts.command.is_none() && facts.paths.is_empty();
    whole.then(|| AllowRule {
        id: format!("own.{}", slug(call.name.as_str())),
        tool: call.name.as_str().to_owned(),
        command: None,
        path: None,
        overrides,
        reason,
    })
}
