//! One `PermissionLayer` per file. Layers are never merged into one list: sealed rules in front
//! of one first-match list would let a sealed allow hide a lower deny.

use super::check_rules::decision_of;
use super::origin::Located;
use super::schema::permissions::{PermissionLayer, RuleSpec};
use super::value::{Layer, Value};
use crate::model::{Decision, Source};

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
        tier: layer.tier,
        tighten_only: false,
        mode: mode(layer),
        rules,
        dangerous_patterns: dangers,
        read_only_paths: texts(layer, "permissions.readOnlyPaths"),
    };
    let says = block.mode.is_some()
        || !block.rules.is_empty()
        || !block.dangerous_patterns.is_empty()
        || !block.read_only_paths.is_empty();
    says.then_some(block)
}

/// Takes everything from a block that could allow more than `held`, the mode below it.
pub(super) fn tightened(mut block: PermissionLayer, held: Option<Decision>) -> PermissionLayer {
    block.tighten_only = true;
    block.rules.retain(|rule| rule.value.decision != Decision::Allow);
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
    let rule = RuleSpec {
        id: None,
        tool,
        decision,
        command_patterns: None,
        path_patterns: None,
        reason: None,
        hint: None,
        overrides: Vec::new(),
        matches: Vec::new(),
        rejects: Vec::new(),
    };
    Located::new(rule, source)
}
