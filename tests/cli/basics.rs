//! Help, version, wrong usage, missing model and key.

use crate::support::{Home, stderr, stdout};
use serde_json::Value;

#[test]
fn bare_ion_shows_the_first_steps_and_how_the_machine_stands() {
    let output = Home::new().run(&[]);
    assert!(output.status.success());
    let page = stdout(&output);
    for part in [
        "Start here, no key needed:",
        "ion tour",
        "ion policy check",
        "This machine:",
        "profile standard",
        "sandbox",
        "no enterprise policy",
        "ion help models",
    ] {
        assert!(page.contains(part), "{part:?} is missing in\n{page}");
    }
}

#[test]
fn help_and_version_work_without_a_home_and_with_a_broken_configuration() {
    let home = Home::new();
    home.write("home/.ion/engine.json", "{ broken");
    for args in [
        &["--help"][..],
        &["--version"],
        &["version"],
        &["help", "models"],
        &["help", "exit-codes"],
        &["help", "env"],
        &["help", "files"],
        &["help", "profiles"],
        &["help", "admins"],
        &["completions", "bash"],
        &["man"],
        &[],
    ] {
        for keep_home in [true, false] {
            let mut command = home.ion(args);
            if !keep_home {
                command.env_remove("HOME");
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", stderr(&output));
            assert!(!output.stdout.is_empty(), "{args:?} printed nothing");
        }
    }
}

#[test]
fn a_mistyped_option_or_command_is_named_with_the_nearest_one() {
    let home = Home::new();
    let output = home.run(&["prompt", "--ouput", "json", "hi"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--output"), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "errors are not data");
    let output = home.run(&["polcy"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("policy"), "{}", stderr(&output));
}

#[test]
fn without_a_model_the_error_says_where_it_looked_and_what_to_type() {
    let home = Home::new();
    let output = home.run(&["prompt", "hi"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for part in [
        "error: no model is configured",
        "looked for",
        "--model",
        "defaultModel",
        "next",
        "ion prompt --model",
        "ion tour",
        "ion help models",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert!(!home.home().join(".ion").exists(), "a refused start must write nothing");
}

#[test]
fn without_a_model_json_output_still_carries_one_document() {
    let output = Home::new().run(&["prompt", "--output", "json", "hi"]);
    assert_eq!(output.status.code(), Some(2));
    let document: Value = serde_json::from_str(&stdout(&output)).expect("one JSON document");
    assert_eq!(document["type"], "error");
    assert_eq!(document["errorCode"], "no_model_configured");
    assert_eq!(document["isError"], true);
    assert_eq!(document["result"], "");
}

#[test]
fn without_a_key_the_error_names_the_provider_and_every_place() {
    let output = Home::new().run(&["prompt", "--model", "claude-sonnet-4-6", "hi"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    for part in [
        "no credential for provider `anthropic`",
        "claude-sonnet-4-6",
        "ANTHROPIC_API_KEY",
        "apiKey",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
}

#[test]
fn an_unknown_model_is_an_error_that_names_both_places() {
    let output = Home::new().run(&["prompt", "--model", "nosuch", "hi"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("nosuch") && text.contains("models.json"), "{text}");
}

#[test]
fn a_broken_project_file_stops_the_run_and_names_the_place() {
    let home = Home::new();
    home.write("work/.ion/engine.json", "{\n  \"permissions\": {\"mode\": \"deny\"},\n}\n");
    let output = home.run(&["prompt", "--model", "scripted:x.toml", "hi"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains(".ion/engine.json:3"), "{}", stderr(&output));
}

#[test]
fn an_empty_prompt_is_wrong_usage() {
    let output = Home::new().run(&["prompt", ""]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("prompt text required"));
}
