//! What the configuration of an untrusted folder may do: make things stricter.
//!
//! A cloned repository is a stranger. Its hooks, servers, providers, endpoints, models and
//! allow rules do nothing until the person trusts the folder ([`super::trust`]).

use super::layers::{Held, Settings, key_of, tighten};
use super::problem::Warning;
use super::schema::{Sealing, Stranger};
use super::value::{KeyPath, Layer, Value};
use crate::model::Tier;
use std::collections::BTreeSet;

/// Meets the lower result with a stranger's layers. Gives the keys that were ignored.
///
/// A flag of this run was typed by the person and stands.
pub(super) fn restrict(
    settings: &mut Settings,
    strangers: &[Layer],
    order: usize,
) -> BTreeSet<String> {
    let mut ignored = BTreeSet::new();
    for layer in strangers {
        ignored.extend(layer.unused.iter().filter_map(|key| ignorable(&key.value)));
        let names = layer.named.iter().filter_map(|key| key.value.0.first().cloned());
        ignored.extend(names.filter(|first| first != "permissions"));
        for (path, setting) in &layer.settings {
            let Some(key) = key_of(path) else { continue };
            match (key.stranger, key.sealing) {
                (Stranger::Ignore, _) | (_, Sealing::Override | Sealing::Pass) => {
                    ignored.insert(path.to_string());
                }
                (Stranger::Tighten, Sealing::Layered) => {
                    if has_allows(path, &setting.value) {
                        ignored.insert(format!("{path} (allow)"));
                    }
                }
                (Stranger::Tighten, _) => match settings.get_mut(path) {
                    // FAIL CLOSED: nobody else names the key, so what its absence means is not
                    // known here. Only its strictest value cannot be a loosening.
                    None if !strictest(key.sealing, &setting.value) => {
                        ignored.insert(format!("{path} (looser)"));
                    }
                    None => {
                        settings.insert(path.clone(), Held::alone(setting.clone(), order));
                    }
                    Some(held) if held.setting.source.tier == Tier::Flag => {}
                    Some(held) => {
                        let before = held.setting.value.clone();
                        tighten(held, key, setting, order);
                        if held.setting.value.same(&before) && !setting.value.same(&before) {
                            ignored.insert(format!("{path} (looser)"));
                        }
                    }
                },
            }
        }
    }
    ignored
}

/// Whether the value is the strictest of a key that has such a one. Limits and lists narrow
/// what no limit and no list leave open, whatever they say.
fn strictest(sealing: Sealing, value: &Value) -> bool {
    match (sealing, value) {
        (Sealing::Floor(words), Value::Flag(flag)) => {
            words.last() == Some(&if *flag { "true" } else { "false" })
        }
        (Sealing::Floor(words), Value::Text(word)) => words.last() == Some(&word.as_str()),
        (Sealing::Floor(_), _) => false,
        _ => true,
    }
}

// Only keys that would matter: a name or a description is no loss.
fn ignorable(path: &KeyPath) -> Option<String> {
    let first = path.0.first()?;
    let harmless =
        matches!(first.as_str(), "name" | "description" | "$schema" | "tests" | "policyContact");
    (!harmless).then(|| path.to_string())
}

fn has_allows(path: &KeyPath, value: &Value) -> bool {
    match value {
        Value::Rules(rules) => {
            rules.iter().any(|rule| rule.value.decision == crate::model::Decision::Allow)
        }
        Value::Text(word) => word == "allow",
        Value::Texts(items) => path.0.last().is_some_and(|l| l == "allow") && !items.is_empty(),
        _ => false,
    }
}

/// The one warning that lists everything that was ignored.
pub(super) fn warning(file: &str, ignored: &BTreeSet<String>) -> Option<Warning> {
    if ignored.is_empty() {
        return None;
    }
    let count = match ignored.len() {
        1 => "1 value of this project is".to_owned(),
        n => format!("{n} values of this project are"),
    };
    let names = ignored.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Some(Warning {
        file: file.to_owned(),
        at: None,
        key: String::new(),
        message: format!(
            "{count} ignored until the folder is trusted: {names}   (ion trust --show)"
        ),
    })
}
