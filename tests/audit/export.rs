//! Each export format against a golden file, and against values that try to break out of it.
//! The hostile lines are taken apart by small readers that follow the formats' own texts.

use ion::audit::export::{Exporter, Format, NAMES};
use ion::audit::query::{self, Filter};
use ion::audit::record::is_deceptive;
use ion::audit::{AuditError, Record};
use ion::model::AbsPath;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Controls, separators and quotes of every format, direction marks, markup, an old CEF trick.
const HOSTILE: &str =
    "a\nb\r|c=d]e\"f'g\\h\u{1b}[2J\u{202e}\u{9b}\u{0}\t act=allow\\n <1>1 - x ü漢";

fn exported(format: &str, records: &[Record]) -> String {
    let mut exporter = Exporter::new(Format::named(format).expect("a format"));
    let mut text: String = records.iter().filter_map(|record| exporter.take(record)).collect();
    text.extend(exporter.finish());
    text
}

/// The golden records, outcomes joined with their calls as the command does it.
fn golden() -> Vec<Record> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/audit/golden/records.jsonl");
    let mut records = Vec::new();
    let file = AbsPath::new(path).expect("an absolute path");
    let skipped = query::each_stored(&file, &Filter::default(), true, &mut |record, _| {
        records.push(record);
        Ok::<(), AuditError>(())
    });
    assert_eq!(skipped.expect("a readable log").unreadable, 0);
    records
}

#[test]
fn every_format_has_its_golden_file() {
    let records = golden();
    for format in NAMES.iter().filter(|name| **name != "jsonl") {
        // One member a line, so that a change can be read.
        let text: String = exported(format, &records)
            .lines()
            .map(|line| match serde_json::from_str::<Value>(line) {
                Ok(document) => format!("{}\n", serde_json::to_string_pretty(&document).unwrap()),
                Err(_) => format!("{line}\n"),
            })
            .collect();
        let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        insta::assert_snapshot!(*format, text);
    }
}

/// A call of the model, made here because the golden log is older than its kind.
fn model_call(outcome: &Value) -> Record {
    let mut body = json!({
        "provider": "anthropic", "model": "claude-sonnet-4-6", "host": "api.example", "turn": 2,
        "messages": 3, "tools": 6, "duration_ms": 1500,
    });
    body.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "v": 1, "seq": 9, "time": "2026-11-27T08:33:33.749Z", "kind": "model_call",
        "session": "1795768413736-15a76b33fd43", "user": "lena", "uid": 1000, "host": "build-7",
        "pid": 4242, "body": body, "prev": "0".repeat(64), "hash": "f".repeat(64)
    }))
    .expect("a record")
}

#[test]
fn a_call_of_the_model_has_a_golden_line_in_every_format() {
    let well = json!({
        "outcome": "success", "finish": "tool_call", "calls": 1, "retries": 1,
        "usage": {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 3000,
                  "cache_creation_input_tokens": 400},
    });
    let badly = json!({"outcome": "failure", "error": "overloaded", "http_status": 529});
    let mut text = String::new();
    for format in NAMES.iter().filter(|name| **name != "jsonl") {
        for outcome in [&well, &badly] {
            text.push_str(&format!("{format}: {}", exported(format, &[model_call(outcome)])));
        }
    }
    // The conventions count cached tokens in.
    assert!(text.contains(r#"{"key":"gen_ai.usage.input_tokens","value":{"intValue":"3500"}}"#));
    assert!(text.contains(r#""max":3500.0"#), "{text}");
    insta::assert_snapshot!(text.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}

/// A record in which everything that a model, a user or a file can choose is hostile.
fn hostile() -> Record {
    let path = format!("/w/{HOSTILE}");
    serde_json::from_value(json!({
        "v": 1, "seq": 7, "time": "2026-11-27T08:33:33.749Z", "kind": "decision",
        "session": HOSTILE, "call_id": HOSTILE, "tool": HOSTILE, "decision": "deny",
        "user": HOSTILE, "uid": 1000, "host": HOSTILE, "pid": 42,
        "body": {
            "call": {"tool": HOSTILE, "input": {"command": HOSTILE, "path": path, "url": HOSTILE}},
            "decided_by": "rule", "reason": HOSTILE, "digest": "d",
            "rule": {"id": HOSTILE, "tier": "user", "source": HOSTILE},
            "danger": [{"pattern": HOSTILE, "severity": "critical"}], "agent": HOSTILE
        },
        "prev": "0".repeat(64), "hash": "f".repeat(64)
    }))
    .expect("a record")
}

/// One whole line, in which no mark is left.
fn one_line(format: &str) -> String {
    let text = exported(format, &[hostile()]);
    let line = text.strip_suffix('\n').expect("a line").to_owned();
    assert!(!line.contains(is_deceptive), "{format}: {line:?}");
    line
}

/// How a mark shows where the format has no escape for it.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| match is_deceptive(c) {
            true => format!("\\u{:04x}", u32::from(c)),
            false => c.to_string(),
        })
        .collect()
}

#[test]
fn json_formats_give_hostile_values_back_unchanged() {
    let ocsf: Value = serde_json::from_str(&one_line("ocsf")).unwrap();
    assert_eq!(ocsf["unmapped"]["what"], HOSTILE);
    assert_eq!(ocsf["actor"]["user"]["name"], HOSTILE);
    assert_eq!((&ocsf["action_id"], &ocsf["type_uid"]), (&json!(2), &json!(600_399)));
    let ecs: Value = serde_json::from_str(&one_line("ecs")).unwrap();
    assert_eq!(ecs["process"]["command_line"], HOSTILE);
    assert_eq!(ecs["event"]["type"], json!(["denied"]));
    let otlp: Value = serde_json::from_str(&one_line("otlp")).unwrap();
    let record = &otlp["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let attributes = record["attributes"].as_array().unwrap();
    let what = attributes.iter().find(|a| a["key"] == "ion.what").unwrap();
    assert_eq!(what["value"]["stringValue"], HOSTILE);
    assert_eq!(record["severityText"], "ERROR");
}

/// Takes a CEF line apart as its format says: seven bars, then pairs.
fn cef(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut header, mut part, mut rest) = (Vec::new(), String::new(), line.chars());
    while header.len() < 7 {
        match rest.next().expect("a whole header") {
            '\\' => part.push(rest.next().expect("an escaped character")),
            '|' => header.push(std::mem::take(&mut part)),
            c => part.push(c),
        }
    }
    // A key is the word before an equals sign that has no backslash.
    let (mut pairs, mut key, mut text) = (BTreeMap::new(), String::new(), String::new());
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next().expect("an escaped character") {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
            '=' => {
                let (value, next) = text.rsplit_once(' ').unwrap_or(("", &text));
                let next = next.to_owned();
                assert!(
                    pairs.insert(std::mem::replace(&mut key, next), value.to_owned()).is_none()
                );
                text.clear();
            }
            other => text.push(other),
        }
    }
    pairs.insert(key, text);
    (header, pairs)
}

#[test]
fn a_hostile_value_stays_inside_its_cef_field() {
    let mut record = hostile();
    record.kind = HOSTILE.to_owned();
    let text = exported("cef", &[record.clone()]);
    assert_eq!(text.lines().count(), 1);
    let (header, pairs) = cef(text.trim_end_matches('\n'));
    assert_eq!(header[4], shown(HOSTILE));
    assert_eq!(pairs["act"], "deny");
    assert_eq!(pairs["outcome"], "unknown");
    // Line ends have an escape of their own; every other mark shows.
    let expected: Vec<String> = HOSTILE
        .split('\n')
        .map(|line| line.split('\r').map(shown).collect::<Vec<_>>().join("\r"))
        .collect();
    assert_eq!(pairs["cs5"], expected.join("\n"));
    assert_eq!(pairs["suser"], expected.join("\n"));
    assert_eq!(pairs["cs1Label"], "rule");
}

/// Takes an RFC 5424 message apart: header fields, parameters, text.
fn syslog(line: &str) -> (Vec<&str>, BTreeMap<String, String>, &str) {
    let (header, rest) = line.split_once(" [ion@32473").expect("structured data");
    let (mut params, mut rest) = (BTreeMap::new(), rest);
    while let Some(after) = rest.strip_prefix(' ') {
        let (name, after) = after.split_once("=\"").expect("a parameter");
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().expect("the end of a value") {
                (_, '\\') => value.push(chars.next().expect("an escaped character").1),
                (at, '"') => break at,
                (_, ']') => panic!("a bracket without its escape"),
                (_, c) => value.push(c),
            }
        };
        params.insert(name.to_owned(), value);
        rest = &after[end + 1..];
    }
    (header.split(' ').collect(), params, rest.strip_prefix("] ").expect("the end of the data"))
}

#[test]
fn a_hostile_value_stays_inside_its_syslog_parameter() {
    let line = one_line("syslog");
    assert!(line.len() < 2048);
    let (header, params, text) = syslog(&line);
    assert_eq!(header.len(), 6, "{header:?}");
    assert_eq!(
        (header[0], header[2]),
        ("<107>1", "a_b_|c=d]e\"f'g\\h_[2J_____act=allow\\n_<1>1_-_x___")
    );
    assert_eq!((header[4], header[5]), ("42", "tool.decision"));
    assert_eq!(params["decision"], "deny");
    assert!(
        params["user"].starts_with(r#"a\u000ab\u000d|c=d]e"f'g\h\u001b[2J\u202e"#),
        "{params:?}"
    );
    assert!(text.starts_with(r"Tool call denied: a\u000ab"), "{text}");
}

#[test]
fn a_syslog_message_is_never_longer_than_a_receiver_takes() {
    let (mut record, mut marked) = (hostile(), 0);
    for long in ["x".repeat(40_000), "\u{202e}".repeat(40_000), "漢\"".repeat(20_000)] {
        record.body["call"]["input"]["command"] = json!(long);
        record.body["reason"] = json!(long);
        record.body["rule"]["source"] = json!(long);
        (record.tool, record.user) = (Some(long.clone()), Some(long.clone()));
        (record.session, record.call_id, record.host) =
            (Some(long.clone()), Some(long.clone()), long);
        let text = exported("syslog", &[record.clone()]);
        assert!(text.len() <= 2048, "{}", text.len());
        let (_, params, _) = syslog(text.trim_end_matches('\n'));
        assert_eq!(params["seq"], "7");
        assert!(params["user"].ends_with('…'));
        marked += usize::from(params.get("cut").is_some_and(|cut| cut == "1"));
    }
    assert!(marked > 0, "no text was so long that it had to be cut");
}

#[test]
fn otlp_requests_hold_a_hundred_records_and_lose_none() {
    let records = vec![hostile(); 250];
    let text = exported("otlp", &records);
    let sizes: Vec<usize> = text
        .lines()
        .map(|line| {
            let request: Value = serde_json::from_str(line).unwrap();
            let logs = request["resourceLogs"].as_array().unwrap();
            logs.iter().map(|r| r["scopeLogs"][0]["logRecords"].as_array().unwrap().len()).sum()
        })
        .collect();
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!(exported("otlp", &[]), "");
}

#[test]
fn a_time_that_cannot_be_read_is_not_made_up() {
    let mut record = hostile();
    record.time = "yesterday".to_owned();
    let ocsf: Value = serde_json::from_str(&exported("ocsf", &[record.clone()])).unwrap();
    assert_eq!(
        (&ocsf["time"], &ocsf["metadata"]["original_time"]),
        (&json!(0), &json!("yesterday"))
    );
    assert!(exported("syslog", &[record]).starts_with("<107>1 - "));
}
