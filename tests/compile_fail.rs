//! What must not compile, does not, and for the stated reason.
//!
//! Each file of `tests/compile_fail/` begins with `// error: E0000` and holds one forbidden use
//! of a token. A file that begins with `// compiles` is the control: the same use, done right.
//! Error codes are stable over compiler versions, messages are not, so only codes are compared.

#![allow(clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The folder of compiled dependencies that this very test was linked from.
fn dependencies() -> PathBuf {
    let exe = std::env::current_exe().expect("the path of this test");
    exe.parent().expect("a folder").to_path_buf()
}

/// The newest library of that crate: the one that was just built for this test.
fn library(name: &str) -> PathBuf {
    let prefix = format!("lib{name}-");
    let candidates = fs::read_dir(dependencies()).expect("a readable folder").filter_map(|entry| {
        let entry = entry.ok()?;
        let file = entry.file_name().into_string().ok()?;
        let fits = file.starts_with(&prefix) && file.ends_with(".rlib");
        let age = entry.metadata().ok()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        fits.then(|| (age, entry.path()))
    });
    candidates.max().map(|(_, path)| path).unwrap_or_else(|| panic!("no library of {name}"))
}

fn compile(case: &Path) -> (bool, String) {
    let out = tempfile::tempdir().expect("a temporary folder");
    let rustc = option_env!("RUSTC").unwrap_or("rustc");
    let output = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "bin",
            "--emit",
            "metadata",
            "--color",
            "never",
        ])
        .args(["-A", "warnings"])
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", dependencies().display()))
        .arg("--extern")
        .arg(format!("ion={}", library("ion").display()))
        .arg("--extern")
        .arg(format!("serde={}", library("serde").display()))
        .arg("--extern")
        .arg(format!("serde_json={}", library("serde_json").display()))
        .arg(case)
        .output()
        .expect("rustc runs");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn forbidden_uses_of_the_tokens_do_not_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).expect("cases").map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    assert!(cases.len() > 8, "only {} cases were found", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let text = fs::read_to_string(&case).expect("a case");
        let first = text.lines().next().unwrap_or_default();
        let (compiled, messages) = compile(&case);
        let codes: Vec<&str> = messages
            .lines()
            .filter_map(|line| line.strip_prefix("error["))
            .filter_map(|rest| rest.split(']').next())
            .collect();
        let as_stated = match first.strip_prefix("// error: ") {
            Some(code) => !compiled && !codes.is_empty() && codes.iter().all(|seen| *seen == code),
            None => first == "// compiles" && compiled,
        };
        if !as_stated {
            wrong.push(format!("{}: {first}\n{messages}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
