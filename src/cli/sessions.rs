//! `ion sessions`: conversations on disk.

use super::count::plural;
use super::{CommandError, Exit, Output};
use crate::audit::{Draft, Kind};
use crate::config::{Environment, Flags};
use crate::model::SessionId;
use crate::runtime::{self, StartError, start};
use crate::session::{scrub, transcript};
use clap::Subcommand;
use serde_json::json;

/// Conversations on disk.
#[derive(Debug, Clone, Subcommand)]
pub enum SessionsCommand {
    /// Masks what was stored before a rule, a pattern or a known value existed.
    #[command(after_help = "Examples:
  ion sessions scrub --check
  ion sessions scrub
  ion sessions scrub 1778320000000-a1b2c3d4e5f6")]
    Scrub {
        /// Only these conversations.
        #[arg(value_name = "ID", value_parser = id)]
        ids: Vec<SessionId>,
        /// Change nothing; exit with 1 if there is something to mask.
        #[arg(long)]
        check: bool,
        /// One JSON document.
        #[arg(long)]
        json: bool,
    },
}

fn id(text: &str) -> Result<SessionId, String> {
    SessionId::parse(text).ok_or_else(|| "expected an id such as 1778320000000-a1b2c3d4e5f6".into())
}

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or a conversation cannot be read or replaced; all others were done.
pub fn run(
    command: &SessionsCommand,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let SessionsCommand::Scrub { ids, check, json } = command;
    let loaded = start::load(environment, Flags::default(), None).map_err(CommandError::from)?;
    let effective = &loaded.effective;
    let data_dir = effective.places.data_dir.as_ref().ok_or(StartError::NoHome)?;
    let folder = transcript::folder(data_dir);
    // Always on, whatever `redactSecrets` says, and without numbers, which belong to a run.
    let redactor = start::redactor(effective, environment).for_log();
    let ids = match ids.is_empty() {
        true => scrub::all(&folder).map_err(StartError::from)?,
        false => ids.clone(),
    };
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for id in &ids {
        match scrub::scrub(&folder, id, &redactor, *check) {
            Ok(found) if found.texts > 0 => done.push((id, found.texts)),
            Ok(_) => {}
            Err(error) => failed.push((id, redactor.text(&error.to_string()))),
        }
    }
    let texts: usize = done.iter().map(|(_, texts)| texts).sum();
    if texts > 0 && !check {
        let list: Vec<_> =
            done.iter().map(|(id, texts)| json!({"id": id, "texts": texts})).collect();
        let body = redactor.json(&json!({"action": "scrub", "conversations": list}));
        let (session, call_id, tool, decision) = (None, None, None, None);
        let draft = Draft { kind: Kind::Scrubbed, session, call_id, tool, decision, body };
        let log = runtime::log::open(effective, environment).map_err(CommandError::from)?;
        log.append(&draft).map_err(StartError::from)?;
    }
    if *json {
        let list: Vec<_> =
            done.iter().map(|(id, texts)| json!({"id": id, "texts": texts})).collect();
        let errors: Vec<_> =
            failed.iter().map(|(id, why)| json!({"id": id, "error": why.as_str()})).collect();
        let document = json!({
            "looked_at": ids.len(), "texts": texts, "changed": !check && texts > 0,
            "conversations": list, "failed": errors,
        });
        out.line(&document.to_string())?;
    } else {
        let verb = if *check { "to mask" } else { "masked" };
        for (id, texts) in &done {
            out.line(&format!("{id}  {} {verb}", plural(*texts, "text")))?;
        }
        for (id, why) in &failed {
            out.say(&format!("error: {id}: {why}"));
        }
        let looked = plural(ids.len(), "conversation");
        out.line(&format!("{looked} looked at, {} {verb}", plural(texts, "text")))?;
    }
    let clean = failed.is_empty() && !(*check && texts > 0);
    Ok(if clean { Exit::Done } else { Exit::Failed })
}
