//! Elastic Common Schema: an event by what the call works on; what has no place is below `ion`.

use super::facts::{Facts, Level, On};
use super::{fill, put};
use serde_json::{Value, json};

const FIELDS: &[(&str, &str)] = &[
    ("@timestamp", "/time"),
    ("message", "/message"),
    ("event.id", "/hash"),
    ("event.hash", "/hash"),
    ("event.sequence", "/seq"),
    ("event.action", "/event"),
    ("event.outcome", "/outcome"),
    ("event.reason", "/body/reason"),
    ("user.name", "/user"),
    ("user.id", "/uid"),
    ("host.name", "/host"),
    ("process.parent.pid", "/pid"),
    ("process.command_line", "/command"),
    ("process.exit_code", "/body/exit_code"),
    ("process.working_directory", "/body/cwd"),
    ("file.path", "/path"),
    ("file.name", "/file"),
    ("url.full", "/url"),
    ("rule.id", "/body/rule/id"),
    ("rule.name", "/body/rule/id"),
    ("rule.ruleset", "/body/rule/tier"),
    ("rule.reference", "/body/rule/source"),
    ("ion.kind", "/kind"),
    ("ion.tool", "/tool"),
    ("ion.decision", "/decision"),
    ("ion.decided_by", "/body/decided_by"),
    ("ion.what", "/what"),
    ("ion.session", "/session"),
    ("ion.call_id", "/call_id"),
    ("ion.digest", "/body/digest"),
    ("ion.agent", "/body/agent"),
    ("ion.policy_digest", "/body/policy/digest"),
    ("ion.danger", "/body/danger"),
    ("ion.person", "/body/person"),
    ("ion.prev", "/prev"),
];

/// One document.
pub(super) fn document(facts: &Facts) -> Value {
    let kind = facts.text("/kind");
    let about_call = match facts.on {
        On::Process => "process",
        On::File => "file",
        On::Web => "web",
        On::Other => "api",
    };
    let (category, happened) = match kind.as_str() {
        "decision" => match facts.text("/decision").as_str() {
            "allow" => (about_call, "allowed"),
            "deny" => (about_call, "denied"),
            _ => (about_call, "info"),
        },
        "outcome" => match (facts.on, facts.text("/tool").as_str()) {
            (On::Process, _) => (about_call, "end"),
            (On::File, "Write" | "Edit") => (about_call, "change"),
            (On::File | On::Web, _) => (about_call, "access"),
            (On::Other, _) => (about_call, "info"),
        },
        "session_start" => ("session", "start"),
        "session_end" => ("session", "end"),
        "refused_start" => ("session", "end"),
        "enforcement" | "trust" | "policy_changed" => ("configuration", "change"),
        "recovered" => ("intrusion_detection", "info"),
        "rotated" => ("file", "creation"),
        "retired" if !facts.get("/body/held").is_null() => ("file", "info"),
        "retired" => ("file", "deletion"),
        _ => (about_call, "info"),
    };
    let level = match facts.level {
        Level::Info => "info",
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    let mut document = json!({
        "@timestamp": null,
        "ecs": {"version": "8.17.0"},
        "event": {
            "kind": if kind == "recovered" { "alert" } else { "event" },
            "module": "ion", "dataset": "ion.audit", "provider": "ion",
            "category": [category], "type": [happened],
        },
        "log": {"level": level},
    });
    fill(&mut document, FIELDS, facts);
    if let Some(ms) = facts.get("/body/duration_ms").as_u64() {
        put(&mut document, "event.duration", json!(ms.saturating_mul(1_000_000)));
    }
    document
}
