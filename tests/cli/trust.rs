//! `ion trust`: strangers stay strangers until somebody says otherwise, and again after a change.

use crate::support::{Home, stderr, stdout};

const LOOSER: &str = r#"{"permissions": {"rules": [{"tool": "Bash", "decision": "allow", "commandPatterns": ["git push*"]}]}}"#;

fn verdict(home: &Home) -> String {
    let check =
        ["policy", "check", "--tool", "Bash", "--command", "git push origin main", "--json"];
    let text = stdout(&home.run(&check));
    serde_json::from_str::<serde_json::Value>(&text).expect(&text)["decision"].to_string()
}

#[test]
fn a_folder_loosens_only_while_it_is_trusted_with_exactly_this_content() {
    let home = Home::new();
    home.write("work/.ion/engine.json", LOOSER);
    assert_ne!(verdict(&home), "\"allow\"");
    let shown = stdout(&home.run(&["trust", "--show"]));
    assert!(shown.contains("is not trusted") && shown.contains("permissions"), "{shown}");
    assert_ne!(verdict(&home), "\"allow\"", "looking changes nothing");

    let trusted = home.run(&["trust"]);
    assert!(trusted.status.success(), "{}", stderr(&trusted));
    assert_eq!(verdict(&home), "\"allow\"");
    let listed = stdout(&home.run(&["audit", "list", "--json"]));
    assert!(listed.contains("\"trust\"") && listed.contains("trusted"), "{listed}");

    home.write("work/.ion/engine.json", &format!("{LOOSER}\n"));
    assert_ne!(verdict(&home), "\"allow\"", "a changed file ends the trust");
    home.write("work/.ion/engine.json", LOOSER);
    assert_eq!(verdict(&home), "\"allow\"");
    assert!(home.run(&["trust", "--revoke"]).status.success());
    assert_ne!(verdict(&home), "\"allow\"");
}

#[test]
fn what_cannot_be_recorded_is_not_trusted() {
    let home = Home::new();
    home.write("work/.ion/engine.json", LOOSER);
    std::fs::create_dir_all(home.home().join(".ion/audit/audit.jsonl")).unwrap();
    assert_eq!(home.run(&["trust"]).status.code(), Some(1));
    assert_ne!(verdict(&home), "\"allow\"");
}
