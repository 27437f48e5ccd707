//! `ion config`, called as a function: what people and scripts read.

use super::world::World;
use crate::support::Sink;
use ion::cli::config::{ConfigCommand, run_for};
use ion::cli::{Exit, Output};
use ion::config::LoadRequest;
use serde_json::Value;

/// Runs a command: exit code, stdout, stderr (with the error, if it ended in one).
fn run(world: &World, command: &ConfigCommand) -> (Exit, String, String) {
    let (out, err) = (Sink::default(), Sink::default());
    let mut output = Output::to(Box::new(out.clone()), Box::new(err.clone()));
    let environment = world.environment();
    let request = LoadRequest {
        environment: &environment,
        workspace: world.home.work(),
        flags: world.flags.clone(),
        sealed: world.sources(),
    };
    let result = run_for(command, &request, &mut output);
    let text = |sink: &Sink| sink.text();
    match result {
        Ok(exit) => (exit, text(&out), text(&err)),
        Err(error) => {
            let all = format!("{}{}\n{}", text(&err), error.message, error.details.join("\n"));
            (error.exit, text(&out), all)
        }
    }
}

const SHOW: ConfigCommand = ConfigCommand::Show { origin: true, json: false };

#[test]
fn show_origin_names_place_override_and_seal() {
    let world = World::new()
        .user("{\n\"limits\": {\"maxBudgetUsd\": 50},\n\"defaultModel\": \"deep\"}")
        .project(r#"{"mcpServers": {}}"#)
        .sealed("{\n\"limits\": {\n\"maxBudgetUsd\": 20}, \"permissions\": {\"rules\": [{\"tool\": \"X\", \"decision\": \"deny\"}]}}");
    let (exit, out, err) = run(&world, &SHOW);
    assert_eq!(exit, Exit::Done);
    let row = |key: &str| out.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(out.starts_with("KEY "), "{out}");
    let budget = row("limits.maxBudgetUsd");
    assert!(budget.contains("20.00") && budget.contains("config.json:3"), "{budget}");
    assert!(budget.contains("sealed; overrides 50.00 of ~/.ion/engine.json:2"), "{budget}");
    assert!(row("defaultModel").contains("user ~/.ion/engine.json:3"));
    let rules = |line: &&str| line.starts_with("permissions.rules") && line.contains("config.json");
    assert!(out.lines().find(rules).unwrap().contains("1 rule"));
    assert!(row("sandbox.requirement").contains("derived"));
    assert!(err.contains("1 value of this project is ignored"), "{err}");
    assert!(err.contains("note: limits.maxBudgetUsd"), "{err}");
}

#[test]
fn show_never_prints_a_secret() {
    let world = World::new()
        .user(r#"{"providers": {"openai": {"apiKey": "sk-literal-1"}}, "network": {"proxy": {"httpsProxy": "http://u:hunter2@p:1"}}}"#)
        .variable("GROQ_API_KEY", "groq-1")
        .variable("HTTP_PROXY", "http://u:hunter3@p:1");
    for json in [false, true] {
        let (_, out, err) = run(&world, &ConfigCommand::Show { origin: true, json });
        for secret in ["sk-literal-1", "groq-1", "hunter2", "hunter3"] {
            assert!(!out.contains(secret) && !err.contains(secret), "{secret}: {out}");
        }
        assert!(out.contains("***") && out.contains("GROQ_API_KEY"), "{out}");
    }
}

#[test]
fn show_json_is_one_document_with_the_same_rows() {
    let (exit, out, _) = run(&World::new(), &ConfigCommand::Show { origin: false, json: true });
    assert_eq!(exit, Exit::Done);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["profile"], "standard");
    let values = document["values"].as_array().unwrap();
    let redact = values.iter().find(|v| v["key"] == "security.redactSecrets").unwrap();
    assert_eq!((&redact["value"], &redact["tier"]), (&Value::Bool(true), &"builtin".into()));
}

#[test]
fn invalid_configuration_is_exit_2_in_both_forms() {
    let world = World::new().user(r#"{"sandbox": {"enabeld": true}}"#);
    let (exit, out, err) = run(&world, &SHOW);
    assert_eq!((exit, out.as_str()), (Exit::Usage, ""));
    assert!(err.contains("did you mean `enabled`?"), "{err}");
    let json = ConfigCommand::Validate { files: Vec::new(), sealed: false, json: true };
    let (exit, out, err) = run(&world, &json);
    assert_eq!(exit, Exit::Usage);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["problems"][0]["line"], 1);
    assert_eq!(document["problems"][0]["key"], "sandbox.enabeld");
    assert!(err.starts_with("error: 1 problem in ~/.ion/engine.json"), "{err}");
}

#[test]
fn validate_lists_what_is_accepted_and_not_used() {
    let world = World::new().user("{\n\"telemetry\": {}}");
    let command = ConfigCommand::Validate { files: Vec::new(), sealed: false, json: false };
    let (exit, out, _) = run(&world, &command);
    assert_eq!(exit, Exit::Done);
    assert!(out.contains("1 file is valid: ~/.ion/engine.json"), "{out}");
    assert!(out.contains("~/.ion/engine.json:2   telemetry   accepted, not used"), "{out}");
}

#[test]
fn validate_checks_a_named_file_also_as_sealed_policy() {
    let world = World::new();
    let file = world.home.write("policy.json", r#"{"maxTurns": 3}"#);
    let command =
        |sealed| ConfigCommand::Validate { files: vec![file.clone()], sealed, json: false };
    let (exit, _, err) = run(&world, &command(false));
    assert_eq!(exit, Exit::Done);
    assert!(err.contains("did you mean `limits.maxTurns`?"), "{err}");
    let (exit, _, err) = run(&world, &command(true));
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("maxTurns   unknown key"), "{err}");
}

#[test]
fn paths_works_without_a_home_and_with_a_broken_file() {
    let mut world = World::new().user("{").project("{");
    let (exit, out, _) = run(&world, &ConfigCommand::Paths { json: false });
    assert_eq!(exit, Exit::Done);
    assert!(out.contains("~/.ion/engine.json"), "{out}");
    assert!(out.contains("etc/ion/config.json  not present"), "{out}");
    world.variables.clear();
    let (exit, out, _) = run(&world, &ConfigCommand::Paths { json: true });
    assert_eq!(exit, Exit::Done);
    let document: Value = serde_json::from_str(&out).unwrap();
    let files = document["files"].as_array().unwrap();
    assert!(files.iter().any(|f| f["tier"] == "project" && f["found"] == true));
    assert!(files.iter().all(|f| f["tier"] != "user"));
}
