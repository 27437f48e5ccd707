//! `ion sandbox doctor` and `explain`: what they say is what is so.

use super::stage::{EVERYBODY, Stage, Who};
use serde_json::Value;

fn json(stage: &Stage, words: &[&str]) -> (Value, Option<i32>) {
    let output = stage.program(words).current_dir(stage.work()).output().expect("ion runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    (value, output.status.code())
}

#[test]
fn the_doctor_attacks_and_finds_what_each_backend_promises() {
    for who in EVERYBODY {
        let stage = Stage::new(who);
        let (report, code) = json(&stage, &["sandbox", "doctor", "--json"]);
        assert_eq!((report["ok"].clone(), code), (Value::from(true), Some(0)), "{report:#}");
        let attacks = report["attacks"].as_array().unwrap();
        assert!(attacks.len() >= 13);
        for attack in attacks {
            for outcome in attack["outcomes"].as_array().unwrap() {
                let (id, backend) = (attack["id"].as_str().unwrap(), &outcome["backend"]);
                // What Landlock alone cannot hold must show, or the doctor does not look.
                let wanted = match (id, backend.as_str().unwrap()) {
                    ("processes", "landlock") => "open",
                    ("hooks", "landlock" | "birdcage") => "undone",
                    _ => "held",
                };
                assert_eq!(outcome["outcome"], wanted, "{who:?} {id} {backend}: {report:#}");
            }
        }
        assert_eq!(std::fs::read_dir(stage.path("tmp")).unwrap().count(), 0, "it cleans up");
    }
}

#[test]
fn a_machine_that_cannot_hold_the_profile_is_told_so_with_exit_code_1() {
    // Inside, no further user namespace can be made, and there is no bubblewrap for a view.
    let stage = Stage::new(Who::Me);
    std::fs::create_dir_all(stage.path("home/.ion")).unwrap();
    std::fs::write(stage.path("home/.ion/config.toml"), "profile = \"strict\"\n").unwrap();
    let ion = stage.path("ion");
    let mut outer = std::process::Command::new("bwrap");
    outer.args(["--unshare-user", "--disable-userns", "--bind", "/", "/", "--dev", "/dev"]);
    outer.args(["--proc", "/proc", "--"]).arg(&ion).args(["sandbox", "doctor", "--summary"]);
    outer.env_clear().env("HOME", stage.path("home")).env("PATH", "/usr/bin:/bin");
    outer.env("TMPDIR", stage.path("tmp")).current_dir(stage.work());
    let output = outer.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("does NOT hold") && said.contains("UNAVAILABLE"), "{said}");
}

#[test]
fn the_explanation_names_what_holds_and_runs_nothing() {
    let stage = Stage::new(Who::Me);
    std::fs::create_dir_all(stage.path("work/.git/hooks")).unwrap();
    let words = ["sandbox", "explain", "--json", "--backend", "landlock", "--pids", "7"];
    let (plan, code) = json(&stage, &words);
    assert_eq!(code, Some(0), "{plan:#}");
    assert_eq!(plan["backend"], "landlock");
    assert_eq!(plan["network"], "none");
    assert_eq!(plan["limits"]["processes"], 7);
    let protected = plan["protect"].as_array().unwrap();
    let stands =
        |name: &str| protected.iter().find(|p| p["name"] == name).unwrap()["exists"].clone();
    assert_eq!((stands(".git/hooks"), stands(".ion")), (true.into(), false.into()));
    let refused = plan["refusedCalls"].as_array().unwrap();
    assert!(
        ["ptrace", "mount", "io_uring_setup", "socket"]
            .iter()
            .all(|c| refused.contains(&(*c).into()))
    );
    assert!(!stage.path("work/.ion").exists());
}

#[test]
fn the_profile_for_macos_is_printed_here_and_refused_where_it_would_run() {
    let stage = Stage::new(Who::Me);
    let (document, code) = json(&stage, &["sandbox", "explain", "--backend", "seatbelt", "--json"]);
    assert_eq!(code, Some(0), "{document}");
    let text = document["profile"].as_str().unwrap();
    assert!(
        text.starts_with("(version 1)\n(deny default") && text.contains("[gG][iI][tT]"),
        "{text}"
    );
    assert!(document["parameters"]["WS"].is_string(), "{document}");
    let words = ["sandbox", "run", "--backend", "seatbelt", "--", "/bin/sh", "-c", "echo > ran"];
    let output = stage.program(&words).current_dir(stage.work()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!stage.work().join("ran").exists());
}
