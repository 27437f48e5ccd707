//! Reads a profile or a piece of configuration into a `PermissionLayer`, and builds calls.
#![allow(dead_code)]

use ion::config::schema::permissions::PermissionLayer;
use ion::model::{AbsPath, CallId, Tier, ToolCall, ToolName};
use ion::policy::shell::{self, ShellPlace};
use ion::policy::{Access, Anchors, CallFacts, Judgement, PathUse, RuleSet};
use std::sync::LazyLock;

pub const STANDARD: &str = include_str!("../../profiles/standard.toml");

/// One block of a tier, read by the product's own reader.
pub fn layer(toml: &str, tier: Tier, file: &str) -> PermissionLayer {
    let shown = if file.ends_with(".toml") { file.to_owned() } else { format!("{file}.toml") };
    match ion::config::read_permissions(tier, &shown, toml) {
        Ok(layer) => layer,
        Err(errors) => panic!("{errors:?}\n{toml}"),
    }
}

pub fn home() -> AbsPath {
    AbsPath::new("/home/dev").unwrap()
}

pub fn workspace() -> AbsPath {
    AbsPath::new("/home/dev/app").unwrap()
}

pub fn anchors() -> Anchors {
    Anchors { workspace: workspace(), home: Some(home()) }
}

pub fn compiled(layers: &[PermissionLayer]) -> RuleSet {
    ion::policy::compile(layers, anchors()).expect("rules that compile")
}

/// The standard profile alone.
pub fn standard() -> &'static RuleSet {
    static RULES: LazyLock<RuleSet> =
        LazyLock::new(|| compiled(&[layer(STANDARD, Tier::Builtin, "profiles/standard.toml")]));
    &RULES
}

pub fn facts(tool: &str) -> CallFacts {
    CallFacts::of(ToolName::resolve(tool), &workspace(), Some(&home()))
}

pub fn bash_facts(command: &str) -> CallFacts {
    let (cwd, home) = (workspace(), home());
    let script = shell::parse(command, &ShellPlace { cwd: &cwd, home: Some(&home) });
    CallFacts { command: Some(script), ..facts("Bash") }
}

pub fn bash(rules: &RuleSet, command: &str) -> Judgement {
    ion::policy::evaluate(rules, &bash_facts(command))
}

pub fn path_facts(tool: &str, path: &str) -> CallFacts {
    let access =
        if matches!(tool, "Read" | "Grep" | "Glob") { Access::Read } else { Access::Write };
    let path = match path.strip_prefix("~/") {
        Some(rest) => home().join(rest),
        None => workspace().join(path),
    };
    CallFacts { paths: vec![PathUse::lexical(path.unwrap(), access)], ..facts(tool) }
}

pub fn file(rules: &RuleSet, tool: &str, path: &str) -> Judgement {
    ion::policy::evaluate(rules, &path_facts(tool, path))
}

pub fn call(tool: &str, input: serde_json::Value) -> ToolCall {
    let serde_json::Value::Object(input) = input else { panic!("an object") };
    ToolCall { id: CallId::new("c1"), name: ToolName::resolve(tool), input }
}
