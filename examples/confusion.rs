//! Judges labelled commands under the standard profile and prints the confusion table.
//!
//! `cargo run --example confusion -- FILE.jsonl [LABEL]`: one object a line with `command`,
//! `label` and `category`. With a label, lists the commands whose verdict does not fit it.
#![allow(clippy::unwrap_used, clippy::disallowed_macros, missing_docs)]

#[path = "../tests/policy/reader.rs"]
mod reader;

use std::collections::BTreeMap;

fn main() {
    let mut args = std::env::args().skip(1);
    let Some(file) = args.next() else { return println!("usage: confusion FILE.jsonl [LABEL]") };
    let Ok(text) = std::fs::read_to_string(&file) else { return println!("there is no {file}") };
    let wanted = args.next();
    let rules = reader::standard();
    let mut table: BTreeMap<(String, String), [usize; 3]> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let judged = reader::bash(rules, &field("command"));
        table.entry((field("label"), field("category"))).or_default()[judged.decision as usize] +=
            1;
        let fits = match field("label").as_str() {
            "benign" => judged.decision == ion::model::Decision::Allow,
            "dangerous" => judged.decision == ion::model::Decision::Deny,
            _ => judged.decision == ion::model::Decision::Ask,
        };
        if !fits && wanted.as_ref().is_some_and(|wanted| *wanted == field("label")) {
            println!(
                "{:5} {:?}\n      {:?} {}",
                judged.decision,
                field("command"),
                judged.rule.map(|r| r.id),
                judged.reason
            );
        }
    }
    println!("{:10} {:18} {:>6} {:>6} {:>6}", "label", "category", "allow", "ask", "deny");
    for ((label, category), [allow, ask, deny]) in table {
        println!("{label:10} {category:18} {allow:6} {ask:6} {deny:6}");
    }
}
