//! Holes that an outside review found, each kept shut by a test.

use crate::support::{Home, stderr, stdout};
use serde_json::Value;

const fn turn() -> &'static str {
    "[[turn]]\ntext = \"done\"\n"
}

fn calling(home: &Home, name: &str, input: &str) -> std::process::Output {
    home.write(
        "work/s.toml",
        &format!("[[turn]]\ntext = \"go\"\n[[turn.call]]\nname = \"{name}\"\n{input}\n{}", turn()),
    );
    home.run(&["prompt", "--output", "json", "--model", "scripted:s.toml", "go"])
}

fn denials(output: &std::process::Output) -> Value {
    let document: Value = serde_json::from_str(&stdout(output)).expect("one document");
    document["permissionDenials"].clone()
}

#[test]
fn policy_check_says_what_a_run_would_do_with_a_withdrawn_tool() {
    let home = Home::new();
    home.write("work/.ion/engine.json", r#"{"toolRestrictions": {"deny": ["Bash"]}}"#);
    let output = home.run(&["policy", "check", "--tool", "shell", "--command", "ls", "--json"]);
    let decision: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(decision["decision"], "deny");
    assert_eq!(decision["rule"]["tier"], "project");
}

#[test]
fn a_log_inside_the_workspace_is_out_of_sight_of_tools() {
    let home = Home::new();
    let script = "[[turn]]\n[[turn.call]]\nname = \"Bash\"\n\
        input = { command = \"ls -A dd; echo forged > dd/audit/audit.jsonl; true\" }\n[[turn]]\ntext = \"ok\"\n";
    home.write("work/s.toml", script);
    let data = home.work().join("dd");
    std::fs::create_dir(&data).unwrap();
    let run = |args: &[&str]| home.ion(args).env("ION_DATA_DIR", &data).output().unwrap();
    run(&["prompt", "--model", "scripted:s.toml", "go"]);
    let verified = run(&["audit", "verify"]);
    assert!(verified.status.success(), "{}{}", stdout(&verified), stderr(&verified));
    let log = std::fs::read_to_string(data.join("audit/audit.jsonl")).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
    assert!(log.contains("\"decision\""), "{log}");
}

#[test]
fn an_emptied_log_does_not_verify() {
    let home = Home::new();
    calling(&home, "Glob", "input = { pattern = \"*\" }");
    let log = home.home().join(".ion/audit/audit.jsonl");
    std::fs::write(&log, "").unwrap();
    std::fs::remove_file(log.with_extension("jsonl.head")).unwrap();
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(1));
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("/dev/null", &log).unwrap();
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(1));
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let home = Home::new();
    home.write("work/s.toml", turn());
    let pipe = |path: &str| {
        let path = home.write(path, "");
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
    };
    pipe("home/.ion/conversations/waiting.jsonl");
    for id in ["waiting", "latest"] {
        let output = home.run(&["prompt", "--resume", id, "--model", "scripted:s.toml", "go"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    }
    pipe("home/.ion/audit/audit.jsonl");
    for command in ["verify", "list", "denials"] {
        assert_eq!(home.run(&["audit", command]).status.code(), Some(1), "{command}");
    }
}

#[test]
fn a_linked_or_open_transcript_is_not_gone_on_with() {
    let home = Home::new();
    home.write("work/s.toml", turn());
    assert!(home.run(&["prompt", "--model", "scripted:s.toml", "one"]).status.success());
    let folder = home.home().join(".ion/conversations");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let before = std::fs::read(&file).unwrap();
    std::os::unix::fs::symlink(&file, folder.join("link.jsonl")).unwrap();
    let output = home.run(&["prompt", "--resume", "link", "--model", "scripted:s.toml", "two"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(std::fs::read(&file).unwrap(), before);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let id = file.file_stem().unwrap().to_str().unwrap().to_owned();
    let output = home.run(&["prompt", "--resume", &id, "--model", "scripted:s.toml", "two"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("chmod go-w"), "{}", stderr(&output));
}

#[test]
fn unknown_tools_and_unusable_input_are_refused_on_record() {
    let home = Home::new();
    let output = calling(&home, "Frobnicate", "input = { a = 1 }");
    assert_eq!(denials(&output)[0]["reason"], "Unknown tool: Frobnicate");
    let output = calling(&home, "Bash", "input_json = '{\"command\": '");
    assert_eq!(denials(&output)[0]["decidedBy"], "malformed");
    let listed = stdout(&home.run(&["audit", "list", "--json", "--decision", "deny"]));
    assert!(listed.contains("Frobnicate") && listed.contains("not usable"), "{listed}");
}

#[test]
fn a_call_id_that_is_a_secret_is_masked_everywhere() {
    let home = Home::new();
    let secret = format!("{}-{}", "correct-horse", "battery-staple-77");
    home.write(
        "work/s.toml",
        &format!("[[turn]]\n[[turn.call]]\nid = \"{secret}\"\nname = \"Glob\"\ninput = {{ pattern = \"*\" }}\n{}", turn()),
    );
    let args = ["prompt", "--output", "stream-json", "--model", "scripted:s.toml", "go"];
    let output = home.ion(&args).env("DB_PASSWORD", &secret).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let mut everything = stdout(&output) + &stderr(&output);
    for entry in walk(&home.home()) {
        everything.push_str(&String::from_utf8_lossy(&std::fs::read(entry).unwrap()));
    }
    assert!(!everything.contains(&secret));
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(walk(&path)),
            path => found.push(path),
        }
    }
    found
}

#[test]
fn a_rule_that_no_run_could_use_does_not_validate() {
    let home = Home::new();
    home.write("home/.ion/engine.json", r#"{"permissions": {"deny": ["Bash(echo *)x"]}}"#);
    let output = home.run(&["config", "validate"]);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    assert!(stderr(&output).contains("engine.json:1"), "{}", stderr(&output));
}

#[test]
fn text_before_a_call_and_after_it_stand_on_lines_of_their_own() {
    let home = Home::new();
    calling(&home, "Glob", "input = { pattern = \"*\" }");
    let output = home.run(&["prompt", "--model", "scripted:s.toml", "go"]);
    assert_eq!(stdout(&output), "go\ndone\n");
}

#[test]
fn a_workspace_that_is_the_home_folder_can_be_worked_in_and_hides_ions_own() {
    let home = Home::new();
    let script = "[[turn]]\n[[turn.call]]\nname = \"Bash\"\n\
        input = { command = \"echo kept > kept.txt; ls -A .ion | wc -l\" }\n[[turn]]\ntext = \"{{last_tool_result}}\"\n";
    home.write("home/s.toml", script);
    let mut command = home.ion(&["prompt", "--model", "scripted:s.toml", "go"]);
    let output = command.current_dir(home.home()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output).trim(), "0", "the folder of Ion is visible");
    assert!(home.home().join("kept.txt").exists());
    let left: Vec<_> = std::fs::read_dir(home.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [".ion", "kept.txt", "s.toml"];
    assert!(left.iter().all(|name| expected.contains(&name.as_str())), "left behind: {left:?}");
}

#[test]
fn a_machine_that_cannot_hold_the_profile_ends_the_run_with_exit_2() {
    let home = Home::new();
    home.write(
        "home/.ion/engine.json",
        r#"{"sandbox": {"backend": "landlock", "minimum": "view"}}"#,
    );
    home.write("work/s.toml", "[[turn]]\n[[turn.call]]\nname = \"Bash\"\ninput = { command = \"touch ran\" }\n[[turn]]\ntext = \"ok\"\n");
    let output = home.run(&["prompt", "--output", "json", "--model", "scripted:s.toml", "go"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!home.work().join("ran").exists());
    let document: Value = serde_json::from_str(&stdout(&output)).expect("one document");
    assert_eq!(document["errorCode"], "sandbox_unavailable");
}

#[test]
fn a_search_does_not_show_what_reading_would_be_refused() {
    let home = Home::new();
    home.write("work/.env", "TOPSECRET_LINE=1\n");
    home.write("work/secret/x.txt", "TOPSECRET_LINE=2\n");
    home.write("work/open.txt", "TOPSECRET_LINE=3\n");
    home.write(
        "home/.ion/engine.json",
        r#"{"permissions": {"rules": [{"tool": "Read", "decision": "deny", "pathPatterns": ["secret/**"]}]}}"#,
    );
    for input in [
        "{ pattern = \"TOPSECRET\" }",
        "{ pattern = \"TOPSECRET\", path = \".\", glob = \".e*\" }",
        "{ pattern = \"TOPSECRET\", glob = \"secre?/x*\" }",
        "{ pattern = \"TOPSECRET\", output_mode = \"count\" }",
    ] {
        home.write(
            "work/s.toml",
            &format!("[[turn]]\n[[turn.call]]\nname = \"Grep\"\ninput = {input}\n[[turn]]\ntext = \"{{{{last_tool_result}}}}\"\n"),
        );
        let text = stdout(&home.run(&["prompt", "--model", "scripted:s.toml", "go"]));
        assert!(!text.contains("LINE=1") && !text.contains("LINE=2"), "{input}: {text}");
        assert!(text.contains("policy withholds"), "{input}: {text}");
        assert!(text.contains("open.txt") || input.contains("glob"), "{input}: {text}");
    }
}
