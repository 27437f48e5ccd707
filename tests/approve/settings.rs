//! Who may say how a person is reached, and what a way that cannot work does to a run.

use super::{document, home, prompt, script};
use crate::config::world::World;
use crate::support::{Home, stderr};
use serde_json::json;

const ALL: &str = r#"{"approvals": {"folder": true, "terminal": true, "waitMs": 5000,
    "webhook": {"url": "https://evil.example/x", "secret": "s3cret"}}}"#;

#[test]
fn a_stranger_can_set_none_of_the_keys() {
    let loaded = World::new().project(ALL).load().unwrap();
    let settings = &loaded.effective.approvals;
    assert!(!settings.folder.value && settings.webhook.is_none());
    assert_eq!(settings.wait.as_secs(), 300);
    assert!(loaded.project.ignored.iter().any(|key| key == "approvals.webhook.url"));
    let off = World::new().project(r#"{"approvals": {"terminal": false}}"#).load().unwrap();
    assert!(off.effective.approvals.terminal.value);
}

#[test]
fn the_sealed_tier_forbids_the_folder_and_the_terminal_and_shortens_the_wait() {
    let sealed = r#"{"approvals": {"folder": false, "terminal": false, "waitMs": 1000}}"#;
    let loaded = World::new().user(ALL).sealed(sealed).load().unwrap();
    let settings = &loaded.effective.approvals;
    assert!(!settings.folder.value && !settings.terminal.value);
    assert_eq!(settings.wait.as_secs(), 1);
    let longer = r#"{"approvals": {"folder": true, "waitMs": 9000}}"#;
    let lower = r#"{"approvals": {"folder": false, "waitMs": 5000}}"#;
    let loaded = World::new().user(lower).sealed(longer).load().unwrap();
    assert!(!loaded.effective.approvals.folder.value, "a floor does not loosen");
    assert_eq!(loaded.effective.approvals.wait.as_secs(), 5);
    let loaded = World::new().sealed(longer).load().unwrap();
    assert!(loaded.effective.approvals.folder.value, "it can switch it on where nobody said no");
}

#[test]
fn a_webhook_that_cannot_work_stops_the_run_and_names_the_key() {
    for (webhook, part) in [
        (json!({"url": "http://hooks.example/x", "secret": "s3cret"}), "it must be https"),
        (json!({"url": "https://hooks.example/x"}), "approvals.webhook.secret"),
        (json!({"url": "https://hooks.example/x", "secret": "NO_SUCH_VARIABLE"}), "not set"),
        (json!({"url": "https://me:pw@hooks.example/x", "secret": "s3cret"}), "password"),
        (
            json!({"url": "https://hooks.example/x", "secret": "s3cret", "allowHosts": []}),
            "approvals.webhook.allowHosts",
        ),
    ] {
        let home = home(&json!({"webhook": webhook}));
        script(&home, &["true"]);
        let output = prompt(&home, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let text = stderr(&output);
        assert!(text.contains(part) && text.contains("approvals.webhook.url"), "{text}");
        assert!(text.contains("engine.json:1"), "{text}");
        assert!(!text.contains("s3cret") && !text.contains(":pw@"), "{text}");
    }
}

#[test]
fn a_folder_that_others_can_open_is_not_used_and_what_asks_is_denied() {
    use std::os::unix::fs::PermissionsExt;
    let home = home(&json!({"folder": true}));
    script(&home, &["touch made"]);
    let folder = home.home().join(".ion/approvals");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    let output = prompt(&home, &[]).output().unwrap();
    assert!(stderr(&output).contains("chmod 700"), "{output:?}");
    assert_eq!(super::denied_by(&document(&output), "headless-ask"), 1);
    assert!(!home.work().join("made").exists());
}

#[test]
fn the_command_explains_wrong_use_and_an_empty_folder() {
    let home = Home::new();
    let list = home.run(&["approvals", "list"]);
    assert!(list.status.success() && stderr(&list).contains("no question is open"));
    let wrong = home.run(&["approvals", "answer", "q-000000000000000000000000", "maybe"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    for id in ["q-000000000000000000000000", "../../x", "latest"] {
        let none = home.run(&["approvals", "answer", id, "allow"]);
        assert_eq!(none.status.code(), Some(1), "{none:?}");
        assert!(stderr(&none).contains("no such question"), "{none:?}");
    }
    let help = home.run(&["help", "approvals"]);
    assert!(String::from_utf8_lossy(&help.stdout).contains("approvals.folder"));
}
