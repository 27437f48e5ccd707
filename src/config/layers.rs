//! Merges the layers below the sealed tier. The only file that knows `figment`.
//!
//! `figment` decides which layer's value stands at each key and its tags say whose it was; line
//! numbers come from our own layers, because `figment` has none. Secrets never enter it. A
//! merge order cannot express "may only tighten": that is [`super::meet`], afterwards.

use super::meet::meet;
use super::schema::{Key, Sealing, keys};
use super::value::{KeyPath, Layer, Setting, Value};
use figment::value::{Dict, Map, Value as Merged};
use figment::{Figment, Metadata, Profile, Provider};
use std::collections::BTreeMap;

/// The value that stands at a key, and what it stood against.
#[derive(Debug, Clone)]
pub struct Held {
    /// The value in force.
    pub setting: Setting,
    /// Position of its layer, weakest first.
    pub order: usize,
    /// What other places said.
    pub overridden: Vec<Setting>,
    /// Whether the sealed tier speaks at this key.
    pub sealed: bool,
    /// For people: narrowed, ceiling, union.
    pub note: Option<String>,
}

impl Held {
    /// A value that stands against nothing.
    pub fn alone(setting: Setting, order: usize) -> Self {
        Held { setting, order, overridden: Vec::new(), sealed: false, note: None }
    }
}

/// All keys with a value.
pub type Settings = BTreeMap<KeyPath, Held>;

/// The table entry of a key.
pub fn key_of(path: &KeyPath) -> Option<&'static Key> {
    keys().find(|key| key.is(&path.0))
}

/// How layers below the sealed tier combine at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    /// A later layer's value replaces the earlier one.
    Replace,
    /// Lists add up: grants and denials of all layers count.
    Union,
    /// An allow-list only ever narrows.
    Meet,
    /// Kept per file elsewhere.
    Apart,
}

fn below(key: &Key) -> Below {
    match key.sealing {
        Sealing::Union | Sealing::IntersectPaths | Sealing::IntersectAddresses => Below::Union,
        Sealing::Intersect(_) => Below::Meet,
        Sealing::Layered => Below::Apart,
        // A list of hosts is a whole: whoever names one more says so by writing them all.
        Sealing::IntersectHosts
        | Sealing::Floor(_)
        | Sealing::Ceiling
        | Sealing::Override
        | Sealing::Pass => Below::Replace,
    }
}

/// One layer as `figment` sees it: a nested map, named by its position.
struct Source<'a>(usize, &'a Layer);

impl Provider for Source<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.to_string())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut root = Dict::new();
        for (path, setting) in &self.1.settings {
            if let Some(value) = key_of(path).and_then(|key| figment_value(below(key), setting)) {
                insert(&mut root, &path.0, value);
            }
        }
        Ok(Profile::Default.collect(root))
    }
}

fn figment_value(below: Below, setting: &Setting) -> Option<Merged> {
    match (below, &setting.value) {
        (Below::Meet | Below::Apart, _) => None,
        // As a map from entry to nothing, so that maps unite and each entry keeps its tag.
        (Below::Union, Value::Texts(items)) => {
            let dict: Dict = items.iter().map(|i| (i.value.clone(), Merged::from(true))).collect();
            Some(dict.into())
        }
        (_, Value::Texts(items)) => {
            Some(items.iter().map(|i| i.value.clone()).collect::<Vec<_>>().into())
        }
        (_, Value::Flag(flag)) => Some((*flag).into()),
        (_, Value::Whole(whole)) => Some((*whole).into()),
        (_, Value::Amount(amount)) => Some((*amount).into()),
        (_, other) => Some(other.to_string().into()),
    }
}

fn insert(dict: &mut Dict, path: &[String], value: Merged) {
    match path {
        [] => {}
        [last] => drop(dict.insert(last.clone(), value)),
        [first, rest @ ..] => {
            let inner = dict.entry(first.clone()).or_insert_with(|| Dict::new().into());
            if let Merged::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// Merges `layers`, weakest first.
pub fn merge(layers: &[Layer]) -> Settings {
    let figment = layers
        .iter()
        .enumerate()
        .fold(Figment::new(), |figment, (order, layer)| figment.merge(Source(order, layer)));
    let mut settings = Settings::new();
    if let Some(root) = figment.data().ok().and_then(|mut data| data.remove(&Profile::Default)) {
        collect(&figment, layers, &mut Vec::new(), &root, &mut settings);
    }
    narrow(layers, &mut settings);
    settings
}

fn collect(
    figment: &Figment,
    layers: &[Layer],
    path: &mut Vec<String>,
    dict: &Dict,
    settings: &mut Settings,
) {
    let owner = |value: &Merged| {
        figment.get_metadata(value.tag()).and_then(|metadata| metadata.name.parse::<usize>().ok())
    };
    for (name, value) in dict {
        path.push(name.clone());
        let full = KeyPath(path.clone());
        match (key_of(&full), value) {
            (Some(key), Merged::Dict(_, entries)) if below(key) == Below::Union => {
                let owners =
                    entries.iter().filter_map(|(text, v)| Some((text.as_str(), owner(v)?)));
                if let Some(held) = united(layers, &full, owners) {
                    settings.insert(full, held);
                }
            }
            (Some(_), value) => {
                if let Some(held) = owner(value).and_then(|order| winner(layers, &full, order)) {
                    settings.insert(full, held);
                }
            }
            (None, Merged::Dict(_, inner)) => collect(figment, layers, path, inner, settings),
            (None, _) => {}
        }
        path.pop();
    }
}

fn winner(layers: &[Layer], path: &KeyPath, order: usize) -> Option<Held> {
    let setting = layers.get(order)?.settings.get(path)?.clone();
    let mut held = Held::alone(setting, order);
    let others = layers.iter().enumerate().rev().filter(|(other, _)| *other != order);
    held.overridden = others.filter_map(|(_, layer)| layer.settings.get(path).cloned()).collect();
    Some(held)
}

fn united<'a>(
    layers: &[Layer],
    path: &KeyPath,
    owners: impl Iterator<Item = (&'a str, usize)>,
) -> Option<Held> {
    let mut items = Vec::new();
    let mut last: Option<(usize, &Setting)> = None;
    for (text, order) in owners {
        let setting = layers.get(order)?.settings.get(path)?;
        if let Value::Texts(own) = &setting.value {
            items.extend(own.iter().find(|item| item.value == text).cloned());
        }
        if last.is_none_or(|(known, _)| known < order) {
            last = Some((order, setting));
        }
    }
    let (order, setting) = last?;
    let setting = Setting { value: Value::Texts(items), ..setting.clone() };
    Some(Held::alone(setting, order))
}

/// Allow-lists: every layer that has one must admit an entry.
fn narrow(layers: &[Layer], settings: &mut Settings) {
    for (order, layer) in layers.iter().enumerate() {
        for (path, setting) in &layer.settings {
            let Some(key) = key_of(path).filter(|key| below(key) == Below::Meet) else { continue };
            match settings.get_mut(path) {
                None => drop(settings.insert(path.clone(), Held::alone(setting.clone(), order))),
                Some(held) => tighten(held, key, setting, order),
            }
        }
    }
}

/// Meets `held` with a stricter-only value. Says whether it changed.
pub fn tighten(held: &mut Held, key: &Key, limit: &Setting, order: usize) {
    let met = meet(key.sealing, &held.setting.value, &limit.value);
    if met.same(&held.setting.value) {
        if !limit.value.same(&held.setting.value) {
            held.overridden.push(limit.clone());
        }
        return;
    }
    let stricter = Setting { value: met, ..limit.clone() };
    held.overridden.insert(0, std::mem::replace(&mut held.setting, stricter));
    held.order = order;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::check::{FileText, Findings, check};
    use crate::config::schema::SECTIONS;
    use crate::model::Tier;

    fn layer(tier: Tier, file: &str, text: &str) -> Layer {
        let mut findings = Findings::default();
        let layer = check(FileText { tier, shown: file, text, sections: SECTIONS }, &mut findings);
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
        layer
    }

    #[test]
    fn a_later_layer_overrides_field_by_field_and_never_a_whole_block() {
        let user = layer(
            Tier::User,
            "u.json",
            r#"{"limits": {"maxTurns": 9, "maxBudgetUsd": 2}, "providers": {"my.host": {"apiKey": "k", "baseURL": "u"}}}"#,
        );
        let project = layer(
            Tier::Project,
            "p.json",
            "{\"limits\": {\n\"maxTurns\": 3},\n\"providers\": {\"my.host\": {\"baseURL\": \"p\"}}}",
        );
        let settings = merge(&[user, project]);
        let turns = &settings[&KeyPath::plain("limits.maxTurns")];
        assert!(turns.setting.value.same(&Value::Whole(3)));
        assert_eq!(turns.setting.source.to_string(), "p.json:2");
        assert_eq!(turns.overridden[0].source.to_string(), "u.json:1");
        let budget = &settings[&KeyPath::plain("limits.maxBudgetUsd")];
        assert_eq!(budget.setting.source.tier, Tier::User);
        let at = |key: &str| {
            let path = ["providers", "my.host", key].map(str::to_owned).to_vec();
            settings[&KeyPath(path)].setting.source.tier
        };
        assert_eq!((at("apiKey"), at("baseURL")), (Tier::User, Tier::Project));
    }

    #[test]
    fn lists_of_denials_add_up_and_each_entry_keeps_its_line() {
        let user = layer(Tier::User, "u.json", r#"{"sandbox": {"hide": ["/a", "/b"]}}"#);
        let project =
            layer(Tier::Project, "p.json", "{\"sandbox\": {\"hide\": [\n\"/b\",\n\"/c\"]}}");
        let settings = merge(&[user, project]);
        let Value::Texts(items) = &settings[&KeyPath::plain("sandbox.hide")].setting.value else {
            panic!("a list")
        };
        let shown: Vec<String> =
            items.iter().map(|i| format!("{} {}", i.value, i.source)).collect();
        assert_eq!(shown, ["/a u.json:1", "/b p.json:2", "/c p.json:3"]);
    }

    #[test]
    fn an_allow_list_only_narrows_from_layer_to_layer() {
        let user = layer(Tier::User, "u.json", r#"{"allowedModels": ["a", "b"]}"#);
        let project = layer(Tier::Project, "p.json", r#"{"allowedModels": ["b", "c"]}"#);
        let settings = merge(&[user, project]);
        let held = &settings[&KeyPath::plain("allowedModels")];
        assert_eq!(held.setting.value.set().into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
