//! OTLP/JSON: a request of spans, each made of one record, so that a batch can be sent again or begin
//! anywhere in the log. Names, kinds and attributes: OpenTelemetry semantic conventions for generative
//! AI, 1.41 (all of them "development" there). Arguments, results, prompts and answers are not in it.
//!
//! A run is one trace: `invoke_agent` from its last record, `chat` for each call of the model,
//! `execute_tool` for each call of a tool. Ids are made of what the log says, so that a span that is
//! sent twice is the same span.

use super::facts::Facts;
use super::otlp::{attribute, attributes, by_writer};
use crate::model::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the meaning of the names is written down.
pub(super) const CONVENTIONS: &str = "https://opentelemetry.io/schemas/1.41.0";

const ATTRIBUTES: &[(&str, &str)] = &[
    ("gen_ai.provider.name", "/body/provider"),
    ("gen_ai.request.model", "/body/model"),
    ("gen_ai.conversation.id", "/session"),
    ("gen_ai.usage.output_tokens", "/body/usage/output_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "/body/usage/cache_read_input_tokens"),
    ("gen_ai.usage.cache_creation.input_tokens", "/body/usage/cache_creation_input_tokens"),
    ("gen_ai.tool.name", "/tool"),
    ("gen_ai.tool.call.id", "/call_id"),
    ("server.address", "/body/host"),
    ("http.response.status_code", "/body/http_status"),
    ("process.exit.code", "/body/exit_code"),
    ("ion.seq", "/seq"),
    ("ion.decision_seq", "/body/decision_seq"),
    ("ion.rule.id", "/body/rule/id"),
    ("ion.outcome", "/body/outcome"),
    ("ion.sandbox.backend", "/body/enforced/backend"),
    ("ion.retries", "/body/retries"),
];

/// What a record is a span of.
pub(super) struct Operation {
    /// `chat`, `execute_tool` or `invoke_agent`.
    pub name: &'static str,
    /// What failed, in a word.
    pub error: Option<String>,
    /// How long it took, milliseconds.
    pub ms: u64,
}

/// The operation that ended with a record; most records end none.
pub(super) fn operation(facts: &Facts) -> Option<Operation> {
    let word = |pointer: &str| Some(facts.text(pointer)).filter(|word| !word.is_empty());
    let (name, error) = match facts.text("/kind").as_str() {
        "model_call" => ("chat", word("/body/error")),
        "outcome" => ("execute_tool", word("/body/outcome").filter(|word| word != "success")),
        // It never ran, and who looks for the call finds why.
        "decision" if facts.text("/decision") == "deny" => {
            ("execute_tool", Some("permission_denied".to_owned()))
        }
        "session_end" => ("invoke_agent", word("/body/status").filter(|word| word == "failed")),
        _ => return None,
    };
    // A record of nothing that runs, such as a call that another agent runs.
    facts.get("/session").as_str()?;
    Some(Operation { name, error, ms: facts.get("/body/duration_ms").as_u64().unwrap_or(0) })
}

/// All tokens of a prompt. The record has those of the cache apart; the conventions count them in.
pub(super) fn input_tokens(facts: &Facts) -> Option<u64> {
    let count = |name: &str| facts.get(&format!("/body/usage/{name}")).as_u64();
    let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"];
    let cached = cached.into_iter().filter_map(count);
    Some(cached.fold(count("input_tokens")?, u64::saturating_add))
}

/// One `ExportTraceServiceRequest`; `None` where no record is a span.
pub(super) fn request(batch: &[Facts]) -> Option<Value> {
    let resources = by_writer(batch, |group| {
        let spans: Vec<Value> = group.iter().filter_map(span).collect();
        let scope = json!({"name": "ion", "version": env!("CARGO_PKG_VERSION")});
        (!spans.is_empty()).then(|| {
            let scoped = json!([{"scope": scope, "spans": spans, "schemaUrl": CONVENTIONS}]);
            ("scopeSpans", scoped)
        })
    });
    (!resources.is_empty()).then(|| json!({"resourceSpans": resources}))
}

fn span(facts: &Facts) -> Option<Value> {
    let operation = operation(facts)?;
    let named = match operation.name {
        "chat" => facts.text("/body/model"),
        "execute_tool" => facts.text("/tool"),
        _ => "main".to_owned(),
    };
    let agent = id("agent", &run(facts), 8);
    let (own, parent) = match operation.name {
        "invoke_agent" => (agent, None),
        _ => (id("span", &facts.text("/hash"), 8), Some(agent)),
    };
    let end: u128 = facts.text("/ns").parse().unwrap_or(0);
    let start = end.saturating_sub(u128::from(operation.ms) * 1_000_000);
    let mut attributes = attributes(ATTRIBUTES, facts);
    attributes.push(attribute("gen_ai.operation.name", json!(operation.name)));
    if let Some(tokens) = input_tokens(facts) {
        attributes.push(attribute("gen_ai.usage.input_tokens", json!(tokens)));
    }
    if operation.name == "invoke_agent" {
        attributes.push(attribute("gen_ai.agent.name", json!("main")));
    }
    if operation.name == "execute_tool" {
        attributes.push(attribute("gen_ai.tool.type", json!("function")));
    }
    if let Value::String(finish) = facts.get("/body/finish") {
        let reasons = json!({"arrayValue": {"values": [{"stringValue": finish}]}});
        attributes.push(json!({"key": "gen_ai.response.finish_reasons", "value": reasons}));
    }
    let mut span = json!({
        "traceId": id("trace", &run(facts), 16),
        "spanId": own,
        "name": format!("{} {named}", operation.name).trim_end(),
        // Internal, or a client of the model's server.
        "kind": if operation.name == "chat" { 3 } else { 1 },
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": end.to_string(),
    });
    if let Some(error) = operation.error {
        attributes.push(attribute("error.type", json!(error)));
        span["status"] = json!({"code": 2, "message": error});
    }
    if let Some(parent) = parent {
        span["parentSpanId"] = json!(parent);
    }
    span["attributes"] = json!(attributes);
    Some(span)
}

/// What tells runs apart: a conversation that is taken up again is another process.
fn run(facts: &Facts) -> String {
    ["/session", "/host", "/pid"].map(|pointer| facts.text(pointer)).join("\0")
}

fn id(purpose: &str, of: &str, bytes: usize) -> String {
    let digest = Sha256::digest(format!("ion-{purpose}\0{of}"));
    hex(digest.get(..bytes).unwrap_or_default())
}
