//! OTLP/JSON: a request of log records, grouped by the process that wrote them.
//!
//! In this encoding 64-bit numbers are text and names are in lowerCamelCase.

use super::facts::{Facts, Level};
use serde_json::{Value, json};

const RESOURCE: &[(&str, &str)] =
    &[("service.version", "/version"), ("host.name", "/host"), ("process.pid", "/pid")];

const ATTRIBUTES: &[(&str, &str)] = &[
    ("ion.seq", "/seq"),
    ("ion.hash", "/hash"),
    ("ion.prev", "/prev"),
    ("ion.decision", "/decision"),
    ("ion.outcome", "/outcome"),
    ("ion.decided_by", "/body/decided_by"),
    ("ion.rule.id", "/body/rule/id"),
    ("ion.rule.tier", "/body/rule/tier"),
    ("ion.rule.source", "/body/rule/source"),
    ("ion.reason", "/body/reason"),
    ("ion.what", "/what"),
    ("ion.digest", "/body/digest"),
    ("ion.policy.digest", "/body/policy/digest"),
    ("ion.danger", "/body/danger"),
    ("ion.person", "/body/person"),
    ("user.name", "/user"),
    ("user.id", "/uid"),
    ("process.exit.code", "/body/exit_code"),
    ("gen_ai.conversation.id", "/session"),
    ("gen_ai.tool.name", "/tool"),
    ("gen_ai.tool.call.id", "/call_id"),
    ("gen_ai.agent.name", "/body/agent"),
    ("gen_ai.provider.name", "/body/provider"),
    ("gen_ai.request.model", "/body/model"),
    ("gen_ai.usage.input_tokens", "/body/usage/input_tokens"),
    ("gen_ai.usage.output_tokens", "/body/usage/output_tokens"),
];

/// One `ExportLogsServiceRequest`.
pub(super) fn request(batch: &[Facts]) -> Value {
    let resources = by_writer(batch, |group| {
        let records: Vec<Value> = group.iter().map(log_record).collect();
        let scope = json!({"name": "ion.audit", "version": env!("CARGO_PKG_VERSION")});
        Some(("scopeLogs", json!([{"scope": scope, "logRecords": records}])))
    });
    json!({"resourceLogs": resources})
}

/// One resource for each process that wrote records of the batch, with what `scoped` makes of them.
pub(super) fn by_writer(
    batch: &[Facts],
    scoped: impl Fn(&[Facts]) -> Option<(&'static str, Value)>,
) -> Vec<Value> {
    let writer = |facts: &Facts| (facts.get("/host"), facts.get("/pid"));
    let groups = batch.chunk_by(|one, other| writer(one) == writer(other));
    let resource = |group: &[Facts]| {
        let first = group.first()?;
        let (name, scoped) = scoped(group)?;
        let mut resource = attributes(RESOURCE, first);
        resource.push(attribute("service.name", json!("ion")));
        let instance = format!("{}:{}", first.text("/host"), first.text("/pid"));
        resource.push(attribute("service.instance.id", json!(instance)));
        Some(json!({"resource": {"attributes": resource}, name: scoped}))
    };
    groups.filter_map(resource).collect()
}

fn log_record(facts: &Facts) -> Value {
    let (number, level) = match facts.level {
        Level::Info => (9, "INFO"),
        Level::Notice => (10, "INFO2"),
        Level::Warning => (13, "WARN"),
        Level::Error => (17, "ERROR"),
    };
    let mut attributes = attributes(ATTRIBUTES, facts);
    if !facts.get("/tool").is_null() {
        attributes.push(attribute("gen_ai.operation.name", json!("execute_tool")));
    }
    json!({
        "timeUnixNano": facts.get("/ns"), "observedTimeUnixNano": facts.get("/ns"),
        "severityNumber": number, "severityText": level,
        "eventName": format!("ion.audit.{}", facts.text("/event")),
        "body": {"stringValue": facts.get("/message")},
        "attributes": attributes
    })
}

pub(super) fn attributes(table: &[(&str, &str)], facts: &Facts) -> Vec<Value> {
    let all = table.iter().map(|(key, pointer)| (key, facts.get(pointer)));
    all.filter(|(_, value)| !value.is_null() && value != "")
        .map(|(key, value)| attribute(key, value))
        .collect()
}

pub(super) fn attribute(key: &str, value: Value) -> Value {
    let value = match value {
        Value::Bool(_) => json!({"boolValue": value}),
        Value::Number(number) => json!({"intValue": number.to_string()}),
        Value::String(_) => json!({"stringValue": value}),
        other => json!({"stringValue": other.to_string()}),
    };
    json!({"key": key, "value": value})
}
