//! `ion redact`: a filter that streams, reports where it masked, and fails closed.

use crate::support::{Home, stderr, stdout};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

/// A token that is no live one, put together here so that no file holds it.
fn token(seed: usize) -> String {
    let letters = b"aB3dE5gH7jK9mN2pQ4rS6tU8vW";
    let tail: String =
        (0..36).map(|i| char::from(letters[(i * 7 + seed) % letters.len()])).collect();
    format!("{}_{tail}", "ghp")
}

fn pipe(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // A program that refuses its arguments does not read.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn secrets_are_masked_and_reported_where_they_stood() {
    let home = Home::new();
    let (one, two) = (token(1), token(2));
    let input = format!("a {one} b\n\u{e9} {two} {one}\n");
    let mut command = home.ion(&["redact", "--report", "report.jsonl"]);
    command.current_dir(home.work());
    let output = pipe(command, input.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        stdout(&output),
        "a [secret:github-token:1] b\n\u{e9} [secret:github-token:2] [secret:github-token:1]\n"
    );
    let report = std::fs::read_to_string(home.work().join("report.jsonl")).unwrap();
    assert!(!report.contains(&one[4..]), "{report}");
    let found: Vec<&str> = report
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["rule"], "github-token");
            let offset = |key: &str| line[key].as_u64().unwrap() as usize;
            &input[offset("start")..offset("end")]
        })
        .collect();
    assert_eq!(found, [one.as_str(), two.as_str(), one.as_str()]);
}

#[test]
fn styles_change_the_placeholder_alone() {
    let home = Home::new();
    let input = format!("x {} y\n", token(3));
    let shown = |style: &str| {
        stdout(&pipe(home.ion(&["redact", "--placeholder", style]), input.as_bytes()))
    };
    assert_eq!(shown("label"), "x [secret:github-token] y\n");
    assert_eq!(shown("numbered"), "x [secret:github-token:1] y\n");
    assert_eq!(shown("remove"), "x  y\n");
    let wrong = home.run(&["redact", "--placeholder", "none"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn known_values_and_secret_variables_are_masked_in_their_encodings() {
    let home = Home::new();
    let known = home.write("known.json", &json!(["corr&ct h\"rse", "plainvalue9"]).to_string());
    let mut command = home.ion(&["redact", "--known", known.to_str().unwrap()]);
    command.env("MY_DB_PASSWORD", "from-the-environment");
    let input = "one corr&ct h\"rse two corr%26ct%20h%22rse three corr&amp;ct h&quot;rse\n\
                 706c61696e76616c756539 cGxhaW52YWx1ZTk= from-the-environment\n";
    let shown = stdout(&pipe(command, input.as_bytes()));
    assert_eq!(shown.matches("[secret:known:1]").count(), 3, "{shown}");
    assert_eq!(shown.matches("[secret:known:2]").count(), 2, "{shown}");
    assert!(shown.contains("[secret:environment:3]"), "{shown}");
}

#[test]
fn what_is_decided_is_shown_before_the_input_ends() {
    let home = Home::new();
    let mut command = home.ion(&["redact"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(b"first line\nsecond ").unwrap();
    let mut shown = vec![0; "first line\nsecond ".len()];
    stdout.read_exact(&mut shown).unwrap();
    assert_eq!(shown, b"first line\nsecond ");
    stdin.write_all(&token(4).as_bytes()[..20]).unwrap();
    stdin.write_all(&token(4).as_bytes()[20..]).unwrap();
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "[secret:github-token:1]");
    assert!(child.wait().unwrap().success());
}

#[test]
fn bytes_that_are_no_text_come_out_as_they_went_in() {
    let home = Home::new();
    let mut input: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    input.extend_from_slice(b"\xff\xfe no newline at the end");
    let output = pipe(home.ion(&["redact"]), &input);
    assert!(output.stdout == input, "{} of {} bytes", output.stdout.len(), input.len());
}

#[test]
fn a_wrong_file_is_refused_before_anything_is_read_and_without_a_value() {
    let home = Home::new();
    for wrong in ["", "{\"a\":\"hidden-value\"}", "[\"hidden-value\", 3]", "[\"hidden-value\""] {
        let known = home.write("known.json", wrong);
        let output = home.run(&["redact", "--known", known.to_str().unwrap()]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {told}");
        assert!(told.contains("known.json:") && told.contains("JSON array"), "{told}");
        assert!(!told.contains("hidden-value") && output.stdout.is_empty(), "{told}");
    }
    let output = home.run(&["redact", "--known", "missing.json"]);
    assert_eq!(output.status.code(), Some(2));
    let output = home.run(&["redact", "--report", "/nonexistent/report"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nonexistent/report"), "{}", stderr(&output));
}

#[test]
fn a_configuration_that_cannot_be_read_may_hold_values_to_mask() {
    let home = Home::new();
    home.write("home/.ion/engine.json", "{ broken");
    let output = pipe(home.ion(&["redact"]), b"text\n");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(output.stdout.is_empty());
}

#[test]
fn the_configuration_adds_kinds_and_personal_data_and_a_wrong_expression_is_named() {
    let home = Home::new();
    let settings = json!({"security": {
        "redactSecrets": false, "redactPii": true, "redactPatterns": ["acme-key=acme_[a-z0-9]{8,}"],
    }});
    home.write("home/.ion/engine.json", &settings.to_string());
    let input = format!("acme_ab12cd34 lena@example.org {}\n", token(5));
    let shown = stdout(&pipe(home.ion(&["redact", "--placeholder", "label"]), input.as_bytes()));
    assert_eq!(shown, "[secret:acme-key] [secret:email] [secret:github-token]\n");

    let settings = json!({"security": {"redactPatterns": ["acme-key=[a-z]+"]}});
    home.write("home/.ion/engine.json", &settings.to_string());
    let output = home.run(&["config", "validate"]);
    let told = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("redactPatterns") && told.contains("fixed characters"), "{told}");
}
