//! What a script says: turns in order, each with words, calls, counts and an end.
//!
//! Unknown keys are errors: a misspelt `expect` would be a test that tests nothing. Every
//! error names file and line. Read `super::toml` for the reading itself.

use super::toml;
use crate::model::Usage;
use crate::provider::error::ProviderError;
use crate::provider::event::StopReason;
use crate::provider::route::{ModelInfo, Prices};
use serde_json::{Map, Value};
use std::time::Duration;

/// Largest script in bytes.
const MAX_SCRIPT: u64 = 4 << 20;

/// A script that can be played.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// Its file or another name, for errors.
    pub(super) name: String,
    pub(super) prices: Option<Prices>,
    pub(super) turns: Vec<Turn>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Turn {
    /// 1-based line where it begins.
    pub line: usize,
    /// Skipped unless this was heard last.
    pub when: Option<String>,
    /// An error unless this was heard last.
    pub expect: Option<String>,
    pub text: Vec<String>,
    /// Characters in a piece; `None` sends each text whole.
    pub chunk: Option<usize>,
    /// Pause before each piece.
    pub delay: Duration,
    pub calls: Vec<Call>,
    pub usage: Option<Usage>,
    pub stop: StopReason,
    /// Ends the turn instead of `stop`.
    pub error: Option<ProviderError>,
}

/// One tool call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub id: Option<String>,
    pub name: String,
    pub input: Input,
}

/// A call's input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// A table of the script.
    Object(Map<String, Value>),
    /// Text sent as it stands, JSON or not.
    Verbatim(String),
}

/// Why a script cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("script `{file}` cannot be read: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// The file does not say what a script says.
    #[error("script {file}:{line}: {reason}")]
    Invalid {
        /// The file.
        file: String,
        /// 1-based line.
        line: usize,
        /// What is wrong and what is expected.
        reason: String,
    },
}

impl Script {
    /// Reads a file, relative to the working folder.
    pub fn load(path: &str) -> Result<Self, ScriptError> {
        let unreadable = |reason: String| ScriptError::Unreadable { file: path.to_owned(), reason };
        let about = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
        if !about.is_file() || about.len() > MAX_SCRIPT {
            return Err(unreadable(format!("it is not a file of at most {MAX_SCRIPT} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        Script::parse(path, &text)
    }

    /// Reads a script from text; `name` stands for the file in errors.
    pub fn parse(name: &str, text: &str) -> Result<Self, ScriptError> {
        toml::read(name, text)
    }

    /// What routing knows about the model: a price only if the script states one.
    pub fn info(&self) -> ModelInfo {
        ModelInfo { prices: self.prices, ..ModelInfo::default() }
    }
}
