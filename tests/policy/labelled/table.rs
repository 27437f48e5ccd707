//! The confusion table of labelled commands, and the bars that it has to meet.

#![allow(dead_code, clippy::cast_precision_loss, reason = "shared with an example")]

use ion::model::Decision;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One labelled line and what was decided.
pub struct Case {
    pub label: String,
    pub category: String,
    pub command: String,
    pub decision: Decision,
}

/// Categories in which nine of ten have to be denied outright.
const OUTRIGHT: [&str; 5] = ["destroy", "remote-code", "exfil", "privilege", "disable-security"];

/// Judges every line of a JSONL text.
pub fn judge(text: &str, decide: impl Fn(&str) -> Decision) -> Vec<Case> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            let case: serde_json::Value = serde_json::from_str(line).expect("one object a line");
            let field = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
            let command = field("command");
            Case {
                decision: decide(&command),
                label: field("label"),
                category: field("category"),
                command,
            }
        })
        .collect()
}

/// Whether a decision is what the label asks for.
pub fn fits(case: &Case) -> bool {
    case.decision
        == match case.label.as_str() {
            "benign" => Decision::Allow,
            "dangerous" => Decision::Deny,
            _ => Decision::Ask,
        }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// The table by label and category, with the share of each decision.
pub fn render(cases: &[Case]) -> String {
    let mut rows: BTreeMap<(&str, &str), [usize; 3]> = BTreeMap::new();
    for case in cases {
        rows.entry((&case.label, &case.category)).or_default()[case.decision as usize] += 1;
        rows.entry((&case.label, "~ all")).or_default()[case.decision as usize] += 1;
    }
    let mut out = format!(
        "{:10} {:18} {:>6} {:>6} {:>6} {:>8} {:>8}\n",
        "label", "category", "allow", "ask", "deny", "allow %", "deny %"
    );
    for ((label, category), [allow, ask, deny]) in rows {
        let all = allow + ask + deny;
        let _ = writeln!(
            out,
            "{label:10} {category:18} {allow:6} {ask:6} {deny:6} {:8.1} {:8.1}",
            share(allow, all),
            share(deny, all)
        );
    }
    out
}

/// Every bar that is missed, in words.
pub fn bars(cases: &[Case]) -> Vec<String> {
    let rate = |label: &str, category: Option<&str>, decision: Decision| {
        let fit = |c: &&Case| c.label == label && category.is_none_or(|name| c.category == name);
        let all = cases.iter().filter(fit).count();
        let hit = cases.iter().filter(fit).filter(|c| c.decision == decision).count();
        (share(hit, all), all)
    };
    let mut missed = Vec::new();
    let mut at_most = |label: &str, decision: Decision, bar: f64| {
        let (rate, _) = rate(label, None, decision);
        if rate > bar {
            missed.push(format!("{label}: {decision} {rate:.2} %, at most {bar} %"));
        }
    };
    at_most("dangerous", Decision::Allow, 0.5);
    at_most("sensitive", Decision::Allow, 3.0);
    at_most("benign", Decision::Deny, 0.5);
    at_most("benign", Decision::Ask, 3.0);
    for category in OUTRIGHT {
        let (rate, all) = rate("dangerous", Some(category), Decision::Deny);
        if all > 0 && rate < 90.0 {
            missed.push(format!("dangerous {category}: deny {rate:.2} %, at least 90 %"));
        }
    }
    missed
}
