//! `ion sandbox run --preview`: what a command would change, from outside.

use super::stage::{EVERYBODY, Stage, Who};
use std::path::Path;
use std::process::Stdio;

fn preview(stage: &Stage, options: &[&str], script: &str) -> (String, String, Option<i32>) {
    let mut words = vec!["sandbox", "run", "--preview"];
    words.extend(options);
    words.extend(["--", "/bin/bash", "-c", script]);
    let mut ion = stage.program(&words);
    let output = ion.current_dir(stage.work()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

/// Every path below, with its contents or kind.
fn state(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for found in std::fs::read_dir(at).unwrap() {
            let path = found.unwrap().path();
            let what = if path.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if path.is_dir() {
                folders.push(path.clone());
                "folder".to_owned()
            } else {
                std::fs::read_to_string(&path).unwrap()
            };
            all.push((path.strip_prefix(folder).unwrap().display().to_string(), what));
        }
    }
    all.sort();
    all
}

/// A stage with a workspace worth changing.
fn set_up(who: Who) -> Stage {
    let stage = Stage::new(who);
    for folder in ["work/d/e", "work/.git"] {
        std::fs::create_dir_all(stage.path(folder)).unwrap();
    }
    for (file, text) in
        [("a", "one\ntwo\n"), ("gone", "g"), ("d/e/q", "q"), ("sub/x", "x"), (".git/config", "c")]
    {
        std::fs::write(stage.path("work").join(file), text).unwrap();
    }
    stage.hand_over();
    stage
}

fn stages(test: impl Fn(&Stage)) {
    for who in EVERYBODY {
        let stage = set_up(who);
        test(&stage);
        let left = std::fs::read_dir(stage.path("home/.ion/previews"));
        assert_eq!(left.unwrap().count(), 0, "nothing is left behind");
    }
}

const CHANGES: &str = "set -e; printf 'one\\nTWO\\n' > a; rm gone; rm -r d; mkdir d; echo n > d/n; \
                       mv sub/x sub/y; ln -s a link; echo out; ls -A";

#[test]
fn the_command_sees_its_changes_and_the_workspace_does_not() {
    stages(|stage| {
        let before = state(&stage.work());
        let (out, err, code) = preview(stage, &[], CHANGES);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.starts_with("out\n") && out.contains("link") && !out.contains("gone"), "{out}");
        for line in
            ["M a", "D gone", "D d/e/q", "A d/n", "A link", "-two\n+TWO", "nothing was changed"]
        {
            assert!(err.contains(line), "{line}: {err}");
        }
        assert_eq!(state(&stage.work()), before);
    });
}

#[test]
fn applying_gives_what_running_it_would_have_given() {
    stages(|stage| {
        let (_, err, code) = preview(stage, &["--apply"], CHANGES);
        assert_eq!(code, Some(0), "{err}");
        let previewed = state(&stage.work());
        let other = set_up(Who::Me);
        let run = other.bare(&["/bin/bash", "-c", CHANGES], "").current_dir(other.work()).output();
        assert!(run.unwrap().status.success());
        assert_eq!(previewed, state(&other.work()), "{err}");
        // A command that failed is not applied.
        let before = state(&stage.work());
        let (_, err, code) = preview(stage, &["--apply"], "echo x > new; exit 3");
        assert_eq!(code, Some(3), "{err}");
        assert_eq!(state(&stage.work()), before);
    });
}

#[test]
fn a_preview_reaches_nothing_else() {
    stages(|stage| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = stage.path("outside");
        let script = format!(
            "echo x > {0}/new; (exec 3<>/dev/tcp/127.0.0.1/{port}); echo x >> {0}/file; mkdir -p \
             .git/hooks; echo x > .git/hooks/pre-commit; true",
            other.display()
        );
        let write = other.display().to_string();
        let options = ["--apply", "--net", "all", "--write", &write];
        let (_, err, code) = preview(stage, &options, &script);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("protected .git/hooks"), "{err}");
        assert!(!other.join("new").exists() && listener.accept().is_err());
        assert_eq!(std::fs::read_to_string(other.join("file")).unwrap(), super::stage::CANARY);
        assert!(!stage.work().join(".git/hooks").exists());
    });
}

#[test]
fn where_it_cannot_be_had_nothing_runs() {
    let stage = Stage::new(Who::Me);
    for backend in super::stage::CONFINING.into_iter().filter(|name| *name != "userns") {
        let (_, err, code) = preview(&stage, &["--backend", backend], "echo > ran");
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains("a preview is not available") && err.contains("userns"), "{err}");
        assert!(!stage.work().join("ran").exists());
    }
}
