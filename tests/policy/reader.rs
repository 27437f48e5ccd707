//! Reads a profile or a piece of configuration into a `PermissionLayer`, for tests alone:
//! the product reads files through `config`.
#![allow(dead_code)]

use ion::config::origin::Located;
use ion::config::schema::permissions::{DangerSpec, PermissionLayer, RuleSpec, Severity};
use ion::model::{AbsPath, CallId, Decision, Source, Tier, ToolCall, ToolName};
use ion::policy::shell::{self, ShellPlace};
use ion::policy::{Access, Anchors, CallFacts, Circumstances, Judgement, PathUse, RuleSet};
use std::sync::LazyLock;
use toml_edit::{DocumentMut, Item, Table};

pub const STANDARD: &str = include_str!("../../profiles/standard.toml");

fn decision(text: &str) -> Decision {
    match text {
        "allow" => Decision::Allow,
        "ask" => Decision::Ask,
        "deny" => Decision::Deny,
        other => panic!("no decision: {other}"),
    }
}

fn list(table: &Table, key: &str) -> Option<Vec<String>> {
    let array = table.get(key)?.as_array().expect("a list");
    Some(array.iter().map(|item| item.as_str().expect("text").to_owned()).collect())
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Item::as_str).map(str::to_owned)
}

/// One block of a tier.
pub fn layer(toml: &str, tier: Tier, file: &str) -> PermissionLayer {
    let document: DocumentMut = toml.parse().expect("valid TOML");
    let empty = Table::new();
    let block = document.get("permissions").and_then(Item::as_table).unwrap_or(&empty);
    let lines: Vec<u32> = toml
        .lines()
        .zip(1..)
        .filter(|(l, _)| l.trim() == "[[permissions.rules]]")
        .map(|(_, n)| n)
        .collect();
    let tables = block.get("rules").and_then(Item::as_array_of_tables).into_iter().flatten();
    let rules = tables.zip(lines).map(|(table, line)| {
        let spec = RuleSpec {
            id: text(table, "id"),
            tool: text(table, "tool").expect("a tool"),
            decision: decision(&text(table, "decision").expect("a decision")),
            command_patterns: list(table, "commandPatterns"),
            path_patterns: list(table, "pathPatterns"),
            reason: text(table, "reason"),
            hint: text(table, "hint"),
            overrides: list(table, "overrides").unwrap_or_default(),
            matches: list(table, "matches").unwrap_or_default(),
            rejects: list(table, "rejects").unwrap_or_default(),
        };
        Located::new(spec, Source::new(tier, file).at(line))
    });
    let rules = rules.collect();
    let here = || Source::new(tier, file).at(1);
    let dangers = list(block, "dangerousPatterns").unwrap_or_default().into_iter().map(|pattern| {
        let spec = DangerSpec {
            id: None,
            pattern,
            category: None,
            severity: Severity::Critical,
            reason: None,
            matches: vec![],
            rejects: vec![],
        };
        Located::new(spec, here())
    });
    PermissionLayer {
        tier,
        tighten_only: false,
        mode: text(block, "mode").map(|mode| Located::new(decision(&mode), here())),
        rules,
        dangerous_patterns: dangers.collect(),
        read_only_paths: list(block, "readOnlyPaths")
            .unwrap_or_default()
            .into_iter()
            .map(|p| Located::new(p, here()))
            .collect(),
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

fn facts(tool: &str) -> CallFacts {
    CallFacts {
        tool: ToolName::resolve(tool),
        effects: None,
        command: None,
        paths: vec![],
        hosts: vec![],
        cwd: workspace(),
        workspace: workspace(),
        home: Some(home()),
        malformed: None,
        timeout_ms: None,
        circumstances: Circumstances::default(),
    }
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
