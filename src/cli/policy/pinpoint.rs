//! Which words of a call made the deciding rule speak. For showing; decides nothing.
//!
//! Each word is exchanged for one that means nothing, and the call is judged again: the words
//! without which the rule is silent are those that it matched. So this holds for every kind of
//! rule and pattern, without knowing how any of them looks for its words.

use super::CheckContext;
use super::check::{Judged, judge};
use crate::model::{AbsPath, ToolCall};
use crate::policy::words::{Spot, span, words};
use crate::policy::{Basis, Judgement, RuleSet};
use serde_json::{Value, json};

/// Most words that are tried: a call is judged again for each.
const MOST: usize = 48;
/// Means nothing to any rule.
const NOTHING: &str = "x";

/// A part of the call that matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matched {
    /// The argument that holds it.
    pub key: String,
    /// The word as written.
    pub word: String,
    /// Bytes of the argument.
    pub bytes: Option<(usize, usize)>,
}

impl Matched {
    pub fn to_json(&self) -> Value {
        json!({"argument": self.key, "word": self.word, "span": self.bytes.map(|(a, b)| [a, b])})
    }
}

/// What decided a call, to be recognised in another judgement of it.
#[derive(PartialEq)]
struct Speaker(Basis, Option<String>);

fn speakers(judgement: &Judgement) -> Vec<Speaker> {
    let of = |step: &crate::policy::Considered| {
        Speaker(step.basis, step.origin.as_ref().map(|origin| origin.id.clone()))
    };
    judgement
        .trace
        .iter()
        .filter(|step| step.decision != crate::model::Decision::Allow)
        .map(of)
        .collect()
}

/// The words that the deciding rule matched, in order; empty where nothing but their absence
/// decided, or where no single word did.
pub(super) fn matched(
    call: &ToolCall,
    cwd: &AbsPath,
    judged: &Judged,
    rules: &RuleSet,
    context: &CheckContext,
) -> Vec<Matched> {
    let judgement = &judged.judgement;
    let units = judged.facts.command.iter().flat_map(|script| &script.units);
    let commands: Vec<&str> = units
        .filter(|unit| !unit.transparent)
        .flat_map(|unit| unit.words.iter().map(|word| word.text.as_str()))
        .collect();
    if judgement.decided_by == Basis::Mode || judgement.trace.is_empty() {
        return Vec::new();
    }
    let id = judgement.rule.as_ref().map(|rule| rule.id.clone());
    let wanted = Speaker(judgement.decided_by, id);
    if !speakers(judgement).contains(&wanted) {
        return Vec::new();
    }
    let silent = |key: &str, text: String| {
        let mut other = call.clone();
        other.input.insert(key.to_owned(), Value::String(text));
        let judged = judge(&other, cwd, rules, context);
        !speakers(&judged.judgement).contains(&wanted)
    };
    let mut found = Vec::new();
    for (key, value) in &call.input {
        let Value::String(text) = value else { continue };
        if key == "command" {
            let words = in_line(key, text, &silent);
            // Without `timeout` the line means something else, but `timeout` is no reason.
            let of_command = |matched: &&Matched| commands.contains(&matched.word.as_str());
            let inner: Vec<Matched> = words.iter().filter(of_command).cloned().collect();
            found.extend(if inner.is_empty() { words } else { inner });
        } else if silent(key, NOTHING.to_owned()) {
            found.push(Matched {
                key: key.clone(),
                word: text.clone(),
                bytes: Some((0, text.len())),
            });
        }
    }
    found
}

fn in_line(key: &str, line: &str, silent: &dyn Fn(&str, String) -> bool) -> Vec<Matched> {
    let all = words(line);
    let mut found: Vec<Spot> = Vec::new();
    for word in all.iter().take(MOST) {
        let (Some(head), Some(tail)) = (line.get(..word.range.start), line.get(word.range.end..))
        else {
            continue;
        };
        // What holds a smaller word that matters says less than that word.
        if silent(key, format!("{head}{NOTHING}{tail}")) {
            found.retain(|outer| {
                !(outer.range.start <= word.range.start && word.range.end <= outer.range.end)
            });
            found.push(word.clone());
        }
    }
    let shown = |word: Spot| Matched {
        key: key.to_owned(),
        word: word.text,
        bytes: Some((word.range.start, word.range.end)),
    };
    found.into_iter().map(shown).collect()
}

/// Where a command of the call stands in its line.
pub(super) fn unit_span(call: &ToolCall, command: &[&str]) -> Option<(usize, usize)> {
    let line = call.text("command")?;
    span(line, command).map(|range| (range.start, range.end))
}
