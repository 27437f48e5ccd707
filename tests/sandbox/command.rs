//! `Bash`: what the model gets to read, limits, and what must simply work.

use super::stage::{Stage, Who, everywhere, text};

#[test]
fn output_exit_code_and_errors_read_as_documented() {
    let stage = Stage::new(Who::Me);
    let say = |command: &str| stage.bash("bwrap", command).play();
    assert_eq!(say("true").ok(), "(no output)");
    assert_eq!(say("echo a; echo b >&2").ok(), "a\n\nSTDERR:\nb\n");
    assert_eq!(say("exit 3").failed(), "Command failed with exit code 3");
    assert_eq!(say("echo a; exit 3").failed(), "a\nCommand failed with exit code 3");
    assert_eq!(say("kill -9 $$").0["exit_code"], 137);
    assert_eq!(say("cat; echo end").ok(), "end\n");
    assert_eq!(say("printf '\\xff\\0x'").ok(), "\u{fffd}\0x");
    assert_eq!(
        stage.scene("bwrap", "Bash", serde_json::json!({})).play().failed(),
        "Error: command is required"
    );
}

#[test]
fn ordinary_work_works() {
    everywhere(|stage, backend| {
        let command = "set -e; echo a | cat | grep a; pwd; echo x > $TMPDIR/t; cat $TMPDIR/t; \
            echo y > ~/t; cat ~/t; mkdir d; mv d e; ln -s e l; ln sub/../e/../f 2>/dev/null || true; \
            cat <(echo sub); (sleep 0.01 & wait); kill -0 $$; \
            /usr/bin/python3 -c 'import threading,subprocess,tempfile,mmap;t=threading.Thread(target=print,args=(1,));t.start();t.join();subprocess.run([\"true\"],check=True);tempfile.NamedTemporaryFile();mmap.mmap(-1,4096,prot=7)'; \
            test -w /dev/null; head -c1 /dev/urandom >/dev/null; echo done";
        let played = stage.bash(backend, command).play();
        let work = text(&stage.work());
        assert_eq!(played.ok(), format!("a\n{work}\nx\ny\nsub\n1\ndone\n"));
        assert!(stage.path("work/e").is_dir());
    });
}

#[test]
fn a_flood_keeps_its_head_and_tail_and_counts_the_rest() {
    everywhere(|stage, backend| {
        let command = "echo first; head -c 30000000 /dev/zero | tr '\\0' x; echo last";
        let played = stage.bash(backend, command).with("output_bytes", 2000).play();
        let content = played.ok();
        assert!(content.starts_with("first\nx") && content.ends_with("xlast\n"));
        assert!(content.len() < 2200);
        assert_eq!(played.0["omitted_bytes"], 30_000_011 - 2000);
        assert!(content.contains("[29998011 bytes omitted]"));
    });
}

#[test]
fn control_characters_expanded_by_json_still_fit() {
    let stage = Stage::new(Who::Me);
    let played = stage.bash("bwrap", "head -c 99999 /dev/zero").play();
    assert_eq!(played.ok().len(), 99_999);
}

#[test]
fn a_time_out_names_the_limit_keeps_the_output_and_kills_the_tree() {
    everywhere(|stage, backend| {
        let command = "trap '' TERM; echo before; (setsid sleep 77 &); \
                       while :; do sleep 0.05; echo x > alive; done";
        let played = stage
            .scene(backend, "Bash", serde_json::json!({"command": command, "timeout": 300}))
            .play();
        let content = played.failed();
        assert!(content.starts_with("before\n"), "{content}");
        assert!(content.contains("limit of 300 ms"), "{content}");
        std::fs::remove_file(stage.path("work/alive")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!stage.path("work/alive").exists(), "it goes on");
    });
}

#[test]
fn a_call_cannot_raise_its_own_limit() {
    let stage = Stage::new(Who::Me);
    let input = serde_json::json!({"command": "sleep 60", "timeout": 600_000});
    let played = stage.scene("bwrap", "Bash", input).with("wall_ms", 200).play();
    assert!(played.failed().contains("limit of 200 ms"), "{:#}", played.0);
}

#[test]
fn a_fork_bomb_is_stopped_by_the_configured_limit() {
    everywhere(|stage, backend| {
        let command = "for i in $(seq 2000); do sleep 60 & done; wait";
        let played = stage.bash(backend, command).with("processes", 40).play();
        let content = played.failed();
        let clear = content.contains("more than 40 processes")
            || content.contains("Resource temporarily unavailable");
        assert!(clear, "{content}");
    });
}

#[test]
fn a_large_file_is_stopped_by_the_configured_limit() {
    everywhere(|stage, backend| {
        let command = "head -c 5000000 /dev/zero > big; ls -l big >&2; exit 1";
        stage.bash(backend, command).with("file_size", 1_000_000).play().failed();
        assert_eq!(std::fs::metadata(stage.path("work/big")).unwrap().len(), 1_000_000);
    });
}

#[test]
fn a_refusal_by_the_kernel_is_explained_after_the_commands_own_words() {
    everywhere(|stage, backend| {
        let played = stage.bash(backend, "echo x > /usr/x").play();
        let content = played.failed();
        let note = content
            .find("[ion sandbox] write to /usr/x refused by the sandbox (likely")
            .expect("a note");
        let words = content.find("/usr/x").expect("its own words");
        assert!(words < note, "{content}");
        assert!(content.contains(&text(&stage.work())), "{content}");
        assert!(content.contains("network: none"), "{content}");
        let plain = stage.bash(backend, "cat missing").play();
        assert!(!plain.failed().contains("[ion sandbox]"), "{}", plain.content());
    });
}

#[test]
fn each_refusal_is_told_by_its_rule_and_an_ordinary_failure_is_not() {
    everywhere(|stage, backend| {
        std::fs::create_dir_all(stage.path("work/.git/hooks")).unwrap();
        std::fs::write(stage.path("work/.git/config"), "").unwrap();
        stage.hand_over();
        let home = stage.path("home");
        let cases: &[(String, &str, &str, &str)] = &[
            (format!("cat {}/.ssh/id_rsa", home.display()), "read", "id_rsa", "sandbox.read"),
            ("touch /usr/y".into(), "write", "/usr/y", "sandbox.write"),
            ("python3 -c 'open(\"/usr/z\", \"w\")'".into(), "write", "/usr/z", "sandbox.write"),
            (
                "python3 -c 'import socket; socket.getaddrinfo(\"a.example\", 80)'".into(),
                "connect",
                "a host",
                "sandbox.network = none",
            ),
            ("unshare -U true".into(), "call", "unshare", "the system-call filter"),
        ];
        for (command, operation, target, rule) in cases {
            let played = stage.bash(backend, command).play();
            let content = played.failed();
            let denied = &played.0["enforced"]["denied"][0];
            let text = |key: &str| denied[key].as_str().unwrap_or_default().to_owned();
            assert!(text("target").ends_with(target), "{backend} {command}: {content} {denied}");
            assert!(text("rule").contains(rule), "{backend} {command}: {denied}");
            assert!(operation.is_empty() || text("operation") == *operation, "{denied}");
            assert_eq!(text("grade"), "likely");
            assert!(content.contains("[ion sandbox] ") && content.contains("writable here: "));
        }
        for command in [
            "cat missing",
            "cat /no/such/file",
            "ls /usr/no-such-file",
            "echo 'Permission denied'; exit 1",
            "mkdir -p a; touch a/b; mkdir a/b/c",
            "/bin/false",
            "touch plain; ./plain",
        ] {
            let played = stage.bash(backend, command).play();
            let content = played.failed();
            assert!(!content.contains("[ion sandbox]"), "{backend} {command}: {content}");
        }
        if super::stage::has_view(backend) {
            let command = "echo x >> .git/config";
            let played = stage.bash(backend, command).with("protect", vec![".git/config"]).play();
            assert!(played.failed().contains("rule sandbox.protect `.git/config`"), "{played:?}");
        }
    });
}

#[test]
fn a_note_does_not_tell_whether_something_stands_where_nothing_is_seen() {
    everywhere(|stage, backend| {
        // The words are the command's own; what they are about is out of its sight.
        for (there, missing) in [
            ("home/.ssh/id_rsa", "home/.ssh/id_other"),
            ("outside/file", "outside/none"),
            ("home/.ssh", "home/.nope"),
        ] {
            for words in ["No such file or directory", "Permission denied", "Read-only file system"]
            {
                let told = |name: &str| {
                    let path = text(&stage.path(name));
                    std::os::unix::fs::symlink(&path, stage.path("work/link")).unwrap();
                    let command =
                        format!("echo 'cat: {path}: {words}'; echo 'cat: link/x: {words}'; exit 1");
                    let played = stage.bash(backend, &command).play();
                    std::fs::remove_file(stage.path("work/link")).unwrap();
                    played.failed().replace(&path, "PATH")
                };
                assert_eq!(told(there), told(missing), "{backend}: {words}");
            }
        }
    });
}

#[test]
fn an_orphan_that_holds_the_output_does_not_hold_the_reply() {
    everywhere(|stage, backend| {
        let started = std::time::Instant::now();
        let played = stage.bash(backend, "echo end; (setsid sleep 30 &); (setsid yes &)").play();
        assert!(played.ok().contains("end"));
        assert!(started.elapsed() < std::time::Duration::from_secs(15), "waited for the orphan");
    });
}
