//! The file tools, run for real inside.

use super::stage::{CANARY, CONFINING, EVERYBODY, Played, Stage, Who, everywhere, text};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

fn file_tool(stage: &Stage, backend: &str, tool: &str, name: &str, mut input: Value) -> Played {
    let path = text(&stage.path(&format!("work/{name}")));
    input["file_path"] = path.clone().into();
    stage.scene(backend, tool, input).with("paths", vec![path]).play()
}

#[test]
fn read_numbers_lines_and_refuses_what_is_not_text() {
    everywhere(|stage, backend| {
        std::fs::write(stage.path("work/t"), "a\nb\nc\n").unwrap();
        std::fs::write(stage.path("work/bin"), b"\x7fELF\0\0").unwrap();
        rustix::fs::mknodat(
            CWD,
            stage.path("work/fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o644),
            0,
        )
        .unwrap();
        stage.hand_over();
        let read = |name: &str, input| file_tool(stage, backend, "Read", name, input);
        assert_eq!(read("t", json!({"offset": 2, "limit": 1})).ok(), "     2\tb");
        assert_eq!(read("t", json!({})).ok(), "     1\ta\n     2\tb\n     3\tc\n     4\t");
        assert_eq!(
            read("t", json!({"limit": -1})).failed(),
            "Error: limit must be a number that is at least 0"
        );
        assert!(read("bin", json!({})).failed().contains("binary file of 6 bytes"));
        assert!(read("fifo", json!({})).failed().contains("not a regular file"));
        assert!(read("sub", json!({})).failed().contains("is a directory, not a file"));
        let missing = text(&stage.path("work/no"));
        let said = format!("Error reading file: open {missing}: no such file or directory");
        assert_eq!(read("no", json!({})).failed(), said);
    });
}

#[test]
fn write_replaces_whole_files_makes_folders_and_keeps_the_mode() {
    everywhere(|stage, backend| {
        std::fs::write(stage.path("work/t"), "old").unwrap();
        let mode = std::fs::Permissions::from_mode(0o750);
        std::fs::set_permissions(stage.path("work/t"), mode).unwrap();
        stage.hand_over();
        let write = |name: &str, input| file_tool(stage, backend, "Write", name, input);
        let said = format!("Successfully wrote to {}", text(&stage.path("work/t")));
        assert_eq!(write("t", json!({"content": "new"})).ok(), said);
        write("x/y/z", json!({"content": "deep"})).ok();
        assert_eq!(std::fs::read_to_string(stage.path("work/t")).unwrap(), "new");
        let about = std::fs::metadata(stage.path("work/t")).unwrap();
        assert_eq!(about.permissions().mode() & 0o7777, 0o750);
        assert_eq!(std::fs::read_to_string(stage.path("work/x/y/z")).unwrap(), "deep");
        assert_eq!(write("t", json!({})).failed(), "Error: content is required");
        assert_eq!(write("t", json!({"content": 1})).failed(), "Error: content must be a string");
        let left = std::fs::read_dir(stage.work()).unwrap().flatten();
        assert!(
            left.into_iter().all(|e| !e.file_name().to_string_lossy().starts_with(".ion-write"))
        );
    });
}

#[test]
fn a_failed_write_leaves_the_old_content() {
    let stage = Stage::new(Who::Me);
    std::fs::write(stage.path("work/t"), "old").unwrap();
    let path = text(&stage.path("work/t"));
    let input = json!({"file_path": path, "content": "x".repeat(100_000)});
    for backend in CONFINING {
        let scene = stage.scene(backend, "Write", input.clone()).with("paths", vec![path.clone()]);
        let played = scene.with("file_size", 1000).play();
        assert!(played.failed().ends_with("file too large"), "{:#}", played.0);
    }
    assert_eq!(std::fs::read_dir(stage.work()).unwrap().count(), 2, "a temporary file is left");
    assert_eq!(std::fs::read_to_string(stage.path("work/t")).unwrap(), "old");
}

#[test]
fn edit_changes_the_match_and_nothing_else() {
    everywhere(|stage, backend| {
        let original = "caf\u{e9} \u{201c}x\u{201d}  \nkeep \u{2013} \u{fb01}  \nlast";
        std::fs::write(stage.path("work/t"), original).unwrap();
        stage.hand_over();
        let edit = |input| file_tool(stage, backend, "Edit", "t", input);
        let fuzzy = edit(json!({"old_string": "\"x\"", "new_string": "y"}));
        assert!(fuzzy.ok().ends_with("(fuzzy match: Unicode normalization applied)"));
        let now = std::fs::read_to_string(stage.path("work/t")).unwrap();
        assert_eq!(now, original.replace("\u{201c}x\u{201d}", "y"));
        let twice = edit(json!({"old_string": "a", "new_string": "b"}));
        assert_eq!(
            twice.failed(),
            "Error: old_string found 2 times. Use replace_all or provide more context."
        );
        edit(json!({"old_string": "a", "new_string": "b", "replace_all": true})).ok();
        let empty = edit(json!({"old_string": "", "new_string": "b"}));
        assert_eq!(empty.failed(), "Error: old_string must not be empty");
        assert!(
            edit(json!({"old_string": "zz", "new_string": ""})).failed().contains("not found in")
        );
        assert!(std::fs::read_to_string(stage.path("work/t")).unwrap().starts_with("cbf\u{e9}"));
    });
}

#[test]
fn glob_and_grep_search_the_workspace_without_following_links() {
    everywhere(|stage, backend| {
        for (name, content) in [
            ("a.rs", "fn one\n"),
            ("sub/b.rs", "x\nfn two\n"),
            (".hid.rs", "fn h\n"),
            ("c.txt", "fn\n"),
        ] {
            std::fs::write(stage.path(&format!("work/{name}")), content).unwrap();
        }
        symlink(stage.path("outside"), stage.path("work/out")).unwrap();
        symlink(stage.path("outside/file"), stage.path("work/d.rs")).unwrap();
        stage.hand_over();
        let play = |tool: &str, input| stage.scene(backend, tool, input).play();
        let at = |name: &str| text(&stage.path(&format!("work/{name}")));
        let all = [at(".hid.rs"), at("a.rs"), at("sub/b.rs")].join("\n");
        assert_eq!(play("Glob", json!({"pattern": "**/*.rs"})).ok(), all);
        let absolute = format!("{}/*.txt", text(&stage.work()));
        assert_eq!(play("Glob", json!({"pattern": absolute})).ok(), at("c.txt"));
        assert_eq!(play("Glob", json!({"pattern": "*.zig"})).ok(), "(no matches)");
        let elsewhere = play("Glob", json!({"pattern": "/etc/*"}));
        assert!(elsewhere.failed().contains("lies outside"));
        assert_eq!(
            play("Grep", json!({"pattern": "fn \\w+"})).ok(),
            "a.rs:1:fn one\nsub/b.rs:2:fn two"
        );
        let files = json!({"pattern": "fn", "output_mode": "files_with_matches", "glob": "*.rs"});
        assert_eq!(play("Grep", files).ok(), ".hid.rs\na.rs\nsub/b.rs");
        let count = json!({"pattern": "fn", "output_mode": "count", "path": "sub"});
        let scene = stage.scene(backend, "Grep", count).with("paths", vec![at("sub")]);
        assert_eq!(scene.play().ok(), "sub/b.rs:1");
        assert_eq!(play("Grep", json!({"pattern": CANARY})).ok(), "(no matches)");
        assert!(
            play("Grep", json!({"pattern": "("})).failed().starts_with("Error: invalid pattern")
        );
        let capped =
            stage.scene(backend, "Grep", json!({"pattern": "fn"})).with("output_bytes", 12);
        assert!(capped.play().ok().contains("(truncated at"));
    });
}

/// Ends the exchange also when an assertion fails.
struct StopsWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopsWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_link_swapped_in_after_the_check_gains_nothing() {
    for backend in super::stage::ALL {
        let stage = Stage::new(EVERYBODY[0]);
        // Even with the outside folder granted: the judged path was inside.
        let outside = text(&stage.path("outside"));
        for folder in ["work/real", "outside/real"] {
            std::fs::create_dir(stage.path(folder)).unwrap();
        }
        std::fs::write(stage.path("work/real/file"), "inside").unwrap();
        std::fs::write(stage.path("outside/real/file"), CANARY).unwrap();
        symlink(stage.path("outside/real"), stage.path("work/other")).unwrap();
        let stop = AtomicBool::new(false);
        let (one, two) = (stage.path("work/real"), stage.path("work/other"));
        let path = text(&stage.path("work/real/file"));
        let (mut inside, mut refused) = (0, 0);
        std::thread::scope(|scope| {
            let _stops = StopsWhenDropped(&stop);
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    renameat_with(CWD, &one, CWD, &two, RenameFlags::EXCHANGE).unwrap();
                }
            });
            for round in 0..30 {
                let (tool, input) = if round % 3 == 0 {
                    ("Write", json!({"file_path": path, "content": "inside"}))
                } else {
                    ("Read", json!({"file_path": path}))
                };
                let scene = stage.scene(backend, tool, input).with("paths", vec![path.clone()]);
                let played = scene.with("write", vec![outside.clone()]).play();
                assert!(!played.0.to_string().contains(CANARY), "{:#}", played.0);
                match played.0["is_error"] == json!(true) {
                    true => refused += 1,
                    false => inside += 1,
                }
            }
        });
        assert!(inside > 0 && refused > 0, "no race: {inside} inside, {refused} refused");
        assert_eq!(std::fs::read_to_string(stage.path("outside/real/file")).unwrap(), CANARY);
    }
}

#[test]
fn a_single_granted_file_is_written_in_place() {
    let stage = Stage::new(Who::Me);
    let path = text(&stage.path("outside/file"));
    let input = json!({"file_path": path, "content": "new"});
    for backend in CONFINING {
        let scene = stage.scene(backend, "Write", input.clone()).with("paths", vec![path.clone()]);
        scene.with("write", vec![path.clone()]).play().ok();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
}
