//! Which profile is in force, and its text as the lowest layers.
//!
//! A profile is chosen, never merged with another. Read [`super::load`] for what lies above it.

use super::check::{FileText, Findings, check_parsed};
use super::layers::{Held, Settings};
use super::load::{LoadRequest, Part};
use super::origin::Located;
use super::problem::{Problem, nearest, quoted};
use super::schema::{SECTIONS, profile};
use super::tree::Spot;
use super::value::{KeyPath, Layer, Setting, Value};
use crate::model::{Source, Tier};
use crate::shipped::{DEFAULTS, Shipped};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Sealed `profile`, then `--profile`, then the configuration's, then the first that is allowed.
pub(super) fn choose(
    request: &LoadRequest<'_>,
    sealed: &Settings,
    user: &[Layer],
    project: &[Layer],
    findings: &mut Findings,
) -> Located<String> {
    let text = |setting: &Setting| match &setting.value {
        Value::Text(name) => Some(Located::new(name.clone(), setting.source.clone())),
        _ => None,
    };
    let flag = request
        .flags
        .profile
        .clone()
        .map(|name| Located::new(name, Source::new(Tier::Flag, "--profile")));
    let seal = sealed.get(&KeyPath::plain("profile")).and_then(|held| text(&held.setting));
    let files = user.iter().chain(project).filter_map(|layer| layer.get("profile"));
    let file = files.filter_map(text).next_back();
    let allowed = sealed.get(&KeyPath::plain("allowedProfiles"));
    let admits = |name: &str| allowed.is_none_or(|held| held.setting.value.set().contains(name));
    if let Some(flag) = flag.as_ref().filter(|flag| profile::file(&flag.value).is_none()) {
        let what = format!("unknown profile {}", quoted(&flag.value));
        let near = nearest(&flag.value, profile::NAMES.iter().copied());
        let help = near.map_or(String::new(), |name| format!("did you mean `{name}`? "));
        findings.problems.push(Problem {
            help: Some(format!("{help}there are: {}", profile::NAMES.join(", "))),
            ..Problem::of("--profile", what)
        });
    }
    let usual = || {
        let name = profile::NAMES.iter().find(|name| admits(name)).unwrap_or(&profile::NAMES[0]);
        Located::new((*name).to_owned(), Source::new(Tier::Builtin, "built in"))
    };
    let chosen = seal.or(flag).or(file).unwrap_or_else(usual);
    if let Some(held) = allowed.filter(|_| !admits(&chosen.value)) {
        let what = format!("profile {} is not allowed here", quoted(&chosen.value));
        findings.problems.push(Problem {
            key: "profile".to_owned(),
            help: Some(format!(
                "allowedProfiles of {} admits {}",
                held.setting.source, held.setting.value
            )),
            guards: true,
            ..Problem::of(chosen.source.to_string(), what)
        });
    }
    chosen
}

/// The compiled defaults and the profile. They are part of the binary, so checking one twice in
/// a process would give the same.
pub(super) fn built_in_layers(profile: &str, part: Part, findings: &mut Findings) -> Vec<Layer> {
    if part != Part::Everything {
        return check_built_in(profile, part, findings);
    }
    static CHECKED: Mutex<BTreeMap<String, Vec<Layer>>> = Mutex::new(BTreeMap::new());
    let mut checked = CHECKED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = checked.get(profile) {
        return known.clone();
    }
    let before = findings.problems.len();
    let layers = check_built_in(profile, part, findings);
    if findings.problems.len() == before {
        checked.insert(profile.to_owned(), layers.clone());
    }
    layers
}

fn check_built_in(profile: &str, part: Part, findings: &mut Findings) -> Vec<Layer> {
    // An unknown name is a problem that was reported when it was chosen.
    let files = [("defaults.toml", Some(DEFAULTS)), (profile, profile::file(profile))];
    let check_one = |(shown, file): (&str, Option<Shipped>)| match file {
        Some(file) => {
            let shown = if file.name().starts_with("profiles/") { file.name() } else { shown };
            let text =
                FileText { tier: Tier::Builtin, shown, text: file.text(), sections: SECTIONS };
            let entries = match part {
                Part::Everything => file.entries(),
                Part::Sandbox => file.some_entries(|key| part.wants(key)),
            };
            check_parsed(text, Ok(entries), findings)
        }
        None => Layer::empty(Tier::Builtin, shown),
    };
    files.map(check_one).into()
}

/// The profile as a setting, for when no layer names one.
pub(super) fn held(profile: &Located<String>) -> Held {
    let value = Value::Text(profile.value.clone());
    let setting = Setting { value, source: profile.source.clone(), at: Spot::default() };
    Held::alone(setting, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema::{Sealing, Stranger, keys};

    #[test]
    fn whatever_can_only_be_made_stricter_has_a_compiled_default() {
        let mut findings = Findings::default();
        let defaults = built_in_layers("standard", Part::Everything, &mut findings).remove(0);
        assert!(findings.problems.is_empty());
        for key in keys() {
            // A key that a stranger cannot touch needs none: nothing of theirs can meet it.
            let tighten = key.stranger == Stranger::Tighten;
            let floor = tighten && matches!(key.sealing, Sealing::Floor(_));
            let ceiling = tighten && key.path.starts_with("timeouts.");
            if floor || ceiling {
                assert!(defaults.get(key.path).is_some(), "{} has no default", key.path);
            }
        }
    }
}
