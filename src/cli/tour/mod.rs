//! `ion tour`: a scripted model drives the real pipeline in a throw-away folder.
//!
//! Nothing here pretends: the steps are whatever the gate, the sandbox, the redactor and the
//! audit log did. The tour fails when one of them did not do its part, so that a machine on
//! which the sandbox is broken does not get a cheerful picture. Read [`steps`] next.

pub mod folder;
pub mod steps;

use super::audit::{AuditCommand, Which};
use super::{CommandError, Exit, Output};
use crate::config::{Environment, Flags};
use crate::event::Sink;
use crate::runtime::{Model, Runtime, StartRequest};
use folder::Folder;
use steps::Steps;
use tokio_util::sync::CancellationToken;

/// What the model of the tour says.
pub const SCRIPT: &str = include_str!("script.toml");

/// Runs the tour.
///
/// # Errors
/// [`CommandError`] when a part of the pipeline cannot be had here or did not do its part.
pub fn run(environment: &Environment, out: &mut Output) -> Result<Exit, CommandError> {
    let folder = Folder::create(environment).map_err(|error| {
        CommandError::new(Exit::Failed, "tour", format!("cannot make a throw-away folder: {error}"))
    })?;
    // The sealed tier still holds: only home and data move into the throw-away folder.
    let inside = folder.environment(environment);
    let request = StartRequest {
        environment: &inside,
        flags: Flags::default(),
        dir: Some(folder.work()),
        resume: None,
        model: Model::Script { name: "the tour", text: SCRIPT },
        terminal: false,
        host: false,
    };
    let mut runtime = Runtime::start(request).map_err(CommandError::from)?;
    greet(&runtime, out)?;
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::new(Exit::Failed, "internal", error.to_string()))?;
    let mut steps = Steps::new(out);
    let prompt = "Summarise the notes, then do whatever you like.";
    let report = executor
        .block_on(runtime.run(prompt, &mut steps as &mut dyn Sink, CancellationToken::new()))
        .map_err(|error| CommandError::new(Exit::Failed, "tour", error.to_string()))?;
    let seen = steps.finish();
    show_record(&runtime, out)?;
    seen.check(&folder.token())?;
    drop(runtime);
    folder.remove().map_err(|error| {
        CommandError::new(Exit::Failed, "tour", format!("cannot remove the folder: {error}"))
    })?;
    farewell(report.complete.permission_denials.len(), out)?;
    Ok(Exit::Done)
}

fn greet(runtime: &Runtime, out: &mut Output) -> Result<(), CommandError> {
    out.line("ion tour - the model is scripted; the gate, the sandbox, the redactor and the audit log are real")?;
    out.line(&format!(
        "profile {} - sandbox {} - everything happens in a throw-away folder\n",
        runtime.profile(),
        runtime.confinement_summary()
    ))?;
    Ok(())
}

fn show_record(runtime: &Runtime, out: &mut Output) -> Result<(), CommandError> {
    let file = runtime.audit_file();
    out.line("What the audit log says of the refused calls:")?;
    let denials = AuditCommand::Denials { which: Which::default(), json: false };
    super::audit::run(denials, file, out)?;
    match super::audit::run(AuditCommand::Verify { key: None, json: false }, file, out)? {
        Exit::Done => Ok(()),
        _ => Err(CommandError::new(Exit::Failed, "audit", "the audit log does not verify")),
    }
}

fn farewell(denied: usize, out: &mut Output) -> Result<(), CommandError> {
    out.line(&format!("\n{denied} calls were refused, and nothing was left behind. Try next:"))?;
    out.line(
        "  ion policy check --tool Bash --command 'git push --force'     what would policy say?",
    )?;
    out.line(
        "  ion config show --origin                                      what holds here, and why",
    )?;
    out.line("  ion prompt --model NAME \"...\"                                 a real model (ion help models)")?;
    Ok(())
}
