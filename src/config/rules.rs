//! One `PermissionLayer` per file. Layers are never merged into one list: sealed rules in front
//! of one first-match list would let a sealed allow hide a lower deny.

use super::check::{FileText, Findings, check};
use super::check_rules::decision_of;
use super::origin::Located;
use super::problem::ConfigErrors;
use super::schema::SECTIONS;
use super::schema::permissions::{PermissionLayer, RuleSpec};
use super::value::{Layer, Value};
use crate::model::{Decision, Source, Tier};

/// The `permissions` of one text, checked as a file of `tier` would be: for linting, testing
/// and comparing policies. Nothing is met with anything; `shown` tells JSON from TOML.
///
/// # Errors
/// [`ConfigErrors`] with every problem of the text.
pub fn read_permissions(
    tier: Tier,
    shown: &str,
    text: &str,
) -> Result<PermissionLayer, ConfigErrors> {
    let mut findings = Findings::default();
    let layer = check(FileText { tier, shown, text, sections: SECTIONS }, &mut findings);
    if !findings.problems.is_empty() {
        return Err(ConfigErrors { problems: findings.problems, warnings: findings.warnings });
    }
    Ok(permission_layer(&layer).unwrap_or_else(|| PermissionLayer::of(tier)))
}

/// The block of one layer, as written; `None` when the file says nothing.
pub(super) fn permission_layer(layer: &Layer) -> Option<PermissionLayer> {
    let mut rules = compact(layer, "permissions.deny", Decision::Deny);
    rules.extend(compact(layer, "permissions.ask", Decision::Ask));
    if let Some(Value::Rules(own)) = value(layer, "permissions.rules") {
        rules.extend(own.iter().cloned());
    }
    rules.extend(compact(layer, "permissions.allow", Decision::Allow));
    let mut dangers = Vec::new();
    for key in ["permissions.dangerousPatterns", "sandbox.additionalDangerousPatterns"] {
        if let Some(Value::Dangers(own)) = value(layer, key) {
            dangers.extend(own.iter().cloned());
        }
    }
    let block = PermissionLayer {
        mode: mode(layer),
        rules,
        dangerous_patterns: dangers,
        read_only_paths: texts(layer, "permissions.readOnlyPaths"),
        tier_rules: tier_rules(layer),
        untrusted_rise: untrusted_rise(layer),
        exclusive_allow: switch(layer, "permissions.exclusiveAllow"),
        managed_rules_only: switch(layer, "permissions.allowManagedRulesOnly"),
        allow_hooks: switch(layer, "permissions.allowHooks"),
        allow_classifier: switch(layer, "permissions.allowClassifier"),
        ..PermissionLayer::of(layer.tier)
    };
    let says = block.mode.is_some()
        || !block.rules.is_empty()
        || !block.dangerous_patterns.is_empty()
        || !block.read_only_paths.is_empty()
        || !block.tier_rules.is_empty()
        || block.untrusted_rise.is_some()
        || [
            &block.exclusive_allow,
            &block.managed_rules_only,
            &block.allow_hooks,
            &block.allow_classifier,
        ]
        .into_iter()
        .any(Option::is_some);
    says.then_some(block)
}

/// Takes everything from a block that could allow more than `held`, the mode below it.
pub(super) fn tightened(mut block: PermissionLayer, held: Option<Decision>) -> PermissionLayer {
    block.tighten_only = true;
    // An exclusive list admits nothing but its allows, which grant nothing; the policy knows.
    if !block.exclusive_allow.as_ref().is_some_and(|exclusive| exclusive.value) {
        block.rules.retain(|rule| rule.value.decision != Decision::Allow);
        block.tier_rules.retain(|rule| rule.value.1 != Decision::Allow);
    }
    block.untrusted_rise = block.untrusted_rise.filter(|rise| rise.value);
    block.allow_hooks = block.allow_hooks.filter(|allowed| !allowed.value);
    block.allow_classifier = block.allow_classifier.filter(|allowed| !allowed.value);
    for rule in &mut block.rules {
        rule.value.overrides.clear();
    }
    block.mode = block.mode.filter(|mode| held.is_none_or(|held| mode.value > held));
    block
}

/// The mode that a layer names.
pub(super) fn mode(layer: &Layer) -> Option<Located<Decision>> {
    let setting = layer.get("permissions.mode")?;
    match &setting.value {
        Value::Text(word) => Some(Located::new(decision_of(word)?, setting.source.clone())),
        _ => None,
    }
}

fn switch(layer: &Layer, key: &str) -> Option<Located<bool>> {
    let setting = layer.get(key)?;
    match setting.value {
        Value::Flag(flag) => Some(Located::new(flag, setting.source.clone())),
        _ => None,
    }
}

fn untrusted_rise(layer: &Layer) -> Option<Located<bool>> {
    let setting = layer.get("permissions.untrustedContent")?;
    // FAIL CLOSED: whatever is not `off` rises.
    let off = matches!(&setting.value, Value::Text(word) if word == "off");
    Some(Located::new(!off, setting.source.clone()))
}

/// `tierRules`, in the order of their labels.
fn tier_rules(layer: &Layer) -> Vec<Located<(String, Decision)>> {
    let entries = layer.settings.iter().filter_map(|(path, setting)| {
        let [first, second, label] = path.0.as_slice() else { return None };
        let named = first == "permissions" && second == "tierRules";
        match &setting.value {
            Value::Text(word) if named => {
                Some(Located::new((label.clone(), decision_of(word)?), setting.source.clone()))
            }
            _ => None,
        }
    });
    entries.collect()
}

fn value<'l>(layer: &'l Layer, key: &str) -> Option<&'l Value> {
    layer.get(key).map(|setting| &setting.value)
}

fn texts(layer: &Layer, key: &str) -> Vec<Located<String>> {
    match value(layer, key) {
        Some(Value::Texts(items)) => items.clone(),
        _ => Vec::new(),
    }
}

fn compact(layer: &Layer, key: &str, decision: Decision) -> Vec<Located<RuleSpec>> {
    texts(layer, key).into_iter().map(|item| rule(item.value, decision, item.source)).collect()
}

/// A compact rule such as `Bash(git push:*)`: the policy reads what is inside the brackets.
fn rule(tool: String, decision: Decision, source: Source) -> Located<RuleSpec> {
    let rule = RuleSpec { tool, decision, ..RuleSpec::default() };
    Located::new(rule, source)
}
