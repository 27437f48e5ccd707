//! `ion sandbox run --preview`: shows what a command would change, and applies that if told to.

use super::run::unavailable;
use crate::cli::{CommandError, Exit, Output};
use crate::config::SandboxPart;
use crate::model::AbsPath;
use crate::policy::Confinement;
use crate::sandbox::preview::{self, ChangeSet, Scratch, diff};
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

/// A preview under way.
pub(super) struct Preview {
    scratch: Scratch,
    workspace: AbsPath,
    protect: Vec<String>,
    data: PathBuf,
}

impl Preview {
    /// Makes the place for what is written, and takes the network and all writing elsewhere away.
    ///
    /// # Errors
    /// There is no such place, or this backend cannot do it.
    pub(super) fn begin(
        loaded: &SandboxPart,
        confinement: &mut Confinement,
    ) -> Result<Self, CommandError> {
        let cannot = |words: String| unavailable(format!("a preview is not available: {words}"));
        let data = loaded.places.data_dir.as_ref();
        let data = data.ok_or_else(|| cannot("no data folder (HOME is not set)".to_owned()))?;
        let data = data.as_path().to_path_buf();
        let workspace = loaded.places.workspace.clone();
        preview::apply::recover(workspace.as_path(), &data)
            .map_err(|e| cannot(format!("undoing what a crash left: {e}")))?;
        let scratch = Scratch::new(&data).map_err(|e| cannot(e.to_string()))?;
        let asked_for = confinement.backend.clone().unwrap_or_default();
        *confinement = confinement
            .clone()
            .on_a_copy()
            .ok_or_else(|| unavailable(preview::not_with(&asked_for)))?;
        let protect = confinement.protect.clone();
        Ok(Preview { scratch, workspace, protect, data })
    }

    /// Where the command writes.
    pub(super) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Shows the changes and applies or drops them. `decided` is what `--apply` says; without it a
    /// person at the terminal is asked, and nobody is taken for "no".
    pub(super) fn end(
        self,
        exit: Exit,
        decided: Option<bool>,
        out: &mut Output,
    ) -> Result<Exit, CommandError> {
        let workspace = self.workspace.as_path();
        let set = preview::scan(workspace, &self.scratch.upper())
            .map_err(|e| unavailable(format!("what the command wrote cannot be read: {e}")))?;
        if set.changes.is_empty() {
            out.say("[ion sandbox] preview: the command would change nothing in the workspace");
            return Ok(exit);
        }
        out.say(&format!(
            "[ion sandbox] preview: the command {}",
            diff::show(&set, workspace).trim_end()
        ));
        let yes = match decided {
            Some(decided) => decided,
            None => ask(&set, out),
        };
        if !yes {
            out.say(match decided {
                Some(_) => "[ion sandbox] nothing was changed: the command failed",
                None => "[ion sandbox] nothing was changed (--apply applies without asking)",
            });
            return Ok(exit);
        }
        match preview::apply(&set, workspace, &self.protect, &self.data) {
            Ok(()) => {
                out.say(&format!("[ion sandbox] applied {} changes", set.changes.len()));
                Ok(exit)
            }
            Err(refused) => {
                out.say(&format!("error: not applied: {refused}"));
                Ok(Exit::Failed)
            }
        }
    }
}

/// Asks the person at the terminal. What was typed ahead does not count.
fn ask(set: &ChangeSet, out: &mut Output) -> bool {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() || !out.err_is_terminal {
        return false;
    }
    let _ = rustix::termios::tcflush(&stdin, rustix::termios::QueueSelector::IFlush);
    out.say(&format!("apply these {} changes? [y/N]", set.changes.len()));
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
