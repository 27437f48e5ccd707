//! `ion trust`: what the settings of a folder would switch on, and the decision, recorded.
//!
//! Trust is given to a path *and* to the content of the files that configuration reads there:
//! a changed file makes the folder a stranger again. Nothing of the folder is run here.

use super::{CommandError, Exit, Output};
use crate::audit::{Draft, Kind};
use crate::config::trust::{FILE, TrustError, TrustStore};
use crate::config::{Environment, Flags, Loaded};
use crate::redact::Redactor;
use crate::runtime::{StartError, start};
use serde_json::json;
use std::path::PathBuf;

/// `ion trust`.
#[derive(Debug, Clone, clap::Args)]
pub struct TrustArgs {
    /// The folder; the current one when left out.
    pub dir: Option<PathBuf>,
    /// Show what trust would switch on, and change nothing.
    #[arg(long, conflicts_with = "revoke")]
    pub show: bool,
    /// Take the trust back.
    #[arg(long)]
    pub revoke: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, there is no home folder, the decision cannot be recorded, or the
/// store cannot be written; nothing is trusted then.
pub fn run(
    args: &TrustArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = start::load(environment, Flags::default(), args.dir.as_ref())
        .map_err(CommandError::from)?;
    if args.show {
        return show(&loaded, args.json, out);
    }
    let places = &loaded.effective.places;
    let data_dir = places.data_dir.as_ref().ok_or(StartError::NoHome)?;
    let file = data_dir.join(FILE).ok_or(StartError::NoHome)?;
    let unusable = |error: TrustError| {
        CommandError::new(Exit::Failed, "trust", format!("{file} {error}; nothing was changed"))
    };
    let mut store = TrustStore::load(file.as_path()).map_err(unusable)?;
    let action = match args.revoke {
        true => {
            store.revoke(&places.workspace);
            "revoked"
        }
        false => {
            store.trust(&places.workspace, loaded.project.fingerprint.clone());
            "trusted"
        }
    };
    // The record first, as everywhere: a loosening that left no trace must not exist.
    record(&loaded, action, environment)?;
    store.save(file.as_path()).map_err(unusable)?;
    let folder = &places.workspace;
    if args.json {
        out.line(&json!({"schemaVersion": 1, "folder": folder, "action": action}).to_string())?;
    } else {
        out.line(&format!("{action} {folder}"))?;
        out.line("a changed file ends the trust; look again with `ion trust --show`")?;
    }
    Ok(Exit::Done)
}

fn show(loaded: &Loaded, json: bool, out: &mut Output) -> Result<Exit, CommandError> {
    let (folder, trusted) = (&loaded.effective.places.workspace, loaded.effective.trusted);
    let project = &loaded.project;
    if json {
        let document = json!({
            "schemaVersion": 1, "folder": folder, "trusted": trusted, "files": project.files,
            "sha256": project.fingerprint, "wouldSwitchOn": project.ignored,
        });
        out.line(&document.to_string())?;
        return Ok(Exit::Done);
    }
    out.line(&format!("{folder} is {}", if trusted { "trusted" } else { "not trusted" }))?;
    if project.files.is_empty() {
        out.line("  it brings no settings along, so trust would change nothing")?;
        return Ok(Exit::Done);
    }
    out.line(&format!("  its settings     {}", project.files.join(", ")))?;
    match (trusted, project.ignored.is_empty()) {
        (true, _) => out.line("  all of them hold, below the sealed tier")?,
        (false, true) => out.line("  they only tighten, so trust would change nothing")?,
        (false, false) => {
            out.line(&format!("  would switch on  {}", project.ignored.join(", ")))?;
            out.line("  next: read them, then `ion trust`")?;
        }
    }
    Ok(Exit::Done)
}

fn record(loaded: &Loaded, action: &str, environment: &Environment) -> Result<(), CommandError> {
    let log = crate::runtime::log::open(&loaded.effective, environment)?;
    let body = json!({
        "action": action,
        "folder": loaded.effective.places.workspace,
        "sha256": loaded.project.fingerprint,
        "switches_on": loaded.project.ignored,
    });
    let body = Redactor::new(true, Vec::new()).for_log().json(&body);
    let (session, call_id, tool, decision) = (None, None, None, None);
    log.append(&Draft { kind: Kind::Trust, session, call_id, tool, decision, body })?;
    Ok(())
}
