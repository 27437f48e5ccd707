//! The built-in tools as a table: name, what the model is told, input schema, effects.
//!
//! Names and parameters are those that models and clients of the older engine know.

use crate::model::{Effects, ToolName};
use serde_json::{Value, json};

/// One tool.
#[derive(Debug, Clone)]
pub struct ToolSpec {
    /// The canonical name.
    pub name: ToolName,
    /// What the model is told.
    pub description: &'static str,
    /// JSON Schema of the input object.
    pub input_schema: Value,
    /// What it can do.
    pub effects: Effects,
}

fn spec(
    name: &str,
    effects: Effects,
    description: &'static str,
    properties: Value,
    required: &[&str],
) -> ToolSpec {
    let input_schema = json!({"type": "object", "properties": properties, "required": required});
    ToolSpec { name: ToolName::resolve(name), description, input_schema, effects }
}

/// The tools whose bodies run in the confined worker.
pub fn builtin() -> Vec<ToolSpec> {
    vec![
        spec(
            "Read",
            Effects::READS,
            "Reads a text file. Lines come numbered, as `<number><TAB><line>`.",
            json!({
                "file_path": {"type": "string", "description": "The file; absolute, or relative to the working folder."},
                "offset": {"type": "number", "description": "First line to read, counted from 1."},
                "limit": {"type": "number", "description": "How many lines to read."},
            }),
            &["file_path"],
        ),
        spec(
            "Write",
            Effects::WRITES,
            "Writes a file, replacing what it held. Missing folders are made. A placeholder such as `[secret:jwt:1]` may be written back into the file it was read from, and stands for its secret there.",
            json!({
                "file_path": {"type": "string", "description": "The file; absolute, or relative to the working folder."},
                "content": {"type": "string", "description": "The whole new content."},
            }),
            &["file_path", "content"],
        ),
        spec(
            "Edit",
            Effects::WRITES,
            "Replaces an exact piece of text in a file. The piece must occur once, unless replace_all is set. A placeholder such as `[secret:jwt:1]` may stand in both pieces for the secret that the file holds.",
            json!({
                "file_path": {"type": "string", "description": "The file to change."},
                "old_string": {"type": "string", "description": "The text to replace."},
                "new_string": {"type": "string", "description": "The text to put in its place."},
                "replace_all": {"type": "boolean", "description": "Replace every occurrence."},
            }),
            &["file_path", "old_string", "new_string"],
        ),
        spec(
            "Bash",
            Effects::EXECUTES,
            "Runs a shell command in the working folder, inside a sandbox. Nothing carries over to the next call; there is no input and, unless policy opens it, no network.",
            json!({
                "command": {"type": "string", "description": "The command line."},
                "timeout": {"type": "number", "description": "Time limit in milliseconds."},
            }),
            &["command"],
        ),
        spec(
            "Grep",
            Effects::READS,
            "Searches files for a regular expression. Ignore files are honoured.",
            json!({
                "pattern": {"type": "string", "description": "The regular expression."},
                "path": {"type": "string", "description": "A file or folder; the working folder when left out."},
                "glob": {"type": "string", "description": "Only files whose path matches."},
                "output_mode": {"type": "string", "enum": ["content", "files_with_matches", "count"], "description": "What to print; `content` when left out."},
            }),
            &["pattern"],
        ),
        spec(
            "Glob",
            Effects::READS,
            "Lists files whose path matches a pattern such as `src/**/*.rs`.",
            json!({
                "pattern": {"type": "string", "description": "The pattern."},
                "path": {"type": "string", "description": "The folder to search; the working folder when left out."},
            }),
            &["pattern"],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_states_an_effect_and_requires_only_what_it_describes() {
        for tool in builtin() {
            let e = tool.effects;
            assert!(e.reads || e.writes || e.executes || e.network, "{}", tool.name);
            for required in tool.input_schema["required"].as_array().unwrap() {
                let name = required.as_str().unwrap();
                assert!(
                    tool.input_schema["properties"].get(name).is_some(),
                    "{} {name}",
                    tool.name
                );
            }
        }
    }
}
