//! `ion policy explain`: everything that was considered about one call, for a person. Runs nothing.

use super::check::{heading, tier_name};
use super::{CheckContext, shown};
use crate::model::{Decision, ToolCall};
use crate::policy::{Considered, Judgement, RuleSet};
use serde_json::{Value, json};

/// The full trace for a person.
pub(super) fn explained(
    call: &ToolCall,
    judgement: &Judgement,
    elapsed: f64,
    rules: &RuleSet,
    context: &CheckContext,
) -> String {
    let mut text = heading(judgement, context);
    text.push_str(&format!(" · {:.2} ms · nothing was run\n", elapsed / 1000.0));
    text.push_str(&format!(
        "call       {} {}\n",
        call.name,
        shown(&Value::Object(call.input.clone()).to_string())
    ));
    text.push_str(&format!("because    {}\n", shown(&judgement.reason)));
    for (at, command) in judgement.commands.iter().enumerate() {
        let label = if at == 0 { "commands" } else { "" };
        let via = if command.via.is_empty() {
            String::new()
        } else {
            format!("   unwrapped from: {}", command.via.join(", "))
        };
        text.push_str(&format!(
            "{label:<10} {} {:<40} {:<5}{}\n",
            at + 1,
            shown(&command.text),
            command.decision,
            shown(&via)
        ));
    }
    for layer in rules.layers().iter().rev() {
        let strict = if layer.tighten_only { " (not trusted: can only tighten)" } else { "" };
        text.push_str(&format!(
            "tier       {:<10} {} rules, {} patterns, {} read-only paths{strict}\n",
            layer.tier,
            layer.rules.len(),
            layer.dangers.len(),
            layer.read_only.len()
        ));
    }
    let mode = rules.mode();
    text.push_str(&format!("mode       {} ({})\n", mode.value, mode.source));
    for step in &judgement.trace {
        text.push_str(&step_line(step, judgement));
    }
    for hit in &judgement.danger {
        text.push_str(
            &format!("pattern    {} ({}, {:?})\n", hit.pattern, hit.category, hit.severity)
                .to_lowercase(),
        );
    }
    if let Some(hint) = &judgement.hint {
        text.push_str(&format!("instead    {}\n", shown(hint)));
    }
    text.push_str("then       hooks: not run here · classifier: not asked\n");
    let owner = judgement.rule.as_ref().map(|rule| tier_name(rule.tier));
    match (judgement.decision, owner) {
        (Decision::Allow, _) => {}
        (_, Some("enterprise")) => text.push_str("changes it only the enterprise\n"),
        (_, Some(_)) => text.push_str("changes it the owner of the file named above\n"),
        (_, None) => {
            text.push_str("changes it an allow rule for exactly this, in ~/.ion/config.toml\n")
        }
    }
    text
}

fn step_line(step: &Considered, judgement: &Judgement) -> String {
    let basis = json!(step.basis).as_str().unwrap_or_default().to_owned();
    let origin = step
        .origin
        .as_ref()
        .map_or_else(String::new, |o| format!("{} {} {}", o.id, tier_name(o.tier), o.source));
    let mark = if step.decision < judgement.decision { "   <- outranked" } else { "" };
    format!(
        "considered {:<5} {basis:<15} {origin}  `{}`{mark}\n",
        step.decision,
        shown(&step.subject)
    )
}
