//! The `tool` field of a rule: a name, `*`, or a compact rule such as `Bash(git push:*)`.

use crate::model::ToolName;

/// Tools that Ion ships, whose names are accepted in any case.
const BUILT_IN: &[&str] = &[
    "Bash",
    "Read",
    "Write",
    "Edit",
    "Grep",
    "Glob",
    "NotebookEdit",
    "WebFetch",
    "WebSearch",
    "Agent",
    "Task",
    "Skill",
    "TodoWrite",
    "LSP",
    "ListMcpResources",
    "ReadMcpResource",
];

/// Tools of other agents that the shipped profiles have rules about (`ion hook`).
const ELSEWHERE: &[&str] = &[
    "TaskCreate",
    "TaskUpdate",
    "TaskGet",
    "TaskList",
    "AskUserQuestion",
    "EnterPlanMode",
    "ExitPlanMode",
    "update_plan",
    "write_todos",
    "ask_user",
];

/// Which tools a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolMatch {
    /// Every tool.
    Any,
    /// One tool.
    Name(ToolName),
    /// Every tool of one MCP server: names that begin so.
    Server(String),
}

impl ToolMatch {
    /// Whether the rule is about `tool`.
    pub fn covers(&self, tool: &ToolName) -> bool {
        match self {
            ToolMatch::Any => true,
            ToolMatch::Name(name) => name == tool,
            ToolMatch::Server(prefix) => tool.as_str().starts_with(prefix.as_str()),
        }
    }
}

/// The shipped name nearest to one that no tool is known by: a mistyped denial protects nothing.
pub fn nearest_name(tool: &ToolMatch) -> Option<&'static str> {
    let ToolMatch::Name(name) = tool else { return None };
    let name = name.as_str();
    if BUILT_IN.contains(&name) || ELSEWHERE.contains(&name) || name.starts_with("mcp__") {
        return None;
    }
    let name: String = name.chars().take(64).collect::<String>().to_ascii_lowercase();
    BUILT_IN.iter().copied().min_by_key(|known| distance(&name, &known.to_ascii_lowercase()))
}

/// How many letters have to be put in, left out or changed.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (at, a) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (b, pair) in other.chars().zip(1..) {
            let changed = corner + usize::from(a != b);
            corner = row[pair];
            row[pair] = changed.min(row[pair] + 1).min(row[pair - 1] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// What stands in the brackets of a compact rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Specifier {
    /// `Bash(git push:*)`.
    CommandPrefix(String),
    /// `Bash(npm run test*)`.
    Command(String),
    /// `Read(./.env)`.
    Path(String),
    /// `WebFetch(domain:example.org)`.
    Domain(String),
}

/// Takes the `tool` field apart.
///
/// # Errors
/// What is wrong with it.
pub fn tool_field(written: &str) -> Result<(ToolMatch, Option<Specifier>), String> {
    let written = written.trim();
    let (name, inside) = match written.split_once('(') {
        None => (written, None),
        Some((name, rest)) => {
            let inside = rest.strip_suffix(')').ok_or("it has `(` without `)` at the end")?;
            (name.trim(), Some(inside.trim()))
        }
    };
    let tool = tool_match(name)?;
    let inside = match inside {
        None | Some("" | "*") => return Ok((tool, None)),
        Some(inside) => inside,
    };
    let ToolMatch::Name(name) = &tool else {
        return Err("only a tool's own name can have brackets".to_owned());
    };
    let specifier = match (name.as_str(), inside) {
        ("Bash", text) => match text.strip_suffix(":*") {
            Some(prefix) => Specifier::CommandPrefix(prefix.to_owned()),
            None => Specifier::Command(text.to_owned()),
        },
        (_, text) if text.starts_with("domain:") => {
            Specifier::Domain(text["domain:".len()..].trim().to_ascii_lowercase())
        }
        ("Read" | "Write" | "Edit" | "Grep" | "Glob" | "NotebookEdit", path) => {
            Specifier::Path(path.to_owned())
        }
        (other, _) => return Err(format!("`{other}` takes nothing in brackets")),
    };
    Ok((tool, Some(specifier)))
}

fn tool_match(name: &str) -> Result<ToolMatch, String> {
    if name == "*" {
        return Ok(ToolMatch::Any);
    }
    if name.is_empty() || name.contains(['*', ' ', '?']) {
        return Err("a tool is a whole name or `*`".to_owned());
    }
    if let Some(rest) = name.strip_prefix("mcp__")
        && let Some(server) = rest.strip_suffix("__").or((!rest.contains("__")).then_some(rest))
    {
        return Ok(ToolMatch::Server(format!("mcp__{server}__")));
    }
    let builtin = BUILT_IN.iter().find(|known| known.eq_ignore_ascii_case(name));
    Ok(ToolMatch::Name(
        builtin.map_or_else(|| ToolName::resolve(name), |known| ToolName::resolve(known)),
    ))
}
