//! `ion config show|validate|paths`: what is in force, where it came from, what is wrong.
//!
//! Never starts anything, never shows a secret, and works without a home folder; `paths` works
//! with broken files too, because that is when it is needed.

use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::config::{
    ConfigErrors, Environment, Flags, LoadRequest, Loaded, Problem, SealedSources, ShownValue,
    Warning, validate_file,
};
use crate::policy::{self, Anchors, RuleProblem};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The subcommands of `ion config`.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum ConfigCommand {
    /// Show the configuration in force
    Show {
        /// Add the tier, file and line of every value, and what it overrode or was sealed by
        #[arg(long)]
        origin: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Check the configuration, or single files
    Validate {
        /// Files to check by themselves; without any, everything that a run would read
        files: Vec<PathBuf>,
        /// Check the files as sealed policy: no unknown key passes
        #[arg(long, requires = "files")]
        sealed: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// List every file that is looked for
    Paths {
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
}

impl From<ConfigErrors> for CommandError {
    fn from(errors: ConfigErrors) -> Self {
        let mut error = CommandError::new(Exit::Usage, "config", errors.headline());
        error.document = Some(Box::new(errors.to_json()));
        errors.details().into_iter().fold(error, CommandError::detail)
    }
}

/// Runs the command for the current folder and this machine's sealed tier.
///
/// # Errors
/// [`CommandError`] with exit 2 for invalid configuration, 1 when output fails. With `--json`
/// invalid configuration is one document on stdout and `Ok(Exit::Usage)` instead.
pub fn run(
    command: &ConfigCommand,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let workspace = std::env::current_dir().map_err(|error| {
        CommandError::new(Exit::Usage, "config", format!("the current folder is gone: {error}"))
    })?;
    let request = LoadRequest {
        environment,
        workspace,
        flags: Flags::default(),
        sealed: SealedSources::system(),
    };
    run_for(command, &request, out)
}

/// As [`run`], for a given folder and sealed tier.
///
/// # Errors
/// As [`run`].
pub fn run_for(
    command: &ConfigCommand,
    request: &LoadRequest<'_>,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    match command {
        ConfigCommand::Show { origin, json } => match crate::config::load(request) {
            Ok(loaded) => show(&loaded, *origin, *json, out),
            Err(errors) => failed(errors, *json, out),
        },
        ConfigCommand::Validate { files, json, .. } if files.is_empty() => {
            match crate::config::load(request) {
                Ok(loaded) => match rules(&loaded) {
                    Ok(notes) => valid(&loaded, notes, *json, out),
                    Err(errors) => failed(errors, *json, out),
                },
                Err(errors) => failed(errors, *json, out),
            }
        }
        ConfigCommand::Validate { files, sealed, json } => validate(files, *sealed, *json, out),
        ConfigCommand::Paths { json } => paths(request, *json, out),
    }
}

fn failed(errors: ConfigErrors, json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    if !json {
        return Err(errors.into());
    }
    out.line(&errors.to_json().to_string())?;
    out.say(errors.render().trim_end());
    Ok(Exit::Usage)
}

fn show(loaded: &Loaded, origin: bool, json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let effective = &loaded.effective;
    if json {
        let enforced: Vec<Value> = loaded
            .enforcements
            .iter()
            .map(|e| {
                json!({
                    "key": e.key, "rejected": e.rejected, "kept": e.kept,
                    "lost": e.lost.to_string(), "lostTier": e.lost.tier, "won": e.won.to_string(),
                })
            })
            .collect();
        let document = json!({
            "schemaVersion": 1, "ok": true,
            "workspace": effective.places.workspace.to_string(),
            "profile": effective.profile.value, "trusted": effective.trusted,
            "digest": effective.digest,
            "values": loaded.table().iter().map(ShownValue::to_json).collect::<Vec<_>>(),
            "enforcements": enforced,
            "warnings": loaded.warnings.iter().map(|w| w.to_json()).collect::<Vec<_>>(),
        });
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    let from = |row: &ShownValue| format!("{} {}", row.source.tier, row.source);
    let rows: Vec<Vec<String>> = loaded
        .table()
        .iter()
        .map(|row| {
            let mut cells = vec![row.key.clone(), row.value.clone()];
            if origin {
                cells.extend([from(row), row.note.clone()]);
            }
            cells
        })
        .collect();
    let head: &[&str] = if origin { &["KEY", "VALUE", "FROM", "NOTE"] } else { &["KEY", "VALUE"] };
    for line in columns(head, &rows) {
        out.line(&line)?;
    }
    for enforced in &loaded.enforcements {
        out.say(&format!(
            "note: {} of {} is held at {} by enterprise policy {}; {} was asked for",
            enforced.key, enforced.lost, enforced.kept, enforced.won, enforced.rejected
        ));
    }
    for warning in &loaded.warnings {
        out.say(&format!("warning: {warning}"));
    }
    Ok(Exit::Done)
}

/// Compiles the rules, as every run does; gives what is worth knowing about them.
fn rules(loaded: &Loaded) -> Result<Vec<Warning>, ConfigErrors> {
    let places = &loaded.effective.places;
    let anchors = Anchors { workspace: places.workspace.clone(), home: places.home.clone() };
    match policy::compile(&loaded.effective.permissions, anchors) {
        Ok(rules) => Ok(rules
            .notes()
            .iter()
            .map(|note| Warning::about(&note.source, &note.message))
            .collect()),
        Err(error) => {
            let problem = |problem: &RuleProblem| Problem {
                guards: true,
                ..Problem::of(problem.source.to_string(), problem.message.clone())
            };
            let problems = error.problems.iter().map(problem).collect();
            Err(ConfigErrors { problems, warnings: loaded.warnings.clone() })
        }
    }
}

fn valid(
    loaded: &Loaded,
    notes: Vec<Warning>,
    json: bool,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let warnings: Vec<Warning> = loaded.warnings.iter().cloned().chain(notes).collect();
    let found: Vec<&str> =
        loaded.files.iter().filter(|file| file.found).map(|file| file.path.as_str()).collect();
    let unused: Vec<(String, String)> = loaded
        .accepted_unused
        .iter()
        .map(|key| (key.value.clone(), key.source.to_string()))
        .collect();
    report(&found, &warnings, &unused, json, out)
}

fn validate(
    files: &[PathBuf],
    sealed: bool,
    json: bool,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let mut errors = ConfigErrors { problems: Vec::new(), warnings: Vec::new() };
    let mut unused = Vec::new();
    for file in files {
        let sealed = sealed || file.starts_with("/etc/ion");
        match validate_file(file, sealed) {
            Ok(valid) => {
                errors.warnings.extend(valid.warnings);
                let keys = valid.accepted_unused.into_iter();
                unused.extend(keys.map(|key| (key.value, key.source.to_string())));
            }
            Err(bad) => {
                errors.problems.extend(bad.problems);
                errors.warnings.extend(bad.warnings);
            }
        }
    }
    if !errors.problems.is_empty() {
        return failed(errors, json, out);
    }
    let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let found: Vec<&str> = shown.iter().map(String::as_str).collect();
    report(&found, &errors.warnings, &unused, json, out)
}

fn report(
    found: &[&str],
    warnings: &[crate::config::Warning],
    unused: &[(String, String)],
    json: bool,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    if json {
        let unused: Vec<Value> =
            unused.iter().map(|(key, at)| json!({"key": key, "source": at})).collect();
        let warnings: Vec<Value> = warnings.iter().map(|warning| warning.to_json()).collect();
        let document = json!({
            "schemaVersion": 1, "ok": true, "files": found, "problems": [],
            "warnings": warnings, "acceptedNotUsed": unused,
        });
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    match found {
        [] => out.line("configuration: no file found; the built-in defaults apply")?,
        [one] => out.line(&format!("configuration: 1 file is valid: {one}"))?,
        many => out.line(&format!(
            "configuration: {} files are valid: {}",
            many.len(),
            many.join(", ")
        ))?,
    }
    for (key, at) in unused {
        out.line(&format!("  {at}   {key}   accepted, not used"))?;
    }
    for warning in warnings {
        out.say(&format!("warning: {warning}"));
    }
    Ok(Exit::Done)
}

fn paths(request: &LoadRequest<'_>, json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let (files, problems) = crate::config::look(request);
    if json {
        let files: Vec<Value> = files
            .iter()
            .map(|file| json!({"path": file.path, "tier": file.tier, "found": file.found}))
            .collect();
        let problems: Vec<Value> = problems.iter().map(|problem| problem.to_json()).collect();
        let document = json!({"schemaVersion": 1, "ok": problems.is_empty(), "files": files, "problems": problems});
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = files
        .iter()
        .map(|file| {
            let found = if file.found { "found" } else { "not present" };
            vec![file.tier.to_string(), file.path.clone(), found.to_owned()]
        })
        .collect();
    for line in columns(&["TIER", "FILE", ""], &rows) {
        out.line(&line)?;
    }
    for problem in &problems {
        out.say(&format!("warning: {} {}", problem.file, problem.what));
    }
    Ok(Exit::Done)
}

/// Left-aligned columns, two blanks apart. Nothing is wrapped or cut.
fn columns(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let wide = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let title = head.get(column).map_or(0, |title| title.chars().count());
        // One very long value must not push all others off the screen.
        cells.filter(|width| *width <= 60).max().unwrap_or(0).max(title)
    };
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines
}
