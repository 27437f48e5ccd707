//! `ion policy check --classify` and the classifier of a run, with the scripted model.

use crate::support::{Home, stdout};
use serde_json::Value;

const SAFE: &str = "[[turn]]\ntext = \"safe\"\nusage = { input_tokens = 70, output_tokens = 1 }\n";
const UNSAFE: &str = "[[turn]]\ntext = \"unsafe\"\n[[turn]]\ntext = '{\"reasoning\":\"r\",\"verdict\":\"unsafe\",\"category\":\"destroy\",\"reason\":\"It deletes.\"}'\n";

/// A home whose classifier plays `script`, and its further settings.
fn home(script: &str, more: &str) -> Home {
    let home = Home::new();
    let file = home.write("guard.toml", script);
    home.write(
        "home/.ion/config.toml",
        &format!("[classifier]\nenabled = true\nmodel = \"scripted:{}\"\n{more}\n", file.display()),
    );
    home
}

fn check(home: &Home, command: &str) -> Value {
    let args =
        ["policy", "check", "--classify", "--request", "clean up", "--json", "--command", command];
    let output = home.run(&args);
    serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{output:?}"))
}

#[test]
fn a_safe_call_is_allowed_only_where_the_classifier_may_allow() {
    let allowed = check(&home(SAFE, "mayAllow = true"), "git push origin main");
    assert_eq!(allowed["decision"], "allow");
    assert_eq!(allowed["classifier"]["stage"], 1);
    assert_eq!(allowed["classifier"]["tokens"]["input_tokens"], 70);
    let open = check(&home(SAFE, ""), "git push origin main");
    assert_eq!(
        (&open["decision"], &open["classifier"]["decision"]),
        (&"ask".into(), &"ask".into())
    );
}

#[test]
fn an_unsafe_call_stays_open_or_is_denied_as_configured() {
    assert_eq!(check(&home(UNSAFE, ""), "git push origin main")["decision"], "ask");
    let denied = check(&home(UNSAFE, "onUnsafe = \"deny\""), "git push origin main");
    assert_eq!(denied["decision"], "deny");
    assert_eq!(denied["classifier"]["category"], "destroy");
    assert!(denied["reason"].as_str().unwrap().contains("It deletes."));
}

#[test]
fn what_rules_decide_is_not_shown_to_the_classifier() {
    for (command, decision) in [("rm -rf /etc", "deny"), ("ls", "allow")] {
        let checked = check(&home(SAFE, "mayAllow = true"), command);
        assert_eq!(
            (checked["decision"].as_str(), checked.get("classifier")),
            (Some(decision), None)
        );
    }
}

#[test]
fn without_the_flag_no_model_is_called_and_without_a_classifier_the_flag_is_an_error() {
    let switched_on = home("not a script", "mayAllow = true");
    let plain = switched_on.run(&["policy", "check", "--json", "--command", "git push"]);
    assert!(plain.status.success());
    assert!(!stdout(&plain).contains("classifier"));
    for home in [switched_on, Home::new()] {
        let output = home.run(&["policy", "check", "--classify", "--command", "git push"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
}

#[test]
fn a_project_cannot_choose_a_classifier() {
    let home = Home::new();
    home.write(
        "work/.ion/config.toml",
        "[classifier]\nenabled = true\nmayAllow = true\nmodel = \"scripted:x\"\n",
    );
    let output = home.run(&["policy", "check", "--classify", "--command", "git push"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_run_asks_the_classifier_and_records_its_opinion() {
    let home = home(SAFE, "mayAllow = true");
    let play = home.write(
        "play.toml",
        "[[turn]]\n[[turn.call]]\nname = \"Bash\"\ninput = { command = \"touch made && git push nowhere main\" }\n\
         [[turn]]\ntext = \"done\"\n",
    );
    let script = format!("scripted:{}", play.display());
    let output = home.run(&["prompt", "--model", &script, "--output", "json", "push it"]);
    assert!(output.status.success(), "{output:?}");
    let records = stdout(&home.run(&["audit", "list", "--json"]));
    let decision = records
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|record| record["kind"] == "decision")
        .expect("a decision");
    assert_eq!(decision["decision"], "allow", "{decision}");
    assert_eq!(decision["body"]["decided_by"], "classifier", "{decision}");
    assert_eq!(decision["body"]["classifier"]["stage"], 1);
    assert!(decision["body"]["classifier"]["model"].as_str().unwrap().starts_with("scripted/"));
}
