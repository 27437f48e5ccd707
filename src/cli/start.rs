//! From the environment to what a command needs, and from what is missing to an error.

use super::audit::AuditCommand;
use super::{CommandError, Exit, Output};
use crate::config::{Environment, Flags};
use crate::forward;
use crate::runtime::{StartError, backlog, start};
use std::sync::Arc;

/// `ion audit …` on the log of this user.
///
/// # Errors
/// The configuration is wrong, there is no home, or the log cannot be read.
pub fn audit(
    command: AuditCommand,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded = start::load(environment, Flags::default(), None).map_err(CommandError::from)?;
    let file = loaded.effective.audit.file.as_ref().ok_or(StartError::NoHome)?;
    if let AuditCommand::Forward(args) = &command {
        let effective = &loaded.effective;
        let sinks = forward::sinks(effective, environment).map_err(StartError::from)?;
        let redactor = Arc::new(start::redactor(effective, environment));
        let note = backlog::note(file, effective, environment, redactor, None);
        return super::audit::forward::forward(args, sinks, file, &note, out);
    }
    super::audit::run(command, file, out)
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        let message = error.to_string();
        match error {
            StartError::Config(errors) => errors.into(),
            StartError::NoHome => CommandError::new(Exit::Usage, "no_home", message)
                .detail("next: set HOME, or ION_DATA_DIR to a folder of yours"),
            StartError::NoModel { looked_for } => {
                CommandError::new(Exit::Usage, "no_model_configured", message)
                    .detail(format!("looked for: {looked_for}"))
                    .detail("next: ion prompt --model claude-sonnet-4-6 \"...\"   or set \"defaultModel\"; list: ion help models")
                    .detail("without a key: ion tour")
            }
            StartError::NoCredential { provider, looked_for, .. } => {
                CommandError::new(Exit::Usage, "auth", message)
                    .detail(format!("looked for: {}: all empty", looked_for.join(", ")))
                    .detail(format!(
                        "next: export one of these variables, or set providers.{provider}.apiKey in ~/.ion/engine.json"
                    ))
            }
            StartError::Model { code, next, .. } => next.into_iter().fold(
                CommandError::new(Exit::Usage, code, message),
                |error, line| error.detail(format!("next: {line}")),
            ),
            StartError::Policy(_) => CommandError::new(Exit::Usage, "policy", message)
                .detail("why not ignore it: a rule that cannot be read could be a deny rule")
                .detail("next: fix the line, then `ion config validate`"),
            StartError::Audit(_) => CommandError::new(Exit::Failed, "audit_unavailable", message)
                .detail("no tool runs without a record of the decision"),
            StartError::Session(_) => CommandError::new(Exit::Failed, "session", message),
            StartError::Sandbox(_) => CommandError::new(Exit::Usage, "sandbox_unavailable", message),
            StartError::Forward(_) => CommandError::new(Exit::Usage, "forward", message)
                .detail("why not go on: somebody counts on the records that this sink would never get")
                .detail("next: docs/audit.md, Forwarding"),
            StartError::Approvals(_) => CommandError::new(Exit::Usage, "approvals", message)
                .detail("why not go on: calls that need a person would all be denied")
                .detail("next: docs/approvals.md, or ion help approvals"),
            StartError::Folder(_) => CommandError::new(Exit::Usage, "usage", message),
        }
    }
}
