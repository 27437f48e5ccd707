//! Holds the bars of the engine on a labelled set of command lines, and prints its confusion table.
//!
//! The set is `tests/policy/labelled/commands.jsonl`; another one is judged with
//! `cargo run --example confusion -- FILE.jsonl`. It is written for this purpose: each block was
//! measured before anything was changed for it (docs/benchmarks.md).

use super::reader;

pub mod table;

#[test]
fn the_labelled_set_meets_every_bar() {
    let text = include_str!("commands.jsonl");
    let judged = table::judge(text, |command| reader::bash(reader::standard(), command).decision);
    assert!(judged.len() >= 400, "{} lines", judged.len());
    println!("{}", table::render(&judged));
    let missed = table::bars(&judged);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn a_set_that_misses_a_bar_is_told_apart() {
    let line = r#"{"label":"dangerous","category":"destroy","command":"ls"}"#;
    let judged = table::judge(line, |_| ion::model::Decision::Allow);
    assert_eq!(table::bars(&judged).len(), 2);
}
