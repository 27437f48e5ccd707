//! OCSF 1.6: a class by what the record is about, the profile `security_control` for decisions.

use super::facts::{Facts, Level, On};
use super::{fill, put};
use serde_json::{Value, json};

const ALWAYS: &[(&str, &str)] = &[
    ("time", "/ms"),
    ("message", "/message"),
    ("metadata.uid", "/hash"),
    ("metadata.sequence", "/seq"),
    ("metadata.event_code", "/event"),
    ("metadata.original_time", "/time"),
    ("metadata.product.version", "/version"),
    ("actor.user.name", "/user"),
    ("actor.user.uid", "/uid"),
    ("actor.session.uid", "/session"),
    ("actor.process.pid", "/pid"),
    ("device.hostname", "/host"),
    ("duration", "/body/duration_ms"),
    ("unmapped.kind", "/kind"),
    ("unmapped.decision", "/decision"),
    ("unmapped.decided_by", "/body/decided_by"),
    ("unmapped.rule_tier", "/body/rule/tier"),
    ("unmapped.rule_source", "/body/rule/source"),
    ("unmapped.what", "/what"),
    ("unmapped.call_id", "/call_id"),
    ("unmapped.digest", "/body/digest"),
    ("unmapped.cwd", "/body/cwd"),
    ("unmapped.agent", "/body/agent"),
    ("unmapped.danger", "/body/danger"),
    ("unmapped.person", "/body/person"),
    ("unmapped.prev", "/prev"),
    ("unmapped.hash", "/hash"),
];

const CALL: &[(&str, &str)] = &[
    ("api.operation", "/tool"),
    ("api.request.uid", "/call_id"),
    ("src_endpoint.hostname", "/host"),
    ("policy.name", "/body/rule/id"),
    ("policy.desc", "/body/reason"),
    ("policy.uid", "/body/policy/digest"),
];

const MODEL: &[(&str, &str)] = &[
    ("api.operation", "/event"),
    ("api.service.name", "/body/provider"),
    ("api.response.code", "/body/http_status"),
    ("api.response.error", "/body/error"),
    ("src_endpoint.hostname", "/host"),
    ("dst_endpoint.hostname", "/body/host"),
];

const PROCESS: &[(&str, &str)] = &[
    ("process.uid", "/call_id"),
    ("process.cmd_line", "/command"),
    ("process.parent_process.pid", "/pid"),
    ("exit_code", "/body/exit_code"),
];

const FILE: &[(&str, &str)] = &[("file.name", "/file"), ("file.path", "/path")];

const WEB: &[(&str, &str)] = &[("http_request.url.url_string", "/url")];

const APP: &[(&str, &str)] = &[("app.version", "/body/version")];

const ENTITY: &[(&str, &str)] = &[("entity.name", "/body/key"), ("entity.name", "/body/folder")];

const FINDING: &[(&str, &str)] = &[("finding_info.uid", "/hash"), ("finding_info.title", "/title")];

/// One event.
pub(super) fn event(facts: &Facts) -> Value {
    let kind = facts.text("/kind");
    // Create, read, update; 99 is none of those that the class names.
    let on_content = match facts.text("/tool").as_str() {
        "Write" => 1,
        "Read" | "Grep" | "Glob" => 2,
        "Edit" => 3,
        _ => 99,
    };
    let (class, activity, table) = match (kind.as_str(), facts.on) {
        ("decision", _) => (6003, on_content, CALL),
        ("outcome", On::Process) => (1007, 2, PROCESS),
        ("outcome", On::File) => (1001, on_content, FILE),
        ("outcome", On::Web) => (4002, 3, WEB),
        ("outcome" | "asked" | "answered" | "preview", _) => (6003, 99, CALL),
        ("model_call", _) => (6003, 99, MODEL),
        ("session_start", _) => (6002, 3, APP),
        ("session_end" | "refused_start", _) => (6002, 4, APP),
        ("enforcement" | "trust" | "policy_changed", _) => (3004, 3, ENTITY),
        ("recovered", _) => (2004, 1, FINDING),
        ("rotated", _) => (3004, 1, ENTITY),
        ("retired", _) => (3004, if facts.get("/body/held").is_null() { 4 } else { 2 }, ENTITY),
        _ => (0, 99, &[][..]),
    };
    let mut event = json!({
        "class_uid": class, "category_uid": class / 1000, "activity_id": activity,
        "type_uid": class * 100 + activity,
        "severity_id": match facts.level {
            Level::Info => 1,
            Level::Notice => 2,
            Level::Warning => 3,
            Level::Error => 4,
        },
        "status_id": match facts.text("/outcome").as_str() {
            "success" => 1,
            "failure" => 2,
            _ => 0,
        },
        "metadata": {
            "version": "1.6.0", "profiles": ["host"], "product": {"name": "ion", "vendor_name": "Ion"}
        },
        "actor": {"app_name": "ion", "process": {"name": "ion"}},
        "device": {"type_id": 0}
    });
    if activity == 99 {
        put(&mut event, "activity_name", facts.get("/title"));
    }
    fill(&mut event, ALWAYS, facts);
    // Members that a class requires are there even where a record has nothing for them.
    match class {
        1001 => put(&mut event, "file", json!({"name": "unknown", "type_id": 0})),
        3004 => put(&mut event, "entity", json!({"name": "unknown", "type": "policy"})),
        6002 => put(&mut event, "app", json!({"name": "ion", "vendor_name": "Ion"})),
        6003 => put(&mut event, "api", json!({"operation": "unknown", "service": {"name": "ion"}})),
        _ => {}
    }
    fill(&mut event, table, facts);
    if kind == "decision" {
        let (action, disposition, name) = match facts.text("/decision").as_str() {
            "allow" => (1, 1, "Allowed"),
            "deny" => (2, 2, "Blocked"),
            _ => (99, 99, "Approval needed"),
        };
        put(&mut event, "metadata.profiles", json!(["host", "security_control"]));
        put(&mut event, "action_id", json!(action));
        put(&mut event, "action", facts.get("/decision"));
        put(&mut event, "disposition_id", json!(disposition));
        put(&mut event, "disposition", json!(name));
    }
    event
}
