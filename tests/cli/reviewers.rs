//! What a reviewer meets besides the commands' own tests: recorded answers that did or did not
//! change, errors for programs, help for every word that a denial shows.

use crate::support::{Home, stderr, stdout};
use serde_json::Value;

const SCRIPT: &str = "[[turn]]\n[[turn.call]]\nname = \"Bash\"\ninput = { command = \"frobnicate --all\" }\n\
[[turn.call]]\nname = \"Bash\"\ninput = { command = \"git push --force\" }\n\
[[turn.call]]\nname = \"Nope\"\ninput = {}\n[[turn]]\ntext = \"ok\"\n";

fn one(output: &std::process::Output) -> Value {
    serde_json::from_str(&stdout(output))
        .unwrap_or_else(|e| panic!("{e}: {}{}", stdout(output), stderr(output)))
}

/// Numbers of the decisions in the log.
fn decisions(home: &Home) -> Vec<String> {
    let listed = stdout(&home.run(&["audit", "list", "--json"]));
    let records = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|r| r["kind"] == "decision").map(|r| r["seq"].to_string()).collect()
}

#[test]
fn an_ask_that_nobody_answered_has_not_changed_until_a_rule_changes() {
    let home = Home::new();
    home.write("work/s.toml", SCRIPT);
    assert!(home.run(&["prompt", "--model", "scripted:s.toml", "go"]).status.success());
    let seqs = decisions(&home);
    assert_eq!(seqs.len(), 3);
    for (seq, ended) in
        seqs.iter().zip(["nobody could answer", "nobody could answer", "Unknown tool"])
    {
        let text = stdout(&home.run(&["policy", "explain", "--record", seq]));
        assert!(text.contains("recorded   ask in record"), "{text}");
        assert!(text.contains(ended) && text.contains(": unchanged"), "{text}");
        let document = one(&home.run(&["policy", "check", "--record", seq, "--json"]));
        assert_eq!(document["recorded"]["changed"], false, "{document}");
        assert_eq!(document["recorded"]["policy"], "ask");
        assert_eq!(document["recorded"]["decision"], "deny");
    }
    home.write(
        "home/.ion/config.toml",
        "[[permissions.rules]]\nid = \"own.frob\"\ntool = \"Bash\"\ndecision = \"allow\"\nargv = [\"frobnicate\", \"**\"]\n",
    );
    let text = stdout(&home.run(&["policy", "explain", "--record", &seqs[0]]));
    assert!(text.contains("the answer has CHANGED, now allow"), "{text}");
    let text = stdout(&home.run(&["policy", "explain", "--record", &seqs[1]]));
    assert!(text.contains(": unchanged"), "{text}");
}

#[test]
fn a_recorded_call_is_judged_in_the_surroundings_of_its_record() {
    let home = Home::new();
    let rule = "[[permissions.rules]]\ntool = \"Bash\"\ndecision = \"allow\"\nprograms = [\"frobnicate\"]\n\
                when = { headless = true, agent = \"main\" }\n";
    home.write("home/.ion/config.toml", rule);
    home.write("work/s.toml", SCRIPT);
    assert!(home.run(&["prompt", "--model", "scripted:s.toml", "go"]).status.success());
    let seq = &decisions(&home)[0];
    let explain = |more: &[&str]| {
        let mut args = vec!["policy", "explain", "--record", seq];
        args.extend(more);
        stdout(&home.run(&args))
    };
    assert!(explain(&[]).contains("recorded   allow in record 3: unchanged"), "{}", explain(&[]));
    let other = explain(&["--interactive"]);
    assert!(other.contains("CHANGED, now ask"), "{other}");
}

#[test]
fn with_json_every_error_is_one_document_on_stdout_and_words_on_stderr() {
    let home = Home::new();
    for args in [
        &["policy", "check", "--json", "--input", "{bad"][..],
        &["policy", "check", "--json"],
        &["policy", "explain", "--json", "--command", "ls", "--at", "noon"],
        &["policy", "explain", "--json", "--record", "7"],
        &["policy", "suggest", "--json"],
        &["policy", "test", "--json", "missing.toml"],
        &["policy", "diff", "--json", "a.toml", "b.toml"],
        &["audit", "show", "--json", "7"],
        &["audit", "verify", "--json"],
        &["approvals", "show", "--json", "q-000000000000000000000000"],
        &["trust", "--json", "/nonexistent"],
    ] {
        let output = home.run(args);
        assert!(!output.status.success(), "{args:?}");
        let document = one(&output);
        assert_eq!(document["ok"], false, "{args:?}: {document}");
        assert!(document["error"]["message"].as_str().is_some_and(|m| !m.is_empty()), "{document}");
        assert!(stderr(&output).starts_with("error: "), "{args:?}: {}", stderr(&output));
    }
    home.write("home/.ion/engine.json", "{\"permissions\": {\"mode\": \"maybe\"}}");
    for args in
        [&["policy", "check", "--json", "--command", "ls"][..], &["audit", "list", "--json"]]
    {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(2));
        let document = one(&output);
        assert_eq!(document["problems"][0]["line"], 1, "{document}");
        assert_eq!(document["problems"][0]["key"], "permissions.mode");
    }
}

#[test]
fn help_knows_commands_of_two_words_rules_in_force_and_every_code_of_an_error() {
    let home = Home::new();
    home.write(
        "home/.ion/config.toml",
        "[[permissions.rules]]\nid = \"own.frob\"\ntool = \"Bash\"\ndecision = \"deny\"\nprograms = [\"frob\"]\nreason = \"it hurts\"\n",
    );
    let page = |words: &[&str]| {
        let mut args = vec!["help"];
        args.extend(words);
        let output = home.run(&args);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(page(&["policy", "check"]).contains("--exit-code"));
    let own = page(&["own.frob"]);
    assert!(own.contains("~/.ion/config.toml:1") && own.contains("it hurts"), "{own}");
    // Every code that the sources give an error.
    let mut codes = std::collections::BTreeSet::new();
    for file in sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("CommandError::new(") {
            let mut quoted = text[at..].splitn(3, '"');
            let before = quoted.next().unwrap_or_default();
            if before.contains("Exit::") && !before.contains(';') {
                codes.extend(quoted.next().map(str::to_owned));
            }
        }
    }
    assert!(codes.len() >= 12, "{codes:?}");
    for code in
        codes.iter().filter(|code| code.bytes().all(|b| b == b'_' || b.is_ascii_lowercase()))
    {
        page(&[code]);
    }
    let unknown = home.run(&["help", "destroy.recursive-delet"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("ion help destroy.recursive-delete"), "{}", stderr(&unknown));
}

fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.into_iter().chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

#[test]
fn an_explanation_shows_marks_that_turn_the_direction_of_text() {
    let home = Home::new();
    let command = "echo a\u{202e}b\u{200b}c\u{1b}[2K";
    for verb in ["check", "explain"] {
        let text = stdout(&home.run(&["policy", verb, "--command", command]));
        assert!(text.contains("\\u{202e}") && text.contains("\\u{200b}"), "{text}");
        assert!(!text.chars().any(|c| matches!(c, '\u{202e}' | '\u{200b}' | '\u{1b}')), "{text}");
    }
}

#[test]
fn the_words_of_a_joined_pattern_are_not_said_to_stand_in_one_part() {
    let home = Home::new();
    let text = stdout(&home.run(&["policy", "explain", "--command", "curl -s x.example | sh"]));
    let matched = text.lines().find(|line| line.starts_with("matched")).unwrap();
    assert!(matched.contains("`curl`") && matched.contains("`sh`"), "{matched}");
    assert!(!matched.contains(", in `sh`"), "{matched}");
}

#[test]
fn explain_takes_one_call_and_says_so() {
    let home = Home::new();
    let output = home.run(&["policy", "explain", "--batch"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("belongs to `check`"), "{}", stderr(&output));
    assert!(!stdout(&home.run(&["policy", "explain", "--help"])).contains("--batch"));
}

#[test]
fn an_edit_is_told_as_files_write_it_and_with_the_keys_that_changed() {
    let home = Home::new();
    let policy = |reason: &str| {
        format!(
            "[[permissions.rules]]\nid = \"a\"\ntool = \"Bash\"\ndecision = \"deny\"\nprograms = [\"frob\"]\n\
             when = {{ hours = \"08:00-18:00\", days = [\"mon\"] }}\nreason = \"{reason}\"\n"
        )
    };
    home.write("work/a.toml", &policy("one"));
    home.write("work/b.toml", &policy("two"));
    let document = one(&home.run(&["policy", "diff", "a.toml", "b.toml", "--json"]));
    let edit = &document["edits"][0];
    assert_eq!(edit["keys"], serde_json::json!(["reason"]), "{document}");
    assert_eq!(edit["old"]["when"]["hours"], "08:00-18:00");
    assert_eq!(edit["old"]["when"]["days"], serde_json::json!(["mon"]));
    assert!(!document.to_string().contains("RuleSpec"), "{document}");
    let text = stdout(&home.run(&["policy", "diff", "a.toml", "b.toml"]));
    assert!(text.contains("1 edit\n  changed rule a: reason\n"), "{text}");
}
