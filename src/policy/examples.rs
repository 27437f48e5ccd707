//! The examples that rules and patterns carry: each is asked of its own rule at load.
//!
//! An example says nothing about surroundings (`when`, `effects`, `annotations`, `expires`):
//! these are taken to be what the rule wants. Never decides a call.

use super::circumstances::{Annotations, Circumstances};
use super::danger::{Danger, Ground};
use super::facts::{Access, PathUse};
use super::leaks;
use super::match_around::Around;
use super::match_path::Anchors;
use super::parse::ToolMatch;
use super::rule::{Rule, Subject};
use super::sensitive;
use super::shell::{self, ShellPlace};
use super::spelling::Spelling;
use crate::config::schema::rule::{Example, ExampleCall};
use crate::model::{Decision, ToolName};

/// The texts of two lists, and whether each must match.
pub(super) fn both<'a>(
    matches: &'a [String],
    rejects: &'a [String],
) -> impl Iterator<Item = (&'a str, bool)> {
    let yes = matches.iter().map(|text| (text.as_str(), true));
    yes.chain(rejects.iter().map(|text| (text.as_str(), false)))
}

/// What is told about an example that does not hold.
pub(super) fn example_message(id: &str, text: &str, wanted: bool) -> String {
    if wanted {
        format!("`{id}` does not match its own example `{text}`")
    } else {
        format!("`{id}` matches `{text}`, which it lists under `rejects`")
    }
}

/// Whether a rule is about an example.
pub(super) fn example_matches(rule: &Rule, example: &Example, anchors: &Anchors) -> bool {
    let tool = match &rule.tool {
        ToolMatch::Name(name) => name.clone(),
        ToolMatch::Server(prefix) => ToolName::resolve(&format!("{prefix}x")),
        ToolMatch::Any => ToolName::resolve("Bash"),
    };
    match example {
        Example::Call(call) => {
            let tool = call.tool.as_deref().map_or(tool, ToolName::resolve);
            written_out(rule, &tool, call, anchors)
        }
        Example::Text(text) => {
            let hosts_alone = rule.hosts.is_some() && tool.as_str() != "Bash";
            let for_path = rule.wants_path() || tool.as_str() != "Bash";
            let call = if rule.wants_command() {
                ExampleCall { command: Some(text.clone()), ..ExampleCall::default() }
            } else if hosts_alone {
                ExampleCall { host: Some(text.clone()), ..ExampleCall::default() }
            } else if for_path {
                let reads = rule.read.is_some() && rule.write.is_none();
                ExampleCall { path: Some(text.clone()), reads, ..ExampleCall::default() }
            } else {
                ExampleCall { command: Some(text.clone()), ..ExampleCall::default() }
            };
            written_out(rule, &tool, &call, anchors)
        }
    }
}

fn written_out(rule: &Rule, tool: &ToolName, call: &ExampleCall, anchors: &Anchors) -> bool {
    let circumstances = Circumstances::default();
    let hosts: Vec<String> = call.host.iter().map(|host| host_of(host).to_owned()).collect();
    let around = Around {
        effects: None,
        annotations: Annotations::default(),
        circumstances: &circumstances,
        cwd: &anchors.workspace,
        hosts: &hosts,
        unit: None,
        assumed: true,
    };
    let access = if call.reads { Access::Read } else { Access::Write };
    let path = match &call.path {
        None => None,
        Some(text) => match sensitive::expand(text, anchors) {
            Some(path) => Some(PathUse::lexical(path, access)),
            None => return false,
        },
    };
    if let Some(path) = &path {
        return rule.covers(tool, Subject::Path(path), &around);
    }
    let Some(command) = &call.command else {
        return rule.covers(tool, Subject::Whole, &around);
    };
    let script = parsed(command, anchors);
    let covers = |unit: &shell::Unit| {
        rule.covers(tool, Subject::Unit(&Spelling::of(unit)), &around.within(unit))
    };
    if rule.decision != Decision::Allow {
        return script.units.iter().any(covers);
    }
    let mut units = script.units.iter().filter(|unit| !unit.transparent).peekable();
    script.opaque.is_none() && units.peek().is_some() && units.all(covers)
}

/// The host of a URL, or the text itself.
fn host_of(text: &str) -> &str {
    let Some((_, rest)) = text.split_once("://") else { return text };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// Whether a pattern hits an example command.
pub(super) fn danger_hits(danger: &Danger, text: &str, anchors: &Anchors) -> bool {
    let script = parsed(text, anchors);
    let ground = Ground { workspace: &anchors.workspace, home: anchors.home.as_ref() };
    if danger.about_flow() {
        let list = sensitive::builtin(anchors);
        let secret =
            |path: &PathUse| list.iter().any(|entry| !entry.writes_only && entry.hits(path));
        return !leaks::leaking(&script, &secret).is_empty();
    }
    danger.hits_line(&script) || script.units.iter().any(|unit| danger.hits(unit, &ground))
}

fn parsed(text: &str, anchors: &Anchors) -> shell::Script {
    shell::parse(text, &ShellPlace { cwd: &anchors.workspace, home: anchors.home.as_ref() })
}
