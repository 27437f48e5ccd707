//! `ion sandbox run`: streams, signals and exit code pass through.

use super::RunArgs;
use super::preview::Preview;
use crate::cli::{CommandError, Exit, Output};
use crate::config::Environment;
use crate::model::Requirement;
use crate::policy::confinement_of_command;
use crate::runtime::start;
use crate::sandbox::command::{self, Request};
use crate::sandbox::hosts;
use crate::worker::wire::Ending;

/// Runs the command.
///
/// # Errors
/// The configuration is wrong, or the sandbox cannot hold what is asked; then nothing ran.
pub fn run(
    args: &RunArgs,
    environment: &Environment,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let loaded =
        start::load_sandbox(environment, args.terms.flags(), None).map_err(CommandError::from)?;
    let workspace = loaded.places.workspace.clone();
    let mut confinement = confinement_of_command(&loaded.settings, &workspace);
    // Whoever types `sandbox run` wants one, also where tool calls need none.
    confinement.requirement = confinement.requirement.max(Requirement::Rules);
    let preview = match args.preview {
        true => Some(Preview::begin(&loaded, &mut confinement)?),
        false => None,
    };
    let attached = hosts::attached(&loaded.settings.credentials).map_err(unavailable)?;
    let request = Request {
        confinement: &confinement,
        cwd: &workspace,
        command: &args.command,
        limit: args.timeout,
        attached: &attached,
        trust: &hosts::trust(&loaded.network),
        preview: preview.as_ref().map(Preview::scratch),
    };
    let ran = command::run(&request).map_err(unavailable)?;
    for note in &ran.notes {
        out.say(&format!("[ion sandbox] {note}"));
    }
    let exit = match ran.ending {
        Ending::Exited(code) => Exit::Command(u8::try_from(code).unwrap_or(1)),
        Ending::Signalled(number) => Exit::Command(u8::try_from(128 + number).unwrap_or(255)),
        Ending::TimedOut => {
            out.say("[ion sandbox] the command ran longer than its limit and was ended");
            Exit::TimedOut
        }
        Ending::TooMany(most) => {
            out.say(&format!("[ion sandbox] killed: more than {most} processes (--pids)"));
            Exit::Command(137)
        }
        Ending::TooMuch(most) => {
            out.say(&format!("[ion sandbox] killed: more than {most} bytes of memory (--memory)"));
            Exit::Command(137)
        }
        Ending::TooLong(most) => {
            out.say(&format!("[ion sandbox] killed: more than {most} s of processor time (--cpu)"));
            Exit::Command(137)
        }
        Ending::NotStarted { code, words } => {
            out.say(&format!("error: the command cannot be started: {words}"));
            Exit::Command(if code == libc::ENOENT { 127 } else { 126 })
        }
    };
    if let Some(preview) = preview {
        let applies = args.apply.then_some(exit == Exit::Command(0));
        return preview.end(exit, applies, out);
    }
    // What was put back was an attempt, whatever the command says of itself.
    Ok(if exit == Exit::Command(0) && ran.changed { Exit::Failed } else { exit })
}

pub(super) fn unavailable(words: String) -> CommandError {
    let words = words.replace("the tool did not run", "the command did not run");
    let mut lines = words.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    let error = CommandError::new(Exit::Usage, "sandbox_unavailable", first);
    lines.fold(error, |error, line| error.detail(line.strip_prefix("  ").unwrap_or(line)))
}
