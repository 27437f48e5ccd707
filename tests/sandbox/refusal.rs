//! What happens when the machine cannot hold what is asked for: nothing runs.

use super::stage::{EVERYBODY, Stage, Who, text};

#[test]
fn unknown_and_too_weak_backends_are_refused_by_name() {
    let stage = Stage::new(Who::Me);
    let play = |backend: &str, requirement: &str| {
        let scene = stage.bash("none", "touch ran").with("backend", backend);
        let played = scene.with("requirement", requirement).play();
        assert_eq!(played.error(), Some("unavailable"), "{:#}", played.0);
        played.0["message"].as_str().unwrap().to_owned()
    };
    assert!(play("gvisor", "open").contains("names `gvisor`, which this build does not have"));
    assert!(play("seatbelt", "open").contains("`seatbelt` is macOS's"));
    assert!(play("landlock", "view").contains("weaker than policy requires"));
    assert!(play("none", "view").contains("weaker than policy requires"));
    assert!(play("none", "rules").contains("weaker than policy requires"));
    if cfg!(feature = "birdcage") {
        assert!(play("birdcage", "view").contains("weaker than policy requires"));
    } else {
        // Whatever else would be wrong with it: the reason, and the way to it.
        for requirement in ["view", "rules", "open"] {
            let told = play("birdcage", requirement);
            for part in ["built without it", "GPL-3.0", "cargo build --release --features birdcage"]
            {
                assert!(told.contains(part), "{told}");
            }
        }
    }
    assert!(!stage.path("work/ran").exists());
}

#[test]
fn the_strongest_backend_is_taken_and_its_layers_are_reported() {
    for who in EVERYBODY {
        let stage = Stage::new(who);
        for requirement in ["view", "rules"] {
            let scene = stage.bash("auto", "true").with("requirement", requirement);
            let played = scene.play();
            let enforced = &played.0["enforced"];
            // Under bubblewrap a call of root's could change the host's devices.
            let root = matches!(who, Who::Me) && rustix::process::geteuid().is_root();
            let strongest = if root { "userns" } else { "bwrap" };
            assert_eq!(enforced["backend"], strongest, "{:#}", played.0);
            assert_eq!(enforced["missing"], serde_json::json!([]));
            let layers = enforced["layers"].to_string();
            for layer in ["namespaces", "landlock-abi-", "seccomp", "no-new-privs"] {
                assert!(layers.contains(layer), "{layers}");
            }
        }
    }
}

#[test]
fn no_confinement_is_had_only_by_asking_for_it_and_is_reported() {
    let stage = Stage::new(Who::Me);
    let played = stage.bash("auto", "echo $ION_TEST_SECRET x").with("requirement", "open").play();
    assert_eq!(played.ok(), "x\n", "the environment is rebuilt all the same");
    assert_eq!(played.0["enforced"]["backend"], "none");
    assert!(played.0["enforced"]["missing"].to_string().contains("no confinement"));
}

/// `ion` inside a sandbox in which no further namespace can be made.
#[test]
fn without_namespaces_a_view_is_refused_and_rules_are_held_by_landlock() {
    let stage = Stage::new(Who::Me);
    let base = text(&stage.path(""));
    let nested = |requirement: &str| {
        let scene = serde_json::json!({
            "tool": "Bash", "input": {"command": "touch ran; cat /etc/shadow"},
            "workspace": text(&stage.work()), "requirement": requirement,
        });
        let mut outer = std::process::Command::new("bwrap");
        outer.args([
            "--unshare-user",
            "--disable-userns",
            "--dev-bind",
            "/",
            "/",
            "--proc",
            "/proc",
        ]);
        outer.args(["--unshare-pid", "--bind", &base, &base, "--"]);
        outer.arg(stage.path("ion")).args(["__worker", "rehearse"]).env_clear();
        outer.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = outer.spawn().unwrap();
        use std::io::Write;
        child.stdin.take().unwrap().write_all(scene.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let view = nested("view");
    assert_eq!(view["error"], "unavailable", "{view:#}");
    let message = view["message"].as_str().unwrap();
    for part in
        ["the tool did not run", "needs     an own view", "bwrap: ", "cause     ", "fix       "]
    {
        assert!(message.contains(part), "{message}");
    }
    assert!(!stage.path("work/ran").exists());
    let rules = nested("rules");
    assert_eq!(rules["enforced"]["backend"], "landlock", "{rules:#}");
    assert_eq!(rules["is_error"], true, "{rules:#}");
    assert!(stage.path("work/ran").exists());
}

#[test]
fn a_protected_name_that_makes_no_sense_stops_the_call() {
    let stage = Stage::new(Who::Me);
    for backend in super::stage::CONFINING {
        let scene = stage.bash(backend, "touch ran").with("protect", vec!["../x"]);
        let played = scene.play();
        assert_eq!(played.error(), Some("unavailable"), "{:#}", played.0);
    }
    assert!(!stage.path("work/ran").exists());
}

#[test]
fn a_workspace_that_is_gone_stops_the_call() {
    let stage = Stage::new(Who::Me);
    std::fs::remove_dir_all(stage.work()).unwrap();
    for backend in super::stage::CONFINING {
        let played = stage.bash(backend, "echo ran").play();
        assert!(played.error().is_some() || played.0["is_error"] == true, "{:#}", played.0);
        assert!(!played.content().contains("ran\n"), "{:#}", played.0);
    }
}
