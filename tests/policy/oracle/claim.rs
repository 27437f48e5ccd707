//! The oracle's claim: what bash started is what the reader listed.
//!
//! A command that the reader knows in full must have been started exactly so; where parts are
//! only known at run time, what was started must fit the parts that are known.

use super::stage::Started;
use ion::policy::shell::{ANY, ANY_NAME, ANY_PLAIN_NAME, Script, Unit, Word};
use regex::Regex;

/// The first program that no listed command covers.
pub fn unlisted<'a>(script: &Script, started: &'a [Started]) -> Option<&'a Started> {
    started.iter().find(|started| !script.units.iter().any(|unit| covers(unit, started)))
}

fn covers(unit: &Unit, started: &Started) -> bool {
    let Some(first) = unit.words.first() else { return false };
    if !same_program(first, &started.exe) {
        return false;
    }
    let args = started.argv.get(1..).unwrap_or_default();
    let words = unit.words.get(1..).unwrap_or_default();
    if !unit.late && words.iter().all(known) {
        return words.len() == args.len() && words.iter().zip(args).all(|(w, a)| w.text == *a);
    }
    let mut pattern = String::from("(?s)^");
    for word in words {
        let inner = shape(word, unit.late);
        // What is not known may be nothing, or several words.
        let many = !known(word);
        let open = if many { "(?:" } else { "" };
        let close = if many { ")?" } else { "" };
        pattern.push_str(&format!("{open}\0{inner}{close}"));
    }
    pattern.push_str(if unit.late { ".*$" } else { "$" });
    let text: String = args.iter().map(|arg| format!("\0{arg}")).collect();
    Regex::new(&pattern).expect("a pattern").is_match(&text)
}

/// What is judged is the file that runs: a bare name means one of the search path.
fn same_program(word: &Word, exe: &str) -> bool {
    let exe = exe.strip_suffix(" (deleted)").unwrap_or(exe);
    match word.text.rsplit_once('/') {
        None => exe.rsplit_once('/') == Some(("/usr/bin", &word.text)),
        Some(_) if word.text.starts_with('/') => {
            exe.trim_start_matches("/usr") == word.text.trim_start_matches("/usr")
        }
        Some(_) => exe.ends_with(word.text.trim_start_matches("./").trim_start_matches('/')),
    }
}

fn known(word: &Word) -> bool {
    word.literal && !word.glob && word.shape.is_empty()
}

fn shape(word: &Word, late: bool) -> String {
    let marked = if known(word) { word.text.clone() } else { word.shape().to_owned() };
    if !known(word) && !marked.contains([ANY, ANY_NAME, ANY_PLAIN_NAME]) {
        return ".*".to_owned();
    }
    let mut out = String::new();
    for c in marked.chars() {
        if matches!(c, ANY | ANY_NAME | ANY_PLAIN_NAME) {
            out.push_str(".*");
        } else {
            out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }
    if late { out.replace(r"\{\}", ".*") } else { out }
}
