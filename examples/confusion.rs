//! Judges labelled commands under the standard profile and prints the confusion table.
//!
//! `cargo run --example confusion -- FILE.jsonl [LABEL]`: one object a line with `command`,
//! `label` and `category`. Lists each command whose verdict does not fit its label (of LABEL
//! alone, if one is given), prints the table, and exits 1 if a bar is missed.
#![allow(clippy::unwrap_used, clippy::disallowed_macros, missing_docs)]

#[path = "../tests/policy/reader.rs"]
mod reader;
#[path = "../tests/policy/labelled/table.rs"]
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(file) = args.next() else {
        eprintln!("usage: confusion FILE.jsonl [LABEL]");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) => {
            eprintln!("{file}: {e}");
            return ExitCode::from(2);
        }
    };
    let wanted = args.next();
    let rules = reader::standard();
    let cases = table::judge(&text, |command| reader::bash(rules, command).decision);
    let listed = |case: &&table::Case| {
        !table::fits(case) && wanted.as_ref().is_none_or(|wanted| *wanted == case.label)
    };
    for case in cases.iter().filter(listed) {
        let judged = reader::bash(rules, &case.command);
        println!("{:5} {} {:?}", case.decision, case.label, case.command);
        println!("      {:?} {}", judged.rule.map(|rule| rule.id), judged.reason);
    }
    println!("{}", table::render(&cases));
    let missed = table::bars(&cases);
    for bar in &missed {
        println!("MISSED  {bar}");
    }
    ExitCode::from(u8::from(!missed.is_empty()))
}
