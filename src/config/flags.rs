//! The command line's part of the configuration, as a layer above all files but the seal.

use super::origin::Located;
use super::problem::Problem;
use super::schema::sandbox::NETWORK;
use super::tree::Spot;
use super::value::{KeyPath, Layer, Setting, Value};
use crate::model::{HostRule, Source, Tier};

/// What the person typed. `None` and empty lists say nothing.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--model`.
    pub model: Option<String>,
    /// `--max-turns`; 0 or less is unlimited.
    pub max_turns: Option<i64>,
    /// `--max-budget`, US dollars.
    pub max_budget_usd: Option<f64>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--backend`; `auto` says nothing.
    pub backend: Option<String>,
    /// `--net`: `none`, `all` or hosts with commas between.
    pub network: Option<String>,
    /// `--read`, absolute or relative to the workspace.
    pub read: Vec<String>,
    /// `--write`, absolute or relative to the workspace.
    pub write: Vec<String>,
    /// `--pids`.
    pub processes: Option<u64>,
    /// `--memory`, bytes.
    pub memory: Option<u64>,
    /// `--cpu`, seconds.
    pub cpu_seconds: Option<u64>,
    /// `--approve`.
    pub allow_skips_prompt: bool,
}

/// The entries of `--net HOST,…`. Methods of an entry are separated by commas, too.
fn entries(list: &str) -> Vec<String> {
    let is_method = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase());
    let mut found: Vec<String> = Vec::new();
    let mut methods = String::new();
    for part in list.split(',').map(str::trim) {
        if is_method(part) {
            methods.push_str(part);
            methods.push(',');
        } else {
            found.push(format!("{}{part}", std::mem::take(&mut methods)));
        }
    }
    if !methods.is_empty() {
        found.push(methods);
    }
    found
}

/// The flags as a layer, and what is wrong with them.
pub(super) fn layer(flags: &Flags) -> (Layer, Vec<Problem>) {
    let mut layer = Layer::empty(Tier::Flag, "command line");
    let mut problems = Vec::new();
    let mut put = |key: &str, flag: &str, value: Value| {
        let setting = Setting { value, source: Source::new(Tier::Flag, flag), at: Spot::default() };
        layer.settings.insert(KeyPath::plain(key), setting);
    };
    if let Some(model) = flags.model.as_ref().filter(|model| !model.is_empty()) {
        put("defaultModel", "--model", Value::Text(model.clone()));
    }
    if let Some(profile) = &flags.profile {
        put("profile", "--profile", Value::Text(profile.clone()));
    }
    if let Some(turns) = flags.max_turns {
        let value = if turns <= 0 { Value::Unlimited } else { Value::Whole(turns) };
        put("limits.maxTurns", "--max-turns", value);
    }
    match flags.max_budget_usd {
        Some(usd) if usd.is_finite() && usd >= 0.0 => {
            put("limits.maxBudgetUsd", "--max-budget", Value::Amount(usd));
        }
        Some(usd) => {
            let what = format!("found {usd}, expected a number, 0 or more");
            problems.push(Problem::of("--max-budget", what));
        }
        None => {}
    }
    if let Some(backend) = flags.backend.as_ref().filter(|backend| *backend != "auto") {
        put("sandbox.backend", "--backend", Value::Text(backend.clone()));
    }
    match flags.network.as_deref() {
        Some(word) if NETWORK.contains(&word) => {
            put("sandbox.network", "--net", Value::Text(word.to_owned()));
        }
        Some(list) => {
            let source = || Source::new(Tier::Flag, "--net");
            let mut items = Vec::new();
            // Methods have commas as well: an entry with some begins with capitals and ends with
            // its host.
            for entry in entries(list) {
                match HostRule::parse(&entry, false) {
                    Ok(_) => items.push(Located::new(entry, source())),
                    Err(why) => {
                        let found = super::problem::quoted(&entry);
                        let what = format!("found {found}, expected none, all or hosts: {why}");
                        problems.push(Problem::of("--net", what));
                    }
                }
            }
            put("sandbox.network", "--net", Value::Text("listed".to_owned()));
            put("sandbox.hosts", "--net", Value::Texts(items));
        }
        None => {}
    }
    for (key, flag, paths) in
        [("sandbox.read", "--read", &flags.read), ("sandbox.write", "--write", &flags.write)]
    {
        if !paths.is_empty() {
            let source = || Source::new(Tier::Flag, flag);
            let items = paths.iter().map(|path| Located::new(path.clone(), source())).collect();
            put(key, flag, Value::Texts(items));
        }
    }
    let limits = [
        ("sandbox.processes", "--pids", flags.processes),
        ("sandbox.memory", "--memory", flags.memory),
        ("sandbox.cpuSeconds", "--cpu", flags.cpu_seconds),
    ];
    for (key, flag, limit) in limits {
        if let Some(limit) = limit {
            put(key, flag, Value::Whole(i64::try_from(limit).unwrap_or(i64::MAX)));
        }
    }
    if flags.allow_skips_prompt {
        put("hook.allowSkipsPrompt", "--approve", Value::Flag(true));
    }
    (layer, problems)
}
