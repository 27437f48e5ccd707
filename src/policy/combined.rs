//! What several layers come to together: mode, switches, ids, digest. Judges no call.
//!
//! INVARIANT (only stricter): whoever binds others, the sealed tier and blocks that tighten, can
//! raise a value here and never lower one.

use super::compile::{Layer, RuleProblem};
use crate::config::origin::Located;
use crate::config::schema::permissions::PermissionLayer;
use crate::model::{Decision, Source, Tier, hex};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The strictest of sealed and tighten-only modes and the last explicit one below.
pub(super) fn mode(layers: &[PermissionLayer]) -> Located<Decision> {
    let explicit = |layer: &&PermissionLayer| !layer.tighten_only && layer.tier != Tier::Enterprise;
    let mut ordered: Vec<&PermissionLayer> = layers.iter().filter(explicit).collect();
    ordered.sort_by_key(|layer| layer.tier);
    let last = ordered.iter().rev().find_map(|layer| layer.mode.clone());
    // FAIL CLOSED: no profile and no file named a mode.
    let mut mode = last.unwrap_or_else(|| {
        Located::new(Decision::Deny, Source::new(Tier::Builtin, "no mode configured"))
    });
    for layer in layers.iter().filter(|layer| layer.tighten_only || layer.tier == Tier::Enterprise)
    {
        if let Some(floor) = layer.mode.clone().filter(|floor| floor.value > mode.value) {
            mode = floor;
        }
    }
    mode
}

/// Whether a layer that can bind others says `word` at a switch.
pub(super) fn binding(
    layers: &[PermissionLayer],
    switch: impl Fn(&PermissionLayer) -> Option<&Located<bool>>,
    word: bool,
) -> bool {
    let binds = |layer: &&PermissionLayer| layer.tighten_only || layer.tier == Tier::Enterprise;
    layers.iter().filter(binds).filter_map(switch).any(|said| said.value == word)
}

/// As [`mode`]: the last explicit word below, and at least what whoever binds says.
pub(super) fn untrusted_rise(layers: &[PermissionLayer]) -> Located<bool> {
    let binds = |layer: &&PermissionLayer| layer.tighten_only || layer.tier == Tier::Enterprise;
    let mut free: Vec<&PermissionLayer> = layers.iter().filter(|layer| !binds(layer)).collect();
    free.sort_by_key(|layer| layer.tier);
    let last = free.iter().rev().find_map(|layer| layer.untrusted_rise.clone());
    let floor = layers.iter().filter(binds).filter_map(|layer| layer.untrusted_rise.clone());
    let floor = floor.filter(|rise| rise.value).max_by_key(|rise| rise.source.tier);
    floor
        .or(last)
        .unwrap_or_else(|| Located::new(true, Source::new(Tier::Builtin, "untrusted content")))
}

/// An id names one rule of a tier: explanations and `overrides` rely on it.
pub(super) fn duplicates(layers: &[Arc<Layer>], problems: &mut Vec<RuleProblem>) {
    let mut known: BTreeMap<(Tier, &str, &str), &Source> = BTreeMap::new();
    for layer in layers {
        let rules = layer.rules.iter().map(|rule| ("rule", rule.id.as_str(), Some(&rule.source)));
        let dangers =
            layer.dangers.iter().map(|d| ("dangerous pattern", d.id.as_str(), d.source.as_ref()));
        for (kind, id, source) in rules.chain(dangers) {
            let Some(source) = source else { continue };
            if let Some(first) = known.insert((layer.tier, kind, id), source) {
                let message = format!("the id `{id}` is already that of the {kind} at {first}");
                problems.push(RuleProblem { source: source.clone(), message });
            }
        }
    }
}

/// SHA-256 (hex) over texts, each with its length.
pub(super) fn hashed(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// SHA-256 (hex) over what the layers say, shipped patterns included.
pub(super) fn digest(layers: &[PermissionLayer]) -> String {
    let mut parts = vec![crate::shipped::POLICIES_DIGEST.to_owned()];
    let mut add = |text: String| parts.push(text);
    for layer in layers {
        // Places are left out: the same rules at other lines are the same policy.
        let word = |said: &Option<Located<bool>>| said.as_ref().map(|said| said.value);
        add(format!(
            "{:?} {} {:?}",
            layer.tier,
            layer.tighten_only,
            layer.mode.as_ref().map(|m| m.value)
        ));
        add(format!(
            "{:?}",
            [
                word(&layer.untrusted_rise),
                word(&layer.exclusive_allow),
                word(&layer.managed_rules_only),
                word(&layer.allow_hooks),
                word(&layer.allow_classifier),
            ]
        ));
        for rule in &layer.rules {
            add(format!("{:?}", rule.value));
        }
        for danger in &layer.dangerous_patterns {
            add(format!("{:?}", danger.value));
        }
        for path in &layer.read_only_paths {
            add(path.value.clone());
        }
        for tier in &layer.tier_rules {
            add(format!("{:?}", tier.value));
        }
        add("end of layer".to_owned());
    }
    hashed(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::hashed;
    use crate::shipped::{DANGEROUS, POLICIES_DIGEST, SENSITIVE_PATHS};

    #[test]
    fn the_build_script_hashes_what_ships_as_everything_else_is_hashed() {
        assert_eq!(POLICIES_DIGEST, hashed(&[DANGEROUS.text(), SENSITIVE_PATHS.text()]));
    }
}
