//! The words that stand where a rule's id would, and the codes of errors: what each means and
//! what to do. A person who meets one types `ion help WORD`.

/// What decides a call besides rules and patterns: the word, what it means, what changes it.
const DECIDERS: &[(&str, &str, &str)] = &[
    (
        "mode",
        "no rule is about the call, or about a part of it, so `permissions.mode` decides",
        "an allow rule for the call (ion policy explain writes it)",
    ),
    (
        "opaque",
        "the command, or a part of it, cannot be understood before it runs; no rule allows that",
        "write the command out in plain words",
    ),
    (
        "malformed",
        "the arguments of the call are not those of the tool, or the call cannot be judged",
        "correct the call",
    ),
    (
        "untrusted-content",
        "the conversation has read untrusted content, and the call could carry data out",
        "an allow rule that names `untrusted-content` in `overrides`, or a new conversation",
    ),
    (
        "exclusive-allow",
        "a sealed file has `exclusiveAllow`, and the call is not on its list",
        "the administrator adds an allow rule to that file",
    ),
    (
        "read-only-path",
        "the path is listed in `readOnlyPaths`, which no tool writes",
        "the owner of that list takes the entry out",
    ),
    (
        "headless-ask",
        "policy asks, and nobody could answer, so the call is denied",
        "an allow rule (ion policy suggest --denied), or a run that a person can answer (ion help approvals)",
    ),
    ("person", "a person answered, now or earlier to the same call", "ask again, with a reason"),
    (
        "expired",
        "a person was asked and nobody answered in time (`approvals.waitMs`), so the call is denied",
        "run it again when somebody is there",
    ),
    ("cancelled", "the run was cancelled while the call waited", "run it again"),
    (
        "hook",
        "a hook denied the call, failed while it guards, or rewrote the call too often",
        "ion audit show N names the hook and its reason",
    ),
    (
        "classifier",
        "a model gave its opinion on a call that rules leave open (docs/classifier.md)",
        "a rule for the call: then the classifier is not asked",
    ),
    (
        "tool",
        "the tool is unknown, or `toolRestrictions` takes it away",
        "use a tool of `session_init`, or ask the owner of the list",
    ),
    (
        "sandbox",
        "the machine cannot hold the confinement that the call needs",
        "the message names what is missing; docs/sandbox.md",
    ),
    (
        "audit",
        "the decision cannot be recorded or forwarded, so the call does not run",
        "ion audit verify, ion audit forward --status",
    ),
];

/// Codes of errors (`errorCode`, `error.code`): the code and what it means.
const ERRORS: &[(&str, &str)] = &[
    ("config", "a configuration file is wrong: ion config validate"),
    ("policy", "a rule cannot be used, so none is: ion policy lint"),
    ("usage", "the command was typed wrongly: add --help to it"),
    ("input", "a file or standard input cannot be read"),
    ("no_home", "there is no home folder: set HOME, or ION_DATA_DIR"),
    ("no_model_configured", "no model is named: ion help models"),
    ("auth", "a provider has no key, or refuses it: ion help env lists the variables"),
    ("sandbox_unavailable", "this machine cannot hold the profile: docs/sandbox.md"),
    ("sandbox_doctor", "the doctor could not make a place for its tests: look at TMPDIR"),
    ("approvals", "a way to reach a person cannot be used: docs/approvals.md"),
    ("forward", "a receiver of the audit log cannot be used, or none is named: docs/audit.md"),
    ("audit_unavailable", "the log cannot be written, and no tool runs without a record"),
    ("known_values", "the file of `ion redact --known` is no JSON array of strings"),
    ("redaction", "a redaction rule failed, so nothing more is shown"),
    ("trust", "the trust store cannot be used, so no folder is trusted"),
    ("session", "the conversation cannot be read or kept"),
    ("tour", "the tour could not be played"),
    ("output", "standard output cannot be written"),
    ("internal", "a bug in Ion; nothing more was run"),
    ("budget_exceeded", "the run reached `--max-budget` or `limits.maxBudgetUsd`"),
    ("rate_limit", "the provider says: too many requests"),
    ("overloaded", "the provider is overloaded or failed"),
    ("network", "the provider cannot be reached"),
    ("timeout", "the provider was silent for too long (`timeouts.streamIdleMs`)"),
    ("stream_truncated", "the answer ended before it was whole"),
    ("prompt_too_long", "the conversation does not fit the model's window"),
    ("invalid_model", "the provider does not know the model"),
    ("invalid_request", "the provider refuses the request"),
    ("content_filter", "the provider's filter stopped the answer"),
    ("protocol", "the provider's answer is not of its own form"),
    ("unknown", "the provider gives no reason that is known"),
];

/// The page of a word; `None` for another one.
pub fn describe(word: &str) -> Option<String> {
    let decider = DECIDERS.iter().find(|(id, ..)| *id == word).map(|(id, about, next)| {
        format!("{id}   what decided a call\n  because   {about}\n  next      {next}\n")
    });
    let error = ERRORS.iter().find(|(code, _)| *code == word);
    let error = error.map(|(code, about)| format!("{code}   code of an error\n  {about}\n"));
    match (decider, error) {
        (None, None) => None,
        (decider, error) => Some(decider.unwrap_or_default() + &error.unwrap_or_default()),
    }
}

/// All words, for the nearest name.
pub fn names() -> impl Iterator<Item = &'static str> {
    DECIDERS.iter().map(|(id, ..)| *id).chain(ERRORS.iter().map(|(code, _)| *code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::DecidedBy;
    use crate::policy::Basis;

    #[test]
    fn every_word_that_a_denial_may_show_has_a_page() {
        let by = [
            DecidedBy::Mode,
            DecidedBy::HeadlessAsk,
            DecidedBy::Person,
            DecidedBy::Expired,
            DecidedBy::Cancelled,
            DecidedBy::Hook,
            DecidedBy::Classifier,
            DecidedBy::Malformed,
            DecidedBy::Tool,
            DecidedBy::Sandbox,
            DecidedBy::Audit,
        ];
        let basis = [Basis::Opaque, Basis::Malformed, Basis::Mode, Basis::ReadOnlyPath];
        let word = |value: serde_json::Value| value.as_str().expect("a word").to_owned();
        let words = by.iter().map(|by| word(serde_json::json!(by)));
        let words = words.chain(basis.iter().map(|basis| word(serde_json::json!(basis))));
        for word in words.chain([crate::policy::untrusted::ID.to_owned()]) {
            assert!(describe(&word).is_some(), "`ion help {word}`");
        }
        assert!(describe("moda").is_none());
    }
}
