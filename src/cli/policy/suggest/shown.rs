//! What was found, as a block to paste and as a document. Decides nothing.

use super::{Approved, Outcome};
use crate::cli::count::plural;
use crate::cli::policy::diff::what;
use crate::cli::policy::log::Chain;
use crate::cli::policy::remedy::OWN_FILE;
use crate::model::visible;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn records(calls: &BTreeSet<usize>, approved: &[Approved]) -> (usize, Vec<u64>, Vec<String>) {
    let calls = || calls.iter().filter_map(|at| approved.get(*at));
    let mut records: Vec<u64> = calls().flat_map(|a| a.records.iter().copied()).collect();
    records.sort_unstable();
    let by: BTreeSet<String> = calls().flat_map(|a| a.by.iter().cloned()).collect();
    (records.len(), records, by.into_iter().collect())
}

/// The block to paste. Everything that a recorded call holds stands in comments, one line each.
pub(super) fn block(
    outcome: &Outcome,
    approved: &[Approved],
    masked: usize,
    chain: &Chain,
) -> String {
    let mut text = String::new();
    let mut say = |line: &str| {
        let _ = writeln!(text, "# {}", visible(line));
    };
    let calls: BTreeSet<usize> = outcome.rules.iter().flat_map(|rule| rule.calls.clone()).collect();
    say(&format!(
        "{} for {} · {}",
        plural(outcome.rules.len(), "rule"),
        plural(calls.len(), "call"),
        chain.said
    ));
    if !outcome.rules.is_empty() {
        say(&format!(
            "put them before the other rules of {OWN_FILE}: inside one list the first match wins"
        ));
        say(&format!(
            "judged again: each is allowed now; of the other calls that the log refused ({}), none is",
            outcome.held
        ));
    }
    if !outcome.already.is_empty() {
        say(&format!("allowed already: {}", plural(outcome.already.len(), "call")));
    }
    if masked > 0 {
        say(&format!(
            "left out: {} with a masked value, for which the log cannot give an exact rule",
            plural(masked, "call")
        ));
    }
    for (at, why) in &outcome.left {
        if let Some(approved) = approved.get(*at) {
            say(&format!("not suggested: `{}`: {why}", what(&approved.call)));
        }
    }
    for rule in &outcome.rules {
        let (count, records, by) = self::records(&rule.calls, approved);
        let listed: Vec<String> = records.iter().take(20).map(u64::to_string).collect();
        let more = if records.len() > 20 { ", …" } else { "" };
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let told = match by.is_empty() {
            true => format!("refused {times} as nobody could answer"),
            false => format!("approved {times} by {}", visible(&by.join(", "))),
        };
        let what = if records.len() == 1 { "record" } else { "records" };
        let _ = writeln!(text, "\n# {told}; {what} {}{more}", listed.join(", "));
        text.push_str(&rule.rule.to_toml());
    }
    text
}

pub(super) fn document(
    outcome: &Outcome,
    approved: &[Approved],
    masked: usize,
    chain: &Chain,
) -> Value {
    let rules: Vec<Value> = outcome
        .rules
        .iter()
        .map(|rule| {
            let (count, records, by) = self::records(&rule.calls, approved);
            json!({
                "id": rule.rule.id, "tool": rule.rule.tool, "decision": "allow",
                "commandPatterns": rule.rule.command.as_ref().map(|c| [c]),
                "pathPatterns": rule.rule.path.as_ref().map(|p| [p]),
                "overrides": rule.rule.overrides, "reason": rule.rule.reason,
                "approvals": count, "by": by, "records": records, "toml": rule.rule.to_toml(),
            })
        })
        .collect();
    let left: Vec<Value> = outcome
        .left
        .iter()
        .filter_map(|(at, why)| {
            let approved = approved.get(*at)?;
            Some(json!({"call": what(&approved.call), "records": approved.records, "why": why}))
        })
        .collect();
    json!({
        "schemaVersion": 1, "rules": rules, "already_allowed": outcome.already.len(),
        "not_suggested": left, "masked": masked, "refused_calls_checked": outcome.held,
        "chain": chain.to_json(),
    })
}
