//! A refusal as text: one function for the model, the terminal and headless runs.

use super::refusal::{DecidedBy, Refusal};
use crate::model::visible;
use std::fmt::Write;

/// The whole text. The first line makes sense alone: it is what a model reads.
pub fn refusal_text(refusal: &Refusal) -> String {
    lines(format!("Permission denied: {}", refusal_line(refusal)), refusal)
}

/// The same for a call that only a person can admit, shown by whoever can ask one.
pub fn question_text(refusal: &Refusal) -> String {
    let subject = subject(refusal);
    let first = match &refusal.rule {
        Some(rule) => format!("Approval needed: `{subject}` (`{}`)", rule.id),
        None => format!("Approval needed: `{subject}`, as no rule allows it"),
    };
    lines(first, refusal)
}

fn lines(mut text: String, refusal: &Refusal) -> String {
    let mut line = |label: &str, value: &str| {
        let _ = write!(text, "\n  {label:<9} {}", visible(value));
    };
    if let Some(command) =
        refusal.tool_input.get().get("command").and_then(serde_json::Value::as_str)
    {
        line("command", command);
        if let Some(unit) = refusal.unit.as_ref().filter(|unit| unit.text.as_str() != command) {
            line("part", &format!("{} `{}`", unit.index + 1, unit.text));
        }
    }
    line("because", refusal.reason.as_str());
    if let Some(rule) = &refusal.rule {
        let owner = if rule.tier == "enterprise" { "; nothing below can change it" } else { "" };
        line("set by", &format!("{} policy ({}){owner}", rule.tier, rule.source));
    }
    if let Some(resolved) = &refusal.ask_resolved {
        line("asked", resolved.as_str());
    }
    if let Some(hint) = &refusal.hint {
        line("instead", hint.as_str());
    }
    match refusal.audit_seq {
        Some(seq) => line("next", &format!("ion policy explain --record {seq}")),
        None => line("next", "make room for the audit log, then try again: ion audit verify"),
    }
    text
}

/// What was refused and by what, in one line.
pub fn refusal_line(refusal: &Refusal) -> String {
    let subject = subject(refusal);
    let named = |kind: &str| match &refusal.rule {
        Some(rule) => format!("{kind} `{}`", rule.id),
        None => kind.to_owned(),
    };
    match refusal.decided_by {
        DecidedBy::Rule => format!("`{subject}` is refused by {}", named("rule")),
        DecidedBy::Danger => format!("`{subject}` is refused by {}", named("pattern")),
        DecidedBy::Mode => format!("`{subject}` is refused because no rule allows it"),
        DecidedBy::HeadlessAsk => match &refusal.rule {
            Some(rule) => {
                format!("`{subject}` needs approval (`{}`), and nobody can answer", rule.id)
            }
            None => {
                format!("`{subject}` needs approval, as no rule allows it, and nobody can answer")
            }
        },
        DecidedBy::Person => format!("`{subject}` was refused by a person"),
        DecidedBy::Expired => format!("`{subject}` needs approval, and nobody answered in time"),
        DecidedBy::Cancelled => format!("`{subject}` did not run because the run was cancelled"),
        DecidedBy::Hook => format!("`{subject}` is refused by {}", named("hook")),
        DecidedBy::Classifier => format!("`{subject}` is refused by the classifier"),
        DecidedBy::Malformed => {
            format!("this call of `{}` could not be understood", refusal.tool_name)
        }
        DecidedBy::Tool if refusal.rule.is_none() => {
            format!("there is no tool `{}` in this run", refusal.tool_name)
        }
        DecidedBy::Tool => format!("the tool `{}` is withdrawn by policy", refusal.tool_name),
        DecidedBy::Sandbox => {
            format!("`{subject}` did not run because this machine cannot confine it as required")
        }
        DecidedBy::Audit if refusal.audit_seq.is_some() => {
            format!("`{subject}` did not run because the audit log could not be forwarded")
        }
        DecidedBy::Audit => {
            format!("`{subject}` did not run because the decision could not be recorded")
        }
    }
}

/// The guilty program, or the tool.
fn subject(refusal: &Refusal) -> String {
    let unit = refusal.unit.as_ref();
    let program = unit.and_then(|unit| unit.text.as_str().split_whitespace().next());
    visible(program.unwrap_or(refusal.tool_name.as_str()))
}
