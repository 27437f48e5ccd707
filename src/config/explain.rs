//! Every value in force with the place it came from, what it overrode and what sealed it.
//!
//! Values are masked here, once; nothing downstream sees a secret.

use super::effective::Effective;
use super::layers::{Held, Settings, key_of};
use super::schema::Sealing;
use super::value::{KeyPath, Layer, without_password};
use crate::model::{Source, Tier};
use serde_json::json;

/// One line of `ion config show --origin`.
#[derive(Debug, Clone)]
pub struct ShownValue {
    /// The key.
    pub key: String,
    /// The value for people, secrets masked.
    pub value: String,
    /// The value for programs, secrets masked.
    pub json: serde_json::Value,
    /// Where it was read.
    pub source: Source,
    /// For people: sealed, overrides, narrowed.
    pub note: String,
    /// Places that said something else, strongest first, with what they said.
    pub overridden: Vec<(Source, String)>,
    /// Whether the sealed tier speaks at this key.
    pub sealed: bool,
}

impl ShownValue {
    pub(super) fn of(path: &KeyPath, held: &Held) -> Self {
        let others = held.overridden.iter().map(|s| (s.source.clone(), s.value.to_string()));
        let overridden: Vec<(Source, String)> = others.collect();
        // That a profile refines the compiled defaults is nobody's news.
        let news = held.setting.source.tier != Tier::Builtin;
        let below = overridden
            .first()
            .filter(|_| news)
            .map(|(source, value)| format!("overrides {} {source} {value}", source.tier));
        ShownValue {
            key: path.to_string(),
            value: held.setting.value.to_string(),
            json: held.setting.value.to_json(),
            source: held.setting.source.clone(),
            note: held.note.clone().or(below).unwrap_or_default(),
            overridden,
            sealed: held.sealed,
        }
    }

    /// The row as one JSON object.
    pub fn to_json(&self) -> serde_json::Value {
        let overridden: Vec<serde_json::Value> = self
            .overridden
            .iter()
            .map(|(source, value)| json!({"tier": source.tier, "source": source.to_string(), "value": value}))
            .collect();
        json!({
            "key": self.key, "value": self.json, "tier": self.source.tier,
            "source": self.source.to_string(), "file": self.source.file, "line": self.source.line,
            "sealed": self.sealed, "note": self.note, "overridden": overridden,
        })
    }
}

/// All values in force, in key order; blocks that stay apart per file have a row per file, and
/// what comes from variables or is derived has one too.
pub(super) fn table(
    settings: &Settings,
    layers: &[Layer],
    effective: &Effective,
) -> Vec<ShownValue> {
    let mut rows: Vec<ShownValue> =
        settings.iter().map(|(path, held)| ShownValue::of(path, held)).collect();
    for layer in layers {
        let apart = |path: &KeyPath| key_of(path).is_some_and(|k| k.sealing == Sealing::Layered);
        for (path, setting) in layer.settings.iter().filter(|(path, _)| apart(path)) {
            let sealed = layer.tier == Tier::Enterprise;
            let stranger = layer.tier == Tier::Project && !effective.trusted;
            let note = match (sealed, stranger) {
                (true, _) => "sealed; the strictest tier wins".to_owned(),
                (_, true) => "tightens only: the folder is not trusted".to_owned(),
                _ => String::new(),
            };
            let held = Held { sealed, note: Some(note), ..Held::alone(setting.clone(), 0) };
            rows.push(ShownValue::of(path, &held));
        }
    }
    let requirement = &effective.sandbox.requirement;
    rows.push(plain(
        "sandbox.requirement",
        format!("{:?}", requirement.value).to_lowercase(),
        &requirement.source,
        "derived from enabled, minimum, required, allowDisable",
    ));
    let mut found = Vec::new();
    for (id, provider) in &effective.providers {
        let key = provider.api_key.as_ref().map(|key| ("apiKey", "***".to_owned(), &key.source));
        let url =
            provider.base_url.as_ref().map(|u| ("baseURL", without_password(&u.value), &u.source));
        for (name, value, source) in [key, url].into_iter().flatten() {
            found.push(plain(&format!("providers.{id}.{name}"), value, source, ""));
        }
    }
    let network = &effective.network;
    let proxies = [
        ("network.proxy.httpProxy", &network.http_proxy),
        ("network.proxy.httpsProxy", &network.https_proxy),
        ("network.proxy.noProxy", &network.no_proxy),
    ];
    for (key, proxy) in proxies {
        found.extend(proxy.iter().map(|p| plain(key, without_password(&p.value), &p.source, "")));
    }
    rows.extend(found.into_iter().filter(|row| row.source.tier == Tier::Environment));
    rows.sort_by(|a, b| (&a.key, a.source.tier).cmp(&(&b.key, b.source.tier)));
    rows
}

fn plain(key: &str, value: String, source: &Source, note: &str) -> ShownValue {
    ShownValue {
        key: key.to_owned(),
        json: value.as_str().into(),
        value,
        source: source.clone(),
        note: note.to_owned(),
        overridden: Vec::new(),
        sealed: source.tier == Tier::Enterprise,
    }
}
