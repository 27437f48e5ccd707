//! Placeholders in the arguments of a call that changes a file.
//!
//! A model sees `[secret:github-token:1]` and writes it back. After the decision, and for this
//! call alone, the value is put in its place, if the file holds that very value: a confined worker
//! gives the file's text, the redactor finds the value in it, a second worker makes the change and
//! looks again. Decision, hooks, record and transcript keep the placeholder. Never for a command or
//! anything else that could carry the value away.

use crate::model::ToolCall;
use crate::redact::{Held, Redactor, has_numbered};
use crate::worker::wire::Call;
use serde_json::Value;
use zeroize::Zeroizing;

/// The arguments that may hold placeholders, and whether they will stand in the file.
fn arguments(tool: &str) -> &'static [(&'static str, bool)] {
    match tool {
        "Edit" => &[("old_string", false), ("new_string", true)],
        "Write" => &[("content", true)],
        _ => &[],
    }
}

/// Whether the file's text is needed before the call can run.
pub fn is_wanted(call: &ToolCall) -> bool {
    let texts = arguments(call.name.as_str()).iter().filter_map(|(name, _)| call.text(name));
    texts.into_iter().any(has_numbered)
}

/// Puts values in the place of placeholders; gives the placeholders.
///
/// # Errors
/// The tool error; nothing may be written then.
pub fn fill(call: &mut Call, redactor: &Redactor, file: &str) -> Result<Vec<String>, String> {
    let mut held = Held::of(redactor, file);
    let mut filled: Vec<(&str, Zeroizing<String>)> = Vec::new();
    for (name, stored) in arguments(&call.tool) {
        if let Some(Value::String(text)) = call.input.get(*name) {
            let text = held.put_back(text, *stored);
            filled.push((name, text.map_err(|why| format!("Error: {name}: {why}"))?));
        }
    }
    call.held = held.used().map(|(_, value)| value.to_owned()).collect();
    for (name, mut text) in filled {
        call.input.insert(name.to_owned(), Value::String(std::mem::take(&mut *text)));
    }
    Ok(held.used().map(|(written, _)| written.to_owned()).collect())
}
