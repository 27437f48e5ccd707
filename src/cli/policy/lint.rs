//! `ion policy lint`: what is odd about policy files, for people, editors and pipelines.
//!
//! All findings of all files at once. A file that cannot be read is a finding too, and the
//! others are looked at nevertheless.

use super::files::TierArg;
use crate::cli::count::plural;
use crate::cli::{CommandError, Exit, Output};
use crate::config::review::{PolicyFile, bare_rule, read_policy_file};
use crate::config::{ConfigErrors, Problem, Warning};
use crate::model::visible;
use crate::model::{Source, Tier};
use crate::policy::Anchors;
use crate::policy::lint::{FINDINGS, Finding, Level, LintFile, lint};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;

/// `ion policy lint`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LintArgs {
    /// Policy files. Without one: all files that are in force in the folder.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The tier that the files are looked at as; else by where they lie, else `user`.
    #[arg(long, value_enum, value_name = "TIER")]
    pub tier: Option<TierArg>,
    /// One JSON document.
    #[arg(long, conflicts_with = "sarif")]
    pub json: bool,
    /// SARIF 2.1.0, for code scanning.
    #[arg(long)]
    pub sarif: bool,
    /// The folder that relative patterns are about.
    #[arg(long, short = 'C', value_name = "PATH")]
    pub dir: Option<PathBuf>,
}

/// Looks at files and prints what was found. `annotate` prints for GitHub's log besides.
///
/// # Errors
/// When stdout is gone.
pub fn run(
    files: &[(PathBuf, Tier)],
    anchors: &Anchors,
    args: &LintArgs,
    annotate: bool,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let mut read = Vec::new();
    let mut found = Vec::new();
    let mut unreadable = false;
    for (path, tier) in files {
        match read_policy_file(path, *tier) {
            Ok(file) => {
                found.extend(about_file(&file));
                read.push(file);
            }
            Err(errors) => {
                unreadable = true;
                found.extend(problems(&errors, *tier));
            }
        }
    }
    let blocks = read
        .iter()
        .filter_map(|file| Some(LintFile { layer: file.block.as_ref()?, cases: &file.cases }));
    let blocks: Vec<LintFile<'_>> = blocks.collect();
    if let Some(bare) = bare_rule() {
        found.extend(lint(&blocks, anchors, &bare, jiff::Timestamp::now().as_second()));
    }
    // Code scanning wants paths of the repository, and people the shorter ones.
    let inside = format!("{}/", anchors.workspace);
    for finding in &mut found {
        finding.source.file = finding.source.file.replacen(&inside, "", 1);
        finding.message = finding.message.replace(&inside, "");
    }
    let errors = found.iter().any(|finding| finding.level == Level::Error);
    if args.sarif {
        out.line(&sarif(&found).to_string())?;
    } else if args.json {
        out.line(&document(&found, files.len()).to_string())?;
    } else {
        out.data(&anchors.home.iter().fold(report(&found, files.len()), |text, home| {
            text.replace(&format!("{home}/"), "~/")
        }))?;
        if annotate {
            out.data(&annotations(&found))?;
        }
    }
    Ok(match (unreadable, errors) {
        (true, _) => Exit::Usage,
        (_, true) => Exit::Failed,
        _ => Exit::Done,
    })
}

/// What loading a file says about it.
fn about_file(file: &PolicyFile) -> Vec<Finding> {
    let warning = |warning: &Warning| {
        let mut source = Source::new(file.tier, warning.file.clone());
        source.line = warning.at.map(|at| at.line).filter(|line| *line > 0);
        Finding {
            id: "lint.warning",
            level: Level::Warning,
            source,
            at: warning.at,
            rule: None,
            message: format!("{} {}", warning.key, warning.message).trim().to_owned(),
            help: "see docs/configuration.md".to_owned(),
        }
    };
    let unused = |key: &crate::config::Located<String>| {
        let tests = key.value == "tests";
        Finding {
            id: "lint.unused-key",
            level: if tests { Level::Warning } else { Level::Note },
            source: key.source.clone(),
            at: None,
            rule: None,
            message: format!("`{}` is accepted and does nothing", key.value),
            help: match tests {
                true => "test cases stand under `permissions.tests`".to_owned(),
                false => "take it out, or leave it for another engine".to_owned(),
            },
        }
    };
    let warnings = file.warnings.iter().map(warning);
    warnings.chain(file.accepted_unused.iter().map(unused)).collect()
}

fn problems(errors: &ConfigErrors, tier: Tier) -> Vec<Finding> {
    let finding = |problem: &Problem| {
        let mut source = Source::new(tier, problem.file.clone());
        source.line = problem.at.map(|at| at.line).filter(|line| *line > 0);
        Finding {
            id: if problem.what == "unknown key" { "lint.unknown-key" } else { "lint.unreadable" },
            level: Level::Error,
            source,
            at: problem.at,
            rule: None,
            message: format!("{} {}", problem.key, problem.what).trim().to_owned(),
            help: problem.help.clone().unwrap_or_else(|| {
                "put it right: until then Ion does not start with this file".to_owned()
            }),
        }
    };
    errors.problems.iter().map(finding).collect()
}

/// `file:line:column`.
fn place(finding: &Finding) -> String {
    match finding.at.filter(|at| at.column > 0 && at.line > 0) {
        Some(at) => format!("{}:{}:{}", finding.source.file, at.line, at.column),
        None => finding.source.to_string(),
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

fn count(found: &[Finding], level: Level) -> usize {
    found.iter().filter(|finding| finding.level == level).count()
}

fn report(found: &[Finding], files: usize) -> String {
    let mut text = String::new();
    for finding in found {
        let _ = writeln!(
            text,
            "{}   {}   {}\n  {}\n  next: {}",
            visible(&place(finding)),
            word(finding.level),
            finding.id,
            visible(&finding.message),
            visible(&finding.help)
        );
    }
    let _ = writeln!(
        text,
        "{} looked at: {}, {}, {}",
        plural(files, "file"),
        plural(count(found, Level::Error), "error"),
        plural(count(found, Level::Warning), "warning"),
        plural(count(found, Level::Note), "note")
    );
    text
}

fn document(found: &[Finding], files: usize) -> Value {
    let findings: Vec<Value> = found
        .iter()
        .map(|finding| {
            json!({
                "id": finding.id, "severity": word(finding.level), "file": finding.source.file,
                "line": finding.source.line,
                "column": finding.at.map(|at| at.column).filter(|column| *column > 0),
                "tier": finding.source.tier, "rule": finding.rule,
                "message": finding.message, "help": finding.help,
            })
        })
        .collect();
    json!({
        "schemaVersion": 1, "ok": count(found, Level::Error) == 0, "files": files,
        "errors": count(found, Level::Error), "warnings": count(found, Level::Warning),
        "notes": count(found, Level::Note), "findings": findings,
    })
}

fn sarif(found: &[Finding]) -> Value {
    let rules: Vec<Value> = FINDINGS
        .iter()
        .map(|(id, about)| json!({"id": id, "shortDescription": {"text": about}}))
        .collect();
    let result = |finding: &Finding| {
        let region = finding.source.line.map(|line| {
            let column = finding.at.map(|at| at.column).filter(|column| *column > 0);
            match column {
                Some(column) => json!({"startLine": line, "startColumn": column}),
                None => json!({"startLine": line}),
            }
        });
        let mut physical = json!({"artifactLocation": {"uri": uri(&finding.source.file)}});
        if let (Some(region), Some(object)) = (region, physical.as_object_mut()) {
            object.insert("region".to_owned(), region);
        }
        json!({
            "ruleId": finding.id, "level": word(finding.level),
            "message": {"text": format!("{}. Next: {}", finding.message, finding.help)},
            "locations": [{"physicalLocation": physical}],
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "ion policy lint", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": found.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// A path as the reference of a URI: what has a meaning there is written by its bytes.
fn uri(path: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"/._-~".contains(&b);
    path.bytes().fold(String::new(), |mut out, byte| {
        if keep(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Workflow commands of GitHub, one a finding. The attack: a rule's id that ends a command and
/// begins another one.
fn annotations(found: &[Finding]) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    found.iter().fold(String::new(), |mut text, finding| {
        let kind = if finding.level == Level::Note { "notice" } else { word(finding.level) };
        let line = finding.source.line.map_or_else(String::new, |line| format!(",line={line}"));
        let column = finding.at.filter(|at| at.column > 0);
        let column = column.map_or_else(String::new, |at| format!(",col={}", at.column));
        let _ = writeln!(
            text,
            "::{kind} file={}{line}{column},title={}::{}",
            property(&finding.source.file),
            property(finding.id),
            data(&format!("{}. Next: {}", finding.message, finding.help))
        );
        text
    })
}
