//! `ion policy explain`: everything that was considered about one call, for a person. Runs nothing.
//!
//! The losers are shown with the reason why they lost, and what cannot be known here (hooks,
//! the classifier, the kernel) is said to be unknown. What a model is told is another text
//! (`gate::render`), which leaves out what sealed files hold.

use super::CheckContext;
use super::check::{Judged, heading, tier_name};
use super::pinpoint::{Matched, matched, unit_span};
use super::remedy::{Remedy, actions, remedies, rules_to_write};
use super::surroundings::SurroundingsArgs;
use crate::config::effective::NetworkReach;
use crate::model::visible;
use crate::model::{AbsPath, Decision, ToolCall};
use crate::policy::compile::Layer;
use crate::policy::exact::AllowRule;
use crate::policy::shell::Unit;
use crate::policy::{Basis, Considered, Origin, RuleSet};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Adds to the contract's document what an explanation knows besides.
pub(super) fn document(
    document: &mut Value,
    call: &ToolCall,
    cwd: &AbsPath,
    judged: &Judged,
    rules: &RuleSet,
    context: &CheckContext,
) {
    let judgement = &judged.judgement;
    let Some(object) = document.as_object_mut() else { return };
    let script = judged.facts.command.as_ref();
    let units: Vec<Value> = script
        .iter()
        .flat_map(|script| script.units.iter().enumerate())
        .map(|(at, unit)| unit_json(at, unit, call, judged))
        .collect();
    let opaque = script.and_then(|script| script.opaque.clone());
    let found = matched(call, cwd, judged, rules, context);
    let mut add = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    add("trace", json!(judgement.trace));
    add("profile", json!(context.profile));
    add("policy_digest", json!(rules.digest()));
    add("parse", json!({"ok": opaque.is_none(), "problem": opaque, "units": units.len()}));
    add("units", json!(units));
    add("matched", found.iter().map(Matched::to_json).collect());
    add("tiers", rules.layers().iter().rev().map(|layer| tier_json(layer, judged)).collect());
    let mode = rules.mode();
    add(
        "mode",
        json!({"decision": mode.value, "source": mode.source.to_string(), "asked": asked(judged)}),
    );
    add(
        "then",
        json!({
            "hooks": "not run", "classifier": "not asked",
            "sandbox": context.sandbox.as_ref().map(|_| sandbox(judged, context)),
            "not_given": SurroundingsArgs::unknown(&judged.facts.circumstances),
        }),
    );
    let remedies = remedies(call, judged, context);
    add("changes_it", actions(&remedies).into_iter().map(Remedy::to_json).collect());
    add("write", rules_to_write(&remedies).iter().map(|rule| json!(rule.to_toml())).collect());
}

fn unit_json(at: usize, unit: &Unit, call: &ToolCall, judged: &Judged) -> Value {
    let steps = || judged.judgement.trace.iter().filter(|step| step.unit == Some(at));
    let decision = steps().map(|step| step.decision).fold(Decision::Allow, Decision::strictest);
    let matches: Vec<Value> = steps().map(|step| step_json(step, judged)).collect();
    let argv: Vec<&str> = unit.words.iter().map(|word| word.text.as_str()).collect();
    let resources: Vec<Value> = unit
        .paths
        .iter()
        .map(|path| json!({"path": path.canonical, "access": path.access}))
        .collect();
    json!({
        "index": at, "span": unit_span(call, &argv).map(|(a, b)| [a, b]), "text": unit.text,
        "argv": argv, "via": unit.via, "resources": resources, "hosts": unit.hosts,
        "decision": decision, "matches": matches,
    })
}

fn step_json(step: &Considered, judged: &Judged) -> Value {
    let origin = step.origin.as_ref();
    let lost = lost_to(step, judged);
    json!({
        "rule": origin.map(|origin| origin.id.as_str()), "decision": step.decision,
        "tier": origin.map(|origin| tier_name(origin.tier)),
        "file": origin.map(|origin| origin.source.file.as_str()),
        "line": origin.and_then(|origin| origin.source.line), "on": step.subject,
        "basis": step.basis, "overridden_by": lost,
    })
}

fn tier_json(layer: &Layer, judged: &Judged) -> Value {
    let matches: Vec<Value> = of_layer(layer, judged).map(|step| step_json(step, judged)).collect();
    json!({
        "tier": tier_name(layer.tier), "rules": layer.rules.len(), "patterns": layer.dangers.len(),
        "read_only_paths": layer.read_only.len(), "tighten_only": layer.tighten_only,
        "matches": matches,
    })
}

/// What a rule of this layer said. Layers of one tier are told apart by their files.
fn of_layer<'a>(layer: &'a Layer, judged: &'a Judged) -> impl Iterator<Item = &'a Considered> + 'a {
    judged.judgement.trace.iter().filter(move |step| {
        let from = |origin: &Origin| {
            layer.rules.iter().any(|rule| rule.source == origin.source && rule.id == origin.id)
        };
        step.basis == Basis::Rule && step.origin.as_ref().is_some_and(from)
    })
}

/// The id of what outranked an opinion; `None` for one that did not lose.
fn lost_to(step: &Considered, judged: &Judged) -> Option<String> {
    let stricter = judged.policy();
    let winner = || judged.judgement.rule.as_ref().map_or("mode", |rule| rule.id.as_str());
    (step.decision < stricter).then(|| winner().to_owned())
}

fn asked(judged: &Judged) -> bool {
    judged.judgement.trace.iter().any(|step| step.basis == Basis::Mode)
}

/// The full explanation for a person.
pub(super) fn text(
    call: &ToolCall,
    cwd: &AbsPath,
    judged: &Judged,
    rules: &RuleSet,
    context: &CheckContext,
    all: bool,
) -> String {
    let judgement = &judged.judgement;
    let mut text = heading(judgement, context);
    let _ = writeln!(text, " · {:.2} ms · nothing was run", judged.elapsed_us / 1000.0);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{}", format!("{label:<10} {value}").trim_end());
    };
    let input = Value::Object(call.input.clone()).to_string();
    line("call", &format!("{} {}", call.name, visible(&input)));
    line("because", &visible(&judgement.reason));
    if let Some(said) = in_words(&matched(call, cwd, judged, rules, context), judged) {
        line("matched", &said);
    }
    for (at, command) in judgement.commands.iter().enumerate() {
        let via = match command.via.as_slice() {
            [] => String::new(),
            via => format!("   unwrapped from: {}", visible(&via.join(", "))),
        };
        let text =
            format!("{} {:<40} {:<5}{via}", at + 1, visible(&command.text), command.decision);
        line(if at == 0 { "commands" } else { "" }, text.trim_end());
    }
    let speaks = |layer: &&std::sync::Arc<Layer>| {
        let empty =
            layer.rules.is_empty() && layer.dangers.is_empty() && layer.read_only.is_empty();
        all || !empty
    };
    for (at, layer) in rules.layers().iter().rev().filter(speaks).enumerate() {
        for (row, said) in tier_lines(layer, judged, all).iter().enumerate() {
            line(if at == 0 && row == 0 { "tiers" } else { "" }, said);
        }
    }
    let mode = rules.mode();
    let used = if asked(judged) { "asked, because a part has no rule" } else { "not asked" };
    line("mode", &format!("{} ({}): {used}", mode.value, mode.source));
    for step in judgement.trace.iter().filter(|step| step.basis != Basis::Rule) {
        line("considered", &step_line(step, judged));
    }
    for hit in &judgement.danger {
        let hit = format!("{} ({}, {:?})", hit.pattern, hit.category, hit.severity).to_lowercase();
        line("pattern", &hit);
    }
    if let Some(hint) = &judgement.hint {
        line("instead", &visible(hint));
    }
    if let Some(url) = &judgement.url {
        line("read", &visible(url));
    }
    line("then", &then(judged, context));
    let remedies = remedies(call, judged, context);
    for (at, remedy) in actions(&remedies).into_iter().enumerate() {
        line(if at == 0 { "changes it" } else { "       and" }, &visible(&remedy.action));
    }
    let rules: Vec<String> = rules_to_write(&remedies).iter().map(AllowRule::to_toml).collect();
    for (at, rule) in rules.iter().flat_map(|rule| rule.lines()).enumerate() {
        line(if at == 0 { "  write" } else { "" }, &visible(rule));
    }
    text
}

/// `` `curl` (bytes 10-14) in part 2 ``.
fn in_words(found: &[Matched], judged: &Judged) -> Option<String> {
    if found.is_empty() {
        return None;
    }
    let word = |matched: &Matched| match (&*matched.key, matched.bytes) {
        ("command", Some((from, to))) => {
            format!("`{}` (bytes {from}-{to})", visible(&matched.word))
        }
        (key, _) => format!("`{}` (argument `{key}`)", visible(&matched.word)),
    };
    let words: Vec<String> = found.iter().map(word).collect();
    let judgement = &judged.judgement;
    let units = judged.facts.command.as_ref().map_or(&[][..], |script| &script.units);
    let same = |step: &&Considered| {
        step.origin == judgement.rule
            && step.basis == judgement.decided_by
            && step.decision == judged.policy()
    };
    // A wrapper shows the same words as what it runs, which says more.
    let parts = judgement.trace.iter().filter(same).filter_map(|step| units.get(step.unit?));
    let part = parts.min_by_key(|unit| unit.transparent);
    // Words of several parts stand in no single one.
    let apart = found.iter().filter(|word| word.key == "command").any(|word| {
        parts_hold(units, &word.word) && part.is_some_and(|unit| !unit.text.contains(&word.word))
    });
    let part = part.filter(|_| !apart).map(|unit| format!(", in `{}`", visible(&unit.text)));
    Some(format!("{}{}", words.join(" "), part.unwrap_or_default()))
}

/// Whether some part of the line holds a word.
fn parts_hold(units: &[Unit], word: &str) -> bool {
    units.iter().any(|unit| unit.text.contains(word))
}

fn tier_lines(layer: &Layer, judged: &Judged, all: bool) -> Vec<String> {
    let strict = if layer.tighten_only { "   (not trusted: can only tighten)" } else { "" };
    let steps: Vec<&Considered> = of_layer(layer, judged).collect();
    let name = tier_name(layer.tier);
    let counts = format!(
        "{name:<10} {:>3} rules, {} patterns, {} read-only paths",
        layer.rules.len(),
        layer.dangers.len(),
        layer.read_only.len()
    );
    let said = match steps.len() {
        0 => "no match".to_owned(),
        n => format!("{n} matched"),
    };
    let mut lines = vec![format!("{counts}: {said}{strict}")];
    let spoke = |id: &str, line: Option<u32>| {
        steps
            .iter()
            .any(|step| step.origin.as_ref().is_some_and(|o| o.id == id && o.source.line == line))
    };
    for step in &steps {
        lines.push(format!("  {}", step_line(step, judged)));
    }
    if all {
        for rule in layer.rules.iter().filter(|rule| !spoke(&rule.id, rule.source.line)) {
            let silent = match layer.tighten_only && rule.decision == Decision::Allow {
                true => "does nothing: the folder is not trusted",
                false => "did not match, or an earlier rule of its list spoke",
            };
            let decision = rule.decision;
            lines.push(format!("  {decision:<5} {} {}: {silent}", visible(&rule.id), rule.source));
        }
    }
    lines
}

fn step_line(step: &Considered, judged: &Judged) -> String {
    let basis = json!(step.basis).as_str().unwrap_or_default().to_owned();
    let origin = step
        .origin
        .as_ref()
        .map_or_else(String::new, |o| format!(" {} {} {}", o.id, tier_name(o.tier), o.source));
    let mark = match lost_to(step, judged) {
        Some(winner) => format!("   <- outranked: `{}` is stricter", visible(&winner)),
        None => String::new(),
    };
    format!("{:<5} {basis}{}  `{}`{mark}", step.decision, visible(&origin), visible(&step.subject))
}

fn then(judged: &Judged, context: &CheckContext) -> String {
    let mut parts = vec!["hooks: not run here".to_owned(), "classifier: not asked".to_owned()];
    if context.sandbox.is_some() {
        parts.push(format!("sandbox: {}", sandbox(judged, context)));
    }
    let unknown = SurroundingsArgs::unknown(&judged.facts.circumstances);
    if !unknown.is_empty() {
        parts.push(format!("not given: {}", unknown.join(", ")));
    }
    parts.join(" · ")
}

/// The confinement that an allowed call would get, and whether it too would stop this one.
fn sandbox(judged: &Judged, context: &CheckContext) -> String {
    let Some(settings) = &context.sandbox else { return "not known".to_owned() };
    let requirement = json!(settings.requirement.value).as_str().unwrap_or_default().to_owned();
    let network = match settings.network.value {
        NetworkReach::Nothing => "none",
        NetworkReach::Listed => "listed",
        NetworkReach::Everything => "all",
    };
    let mut said = format!("requirement {requirement}, network {network}");
    let units = || judged.facts.command.iter().flat_map(|script| &script.units);
    let talks = units().any(|u| !u.hosts.is_empty() || u.unknown_host || !u.sockets.is_empty());
    let open = requirement == "open";
    if !open && settings.network.value == NetworkReach::Nothing && talks {
        said.push_str(" (would also stop it: it talks to a network)");
    } else if !open && units().next().is_some() {
        said.push_str(" (what the kernel refuses is only known when it runs)");
    }
    said
}
