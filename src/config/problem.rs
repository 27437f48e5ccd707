//! What is wrong with the configuration, collected over all files and shown once.
//!
//! Never shows a secret: a quoted line has everything that could be a key blanked out.

use super::json::shown;
use super::tree::Spot;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One thing that stops the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as a person would type it, or a flag or variable.
    pub file: String,
    /// Where, if the file has lines.
    pub at: Option<Spot>,
    /// The key path, for example `permissions.rules[3].decision`; empty for a whole file.
    pub key: String,
    /// What is wrong: `unknown key`, or what was found and what was expected.
    pub what: String,
    /// A nearer name or what to do, shown under the caret.
    pub help: Option<String>,
    /// The line at fault, already masked.
    pub snippet: Option<String>,
    /// Whether leaving the place out would loosen policy.
    pub guards: bool,
}

/// Something that does not stop the start but that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file, flag or variable.
    pub file: String,
    /// 1-based line and column, where known.
    pub at: Option<Spot>,
    /// The key path, or empty.
    pub key: String,
    /// What happened.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&place(&self.file, self.at))?;
        if !self.key.is_empty() {
            write!(f, " {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Warning {
    /// A warning about what stands at `source`.
    pub fn about(source: &crate::model::Source, message: impl Into<String>) -> Self {
        let message = message.into();
        Warning { file: source.to_string(), at: None, key: String::new(), message }
    }

    /// The warning as one JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "file": self.file, "line": self.at.map(|s| s.line), "column": self.at.map(|s| s.column),
            "key": self.key, "message": self.message,
        })
    }
}

/// Everything that is wrong, in all files. Ion does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.headline())]
pub struct ConfigErrors {
    /// At least one problem, in the order in which the files were read.
    pub problems: Vec<Problem>,
    /// What else was noticed.
    pub warnings: Vec<Warning>,
}

/// Problems that are shown to a person; a program gets all.
const MOST_SHOWN: usize = 50;

impl ConfigErrors {
    /// The first line, which makes sense alone.
    pub fn headline(&self) -> String {
        let files: BTreeSet<&str> = self.problems.iter().map(|p| p.file.as_str()).collect();
        let count = match self.problems.len() {
            1 => "1 problem".to_owned(),
            n => format!("{n} problems"),
        };
        match (files.len(), files.first()) {
            (1, Some(file)) => format!("{count} in {file}; ion did not start"),
            (n, _) => format!("{count} in {n} configuration files; ion did not start"),
        }
    }

    /// The lines below the first one.
    pub fn details(&self) -> Vec<String> {
        let places: Vec<String> = self.problems.iter().map(|p| place(&p.file, p.at)).collect();
        let wide = places.iter().map(|p| p.chars().count()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for (problem, place) in self.problems.iter().zip(&places).take(MOST_SHOWN) {
            let gap = if problem.key.is_empty() { "" } else { "   " };
            lines.push(format!("{place:<wide$}   {}{gap}{}", problem.key, problem.what));
            match (&problem.snippet, problem.at) {
                (Some(snippet), Some(at)) => {
                    lines.push(format!("{:>7} | {snippet}", at.line));
                    lines.push(format!("        | {}", caret(at, problem.help.as_deref())));
                }
                _ => lines.extend(problem.help.iter().map(|help| format!("        {help}"))),
            }
        }
        if let Some(more @ 1..) = self.problems.len().checked_sub(MOST_SHOWN) {
            lines.push(format!("and {more} more problems (all with --json)"));
        }
        if self.problems.iter().any(|p| p.guards) {
            lines.push(
                "why not ignore it: this part can make things stricter; skipping it could drop a deny rule"
                    .to_owned(),
            );
        }
        lines.push("next: fix the lines, or `ion config validate --json` for an editor".to_owned());
        lines
    }

    /// The whole report, for stderr.
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.headline());
        for line in self.details() {
            let _ = writeln!(text, "  {line}");
        }
        text
    }

    /// The same as one JSON document.
    pub fn to_json(&self) -> Value {
        let problems: Vec<Value> = self.problems.iter().map(Problem::to_json).collect();
        let warnings: Vec<Value> = self.warnings.iter().map(Warning::to_json).collect();
        json!({
            "schemaVersion": 1, "ok": false,
            "error": {"code": "config", "message": self.headline()},
            "problems": problems, "warnings": warnings,
        })
    }
}

impl Problem {
    /// A problem with a whole file, flag or variable.
    pub fn of(file: impl Into<String>, what: impl Into<String>) -> Self {
        Problem {
            file: file.into(),
            at: None,
            key: String::new(),
            what: what.into(),
            help: None,
            snippet: None,
            guards: false,
        }
    }

    /// The problem as one JSON object.
    pub fn to_json(&self) -> Value {
        json!({
            "file": self.file, "line": self.at.map(|s| s.line), "column": self.at.map(|s| s.column),
            "key": self.key, "message": self.what, "help": self.help,
        })
    }
}

fn place(file: &str, at: Option<Spot>) -> String {
    match at {
        Some(at) if at.line > 0 => format!("{file}:{}:{}", at.line, at.column),
        _ => file.to_owned(),
    }
}

fn caret(at: Spot, help: Option<&str>) -> String {
    let before = " ".repeat(at.column.saturating_sub(1).min(WIDEST as u32) as usize);
    let under = "^".repeat(at.width.clamp(1, 40) as usize);
    format!("{before}{under} {}", help.unwrap_or("")).trim_end().to_owned()
}

/// The widest line that is quoted, characters.
const WIDEST: usize = 160;

/// Quotes the line of `at`, or nothing when it could give a secret away or does not fit.
///
/// FAIL CLOSED: a syntax error may stand beside a key, so any long run of key-like characters
/// is blanked, and a line that names a credential is not shown at all.
pub fn quote(text: &str, at: Spot) -> Option<String> {
    const NAMES: [&str; 7] =
        ["apikey", "api_key", "token", "secret", "password", "authorization", "credential"];
    let line = text.lines().nth(usize::try_from(at.line.checked_sub(1)?).ok()?)?;
    let lower = line.to_ascii_lowercase();
    if line.chars().count() > WIDEST || NAMES.iter().any(|name| lower.contains(name)) {
        return None;
    }
    let mut clean = String::new();
    let mut run = String::new();
    for c in line.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '=') {
            run.push(c);
            continue;
        }
        let keylike = run.len() >= 12
            && run.bytes().any(|b| b.is_ascii_digit())
            && run.bytes().any(|b| b.is_ascii_alphabetic());
        if keylike {
            clean.push_str(&"*".repeat(run.len()));
        } else {
            clean.push_str(&run);
        }
        run.clear();
        // One column stays one column, or the caret would point elsewhere.
        clean.push(if c == '\t' {
            ' '
        } else if c.is_control() || bidi(c) {
            '?'
        } else {
            c
        });
    }
    Some(clean.trim_end().to_owned())
}

// Characters that reorder a line on a terminal.
fn bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The nearest of `names` to `wrong`, if it is near enough to be what was meant.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| -> String {
        s.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let wanted = plain(wrong);
    // A hostile key may be a megabyte long.
    if wanted.is_empty() || wanted.len() > 60 {
        return None;
    }
    let near = |name: &&'a str| (distance(&wanted, &plain(name)), name.len());
    let best = names.into_iter().min_by_key(near)?;
    (distance(&wanted, &plain(best)) <= (wanted.len() / 3).clamp(1, 3)).then_some(best)
}

// Edit distance in which swapping two neighbours counts as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows: [Vec<usize>; 3] =
        [vec![0; b.len() + 1], (0..=b.len()).collect(), vec![0; b.len() + 1]];
    for (i, x) in a.iter().enumerate() {
        rows[2][0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let mut best = (rows[1][j] + usize::from(x != y)).min(rows[1][j + 1] + 1);
            best = best.min(rows[2][j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                best = best.min(rows[0][j - 1] + 1);
            }
            rows[2][j + 1] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

/// A found string made safe to print, with its quotes.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_survives_swaps_snake_case_and_capitals() {
        let names = ["decision", "tool", "maxTurns", "commandPatterns"];
        assert_eq!(nearest("decison", names), Some("decision"));
        assert_eq!(nearest("descision", names), Some("decision"));
        assert_eq!(nearest("max_turns", names), Some("maxTurns"));
        assert_eq!(nearest("tolo", names), Some("tool"));
        assert_eq!(nearest("zebra", names), None);
    }

    #[test]
    fn a_quoted_line_never_shows_a_key() {
        let at = Spot { line: 1, column: 1, width: 1 };
        assert_eq!(quote("\"apiKey\": hunter2", at), None);
        let line = quote("  \"sk-ant-api03-AbCdEf123456\" oops", at).unwrap();
        assert!(!line.contains("AbCdEf"), "{line}");
        assert_eq!(quote("\"decison\": \"deny\"", at).unwrap(), "\"decison\": \"deny\"");
    }
}
