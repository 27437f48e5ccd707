//! Gemini CLI: `BeforeTool` hooks.
//!
//! Its reference knows `allow` and `deny` only; a decision that a version does not know lets the
//! call through, so nothing else is ever answered.
//! Formats and versions: docs/decisions/0009-guarding-other-agents.md.

use super::event::{self, Moment, Part, Waiting};
use super::format::{Answer, Format};
use crate::model::Decision;
use serde_json::{Map, Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "gemini",
    gating: &[("BeforeTool", Moment::BeforeTool)],
    harmless: &[
        "AfterAgent",
        "AfterModel",
        "AfterTool",
        "BeforeAgent",
        "BeforeModel",
        "BeforeToolSelection",
        "Notification",
        "PreCompress",
        "SessionEnd",
        "SessionStart",
    ],
    project: &["GEMINI_PROJECT_DIR"],
    needs_stderr: true,
    parts,
    person,
    answer,
    settings: r#"{
  "hooks": {
    "BeforeTool": [
      { "hooks": [{ "name": "ion", "type": "command", "command": "ion hook gemini || exit 2", "timeout": 30000 }] }
    ]
  }
}
"#,
};

/// Most readings of an MCP name whose server is not stated.
const MAX_READINGS: usize = 16;

fn parts(call: &Waiting) -> Result<Vec<Part>, String> {
    let mut input = call.input.clone();
    if let Some((server, tool)) = &call.mcp {
        return Ok(vec![Part::new(&mcp_name(server, tool)?, input)]);
    }
    let path = |input: &mut Map<String, Value>| event::rename(input, &["dir_path"], "path");
    let file = |input: &mut Map<String, Value>| {
        event::rename(input, &["absolute_path", "path"], "file_path")
    };
    let part = match call.tool.as_str() {
        "run_shell_command" => {
            let cwd = event::folder(&mut input, &["directory", "dir_path"])?;
            event::no_strange_text(&input, &["command", "description", "additional_permissions"])?;
            input.remove("timeout");
            Part { cwd, ..Part::new("Bash", input) }
        }
        "read_file" => {
            file(&mut input)?;
            Part::new("Read", input)
        }
        "write_file" => {
            file(&mut input)?;
            Part::new("Write", input)
        }
        "replace" => {
            file(&mut input)?;
            Part::new("Edit", input)
        }
        "list_directory" => {
            path(&mut input)?;
            input.insert("pattern".to_owned(), Value::String("*".to_owned()));
            Part::new("Glob", input)
        }
        "glob" => {
            path(&mut input)?;
            Part::new("Glob", input)
        }
        "grep_search" | "search_file_content" => {
            path(&mut input)?;
            event::rename(&mut input, &["include", "include_pattern"], "glob")?;
            Part::new("Grep", input)
        }
        "read_many_files" => return many_files(&mut input),
        "web_fetch" => return pages(&input),
        "google_web_search" => Part::new("WebSearch", input),
        "save_memory" => {
            event::rename(&mut input, &["fact"], "content")?;
            let notes = Value::String("~/.gemini/GEMINI.md".to_owned());
            input.insert("file_path".to_owned(), notes);
            Part::new("Write", input)
        }
        other if other.starts_with("mcp_") && !other.starts_with("mcp__") => {
            return readings(other, &input);
        }
        other => FORMAT.foreign(other, input),
    };
    Ok(vec![part])
}

/// Server and tool as rules name them.
///
/// # Errors
/// The name could be read as another server's.
fn mcp_name(server: &str, tool: &str) -> Result<String, String> {
    let plain = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.: ".contains(c))
            && !name.ends_with('_')
    };
    // FAIL CLOSED: `a__b` and `c` would read like `a` and `b__c`, which another rule may allow.
    if !plain(server) || server.contains("__") || server.starts_with('_') || !plain(tool) {
        return Err("the names of MCP server and tool cannot be told apart".to_owned());
    }
    Ok(format!("mcp__{server}__{tool}"))
}

/// `mcp_a_b_c` may be `b_c` of server `a` or `c` of `a_b`: every reading is judged.
fn readings(name: &str, input: &Map<String, Value>) -> Result<Vec<Part>, String> {
    let rest = name.strip_prefix("mcp_").unwrap_or(name);
    let cuts = rest.match_indices('_').filter_map(|(at, _)| {
        let (server, tool) = (rest.get(..at)?, rest.get(at + 1..)?);
        mcp_name(server, tool).ok()
    });
    let parts: Vec<Part> = cuts.map(|name| Part::new(&name, input.clone())).collect();
    match parts.len() {
        0 => Err("the names of MCP server and tool cannot be told apart".to_owned()),
        n if n > MAX_READINGS => Err("the name of the MCP tool has too many readings".to_owned()),
        _ => Ok(parts),
    }
}

/// Every pattern of `read_many_files`, as a search that shows what it finds.
fn many_files(input: &mut Map<String, Value>) -> Result<Vec<Part>, String> {
    event::rename(input, &["paths"], "include")?;
    let Some(Value::Array(patterns)) = input.get("include").filter(|list| *list != &json!([]))
    else {
        return Err("`include` must be a list of paths".to_owned());
    };
    let mut parts = Vec::new();
    for pattern in patterns {
        let Value::String(pattern) = pattern else {
            return Err("`include` must be a list of paths".to_owned());
        };
        let of = |pairs: &[(&str, &str)]| -> Map<String, Value> {
            pairs.iter().map(|(key, text)| ((*key).to_owned(), json!(text))).collect()
        };
        if pattern.contains(['*', '?', '[', '{', '!', '(']) {
            parts.push(Part::new("Grep", of(&[("pattern", ""), ("glob", pattern)])));
        } else {
            parts.push(Part::new("Read", of(&[("file_path", pattern)])));
            parts.push(Part::new("Grep", of(&[("pattern", ""), ("path", pattern)])));
        }
    }
    Ok(parts)
}

/// Every address in the prompt of `web_fetch`: each is a page that may be fetched.
fn pages(input: &Map<String, Value>) -> Result<Vec<Part>, String> {
    let mut addresses: Vec<&str> = Vec::new();
    match input.get("url") {
        None | Some(Value::Null) => {}
        Some(Value::String(url)) => addresses.push(url),
        Some(_) => return Err("`url` must be text".to_owned()),
    }
    match input.get("prompt") {
        None | Some(Value::Null) => {}
        Some(Value::String(prompt)) => {
            for word in prompt.split_whitespace() {
                for (at, _) in word.match_indices("://") {
                    let before = word.get(..at).unwrap_or_default();
                    let scheme = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
                    let start = before.trim_end_matches(scheme).len();
                    addresses.extend(word.get(start..));
                }
            }
        }
        Some(_) => return Err("`prompt` must be text".to_owned()),
    }
    if addresses.is_empty() {
        return Err("`web_fetch` names no address".to_owned());
    }
    let part = |url: &&str| {
        let mut input = input.clone();
        input.insert("url".to_owned(), Value::String((*url).to_owned()));
        Part::new("WebFetch", input)
    };
    Ok(addresses.iter().map(part).collect())
}

fn person(_: &Waiting) -> Result<(), &'static str> {
    Err("a hook cannot make Gemini CLI ask; an allow rule would answer (docs/guard.md)")
}

fn answer(_: Option<&Waiting>, answer: &Answer) -> String {
    match answer.decision {
        Decision::Deny => json!({"decision": "deny", "reason": answer.text}).to_string(),
        Decision::Allow if answer.approve => json!({"decision": "allow"}).to_string(),
        Decision::Allow | Decision::Ask => String::new(),
    }
}
