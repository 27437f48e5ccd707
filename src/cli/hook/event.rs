//! What a hook input of another agent says: which event, which call, from where.
//!
//! Pure: bytes in, values out. FAIL CLOSED: an event that no table knows, a missing field or
//! a wrong type is an error, and the caller answers every error with a denial.

use super::strict;
use serde_json::{Map, Value};

/// When the agent asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before a tool runs, whatever its own permissions say.
    BeforeTool,
    /// When the agent is about to ask a person.
    AtPrompt,
}

/// A call that waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// When the agent asks.
    pub moment: Moment,
    /// The event as the agent names it, which the answer repeats.
    pub event: &'static str,
    /// The agent's conversation; not checked yet.
    pub session: Option<String>,
    /// Where the call would run; not checked yet.
    pub cwd: String,
    /// The agent's permission mode.
    pub mode: Option<String>,
    /// The agent's id of the call.
    pub call_id: String,
    /// The tool as the agent spells it.
    pub tool: String,
    /// The arguments.
    pub input: Map<String, Value>,
    /// Server and tool, where the agent says that the call goes to an MCP server.
    pub mcp: Option<(String, String)>,
}

/// What the agent wants.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An answer about a call.
    Call(Box<Waiting>),
    /// Nothing that Ion has a say in.
    Other,
}

/// One call in Ion's own words. A call of another agent can be several.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Ion's name of the tool, or the agent's where Ion has no such tool.
    pub tool: String,
    /// The arguments under Ion's names.
    pub input: Map<String, Value>,
    /// Another folder to run in, absolute or below the event's.
    pub cwd: Option<String>,
}

impl Part {
    /// A call with these arguments.
    pub fn new(tool: &str, input: Map<String, Value>) -> Self {
        Part { tool: tool.to_owned(), input, cwd: None }
    }
}

/// Reads an event. `gating` are the events that wait for an answer, `harmless` those that do not.
///
/// # Errors
/// What is wrong. No text of the input is repeated, so nothing has to be redacted.
pub fn read(
    bytes: &[u8],
    gating: &[(&'static str, Moment)],
    harmless: &[&str],
) -> Result<Event, String> {
    let mut object = strict::object(bytes)?;
    let event = match object.get("hook_event_name") {
        Some(Value::String(event)) => event.as_str(),
        _ => return Err("`hook_event_name` must be text".to_owned()),
    };
    if harmless.contains(&event) {
        return Ok(Event::Other);
    }
    let Some((event, moment)) = gating.iter().find(|(name, _)| *name == event).copied() else {
        return Err("`hook_event_name` is no event that this version of Ion knows".to_owned());
    };
    let tool = match text(&mut object, "tool_name")? {
        Some(tool) if !tool.trim().is_empty() => tool,
        _ => return Err("`tool_name` must be the name of a tool".to_owned()),
    };
    let input = match object.remove("tool_input") {
        Some(Value::Object(input)) => input,
        _ => return Err("`tool_input` must be an object".to_owned()),
    };
    let cwd = match text(&mut object, "cwd")? {
        Some(cwd) if cwd.starts_with('/') => cwd,
        _ => return Err("`cwd` must be an absolute path".to_owned()),
    };
    let mcp = match object.remove("mcp_context") {
        None | Some(Value::Null) => None,
        Some(Value::Object(mut context)) => {
            match (text(&mut context, "server_name")?, text(&mut context, "tool_name")?) {
                (Some(server), Some(tool)) => Some((server, tool)),
                _ => return Err("`mcp_context` must name server and tool".to_owned()),
            }
        }
        Some(_) => return Err("`mcp_context` must be an object".to_owned()),
    };
    Ok(Event::Call(Box::new(Waiting {
        moment,
        event,
        session: text(&mut object, "session_id")?,
        cwd,
        mode: text(&mut object, "permission_mode")?,
        call_id: text(&mut object, "tool_use_id")?.unwrap_or_else(|| "unnamed".to_owned()),
        tool,
        input,
        mcp,
    })))
}

/// Refuses an argument of a shell call that may change what runs: another shell, variables, a
/// user, a folder under a name that nobody here knows. Numbers and switches cannot name one.
///
/// # Errors
/// There is such an argument. Its name is a stranger's text and is not repeated.
pub fn no_strange_text(input: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    let plain = |value: &Value| matches!(value, Value::Null | Value::Bool(_) | Value::Number(_));
    match input.iter().all(|(key, value)| plain(value) || known.contains(&key.as_str())) {
        true => Ok(()),
        false => Err("the shell call has an argument that Ion does not know".to_owned()),
    }
}

/// Takes a text out; absent and `null` are none, any other type is an error.
fn text(object: &mut Map<String, Value>, key: &str) -> Result<Option<String>, String> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` must be text")),
    }
}

/// Moves the argument `from` to the name that Ion judges it by.
///
/// # Errors
/// Both are there: which one the agent uses is not known.
pub fn rename(input: &mut Map<String, Value>, from: &[&str], to: &str) -> Result<(), String> {
    for name in from {
        let Some(value) = input.remove(*name) else { continue };
        match input.get(to) {
            None | Some(Value::Null) => {
                input.insert(to.to_owned(), value);
            }
            Some(there) if *there == value => {}
            Some(_) => return Err(format!("`{name}` and `{to}` name two different things")),
        }
    }
    Ok(())
}

/// Takes the folder of a shell call out of its arguments.
///
/// # Errors
/// It is no text, or two keys name different folders.
pub fn folder(input: &mut Map<String, Value>, keys: &[&str]) -> Result<Option<String>, String> {
    let mut found: Option<String> = None;
    for key in keys {
        let Some(folder) = text(input, key)?.filter(|folder| !folder.is_empty()) else { continue };
        if found.as_ref().is_some_and(|other| *other != folder) {
            return Err(format!("`{key}` names another folder than its neighbour"));
        }
        found = Some(folder);
    }
    Ok(found)
}

/// The argument vector `words` as one command line that the shell reads back the same way.
///
/// # Errors
/// It is empty or holds something that is no text.
pub fn command_line(words: &[Value]) -> Result<String, String> {
    let mut line = String::new();
    for word in words {
        let Value::String(word) = word else {
            return Err("`command` must be text or a list of texts".to_owned());
        };
        line.push_str(if line.is_empty() { "" } else { " " });
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            line.push_str(&format!("'{}'", word.replace('\'', r"'\''")));
        }
    }
    if line.is_empty() { Err("`command` is empty".to_owned()) } else { Ok(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GATING: &[(&str, Moment)] = &[("PreToolUse", Moment::BeforeTool)];

    fn good() -> Value {
        json!({"hook_event_name": "PreToolUse", "cwd": "/w", "tool_name": "Bash", "tool_input": {}})
    }

    #[test]
    fn every_wrong_type_and_missing_field_is_an_error() {
        assert!(read(good().to_string().as_bytes(), GATING, &[]).is_ok());
        for (key, value) in [
            ("hook_event_name", json!(1)),
            ("hook_event_name", json!("pretooluse")),
            ("hook_event_name", json!("PreToolUse ")),
            ("tool_name", json!("")),
            ("tool_name", json!(["Bash"])),
            ("tool_input", json!("ls")),
            ("tool_input", json!([])),
            ("cwd", json!("relative")),
            ("cwd", json!(null)),
            ("session_id", json!(7)),
            ("permission_mode", json!({})),
            ("tool_use_id", json!(1)),
            ("mcp_context", json!("x")),
            ("mcp_context", json!({"server_name": "x"})),
        ] {
            let mut event = good();
            event[key] = value.clone();
            assert!(read(event.to_string().as_bytes(), GATING, &[]).is_err(), "{key} {value}");
        }
        for key in ["hook_event_name", "tool_name", "tool_input", "cwd"] {
            let mut event = good();
            event.as_object_mut().unwrap().remove(key);
            assert!(read(event.to_string().as_bytes(), GATING, &[]).is_err(), "without {key}");
        }
    }

    #[test]
    fn an_argument_under_two_names_is_not_guessed() {
        let Value::Object(mut input) = json!({"absolute_path": "/a", "file_path": "/b"}) else {
            unreachable!()
        };
        assert!(rename(&mut input, &["absolute_path"], "file_path").is_err());
        let Value::Object(mut input) = json!({"cwd": "/a", "workdir": "/b"}) else {
            unreachable!()
        };
        assert!(folder(&mut input, &["cwd", "workdir"]).is_err());
    }

    #[test]
    fn a_list_of_words_is_quoted_so_that_none_becomes_two() {
        let line = command_line(&[json!("echo"), json!("it's; rm -rf /"), json!("")]).unwrap();
        assert_eq!(line, r"echo 'it'\''s; rm -rf /' ''");
        assert!(command_line(&[]).is_err());
        assert!(command_line(&[json!("ls"), json!(1)]).is_err());
    }
}
