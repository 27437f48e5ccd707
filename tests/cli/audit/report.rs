//! `ion audit report`: what the page says, what a hostile record cannot do to it, where it goes.

use super::{HOSTILE, add, judged, open, path};
use crate::support::{Home, stderr, stdout};
use base64::Engine;
use ion::audit::Kind;
use ion::audit::record::is_deceptive;
use ion::model::Decision;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::process::Command;

fn filled() -> Home {
    let home = Home::new();
    let log = open(&home);
    judged(&log, "cargo test", Decision::Allow);
    judged(&log, HOSTILE, Decision::Deny);
    judged(&log, "git push", Decision::Ask);
    let body = json!({
        "call": {"tool": HOSTILE, "input": {"path": HOSTILE}}, "decided_by": "headless-ask",
        "reason": HOSTILE, "rule": {"id": HOSTILE, "tier": HOSTILE, "source": HOSTILE},
        "danger": [{"pattern": HOSTILE, "severity": "critical"}], "agent": HOSTILE,
        "steps": [{"decision": HOSTILE, "basis": HOSTILE, "subject": HOSTILE, "rule": HOSTILE}]
    });
    add(&log, Kind::Decision, HOSTILE, Some(Decision::Deny), &body);
    home
}

/// What stands between two marks, and that they stand there once.
fn only<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    assert_eq!((page.matches(start).count(), page.matches(end).count()), (1, 1), "{start}{end}");
    page.split_once(start).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn the_page_is_complete_without_scripts() {
    let home = filled();
    let output = home.run(&["audit", "report"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "chain intact to record 4\n");
    let page = stdout(&output);
    for part in [
        "VERIFIED: 4 records, none changed",
        "The newest 4 records (1 to 4) are chained and not covered by a signature yet",
        "<span class=\"allow\">1 allowed</span> · <span class=\"ask\">1 asked</span>",
        "<span class=\"deny\">2 denied</span>",
        "1 allowed, 1 asked, 2 denied</title>",
        "1 × calls refused that match a critical pattern; the newest is <a href=\"#r4\">record 4</a>",
        "1 × calls refused because nobody could answer",
        "<tr><td>test.rule<td>user<td class=\"n allow\">1<td class=\"n ask\">1<td class=\"n deny\">1",
        "<span class=\"deny\">1 denied</span> by <code>test.rule</code>",
        "<tr id=\"r1\"><td class=\"n\">1",
        "next: ion policy explain --record 2",
        "<form id=\"filter\" hidden>",
    ] {
        assert!(page.contains(part), "no `{part}` in {page}");
    }
}

#[test]
fn nothing_loads_and_only_the_script_of_the_page_may_run() {
    let page = stdout(&filled().run(&["audit", "report"]));
    let hash = |text: &str| {
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text.as_bytes()))
    };
    let policy =
        only(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "form-action 'none'\">");
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; ",
            hash(only(&page, "<style>", "</style>")),
            hash(only(&page, "<script>", "</script>"))
        )
    );
    for outside in [" src=", "<link", "@import", "<base", "<iframe", "<img", " style=\"", " on"] {
        let text = page.replace("form.oninput", "").replace("form.onsubmit", "");
        let tags = text
            .split('<')
            .filter_map(|part| part.split_once('>'))
            .map(|(tag, _)| format!("<{tag}"));
        assert!(!tags.into_iter().any(|tag| tag.contains(outside)), "{outside}");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(#h)").count());
    assert_eq!(page.matches("href=").count(), page.matches("href=\"#r").count());
}

#[test]
fn hostile_values_are_text() {
    let page = stdout(&filled().run(&["audit", "report"]));
    assert!(!page.contains(|c| c != '\n' && is_deceptive(c)));
    let shown = r"echo a\u000ab\u000d|c=d]e&quot;f&#39;g\h\u001b[2Ji\u202ej\u009bk\u0009l&lt;script&gt;alert(1)&lt;/script&gt;&lt;/style&gt;&amp;amp;";
    // The command, in the table and in its trace, then all that the other record holds.
    assert!(page.matches(shown).count() >= 12, "{page}");
    assert!(!page.contains("<script>alert"));
    assert_eq!((page.matches("</style>").count(), page.matches("</script>").count()), (1, 1));
}

#[test]
fn a_page_of_some_records_says_so() {
    let home = filled();
    let page = stdout(&home.run(&["audit", "report", "--decision", "deny", "-n", "1"]));
    assert!(page.contains("--decision deny --limit 1</code> (other records are not on this page)"));
    assert!(page.contains("<tr id=\"r4\">") && !page.contains("<tr id=\"r2\">"));
}

#[test]
fn a_broken_log_gets_a_page_that_says_where_and_why_and_fails() {
    let home = filled();
    let text = std::fs::read_to_string(path(&home)).expect("the log");
    let forged = text.replacen("git push", "git pull", 1);
    std::fs::write(path(&home), format!("{forged}{{\"torn")).expect("a forged log");
    let output = home.run(&["audit", "report"]);
    assert_eq!(output.status.code(), Some(1));
    let page = stdout(&output);
    assert!(
        page.contains("class=\"verdict bad\">BROKEN: chain BROKEN at record 3 (line 3, changed)"),
        "{page}"
    );
    assert!(page.contains("1 line unreadable and not listed (the first is line 5)"));
    assert!(page.contains("Records before 3 check.") && page.contains("git pull"));
    assert!(!page.contains("VERIFIED"));
}

#[test]
fn a_signed_log_says_how_far_and_by_which_key() {
    let home = filled();
    add(&open(&home), Kind::SessionEnd, "", None, &json!({"status": "completed"}));
    let page = stdout(&home.run(&["audit", "report"]));
    assert!(page.contains("2 signed checkpoints through record 5, by key "), "{page}");
    assert!(!page.contains("not covered by a signature"));
}

#[test]
fn the_page_goes_to_a_file_and_never_over_the_log() {
    let home = filled();
    let other = home.write("work/other.txt", "mine");
    std::os::unix::fs::symlink(&other, home.work().join("r.html")).expect("a link");
    let output = home.run(&["audit", "report", "--out", "r.html"]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("r.html: ") && stderr(&output).contains("chain intact"));
    let page = std::fs::read_to_string(home.work().join("r.html")).expect("the page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert_eq!(std::fs::read_to_string(&other).expect("another file"), "mine");
    let stored = std::fs::read(path(&home)).expect("the log");
    let log = path(&home).display().to_string();
    for target in [log.as_str(), "../home/.ion/audit/audit.jsonl.head", "../home/.ion/audit/r.html"]
    {
        let output = home.run(&["audit", "report", "--out", target]);
        assert_eq!(output.status.code(), Some(2), "{target}");
        assert!(stderr(&output).contains("is in the folder of the audit log"));
    }
    assert_eq!(std::fs::read(path(&home)).expect("the log"), stored);
    let output = home.run(&["audit", "report", "--out", "nowhere/r.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot write the page to nowhere/r.html"));
    std::fs::create_dir(home.work().join("folder")).expect("a folder");
    assert_eq!(home.run(&["audit", "report", "--out", "folder"]).status.code(), Some(1));
    let names: Vec<_> =
        std::fs::read_dir(home.work()).expect("a folder").map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "something is left over: {names:?}");
}

#[test]
fn without_a_log_there_is_no_page() {
    let home = Home::new();
    let output = home.run(&["audit", "report", "--out", "r.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no audit log with a record at"));
    assert!(!home.work().join("r.html").exists());
}

/// Runs expressions in the page with headless Chromium, which `make test-needs` installs.
fn browse(home: &Home, scripts: &str, expressions: &[&str]) -> Value {
    let page = home.work().join("r.html");
    let output = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser.js"))
        .args([page.as_os_str(), home.work().join("r.png").as_os_str(), scripts.as_ref()])
        .args(expressions)
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("one document")
}

#[test]
fn a_browser_shows_all_and_filters_and_refuses_nothing() {
    let home = filled();
    assert!(home.run(&["audit", "report", "--out", "r.html"]).status.success());
    let visible = "[...document.querySelectorAll('#records tbody tr')].filter(r => r.offsetHeight).map(r => r.id).join(' ')";
    let choose = "const f = document.getElementById('filter'); f.elements.decision.value = 'deny'; f.dispatchEvent(new Event('input')); f.elements.shown.value";
    let search = "f.elements.text.value = 'ALERT(1)</SCRIPT>'; f.elements.decision.value = ''; f.elements.tool.value = 'Bash'; f.oninput(); 0";
    let styled = "getComputedStyle(document.querySelector('.verdict')).borderTopStyle";
    let opened = "document.querySelectorAll('details').forEach(d => d.open = true); document.querySelector('details details pre').offsetHeight > 50";
    let told = browse(
        &home,
        "scripts",
        &[visible, choose, visible, search, visible, styled, opened, "scrollTo(0, 0), 0"],
    );
    let expected = json!(["r1 r2 r3 r4", "2 of 4 shown", "r2 r4", 0, "r2", "solid", true, 0]);
    assert_eq!(told["values"], expected, "{told}");
    assert_eq!(told["refused"], json!([]));
    assert_eq!(told["requested"].as_array().map(Vec::len), Some(1), "{told}");
    let picture = std::fs::read(home.work().join("r.png")).expect("a screenshot");
    assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000);
    let form = "getComputedStyle(document.getElementById('filter')).display";
    let bare = browse(
        &home,
        "no-scripts",
        &[visible, form, "document.querySelectorAll('svg rect').length > 3"],
    );
    assert_eq!(bare["values"], json!(["r1 r2 r3 r4", "none", true]), "{bare}");
}
