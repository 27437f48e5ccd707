//! Ordinary work inside `standard`: a sandbox that breaks it gets switched off.

use super::stage::{Stage, Who};
use std::process::Stdio;

/// Runs a script with the strongest backend of this machine, and with birdcage where it is built in.
fn works(script: &str, wanted: &str) {
    works_under("auto", script, wanted);
    if cfg!(feature = "birdcage") {
        works_under("birdcage", script, wanted);
    }
}

/// With the real home of whoever runs the tests: toolchains live there.
fn works_under(backend: &str, script: &str, wanted: &str) {
    let stage = Stage::new(Who::Me);
    let home = std::env::var("HOME").expect("a home");
    let words = ["sandbox", "run", "--backend", backend, "--", "/bin/bash", "-ec", script];
    let mut ion = stage.program(&words);
    ion.current_dir(stage.work()).stdin(Stdio::null());
    ion.env("HOME", &home).env("PATH", std::env::var("PATH").expect("a path"));
    ion.env("ION_DATA_DIR", stage.path("home/data"));
    let output = ion.output().expect("ion runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains(wanted),
        "{backend}: {script}\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn cargo_builds_and_runs() {
    // `rustup` finds its toolchains by `HOME`, which is the private folder under birdcage.
    works_under(
        "auto",
        "cargo -q init --vcs none --name ordinary . && cargo -q build --offline && \
         ./target/debug/ordinary && cargo -q test --offline > /dev/null",
        "Hello, world!",
    );
}

#[test]
fn make_and_a_compiler_for_c_work() {
    works(
        "printf '#include <stdio.h>\\nint main(void) { puts(\"from c\"); }\\n' > a.c; \
         printf 'a: a.c\\n\\tcc -o a a.c\\n' > Makefile; make -s && ./a",
        "from c",
    );
}

/// In a folder below: in the workspace itself the missing `.git` is held, see docs/sandbox.md.
#[test]
fn git_commits_branches_and_adds_a_working_tree() {
    works(
        "git init -q repo && cd repo && touch a && git add a && git status --short && \
         git -c user.name=n -c user.email=e@x commit -qm first && git branch other && \
         git worktree add -q side other && git -C side -c user.name=n -c user.email=e@x \
         commit -q --allow-empty -m second && git log --oneline --all | wc -l",
        "2",
    );
}

#[test]
fn a_project_that_is_a_repository_already_can_be_committed_to() {
    let stage = Stage::new(Who::Me);
    let init = format!("git init -q {0} && git -C {0} worktree prune", stage.work().display());
    assert!(stage.shell(&init).status.success());
    let script = "touch a && git add a && git -c user.name=n -c user.email=e@x commit -qm first && \
                  git switch -qc b && git worktree add -q side && git -C side status --short && \
                  git log --format=%s";
    let output = stage
        .program(&["sandbox", "run", "--", "/bin/bash", "-ec", script])
        .current_dir(stage.work())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "first\n", "{output:?}");
}

#[test]
fn python_makes_an_environment_and_runs_its_tests() {
    works(
        "python3 -m venv --without-pip env && printf 'import unittest\\nclass T(unittest.TestCase):\\n  \
         def test_a(self): self.assertTrue(True)\\n' > test_a.py && env/bin/python -m unittest 2>&1",
        "OK",
    );
}

#[test]
fn node_runs_and_npm_installs_from_what_it_has() {
    works(
        "mkdir dep && echo '{\"name\":\"dep\",\"version\":\"1.0.0\",\"main\":\"i.js\"}' > dep/package.json && \
         echo 'module.exports=42' > dep/i.js && tar -czf dep.tgz --transform 's,^dep,package,' dep && \
         echo '{\"name\":\"a\",\"version\":\"1.0.0\",\"dependencies\":{\"dep\":\"file:dep.tgz\"}}' > package.json && \
         npm install --offline --no-audit --no-fund --cache ./cache > /dev/null && \
         rm -r node_modules && npm ci --offline --no-audit --no-fund --cache ./cache > /dev/null && \
         node -e 'console.log(require(\"dep\"))'",
        "42",
    );
}

#[test]
fn threads_pipes_and_temporary_files_work() {
    works(
        "f=$(mktemp) && seq 1000 | sort -rn | tee \"$f\" | head -1 > /dev/null; wc -l < \"$f\"; \
         python3 -c 'import threading, mmap; m = mmap.mmap(-1, 4096, prot=7); \
         t = [threading.Thread(target=lambda: None) for _ in range(50)]; \
         [x.start() for x in t]; [x.join() for x in t]; print(\"threads\")'",
        "threads",
    );
}
