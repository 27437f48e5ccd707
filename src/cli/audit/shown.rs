//! One record for a person: what was decided, by whom, and what proves it.
//!
//! A call that policy asked about has two answers: what the rule said, and who had the last
//! word. Both are told, so that a yes of a person never reads as one of the rule.

use crate::audit::Record;
use crate::model::Decision;
use serde_json::Value;

/// A decision as it was told when it was made.
pub(super) fn told(record: &Record) -> Vec<String> {
    let text = |path: &[&str]| record.text(path).map(str::to_owned);
    if record.kind == "answered" {
        let what = said_by_a_person(&record.body).unwrap_or_default();
        let mut lines = vec![format!("Answered: {what}")];
        push(&mut lines, "question", text(&["question"]));
        push(&mut lines, "outcome", text(&["outcome"]));
        return lines;
    }
    let Some(decision) = record.decision.filter(|_| record.body.get("call").is_some()) else {
        let pretty = serde_json::to_string_pretty(&record.body).unwrap_or_default();
        let mut lines = vec![format!("record {}: {}", record.seq, record.kind)];
        lines.extend(pretty.lines().map(|line| format!("  {line}")));
        return lines;
    };
    let what = record.what();
    let subject = text(&["unit", "text"]).unwrap_or_else(|| what.clone());
    let rule = record.rule().map(|rule| format!("rule `{rule}`"));
    let by = rule.clone().or_else(|| text(&["decided_by"])).unwrap_or_else(|| "policy".to_owned());
    let unanswered = record.text(&["decided_by"]) == Some("headless-ask");
    let mut lines = vec![match (decision, last_word(record)) {
        (Decision::Deny, _) if unanswered => {
            let rule = rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            format!("Permission denied: `{subject}` needs approval{rule}, and nobody could answer")
        }
        (Decision::Deny, Some(who)) => {
            format!("Permission denied: `{subject}` is refused by {who}")
        }
        (Decision::Deny, None) => format!("Permission denied: `{subject}` is refused by {by}"),
        (Decision::Allow, Some(who)) => format!("Allowed: `{subject}` by {who}"),
        (Decision::Allow, None) => format!("Allowed: `{subject}` by {by}"),
        (Decision::Ask, _) => format!("Asked: `{subject}` by {by}"),
    }];
    let asked_by = last_word(record).and(rule);
    push(&mut lines, "command", Some(what));
    push(&mut lines, "because", text(&["reason"]));
    let patterns = record.body.get("danger").and_then(Value::as_array).map(|patterns| {
        let name =
            |p: &Value| p.get("pattern").or(p.get("id")).and_then(Value::as_str).map(str::to_owned);
        patterns.iter().filter_map(name).collect::<Vec<_>>().join(", ")
    });
    push(&mut lines, "patterns", patterns);
    push(&mut lines, "asked by", asked_by);
    let tier = text(&["rule", "tier"]);
    let sealed = tier.as_deref() == Some("enterprise");
    push(
        &mut lines,
        "set by",
        tier.map(|tier| {
            let source = text(&["rule", "source"]).unwrap_or_default();
            let note = if sealed { "; a project cannot change it" } else { "" };
            format!("{tier} {source}{note}")
        }),
    );
    push(&mut lines, "instead", text(&["hint"]));
    push(&mut lines, "asked", text(&["ask_resolved"]));
    push(&mut lines, "person", record.body.get("person").and_then(said_by_a_person));
    push(&mut lines, "grant", record.body.get("grant").and_then(used));
    for hook in record.body.get("hooks").and_then(Value::as_array).into_iter().flatten() {
        push(&mut lines, "hook", heard(hook));
    }
    push(&mut lines, "model", record.body.get("classifier").and_then(opinion));
    lines
}

/// Who decided where it was not policy: a person, an earlier answer, a hook, the classifier.
fn last_word(record: &Record) -> Option<String> {
    match record.text(&["decided_by"])? {
        "person" => {
            let by = |key: &str| record.text(&[key, "by"]).map(str::to_owned);
            by("person").or_else(|| by("grant")).or_else(|| Some("a person".to_owned()))
        }
        "hook" => Some("a hook".to_owned()),
        "classifier" => Some("the classifier".to_owned()),
        "expired" => Some("silence: nobody answered in time".to_owned()),
        _ => None,
    }
}

/// What else a reviewer needs of a record.
pub(super) fn evidence(record: &Record) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |name: &str, value: Option<String>| push(&mut lines, name, value);
    let user = record.user.clone().unwrap_or_else(|| "-".to_owned());
    let agent = record.text(&["agent"]).map(|a| format!(", agent {a}")).unwrap_or_default();
    say("when", Some(record.time.clone()));
    say("who", Some(format!("{user} (uid {}) on {}{agent}", record.uid, record.host)));
    say("session", record.session.clone());
    say("call", record.call_id.clone());
    say("digest", record.text(&["digest"]).map(str::to_owned));
    let digest = record.text(&["policy", "digest"]).or_else(|| record.text(&["policy_digest"]));
    say("policy", digest.map(str::to_owned));
    say("sandbox", record.body.get("confinement").and_then(held));
    say(
        "cut",
        record
            .cut
            .as_ref()
            .map(|cut| format!("the body had {} bytes, sha256 {}", cut.bytes, cut.sha256)),
    );
    say("prev", Some(record.prev.clone()));
    say("hash", Some(record.hash.clone()));
    lines
}

fn push(lines: &mut Vec<String>, name: &str, value: Option<String>) {
    lines.extend(value.filter(|v| !v.is_empty()).map(|v| format!("  {name:<9} {v}")));
}

fn field<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn seconds(object: &Value, key: &str) -> Option<String> {
    let ms = object.get(key)?.as_u64()?;
    Some(format!("{}.{} s", ms / 1000, ms % 1000 / 100))
}

/// `allow_always by lena through terminal after 1.5 s: looked at it`.
fn said_by_a_person(person: &Value) -> Option<String> {
    if !person.is_object() {
        return None;
    }
    let mut said = match (field(person, "choice"), field(person, "by")) {
        (Some(choice), Some(by)) => format!("{choice} by {by}"),
        (Some(choice), None) => choice.to_owned(),
        (None, _) => field(person, "outcome").unwrap_or("nobody answered").to_owned(),
    };
    if let Some(via) = field(person, "via") {
        said.push_str(&format!(" through {via}"));
    }
    if let Some(waited) = seconds(person, "waited_ms") {
        said.push_str(&format!(" after {waited}"));
    }
    if let Some(reason) = field(person, "reason") {
        said.push_str(&format!(": {reason}"));
    }
    Some(said)
}

/// The earlier answer that served.
fn used(grant: &Value) -> Option<String> {
    let by = field(grant, "by")?;
    let scope = field(grant, "scope").map(|scope| format!(", for {scope}")).unwrap_or_default();
    let question = field(grant, "question").map(|q| format!(", question {q}")).unwrap_or_default();
    Some(format!("an earlier answer of {by}{scope}{question}"))
}

fn heard(hook: &Value) -> Option<String> {
    let name = field(hook, "hook").or_else(|| field(hook, "name"))?;
    let answer = field(hook, "decision").unwrap_or("no opinion");
    let reason = field(hook, "reason").map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(format!("{name}: {answer}{reason}"))
}

/// `allow (stage 1 of some-model, 4 ms): a quick look found nothing`.
fn opinion(classifier: &Value) -> Option<String> {
    let decision = field(classifier, "decision")?;
    let number = |key: &str| classifier.get(key).and_then(Value::as_u64);
    let mut said = format!("{decision} (");
    if let Some(stage) = number("stage") {
        said.push_str(&format!("stage {stage} of "));
    }
    said.push_str(field(classifier, "model").unwrap_or("an unknown model"));
    let tokens = |key: &str| classifier.pointer(&format!("/tokens/{key}")).and_then(Value::as_u64);
    if let (Some(read), Some(written)) = (tokens("input_tokens"), tokens("output_tokens")) {
        said.push_str(&format!(", {read} tokens in, {written} out"));
    }
    if let Some(ms) = number("ms") {
        said.push_str(&format!(", {ms} ms"));
    }
    said.push(')');
    let why = field(classifier, "error").or_else(|| field(classifier, "reason"));
    if let Some(why) = why.filter(|why| !why.is_empty()) {
        said.push_str(&format!(": {why}"));
    }
    Some(said)
}

/// What held while the call ran.
fn held(confinement: &Value) -> Option<String> {
    match confinement {
        Value::Null => None,
        Value::String(text) if text == "guarded" => {
            Some("none of Ion's: another agent runs the call".to_owned())
        }
        Value::String(text) => Some(text.clone()),
        Value::Object(_) if confinement.get("open") == Some(&Value::Bool(true)) => {
            Some("none: unconfined".to_owned())
        }
        Value::Object(_) => {
            let backend = field(confinement, "backend").unwrap_or("?");
            let requirement = field(confinement, "requirement").unwrap_or("?");
            let network = confinement.get("network").map_or_else(
                || "?".to_owned(),
                |network| network.as_str().map_or_else(|| network.to_string(), str::to_owned),
            );
            let writable = match confinement.get("workspace_writable") {
                Some(Value::Bool(false)) => ", workspace read-only",
                _ => "",
            };
            Some(format!("{backend} ({requirement} required), network {network}{writable}"))
        }
        other => Some(other.to_string()),
    }
}
