//! The bodies of the built-in tools. Each takes the judged call and gives text for the model.
//!
//! Arguments are checked here again, strictly: a wrong type is a tool error, not "absent".
//! Nothing here decides whether a call may run; the permit did. Text that is not UTF-8 is
//! shown lossily and never a reason to fail.

pub mod bash;
pub mod capture;
pub mod command;
pub mod edit;
pub mod fuzzy;
pub mod glob;
pub mod grep;
mod lines;
pub mod read;
pub mod write;

use super::dialogue::Channel;
use crate::worker::wire::{CONTENTS, Call, Changed, Setup};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// What a body has to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The text for the model.
    pub content: String,
    /// Whether the tool failed.
    pub is_error: bool,
    /// Exit code of a command.
    pub exit_code: Option<i32>,
    /// Bytes of output dropped.
    pub omitted_bytes: u64,
    /// What became of the file that the call names.
    pub changed: Option<Changed>,
}

impl Outcome {
    /// A success.
    pub fn done(content: impl Into<String>) -> Self {
        Outcome { content: content.into(), ..Outcome::default() }
    }

    /// A failure, in the tool's words.
    pub fn failed(content: impl Into<String>) -> Self {
        Outcome { content: content.into(), is_error: true, ..Outcome::default() }
    }
}

/// Runs the call. A command is ended early when the parent speaks.
pub fn run(setup: &Setup, call: &Call, parent: &mut Channel) -> Outcome {
    let arguments = Arguments { call, cwd: setup.cwd.to_path() };
    let outcome = match call.tool.as_str() {
        "Read" => read::run(&arguments),
        "Write" => write::run(&arguments),
        "Edit" => edit::run(&arguments),
        "Glob" => glob::run(&arguments),
        "Grep" => grep::run(&arguments),
        CONTENTS => read::whole(&arguments),
        "Bash" => bash::run(&arguments, setup, parent),
        other => Err(format!("Unknown tool: {other}")),
    };
    outcome.unwrap_or_else(Outcome::failed)
}

/// The call's arguments, looked up with their types.
pub struct Arguments<'a> {
    /// The call.
    pub call: &'a Call,
    /// Working folder.
    pub cwd: PathBuf,
}

impl Arguments<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.call.input.get(name).filter(|value| !value.is_null())
    }

    /// An optional string.
    ///
    /// # Errors
    /// The tool error for another type.
    pub fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("Error: {name} must be a string")),
        }
    }

    /// A required string.
    ///
    /// # Errors
    /// The tool error for a missing one.
    pub fn required(&self, name: &str) -> Result<&str, String> {
        self.text(name)?.ok_or_else(|| format!("Error: {name} is required"))
    }

    /// An optional number that is not negative, cut to a whole one.
    ///
    /// # Errors
    /// The tool error for anything else: a negative count once ended a whole daemon.
    pub fn count(&self, name: &str) -> Result<Option<u64>, String> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let whole = value.as_u64().or_else(|| {
            value.as_f64().filter(|n| n.is_finite() && *n >= 0.0).map(|n| n.trunc() as u64)
        });
        whole.map(Some).ok_or_else(|| format!("Error: {name} must be a number that is at least 0"))
    }

    /// An optional boolean, `false` when absent.
    ///
    /// # Errors
    /// The tool error for another type.
    pub fn flag(&self, name: &str) -> Result<bool, String> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(on)) => Ok(*on),
            Some(_) => Err(format!("Error: {name} must be true or false")),
        }
    }

    /// The judged path of a file tool.
    ///
    /// # Errors
    /// The permit names none: the call is not the one that was judged.
    pub fn path(&self) -> Result<PathBuf, String> {
        self.required("file_path")?;
        let judged = self.call.paths.first().map(|path| path.to_path());
        judged.ok_or_else(|| "Error: the permit names no path".to_owned())
    }

    /// The judged folder (or file) of a search; the working folder when the call names none.
    pub fn root(&self) -> PathBuf {
        self.call.paths.first().map_or_else(|| self.cwd.clone(), |path| path.to_path())
    }

    /// Whether a file still holds the values that stand in the arguments in the place of
    /// placeholders: a secret must not get into a file that took the place of its own.
    ///
    /// # Errors
    /// The tool error.
    pub fn still_held(&self, path: &Path, text: &str) -> Result<(), String> {
        match self.call.held.iter().all(|value| text.contains(value.as_str())) {
            true => Ok(()),
            false => Err(format!("Error: {} has changed; read it again", path.display())),
        }
    }

    /// Whether a path lies in what was judged.
    pub fn covers(&self, path: &Path) -> bool {
        self.call.paths.iter().any(|root| path.starts_with(root.to_path()))
            || path.starts_with(&self.cwd)
    }
}

/// An operating system error the way the older engine printed it.
pub fn say(operation: &str, path: &Path, error: &io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(code) if code == libc::ENOENT => "no such file or directory".to_owned(),
        Some(code) if code == libc::EACCES => "permission denied".to_owned(),
        Some(code) if code == libc::EROFS => "read-only file system".to_owned(),
        Some(code) if code == libc::ELOOP => {
            "a symbolic link stands where none was when the call was judged".to_owned()
        }
        Some(_) => strip_code(&error.to_string()),
        None => error.to_string(),
    };
    format!("{operation} {}: {text}", path.display())
}

fn strip_code(text: &str) -> String {
    text.split(" (os error").next().unwrap_or(text).to_lowercase()
}
